// @ts-check

// Prime numbers.
// https://nodejs.org/api/crypto.html#cryptogenerateprimesize-options-callback

import { bytesOfNumber, numberOf, power } from "./crypto_point.js";
import { randomBytes } from "./crypto_random.js";
import { expectFunction, expectInteger, invalidType, outOfRange } from "./errors.js";

const SMALL = [2n];
for (let n = 3n; SMALL.length < 300; n += 2n) {
  if (SMALL.every((p) => p * p > n || n % p !== 0n)) SMALL.push(n);
}
/** Rounds after which an odd number is called prime that is none once in 2^128 times at most. */
const ROUNDS = 64;

/** A number below another one. @param {bigint} limit */
export function randomBelow(limit) {
  const bytes = randomBytes((limit.toString(16).length >> 1) + 9);
  return numberOf(bytes) % limit;
}

/** Miller's and Rabin's test. @param {bigint} n @param {number} [rounds] */
export function isPrime(n, rounds = ROUNDS) {
  if (n < 2n) return false;
  for (const p of SMALL) {
    if (n === p) return true;
    if (n % p === 0n) return false;
  }
  let [odd, twos] = [n - 1n, 0];
  for (; (odd & 1n) === 0n; odd >>= 1n) twos += 1;
  for (let round = 0; round < rounds; round++) {
    let x = power(2n + randomBelow(n - 3n), odd, n);
    if (x === 1n || x === n - 1n) continue;
    let left = twos - 1;
    for (; left > 0 && x !== n - 1n; left--) x = (x * x) % n;
    if (x !== n - 1n) return false;
  }
  return true;
}

/** A prime of exactly so many bits. @param {number} bits @param {boolean} [safe] whether half of it is one, too @param {bigint} [add] @param {bigint} [rem] */
export function newPrime(bits, safe = false, add, rem) {
  const low = 1n << BigInt(bits - 1);
  for (;;) {
    let n = low + randomBelow(low);
    if (bits > 3) n |= low >> 1n;
    if (add === undefined) n |= 1n;
    else n = n - (n % add) + (rem ?? 1n);
    if (n >> BigInt(bits) !== 0n || n < low) continue;
    if (safe && (!isPrime(n >> 1n, 1) || !isPrime(n, 1))) continue;
    if (isPrime(n) && (!safe || isPrime(n >> 1n))) return n;
  }
}

/** @param {string} name @param {any} value @returns {bigint | undefined} */
function numberIn(name, value) {
  if (value === undefined) return undefined;
  if (typeof value === "bigint") {
    if (value < 0n) throw outOfRange(name, ">= 0", value);
    return value;
  }
  if (value instanceof ArrayBuffer) return numberOf(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return numberOf(new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength));
  throw invalidType(name, ["bigint", "ArrayBuffer", "TypedArray", "Buffer", "DataView"], value);
}

/** @param {number} size @param {any} [options] */
export function generatePrimeSync(size, options = {}) {
  expectInteger("size", size, 1, 2 ** 31 - 1);
  if (options === null || typeof options !== "object") throw invalidType("options", "object", options);
  const [add, rem] = [numberIn("options.add", options.add), numberIn("options.rem", options.rem)];
  // What divides both is a divisor of each number that is looked at.
  if (add !== undefined && (add === 0n || (rem ?? 1n) >= add || size < add.toString(2).length || isDivided(add, rem ?? 1n))) throw new RangeError("Invalid values for add and rem");
  if (size < 2) throw new RangeError("Invalid prime size");
  const prime = newPrime(size, options.safe === true, add, rem);
  if (options.bigint === true) return prime;
  const bytes = bytesOfNumber(prime, (size + 7) >> 3);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** @param {bigint} a @param {bigint} b */
function isDivided(a, b) {
  for (; b !== 0n; [a, b] = [b, a % b]);
  return a !== 1n;
}

/** @param {any} candidate @param {any} [options] */
export function checkPrimeSync(candidate, options = {}) {
  const number = numberIn("candidate", candidate === undefined ? null : candidate);
  expectInteger("options.checks", options.checks ?? 0, 0, 2 ** 31 - 1);
  return isPrime(/** @type {bigint} */ (number), options.checks || ROUNDS);
}

/** @param {number} size @param {any} options @param {any} [callback] */
export function generatePrime(size, options, callback) {
  if (typeof options === "function") [callback, options] = [options, {}];
  expectFunction("callback", callback);
  const prime = generatePrimeSync(size, options);
  queueMicrotask(() => callback(null, prime));
}

/** @param {any} candidate @param {any} options @param {any} [callback] */
export function checkPrime(candidate, options, callback) {
  if (typeof options === "function") [callback, options] = [options, {}];
  expectFunction("callback", callback);
  const found = checkPrimeSync(candidate, options);
  queueMicrotask(() => callback(null, found));
}
