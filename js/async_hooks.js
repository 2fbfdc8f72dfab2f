// @ts-check
/// <reference path="./types.d.ts" />

// The module `node:async_hooks`.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/asynclocalstorage/
//
// A store travels as the running object does: in what V8 keeps with each promise reaction. Code
// that is run with the stores of an earlier moment still belongs to the critical section, if any,
// of whoever runs it now.

import { core, internals, primordials } from "ext:core/mod.js";
import { currentContext, runInContext, Variable } from "ext:stead/context.js";
import { currentHandle } from "ext:stead/record.js";

const { ReflectApply } = primordials;
const { getAsyncContext, setAsyncContext } = core;

/** The stores at one moment, and whose they are: an object's, or one request's. */
class Moment {
  mapping = getAsyncContext();
  #owner = owner();
  #what;

  /** @param {string} what for the refusal */
  constructor(what) {
    this.#what = what;
  }

  check() {
    if (this.#owner !== undefined && this.#owner !== owner()) {
      throw new Error(
        `Cannot call this ${this.#what} bound function outside of the request in which it was created.`,
      );
    }
  }
}

function owner() {
  return currentHandle() ?? currentContext();
}

/**
 * Calls `fn` with the stores of an earlier moment.
 * @param {Moment} moment
 * @param {Function} fn
 * @param {unknown} receiver
 * @param {unknown[]} args
 */
function runWith(moment, fn, receiver, args) {
  moment.check();
  const before = getAsyncContext();
  const speaker = currentContext();
  setAsyncContext(moment.mapping);
  try {
    if (speaker === undefined) return ReflectApply(fn, receiver, args);
    return runInContext(speaker, () => ReflectApply(fn, receiver, args));
  } finally {
    setAsyncContext(before);
  }
}

/**
 * @param {string} method
 * @param {number} position
 * @param {string} name
 * @param {unknown} value
 */
function expectFunction(method, position, name, value) {
  if (typeof value !== "function") {
    throw new TypeError(
      `Failed to execute '${method}' on 'AsyncLocalStorage': parameter ${position} is not of type '${name}'.`,
    );
  }
}

class AsyncLocalStorage {
  #variable = new Variable();
  /** Whether a store was ever set: before that, the default is the store. */
  #default;
  #name;

  /** @param {{ defaultValue?: unknown, name?: string }} [options] */
  constructor(options = {}) {
    this.#default = options?.defaultValue;
    this.#name = options?.name === undefined ? "" : `${options.name}`;
  }

  /**
   * @param {unknown} store
   * @param {(...args: any[]) => unknown} fn
   * @param {unknown[]} args
   */
  run(store, fn, ...args) {
    expectFunction("run", 2, "function", fn);
    const before = getAsyncContext();
    // In a box, so that `undefined` is a store, too.
    this.#variable.enter({ store });
    try {
      return fn(...args);
    } finally {
      setAsyncContext(before);
    }
  }

  /**
   * @param {(...args: any[]) => unknown} fn
   * @param {unknown[]} args
   */
  exit(fn, ...args) {
    expectFunction("exit", 1, "function", fn);
    return this.run(undefined, fn, ...args);
  }

  getStore() {
    const box = this.#variable.get();
    return box === undefined ? this.#default : box.store;
  }

  enterWith() {
    throw new Error("asyncLocalStorage.enterWith() is not implemented");
  }

  disable() {
    throw new Error("asyncLocalStorage.disable() is not implemented");
  }

  get name() {
    return this.#name;
  }

  /** @param {Function} fn */
  static bind(fn) {
    expectFunction("bind", 1, "Function", fn);
    const moment = new Moment("AsyncLocalStorage");
    /** @this {unknown} @param {unknown[]} args */
    return function (...args) {
      return runWith(moment, fn, this, args);
    };
  }

  static snapshot() {
    const moment = new Moment("AsyncLocalStorage");
    return (/** @type {Function} */ fn, /** @type {unknown[]} */ ...args) =>
      runWith(moment, fn, undefined, args);
  }
}

class AsyncResource {
  #moment = new Moment("AsyncResource");

  asyncId() {
    return 0;
  }

  triggerAsyncId() {
    return 0;
  }

  /**
   * @param {Function} fn
   * @param {unknown} [receiver]
   */
  bind(fn, receiver) {
    return AsyncResource.#bound(this, fn, receiver);
  }

  /**
   * @param {Function} fn
   * @param {unknown} [receiver]
   * @param {unknown[]} args
   */
  runInAsyncScope(fn, receiver, ...args) {
    return runWith(this.#moment, fn, receiver, args);
  }

  emitDestroy() {}

  /**
   * @param {Function} fn
   * @param {string} [_type]
   * @param {unknown} [receiver]
   */
  static bind(fn, _type, receiver) {
    return AsyncResource.#bound(new AsyncResource(), fn, receiver);
  }

  /**
   * @param {AsyncResource} resource
   * @param {Function} fn
   * @param {unknown} receiver
   */
  static #bound(resource, fn, receiver) {
    /** @this {unknown} @param {unknown[]} args */
    return function (...args) {
      return runWith(resource.#moment, fn, receiver === undefined ? this : receiver, args);
    };
  }
}

/** Hooks are accepted and never called, on the platform as here. */
class AsyncHook {
  enable() {
    return this;
  }

  disable() {
    return this;
  }
}

const module = {
  AsyncLocalStorage,
  AsyncResource,
  asyncWrapProviders: Object.freeze(Object.assign(Object.create(null), { NONE: 0 })),
  createHook: () => new AsyncHook(),
  executionAsyncId: () => 0,
  executionAsyncResource: () => Object.create(null),
  triggerAsyncId: () => 0,
};

internals.nodeAsyncHooks = { ...module, default: module };
