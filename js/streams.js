// @ts-check
/// <reference path="./types.d.ts" />

// Byte streams that pass on what is written, unbuffered.
// https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/

import { core, primordials } from "ext:core/mod.js";
import { tagClass } from "ext:stead/scope.js";

const {
  ArrayBufferIsView,
  BigInt,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  Number,
  MathTrunc,
  NumberIsFinite,
  NumberIsInteger,
  NumberMAX_SAFE_INTEGER,
  Promise,
  PromiseReject,
  PromiseResolve,
  SafeWeakMap,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypedArrayPrototypeSet,
  TypedArrayPrototypeSlice,
  TypedArrayPrototypeSubarray,
  TypeError,
  Uint8Array,
} = primordials;
const { ReadableStream, TransformStream, WritableStream } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);

/**
 * The bytes of a chunk, without copying, or `null` when it has none.
 * @param {unknown} chunk
 * @returns {Uint8Array | null}
 */
export function bytesOf(chunk) {
  if (typeof chunk === "string") return core.encode(chunk);
  if (ArrayBufferIsView(chunk)) {
    if (TypedArrayPrototypeGetSymbolToStringTag(chunk) === undefined) {
      return new Uint8Array(
        DataViewPrototypeGetBuffer(chunk),
        DataViewPrototypeGetByteOffset(chunk),
        DataViewPrototypeGetByteLength(chunk),
      );
    }
    return new Uint8Array(
      TypedArrayPrototypeGetBuffer(chunk),
      TypedArrayPrototypeGetByteOffset(chunk),
      TypedArrayPrototypeGetByteLength(chunk),
    );
  }
  if (core.isAnyArrayBuffer(chunk)) {
    return new Uint8Array(/** @type {ArrayBuffer} */ (chunk));
  }
  return null;
}

/** The length that a FixedLengthStream promised, by its readable side. */
const fixedLengths = new SafeWeakMap();

/**
 * How many bytes `stream` will yield when it is the readable side of a FixedLengthStream.
 * @param {ReadableStream} stream
 * @returns {bigint | undefined}
 */
export function fixedLengthOf(stream) {
  return fixedLengths.get(stream);
}

/**
 * @typedef {object} Offer
 * @property {Uint8Array} bytes what is left of a chunk
 * @property {(value?: any) => void} resolve
 * @property {(reason: unknown) => void} reject
 */

/**
 * Hands bytes from a writer to a reader. A write is over when all its bytes were read.
 * At most one of `offered` and `wanted` is set.
 */
class Pipe {
  /** @type {Offer | null} */
  #offered = null;
  /** @type {((value?: any) => void) | null} */
  #wanted = null;
  /** @type {any} */
  #source;
  /** @type {any} */
  #sink;
  /** How many bytes may still be written, or null for any number. @type {bigint | null} */
  #left;

  /** Why no more can be written. @type {TypeError | null} */
  #broken = null;

  /**
   * @param {bigint | null} length
   * @param {number | undefined} room how many bytes may wait before the writer is to
   */
  constructor(length, room) {
    this.#left = length;
    this.readable = new ReadableStream({
      type: "bytes",
      start: (/** @type {any} */ controller) => {
        this.#source = controller;
      },
      pull: () => this.#pull(),
      cancel: (/** @type {unknown} */ reason) => this.#cancel(reason),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream({
      start: (/** @type {any} */ controller) => {
        this.#sink = controller;
      },
      write: (/** @type {unknown} */ chunk) => this.#write(chunk),
      close: () => this.#close(),
      abort: (/** @type {unknown} */ reason) => this.#source.error(reason),
    }, room === undefined ? {} : { highWaterMark: room, size: sizeOf });
  }

