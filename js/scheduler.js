// @ts-check
/// <reference path="./types.d.ts" />

// https://developers.cloudflare.com/workers/runtime-apis/scheduler/

import { core, primordials } from "ext:core/mod.js";
import { clearTimeout, setTimeout } from "ext:stead/timers.js";
import { guardReceiver, ILLEGAL_INVOCATION } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";

const { Error, Promise, PromiseReject, String, TypeError } = primordials;
const { AbortSignalPrototype, add, remove } = core.loadExtScript(
  "ext:deno_web/03_abort_signal.js",
);
const { ObjectPrototypeIsPrototypeOf } = primordials;

/** A reason as the platform throws it: what is no object becomes an error's text. @param {any} reason */
function asError(reason) {
  return Object(reason) === reason ? reason : new Error(String(reason));
}

/** Only the global `scheduler` passes the check of its methods. */
let constructed = false;

export class Scheduler {
  #brand = true;

  constructor() {
    if (constructed) throw new TypeError("Illegal constructor");
    constructed = true;
  }

  /**
   * Resolves after `delay` milliseconds, or rejects with the signal's reason when it aborts.
   * @param {number} delay
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<void>}
   */
  wait(delay, options) {
    if (!(#brand in this)) return PromiseReject(new TypeError(ILLEGAL_INVOCATION));
    if (arguments.length === 0) {
      return PromiseReject(
        new TypeError(
          "Failed to execute 'wait' on 'Scheduler': parameter 1 is not of type 'number'.",
        ),
      );
    }
    if (options !== undefined && options !== null && Object(options) !== options) {
      return PromiseReject(
        new TypeError(
          "Failed to execute 'wait' on 'Scheduler': parameter 2 is not of type 'WaitOptions'.",
        ),
      );
    }
    const signal = options?.signal;
    if (signal === undefined || signal === null) {
      return new Promise((/** @type {any} */ resolve) => {
        setTimeout(() => resolve(undefined), delay);
      });
    }
    if (!ObjectPrototypeIsPrototypeOf(AbortSignalPrototype, signal)) {
      return PromiseReject(
        new TypeError(
          "Incorrect type for the 'signal' field on 'WaitOptions': the provided value is not of type 'AbortSignal'.",
        ),
      );
    }
    const aborting = /** @type {any} */ (signal);
    if (signal.aborted) return PromiseReject(asError(signal.reason));
    return new Promise((/** @type {any} */ resolve, /** @type {any} */ reject) => {
      const onAbort = () => {
        clearTimeout(timer);
        reject(asError(signal.reason));
      };
      const timer = setTimeout(() => {
        aborting[remove](onAbort);
        resolve(undefined);
      }, delay);
      aborting[add](onAbort);
    });
  }
}
tagClass(Scheduler);
guardReceiver(Scheduler);

export const scheduler = new Scheduler();
