// @ts-check
/// <reference path="./types.d.ts" />

// Values as bytes: V8's structured clone, which the platform uses for storage and between objects.

import { core } from "ext:core/mod.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

const STORAGE = { forStorage: true };

/** @param {string} message */
function refuse(message) {
  throw new DOMException(message, "DataCloneError");
}

/**
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function serialize(value) {
  return core.serialize(value, STORAGE, refuse);
}

/**
 * @param {Uint8Array} bytes
 * @returns {any}
 */
export function deserialize(bytes) {
  return core.deserialize(bytes, STORAGE);
}

export { DOMException };
