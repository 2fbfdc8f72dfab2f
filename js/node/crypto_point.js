// @ts-check

// Points of the curves of NIST, in the forms in which they are written.
// https://www.secg.org/sec1-v2.pdf

import { Buffer } from "node:buffer";
import { invalidValue } from "./errors.js";

/** Each curve's field, and the last number of its equation y^2 = x^3 - 3x + b. @type {Record<string, { p: bigint, b: bigint, size: number }>} */
const FIELDS = {
  "P-256": {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    size: 32,
  },
  "P-384": {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    size: 48,
  },
  "P-521": {
    p: 2n ** 521n - 1n,
    b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    size: 66,
  },
};

/** @param {bigint} base @param {bigint} exponent @param {bigint} modulus */
export function power(base, exponent, modulus) {
  let result = 1n;
  let factor = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return result;
}

/** @param {Uint8Array} bytes */
export function numberOf(bytes) {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** A number's bytes, with zeros in front up to a length. @param {bigint} number @param {number} [length] @returns {any} */
export function bytesOfNumber(number, length = 0) {
  const digits = number.toString(16);
  return Buffer.from(digits.padStart(Math.max(length * 2, digits.length + digits.length % 2), "0"), "hex");
}

/** The length of a number of the curve in bytes. @param {string} curve */
export function sizeOf(curve) {
  return FIELDS[curve].size;
}

/** A point that is not compressed, of any of its forms. @param {string} curve @param {Uint8Array} point */
export function uncompressed(curve, point) {
  const { p, b, size } = FIELDS[curve];
  const [form] = point;
  if (form === 4 && point.length === 1 + 2 * size) return Buffer.from(point);
  if ((form !== 2 && form !== 3) || point.length !== 1 + size) throw new Error("Failed to set point");
  const x = numberOf(point.subarray(1));
  const square = (x * x * x - 3n * x + b) % p;
  // For each of these fields p is 3 modulo 4.
  const root = power((square + p) % p, (p + 1n) >> 2n, p);
  if (x >= p || (root * root - square) % p !== 0n) throw new Error("Failed to set point");
  const y = (root & 1n) === BigInt(form & 1) ? root : p - root;
  return Buffer.concat([Buffer.from([4]), point.subarray(1), bytesOfNumber(y, size)]);
}

/** A point in the form that somebody asks for. @param {any} point one that is not compressed @param {string} [format] */
export function inForm(point, format = "uncompressed") {
  if (format === "uncompressed") return Buffer.from(point);
  if (format === "hybrid") throw new Error("Failed to get public key length");
  if (format !== "compressed") throw invalidValue("format", format, "must be one of: 'compressed', 'uncompressed', 'hybrid'");
  const half = (point.length - 1) / 2;
  return Buffer.concat([Buffer.from([2 + (point[point.length - 1] & 1)]), point.subarray(1, 1 + half)]);
}
