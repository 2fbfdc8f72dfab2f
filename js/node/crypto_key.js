// @ts-check

// Keys of `node:crypto`.
// https://nodejs.org/api/crypto.html#class-keyobject

import { Buffer } from "node:buffer";
import { bytesOf } from "./crypto_bytes.js";
import { edwardsPkcs8, edwardsSpki, fromJwk, partsOf, sec1, toJwk } from "./crypto_jwk.js";
import { randomBytes } from "./crypto_random.js";
import { bytesOfKey } from "./crypto_secret.js";
import { describe, fromPem, toPem, toPkcs8, toSpki, unreadable } from "./der.js";
import { coded, expectFunction, expectInteger, expectString, invalidType, invalidValue } from "./errors.js";

const { op_node_agree_generate, op_node_agree_public, op_node_generate_key, op_node_public_key } = __bootstrap.core.ops;
const INTERNAL = Symbol("internal");
/** How Node names the curves. */
const CURVE_NAMES = { "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1", secp256k1: "secp256k1" };
const isKey = Symbol.for("stead.KeyObject");

/** @param {string} what */
function absent(what) {
  return new Error(`${what} is not implemented in Stead yet.`);
}

export class KeyObject {
  #type;
  #bytes;

  /** @param {symbol} token @param {"secret" | "private" | "public"} type @param {Uint8Array} bytes */
  constructor(token, type, bytes) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#type = type;
    this.#bytes = bytes;
    Object.defineProperty(this, isKey, { value: true });
  }

  /** @param {any} key */
  static from(key) {
    void key;
    throw absent("KeyObject.from()");
  }

  get type() {
    return this.#type;
  }

  [bytesOfKey]() {
    return this.#bytes;
  }

  /** @param {any} other */
  equals(other) {
    if (!(other instanceof KeyObject)) throw invalidType("otherKeyObject", "KeyObject", other);
    return this.#type === other.#type && Buffer.from(this.#bytes).equals(other.#bytes);
  }

  toCryptoKey() {
    throw absent("keyObject.toCryptoKey()");
  }
}

class SecretKeyObject extends KeyObject {
  get symmetricKeySize() {
    return this[bytesOfKey]().length;
  }

  /** @param {{ format?: string }} [options] */
  export(options) {
    const buffer = Buffer.from(this[bytesOfKey]());
    return options?.format === "jwk" ? { kty: "oct", ext: true, k: buffer.toString("base64url") } : buffer;
  }
}

class AsymmetricKeyObject extends KeyObject {
  #description;

  /** @param {symbol} token @param {"private" | "public"} type @param {any} der */
  constructor(token, type, der) {
    super(token, type, der);
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
    const isPrivate = this.type === "private";
    if (options.format === "jwk") return toJwk(this.parts(), this.#description);
    if (options.cipher !== undefined || options.passphrase !== undefined) throw absent("The export of an encrypted key");
    const type = options.type ?? (isPrivate ? "pkcs8" : "spki");
    let der = Buffer.from(this[bytesOfKey]());
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
    } else if (type !== (isPrivate ? "pkcs8" : "spki")) throw invalidValue("options.type", type);
    if (options.format === "der") return der;
    if (options.format !== undefined && options.format !== "pem") throw invalidValue("options.format", options.format);
    return toPem(label, der);
  }
}

const LABELS = {
  "PRIVATE KEY": ["private", "pkcs8"],
  "RSA PRIVATE KEY": ["private", "pkcs1"],
  "EC PRIVATE KEY": ["private", "sec1"],
  "PUBLIC KEY": ["public", "spki"],
  "RSA PUBLIC KEY": ["public", "pkcs1"],
};

