// @ts-check
/// <reference path="./types.d.ts" />

// Web Crypto, and what the platform adds to it: DigestStream, timingSafeEqual and MD5.
// https://developers.cloudflare.com/workers/runtime-apis/web-crypto/

import { core, internals, primordials } from "ext:core/mod.js";
import {
  checkImport,
  explain,
  explainRandomValues,
  isBufferSource,
  METHODS,
} from "ext:stead/crypto_refusals.js";
import { checkGeneration } from "ext:stead/crypto_rsa.js";
import { restrict, restrictAsync } from "ext:stead/global_scope.js";
import { ILLEGAL_INVOCATION } from "ext:stead/receiver.js";
import { unlessEnded } from "ext:stead/record.js";
import { bytesOf } from "ext:stead/streams.js";
import { tagClass } from "ext:stead/scope.js";

const {
  FunctionPrototypeCall,
  ObjectDefineProperty,
  ObjectPrototypeIsPrototypeOf,
  Promise,
  ReflectApply,
  SafeArrayIterator,
  PromisePrototypeThen,
  BigInt,
  Error,
  String,
  StringPrototypeToUpperCase,
  Symbol,
  SymbolDispose,
  TypedArrayPrototypeGetByteLength,
  TypeError,
} = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { WritableStream } = core.loadExtScript("ext:deno_web/06_streams.js");
const { op_crypto_timing_safe_equal, Digester } = core.ops;

// deno_crypto marks its keys with this symbol, which deno's Node layer would otherwise make. It
// reads it once: were it not there by then, keys could neither be cloned nor told from others.
internals.kKeyObject = Symbol("kKeyObject");
/** The exports of deno_crypto's script. */
export const webCrypto = core.loadExtScript("ext:deno_crypto/00_crypto.js");
const { Crypto, SubtleCrypto } = webCrypto;

/**
 * The upper-case name of an algorithm given as a string or as `{ name }`.
 * @param {any} algorithm
 */
function nameOf(algorithm) {
  const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
  return StringPrototypeToUpperCase(String(name));
}

export class DigestStream extends WritableStream {
  /** @type {Promise<ArrayBuffer>} */
  #digest;
  /** @type {(reason: unknown) => void} */
  #reject;
  #written = 0n;

  /** @param {string | { name: string }} algorithm */
  constructor(algorithm) {
    if (algorithm === undefined || algorithm === null) {
      throw new TypeError(
        "Failed to construct 'DigestStream': constructor parameter 1 is not of type 'string or HashAlgorithm'.",
      );
    }
    const digester = new Digester(nameOf(algorithm));
    /** @type {(digest: ArrayBuffer) => void} */
    let resolve;
    /** @type {(reason: unknown) => void} */
    let reject = () => {};
    /** @type {Promise<ArrayBuffer>} */
    const digest = new Promise((/** @type {any} */ onValue, /** @type {any} */ onError) => {
      resolve = onValue;
      reject = onError;
    });
    super({
      write: (/** @type {unknown} */ chunk) => {
        const bytes = bytesOf(chunk);
        if (bytes === null) {
          const error = new TypeError(
            "DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView/string type on its writable side.",
          );
          reject(error);
          throw error;
        }
        digester.update(bytes);
        this.#written += BigInt(TypedArrayPrototypeGetByteLength(bytes));
      },
      close: () => resolve(digester.finish()),
      abort: (/** @type {unknown} */ reason) => reject(reason),
    });
    // A digest that fails is reported where the stream is written.
    PromisePrototypeThen(digest, undefined, () => {});
    this.#digest = digest;
    this.#reject = reject;
  }

  /** Resolves to an ArrayBuffer when the stream is closed. */
  get digest() {
    return this.#digest;
  }

  /** How many bytes have been digested. */
  get bytesWritten() {
    return this.#written;
  }

  [SymbolDispose]() {
    this.#reject(new Error("The DigestStream was disposed."));
  }
}
tagClass(DigestStream);

