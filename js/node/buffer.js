// @ts-check

// The module `node:buffer`.
// https://nodejs.org/api/buffer.html

import { defineNumbers } from "./buffer_numbers.js";
import { byteCount, normalize, toBytes, toText } from "./encodings.js";
import { coded, expectInteger, invalidType, outOfRange, received, unknownEncoding } from "./errors.js";

/** What makes buffers: `Buffer` itself is a function that may be called without `new`. */
class FastBuffer extends Uint8Array {}

/** @type {any} */
export const Buffer = function Buffer(/** @type {any} */ value, /** @type {any} */ encodingOrOffset, /** @type {any} */ length) {
  if (typeof value !== "number") return Buffer.from(value, encodingOrOffset, length);
  if (typeof encodingOrOffset === "string") throw invalidType("string", "string", value);
  return /** @type {any} */ (Buffer).alloc(value);
};
Buffer.prototype = FastBuffer.prototype;
Object.setPrototypeOf(Buffer, Uint8Array);
/** @type {any} */
const prototype = FastBuffer.prototype;
prototype.constructor = Buffer;
defineNumbers(prototype);

const inspectCustom = Symbol.for("nodejs.util.inspect.custom");

export const kMaxLength = Number.MAX_SAFE_INTEGER;
/** How many bytes of a buffer are shown. */
export const INSPECT_MAX_BYTES = 50;
export const kStringMaxLength = 2 ** 29 - 24;
export const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength };

/** @param {any} name */
function expectEncoding(name) {
  const encoding = normalize(name);
  if (encoding === undefined) throw unknownEncoding(name);
  return encoding;
}

/** @param {Uint8Array} bytes which nobody else holds */
function adopt(bytes) {
  return new FastBuffer(/** @type {ArrayBuffer} */ (bytes.buffer), bytes.byteOffset, bytes.length);
}

/** @param {any} value */
function refuseSource(value) {
  return coded(
    TypeError,
    "ERR_INVALID_ARG_TYPE",
    `The first argument must be of type string or an instance of Buffer, TypedArray, ArrayBuffer, SharedArrayBuffer, or Array or an Array-like Object.${received(value)}`,
  );
}

Buffer.from = function from(/** @type {any} */ value, /** @type {any} */ encodingOrOffset, /** @type {any} */ length) {
  if (typeof value === "string") {
    const encoding = typeof encodingOrOffset === "string" ? expectEncoding(encodingOrOffset) : "utf8";
    return adopt(toBytes(value, encoding));
  }
  if (value === null || (typeof value !== "object" && typeof value !== "function")) throw refuseSource(value);
  if (ArrayBuffer.isView(value) && value instanceof Uint8Array) return new FastBuffer(value);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    const offset = Number(encodingOrOffset) || 0;
    const rest = value.byteLength - offset;
    if (rest < 0) throw coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", '"offset" is outside of buffer bounds');
    const wanted = length === undefined ? rest : Math.max(0, Number(length) || 0);
    if (wanted > rest) throw coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", '"length" is outside of buffer bounds');
    return new FastBuffer(/** @type {ArrayBuffer} */ (value), offset, wanted);
  }
  if (!Array.isArray(value) && typeof value.valueOf === "function") {
    const primitive = value.valueOf();
    if (primitive !== null && primitive !== undefined && primitive !== value && (typeof primitive === "string" || typeof primitive === "object")) {
      return Buffer.from(primitive, encodingOrOffset, length);
    }
  }
  if (typeof value[Symbol.toPrimitive] === "function") {
    const primitive = value[Symbol.toPrimitive]("string");
    if (typeof primitive === "string") return Buffer.from(primitive, encodingOrOffset);
  }
  if (value.type === "Buffer" && Array.isArray(value.data)) return new FastBuffer(value.data);
  if (value.length !== undefined) return new FastBuffer(typeof value.length === "number" ? Array.from(value) : []);
  throw refuseSource(value);
};

/** @param {any} size */
function expectSize(size) {
  if (typeof size !== "number") throw invalidType("size", "number", size);
  if (!(size >= 0 && size <= kMaxLength)) throw outOfRange("size", `>= 0 && <= ${kMaxLength}`, size);
}

Buffer.alloc = function alloc(/** @type {any} */ size, /** @type {any} */ fill, /** @type {any} */ encoding) {
  expectSize(size);
  const buffer = new FastBuffer(size);
  return fill === undefined || fill === 0 || size === 0 ? buffer : buffer.fill(fill, encoding);
};

