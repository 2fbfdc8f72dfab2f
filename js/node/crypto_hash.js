// @ts-check

// Hashes and HMAC of `node:crypto`. Both are streams, too.

import { Transform } from "node:stream";
import { bytesOf, given, hashName } from "./crypto_bytes.js";
import { secretOf } from "./crypto_secret.js";
import { coded, expectString } from "./errors.js";

const { NodeHash } = __bootstrap.core.ops;
const NO_KEY = new Uint8Array();

/** What both are. @type {any} */
const Digesting = class extends /** @type {any} */ (Transform) {
  /** @param {any} native @param {any} options */
  constructor(native, options) {
    super(options);
    this._native = native;
    this._ended = false;
  }

  /** @param {any} chunk @param {string} encoding @param {() => void} callback */
  _transform(chunk, encoding, callback) {
    this._native.update(bytesOf("data", chunk, encoding));
    callback();
  }

  /** @param {() => void} callback */
  _flush(callback) {
    this.push(this.digest());
    callback();
  }

  /** @param {any} data @param {string} [encoding] */
  update(data, encoding) {
    if (this._ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this._native.update(bytesOf("data", data, encoding));
    return this;
  }
};

export class Hash extends Digesting {
  /** @param {string} name @param {any} [options] @param {any} [native] */
  constructor(name, options, native) {
    expectString("algorithm", name);
    if (options?.outputLength !== undefined) throw new Error("The option outputLength of createHash() is not implemented in Stead yet.");
    super(native ?? new NodeHash(hashName(name), false, NO_KEY), options);
    this._algorithm = name;
  }

  /** @param {any} [options] */
  copy(options) {
    if (this._ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    return new Hash(this._algorithm, options, this._native.copy());
  }

  /** @param {string} [encoding] */
  digest(encoding) {
    if (this._ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this._ended = true;
    return given(this._native.finish(), encoding);
  }
}

/** @param {string} name @param {any} key @param {any} options */
function startHmac(name, key, options) {
  expectString("hmac", name);
  return new NodeHash(hashName(name), true, secretOf("key", key, options?.encoding));
}

export class Hmac extends Digesting {
  /** @param {string} name @param {any} key @param {any} [options] */
  constructor(name, key, options) {
    super(startHmac(name, key, options), options);
  }

  /** @param {string} [encoding] */
  digest(encoding) {
    /** @type {Uint8Array} */
    const bytes = this._ended ? new Uint8Array() : this._native.finish();
    this._ended = true;
    return given(bytes, encoding);
  }
}

/** @param {string} name @param {any} [options] */
export function createHash(name, options) {
  return new Hash(name, options);
}

/** @param {string} name @param {any} key @param {any} [options] */
export function createHmac(name, key, options) {
  return new Hmac(name, key, options);
}

/** @param {string} name @param {any} data @param {any} [encoding] */
export function hash(name, data, encoding = "hex") {
  return new Hash(name).update(data).digest(typeof encoding === "object" ? encoding.outputEncoding ?? "hex" : encoding);
}

export function getHashes() {
  return ["RSA-MD5", "RSA-SHA1", "RSA-SHA224", "RSA-SHA256", "RSA-SHA384", "RSA-SHA512", "md5", "sha1", "sha224", "sha256", "sha3-256", "sha3-384", "sha3-512", "sha384", "sha512", "sha512-256"];
}
