// @ts-check
/// <reference path="./types.d.ts" />

// Why an operation of Web Crypto failed, in the platform's words. deno_crypto has said so in its
// own; the arguments are looked at again, so nothing is added to operations that succeed.

import { core } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { CryptoKey } = /** @type {any} */ (core.ops);

/** What each parameter is. @type {Record<string, string[]>} */
const PARAMETERS = {
  decrypt: ["string or EncryptAlgorithm", "CryptoKey", "BufferSource"],
  deriveBits: ["string or DeriveKeyAlgorithm", "CryptoKey"],
  deriveKey: [
    "string or DeriveKeyAlgorithm",
    "CryptoKey",
    "string or ImportKeyAlgorithm",
    "boolean",
    "Array",
  ],
  digest: ["string or HashAlgorithm", "BufferSource"],
  encrypt: ["string or EncryptAlgorithm", "CryptoKey", "BufferSource"],
  exportKey: ["string", "CryptoKey"],
  generateKey: ["string or GenerateKeyAlgorithm", "boolean", "Array"],
  importKey: [
    "string",
    "BufferSource or JsonWebKey",
    "string or ImportKeyAlgorithm",
    "boolean",
    "Array",
  ],
  sign: ["string or SignAlgorithm", "CryptoKey", "BufferSource"],
  unwrapKey: [
    "string",
    "BufferSource",
    "CryptoKey",
    "string or EncryptAlgorithm",
    "string or ImportKeyAlgorithm",
    "boolean",
    "Array",
  ],
  verify: ["string or SignAlgorithm", "CryptoKey", "BufferSource", "BufferSource"],
  wrapKey: ["string", "CryptoKey", "CryptoKey", "string or EncryptAlgorithm"],
};
export const METHODS = Object.keys(PARAMETERS);

/** What the keys of an algorithm are for, those that are secret or private first. @type {Record<string, string[][]>} */
const USAGES = {
  "AES-CBC": [["encrypt", "decrypt", "wrapKey", "unwrapKey"]],
  "AES-CTR": [["encrypt", "decrypt", "wrapKey", "unwrapKey"]],
  "AES-GCM": [["encrypt", "decrypt", "wrapKey", "unwrapKey"]],
  "AES-KW": [["wrapKey", "unwrapKey"]],
  ECDH: [["deriveKey", "deriveBits"], []],
  ECDSA: [["sign"], ["verify"]],
  ED25519: [["sign"], ["verify"]],
  HKDF: [["deriveKey", "deriveBits"]],
  HMAC: [["sign", "verify"]],
  PBKDF2: [["deriveKey", "deriveBits"]],
  "RSA-OAEP": [["decrypt", "unwrapKey"], ["encrypt", "wrapKey"]],
  "RSA-PSS": [["sign"], ["verify"]],
  "RSASSA-PKCS1-V1_5": [["sign"], ["verify"]],
  X25519: [["deriveKey", "deriveBits"], []],
};

/** @param {any} value */
function isKey(value) {
  return value instanceof CryptoKey;
}

/** @param {any} value */
export function isBufferSource(value) {
  return ArrayBuffer.isView(value) || core.isAnyArrayBuffer(value);
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null;
}

/**
 * @param {any} value
 * @param {string} type
 */
function fits(value, type) {
  if (type === "CryptoKey") return isKey(value);
  if (type === "BufferSource") return isBufferSource(value);
  if (type === "BufferSource or JsonWebKey") return isObject(value);
  if (type === "Array") return isObject(value) && Symbol.iterator in value;
  return value !== undefined;
}

/**
 * @param {any} algorithm
 * @returns {string}
 */
function nameOf(algorithm) {
  return String(isObject(algorithm) ? algorithm.name : algorithm);
}

/** @param {any} source */
function bytesIn(source) {
  return source.byteLength;
}

/**
 * @param {string} name
 * @param {string} message
 */
function exception(name, message) {
  return new DOMException(message, name);
}

/** @param {string} name */
const missing = (name) => new TypeError(`Missing field "${name}" in "algorithm".`);

