// @ts-check
/// <reference path="./types.d.ts" />

// queueMicrotask and structuredClone, with the platform's messages.

import { core, primordials } from "ext:core/mod.js";
import { copy } from "ext:stead/clone.js";

const { ObjectDefineProperty, TypeError } = primordials;
const transfer = core.loadExtScript("ext:deno_web/13_message_port.js").structuredClone;

/** deno_core's own: what its callback throws is reported as an uncaught exception. */
const enqueue = globalThis.queueMicrotask;

/** @param {() => void} callback */
export function queueMicrotask(callback) {
  if (typeof callback !== "function") {
    throw new TypeError(
      "Failed to execute 'queueMicrotask' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.",
    );
  }
  enqueue(callback);
}

/**
 * @template T
 * @param {T} value
 * @param {{ transfer?: Transferable[] }} [options]
 * @returns {T}
 */
export function structuredClone(value, options) {
  if (arguments.length === 0) {
    throw new TypeError(
      "Failed to execute 'structuredClone' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Value'.",
    );
  }
  const list = options?.transfer;
  if (list === undefined || list.length === 0) return copy(value);
  const buffers = [...list];
  if (!buffers.every((item) => core.isArrayBuffer(item))) return transfer(value, options);
  const made = copy(value);
  for (const buffer of buffers) /** @type {any} */ (buffer).transfer();
  return made;
}

/**
 * V8 installs its queueMicrotask when a snapshot is restored, below the one on the global scope.
 * deno_core looks for it there on first use, moving whatever it finds on top: so it is used now,
 * before user code can put something of its own there.
 */
export function startTasks() {
  enqueue(() => {});
  ObjectDefineProperty(globalThis, "queueMicrotask", {
    __proto__: null,
    value: queueMicrotask,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
