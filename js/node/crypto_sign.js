// @ts-check

// Signatures of `node:crypto`.
// https://nodejs.org/api/crypto.html#class-sign

import { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import { bytesOf, bytesOfKey, given } from "./crypto_bytes.js";
import { signingKey, verifyingKey } from "./crypto_key.js";
import { sizeOf } from "./crypto_point.js";
import { encode, items } from "./der.js";
import { expectFunction, expectString, invalidValue } from "./errors.js";

const { op_node_sign, op_node_verify } = __bootstrap.core.ops;
const PKCS1 = 1;
/** As long a salt as the hash. */
const USUAL_SALT = -1;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** @param {any} key that it can sign */
function expectSigning(key) {
  if (key.asymmetricKeyType === "x25519") throw new Error("Failed to initialize signing context");
}

/** What the ops need of a hash. @param {string | null | undefined} hash */
function digestName(hash) {
  return hash === null || hash === undefined ? "" : hash.toLowerCase().replace(/^(?:rsa|ecdsa-with)-/, "").replace(/^sha-/, "sha");
}

/** Whether a signature of a curve is its two numbers in a row. @param {any} key @param {any} input */
function isPlain(key, input) {
  const encoding = input?.dsaEncoding ?? "der";
  if (encoding !== "der" && encoding !== "ieee-p1363") throw invalidValue("options.dsaEncoding", encoding);
  return key.asymmetricKeyType === "ec" && encoding === "ieee-p1363";
}

/** @param {any} key @returns {number} of bytes of a number of its signatures */
function halfOf(key) {
  return sizeOf(key[Symbol.for("stead.keyKind")]);
}

/** The two numbers of a signature in a row. @param {any} der @param {number} half */
function toPlain(der, half) {
  const plain = Buffer.alloc(half * 2);
  for (const [at, { content }] of items(Buffer.from(der)).entries()) {
    const number = content[0] === 0 ? content.subarray(1) : content;
    plain.set(number, half * (at + 1) - number.length);
  }
  return plain;
}

/** @param {any} plain @param {number} half */
function fromPlain(plain, half) {
  if (plain.length !== half * 2) return Buffer.alloc(0);
  const numbers = [plain.subarray(0, half), plain.subarray(half)].map((number) => {
    let start = 0;
    while (start < half - 1 && number[start] === 0) start += 1;
    const short = number.subarray(start);
    return encode(INTEGER, short[0] > 127 ? Buffer.concat([Buffer.alloc(1), short]) : short);
  });
  return encode(SEQUENCE, ...numbers);
}

/** @param {any} key @param {string | null | undefined} hash @param {any} data @param {any} input */
function signNow(key, hash, data, input) {
  expectSigning(key);
  const made = op_node_sign(digestName(hash), key[bytesOfKey](), data, input?.padding ?? PKCS1, input?.saltLength ?? USUAL_SALT);
  return isPlain(key, input) ? toPlain(made, halfOf(key)) : given(made);
}

/** @param {any} key @param {string | null | undefined} hash @param {any} data @param {any} input @param {any} signature */
function verifyNow(key, hash, data, input, signature) {
  expectSigning(key);
  const made = isPlain(key, input) ? fromPlain(Buffer.from(signature), halfOf(key)) : signature;
  return op_node_verify(digestName(hash), key[bytesOfKey](), data, made, input?.padding ?? PKCS1, input?.saltLength ?? USUAL_SALT);
}

/** @param {string | null | undefined} hash @param {any} data @param {any} input @param {any} [callback] */
export function sign(hash, data, input, callback) {
  const made = signNow(signingKey(input), hash, bytesOf("data", data), input);
  if (callback === undefined) return made;
  expectFunction("callback", callback);
  queueMicrotask(() => callback(null, made));
}

/** @param {string | null | undefined} hash @param {any} data @param {any} input @param {any} signature @param {any} [callback] */
export function verify(hash, data, input, signature, callback) {
  const right = verifyNow(verifyingKey(input), hash, bytesOf("data", data), input, bytesOf("signature", signature));
  if (callback === undefined) return right;
  expectFunction("callback", callback);
  queueMicrotask(() => callback(null, right));
}

/** A key that hashes by itself signs nothing that was hashed, and a curve nothing that MD5 hashed. @param {any} key @param {string} hash */
function expectHashing(key, hash) {
  const kind = key.asymmetricKeyType;
  if (kind === "ed25519" || (kind === "ec" && /md5/i.test(hash))) throw new Error("Failed to set signature digest");
}

/** What both are: they gather what is signed. */
class Gathering extends /** @type {any} */ (Writable) {
  /** @type {Uint8Array[]} */
  _parts = [];

  /** @param {string} hash @param {any} [options] */
  constructor(hash, options) {
    super(options);
    expectString("algorithm", hash);
    if (!/^(?:rsa-|ecdsa-with-)?(?:sha-?(?:1|224|256|384|512)|md5)$/i.test(hash)) throw new Error(`Unknown digest: ${hash}`);
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
    const read = signingKey(key);
    expectHashing(read, this._hash);
    return given(signNow(read, this._hash, Buffer.concat(this._parts), key), encoding);
  }
}

export class Verify extends Gathering {
  /** @param {any} key @param {any} signature @param {string} [encoding] */
  verify(key, signature, encoding) {
    const read = verifyingKey(key);
    expectHashing(read, this._hash);
    return verifyNow(read, this._hash, Buffer.concat(this._parts), key, bytesOf("signature", signature, encoding));
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