const DIGESTS = ["SHA-1", "SHA-256", "SHA-384", "SHA-512", "MD5"];
const UNKNOWN_DIGEST = "Unrecognized or unimplemented digest algorithm requested.";

/**
 * The hash that an algorithm names, if it is none.
 * @param {any} algorithm
 */
function wrongHash({ hash }) {
  if (hash === undefined) return missing("hash");
  if (DIGESTS.includes(nameOf(hash).toUpperCase())) return;
  return exception("NotSupportedError", UNKNOWN_DIGEST);
}

/**
 * @param {any} algorithm
 */
function wrongCurve({ namedCurve }) {
  if (namedCurve === undefined) return missing("namedCurve");
  if (["P-256", "P-384", "P-521"].includes(String(namedCurve))) return;
  const message = `Unrecognized or unimplemented EC curve "${namedCurve}" requested.`;
  return exception("NotSupportedError", message);
}

const OF_KEYS = ["decrypt", "deriveBits", "deriveKey", "encrypt", "sign", "verify"];

/**
 * A key that is not for this operation.
 * @param {string} usage
 * @param {any} algorithm
 * @param {any} key
 */
function wrongKey(usage, algorithm, key) {
  const name = nameOf(algorithm);
  const own = key.algorithm.name;
  const message = name.toUpperCase() !== own.toUpperCase()
    ? `Requested algorithm "${name}" does not match this CryptoKey's algorithm "${own}".`
    : key.usages.includes(usage)
    ? undefined
    : `Requested key usage "${usage}" does not match any usage listed in this CryptoKey.`;
  return message === undefined ? undefined : exception("InvalidAccessError", message);
}

/**
 * Algorithms that are none, and usages that their keys do not have.
 * @param {string} verb
 * @param {any} algorithm
 * @param {string[]} usages
 * @param {(name: string) => number} kind which of the key's usages are allowed; -1 for all
 */
function wrongUsage(verb, algorithm, usages, kind) {
  const name = nameOf(algorithm);
  const known = USAGES[name.toUpperCase()];
  if (known === undefined) return;
  const which = kind(name);
  const allowed = which === -1 ? known.flat() : known[which] ?? [];
  const wrong = [...usages].find((usage) => !allowed.includes(usage));
  if (wrong !== undefined) {
    return exception("SyntaxError", `Attempt to ${verb}${name} key with invalid usage "${wrong}".`);
  }
  if (which === 1 || [...usages].some((usage) => known[0].includes(usage))) return;
  const message = known.length === 1 || verb !== "generate "
    ? "Secret/private CryptoKeys must have at least one usage."
    : "Attempt to generate asymmetric keys with no valid private key usages.";
  return exception("SyntaxError", message);
}

