// @ts-check

// The module `node:crypto`.
// https://nodejs.org/api/crypto.html

import { Cipheriv, createCipheriv, createDecipheriv, Decipheriv, getCipherInfo, getCiphers } from "./crypto_cipher.js";
import { createDiffieHellman, createDiffieHellmanGroup, DiffieHellman, DiffieHellmanGroup, getDiffieHellman } from "./crypto_dh.js";
import { createECDH, diffieHellman, ECDH } from "./crypto_ecdh.js";
import { createHash, createHmac, getHashes, Hash, hash, Hmac } from "./crypto_hash.js";
import { hkdf, hkdfSync, pbkdf2, pbkdf2Sync, scrypt, scryptSync } from "./crypto_kdf.js";
import { generateKey, generateKeyPair, generateKeyPairSync, generateKeySync } from "./crypto_generate.js";
import { createPrivateKey, createPublicKey, createSecretKey, KeyObject, PrivateKeyObject, PublicKeyObject, SecretKeyObject } from "./crypto_key.js";
import { checkPrime, checkPrimeSync, generatePrime, generatePrimeSync } from "./crypto_prime.js";
import { prng, pseudoRandomBytes, randomBytes, randomFill, randomFillSync, randomInt, rng } from "./crypto_random.js";
import { privateDecrypt, privateEncrypt, publicDecrypt, publicEncrypt } from "./crypto_rsa.js";
import { createSign, createVerify, Sign, sign, Verify, verify } from "./crypto_sign.js";
import { Certificate, X509Certificate } from "./crypto_x509.js";
import { bytesOf } from "./crypto_bytes.js";
import { coded, invalidType, refused } from "./errors.js";

export const webcrypto = globalThis.crypto;
export const { subtle } = webcrypto;
export const { CryptoKey } = globalThis;
export const fips = false;
export const constants = {
  RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1,
  RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2, POINT_CONVERSION_COMPRESSED: 2, POINT_CONVERSION_UNCOMPRESSED: 4,
  POINT_CONVERSION_HYBRID: 6, defaultCoreCipherList: "", defaultCipherList: "",
};

/** @param {any} array */
export function getRandomValues(array) {
  return webcrypto.getRandomValues(array);
}

/** @param {{ disableEntropyCache?: boolean }} [options] */
export function randomUUID(options) {
  if (options !== undefined && (options === null || typeof options !== "object")) throw invalidType("options", "object", options);
  return webcrypto.randomUUID();
}

/** @param {any} left @param {any} right */
export function timingSafeEqual(left, right) {
  const [a, b] = [bytesOf("buf1", left), bytesOf("buf2", right)];
  if (a.byteLength !== b.byteLength) {
    throw coded(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  }
  return /** @type {any} */ (subtle).timingSafeEqual(a, b);
}

export function getFips() {
  return 0;
}

export function secureHeapUsed() {
  return { total: 0, used: 0, utilization: 0, min: 0 };
}

export function getCurves() {
  return ["prime256v1", "secp384r1", "secp521r1"];
}

const unsupported = Object.fromEntries(["Cipher", "Decipher", "createCipher", "createDecipher", "setEngine", "setFips"].map((name) => [name, refused(`crypto.${name}`)]));
export const { Cipher, Decipher, createCipher, createDecipher, setEngine, setFips } = unsupported;

export {
  PrivateKeyObject, PublicKeyObject, SecretKeyObject,
  Certificate, privateDecrypt, privateEncrypt, publicDecrypt, publicEncrypt, X509Certificate,
  checkPrime, checkPrimeSync, createDiffieHellman, createDiffieHellmanGroup, createECDH, DiffieHellman, diffieHellman,
  DiffieHellmanGroup, ECDH, generatePrime, generatePrimeSync, getDiffieHellman,
  Cipheriv, createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, createSecretKey,
  createSign, createVerify, Decipheriv, generateKey, generateKeyPair, generateKeyPairSync, generateKeySync, getCipherInfo,
  getCiphers, getHashes, Hash, hash, hkdf, hkdfSync, Hmac, KeyObject, pbkdf2, pbkdf2Sync, prng, pseudoRandomBytes,
  randomBytes, randomFill, randomFillSync, randomInt, rng, scrypt, scryptSync, Sign, sign, Verify, verify,
};
export default {
  PrivateKeyObject, PublicKeyObject, SecretKeyObject,
  Certificate, Cipheriv, CryptoKey, Decipheriv, DiffieHellman, DiffieHellmanGroup, ECDH, Hash, Hmac, KeyObject, Sign, Verify,
  X509Certificate, checkPrime, checkPrimeSync, createDiffieHellman, createDiffieHellmanGroup, createECDH, diffieHellman,
  generatePrime, generatePrimeSync, getDiffieHellman, constants, createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey,
  createSecretKey, createSign, createVerify, fips, generateKey, generateKeyPair, generateKeyPairSync, generateKeySync,
  getCipherInfo, getCiphers, getCurves, getFips, getHashes, getRandomValues, hash, hkdf, hkdfSync, pbkdf2, pbkdf2Sync, prng,
  pseudoRandomBytes, randomBytes, randomFill, randomFillSync, randomInt, randomUUID, rng, scrypt, scryptSync,
  secureHeapUsed, sign, subtle, timingSafeEqual, verify, webcrypto, privateDecrypt, privateEncrypt,
  publicDecrypt, publicEncrypt, ...unsupported,
};