  /** @param {unknown} reason */
  #fail(reason) {
    this.#source.error(reason);
    return PromiseReject(reason);
  }

  /** Tells the reader that the promised length was not kept; the writer hears of it next time. @param {string} text */
  #break(text) {
    this.#broken = new TypeError(text);
    this.#source.error(this.#broken);
    return PromiseResolve(undefined);
  }

  /** @param {unknown} chunk */
  #write(chunk) {
    if (this.#broken !== null) return PromiseReject(this.#broken);
    const bytes = bytesOf(chunk);
    if (bytes === null) {
      return this.#fail(
        new TypeError(
          "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.",
        ),
      );
    }
    const length = TypedArrayPrototypeGetByteLength(bytes);
    if (this.#left !== null) {
      if (BigInt(length) > this.#left) {
        return this.#break("Attempt to write too many bytes through a FixedLengthStream.");
      }
      this.#left -= BigInt(length);
    }
    if (length === 0) return PromiseResolve(undefined);
    return new Promise((/** @type {any} */ resolve, /** @type {any} */ reject) => {
      this.#offered = { bytes, resolve, reject };
      if (this.#wanted !== null) this.#hand();
    });
  }

  #close() {
    if (this.#broken !== null) return PromiseReject(this.#broken);
    if (this.#left !== null && this.#left > 0n) {
      return this.#break("FixedLengthStream did not see all expected bytes before close().");
    }
    this.#source.close();
    this.#source.byobRequest?.respond(0);
    this.#satisfy();
  }

  #pull() {
    if (this.#offered !== null) return this.#hand();
    return new Promise((/** @type {any} */ resolve) => {
      this.#wanted = resolve;
    });
  }

  /** Gives the reader as much of the offered bytes as it has room for. */
  #hand() {
    const offered = /** @type {Offer} */ (this.#offered);
    const { bytes } = offered;
    const length = TypedArrayPrototypeGetByteLength(bytes);
    const request = this.#source.byobRequest;
    let count = length;
    if (request === null) {
      // A copy: enqueuing takes the buffer away from whoever wrote it.
      this.#source.enqueue(TypedArrayPrototypeSlice(bytes));
    } else {
      const room = bytesOf(request.view);
      const size = TypedArrayPrototypeGetByteLength(room);
      if (size < count) count = size;
      TypedArrayPrototypeSet(room, TypedArrayPrototypeSubarray(bytes, 0, count));
      request.respond(count);
    }
    if (count === length) {
      this.#offered = null;
      offered.resolve();
    } else {
      offered.bytes = TypedArrayPrototypeSubarray(bytes, count);
    }
    this.#satisfy();
  }

  #satisfy() {
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.();
  }

  /** @param {unknown} reason */
  #cancel(reason) {
    const offered = this.#offered;
    this.#offered = null;
    offered?.reject(reason);
    this.#sink.error(reason);
  }
}

/** @param {unknown} chunk */
function sizeOf(chunk) {
  const bytes = bytesOf(chunk);
  return bytes === null ? 0 : TypedArrayPrototypeGetByteLength(bytes);
}

export class IdentityTransformStream extends TransformStream {
  #pipe;

  /** @param {{ highWaterMark?: number }} [strategy] in bytes */
  constructor(strategy) {
    super();
    const length = pendingLength;
    const room = strategy?.highWaterMark;
    const isMore = room !== undefined && length !== null && BigInt(MathTrunc(room)) > length;
    this.#pipe = new Pipe(length, isMore ? Number(length) : room);
    pendingLength = null;
  }

  get readable() {
    return this.#pipe.readable;
  }

  get writable() {
    return this.#pipe.writable;
  }
}
tagClass(IdentityTransformStream);

/** Set by FixedLengthStream around its call of super(). @type {bigint | null} */
let pendingLength = null;

/** @param {unknown} value */
function toLength(value) {
  if (typeof value === "bigint") {
    if (value >= 0n) return value;
  } else {
    if (value === undefined) {
      throw new TypeError(
        "Failed to construct 'FixedLengthStream': constructor parameter 1 is not of type 'bigint'.",
      );
    }
    const number = NumberIsFinite(Number(value)) ? MathTrunc(Number(value)) : NaN;
    if (!NumberIsInteger(number)) {
      throw new TypeError("The value cannot be converted because it is not an integer.");
    }
    if (number > NumberMAX_SAFE_INTEGER) {
      throw new TypeError("FixedLengthStream requires an integer expected length less than 2^53.");
    }
    if (number >= 0) return BigInt(number);
  }
  throw new TypeError(
    "The value cannot be converted because it is negative and this API expects a positive bigint.",
  );
}

export class FixedLengthStream extends IdentityTransformStream {
  /**
   * @param {number | bigint} expectedLength
   * @param {{ highWaterMark?: number }} [strategy]
   */
  constructor(expectedLength, strategy) {
    const length = toLength(expectedLength);
    pendingLength = length;
    super(strategy);
    fixedLengths.set(this.readable, length);
  }
}
tagClass(FixedLengthStream);