/** @type {Record<string, (args: any[], error: any) => any>} */
const REASONS = {
  digest: () => exception("NotSupportedError", UNKNOWN_DIGEST),

  generateKey([algorithm, , usages]) {
    const name = nameOf(algorithm);
    const upper = name.toUpperCase();
    if (USAGES[upper] === undefined) {
      return exception("NotSupportedError", `Unrecognized key generation algorithm "${name}" requested.`);
    }
    const wrong = wrongUsage("generate ", algorithm, usages, () => -1);
    if (upper.startsWith("RSA")) {
      for (const field of ["modulusLength", "publicExponent"]) {
        if (algorithm[field] === undefined) return missing(field);
      }
    }
    if (upper === "HMAC" || upper.startsWith("RSA")) {
      const hash = wrongHash(algorithm);
      if (hash !== undefined) return hash;
    }
    if (wrong !== undefined) return wrong;
    if (upper.startsWith("EC")) return wrongCurve(algorithm);
    const { length } = algorithm;
    if (upper.startsWith("AES")) {
      if (length === undefined) return missing("length");
      const message = `Generated AES key length must be 128, 192, or 256 bits but requested ${length}.`;
      return exception("OperationError", message);
    }
    if (upper === "HMAC" && !(length > 0)) {
      const message = `HMAC key length must be a non-zero unsigned long integer (requested ${length}).`;
      return exception("OperationError", message);
    }
  },

  importKey([format, data, algorithm, , usages], error) {
    const name = nameOf(algorithm);
    const upper = name.toUpperCase();
    if (USAGES[upper] === undefined) {
      return exception("NotSupportedError", `Unrecognized key import algorithm "${name}" requested.`);
    }
    if (format === "jwk" && isBufferSource(data)) {
      return new TypeError(`Import data provided for "jwk" import format must be a JsonWebKey.`);
    }
    if (format !== "jwk" && !isBufferSource(data)) {
      return new TypeError(
        "Import data provided for buffer-based import formats must be a buffer source.",
      );
    }
    const known = ["raw", "jwk", ...(USAGES[upper].length > 1 ? ["pkcs8", "spki"] : [])];
    if (!known.includes(format) || (format === "raw" && upper.startsWith("RSA"))) {
      return exception("NotSupportedError", `Unrecognized key import format "${format}".`);
    }
    if (upper === "HMAC" || upper.startsWith("RSA")) {
      const hash = wrongHash(algorithm);
      if (hash !== undefined) return hash;
    }
    if (upper.startsWith("EC")) {
      const curve = wrongCurve(algorithm);
      if (curve !== undefined) return curve;
    }
    const secret = USAGES[upper].length === 1;
    const isPrivate = format === "pkcs8" || (format === "jwk" && data.d !== undefined);
    const kind = secret ? "secret" : isPrivate ? "private" : "public";
    const verb = `import ${kind} `;
    const wrong = wrongUsage(verb, algorithm, usages, () => (kind === "public" ? 1 : 0));
    if (wrong !== undefined) return wrong;
    if (error?.name === "DataError") return wrongData(format, data, upper, algorithm);
  },

  exportKey([format, key]) {
    const { algorithm: { name }, extractable, type } = key;
    if (!extractable) {
      return exception("InvalidAccessError", `Attempt to export non-extractable ${name} key.`);
    }
    if (name.startsWith("AES")) {
      const message =
        `${name} key only supports exporting "raw", "raw-secret" & "jwk", not "${format}".`;
      return exception("NotSupportedError", message);
    }
    const needed = format === "spki" ? "public" : format === "pkcs8" ? "private" : type;
    if (type !== "secret" && needed !== type) {
      const message = `Asymmetric ${format} export requires ${needed} key (not "${type}").`;
      return exception("InvalidAccessError", message);
    }
    if (format === "raw" && name.startsWith("EC")) {
      const message = "Raw export of elliptic curve keys is only allowed for public keys.";
      return exception("InvalidAccessError", message);
    }
    return exception("NotSupportedError", `Unimplemented key export format "${format}".`);
  },

  sign: ([algorithm, key]) => wrongSignature(algorithm, key),
  verify: ([algorithm, key]) => wrongSignature(algorithm, key),

  encrypt([algorithm, key]) {
    return wrongCipher(algorithm, key) ??
      (key.algorithm.name === "RSA-OAEP"
        ? exception("OperationError", "RSA-OAEP failed encrypt/decrypt.")
        : undefined);
  },

  decrypt([algorithm, key, data], error) {
    const wrong = wrongCipher(algorithm, key);
    if (wrong !== undefined) return wrong;
    const { name } = key.algorithm;
    if (name === "RSA-OAEP") return exception("OperationError", "RSA-OAEP failed encrypt/decrypt.");
    if (error?.name !== "OperationError") return;
    const length = bytesIn(data);
    const tag = name === "AES-GCM" ? algorithm.tagLength ?? 128 : 0;
    if (length * 8 < tag) {
      const message =
        `Ciphertext length of ${length * 8} bits must be greater than or equal to the size of the AES-GCM tag length of ${tag} bits.`;
      return exception("OperationError", message);
    }
    const input = length - tag / 8;
    // Of the last block at least one byte is padding.
    const output = name === "AES-CBC" ? Math.max(0, Math.ceil(input / 16) - 1) * 16 : input;
    const message =
      `Decryption failed. This could be due to a ciphertext authentication failure, bad padding, incorrect CryptoKey, or another algorithm-specific reason. Input length was ${input}, output length expected to be ${output} for ${name}`;
    return exception("OperationError", message);
  },

  deriveBits: ([algorithm, , length]) => wrongDerivation(algorithm, length),

  deriveKey([algorithm, , derived]) {
    const wrong = wrongDerivation(algorithm, 8);
    const name = nameOf(derived).toUpperCase();
    if (wrong !== undefined || !name.startsWith("AES")) return wrong;
    const message =
      `Derived AES key must be 128, 192, or 256 bits in length but provided ${derived.length}.`;
    return exception("OperationError", message);
  },

  wrapKey([format, key, wrapping, algorithm], error) {
    const wrong = wrongKey("wrapKey", algorithm, wrapping);
    if (wrong !== undefined) return wrong;
    return key.extractable ? error : REASONS.exportKey([format, key], error);
  },

  unwrapKey([, , unwrapping, algorithm]) {
    const wrong = wrongKey("unwrapKey", algorithm, unwrapping);
    if (wrong !== undefined) return wrong;
    if (unwrapping.algorithm.name !== "AES-KW") return;
    return exception("OperationError", "AES-KW key unwrapping failed.");
  },
};

