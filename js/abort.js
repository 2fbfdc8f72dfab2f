// @ts-check
/// <reference path="./types.d.ts" />

// AbortController and AbortSignal with the platform's reasons.

import { core, primordials } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { restrict } from "ext:stead/global_scope.js";

const { FunctionPrototypeCall, MathMin, NumberMAX_SAFE_INTEGER, ObjectDefineProperty } = primordials;
const { AbortController, AbortSignal } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** @param {{ abort: (reason?: any) => any }} target */
function giveReason(target) {
  const standard = target.abort;
  ObjectDefineProperty(target, "abort", {
    __proto__: null,
    value: {
      /** @param {any} [reason] */
      abort(reason = new DOMException("The operation was aborted", "AbortError")) {
        return FunctionPrototypeCall(standard, this, reason);
      },
    }.abort,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

giveReason(AbortController.prototype);
giveReason(AbortSignal);

const standardTimeout = AbortSignal.timeout;
ObjectDefineProperty(AbortSignal, "timeout", {
  __proto__: null,
  value: {
    /** @param {number} delay milliseconds; what is no number, or below 0, is 0 */
    timeout(delay) {
      if (arguments.length === 0) refuseArgument("AbortSignal", "timeout", 1, "number");
      const number = +delay;
      return standardTimeout(number > 0 ? MathMin(number, NumberMAX_SAFE_INTEGER) : 0);
    },
  }.timeout,
  writable: true,
  enumerable: true,
  configurable: true,
});
restrict(AbortSignal, "timeout");

export { AbortController, AbortSignal };