Buffer.allocUnsafe = function allocUnsafe(/** @type {any} */ size) {
  expectSize(size);
  return new FastBuffer(size);
};
Buffer.allocUnsafeSlow = Buffer.allocUnsafe;

Buffer.of = (/** @type {any[]} */ ...items) => adopt(Uint8Array.of(...items));

Buffer.copyBytesFrom = (/** @type {any} */ view, offset = 0, /** @type {number | undefined} */ length) => {
  if (!ArrayBuffer.isView(view) || view instanceof DataView) throw invalidType("view", "TypedArray", view);
  const part = /** @type {any} */ (view).subarray(offset, length === undefined ? undefined : offset + length);
  return adopt(new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice());
};

Buffer.concat = function concat(/** @type {any} */ list, /** @type {any} */ length) {
  if (!Array.isArray(list)) throw invalidType("list", "Array", list);
  list.forEach((item, index) => {
    if (!(item instanceof Uint8Array)) throw invalidType(`list[${index}]`, ["Buffer", "Uint8Array"], item);
  });
  const total = length ?? list.reduce((sum, item) => sum + item.length, 0);
  const joined = Buffer.alloc(total);
  let at = 0;
  for (const item of list) {
    if (at >= total) break;
    joined.set(item.length > total - at ? item.subarray(0, total - at) : item, at);
    at += item.length;
  }
  return joined;
};

Buffer.byteLength = function byteLength(/** @type {any} */ value, /** @type {any} */ encoding) {
  if (typeof value === "string") return byteCount(value, normalize(encoding) ?? "utf8");
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return value.byteLength;
  throw invalidType("string", ["string", "Buffer", "ArrayBuffer"], value);
};

Buffer.isEncoding = (/** @type {any} */ name) => typeof name === "string" && name !== "" && normalize(name) !== undefined;

Buffer.poolSize = 8192;

/**
 * @param {any} buffer
 * @param {any} start
 * @param {any} end
 */
function range(buffer, start, end) {
  const from = Math.max(0, Math.trunc(start) || 0);
  const to = end === undefined ? buffer.length : Math.min(buffer.length, Math.trunc(end) || 0);
  return from >= to ? undefined : new Uint8Array(buffer.buffer, buffer.byteOffset + from, to - from);
}

prototype.toString = function toString(/** @type {any} */ encoding, /** @type {any} */ start, /** @type {any} */ end) {
  const bytes = range(this, start, end);
  const known = expectEncoding(encoding);
  return bytes === undefined ? "" : toText(bytes, known);
};
prototype.toLocaleString = prototype.toString;

/** As many bytes of whole characters as there is room for. @param {Uint8Array} bytes @param {number} room @param {string} encoding */
function whole(bytes, room, encoding) {
  if (bytes.length <= room) return bytes.length;
  if (encoding === "utf16le") return room & ~1;
  if (encoding !== "utf8") return room;
  let end = room;
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return end;
}

prototype.write = function write(/** @type {any} */ text, /** @type {any} */ offset, /** @type {any} */ length, /** @type {any} */ encoding) {
  if (typeof text !== "string") throw invalidType("argument", "string", text);
  if (typeof offset === "string") [encoding, offset, length] = [offset, undefined, undefined];
  else if (typeof length === "string") [encoding, length] = [length, undefined];
  const at = offset ?? 0;
  if (typeof at !== "number") throw invalidType("offset", "number", at);
  if (!(at >= 0 && at <= this.length)) throw outOfRange("offset", `>= 0 && <= ${this.length}`, at);
  const room = Math.min(this.length - at, length ?? Infinity);
  if (length !== undefined && !(length >= 0 && length <= this.length)) throw outOfRange("length", `>= 0 && <= ${this.length}`, length);
  const known = expectEncoding(encoding);
  const bytes = toBytes(text, known);
  const count = whole(bytes, room, known);
  this.set(count === bytes.length ? bytes : bytes.subarray(0, count), at);
  return count;
};

