// @ts-check

// What unenv's modules make their absent functions with, in Stead's words.

import { missing } from "./errors.js";

/** @param {string} name */
export function createNotImplementedError(name) {
  return new Error(`${name} is not implemented in Stead yet.`);
}

/** @param {string} name */
export function notImplemented(name) {
  return missing(`${name}()`);
}

export const notImplementedAsync = notImplemented;

/** @param {string} name */
export function notImplementedClass(name) {
  return class {
    constructor() {
      throw createNotImplementedError(name);
    }
  };
}

/** @param {Record<string, string | string[]>} headers */
export function rawHeaders(headers) {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]));
}

/** @param {((...args: any[]) => void)[]} functions */
export function mergeFns(...functions) {
  return (/** @type {any[]} */ ...args) => functions.forEach((one) => one(...args));
}
