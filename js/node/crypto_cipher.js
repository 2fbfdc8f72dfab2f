// @ts-check

// Ciphers of `node:crypto`: AES with keys of 128, 192 and 256 bits. They are streams, too.

import { Transform } from "node:stream";
import { bytesOf, given } from "./crypto_bytes.js";
import { secretOf } from "./crypto_secret.js";
import { coded, expectString } from "./errors.js";

const { NodeCipher } = __bootstrap.core.ops;
const MODES = ["cbc", "ctr", "ecb", "gcm"];

/** What a cipher's name means. @param {string} name */
function parse(name) {
  const found = /^(?:aes-?|id-aes)(128|192|256)-?(cbc|ctr|ecb|gcm)?$/.exec(name.toLowerCase());
  if (found === null) return undefined;
  const [, bits, mode = "cbc"] = found;
  const ivLength = { cbc: 16, ctr: 16, ecb: 0, gcm: 12 }[/** @type {"cbc" | "ctr" | "ecb" | "gcm"} */ (mode)];
  return { bits: Number(bits), mode, ivLength };
}

class Ciphering extends /** @type {any} */ (Transform) {
  #native;
  #mode;
  #tagLength;
  #decrypts;
  #finished = false;

  /** @param {string} name @param {any} key @param {any} iv @param {any} options @param {boolean} decrypts */
  constructor(name, key, iv, options, decrypts) {
    super(options);
    expectString("cipher", name);
    const known = parse(name);
    if (known === undefined) throw new Error(`Unknown or unsupported cipher: ${name}`);
    const secret = secretOf("key", key, options?.encoding);
    const start = iv === null || iv === undefined ? new Uint8Array() : bytesOf("iv", iv);
    if (secret.length * 8 !== known.bits) throw coded(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    if (known.mode === "gcm" ? start.length === 0 : start.length !== known.ivLength) throw coded(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    this.#mode = known.mode;
    this.#tagLength = options?.authTagLength ?? 16;
    this.#decrypts = decrypts;
    this.#native = new NodeCipher(known.mode, !decrypts, secret, start);
  }

  /** @param {any} chunk @param {string} encoding @param {(error?: any, data?: any) => void} callback */
  _transform(chunk, encoding, callback) {
    callback(null, this.update(chunk, encoding));
  }

  /** @param {(error?: any, data?: any) => void} callback */
  _flush(callback) {
    try {
      callback(null, this.final());
    } catch (error) {
      callback(error);
    }
  }

  /** @param {any} data @param {string} [inputEncoding] @param {string} [outputEncoding] */
  update(data, inputEncoding, outputEncoding) {
    if (this.#finished) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state");
    return given(this.#native.update(bytesOf("data", data, inputEncoding)), outputEncoding);
  }

  /** @param {string} [outputEncoding] */
  final(outputEncoding) {
    if (this.#finished) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state");
    this.#finished = true;
    return given(this.#native.finish(), outputEncoding);
  }

  setAutoPadding(padding = true) {
    this.#native.setPadding(Boolean(padding));
    return this;
  }

  /** @param {any} data @param {{ encoding?: string }} [options] */
  setAAD(data, options) {
    this.#native.associate(bytesOf("buffer", data, options?.encoding));
    return this;
  }

  getAuthTag() {
    if (!this.#finished || this.#mode !== "gcm" || this.#decrypts) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation getAuthTag");
    return given(this.#native.tag()).subarray(0, this.#tagLength);
  }

  /** @param {any} tag @param {string} [encoding] */
  setAuthTag(tag, encoding) {
    const bytes = bytesOf("tag", tag, encoding);
    if (this.#finished || this.#mode !== "gcm" || !this.#decrypts) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation setAuthTag");
    if (![4, 8, 12, 13, 14, 15, 16].includes(bytes.length)) throw coded(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${bytes.length}`);
    this.#native.expectTag(bytes);
    return this;
  }
}

export class Cipheriv extends Ciphering {
  /** @param {string} name @param {any} key @param {any} iv @param {any} [options] */
  constructor(name, key, iv, options) {
    super(name, key, iv, options, false);
  }
}

export class Decipheriv extends Ciphering {
  /** @param {string} name @param {any} key @param {any} iv @param {any} [options] */
  constructor(name, key, iv, options) {
    super(name, key, iv, options, true);
  }
}

/** @param {string} name @param {any} key @param {any} iv @param {any} [options] */
export function createCipheriv(name, key, iv, options) {
  return new Cipheriv(name, key, iv, options);
}

/** @param {string} name @param {any} key @param {any} iv @param {any} [options] */
export function createDecipheriv(name, key, iv, options) {
  return new Decipheriv(name, key, iv, options);
}

export function getCiphers() {
  return [128, 192, 256].flatMap((bits) => MODES.map((mode) => `aes-${bits}-${mode}`));
}

/** @param {any} name @param {{ keyLength?: number, ivLength?: number }} [options] */
export function getCipherInfo(name, options) {
  const known = typeof name === "string" ? parse(name) : undefined;
  if (known === undefined) return undefined;
  const { bits, mode, ivLength } = known;
  if (options?.keyLength !== undefined && options.keyLength * 8 !== bits) return undefined;
  if (options?.ivLength !== undefined && mode !== "gcm" && options.ivLength !== ivLength) return undefined;
  const info = { mode, name: `${mode === "gcm" ? "id-aes" : "aes-"}${bits}-${mode.toUpperCase()}`, keyLength: bits / 8 };
  return { ...info, ...(ivLength > 0 ? { ivLength: options?.ivLength ?? ivLength } : {}), ...(mode === "cbc" || mode === "ecb" ? { blockSize: 16 } : {}) };
}