for (const [name, encoding] of Object.entries({ utf8: "utf8", ucs2: "utf16le", utf16le: "utf16le", latin1: "latin1", ascii: "ascii", hex: "hex", base64: "base64", base64url: "base64url" })) {
  prototype[`${name}Slice`] = function (/** @type {any} */ start, /** @type {any} */ end) {
    return this.toString(encoding, start, end);
  };
  prototype[`${name}Write`] = function (/** @type {any} */ text, /** @type {any} */ offset, /** @type {any} */ length) {
    return this.write(text, offset, length, encoding);
  };
}

/** @param {any} buffer @param {any} start @param {any} end */
function expectRange(buffer, start, end) {
  if (start !== undefined) expectInteger("offset", start, 0, kMaxLength);
  if (end !== undefined) expectInteger("end", end, 0, buffer.length);
}

prototype.fill = function fill(/** @type {any} */ value, /** @type {any} */ start, /** @type {any} */ end, /** @type {any} */ encoding) {
  if (typeof start === "string") [encoding, start, end] = [start, undefined, undefined];
  else if (typeof end === "string") [encoding, end] = [end, undefined];
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    expectRange(this, start, end);
    return Uint8Array.prototype.fill.call(this, Number(value) & 0xff, start, end);
  }
  const bytes = typeof value === "string" ? toBytes(value, expectEncoding(encoding)) : value;
  if (bytes.length === 0) {
    if (typeof value === "string" && value !== "") throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received '${value}'`);
    return Uint8Array.prototype.fill.call(this, 0, start, end);
  }
  expectRange(this, start, end);
  const to = end === undefined ? this.length : end;
  for (let at = start ?? 0, i = 0; at < to; at++, i++) this[at] = bytes[i % bytes.length];
  return this;
};

/**
 * Where a value is.
 * @param {any} buffer
 * @param {any} value
 * @param {any} offset
 * @param {any} encoding
 * @param {boolean} forward
 */
function find(buffer, value, offset, encoding, forward) {
  if (typeof offset === "string") [encoding, offset] = [offset, undefined];
  if (typeof value !== "string" && typeof value !== "number" && !(value instanceof Uint8Array)) {
    throw invalidType("value", ["number", "string", "Buffer", "Uint8Array"], value);
  }
  const bytes = typeof value === "number" ? [value & 0xff] : typeof value === "string" ? toBytes(value, expectEncoding(encoding)) : value;
  const { length } = buffer;
  let from = Math.trunc(+offset);
  if (Number.isNaN(from)) from = forward ? 0 : length;
  if (from < 0) from += length;
  if (from < 0) {
    if (!forward) return -1;
    from = 0;
  }
  if (bytes.length === 0) return Math.min(from, length);
  const last = length - bytes.length;
  const isAt = (/** @type {number} */ at) => {
    for (let i = 1; i < bytes.length; i++) if (buffer[at + i] !== bytes[i]) return false;
    return true;
  };
  const next = forward ? Uint8Array.prototype.indexOf : Uint8Array.prototype.lastIndexOf;
  for (let at = forward ? from : Math.min(from, last); at >= 0 && at <= last; at += forward ? 1 : -1) {
    at = next.call(buffer, bytes[0], at);
    if (at === -1 || at > last) return -1;
    if (isAt(at)) return at;
  }
  return -1;
}

prototype.indexOf = function indexOf(/** @type {any} */ value, /** @type {any} */ offset, /** @type {any} */ encoding) {
  return find(this, value, offset, encoding, true);
};
prototype.lastIndexOf = function lastIndexOf(/** @type {any} */ value, /** @type {any} */ offset, /** @type {any} */ encoding) {
  return find(this, value, offset, encoding, false);
};
prototype.includes = function includes(/** @type {any} */ value, /** @type {any} */ offset, /** @type {any} */ encoding) {
  return this.indexOf(value, offset, encoding) !== -1;
};

/** @param {string} name @param {any} value */
function expectBytes(name, value) {
  if (!(value instanceof Uint8Array)) throw invalidType(name, ["Buffer", "Uint8Array"], value);
}

/** @param {Uint8Array} left @param {Uint8Array} right */
function order(left, right) {
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) if (left[i] !== right[i]) return left[i] < right[i] ? -1 : 1;
  return Math.sign(left.length - right.length);
}

Buffer.compare = function compare(/** @type {any} */ left, /** @type {any} */ right) {
  expectBytes("buf1", left);
  expectBytes("buf2", right);
  return order(left, right);
};

prototype.compare = function compare(/** @type {any} */ target, targetStart = 0, targetEnd = target?.length, start = 0, end = this.length) {
  expectBytes("target", target);
  expectInteger("targetStart", targetStart, 0, kMaxLength);
  expectInteger("targetEnd", targetEnd, 0, target.length);
  expectInteger("sourceStart", start, 0, kMaxLength);
  expectInteger("sourceEnd", end, 0, this.length);
  return order(this.subarray(start, Math.max(start, end)), target.subarray(targetStart, Math.max(targetStart, targetEnd)));
};

prototype.equals = function equals(/** @type {any} */ other) {
  expectBytes("otherBuffer", other);
  return this === other || (this.length === other.length && order(this, other) === 0);
};

prototype.copy = function copy(/** @type {any} */ target, targetStart = 0, start = 0, /** @type {any} */ end = this.length) {
  expectBytes("target", target);
  const at = Math.trunc(targetStart) || 0;
  if (at < 0) throw outOfRange("targetStart", ">= 0", targetStart);
  const from = Math.trunc(start) || 0;
  if (from < 0 || from > this.length) throw outOfRange("sourceStart", `>= 0 && <= ${this.length}`, start);
  const to = Math.trunc(end) || 0;
  if (to < 0) throw outOfRange("sourceEnd", ">= 0", end);
  const count = Math.min(Math.min(to, this.length) - from, target.length - at);
  if (count <= 0) return 0;
  Uint8Array.prototype.set.call(target, new Uint8Array(this.buffer, this.byteOffset + from, count), at);
  return count;
};

prototype.subarray = function subarray(/** @type {any} */ start, /** @type {any} */ end) {
  const clamp = (/** @type {any} */ value, /** @type {number} */ otherwise) => {
    const number = value === undefined ? otherwise : Math.trunc(+value) || 0;
    return number < 0 ? Math.max(0, number + this.length) : Math.min(number, this.length);
  };
  const from = clamp(start, 0);
  return new FastBuffer(this.buffer, this.byteOffset + from, Math.max(0, clamp(end, this.length) - from));
};
prototype.slice = prototype.subarray;

prototype.toJSON = function toJSON() {
  return { type: "Buffer", data: Array.from(this) };
};

Buffer.isBuffer = (/** @type {any} */ value) => value instanceof Buffer;

prototype[inspectCustom] = function inspect() {
  const shown = this.toString("hex", 0, INSPECT_MAX_BYTES).replace(/(.{2})/g, "$1 ").trim();
  const rest = this.length - INSPECT_MAX_BYTES;
  return `<${this.constructor.name}${shown && " "}${shown}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? "s" : ""}` : ""}>`;
};
prototype.inspect = prototype[inspectCustom];

