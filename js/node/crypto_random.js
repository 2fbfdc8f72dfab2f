// @ts-check

// Random values of `node:crypto`, from where those of Web Crypto come.

import { Buffer } from "node:buffer";
import { expectFunction, expectInteger, invalidType, outOfRange } from "./errors.js";

/** How many bytes getRandomValues() gives at once. */
const BYTES_MAX = 65536;
/** The greatest range of randomInt(). */
const RANGE_MAX = 2 ** 48 - 1;

const { crypto } = globalThis;

/** @param {Uint8Array} bytes */
function fill(bytes) {
  for (let at = 0; at < bytes.length; at += BYTES_MAX) crypto.getRandomValues(new Uint8Array(/** @type {ArrayBuffer} */ (bytes.buffer), bytes.byteOffset + at, Math.min(BYTES_MAX, bytes.length - at)));
}

/** @param {any} callback @param {() => any} make */
function maybeLater(callback, make) {
  const made = make();
  if (callback === undefined) return made;
  expectFunction("callback", callback);
  queueMicrotask(() => callback(null, made));
}

/** @param {any} size @param {any} [callback] */
export function randomBytes(size, callback) {
  expectInteger("size", size, 0, 2 ** 31 - 1);
  return maybeLater(callback, () => {
    const bytes = Buffer.alloc(size);
    fill(bytes);
    return bytes;
  });
}
export const pseudoRandomBytes = randomBytes;
export const rng = randomBytes;
export const prng = randomBytes;

/** @param {any} target @param {any} [offset] @param {any} [size] */
export function randomFillSync(target, offset = 0, size) {
  if (!ArrayBuffer.isView(target) && !(target instanceof ArrayBuffer)) throw invalidType("buf", ["ArrayBuffer", "ArrayBufferView"], target);
  const unit = /** @type {any} */ (target).BYTES_PER_ELEMENT ?? 1;
  const count = target.byteLength / unit;
  expectInteger("offset", offset, 0, count);
  const wanted = size ?? count - offset;
  expectInteger("size", wanted, 0, count - offset);
  const [buffer, start] = ArrayBuffer.isView(target) ? [target.buffer, target.byteOffset] : [target, 0];
  fill(new Uint8Array(/** @type {ArrayBuffer} */ (buffer), start + offset * unit, wanted * unit));
  return target;
}

/** @param {any} target @param {any} offset @param {any} [size] @param {any} [callback] */
export function randomFill(target, offset, size, callback) {
  if (typeof offset === "function") [callback, offset, size] = [offset, 0, undefined];
  else if (typeof size === "function") [callback, size] = [size, undefined];
  expectFunction("callback", callback);
  randomFillSync(target, offset, size);
  queueMicrotask(() => callback(null, target));
}

/** @param {any} min @param {any} [max] @param {any} [callback] */
export function randomInt(min, max, callback) {
  if (max === undefined || typeof max === "function") [min, max, callback] = [0, min, max];
  if (!Number.isSafeInteger(min)) throw invalidType("min", "safe integer", min);
  if (!Number.isSafeInteger(max)) throw invalidType("max", "safe integer", max);
  if (max <= min) throw outOfRange("min", "min < max", min);
  const range = max - min;
  if (range > RANGE_MAX) throw outOfRange("max - min", `<= ${RANGE_MAX}`, range);
  return maybeLater(callback, () => {
    // Values beyond the last multiple of the range would make some results likelier than others.
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const value = randomBytes(6).readUIntBE(0, 6);
      if (value < limit) return min + (value % range);
    }
  });
}