/**
 * @param {object} target
 * @param {string} name
 * @param {unknown} value
 */
function define(target, name, value) {
  ObjectDefineProperty(target, name, {
    __proto__: null,
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

define(Crypto.prototype, "DigestStream", DigestStream);

define(
  SubtleCrypto.prototype,
  "timingSafeEqual",
  {
    /**
     * @param {BufferSource} a
     * @param {BufferSource} b
     */
    timingSafeEqual(a, b) {
      if (!ObjectPrototypeIsPrototypeOf(SubtleCrypto.prototype, this)) {
        throw new TypeError(ILLEGAL_INVOCATION);
      }
      const index = !isBufferSource(a) ? 1 : !isBufferSource(b) ? 2 : 0;
      if (index !== 0) {
        throw new TypeError(
          `Failed to execute 'timingSafeEqual' on 'SubtleCrypto': parameter ${index} is not of type 'BufferSource'.`,
        );
      }
      const left = /** @type {Uint8Array} */ (bytesOf(a));
      const right = /** @type {Uint8Array} */ (bytesOf(b));
      if (TypedArrayPrototypeGetByteLength(left) !== TypedArrayPrototypeGetByteLength(right)) {
        throw new TypeError("Input buffers must have the same byte length.");
      }
      return op_crypto_timing_safe_equal(left, right);
    },
  }.timingSafeEqual,
);

const standardDigest = SubtleCrypto.prototype.digest;
define(
  SubtleCrypto.prototype,
  "digest",
  {
    /**
     * @param {any} algorithm
     * @param {BufferSource} data
     */
    async digest(algorithm, data) {
      if (arguments.length >= 2 && isBufferSource(data) && nameOf(algorithm) === "MD5") {
        const digester = new Digester("MD5");
        digester.update(/** @type {Uint8Array} */ (bytesOf(data)));
        return digester.finish();
      }
      return await FunctionPrototypeCall(standardDigest, this, algorithm, data);
    },
  }.digest,
);

for (const name of METHODS) {
  const standard = SubtleCrypto.prototype[name];
  define(
    SubtleCrypto.prototype,
    name,
    {
      /** @param {any[]} args */
      async [name](...args) {
        if (!ObjectPrototypeIsPrototypeOf(SubtleCrypto.prototype, this)) {
          throw new TypeError(ILLEGAL_INVOCATION);
        }
        if (name === "importKey") checkImport(args);
        if (name === "generateKey") checkGeneration(args[0]);
        try {
          return await unlessEnded(ReflectApply(standard, this, args));
        } catch (error) {
          throw explain(name, args, error);
        }
      },
    }[name],
  );
}

/** Imports a key as `subtle.importKey()` does, but at once, as Node's keys need it. @param {any[]} args */
export function importKeyAtOnce(...args) {
  args[2] ??= String(args[2]);
  checkImport(args);
  try {
    const key = webCrypto.importCryptoKeySync(...new SafeArrayIterator(args));
    if (key.type !== "public" && key.usages.length === 0) {
      throw new DOMException("Secret/private CryptoKeys must have at least one usage.", "SyntaxError");
    }
    return key;
  } catch (error) {
    throw explain("importKey", args, error);
  }
}

const standardRandomValues = Crypto.prototype.getRandomValues;
define(
  Crypto.prototype,
  "getRandomValues",
  {
    /** @param {any} view */
    getRandomValues(view) {
      try {
        return FunctionPrototypeCall(standardRandomValues, this, view);
      } catch {
        throw this instanceof Crypto ? explainRandomValues(view) : new TypeError(ILLEGAL_INVOCATION);
      }
    },
  }.getRandomValues,
);
restrict(Crypto.prototype, "getRandomValues");
restrict(Crypto.prototype, "randomUUID");
restrictAsync(SubtleCrypto.prototype, "generateKey");
