// @ts-check

// The module `node:zlib`.
// https://nodejs.org/api/zlib.html

import { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import { codes, constants } from "./zlib_constants.js";
import { coded, expectFunction, expectInteger, expectNumber, invalidType, outOfRange } from "./errors.js";

const { NodeZlib, op_node_crc32 } = __bootstrap.core.ops;
const CHUNK_BYTES = 16 * 1024;
const OUTPUT_BYTES_MAX = 2 ** 53 - 1;
const EMPTY = new Uint8Array();

/**
 * What a kind of compression is to the ops.
 * @typedef {"deflate" | "inflate" | "gzip" | "gunzip" | "deflateRaw" | "inflateRaw" | "unzip" | "brotliCompress" | "brotliDecompress" | "zstdCompress" | "zstdDecompress"} Kind
 */

/** @param {Kind} kind */
const isOwnFamily = (kind) => !kind.startsWith("brotli") && !kind.startsWith("zstd");
/** @param {Kind} kind */
const compresses = (kind) => /^(?:deflate|gzip)|Compress$/.test(kind);

/** What ends a compression. @param {Kind} kind */
function finish(kind) {
  return isOwnFamily(kind) ? constants.Z_FINISH : kind.startsWith("brotli") ? constants.BROTLI_OPERATION_FINISH : constants.ZSTD_e_end;
}

/** What sends out all that came in. @param {Kind} kind */
function fullFlush(kind) {
  return isOwnFamily(kind) ? constants.Z_FULL_FLUSH : 1;
}

const CHUNK_BYTES_MAX = 128 * 1024 * 1024;

/** A number as the platform reads it: what is none is the usual one. @param {string} name @param {any} value @param {number} usual @param {number} min @param {number} max */
function checked(name, value, usual, min, max) {
  if (value === undefined || Number.isNaN(value)) return usual;
  expectNumber(name, value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} and <= ${max}`, value);
  return Math.trunc(value);
}

/** @param {any} value @returns {Uint8Array} */
function dictionaryBytes(value) {
  if (value === undefined) return EMPTY;
  if (!(value instanceof ArrayBuffer) && !ArrayBuffer.isView(value)) {
    throw new TypeError("Incorrect type for the 'dictionary' field on 'Options': the provided value is not of type 'ArrayBuffer or ArrayBufferView'.");
  }
  return inputBytes(value);
}

/** The pairs that brotli and zstd are given. @param {any} params @returns {number[]} */
function pairs(params) {
  if (params === undefined) return [];
  return Object.entries(params).flatMap(([key, value]) => {
    if (!Number.isInteger(Number(key))) throw invalidType("options.params", "object of numbers", key);
    return [Number(key), Number(value)];
  });
}

/** The numbers that the op is given. @param {Kind} kind @param {any} options @returns {number[]} */
function parameters(kind, options) {
  if (!isOwnFamily(kind)) {
    const pledged = kind === "zstdCompress" && options.pledgedSrcSize !== undefined ? [-1, options.pledgedSrcSize] : [];
    return [...pairs(options.params), ...pledged];
  }
  const { strategy = 0, windowBits } = options;
  expectInteger("options.strategy", strategy);
  if (strategy < 0 || strategy > 4) throw new Error("invalid strategy");
  const fromHeader = windowBits === 0 && !compresses(kind) && kind !== "inflateRaw";
  return [
    checked("options.level", options.level, -1, -1, 9),
    fromHeader ? 0 : checked("options.windowBits", windowBits, 15, kind === "gzip" ? 9 : 8, 15),
    checked("options.memLevel", options.memLevel, 8, 1, 9),
    strategy,
  ];
}

/** Node's name, number and text of what is wrong with the input. @param {Kind} kind @param {any} error */
function dataError(kind, error) {
  if (isOwnFamily(kind)) return Object.assign(error, { errno: constants.Z_DATA_ERROR, code: "Z_DATA_ERROR" });
  if (kind.startsWith("brotli")) return Object.assign(error, { errno: -2, code: "ERR__ERROR_FORMAT_PADDING_1" });
  return Object.assign(error, { errno: -20, code: "ZSTD_error_corruption_detected" });
}

/** @param {Kind} kind */
function truncated(kind) {
  return isOwnFamily(kind)
    ? Object.assign(new Error("unexpected end of file"), { errno: constants.Z_BUF_ERROR, code: "Z_BUF_ERROR" })
    : coded(TypeError, "ERR_BUFFER_TOO_SMALL", "Unexpected end of file");
}

/** A compression that goes on from input to input. */
class Machine {
  #kind;
  #numbers;
  #dictionary;
  /** @type {any} */
  #native;
  #chunkBytes;
  #room;
  #written = 0;
  ended = false;

  /** @param {Kind} kind @param {any} options */
  constructor(kind, options) {
    this.#kind = kind;
    this.#numbers = parameters(kind, options);
    for (const name of ["flush", "finishFlush"]) checked(`options.${name}`, options[name], 0, 0, isOwnFamily(kind) ? 6 : 3);
    this.#dictionary = dictionaryBytes(options.dictionary);
    this.#chunkBytes = checked("options.chunkSize", options.chunkSize, CHUNK_BYTES, 64, CHUNK_BYTES_MAX);
    this.#room = checked("options.maxOutputLength", options.maxOutputLength, OUTPUT_BYTES_MAX, 1, OUTPUT_BYTES_MAX);
    if (kind !== "unzip") this.#start(kind);
  }

  /** @param {Kind} kind */
  #start(kind) {
    try {
      this.#native = new NodeZlib(kind, this.#numbers, this.#dictionary);
    } catch (error) {
      if (/** @type {Error} */ (error).message !== "Initialization failed") throw error;
      throw coded(Error, kind.startsWith("brotli") ? "ERR_BROTLI_INVALID_PARAM" : "ERR_ZLIB_INITIALIZATION_FAILED", "Initialization failed");
    }
  }

  reset() {
    this.ended = false;
    this.#written = 0;
    this.#start(this.#kind);
  }

  /** Whether it compresses like this already. @param {number} level @param {number} strategy */
  isAt(level, strategy) {
    return !compresses(this.#kind) || (level === this.#numbers[0] && strategy === this.#numbers[3]);
  }

  /**
   * @param {Uint8Array} input
   * @param {number} flush
   * @param {(chunk: any) => void} give
   * @returns {number} how much of the input came before the end
   */
  run(input, flush, give) {
    if (this.#native === undefined) {
      if (input.length === 0) return 0;
      this.#start(input[0] === 0x1f ? "gunzip" : "inflate");
    }
    let at = 0;
    while (!this.ended) {
      const output = new Uint8Array(this.#chunkBytes);
      try {
        this.#native.step(input, at, output, flush);
      } catch (error) {
        throw dataError(this.#kind, error);
      }
      const { consumed, produced, ended } = this.#native;
      at += consumed;
      this.#written += produced;
      if (this.#written > this.#room) throw new RangeError("Memory limit exceeded");
      if (produced > 0) give(Buffer.from(output.buffer, 0, produced));
      this.ended = ended;
      if (ended && this.#continues(input, at)) continue;
      if (produced < output.length && (at === input.length || consumed === 0)) break;
    }
    return at;
  }

  /** A file of gzip may be several in a row. @param {Uint8Array} input @param {number} at */
  #continues(input, at) {
    if ((this.#kind !== "gunzip" && this.#kind !== "unzip") || input[at] !== 0x1f || input[at + 1] !== 0x8b) return false;
    const before = this.#written;
    this.#start("gunzip");
    this.#written = before;
    this.ended = false;
    return true;
  }
}

/** @param {any} input */
function inputBytes(input) {
  if (typeof input === "string") return Buffer.from(input);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(/** @type {ArrayBuffer} */ (input.buffer), input.byteOffset, input.byteLength);
  throw invalidType("buffer", ["string", "Buffer", "TypedArray", "DataView", "ArrayBuffer"], input);
}

/** @param {Kind} kind @param {any} input @param {any} [options] */
function whole(kind, input, options = {}) {
  const bytes = inputBytes(input);
  const machine = new Machine(kind, options);
  /** @type {any[]} */
  const chunks = [];
  machine.run(bytes, options.finishFlush ?? finish(kind), (chunk) => chunks.push(chunk));
  const mayStop = options.finishFlush !== undefined && options.finishFlush !== finish(kind);
  if (!machine.ended && !mayStop && (bytes.length > 0 || !compresses(kind))) throw truncated(kind);
  const buffer = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  return options.info ? { buffer, engine: machine } : buffer;
}

/** What all streams of this module are. */
class ZlibBase extends /** @type {any} */ (Transform) {
  #kind;
  #machine;
  bytesWritten = 0;

  /** @param {Kind} kind @param {any} [options] */
  constructor(kind, options = {}) {
    super({ autoDestroy: true, ...options });
    this.#kind = kind;
    this.#machine = new Machine(kind, options);
    this._options = options;
  }

  /** @param {any} input @param {number} flush @param {(error?: any) => void} callback */
  #run(input, flush, callback) {
    try {
      this.#machine.run(input, flush, (chunk) => this.push(chunk));
    } catch (error) {
      return callback(error);
    }
    callback();
  }

  /** @param {any} chunk @param {string} _ @param {(error?: any) => void} callback */
  _transform(chunk, _, callback) {
    this.bytesWritten += chunk.length;
    this.#run(chunk, this._options.flush ?? 0, callback);
  }

  /** @param {(error?: any) => void} callback */
  _flush(callback) {
    this.#run(EMPTY, this._options.finishFlush ?? finish(this.#kind), (error) => {
      if (error === undefined && !this.#machine.ended && !compresses(this.#kind) && this.bytesWritten > 0 && this._options.finishFlush === undefined) error = truncated(this.#kind);
      callback(error);
    });
  }

  /** @param {any} [kind] @param {any} [callback] */
  flush(kind, callback) {
    if (typeof kind === "function") [callback, kind] = [kind, undefined];
    const done = () => this.#run(EMPTY, kind ?? fullFlush(this.#kind), (error) => (error ? this.destroy(error) : callback?.()));
    if (this.writableLength === 0) queueMicrotask(done);
    else this.once("drain", done);
  }

  reset() {
    this.#machine.reset();
  }

  /** @param {any} [callback] */
  close(callback) {
    if (callback) this.once("close", callback);
    this.destroy();
  }

  /** @param {number} level @param {number} strategy */
  _isAt(level, strategy) {
    return this.#machine.isAt(level, strategy);
  }
}

/** What the streams of zlib's own kinds are. */
class Zlib extends ZlibBase {
  /** @param {any} level @param {any} strategy @param {any} callback */
  params(level, strategy, callback) {
    expectNumber("level", level);
    if (!(level >= -1 && level <= 9)) throw outOfRange("level", ">= -1 and <= 9", level);
    expectNumber("strategy", strategy);
    if (!(strategy >= 0 && strategy <= 4)) throw outOfRange("strategy", ">= 0 and <= 4", strategy);
    if (!this._isAt(level, strategy)) throw new Error("zlib.params() with another level or strategy is not implemented in Stead yet.");
    if (callback) queueMicrotask(callback);
  }
}

/** @param {Kind} kind @param {string} name @returns {any} */
function makeClass(kind, name) {
  const Class = class extends (isOwnFamily(kind) ? Zlib : ZlibBase) {
    /** @param {any} [options] */
    constructor(options) {
      super(kind, options);
    }
  };
  Object.defineProperty(Class, "name", { value: name });
  // Node's may be called without `new`.
  return new Proxy(Class, { apply: (_, __, [options]) => new Class(options) });
}

/** @param {Kind} kind */
function later(kind) {
  /** @param {any} input @param {any} options @param {any} [callback] */
  return (input, options, callback) => {
    if (typeof options === "function") [callback, options] = [options, {}];
    expectFunction("callback", callback);
    const bytes = inputBytes(input);
    setTimeout(() => {
      let result;
      try {
        result = whole(kind, bytes, options);
      } catch (error) {
        return callback(error);
      }
      callback(null, result);
    }, 0);
  };
}

/** @param {Kind} kind */
function atOnce(kind) {
  return (/** @type {any} */ input, /** @type {any} */ options) => whole(kind, input, options);
}

export const Deflate = makeClass("deflate", "Deflate");
export const Inflate = makeClass("inflate", "Inflate");
export const Gzip = makeClass("gzip", "Gzip");
export const Gunzip = makeClass("gunzip", "Gunzip");
export const DeflateRaw = makeClass("deflateRaw", "DeflateRaw");
export const InflateRaw = makeClass("inflateRaw", "InflateRaw");
export const Unzip = makeClass("unzip", "Unzip");
export const BrotliCompress = makeClass("brotliCompress", "BrotliCompress");
export const BrotliDecompress = makeClass("brotliDecompress", "BrotliDecompress");
export const ZstdCompress = makeClass("zstdCompress", "ZstdCompress");
export const ZstdDecompress = makeClass("zstdDecompress", "ZstdDecompress");

/** @param {any} Class */
const maker = (Class) => (/** @type {any} */ options) => new Class(options);
export const createDeflate = maker(Deflate);
export const createInflate = maker(Inflate);
export const createGzip = maker(Gzip);
export const createGunzip = maker(Gunzip);
export const createDeflateRaw = maker(DeflateRaw);
export const createInflateRaw = maker(InflateRaw);
export const createUnzip = maker(Unzip);
export const createBrotliCompress = maker(BrotliCompress);
export const createBrotliDecompress = maker(BrotliDecompress);
export const createZstdCompress = maker(ZstdCompress);
export const createZstdDecompress = maker(ZstdDecompress);

export const deflate = later("deflate");
export const inflate = later("inflate");
export const gzip = later("gzip");
export const gunzip = later("gunzip");
export const deflateRaw = later("deflateRaw");
export const inflateRaw = later("inflateRaw");
export const unzip = later("unzip");
export const brotliCompress = later("brotliCompress");
export const brotliDecompress = later("brotliDecompress");
export const zstdCompress = later("zstdCompress");
export const zstdDecompress = later("zstdDecompress");

export const deflateSync = atOnce("deflate");
export const inflateSync = atOnce("inflate");
export const gzipSync = atOnce("gzip");
export const gunzipSync = atOnce("gunzip");
export const deflateRawSync = atOnce("deflateRaw");
export const inflateRawSync = atOnce("inflateRaw");
export const unzipSync = atOnce("unzip");
export const brotliCompressSync = atOnce("brotliCompress");
export const brotliDecompressSync = atOnce("brotliDecompress");
export const zstdCompressSync = atOnce("zstdCompress");
export const zstdDecompressSync = atOnce("zstdDecompress");

/** @param {any} data @param {number} [value] */
export function crc32(data, value = 0) {
  if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw invalidType("data", ["string", "Buffer", "TypedArray", "DataView"], data);
  if (typeof value !== "number") throw invalidType("value", "number", value);
  if (!(value >= 0 && value <= 0xffffffff)) throw outOfRange("value", ">= 0 && <= 4294967295", value);
  return op_node_crc32(inputBytes(data), value);
}

export const {
  Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH, Z_BLOCK, Z_TREES, Z_OK, Z_STREAM_END,
  Z_NEED_DICT, Z_ERRNO, Z_STREAM_ERROR, Z_DATA_ERROR, Z_MEM_ERROR, Z_BUF_ERROR, Z_VERSION_ERROR, Z_NO_COMPRESSION,
  Z_BEST_SPEED, Z_BEST_COMPRESSION, Z_DEFAULT_COMPRESSION, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED,
  Z_DEFAULT_STRATEGY, ZLIB_VERNUM, DEFLATE, INFLATE, GZIP, GUNZIP, DEFLATERAW, INFLATERAW, UNZIP, BROTLI_DECODE,
  BROTLI_ENCODE, ZSTD_COMPRESS, ZSTD_DECOMPRESS, Z_MIN_WINDOWBITS, Z_MAX_WINDOWBITS, Z_DEFAULT_WINDOWBITS,
  Z_MIN_CHUNK, Z_MAX_CHUNK, Z_DEFAULT_CHUNK, Z_MIN_MEMLEVEL, Z_MAX_MEMLEVEL, Z_DEFAULT_MEMLEVEL, Z_MIN_LEVEL,
  Z_MAX_LEVEL, Z_DEFAULT_LEVEL, BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH,
  BROTLI_OPERATION_EMIT_METADATA, BROTLI_PARAM_MODE, BROTLI_MODE_GENERIC, BROTLI_MODE_TEXT, BROTLI_MODE_FONT,
  BROTLI_DEFAULT_MODE, BROTLI_PARAM_QUALITY, BROTLI_MIN_QUALITY, BROTLI_MAX_QUALITY, BROTLI_DEFAULT_QUALITY,
  BROTLI_PARAM_LGWIN, BROTLI_MIN_WINDOW_BITS, BROTLI_MAX_WINDOW_BITS, BROTLI_LARGE_MAX_WINDOW_BITS,
  BROTLI_DEFAULT_WINDOW, BROTLI_PARAM_LGBLOCK, BROTLI_MIN_INPUT_BLOCK_BITS, BROTLI_MAX_INPUT_BLOCK_BITS,
  BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING, BROTLI_PARAM_SIZE_HINT, BROTLI_PARAM_LARGE_WINDOW,
  BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION, BROTLI_DECODER_PARAM_LARGE_WINDOW, ZSTD_e_continue,
  ZSTD_e_flush, ZSTD_e_end, ZSTD_c_compressionLevel, ZSTD_c_windowLog, ZSTD_c_hashLog, ZSTD_c_chainLog,
  ZSTD_c_searchLog, ZSTD_c_minMatch, ZSTD_c_targetLength, ZSTD_c_strategy, ZSTD_c_checksumFlag, ZSTD_d_windowLogMax,
  ZSTD_CLEVEL_DEFAULT,
} = constants;
export { codes, constants };
export default {
  BrotliCompress, BrotliDecompress, Deflate, DeflateRaw, Gunzip, Gzip, Inflate, InflateRaw, Unzip, ZstdCompress,
  ZstdDecompress, brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, codes, constants, crc32,
  createBrotliCompress, createBrotliDecompress, createDeflate, createDeflateRaw, createGunzip, createGzip, createInflate,
  createInflateRaw, createUnzip, createZstdCompress, createZstdDecompress, deflate, deflateRaw, deflateRawSync,
  deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateRaw, inflateRawSync, inflateSync, unzip, unzipSync,
  zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync, ...constants,
};