export const SlowBuffer = Buffer.allocUnsafeSlow;
export const { Blob, File, atob, btoa } = globalThis;

/** @param {any} input */
function bytesOf(input) {
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (!ArrayBuffer.isView(input)) throw invalidType("input", ["ArrayBuffer", "Buffer", "TypedArray"], input);
  return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
}

/** @param {any} input */
export function isAscii(input) {
  return bytesOf(input).every((byte) => byte < 0x80);
}

const strict = new TextDecoder("utf-8", { fatal: true });

/** @param {any} input */
export function isUtf8(input) {
  try {
    strict.decode(bytesOf(input));
    return true;
  } catch {
    return false;
  }
}

/** @param {any} source @param {string} from @param {string} to */
export function transcode(source, from, to) {
  if (!(source instanceof Uint8Array)) throw invalidType("source", ["Buffer", "Uint8Array"], source);
  const [before, after] = [normalize(from), normalize(to)];
  for (const encoding of [before, after]) {
    if (!["utf8", "utf16le", "latin1", "ascii"].includes(encoding)) {
      throw Object.assign(new Error("Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]"), { code: "U_ILLEGAL_ARGUMENT_ERROR", errno: 1 });
    }
  }
  const text = toText(source, before);
  const single = after === "ascii" ? 0x7f : 0xff;
  const fits = after === "utf8" || after === "utf16le" ? text : Array.from(text, (c) => ((c.codePointAt(0) ?? 0) > single ? "?" : c)).join("");
  return Buffer.from(fits, after);
}

/** @param {string} id */
export function resolveObjectURL(id) {
  void id;
  return undefined;
}

export default {
  Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, atob, btoa, constants, isAscii, isUtf8, kMaxLength,
  kStringMaxLength, resolveObjectURL, transcode,
};
