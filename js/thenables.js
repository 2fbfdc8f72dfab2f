// @ts-check
/// <reference path="./types.d.ts" />

// Objects that have a `then()` and are no promises: older compatibility dates do not wait for them.
// https://developers.cloudflare.com/workers/configuration/compatibility-flags/

import { isOn } from "ext:stead/compatibility.js";

/**
 * What a handler returned, which is a promise or the response itself.
 * @param {any} returned
 */
export function expectPromise(returned) {
  if (!isOn("unwrap_custom_thenables") && isThenable(returned)) {
    throw new TypeError("Callback returned incorrect type; expected 'Promise'");
  }
  return returned;
}

/**
 * What there is to wait for: promises, and objects that only behave like them where the flags say so.
 * @param {any} given
 */
export function awaitable(given) {
  return !isOn("unwrap_custom_thenables") && isThenable(given) ? undefined : given;
}

/** @param {any} value */
function isThenable(value) {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  return isObject && !(value instanceof Promise) && typeof value.then === "function";
}
