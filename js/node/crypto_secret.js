// @ts-check

// Secrets: bytes, texts, or keys that hold them.

import { bytesOf } from "./crypto_bytes.js";
import { coded, invalidType } from "./errors.js";

/** How a key gives its bytes to the functions that need them. */
export const bytesOfKey = Symbol("bytesOfKey");

/** @param {string} name @param {any} key @param {string} [encoding] @returns {Uint8Array} */
export function secretOf(name, key, encoding) {
  if (key?.[bytesOfKey] !== undefined) {
    if (key.type !== "secret") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected secret.`);
    return key[bytesOfKey]();
  }
  if (key === undefined || key === null || typeof key === "number") {
    throw invalidType(name, ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView", "KeyObject", "CryptoKey"], key);
  }
  return bytesOf(name, key, encoding);
}
