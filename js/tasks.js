// @ts-check
/// <reference path="./types.d.ts" />

// queueMicrotask and structuredClone, with the platform's messages.

import { core, primordials } from "ext:core/mod.js";
import { checkOptions } from "ext:stead/arguments.js";
import { copy } from "ext:stead/clone.js";

const { ObjectDefineProperty, TypeError } = primordials;

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
  checkOptions("ServiceWorkerGlobalScope", "structuredClone", 2, "StructuredCloneOptions", options);
  const list = options?.transfer;
  if (list === undefined) return copy(value);
  if (typeof list !== "object" || list === null || !(Symbol.iterator in list)) {
    throw new TypeError(
      "Incorrect type for the 'transfer' field on 'StructuredCloneOptions': the provided value is not of type 'Array'.",
    );
  }
  const buffers = new Set(list);
  for (const item of buffers) {
    if (!core.isArrayBuffer(item)) throw new TypeError("Object is not transferable");
  }
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
