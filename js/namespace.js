// @ts-check
/// <reference path="./types.d.ts" />

// Namespaces, ids and stubs: how code reaches an object.
// https://developers.cloudflare.com/durable-objects/api/namespace/

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { tagClass } from "ext:stead/scope.js";
import { deserializeThrown, fromMessage, toMessage } from "ext:stead/message.js";
import { currentHandle, currentRequest, resumeAfter } from "ext:stead/record.js";
import { makeProperty } from "ext:stead/rpc.js";
import { requestOf, requestToNative, responseFromNative } from "ext:stead/http.js";

let {
  op_id_from_name,
  op_id_jurisdiction,
  op_id_parse,
  op_id_unique,
  op_stub_call,
  op_stub_call_answer,
  op_stub_fetch,
  op_stub_fetch_answer,
} = core.ops;
bindOps((ops) =>
  ({
    op_id_from_name,
    op_id_jurisdiction,
    op_id_parse,
    op_id_unique,
    op_stub_call,
    op_stub_call_answer,
    op_stub_fetch,
    op_stub_fetch_answer,
  } = ops)
);

const INTERNAL = Symbol("internal");
/** Bytes up to which a name travels with its id. */
const NAME_BYTES_MAX = 1024;
/** The first elements of an answer: see `Answer` in stub.rs. */
const RESULT = 0;
const THROWN = 1;

const NO_ARGUMENTS = { bytes: null, bodies: null };

const encoder = new TextEncoder();

/** @param {unknown} token */
function requireInternal(token) {
  if (token !== INTERNAL) throw new TypeError("Illegal constructor");
}

/** @type {(value: any) => boolean} */
let isId;
/** @type {(index: number, id: DurableObjectId) => any} */
let makeStub;

export class DurableObjectId {
  #hex;

  /**
   * @param {symbol} token
   * @param {string} hex
   * @param {string | undefined} name
   * @param {string | undefined} jurisdiction
   */
  constructor(token, hex, name, jurisdiction) {
    requireInternal(token);
    this.#hex = hex;
    Object.defineProperties(this, {
      jurisdiction: { value: jurisdiction, enumerable: true, configurable: true },
      name: { value: name, enumerable: true, configurable: true },
    });
  }

  toString() {
    return this.#hex;
  }

  /** @param {any} other */
  equals(other) {
    if (typeof other !== "object" || other === null || !(#hex in other)) {
      throw new TypeError(
        "Failed to execute 'equals' on 'DurableObjectId': parameter 1 is not of type 'DurableObjectId'.",
      );
    }
    return this.#hex === other.#hex;
  }

  static {
    isId = (value) => typeof value === "object" && value !== null && #hex in value;
  }
}
tagClass(DurableObjectId);

/**
 * An id whose jurisdiction is not known yet.
 * @param {number} index
 * @param {string} hex
 * @param {string | undefined} [name]
 */
export function makeId(index, hex, name) {
  return new DurableObjectId(INTERNAL, hex, name, op_id_jurisdiction(index, hex) ?? undefined);
}

export class DurableObjectNamespace {
  #index;
  /** The jurisdiction to which all ids made here belong. @type {string | null} */
  #jurisdiction;

  /**
   * @param {symbol} token
   * @param {number} index
   * @param {string | null} [jurisdiction]
   */
  constructor(token, index, jurisdiction = null) {
    requireInternal(token);
    this.#index = index;
    this.#jurisdiction = jurisdiction;
  }

