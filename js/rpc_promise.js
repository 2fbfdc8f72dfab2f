// @ts-check
/// <reference path="./types.d.ts" />

// Calls as their caller sees them: promises whose members can be called before they are settled.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/#promise-pipelining

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { deserializeThrown, fromMessage, toMessage } from "ext:stead/message.js";
import { isOn } from "ext:stead/compatibility.js";
import { handlerOf } from "ext:stead/proxies.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { disposeAll, resolve, VALUE } from "ext:stead/rpc.js";
import { tagClass } from "ext:stead/scope.js";

const {
  Error,
  ObjectDefineProperty,
  ObjectPrototype,
  PromisePrototypeThen,
  Proxy,
  ReflectApply,
  ReflectGet,
  SymbolDispose,
  TypeError,
} = primordials;

let { op_pipeline_drop, op_stub_call_answer, op_stub_pipeline } = core.ops;
bindOps((ops) => ({ op_pipeline_drop, op_stub_call_answer, op_stub_pipeline } = ops));

const PATH_LENGTH_MAX = 64;
/** The first elements of an answer: see `Answer` in stub.rs. */
export const RESULT = 0;
export const THROWN = 1;
const MISSED = 3;

// What cannot be cloned is shown as its source: of these proxies, the names of their targets.

/** @typedef {string | string[]} Path one name, or several */

/**
 * @typedef {object} Arguments
 * @property {Uint8Array | null} bytes
 * @property {any[] | null} attachments
 * @property {any[] | null} stubs
 */

/**
 * @typedef {object} Caller something that can be called over RPC
 * @property {() => void} check throws if it cannot be called any more
 * @property {(path: Path, args: Arguments) => PendingCall} send
 * @property {(answer: any[]) => any} error the error that an answer stands for
 */

/** @type {Arguments} */
const NO_ARGUMENTS = { bytes: null, attachments: null, stubs: null };

/**
 * Before 2026-01-20 a stub that was passed as an argument was its receiver's from then on.
 * @param {any[]} stubs the stubs in a call's arguments
 */
function giveAway(stubs) {
  if (!isOn("rpc_params_dup_stubs")) disposeAll(stubs);
}

/** @param {any} value */
export function promiseKindOf(value) {
  const handler = handlerOf(value);
  if (handler === null) return undefined;
  return isCall(handler) ? "promise" : isProperty(handler) ? "property" : undefined;
}
/** @type {(handler: object) => boolean} */
let isCall;
/** @type {(handler: object) => boolean} */
let isProperty;

