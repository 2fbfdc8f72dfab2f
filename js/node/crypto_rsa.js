// @ts-check

// What RSA encrypts for the holder of a key, and what the holder sends that everybody can read.
// https://nodejs.org/api/crypto.html#cryptopublicencryptkey-buffer

import { bytesOf, bytesOfKey, given, wrongKind } from "./crypto_bytes.js";
import { KeyObject, nodeKey, publicOf, readKey } from "./crypto_key.js";
import { expectInteger, expectString, invalidType } from "./errors.js";

const { op_node_rsa } = __bootstrap.core.ops;
const PKCS1 = 1;
const EMPTY = new Uint8Array();

/** The key that an action needs. @param {any} input @param {"private" | "public"} wanted */
function keyFor(input, wanted) {
  const key = readKey(input, wanted);
  if (key.type === wanted) return key;
  // A text with a private key holds the public one, too.
  const wasKey = [input, input?.key].some((one) => nodeKey(one) instanceof KeyObject);
  if (wasKey || wanted === "private") throw wrongKind(key.type, wanted);
  return publicOf(key);
}

/** @param {any} value */
function labelBytes(value) {
  if (value === undefined) return EMPTY;
  if (typeof value !== "string" && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) {
    throw invalidType("options.oaepLabel", ["string", "Buffer", "TypedArray", "DataView", "ArrayBuffer"], value);
  }
  return bytesOf("options.oaepLabel", value);
}

/** @param {string} action @param {"private" | "public"} wanted */
function make(action, wanted) {
  return { [action](/** @type {any} */ input, /** @type {any} */ data) {
    const key = keyFor(input, wanted);
    const { padding = PKCS1, oaepHash, oaepLabel, encoding } = input instanceof KeyObject || typeof input === "string" ? /** @type {any} */ ({}) : input;
    expectInteger("options.padding", padding);
    if (oaepHash !== undefined) expectString("options.oaepHash", oaepHash);
    const label = labelBytes(oaepLabel);
    if (typeof data === "number") throw new TypeError(`Failed to execute '${action}' on 'CryptoImpl': parameter 2 is not of type 'BufferSource'.`);
    const bytes = bytesOf("buffer", data, encoding);
    if (key.asymmetricKeyType !== "rsa") throw new Error(`${action}() currently only supports RSA keys`);
    return given(op_node_rsa(action, key[bytesOfKey](), padding, oaepHash ?? "", label, bytes));
  } }[action];
}

export const publicEncrypt = make("publicEncrypt", "public");
export const privateDecrypt = make("privateDecrypt", "private");
export const privateEncrypt = make("privateEncrypt", "private");
export const publicDecrypt = make("publicDecrypt", "public");
