// @ts-check

// Signatures of `node:crypto`.
// https://nodejs.org/api/crypto.html#class-sign

import { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import { bytesOf, bytesOfKey, given, hashName } from "./crypto_bytes.js";
import { signingKey, verifyingKey } from "./crypto_key.js";
import { coded, expectFunction, expectString } from "./errors.js";

const { op_node_sign, op_node_verify } = __bootstrap.core.ops;
const PSS = 6;
const DIGEST_BYTES = { sha256: 32, sha384: 48, sha512: 64 };

/** How a key signs with a hash, in the words of the ops. @param {any} key @param {string | null | undefined} hash @param {any} options */
function schemeOf(key, hash, options) {
  const kind = key[Symbol.for("stead.keyKind")];
  if (kind === "ed25519") return kind;
  const name = hashName(hash ?? "sha256");
  if (kind !== "rsa") return `${kind}-${name}`;
  if ((options?.padding ?? 1) === 1) return `rsa-${name}`;
  const salt = options.saltLength ?? -1;
  const usual = DIGEST_BYTES[/** @type {"sha256"} */ (name)];
  if (options.padding !== PSS || (salt !== -1 && salt !== usual)) throw new Error("This padding of RSA is not implemented in Stead yet.");
  return `rsa-pss-${name}`;
}

/** @param {any} input */
function isPlain(input) {
  return input?.dsaEncoding === "ieee-p1363";
}

/** @param {string | null | undefined} hash @param {any} data @param {any} input @param {any} [callback] */
export function sign(hash, data, input, callback) {
  const key = signingKey(input);
  const made = given(op_node_sign(schemeOf(key, hash, input), key[bytesOfKey](), bytesOf("data", data), isPlain(input)));
  if (callback === undefined) return made;
  expectFunction("callback", callback);
  queueMicrotask(() => callback(null, made));
}

/** @param {string | null | undefined} hash @param {any} data @param {any} input @param {any} signature @param {any} [callback] */
export function verify(hash, data, input, signature, callback) {
  const key = verifyingKey(input);
  const scheme = schemeOf(key, hash, input);
  // An Ed25519 key is the last 32 bytes of its DER.
  const bytes = scheme === "ed25519" ? key[bytesOfKey]().subarray(-32) : key[bytesOfKey]();
  const right = op_node_verify(scheme, bytes, bytesOf("data", data), bytesOf("signature", signature), isPlain(input));
  if (callback === undefined) return right;
  expectFunction("callback", callback);
  queueMicrotask(() => callback(null, right));
}

/** What both are: they gather what is signed. */
class Gathering extends /** @type {any} */ (Writable) {
  /** @type {Uint8Array[]} */
  _parts = [];

  /** @param {string} hash @param {any} [options] */
  constructor(hash, options) {
    super(options);
    expectString("algorithm", hash);
    if (!/^(?:rsa-|ecdsa-with-)?(?:sha-?(?:1|224|256|384|512)|md5)$/i.test(hash)) throw coded(Error, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${hash}`);
    this._hash = hash;
  }

  /** @param {any} chunk @param {string} encoding @param {() => void} callback */
  _write(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  }

  /** @param {any} data @param {string} [encoding] */
  update(data, encoding) {
    this._parts.push(Buffer.from(bytesOf("data", data, encoding)));
    return this;
  }
}

export class Sign extends Gathering {
  /** @param {any} key @param {string} [encoding] */
  sign(key, encoding) {
    return given(sign(this._hash, Buffer.concat(this._parts), key), encoding);
  }
}

export class Verify extends Gathering {
  /** @param {any} key @param {any} signature @param {string} [encoding] */
  verify(key, signature, encoding) {
    return verify(this._hash, Buffer.concat(this._parts), key, bytesOf("signature", signature, encoding));
  }
}

/** @param {string} hash @param {any} [options] */
export function createSign(hash, options) {
  return new Sign(hash, options);
}

/** @param {string} hash @param {any} [options] */
export function createVerify(hash, options) {
  return new Verify(hash, options);
}
