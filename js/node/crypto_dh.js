// @ts-check

// Diffie-Hellman over numbers.
// https://nodejs.org/api/crypto.html#class-diffiehellman

import { bytesOf, given } from "./crypto_bytes.js";
import { callable } from "./crypto_ecdh.js";
import { bytesOfNumber, numberOf, power } from "./crypto_point.js";
import { isPrime, newPrime, randomBelow } from "./crypto_prime.js";
import { invalidType } from "./errors.js";

/** The groups of RFC 3526: bits, and what is added to the digits of pi in the middle of the prime. */
const GROUPS = { modp14: [2048, 124476n], modp15: [3072, 1690314n], modp16: [4096, 240904n], modp17: [6144, 929484n], modp18: [8192, 4743158n] };
/** The primes that were needed. @type {Map<string, bigint>} */
const primes = new Map();
/** The exponents of larger groups need no more bits: https://www.rfc-editor.org/rfc/rfc3526#section-8 */
const EXPONENT_BITS_MAX = 2048;
const NOT_PRIME = 1;
const NOT_SAFE_PRIME = 2;
const UNABLE_TO_CHECK_GENERATOR = 4;
const NOT_SUITABLE_GENERATOR = 8;

/** The arc whose tangent is 1/x, in units of 1/2^bits. @param {bigint} x @param {bigint} bits */
function arc(x, bits) {
  let sum = 0n;
  let sign = 1n;
  for (let [term, n] = [(1n << bits) / x, 1n]; term > 0n; [term, n] = [term / (x * x), n + 2n]) {
    sum += sign * (term / n);
    sign = -sign;
  }
  return sum;
}

/** @param {string} name */
function primeOf(name) {
  const known = primes.get(name);
  if (known !== undefined) return known;
  const group = GROUPS[/** @type {"modp14"} */ (name)];
  if (group === undefined) {
    throw new Error("Failed to init DiffieHellmanGroup: invalid group. Only groups {modp14, modp15, modp16, modp17, modp18} are supported.");
  }
  const [bits, added] = [BigInt(/** @type {number} */ (group[0])), BigInt(group[1])];
  // By Machin's formula, with more digits than are used.
  const exact = bits + 64n;
  const pi = 4n * (4n * arc(5n, exact) - arc(239n, exact)) >> (exact - (bits - 130n));
  const prime = (1n << bits) - (1n << (bits - 64n)) - 1n + ((pi + added) << 64n);
  primes.set(name, prime);
  return prime;
}

/** What is wrong with a prime and a generator, in OpenSSL's numbers. @param {bigint} p @param {bigint} g */
function verify(p, g) {
  let found = 0;
  if (g === 2n) found |= p % 24n === 11n ? 0 : NOT_SUITABLE_GENERATOR;
  else if (g === 5n) found |= [3n, 7n].includes(p % 10n) ? 0 : NOT_SUITABLE_GENERATOR;
  else found |= UNABLE_TO_CHECK_GENERATOR;
  if (!isPrime(p)) return found | NOT_PRIME;
  return isPrime(p >> 1n) ? found : found | NOT_SAFE_PRIME;
}

class Exchange {
  /** @type {bigint} */
  #prime;
  /** @type {bigint} */
  #generator;
  /** @type {bigint | undefined} */
  #private;
  /** @type {bigint | undefined} */
  #public;
  /** @type {number | undefined} */
  #error;

  /** @param {bigint} prime @param {bigint} generator @param {number} [error] */
  constructor(prime, generator, error) {
    this.#prime = prime;
    this.#generator = generator;
    this.#error = error;
  }

  /** @param {string} [encoding] */
  generateKeys(encoding) {
    if (this.#private === undefined) {
      const limit = 1n << BigInt(EXPONENT_BITS_MAX);
      const largest = this.#prime < limit ? this.#prime : limit;
      this.#private = largest > 3n ? 1n + randomBelow(largest - 2n) : 1n;
    }
    this.#public = power(this.#generator, this.#private, this.#prime);
    return this.getPublicKey(encoding);
  }

