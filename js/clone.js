// @ts-check
/// <reference path="./types.d.ts" />

// Values as bytes: V8's structured clone, which the platform uses for storage and between objects.

import { core } from "ext:core/mod.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

const STORAGE = { forStorage: true };
const RESTORE = { forStorage: true, deserializers: core.getCloneableDeserializers() };

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
  return core.deserialize(bytes, RESTORE);
}

/**
 * Clones what was thrown. A value that cannot be cloned becomes an Error with its text.
 * @param {any} thrown
 * @returns {Uint8Array}
 */
export function serializeThrown(thrown) {
  try {
    return serialize(thrown);
  } catch {
    let text = "the thrown value cannot be cloned";
    try {
      text = String(thrown?.message ?? thrown);
    } catch {
      // Its conversion throws too: the text above has to do.
    }
    return serialize(new Error(text));
  }
}

export { DOMException };
