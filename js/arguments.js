// @ts-check
/// <reference path="./types.d.ts" />

// What the platform says to arguments of the wrong kind. It converts to strings and numbers as
// JavaScript does, so only what cannot be converted is refused.

import { primordials } from "ext:core/mod.js";

const { MathTrunc, NumberIsFinite, TypeError } = primordials;

/**
 * @param {string} owner the class of the method
 * @param {string} method
 * @param {number} position counted from 1
 * @param {string} type
 * @returns {never}
 */
export function refuseArgument(owner, method, position, type) {
  throw new TypeError(
    `Failed to execute '${method}' on '${owner}': parameter ${position} is not of type '${type}'.`,
  );
}

/**
 * Options are an object, or left out.
 * @param {string} owner
 * @param {string} method
 * @param {number} position
 * @param {string} type
 * @param {unknown} options
 */
export function checkOptions(owner, method, position, type, options) {
  if (options === undefined || options === null) return;
  if (typeof options === "object" || typeof options === "function") return;
  refuseArgument(owner, method, position, type);
}

/**
 * @param {string} owner
 * @param {string} method
 * @param {unknown} callback
 */
export function checkCallback(owner, method, callback) {
  if (typeof callback !== "function") refuseArgument(owner, method, 1, "function");
}

const INT_MIN = -2147483648;
const INT_MAX = 2147483647;

/**
 * A number as the platform's integers are converted.
 * @param {any} value
 */
export function toInteger(value) {
  const number = +value;
  if (!NumberIsFinite(number)) return 0;
  if (number < INT_MIN || number > INT_MAX) {
    throw new TypeError(
      `Value out of range. Must be between ${INT_MIN} and ${INT_MAX} (inclusive).`,
    );
  }
  return MathTrunc(number);
}
