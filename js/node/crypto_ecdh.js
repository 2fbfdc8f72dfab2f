// @ts-check

// Elliptic curve Diffie-Hellman.
// https://nodejs.org/api/crypto.html#class-ecdh

import { Buffer } from "node:buffer";
import { bytesOf, given } from "./crypto_bytes.js";
import { KeyObject, rawKey } from "./crypto_key.js";
import { bytesOfNumber, inForm, numberOf, sizeOf, uncompressed } from "./crypto_point.js";
import { expectString, invalidType, invalidValue } from "./errors.js";

const { op_node_agree, op_node_agree_generate, op_node_agree_public } = __bootstrap.core.ops;
const CURVES = { prime256v1: "P-256", "P-256": "P-256", secp384r1: "P-384", "P-384": "P-384", secp521r1: "P-521", "P-521": "P-521" };
/** Those that are known and not there, as on the platform. */
const ABSENT = ["secp256k1", "secp224r1"];

/** @param {string} name */
function curveOf(name) {
  expectString("curveName", name);
  const curve = CURVES[/** @type {"P-256"} */ (name)];
  if (curve === undefined) throw new Error(ABSENT.includes(name) ? "Failed to create key using named curve" : "Invalid curve");
  return curve;
}

class Ecdh {
  /** @type {string} */
  #curve;
  /** @type {Uint8Array | undefined} */
  #private;
  /** @type {any} */
  #public;

  /** @param {string} curveName */
  constructor(curveName) {
    this.#curve = curveOf(curveName);
  }

  /** @param {any} key @param {string} curve @param {string} [encoding] @param {string} [outputEncoding] @param {string} [format] */
  static convertKey(key, curve, encoding, outputEncoding, format) {
    const name = curveOf(curve);
    return given(inForm(uncompressed(name, bytesOf("key", key, encoding)), format), outputEncoding);
  }

  /** @param {any} otherPublicKey @param {string} [inputEncoding] @param {string} [outputEncoding] */
  computeSecret(otherPublicKey, inputEncoding, outputEncoding) {
    const other = bytesOf("otherPublicKey", otherPublicKey, inputEncoding);
    if (this.#private === undefined) throw new Error("Invalid keypair");
    const point = uncompressed(this.#curve, other);
    return given(op_node_agree(this.#curve, this.#private, point), outputEncoding);
  }

  /** @param {string} [encoding] @param {string} [format] */
  generateKeys(encoding, format) {
    this.#private = op_node_agree_generate(this.#curve);
    this.#public = op_node_agree_public(this.#curve, this.#private);
    return this.getPublicKey(encoding, format);
  }

  /** @param {string} [encoding] */
  getPrivateKey(encoding) {
    if (this.#private === undefined) throw new Error("Failed to get ECDH private key");
    // The number itself, without zeros in front of it.
    return given(bytesOfNumber(numberOf(this.#private)), encoding);
  }

  /** @param {string | null} [encoding] @param {string} [format] */
  getPublicKey(encoding, format) {
    if (this.#public === undefined) throw new Error("Failed to get ECDH public key");
    return given(inForm(Buffer.from(this.#public), format), encoding ?? undefined);
  }

  /** @param {any} key @param {string} [encoding] */
  setPrivateKey(key, encoding) {
    const bytes = bytesOfNumber(numberOf(bytesOf("key", key, encoding)), sizeOf(this.#curve));
    this.#public = op_node_agree_public(this.#curve, bytes);
    this.#private = bytes;
  }
}

/** A class that may be called without `new`, under the name of the platform's. @param {string} name @param {any} Class @returns {any} */
export function callable(name, Class) {
  const made = { [name]: function (/** @type {any[]} */ ...args) {
    return Reflect.construct(Class, args, new.target === undefined || new.target === made ? Class : new.target);
  } }[name];
  Object.defineProperty(Class, "name", { value: name });
  made.prototype = Class.prototype;
  Object.defineProperty(Class.prototype, "constructor", { value: made, writable: true, configurable: true });
  return made;
}

export const ECDH = callable("ECDH", Ecdh);
ECDH.convertKey = Ecdh.convertKey;

/** @param {string} curveName */
export function createECDH(curveName) {
  return new ECDH(curveName);
}

/** What two keys agree on. @param {any} options */
export function diffieHellman(options) {
  if (options === null || typeof options !== "object") throw invalidType("options", "object", options);
  const { privateKey, publicKey } = options;
  if (!(publicKey instanceof KeyObject)) throw invalidType("options.publicKey", "KeyObject", publicKey);
  if (!(privateKey instanceof KeyObject)) throw invalidType("options.privateKey", "KeyObject", privateKey);
  if (privateKey.type !== "private") throw invalidType("options.privateKey", "private key", privateKey);
  if (publicKey.type !== "public" && publicKey.type !== "private") throw invalidType("options.publicKey", "public key", publicKey);
  const [own, other] = [/** @type {any} */ (privateKey), /** @type {any} */ (publicKey)];
  if (own.asymmetricKeyType !== other.asymmetricKeyType) {
    throw invalidValue("options.publicKey.asymmetricKeyType", other.asymmetricKeyType, "must equal privateKey.asymmetricKeyType");
  }
  const mine = rawKey(own);
  if (mine.private === undefined || (mine.kind !== "x25519" && CURVES[/** @type {"P-256"} */ (mine.kind)] === undefined)) {
    throw new Error(`crypto.diffieHellman() with keys of type ${own.asymmetricKeyType} is not implemented in Stead yet.`);
  }
  return given(op_node_agree(mine.kind, mine.private, rawKey(other).public));
}
