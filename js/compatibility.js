// @ts-check
/// <reference path="./types.d.ts" />

// The compatibility flags of the worker that runs here.
// https://developers.cloudflare.com/workers/configuration/compatibility-flags/

/** @type {Record<string, boolean>} */
let flags = { __proto__: /** @type {any} */ (null) };

/**
 * Called once per runtime, before user code.
 * @param {Record<string, boolean>} given
 */
export function setFlags(given) {
  flags = given;
}

/**
 * Whether a flag is on. One that nothing was said of is: the newest behaviour.
 * @param {string} name
 */
export function isOn(name) {
  return flags[name] !== false;
}

/**
 * Whether a flag is on that no date turns on: one that nothing was said of is not.
 * @param {string} name
 */
export function isChosen(name) {
  return flags[name] === true;
}
