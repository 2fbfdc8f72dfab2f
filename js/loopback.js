// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.exports`: what the worker itself exports, to be called from within.
// https://developers.cloudflare.com/workers/runtime-apis/context/#exports

import { primordials } from "ext:core/mod.js";
import { DurableObjectNamespace, makeNamespace } from "ext:stead/namespace.js";
import { addHostClass } from "ext:stead/message.js";
import {
  classParts,
  DurableObjectClass,
  EntrypointTarget,
  INTERNAL,
  makeServiceStub,
  propsOf,
  requireInternal,
  ServiceStub,
  StubHandler,
} from "ext:stead/service_stub.js";
import { tagClass } from "ext:stead/scope.js";
import { DurableObject, WorkerEntrypoint } from "ext:stead/workers.js";

const {
  FunctionPrototypeToString,
  ObjectPrototype,
  ObjectSetPrototypeOf,
  Proxy,
  ReflectGet,
  ReflectOwnKeys,
  SafeWeakMap,
} = primordials;

/** The number of this worker. */
let ownWorker = 0;

/** An entrypoint of the worker: a stub, and a function that makes stubs with properties. */
export class LoopbackServiceStub extends ServiceStub {}
tagClass(LoopbackServiceStub);

class LoopbackServiceHandler extends StubHandler {
  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    const { name } = /** @type {EntrypointTarget} */ (this.callee);
    const props = propsOf("LoopbackServiceStub", args[0]);
    return makeServiceStub(new EntrypointTarget(ownWorker, name, props));
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  get(target, name) {
    if (name === "length" || name === "name") return this.member(target, name);
    return super.get(target, name);
  }

  /** @param {any} target */
  ownKeys(target) {
    return withoutFunctionNames(target);
  }
}

/** An object class of the worker: its namespace, and a function that gives the class properties. */
export class LoopbackDurableObjectNamespace extends DurableObjectNamespace {}
tagClass(LoopbackDurableObjectNamespace);

class LoopbackNamespaceHandler {
  #namespace;
  #name;

  /**
   * @param {any} namespace
   * @param {string} name
   */
  constructor(namespace, name) {
    this.#namespace = namespace;
    this.#name = name;
  }

  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    const props = propsOf("LoopbackDurableObjectNamespace", args[0]);
    return new DurableObjectClass(INTERNAL, ownWorker, this.#name, props);
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  get(target, name) {
    const value = ReflectGet(target, name);
    if (typeof name === "symbol" || typeof value !== "function" || name in ObjectPrototype) {
      return name === "length" || name === "name" ? undefined : value;
    }
    return (/** @type {any[]} */ ...args) => this.#namespace[name](...args);
  }

  /** @param {any} target */
  ownKeys(target) {
    return withoutFunctionNames(target);
  }
}

/** A class of objects of the worker that has no namespace: a function that gives it properties. */
export class LoopbackDurableObjectClass extends DurableObjectClass {}
tagClass(LoopbackDurableObjectClass);

class LoopbackClassHandler {
  #name;

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
  }

  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    return new DurableObjectClass(INTERNAL, ownWorker, this.#name, propsOf("LoopbackDurableObjectClass", args[0]));
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  get(target, name) {
    return name === "length" || name === "name" ? undefined : ReflectGet(target, name);
  }

  /** @param {any} target */
  ownKeys(target) {
    return withoutFunctionNames(target);
  }
}

/** The exported names of the classes in `ctx.exports`. @type {WeakMap<any, string>} */
const classNames = new SafeWeakMap();

/**
 * The exported name of a class of objects and its properties; undefined for anything else.
 * @param {any} value
 * @returns {{ name: string, props: Uint8Array | null } | undefined}
 */
export function classPartsOf(value) {
  if (typeof value !== "function") {
    const parts = classParts(value);
    if (parts !== undefined && parts.worker !== ownWorker) {
      throw new Error("A facet of another worker's class is not implemented in Stead yet.");
    }
    return parts;
  }
  const name = classNames.get(value);
  return name === undefined ? undefined : { name, props: null };
}

/** @param {any} target */
function withoutFunctionNames(target) {
  return ReflectOwnKeys(target).filter((/** @type {any} */ key) => key !== "length" && key !== "name");
}

/**
 * A function that is an instance of a class, to be a proxy's target.
 * @param {any} base
 */
function callableOf(base) {
  const callable = () => {};
  ObjectSetPrototypeOf(callable, base.prototype);
  return callable;
}

// They are functions, which pass as stubs; these do not pass.
for (const base of [LoopbackServiceStub, LoopbackDurableObjectNamespace, LoopbackDurableObjectClass]) {
  addHostClass({
    base,
    name: base.name,
    proxy: true,
    send() {
      throw refusal(base.name);
    },
    receive() {
      throw refusal(base.name);
    },
  }, true);
}

/** @param {string} name */
function refusal(name) {
  return new DOMException(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
    "DataCloneError",
  );
}

/**
 * What the worker exports, for `ctx.exports`.
 * @param {Record<string, any>} module
 * @param {{ class: string, exported: boolean }[]} namespaces
 * @param {number} worker
 */
export function makeExports(module, namespaces, worker) {
  ownWorker = worker;
  /** @type {Record<string, any>} */
  const exports = {};
  for (const name of Object.keys(module)) {
    const value = module[name];
    if (typeof value !== "function" && (typeof value !== "object" || value === null)) continue;
    const index = namespaces.findIndex((one) => one.exported && one.class === name);
    if (index >= 0) exports[name] = loopbackNamespace(index, name);
    else exports[name] = isObjectClass(value) ? loopbackClass(name) : loopbackService(name);
  }
  return exports;
}

/** @param {string} name */
function loopbackService(name) {
  const target = new EntrypointTarget(ownWorker, name, null);
  return new Proxy(callableOf(LoopbackServiceStub), new LoopbackServiceHandler(target));
}

/**
 * Whether objects may be made of it: a class of any kind but an entrypoint's.
 * @param {any} value
 */
function isObjectClass(value) {
  if (typeof value !== "function" || value.prototype instanceof WorkerEntrypoint) return false;
  return value.prototype instanceof DurableObject ||
    /^class\b/.test(FunctionPrototypeToString(value));
}

/** @param {string} name */
function loopbackClass(name) {
  const proxy = new Proxy(callableOf(LoopbackDurableObjectClass), new LoopbackClassHandler(name));
  classNames.set(proxy, name);
  return proxy;
}

/**
 * @param {number} index
 * @param {string} name
 */
function loopbackNamespace(index, name) {
  const handler = new LoopbackNamespaceHandler(makeNamespace(index), name);
  const proxy = new Proxy(callableOf(LoopbackDurableObjectNamespace), handler);
  classNames.set(proxy, name);
  return proxy;
}
