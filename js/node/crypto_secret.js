// @ts-check

// Secrets: bytes, texts, or keys that hold them.

import { bytesOf, bytesOfKey, wrongKind } from "./crypto_bytes.js";
import { nodeKey } from "./crypto_key.js";
import { invalidType } from "./errors.js";

/** @param {string} name @param {any} input @param {string} [encoding] @returns {Uint8Array} */
export function secretOf(name, input, encoding) {
  const key = nodeKey(input);
  if (key?.[bytesOfKey] !== undefined) {
    if (key.type !== "secret") throw wrongKind(key.type, "secret");
    return key[bytesOfKey]();
  }
  if (key === undefined || key === null || typeof key === "number") {
    throw invalidType(name, ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView", "KeyObject", "CryptoKey"], key);
  }
  return bytesOf(name, key, encoding);
}
