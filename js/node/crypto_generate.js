// @ts-check

// New keys of `node:crypto`.
// https://nodejs.org/api/crypto.html#cryptogeneratekeypairtype-options-callback

import { Buffer } from "node:buffer";
import { edwardsPkcs8 } from "./crypto_jwk.js";
import { createSecretKey, CURVE_NAMES, make, publicOf } from "./crypto_key.js";
import { randomBytes } from "./crypto_random.js";
import { coded, expectFunction, expectInteger, expectString, invalidValue } from "./errors.js";

const { op_node_agree_generate, op_node_generate_key } = __bootstrap.core.ops;

/** @param {string} what */
function absent(what) {
  return new Error(`${what} is not implemented in Stead yet.`);
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
  const { publicExponent = 0x10001 } = options;
  if (type === "rsa") expectInteger("options.publicExponent", publicExponent, 0, 2 ** 32 - 1);
  const kind = type === "ec" ? curve : type;
  const der = type === "x25519"
    ? edwardsPkcs8(type, Buffer.from(op_node_agree_generate(type)))
    : Buffer.from(op_node_generate_key(kind, options.modulusLength ?? 0, publicExponent));
  const privateKey = make("private", der);
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