/** What a call gives: a promise whose own members can be called at once. */
export class RpcPromise {
  /** @param {never} [_] */
  constructor(_) {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(RpcPromise, "JsRpcPromise");

/** A property of a stub: callable, and a promise for its value. */
export class RpcProperty {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(RpcProperty, "JsRpcProperty");

const doNothing = () => {};

/**
 * The members that a proxy has beside those of its callee.
 * @param {any} prototype
 * @param {string | symbol} name
 */
function ownMember(prototype, name) {
  if (typeof name === "symbol" || name in ObjectPrototype) return ReflectGet(prototype, name);
  return NOT_OWN;
}
const NOT_OWN = Symbol("not its own");

/** Whether a name is an index, which a stub does not pass on. @param {string} name */
export function isIndex(name) {
  const first = name.charCodeAt(0);
  return first >= 48 && first <= 57 && `${+name >>> 0}` === name;
}

/**
 * @param {string} name
 * @param {() => Promise<any>} promise
 */
function promiseMethod(name, promise) {
  switch (name) {
    case "then":
      return (/** @type {any} */ done, /** @type {any} */ failed) => promise().then(done, failed);
    case "catch":
      return (/** @type {any} */ failed) => promise().catch(failed);
    case "finally":
      return (/** @type {any} */ always) => promise().finally(always);
  }
  return undefined;
}

/**
 * @param {Path} path
 * @param {string} name
 */
function below(path, name) {
  return typeof path === "string" ? [path, name] : [...path, name];
}

/** A member of something; the handler of its proxy. */
class Property {
  /** @type {Promise<any> | undefined} */ #value;

  static {
    isProperty = (handler) => #value in handler;
  }

  /**
   * @param {{ begin: (path: Path, args: any[] | null) => Call }} parent
   * @param {Path} path
   */
  constructor(parent, path) {
    this.parent = parent;
    this.path = path;
  }

  #read = () => this.#value ??= this.parent.begin(this.path, null).promise;

  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    return this.parent.begin(this.path, args).proxy();
  }

  /**
   * @param {any} _target
   * @param {string | symbol} name
   */
  get(_target, name) {
    const own = ownMember(RpcProperty.prototype, name);
    if (own !== NOT_OWN) return own;
    if (isIndex(/** @type {string} */ (name))) return undefined;
    return promiseMethod(/** @type {string} */ (name), this.#read) ??
      makeProperty(this.parent, below(this.path, /** @type {string} */ (name)));
  }

  getPrototypeOf() {
    return RpcProperty.prototype;
  }

  ownKeys() {
    return [];
  }
}

/**
 * A member of a stub, or of what a call will return.
 * @param {{ begin: (path: Path, args: any[] | null) => Call }} parent
 * @param {Path} path
 * @returns {any}
 */
export function makeProperty(parent, path) {
  return new Proxy({ RpcProperty() {} }.RpcProperty, new Property(parent, path));
}

/** One call, from its caller's side; the handler of its promise's proxy. */
export class Call {
  /** @type {Promise<any>} */ promise;
  /** The result, once it is there. @type {any} */ value = undefined;
  settled = false;
  #pending = /** @type {PendingCall | null} */ (null);
  /** The stubs in the result. @type {any[] | null} */ #received = null;
  #disposed = false;

  static {
    isCall = (handler) => #disposed in handler;
  }

  /**
   * @param {Caller} caller
   * @param {Path} path
   * @param {any[] | null} args
   */
  constructor(caller, path, args) {
    this.promise = this.#run(caller, path, args);
  }

  /**
   * @param {Caller} caller
   * @param {Path} path
   * @param {any[] | null} args
   */
  async #run(caller, path, args) {
    if (typeof path !== "string" && path.length > PATH_LENGTH_MAX) {
      throw new TypeError(`RPC pipelined property path is too deep (max ${PATH_LENGTH_MAX}).`);
    }
    caller.check();
    if (caller instanceof Pipelined && !caller.of.isPending) {
      const value = caller.of.settled ? caller.of.value : await caller.of.promise;
      return await callLocally(value, path, args);
    }
    const message = args === null ? NO_ARGUMENTS : toMessage(args);
    const pending = caller.send(path, message);
    this.#pending = pending;
    if (message.stubs !== null) giveAway(message.stubs);
    const answer = await resumeAfter(op_stub_call_answer(pending));
    if (answer[0] === RESULT) return this.#settle(pending, answer);
    if (answer[0] !== MISSED || !(caller instanceof Pipelined)) throw caller.error(answer);
    return await callLocally(await caller.of.promise, path, args);
  }

  /**
   * @param {PendingCall} pending
   * @param {any[]} answer
   */
  #settle(pending, [, bytes, attachments]) {
    const received = attachments === null ? null : /** @type {any[]} */ ([]);
    const value = fromMessage(bytes, attachments, received);
    if (received !== null) op_pipeline_drop(pending);
    this.#pending = null;
    this.#received = received;
    this.value = value;
    this.settled = true;
    addDisposer(value, received);
    if (this.#disposed && received !== null) disposeAll(received);
    return value;
  }

  /** What the caller's code sees. */
  proxy() {
    return new Proxy({ RpcPromise() {} }.RpcPromise, this);
  }

  /**
   * Calls a member of the result.
   * @param {Path} path
   * @param {any[] | null} args
   */
  begin(path, args) {
    return new Call(new Pipelined(this), path, args);
  }

  /**
   * Sends a call of a member of the result, which is not there yet.
   * @param {Path} path
   * @param {Arguments} args
   */
  pipeline(path, args) {
    const pending = /** @type {PendingCall} */ (this.#pending);
    return op_stub_pipeline(currentHandle(), pending, path, args.bytes, args.attachments);
  }

  /** Whether a call of a member can be sent ahead of the result. */
  get isPending() {
    return this.#pending !== null;
  }

  checkDisposed() {
    if (this.#disposed) throw new Error("RPC promise used after being disposed.");
  }

  #dispose = () => {
    this.#disposed = true;
    PromisePrototypeThen(this.promise, undefined, doNothing);
    if (this.#pending !== null) op_pipeline_drop(this.#pending);
    if (this.#received !== null) disposeAll(this.#received);
    else if (this.#pending === null) PromisePrototypeThen(this.promise, disposeValue, doNothing);
  };

  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    this.#leave();
    return this.begin([], args).proxy();
  }

  /**
   * @param {any} _target
   * @param {string | symbol} name
   */
  get(_target, name) {
    if (name === SymbolDispose) return this.#dispose;
    const own = ownMember(RpcPromise.prototype, name);
    if (own !== NOT_OWN) return own;
    const method = promiseMethod(/** @type {string} */ (name), () => this.promise);
    if (method !== undefined) return method;
    if (isIndex(/** @type {string} */ (name))) return undefined;
    this.#leave();
    return makeProperty(this, /** @type {string} */ (name));
  }

  /** Whoever calls a member hears of the failure from that call. */
  #leave() {
    if (!this.settled) PromisePrototypeThen(this.promise, undefined, doNothing);
  }

  getPrototypeOf() {
    return RpcPromise.prototype;
  }

  ownKeys() {
    return [];
  }
}

/** The result of a call as something that can be called. @implements {Caller} */
class Pipelined {
  /** @param {Call} of */
  constructor(of) {
    this.of = of;
  }

  check() {
    this.of.checkDisposed();
  }

  /**
   * @param {Path} path
   * @param {Arguments} args
   */
  send(path, args) {
    return this.of.pipeline(path, args);
  }

  /** @param {any[]} answer */
  error(answer) {
    return callError(answer);
  }
}

/**
 * Calls a member of a result that is here. What is called is a stub in it, or there is nothing to
 * call, and the error is the one that the callee would have thrown.
 * @param {any} value
 * @param {Path} path
 * @param {any[] | null} args
 */
async function callLocally(value, path, args) {
  const names = typeof path === "string" ? [path] : path;
  let found;
  try {
    found = resolve(value, names, VALUE);
    if (args !== null && typeof found.value !== "function") {
      throw new TypeError(`"${names[names.length - 1] ?? "(this)"}" is not a function.`);
    }
  } catch (error) {
    /** @type {any} */ (error).remote = true;
    throw error;
  }
  return await (args === null ? found.value : ReflectApply(found.value, found.receiver, args));
}

/** @param {any} value a result that another call has received */
function disposeValue(value) {
  const isObject = typeof value === "object" && value !== null || typeof value === "function";
  if (isObject && typeof value[SymbolDispose] === "function") value[SymbolDispose]();
}

/** Marks a result that holds nothing to dispose of. */
const nothingToDispose = {
  __proto__: null,
  value() {},
  writable: true,
  enumerable: false,
  configurable: true,
};

/**
 * Lets a caller say that it is done with a result.
 * @param {any} value
 * @param {any[] | null} received
 */
function addDisposer(value, received) {
  if (typeof value !== "object" || value === null) return;
  if (received === null) {
    ObjectDefineProperty(value, SymbolDispose, nothingToDispose);
    return;
  }
  ObjectDefineProperty(value, SymbolDispose, {
    __proto__: null,
    value: () => disposeAll(received),
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/**
 * The error that an answer to a call of a value or an entrypoint stands for.
 * @param {any[]} answer
 */
export function callError(answer) {
  if (answer[0] === THROWN) {
    const thrown = deserializeThrown(answer[1]);
    thrown.remote = true;
    return thrown;
  }
  const error = failureOf(answer);
  if (answer[2]) error.remote = true;
  return error;
}

/**
 * The error for a failure of the callee itself; a new one each time, as callers may change it.
 * @param {any[]} answer
 */
export function failureOf([, message, reset, retryable, overloaded, thrown, objectId]) {
  const error = thrown === null ? /** @type {any} */ (new Error(message)) : deserializeThrown(thrown);
  if (retryable) error.retryable = true;
  if (overloaded) error.overloaded = true;
  if (reset) error.durableObjectReset = true;
  if (objectId !== null) error.durableObjectId = objectId;
  return error;
}
