// @ts-check
/// <reference path="./types.d.ts" />

// Values as bytes: V8's structured clone, which the platform uses for storage and between objects.

import { core } from "ext:core/mod.js";
import { dataCloneError, streamError } from "ext:stead/cloning.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

const STORAGE = { forStorage: true };
const RESTORE = { forStorage: true, deserializers: core.getCloneableDeserializers() };
const COPY = { deserializers: core.getCloneableDeserializers() };
/** What deno_core says of objects that can only be transferred, which are streams and ports. */
const TRANSFERABLE = "Unsupported object type";

/**
 * @param {unknown} value
 * @param {object} options
 */
function write(value, options) {
  return core.serialize(value, options, (message) => {
    if (message !== TRANSFERABLE) throw dataCloneError(message);
    throw streamError(streamIn(value) ?? "ReadableStream");
  });
}

/**
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function serialize(value) {
  return write(value, STORAGE);
}

/**
 * A copy for the same isolate, which may share memory with the original.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function copy(value) {
  return core.deserialize(write(value, {}), COPY);
}

/**
 * The class of the first stream in a value.
 * @param {any} value
 * @returns {string | null}
 */
function streamIn(value, seen = new Set()) {
  if (typeof value !== "object" || value === null || seen.has(value)) return null;
  seen.add(value);
  const brand = value[core.hostObjectBrand];
  if (typeof brand === "string") return brand;
  const parts = value instanceof Map
    ? [...value].flat()
    : value instanceof Set
    ? [...value]
    : Object.values(value);
  for (const part of parts) {
    const found = streamIn(part, seen);
    if (found !== null) return found;
  }
  return null;
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