/**
 * @param {any} algorithm
 * @param {any} key
 */
function wrongSignature(algorithm, { algorithm: { name } }) {
  if (name === "ECDSA" && algorithm.hash === undefined) {
    return new TypeError(
      `Missing "hash" in AlgorithmIdentifier. (ECDSA requires that the hash algorithm be specified at call time rather than on the key. This differs from other WebCrypto algorithms for historical reasons.)`,
    );
  }
  if (name === "RSA-PSS" && algorithm.saltLength === undefined) {
    const message = "Failed to provide salt for RSA-PSS key operation which requires a salt";
    return exception("DataError", message);
  }
}

/**
 * @param {any} algorithm
 * @param {any} key
 */
function wrongCipher(algorithm, { algorithm: { name } }) {
  const field = name === "AES-CTR" ? "counter" : name === "RSA-OAEP" ? "label" : "iv";
  const value = algorithm[field];
  if (value === undefined) return field === "label" ? undefined : missing(field);
  if (!isBufferSource(value)) {
    return new TypeError(
      `Incorrect type for the '${field}' field on 'EncryptAlgorithm': the provided value is not of type 'BufferSource'.`,
    );
  }
  const length = bytesIn(value);
  let message;
  if (name === "AES-GCM") {
    const tag = algorithm.tagLength;
    if (length === 0) message = "AES-GCM IV must not be empty.";
    else if (tag !== undefined && ![32, 64, 96, 104, 112, 120, 128].includes(tag)) {
      message = `Invalid AES-GCM tag length ${tag}.`;
    }
  } else if (name === "AES-CBC" && length !== 16) {
    message = `AES-CBC IV must be 16 bytes long (provided ${length} bytes).`;
  } else if (name === "AES-CTR") {
    const bits = algorithm.length;
    if (length !== 16) message = `Counter must have length of 16 bytes (provided ${length}).`;
    else if (bits === undefined) return missing("length");
    else if (!(bits > 0 && bits <= 128)) {
      message = `Invalid counter of ${bits} bits length provided.`;
    }
  }
  return message === undefined ? undefined : exception("OperationError", message);
}

/**
 * @param {any} algorithm
 * @param {any} length in bits
 */