/** The key that an argument holds. @param {any} input @param {"private" | "public"} wanted @returns {any} */
function read(input, wanted) {
  if (input instanceof KeyObject) return input;
  const isOptions = input !== null && typeof input === "object" && !ArrayBuffer.isView(input) && !(input instanceof ArrayBuffer);
  const { key, format, type, passphrase, encoding } = isOptions ? input : { key: input };
  if (key instanceof KeyObject) return key;
  if (isOptions && key === undefined) throw invalidType("options.key", ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView", "Object"], key);
  if (format === "jwk") {
    if (key === null || typeof key !== "object") throw invalidType("key.key", "object", key);
    return new AsymmetricKeyObject(INTERNAL, wanted, fromJwk(key, wanted));
  }
  if (passphrase !== undefined) throw absent("An encrypted key");
  const bytes = Buffer.from(bytesOf("key", key, encoding));
  if (format === "der") return make(wanted, type ?? (wanted === "private" ? "pkcs8" : "spki"), bytes);
  const pem = fromPem(bytes.toString("latin1"));
  if (pem === undefined) throw unreadable();
  const known = LABELS[/** @type {"PRIVATE KEY"} */ (pem.label)];
  if (known === undefined) throw absent(`A key from \`${pem.label}\``);
  return make(/** @type {any} */ (known[0]), known[1], pem.der);
}

/** @param {"private" | "public"} type @param {string} form @param {any} der */
function make(type, form, der) {
  return new AsymmetricKeyObject(INTERNAL, type, type === "private" ? toPkcs8(form, der) : toSpki(form, der));
}

/** @param {any} key @param {string} [encoding] */
export function createSecretKey(key, encoding) {
  return new SecretKeyObject(INTERNAL, "secret", Buffer.from(bytesOf("key", key, encoding)));
}

/** @param {any} input */
export function createPrivateKey(input) {
  const key = read(input, "private");
  if (key.type !== "private" || input instanceof KeyObject) throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected private.`);
  return key;
}

/** @param {any} input */
export function createPublicKey(input) {
  const key = read(input, "public");
  if (key.type === "secret") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", "Invalid key object type secret, expected private.");
  return publicOf(key);
}

/** @param {any} key */
function publicOf(key) {
  if (key.type === "public") return key;
  const kind = key[Symbol.for("stead.keyKind")];
  if (kind === "x25519") {
    const { private: seed } = partsOf(Buffer.from(key[bytesOfKey]()), { kind }, true);
    return new AsymmetricKeyObject(INTERNAL, "public", edwardsSpki(kind, Buffer.from(op_node_agree_public(kind, seed))));
  }
  const found = Buffer.from(op_node_public_key(kind, key[bytesOfKey]()));
  return new AsymmetricKeyObject(INTERNAL, "public", kind === "ed25519" ? edwardsSpki(kind, found) : found);
}

/** What the ops that find secrets need of a key. @param {any} key @returns {{ kind: string, private?: Uint8Array, public: Uint8Array }} */
export function rawKey(key) {
  const parts = key.parts();
  return { kind: key[Symbol.for("stead.keyKind")], private: parts.private, public: parts.public };
}

/** What signs. @param {any} input */
export function signingKey(input) {
  const key = read(input, "private");
  if (key.type !== "private") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected private.`);
  return key;
}

/** What verifies. @param {any} input */
export function verifyingKey(input) {
  return publicOf(read(input, "public"));
}

/** @param {string} type @param {any} options */
export function generateKeyPairSync(type, options = {}) {
  const known = ["rsa", "ec", "ed25519", "x25519", "dh"];
  if (!known.includes(type)) throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'type' must be one of: ${known.map((name) => `'${name}'`).join(", ")}. Received '${type}'`);
  if (type === "ec") expectString("options.namedCurve", options.namedCurve);
  const curve = Object.entries(CURVE_NAMES).find(([name, own]) => [name, own].includes(options.namedCurve))?.[0];
  if (type === "ec" && curve === undefined) throw new Error("Invalid or unsupported curve");
  if (curve === "secp256k1") throw new Error("Failed to initialize key");
  if (type === "dh") throw absent("A key pair of type dh");
  if (type === "rsa") expectInteger("options.modulusLength", options.modulusLength, 0, 2 ** 32 - 1);
  if (options.publicExponent !== undefined && options.publicExponent !== 0x10001) throw absent("The option publicExponent");
  const kind = type === "ec" ? curve : type;
  const der = type === "x25519"
    ? edwardsPkcs8(type, Buffer.from(op_node_agree_generate(type)))
    : Buffer.from(op_node_generate_key(kind, options.modulusLength ?? 0));
  const privateKey = make("private", "pkcs8", der);
  const publicKey = publicOf(privateKey);
  return {
    publicKey: options.publicKeyEncoding ? publicKey.export(options.publicKeyEncoding) : publicKey,
    privateKey: options.privateKeyEncoding ? privateKey.export(options.privateKeyEncoding) : privateKey,
  };
}

/** @param {string} type @param {any} options @param {any} [callback] */
export function generateKeyPair(type, options, callback) {
  if (typeof options === "function") [callback, options] = [options, {}];
  expectFunction("callback", callback);
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  queueMicrotask(() => callback(null, publicKey, privateKey));
}
Object.defineProperty(generateKeyPair, Symbol.for("nodejs.util.promisify.custom"), {
  value: async (/** @type {string} */ type, /** @type {any} */ options) => generateKeyPairSync(type, options),
});

/** @param {string} type @param {{ length: number }} options */
export function generateKeySync(type, options) {
  if (type !== "hmac" && type !== "aes") throw invalidValue("type", type, "must be a supported key type");
  expectInteger("options.length", options?.length, 8, 2 ** 31 - 1);
  if (type === "aes" && ![128, 192, 256].includes(options.length)) throw invalidValue("options.length", options.length, "must be one of: 128, 192, 256");
  return createSecretKey(randomBytes(options.length >> 3));
}

/** @param {string} type @param {{ length: number }} options @param {any} callback */
export function generateKey(type, options, callback) {
  expectFunction("callback", callback);
  const key = generateKeySync(type, options);
  queueMicrotask(() => callback(null, key));
}
