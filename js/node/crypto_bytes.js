// @ts-check

// What `node:crypto` takes as bytes, and what it gives.

import { Buffer } from "node:buffer";
import { coded, invalidType } from "./errors.js";

/** How a key gives its bytes to the functions that need them. */
export const bytesOfKey = Symbol("bytesOfKey");

/**
 * @param {string} name
 * @param {any} value
 * @param {string} [encoding] of a text
 * @returns {Uint8Array}
 */
export function bytesOf(name, value, encoding) {
  if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? "utf8" : encoding);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(/** @type {ArrayBuffer} */ (value));
  if (ArrayBuffer.isView(value)) return new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength);
  throw invalidType(name, ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView"], value);
}

/** Bytes that nobody else holds, as a buffer, or as text if an encoding says so. @param {Uint8Array} bytes @param {string} [encoding] */
export function given(bytes, encoding) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding === undefined || encoding === "buffer" ? buffer : buffer.toString(encoding);
}

/** A hash's name as the ops know it. @param {string} name */
export function hashName(name) {
  const lower = name.toLowerCase().replace(/^rsa-/, "");
  if (lower === "sha512-256") return "sha512/256";
  return lower.replace("-", "");
}

/** What is thrown for a key of another kind than `expected`. @param {string} type @param {string} expected */
export function wrongKind(type, expected) {
  return coded(Error, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${type}, expected ${expected}.`);
}
