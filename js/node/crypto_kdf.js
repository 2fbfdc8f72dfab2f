// @ts-check

// Keys from passwords and from other keys.

import { bytesOf, given, hashName } from "./crypto_bytes.js";
import { secretOf } from "./crypto_secret.js";
import { coded, expectFunction, expectInteger, expectString } from "./errors.js";

const { op_node_hkdf, op_node_pbkdf2, op_node_pbkdf2_sync, op_node_scrypt, op_node_scrypt_sync } = __bootstrap.core.ops;
const LENGTH_MAX = 2 ** 31 - 1;

/** @param {Promise<Uint8Array>} derived @param {any} callback */
function callLater(derived, callback) {
  derived.then(
    (bytes) => queueMicrotask(() => callback(null, given(bytes))),
    (error) => queueMicrotask(() => callback(error)),
  );
}

/** @param {string} what @param {string} name @param {() => any} derive */
function checkDigest(what, name, derive) {
  try {
    return derive();
  } catch (error) {
    if (/** @type {Error} */ (error).message === "Digest method not supported") throw new TypeError(`Invalid ${what} digest: ${name}.`);
    throw error;
  }
}

/** @param {any} password @param {any} salt @param {any} iterations @param {any} length @param {any} digest */
function pbkdf2Arguments(password, salt, iterations, length, digest) {
  const [secret, grains] = [bytesOf("password", password), bytesOf("salt", salt)];
  expectInteger("iterations", iterations, 1, LENGTH_MAX);
  expectInteger("keylen", length, 0, LENGTH_MAX);
  expectString("digest", digest);
  return [secret, grains, iterations, length, hashName(digest)];
}

/** @param {any} password @param {any} salt @param {any} iterations @param {any} length @param {any} digest */
export function pbkdf2Sync(password, salt, iterations, length, digest) {
  return checkDigest("Pbkdf2", digest, () => given(op_node_pbkdf2_sync(...pbkdf2Arguments(password, salt, iterations, length, digest))));
}

/** @param {any} password @param {any} salt @param {any} iterations @param {any} length @param {any} digest @param {any} [callback] */
export function pbkdf2(password, salt, iterations, length, digest, callback) {
  const all = pbkdf2Arguments(password, salt, iterations, length, digest);
  expectFunction("callback", callback);
  const derived = op_node_pbkdf2(...all).catch((/** @type {Error} */ error) => checkDigest("Pbkdf2", digest, () => {
    throw error;
  }));
  callLater(derived, callback);
}

/** @param {any} digest @param {any} key @param {any} salt @param {any} info @param {any} length */
export function hkdfSync(digest, key, salt, info, length) {
  expectString("digest", digest);
  const all = [secretOf("ikm", key), bytesOf("salt", salt), bytesOf("info", info)];
  expectInteger("length", length, 0, LENGTH_MAX);
  const bytes = checkDigest("Hkdf", digest, () => op_node_hkdf(hashName(digest), ...all, length));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** @param {any} digest @param {any} key @param {any} salt @param {any} info @param {any} length @param {any} callback */
export function hkdf(digest, key, salt, info, length, callback) {
  expectFunction("callback", callback);
  const derived = hkdfSync(digest, key, salt, info, length);
  queueMicrotask(() => callback(null, derived));
}

/** @param {any} password @param {any} salt @param {any} length @param {any} options */
function scryptArguments(password, salt, length, options = {}) {
  const [secret, grains] = [bytesOf("password", password), bytesOf("salt", salt)];
  expectInteger("keylen", length, 0, LENGTH_MAX);
  const cost = options.cost ?? options.N ?? 16384;
  const blockSize = options.blockSize ?? options.r ?? 8;
  const parallelization = options.parallelization ?? options.p ?? 1;
  const memory = options.maxmem ?? 32 * 1024 * 1024;
  expectInteger("N", cost, 0, 2 ** 32 - 1);
  expectInteger("r", blockSize, 0, 2 ** 32 - 1);
  expectInteger("p", parallelization, 0, 2 ** 32 - 1);
  expectInteger("maxmem", memory, 0);
  if (128 * cost * blockSize > memory) throw coded(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", "Invalid scrypt params: memory limit exceeded");
  return [secret, grains, length, cost, blockSize, parallelization, memory];
}

/** @param {any} password @param {any} salt @param {any} length @param {any} [options] */
export function scryptSync(password, salt, length, options) {
  return given(op_node_scrypt_sync(...scryptArguments(password, salt, length, options)));
}

/** @param {any} password @param {any} salt @param {any} length @param {any} options @param {any} [callback] */
export function scrypt(password, salt, length, options, callback) {
  if (typeof options === "function") [callback, options] = [options, {}];
  const all = scryptArguments(password, salt, length, options);
  expectFunction("callback", callback);
  callLater(op_node_scrypt(...all), callback);
}