function wrongDerivation(algorithm, length) {
  const name = nameOf(algorithm).toUpperCase();
  if (name !== "PBKDF2" && name !== "HKDF") {
    if (algorithm.public !== undefined) return;
    return new TypeError(`Missing field "public" in "derivedKeyParams".`);
  }
  const fields = name === "PBKDF2" ? ["hash", "salt", "iterations"] : ["hash", "salt", "info"];
  for (const field of fields) if (algorithm[field] === undefined) return missing(field);
  const hash = wrongHash(algorithm);
  if (hash !== undefined) return hash;
  let message = name === "HKDF" ? "HKDF deriveBits failed." : undefined;
  if (length === null || length === undefined) message = `${name} cannot derive a key with null length.`;
  else if (length % 8 !== 0) {
    message = `${name} requires a derived key length that is a multiple of eight (requested ${length}).`;
  } else if (name === "PBKDF2" && !(algorithm.iterations > 0)) {
    message = `PBKDF2 requires a positive iteration count (requested ${algorithm.iterations}).`;
  }
  return message === undefined ? undefined : exception("OperationError", message);
}

/**
 * Data from which no key can be made.
 * @param {string} format
 * @param {any} data
 * @param {string} name of the algorithm
 * @param {any} algorithm
 */
function wrongData(format, data, name, algorithm) {
  let message;
  if (format === "pkcs8") message = "Invalid PKCS8 input.";
  else if (format === "spki") message = "Invalid SPKI input.";
  else if (format === "jwk" && name === "HMAC") {
    const expected = `HS${nameOf(algorithm.hash).slice(4)}`;
    message = data.kty !== "oct"
      ? `HMAC "jwk" key import requires a JSON Web Key with Key Type parameter ("kty") equal to "oct" (encountered "${data.kty}").`
      : data.alg !== undefined && data.alg !== expected
      ? `HMAC "jwk" key import specifies "alg" that is incompatible with the hash name (encountered "${data.alg}", expected "${expected}").`
      : undefined;
  } else if (format === "raw") {
    const length = bytesIn(data);
    if (name.startsWith("AES")) {
      message = `Imported AES key length must be 128, 192, or 256 bits but provided ${length * 8}.`;
    } else if (name === "HMAC") {
      const wanted = algorithm.length ?? length * 8;
      message =
        `Imported HMAC key length (${wanted}) must be a non-zero value up to 7 bits less than, and no greater than, the bit length of the raw key data (${length * 8}).`;
    } else if (name.startsWith("EC")) {
      message = "Failed to import raw EC key data: Invalid point encoding..";
    } else {
      const own = nameOf(algorithm);
      message = `${own} raw keys must be exactly 32-bytes (provided ${length}).`;
    }
  }
  return message === undefined ? undefined : exception("DataError", message);
}

/**
 * The error of a method of SubtleCrypto that failed.
 * @param {string} method
 * @param {any[]} args
 * @param {any} error what deno_crypto threw
 */
export function explain(method, args, error) {
  try {
    const types = PARAMETERS[method];
    for (let i = 0; i < types.length; i++) {
      if (!fits(args[i], types[i])) refuseArgument("SubtleCrypto", method, i + 1, types[i]);
    }
    if (OF_KEYS.includes(method)) {
      const wrong = wrongKey(method, args[0], args[1]);
      if (wrong !== undefined) return wrong;
    }
    return REASONS[method](args, error) ?? error;
  } catch (refusal) {
    return refusal;
  }
}

/**
 * What the platform refuses to import and deno_crypto does not.
 * @param {any[]} args
 */
export function checkImport([, , algorithm, extractable]) {
  const name = nameOf(algorithm).toUpperCase();
  if (extractable && (name === "PBKDF2" || name === "HKDF")) {
    throw exception("SyntaxError", `${nameOf(algorithm)} key cannot be extractable.`);
  }
  if (name !== "HMAC" || !isObject(algorithm)) return;
  const wrong = wrongHash(algorithm);
  if (wrong !== undefined) throw wrong;
}

/** @param {any} view what `getRandomValues()` was given */
export function explainRandomValues(view) {
  if (!ArrayBuffer.isView(view)) refuseArgument("Crypto", "getRandomValues", 1, "ArrayBufferView");
  const { byteLength } = view;
  return byteLength > 65536
    ? exception(
      "QuotaExceededError",
      `getRandomValues() only accepts buffers of size <= 64K but provided ${byteLength} bytes.`,
    )
    : exception(
      "TypeMismatchError",
      "ArrayBufferView argument to getRandomValues() must be an integer-typed view.",
    );
}