  /** @param {any} otherPublicKey @param {string} [inputEncoding] @param {string} [outputEncoding] */
  computeSecret(otherPublicKey, inputEncoding, outputEncoding) {
    const bytes = bytesOf("otherPublicKey", otherPublicKey, inputEncoding);
    const failed = "DiffieHellman computeSecret() failed:";
    if (bytes.length === 0) throw new Error(`${failed} invalid key`);
    const other = numberOf(bytes);
    if (other <= 1n) throw new RangeError(`${failed} Supplied key is too small`);
    if (other >= this.#prime - 1n) throw new RangeError(`${failed} Supplied key is too large`);
    if (this.#private === undefined) throw new Error(`${failed} error computing shared secret`);
    return this.#written(power(other, this.#private, this.#prime), outputEncoding);
  }

  /** @param {string} [encoding] */
  getPrime(encoding) {
    return given(bytesOfNumber(this.#prime), encoding);
  }

  /** @param {string} [encoding] */
  getGenerator(encoding) {
    return given(bytesOfNumber(this.#generator), encoding);
  }

  /** @param {string} [encoding] */
  getPublicKey(encoding) {
    if (this.#public === undefined) throw new Error("No public key");
    return this.#written(this.#public, encoding);
  }

  /** @param {string} [encoding] */
  getPrivateKey(encoding) {
    if (this.#private === undefined) throw new Error("No private key");
    return this.#written(this.#private, encoding);
  }

  get verifyError() {
    this.#error ??= verify(this.#prime, this.#generator);
    return this.#error;
  }

  /** As many bytes as the prime has. @param {bigint} number @param {string} [encoding] */
  #written(number, encoding) {
    return given(bytesOfNumber(number, bytesOfNumber(this.#prime).length), encoding);
  }

  /** @param {bigint | undefined} own @param {bigint | undefined} shown */
  _set(own, shown) {
    if (own !== undefined) this.#private = own;
    if (shown !== undefined) this.#public = shown;
  }
}

/** @param {any} value */
function isBytes(value) {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

class OwnGroup extends Exchange {
  /** @param {any} sizeOrKey @param {any} [keyEncoding] @param {any} [generator] @param {string} [genEncoding] */
  constructor(sizeOrKey, keyEncoding, generator, genEncoding) {
    if (typeof sizeOrKey !== "number" && typeof sizeOrKey !== "string" && !isBytes(sizeOrKey)) {
      throw invalidType("sizeOrKey", ["number", "string", "ArrayBuffer", "Buffer", "TypedArray", "DataView"], sizeOrKey);
    }
    if (keyEncoding !== undefined && typeof keyEncoding !== "string") [keyEncoding, generator, genEncoding] = [undefined, keyEncoding, generator];
    const by = generator === undefined ? 2n : typeof generator === "number" ? BigInt(generator) : numberOf(bytesOf("generator", generator, genEncoding));
    if (typeof sizeOrKey === "number") {
      if (!(sizeOrKey >= 16)) throw new Error("DiffieHellman init failed: could not generate parameters");
      super(newPrime(sizeOrKey, true), by);
      return;
    }
    const prime = numberOf(bytesOf("sizeOrKey", sizeOrKey, keyEncoding));
    if (prime < 3n) throw new Error("DiffieHellman init failed: Invalid DH prime generated");
    super(prime, by);
  }

  /** @param {any} key @param {string} [encoding] */
  setPublicKey(key, encoding) {
    this._set(undefined, numberOf(bytesOf("key", key, encoding)));
  }

  /** @param {any} key @param {string} [encoding] */
  setPrivateKey(key, encoding) {
    this._set(numberOf(bytesOf("key", key, encoding)), undefined);
  }
}

class KnownGroup extends Exchange {
  /** @param {string} name */
  constructor(name) {
    // The numbers are those of the standard, of which OpenSSL says that 2 generates only half of the group.
    super(primeOf(name), 2n, NOT_SUITABLE_GENERATOR);
  }
}

export const DiffieHellman = callable("DiffieHellman", OwnGroup);
export const DiffieHellmanGroup = callable("DiffieHellmanGroup", KnownGroup);

/** @param {any} sizeOrKey @param {any} [keyEncoding] @param {any} [generator] @param {string} [genEncoding] */
export function createDiffieHellman(sizeOrKey, keyEncoding, generator, genEncoding) {
  return new DiffieHellman(sizeOrKey, keyEncoding, generator, genEncoding);
}

/** @param {string} name */
export function getDiffieHellman(name) {
  return new DiffieHellmanGroup(name);
}

export { getDiffieHellman as createDiffieHellmanGroup };
