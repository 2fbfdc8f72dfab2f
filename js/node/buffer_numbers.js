// @ts-check

// Numbers in buffers: readInt16LE() and the like.
// https://nodejs.org/api/buffer.html#bufreadbigint64beoffset

import { coded, invalidType, outOfRange } from "./errors.js";

/** What is read and written as a whole: name, size in bytes, and the least and greatest value of an integer. */
const KINDS = /** @type {[string, string, number, any, any][]} */ ([
  ["Int8", "Int8", 1, -0x80, 0x7f],
  ["UInt8", "Uint8", 1, 0, 0xff],
  ["Int16", "Int16", 2, -0x8000, 0x7fff],
  ["UInt16", "Uint16", 2, 0, 0xffff],
  ["Int32", "Int32", 4, -0x80000000, 0x7fffffff],
  ["UInt32", "Uint32", 4, 0, 0xffffffff],
  ["BigInt64", "BigInt64", 8, -(2n ** 63n), 2n ** 63n - 1n],
  ["BigUInt64", "BigUint64", 8, 0n, 2n ** 64n - 1n],
  ["Float", "Float32", 4, undefined, undefined],
  ["Double", "Float64", 8, undefined, undefined],
]);

/** @param {any} buffer @param {any} offset @param {number} size */
function expectOffset(buffer, offset, size) {
  if (typeof offset !== "number") throw invalidType("offset", "number", offset);
  const last = buffer.length - size;
  if (Number.isInteger(offset) && offset >= 0 && offset <= last) return;
  if (!Number.isInteger(offset)) throw outOfRange("offset", "an integer", offset);
  if (last < 0) throw coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds");
  throw outOfRange("offset", `>= 0 and <= ${last}`, offset);
}

/** @param {any} value @param {any} min @param {any} max @param {number} size */
function expectValue(value, min, max, size) {
  if (value >= min && value <= max) return;
  if (!(value < min || value > max)) return;
  const n = typeof min === "bigint" ? "n" : "";
  const bits = size * 8;
  let range = `>= ${min}${n} and <= ${max}${n}`;
  if (size > 4) {
    range = min == 0 ? `>= 0${n} and < 2${n} ** ${bits}${n}` : `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}`;
  }
  throw outOfRange("value", range, value);
}

/** @param {any} length */
function expectLength(length) {
  if (length === undefined || typeof length !== "number") throw invalidType("byteLength", "number", length);
  if (!Number.isInteger(length)) throw outOfRange("byteLength", "an integer", length);
  if (length < 1 || length > 6) throw outOfRange("byteLength", ">= 1 and <= 6", length);
}

/** @param {any} bytes */
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @param {any} prototype @param {string} name @param {Function} method */
function define(prototype, name, method) {
  for (const one of new Set([name, name.replace("UInt", "Uint")])) {
    Object.defineProperty(prototype, one, { value: method, writable: true, configurable: true, enumerable: true });
  }
}

/** @param {any} prototype */
function defineVariable(prototype) {
  for (const signed of [true, false]) {
    for (const little of [true, false]) {
      const name = `${signed ? "Int" : "UInt"}${little ? "LE" : "BE"}`;
      define(prototype, `read${name}`, /** @this {any} */ function (/** @type {any} */ offset, /** @type {any} */ length) {
        if (offset === undefined) throw invalidType("offset", "number", offset);
        expectLength(length);
        expectOffset(this, offset, length);
        let value = 0;
        for (let i = 0; i < length; i++) value = value * 256 + this[offset + (little ? length - 1 - i : i)];
        const limit = 2 ** (8 * length - 1);
        return signed && value >= limit ? value - 2 * limit : value;
      });
      define(prototype, `write${name}`, /** @this {any} */ function (/** @type {any} */ value, /** @type {any} */ offset, /** @type {any} */ length) {
        expectLength(length);
        const number = +value;
        const limit = 2 ** (8 * length - (signed ? 1 : 0));
        expectValue(number, signed ? -limit : 0, limit - 1, length);
        expectOffset(this, offset, length);
        let rest = number < 0 ? number + 2 * limit : number;
        for (let i = 0; i < length; i++) {
          this[offset + (little ? i : length - 1 - i)] = rest % 256;
          rest = Math.floor(rest / 256);
        }
        return offset + length;
      });
    }
  }
}

/**
 * Gives buffers their numbers.
 * @param {any} prototype
 */
export function defineNumbers(prototype) {
  for (const [name, inView, size, min, max] of KINDS) {
    for (const little of size === 1 ? [true] : [true, false]) {
      const full = size === 1 ? name : `${name}${little ? "LE" : "BE"}`;
      define(prototype, `read${full}`, /** @this {any} */ function (offset = 0) {
        expectOffset(this, offset, size);
        return /** @type {any} */ (view(this))[`get${inView}`](offset, little);
      });
      define(prototype, `write${full}`, /** @this {any} */ function (/** @type {any} */ value, offset = 0) {
        if (typeof min === "bigint" && typeof value !== "bigint") throw invalidType("value", "bigint", value);
        if (min !== undefined) expectValue(typeof min === "bigint" ? value : (value = +value), min, max, size);
        expectOffset(this, offset, size);
        /** @type {any} */ (view(this))[`set${inView}`](offset, value, little);
        return offset + size;
      });
    }
  }
  defineVariable(prototype);
  for (const size of [2, 4, 8]) {
    define(prototype, `swap${size * 8}`, /** @this {any} */ function () {
      if (this.length % size !== 0) throw coded(RangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${size * 8}-bits`);
      for (let at = 0; at < this.length; at += size) new Uint8Array(this.buffer, this.byteOffset + at, size).reverse();
      return this;
    });
  }
}
