// @ts-check
/// <reference path="./types.d.ts" />

// Which RSA keys are generated: what takes too long, and what is weak, is refused before it begins.
// https://developers.cloudflare.com/workers/runtime-apis/web-crypto/

import { core, primordials } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";

const { RegExpPrototypeTest, SafeRegExp, String, TypedArrayPrototypeGetSymbolToStringTag } = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

const NAMES = new SafeRegExp("^RSA(?:SSA-PKCS1-v1_5|-PSS|-OAEP)$", "i");
const BITS_MIN = 256;
const BITS_MAX = 16384;

/** @param {string} text @returns {never} */
function refuse(text) {
  throw new DOMException(text, "OperationError");
}

/**
 * The number that bytes are, the highest one first; undefined if it has more than 32 bits.
 * @param {Uint8Array} bytes
 */
function numberOf(bytes) {
  let number = 0;
  for (let i = 0; i < bytes.length; i++) {
    number = number * 256 + bytes[i];
    if (number >= 2 ** 32) return undefined;
  }
  return number;
}

/**
 * Checks what `generateKey()` is asked for, if it is a key of RSA.
 * @param {any} algorithm
 */
export function checkGeneration(algorithm) {
  if (algorithm === null || typeof algorithm !== "object") return;
  const { modulusLength: bits, name, publicExponent } = algorithm;
  if (!RegExpPrototypeTest(NAMES, String(name))) return;
  // What is missing, or of a wrong type, is told by whoever converts it.
  if (typeof bits !== "number" || TypedArrayPrototypeGetSymbolToStringTag(publicExponent) !== "Uint8Array") return;
  if (bits <= 0) refuse(`modulusLength must be greater than zero (requested ${bits}).`);
  if (bits % 8 !== 0 || bits < BITS_MIN || bits > BITS_MAX) {
    refuse(`The modulus length must be a multiple of 8 and between 256 and 16k, but ${bits} was requested.`);
  }
  const exponent = numberOf(publicExponent);
  if (exponent !== 3 && exponent !== 65537) {
    const given = exponent ?? "a number larger than 2^32";
    refuse(`The "publicExponent" must be either 3 or 65537, but got ${given}.`);
  }
  if (bits % 128 !== 0 && isOn("strict_crypto_checks")) {
    refuse("Can't generate key: RSA key size is required to be a multiple of 128");
  }
}
