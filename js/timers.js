// @ts-check
/// <reference path="./types.d.ts" />

// Timers with numeric ids. Unlike the web's, they do not evaluate strings.

import { core, primordials } from "ext:core/mod.js";

const { SafeArrayIterator, TypeError } = primordials;
const timers = core.loadExtScript("ext:deno_web/02_timers.js");
const startTimeout = timers.setTimeout;
const startInterval = timers.setInterval;
export const clearTimeout = timers.clearTimeout;
export const clearInterval = timers.clearInterval;

/**
 * @param {string} name
 * @param {unknown} callback
 */
function checkCallback(name, callback) {
  if (typeof callback === "function") return;
  throw new TypeError(
    `Failed to execute '${name}' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.`,
  );
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} delay
 * @param {any[]} args
 * @returns {number}
 */
export function setTimeout(callback, delay = 0, ...args) {
  checkCallback("setTimeout", callback);
  if (args.length === 0) return startTimeout(callback, delay);
  return startTimeout(callback, delay, ...new SafeArrayIterator(args));
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} delay
 * @param {any[]} args
 * @returns {number}
 */
export function setInterval(callback, delay = 0, ...args) {
  checkCallback("setInterval", callback);
  if (args.length === 0) return startInterval(callback, delay);
  return startInterval(callback, delay, ...new SafeArrayIterator(args));
}
