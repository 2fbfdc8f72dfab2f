// @ts-check
/// <reference path="./types.d.ts" />

// The compatibility flags of the worker that runs here.
// https://developers.cloudflare.com/workers/configuration/compatibility-flags/

/** @type {Record<string, boolean>} */
let flags = { __proto__: /** @type {any} */ (null) };

/**
 * Called once per runtime, before user code.
 * @param {Record<string, boolean>} given every flag, on or off
 */
export function setFlags(given) {
  flags = given;
}

/**
 * Whether a flag is on. Nothing is while the snapshot is made.
 * @param {string} name
 */
export function isOn(name) {
  return flags[name] === true;
}
