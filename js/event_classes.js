// @ts-check
/// <reference path="./types.d.ts" />

// The events that programs make: deno's classes under constructors that look at their arguments.

import { standFor } from "ext:stead/stand_in.js";
import { core } from "ext:core/mod.js";

const event = core.loadExtScript("ext:deno_web/02_event.js");

/**
 * @param {any} base
 * @param {string} init the type of the second parameter
 */
function withChecks(base, init) {
  const { name } = base;
  /** @this {any} @param {any[]} args */
  function Checked(...args) {
    const refusal = new.target === undefined
      ? "Please use the 'new' operator, this object constructor cannot be called as a function."
      : args.length === 0
      ? "constructor parameter 1 is not of type 'string'."
      : args[1] !== undefined && args[1] !== null && Object(args[1]) !== args[1]
      ? `constructor parameter 2 is not of type '${init}'.`
      : undefined;
    if (refusal !== undefined) throw new TypeError(`Failed to construct '${name}': ${refusal}`);
    const [type, given] = args;
    return Reflect.construct(base, [type, given ?? {}], /** @type {any} */ (new.target));
  }
  Object.setPrototypeOf(Checked, Object.getPrototypeOf(base));
  return standFor(Checked, base, 1);
}

export const CloseEvent = withChecks(event.CloseEvent, "Initializer");
export const CustomEvent = withChecks(event.CustomEvent, "CustomEventInit");
export const ErrorEvent = withChecks(event.ErrorEvent, "ErrorEventInit");
export const MessageEvent = withChecks(event.MessageEvent, "Initializer");