  /** @param {any} [options] */
  newUniqueId(options) {
    const jurisdiction = named(options?.jurisdiction) ?? this.#jurisdiction;
    const hex = op_id_unique(this.#index, jurisdiction);
    return new DurableObjectId(INTERNAL, hex, undefined, jurisdiction ?? undefined);
  }

  /** @param {string} name */
  idFromName(name) {
    const hex = op_id_from_name(this.#index, this.#jurisdiction, `${name}`);
    return new DurableObjectId(INTERNAL, hex, `${name}`, this.#jurisdiction ?? undefined);
  }

  /** @param {string} hex */
  idFromString(hex) {
    return makeId(this.#index, op_id_parse(this.#index, `${hex}`));
  }

  /**
   * @param {any} id
   * @param {any} [options]
   */
  get(id, options) {
    if (!isId(id)) {
      throw new TypeError(
        "Failed to execute 'get' on 'DurableObjectNamespace': parameter 1 is not of type 'DurableObjectId'.",
      );
    }
    const mode = options?.routingMode;
    if (mode !== undefined && mode !== "primary-only") {
      throw new RangeError(`unknown routingMode: ${mode}`);
    }
    // Refuses the ids of other namespaces.
    op_id_parse(this.#index, id.toString());
    if (this.#jurisdiction !== null && id.jurisdiction !== this.#jurisdiction) {
      throw new TypeError(
        "get called on jurisdictional subnamespace with an ID from a different jurisdiction",
      );
    }
    return makeStub(this.#index, id);
  }

  /**
   * @param {string} name
   * @param {any} [options]
   */
  getByName(name, options) {
    return this.get(this.idFromName(name), options);
  }

  /** @param {string | null | undefined} jurisdiction */
  jurisdiction(jurisdiction) {
    const name = named(jurisdiction);
    if (name === null) return new DurableObjectNamespace(INTERNAL, this.#index);
    // Refuses what is no jurisdiction.
    op_id_from_name(this.#index, name, "");
    return new DurableObjectNamespace(INTERNAL, this.#index, name);
  }
}
tagClass(DurableObjectNamespace);

/** @param {unknown} jurisdiction */
function named(jurisdiction) {
  return jurisdiction === undefined || jurisdiction === null ? null : `${jurisdiction}`;
}

/** @param {number} index */
export function makeNamespace(index) {
  return new DurableObjectNamespace(INTERNAL, index);
}

/** What `constructor` of a stub is; calling it is no call of the object's. */
function StubConstructor() {
  throw new TypeError("Illegal constructor");
}
Object.defineProperty(StubConstructor, "name", { value: "DurableObject", configurable: true });

/** What can be asked of anything that answers requests. */
export class Fetcher {}
tagClass(Fetcher);

export class DurableObject extends Fetcher {
  #index;
  #id;
  /** What every call after the object's reset is told. @type {any} */
  #broken = null;

  /**
   * @param {symbol} token
   * @param {number} index
   * @param {DurableObjectId} id
   */
  constructor(token, index, id) {
    super();
    requireInternal(token);
    this.#index = index;
    this.#id = id;
    const { name } = /** @type {any} */ (id);
    for (const [key, value] of [["name", name], ["id", id]]) {
      Object.defineProperty(this, key, { value, enumerable: true, configurable: true });
    }
  }

  #name() {
    const name = /** @type {any} */ (this.#id).name;
    return name !== undefined && encoder.encode(name).length <= NAME_BYTES_MAX ? name : null;
  }

  /**
   * @param {any} input
   * @param {any} [init]
   */
  async #fetch(input, init) {
    const { method, url, headers, body } = requestToNative(requestOf(input, init));
    if (this.#broken !== null) throw this.#errorOf(this.#broken);
    const calling = op_stub_fetch(
      currentHandle(),
      currentRequest(),
      this.#index,
      this.#id.toString(),
      this.#name(),
      method,
      url,
      headers,
      body,
    );
    const answer = await resumeAfter(op_stub_fetch_answer(calling));
    if (answer[0] === RESULT) return responseFromNative(answer, url);
    throw this.#error(answer, true);
  }

  /**
   * @param {string[]} path
   * @param {any[] | null} args
   */
  async #call(path, args) {
    const message = args === null ? NO_ARGUMENTS : toMessage(args);
    if (this.#broken !== null) throw this.#errorOf(this.#broken);
    const calling = op_stub_call(
      currentHandle(),
      currentRequest(),
      this.#index,
      this.#id.toString(),
      this.#name(),
      path,
      message.bytes,
      message.bodies,
    );
    const answer = await resumeAfter(op_stub_call_answer(calling));
    if (answer[0] === RESULT) return fromMessage(answer[1], answer[2]);
    throw this.#error(answer, false);
  }

  /**
   * The error that an answer stands for, with the platform's marks.
   * @param {any[]} answer
   * @param {boolean} fetched whether it answers a request
   */
  #error(answer, fetched) {
    if (answer[0] === THROWN) {
      const thrown = deserializeThrown(answer[1]);
      thrown.remote = true;
      return thrown;
    }
    const [, , reset] = answer;
    if (reset) this.#broken = answer;
    const error = this.#errorOf(answer);
    if (fetched || !reset) error.remote = true;
    return error;
  }

  /**
   * The error for the object's own failure; a new one each time, as callers may change it.
   * @param {any[]} answer
   */
  #errorOf([, message, reset, retryable, overloaded, thrown]) {
    const error = thrown === null ? /** @type {any} */ (new Error(message)) : deserializeThrown(thrown);
    if (retryable) error.retryable = true;
    if (overloaded) error.overloaded = true;
    if (reset) error.durableObjectReset = true;
    return error;
  }

  /**
   * A stub: every name that is not its own is a method of the object.
   * @param {number} index
   * @param {DurableObjectId} id
   */
  static #make(index, id) {
    const stub = new DurableObject(INTERNAL, index, id);
    const send = (/** @type {string[]} */ path, /** @type {any} */ args) => stub.#call(path, args);
    const fetch = async (/** @type {any[]} */ ...args) => {
      if (args.length === 0) {
        throw new TypeError(
          "Failed to execute 'fetch' on 'Fetcher': parameter 1 is not of type 'Request or string'.",
        );
      }
      return await stub.#fetch(.../** @type {[any, any]} */ (args));
    };
    return new Proxy(stub, {
      has: (target, name) => typeof name === "string" || Reflect.has(target, name),
      get(target, name) {
        if (name === "fetch" && !Object.hasOwn(target, name)) return fetch;
        if (name === "constructor") return StubConstructor;
        if (typeof name === "symbol" || Object.hasOwn(target, name)) {
          return Reflect.get(target, name);
        }
        if (!isOn("rpc")) return undefined;
        // A stub is not a promise, and Object.prototype's members are not the object's.
        if (name === "then" || name in Object.prototype) return Reflect.get(target, name);
        return makeProperty(send, [name]);
      },
    });
  }

  static {
    makeStub = DurableObject.#make;
  }
}
tagClass(DurableObject);
