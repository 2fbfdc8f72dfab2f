// @ts-check
/// <reference path="./types.d.ts" />

// AbortController and AbortSignal with the platform's reasons.

import { core, primordials } from "ext:core/mod.js";
import { restrict } from "ext:stead/global_scope.js";

const { FunctionPrototypeCall, ObjectDefineProperty } = primordials;
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
restrict(AbortSignal, "timeout");

export { AbortController, AbortSignal };
