// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.exports`: what the worker itself exports, to be called from within.
// https://developers.cloudflare.com/workers/runtime-apis/context/#exports

import { primordials } from "ext:core/mod.js";
import { DurableObjectNamespace, makeNamespace } from "ext:stead/namespace.js";
import { addHostClass } from "ext:stead/message.js";
import {
  DurableObjectClass,
  EntrypointTarget,
  INTERNAL,
  makeServiceStub,
  propsOf,
  requireInternal,
  ServiceStub,
  StubHandler,
  stubProxy,
} from "ext:stead/service_stub.js";
import { tagClass } from "ext:stead/scope.js";

const { ObjectPrototype, ObjectSetPrototypeOf, Proxy, ReflectGet, ReflectOwnKeys } = primordials;

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
    return new DurableObjectClass(INTERNAL, this.#name, props);
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
for (const base of [LoopbackServiceStub, LoopbackDurableObjectNamespace]) {
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
    exports[name] = index < 0 ? loopbackService(name) : loopbackNamespace(index, name);
  }
  return exports;
}

/** @param {string} name */
function loopbackService(name) {
  const target = new EntrypointTarget(ownWorker, name, null);
  return stubProxy(callableOf(LoopbackServiceStub), new LoopbackServiceHandler(target));
}

/**
 * @param {number} index
 * @param {string} name
 */
function loopbackNamespace(index, name) {
  const handler = new LoopbackNamespaceHandler(makeNamespace(index), name);
  return new Proxy(callableOf(LoopbackDurableObjectNamespace), handler);
}
