// @ts-check

// Keys of `node:crypto`.
// https://nodejs.org/api/crypto.html#class-keyobject

import { Buffer } from "node:buffer";
import { bytesOf, bytesOfKey, wrongKind } from "./crypto_bytes.js";
import { decryptPem, decryptPkcs8, encryptPem, encryptPkcs8 } from "./crypto_encrypted.js";
import { edwardsPkcs8, edwardsSpki, fromJwk, partsOf, sec1, toJwk } from "./crypto_jwk.js";
import { describe, fromPem, items, toPem, toPkcs8, toSpki, unreadable } from "./der.js";
import { coded, expectString, invalidType, invalidValue } from "./errors.js";

const { op_node_agree_public, op_node_public_key } = __bootstrap.core.ops;
const { exportKey: exportWebKey, importKey: importWebKey } = __bootstrap.internals.node.webKeys;
const INTERNAL = Symbol("internal");
/** How Node names the curves. */
export const CURVE_NAMES = { "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1", secp256k1: "secp256k1" };
const isKey = Symbol.for("stead.KeyObject");

/** What may leave the runtime; a key of Web Crypto says whether it may. @type {(key: KeyObject) => any} */
let exportedBytes;

export class KeyObject {
  #type;
  #bytes;
  #extractable;

  static {
    exportedBytes = (key) => {
      if (!key.#extractable) throw new TypeError("Unable to export non-extractable key");
      return Buffer.from(key.#bytes);
    };
  }

  /** @param {symbol} token @param {"secret" | "private" | "public"} type @param {any} bytes @param {boolean} [extractable] */
  constructor(token, type, bytes, extractable = true) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#type = type;
    this.#bytes = bytes;
    this.#extractable = extractable;
    Object.defineProperty(this, isKey, { value: true });
  }

  /** @param {any} key */
  static from(key) {
    if (!(key instanceof globalThis.CryptoKey)) throw invalidType("key", "CryptoKey", key);
    return fromWebKey(key);
  }

  get type() {
    return this.#type;
  }

  get [Symbol.toStringTag]() {
    return "KeyObject";
  }

  [bytesOfKey]() {
    return this.#bytes;
  }

  /** @param {any} other */
  equals(other) {
    if (!(other instanceof KeyObject)) throw invalidType("otherKeyObject", "KeyObject", other);
    return this.#type === other.#type && Buffer.from(this.#bytes).equals(other.#bytes);
  }

  /** @param {any} algorithm @param {boolean} extractable @param {string[]} usages */
  toCryptoKey(algorithm, extractable, usages) {
    if (extractable && !this.#extractable) throw new DOMException("Cannot create an extractable CryptoKey from a non-extractable key.", "InvalidAccessError");
    const format = { secret: "raw", private: "pkcs8", public: "spki" }[this.#type];
    return importWebKey(format, Buffer.from(this.#bytes), algorithm, extractable, usages);
  }
}

/** @param {any} key of Web Crypto */
function fromWebKey(key) {
  const { type, data } = exportWebKey(key);
  const Class = { secret: SecretKeyObject, private: PrivateKeyObject, public: PublicKeyObject }[/** @type {"secret"} */ (type)];
  return new Class(INTERNAL, Buffer.from(data), key.extractable);
}

/** A key of Web Crypto as one of Node's; what else there is, as it is. @param {any} key */
export function nodeKey(key) {
  return key instanceof globalThis.CryptoKey ? fromWebKey(key) : key;
}

export class SecretKeyObject extends KeyObject {
  /** @param {symbol} token @param {any} bytes @param {boolean} [extractable] */
  constructor(token, bytes, extractable) {
    super(token, "secret", bytes, extractable);
  }

  get symmetricKeySize() {
    return this[bytesOfKey]().length;
  }

  /** @param {{ format?: string }} [options] */
  export(options) {
    const buffer = exportedBytes(this);
    return options?.format === "jwk" ? { kty: "oct", ext: true, k: buffer.toString("base64url") } : buffer;
  }
}

class AsymmetricKeyObject extends KeyObject {
  #description;

  /** @param {symbol} token @param {"private" | "public"} type @param {any} der @param {boolean} [extractable] */
  constructor(token, type, der, extractable) {
    super(token, type, der, extractable);
    this.#description = describe(der, type === "private");
  }

  get asymmetricKeyType() {
    return this.#description.kind;
  }

  get asymmetricKeyDetails() {
    const { curve, bits, exponent } = this.#description;
    if (curve !== undefined) return { namedCurve: CURVE_NAMES[/** @type {"P-256"} */ (curve)] };
    return bits === undefined ? {} : { modulusLength: bits, publicExponent: exponent };
  }

  /** What the ops call it. */
  get [Symbol.for("stead.keyKind")]() {
    const { kind, curve } = this.#description;
    return kind === "ec" ? curve ?? "an unknown curve" : kind;
  }

  /** What it consists of, its public part included. */
  parts() {
    const description = this.#description;
    const parts = partsOf(Buffer.from(this[bytesOfKey]()), description, this.type === "private");
    if (parts.private !== undefined && parts.public === undefined) {
      const own = publicOf(this);
      parts.public = partsOf(Buffer.from(own[bytesOfKey]()), description, false).public;
    }
    return parts;
  }

  /** @param {any} options */
  export(options) {
    if (options === null || typeof options !== "object") throw invalidType("options", "object", options);
    let der = exportedBytes(this);
    if (options.format === "jwk") return toJwk(this.parts(), this.#description);
    if (options.format !== undefined && options.format !== "der" && options.format !== "pem") throw invalidValue("options.format", options.format);
    const isPrivate = this.type === "private";
    const type = options.type ?? (isPrivate ? "pkcs8" : "spki");
    const { cipher, passphrase } = encryption(options, type, isPrivate);
    let label = isPrivate ? "PRIVATE KEY" : "PUBLIC KEY";
    if (type === "pkcs1" || type === "sec1") {
      if (this.#description.kind !== (type === "pkcs1" ? "rsa" : "ec")) throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", `The selected key encoding ${type} can only be used for ${type === "pkcs1" ? "RSA" : "EC"} keys.`);
      if (type === "sec1") {
        const parts = this.parts();
        der = sec1(this.#description.curve ?? "", parts.private, parts.public, true);
        label = "EC PRIVATE KEY";
      } else {
        der = Buffer.from(this.#description.inner);
        label = `RSA ${label}`;
      }
      if (cipher !== undefined) return encryptPem(label, der, cipher, passphrase);
    } else if (type !== (isPrivate ? "pkcs8" : "spki")) throw invalidValue("options.type", type);
    if (cipher !== undefined) [der, label] = [encryptPkcs8(der, cipher, passphrase), "ENCRYPTED PRIVATE KEY"];
    return options.format === "der" ? der : toPem(label, der);
  }
}

export class PrivateKeyObject extends AsymmetricKeyObject {
  /** @param {symbol} token @param {any} der @param {boolean} [extractable] */
  constructor(token, der, extractable) {
    super(token, "private", der, extractable);
  }
}

export class PublicKeyObject extends AsymmetricKeyObject {
  /** @param {symbol} token @param {any} der @param {boolean} [extractable] */
  constructor(token, der, extractable) {
    super(token, "public", der, extractable);
  }
}

/** How an export is to be encrypted, if it is. @param {any} options @param {string} type @param {boolean} isPrivate */
function encryption({ cipher, passphrase, format }, type, isPrivate) {
  const isGiven = cipher !== undefined && cipher !== null;
  if (!isGiven && passphrase === undefined) return {};
  if (!isGiven || !isPrivate) throw new TypeError("Incorrect type for the 'passphrase' field on 'KeyExportOptions': the provided value is not of type 'BufferSource'.");
  expectString("options.cipher", cipher);
  if (typeof passphrase !== "string" && !ArrayBuffer.isView(passphrase)) throw invalidType("options.passphrase", ["string", "Uint8Array"], passphrase);
  if (format === "der" && type !== "pkcs8") throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", `The selected key encoding ${type} does not support encryption.`);
  return { cipher, passphrase };
}

const LABELS = {
  "PRIVATE KEY": ["private", "pkcs8"],
  "ENCRYPTED PRIVATE KEY": ["private", "encrypted"],
  "RSA PRIVATE KEY": ["private", "pkcs1"],
  "EC PRIVATE KEY": ["private", "sec1"],
  "PUBLIC KEY": ["public", "spki"],
  "RSA PUBLIC KEY": ["public", "pkcs1"],
  CERTIFICATE: ["public", "certificate"],
};

/** The key that an argument holds. @param {any} input @param {"private" | "public"} wanted @returns {any} */
export function readKey(input, wanted) {
  const whole = nodeKey(input);
  if (whole instanceof KeyObject) return whole;
  const isOptions = input !== null && typeof input === "object" && !ArrayBuffer.isView(input) && !(input instanceof ArrayBuffer);
  const { key: given, format, type, passphrase, encoding } = isOptions ? input : { key: typeof input === "number" ? undefined : input };
  const key = nodeKey(given);
  if (key instanceof KeyObject) return key;
  if (key === undefined) throw invalidType("options.key", ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView", "Object"], key);
  if (format === "jwk") {
    if (key === null || typeof key !== "object") throw invalidType("key.key", "object", key);
    return make(wanted, fromJwk(key, wanted));
  }
  const bytes = Buffer.from(bytesOf("key", key, encoding));
  // Before it is known whether there is something to decrypt, as on the platform.
  if (passphrase !== undefined && passphrase !== null) bytesOf("passphrase", passphrase);
  try {
    return format === "der" ? parseDer(bytes, wanted, type, passphrase) : parsePem(bytes, wanted, passphrase);
  } catch (error) {
    if (/** @type {Error} */ (error).message.endsWith("in Stead yet.")) throw error;
    throw new Error(`Failed to parse ${wanted} key`);
  }
}

/** @param {any} bytes @param {"private" | "public"} wanted @param {any} type @param {any} passphrase */
function parseDer(bytes, wanted, type, passphrase) {
  if (wanted === "public") return convert("public", type ?? "spki", bytes);
  // Where PKCS#8 has its version, an encrypted key has how it is encrypted.
  const encrypted = (type ?? "pkcs8") === "pkcs8" && items(bytes)[0].tag !== 0x02;
  return encrypted ? make("private", decryptPkcs8(bytes, passphrase)) : convert("private", type ?? "pkcs8", bytes);
}

/** @param {any} bytes @param {"private" | "public"} wanted @param {any} passphrase */
function parsePem(bytes, wanted, passphrase) {
  const isWanted = (/** @type {string} */ label) => Object.hasOwn(LABELS, label) && (wanted === "public" || LABELS[/** @type {"PRIVATE KEY"} */ (label)][0] === "private");
  const pem = fromPem(bytes.toString("latin1"), isWanted);
  if (pem === undefined) throw unreadable();
  const [side, form] = LABELS[/** @type {"PRIVATE KEY"} */ (pem.label)];
  if (form === "encrypted") return make("private", decryptPkcs8(pem.der, passphrase));
  if (form === "certificate") return make("public", certifiedKey(pem.der));
  const der = pem.info === undefined ? pem.der : decryptPem(pem.der, pem.info, passphrase);
  return convert(/** @type {"private"} */ (side), form, der);
}

/** The public key in a certificate. @param {any} der */
export function certifiedKey(der) {
  const fields = items(items(der)[0].whole);
  // The version comes first, and may be left out.
  return fields[fields[0].tag === 0xa0 ? 6 : 5].whole;
}

/** @param {"private" | "public"} type @param {string} form @param {any} der */
function convert(type, form, der) {
  return make(type, type === "private" ? toPkcs8(form, der) : toSpki(form, der));
}

/** A key of PKCS#8 or SubjectPublicKeyInfo. @param {"private" | "public"} type @param {any} der @returns {any} */
export function make(type, der) {
  return type === "private" ? new PrivateKeyObject(INTERNAL, der) : new PublicKeyObject(INTERNAL, der);
}

/** @param {any} key @param {string} [encoding] */
export function createSecretKey(key, encoding) {
  return new SecretKeyObject(INTERNAL, Buffer.from(bytesOf("key", key, encoding)));
}

/** @param {any} input */
export function createPrivateKey(input) {
  const key = readKey(input, "private");
  if (key.type !== "private" || input instanceof KeyObject) throw wrongKind(key.type, "private");
  return key;
}

/** @param {any} input */
export function createPublicKey(input) {
  const key = readKey(input, "public");
  if (key.type === "secret") throw wrongKind("secret", "private");
  return publicOf(key);
}

/** @param {any} key */
export function publicOf(key) {
  if (key.type === "public") return key;
  const kind = key[Symbol.for("stead.keyKind")];
  if (kind === "x25519") {
    const { private: seed } = partsOf(Buffer.from(key[bytesOfKey]()), { kind }, true);
    return make("public", edwardsSpki(kind, Buffer.from(op_node_agree_public(kind, seed))));
  }
  const found = Buffer.from(op_node_public_key(kind, key[bytesOfKey]()));
  return make("public", kind === "ed25519" ? edwardsSpki(kind, found) : found);
}

/** What the ops that find secrets need of a key. @param {any} key @returns {{ kind: string, private?: Uint8Array, public: Uint8Array }} */
export function rawKey(key) {
  const parts = key.parts();
  return { kind: key[Symbol.for("stead.keyKind")], private: parts.private, public: parts.public };
}

/** What signs. @param {any} input */
export function signingKey(input) {
  const key = readKey(input, "private");
  if (key.type !== "private") throw wrongKind(key.type, "private");
  return key;
}

/** What verifies. @param {any} input */
export function verifyingKey(input) {
  return publicOf(readKey(input, "public"));
}
