// @ts-check
/// <reference path="./types.d.ts" />

// Calls of methods: what of an object can be called, and what a caller holds.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/

import { tagClass } from "ext:stead/scope.js";
import { DOMException, deserialize, serialize } from "ext:stead/clone.js";

/** Names that mean something else on an object or an entrypoint. */
const RESERVED = new Set([
  "fetch",
  "connect",
  "alarm",
  "webSocketMessage",
  "webSocketClose",
  "webSocketError",
  "dup",
  "constructor",
]);

const PATH_LENGTH_MAX = 64;
/** Bytes that arguments or a result may have. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

export class RpcTarget {}
tagClass(RpcTarget);

/** The classes whose instances are called over RPC by their prototype's members. */
const targets = [RpcTarget];

/** @param {any} base */
export function addTargetClass(base) {
  targets.push(base);
}

/** @param {any} value */
function isTarget(value) {
  return targets.some((base) => value instanceof base);
}

/**
 * Clones what crosses from one object to another.
 * @param {any} value
 */
export function serializeForCall(value) {
  refuseUnclonable(value, new Set());
  const bytes = serialize(value);
  if (bytes.length > MESSAGE_BYTES_MAX) {
    throw new Error(
      `Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ${bytes.length} bytes.`,
    );
  }
  return bytes;
}

/**
 * Structured clone would strip an instance of its class without a word; a call refuses it.
 * @param {any} value
 * @param {Set<any>} seen
 */
function refuseUnclonable(value, seen) {
  if (typeof value === "function" || isTarget(value)) {
    throw new DOMException(
      "Functions, RpcTargets and stubs cannot be passed over RPC in Stead yet.",
      "DataCloneError",
    );
  }
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value)) {
    for (const item of value) refuseUnclonable(item, seen);
    return;
  }
  if (value instanceof Map) {
    for (const [key, item] of value) {
      refuseUnclonable(key, seen);
      refuseUnclonable(item, seen);
    }
    return;
  }
  if (value instanceof Set) {
    for (const item of value) refuseUnclonable(item, seen);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) {
    for (const key of Object.keys(value)) refuseUnclonable(value[key], seen);
    return;
  }
  if (isCloneable(value)) return;
  const name = prototype?.constructor?.name ?? "Object";
  throw new DOMException(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
    "DataCloneError",
  );
}

/** Whether V8 clones a value of this class whole. @param {any} value */
function isCloneable(value) {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Date ||
    value instanceof RegExp || value instanceof Error || value instanceof Boolean ||
    value instanceof Number || value instanceof String || value instanceof BigInt ||
    value instanceof DOMException ||
    (typeof SharedArrayBuffer !== "undefined" && value instanceof SharedArrayBuffer);
}

/**
 * Follows a path from an object to what is called or read. Only what classes define can be
 * reached of instances, only own properties of plain objects.
 * @param {any} root
 * @param {string[]} path
 */
function resolve(root, path) {
  let receiver = undefined;
  let value = root;
  for (let i = 0; i < path.length; i++) {
    const name = path[i];
    if (i === 0 && RESERVED.has(name)) {
      throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
    }
    if ((typeof value !== "object" && typeof value !== "function") || value === null) {
      throw new TypeError(`The RPC receiver does not implement the method "${path.join(".")}".`);
    }
    if (!isReachable(value, name)) {
      throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
    }
    receiver = value;
    value = receiver[name];
  }
  return { receiver, value };
}

/**
 * @param {any} value
 * @param {string} name
 */
function isReachable(value, name) {
  if (!isTarget(value)) return Object.hasOwn(value, name);
  if (Object.hasOwn(value, name)) return false;
  for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
    if (p === Object.prototype) return false;
    if (Object.hasOwn(p, name)) return true;
  }
  return false;
}

/**
 * Makes a call on an object of this isolate, on behalf of another object.
 * @param {any} root
 * @param {string[]} path
 * @param {Uint8Array | null} args the cloned arguments; null to read a property
 */
export async function callLocally(root, path, args) {
  const { receiver, value } = resolve(root, path);
  if (args === null) return serializeForCall(await value);
  if (typeof value !== "function") {
    throw new TypeError(`"${path[path.length - 1]}" is not a function.`);
  }
  return serializeForCall(await Reflect.apply(value, receiver, deserialize(args)));
}

/**
 * @callback Send makes one call; null arguments read a property
 * @param {string[]} path
 * @param {any[] | null} args
 * @returns {Promise<any>}
 */

/** What a call or a property of a stub gives: a promise whose own members can be called at once. */
export class RpcPromise {
  /** @param {never} [_] */
  constructor(_) {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(RpcPromise);

/** A property of a stub: callable, and a promise for its value. */
export class RpcProperty {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(RpcProperty);

/**
 * A member of a stub, or of what a call will return.
 * @param {Send} send
 * @param {string[]} path
 * @returns {any}
 */
export function makeProperty(send, path) {
  if (path.length > PATH_LENGTH_MAX) {
    throw new TypeError(`RPC pipelined property path is too deep (max ${PATH_LENGTH_MAX}).`);
  }
  /** @type {Promise<any> | undefined} */
  let value;
  const read = () => value ??= send(path, null);
  return new Proxy(function () {}, {
    apply: (_target, _self, args) => makePromise(send(path, args)),
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      const method = promiseMethod(name, read);
      return method ?? makeProperty(send, [...path, name]);
    },
    getPrototypeOf: () => RpcProperty.prototype,
  });
}

/**
 * The promise of a call. Members of the result can be called before it is there.
 * @param {Promise<any>} result
 * @returns {any}
 */
function makePromise(result) {
  const pipeline = async (/** @type {string[]} */ path, /** @type {any[] | null} */ args) => {
    let receiver = undefined;
    let value = await result;
    for (const name of path) {
      if (typeof value !== "object" || value === null) {
        throw new TypeError("Can't pipeline on RPC that did not return an object.");
      }
      receiver = value;
      value = receiver[name];
    }
    if (args === null) return value;
    throw new TypeError(`"${path[path.length - 1]}" is not a function.`);
  };
  return new Proxy(function () {}, {
    get(_target, name) {
      if (name === Symbol.dispose) return () => {};
      if (typeof name === "symbol") return undefined;
      return promiseMethod(name, () => result) ?? makeProperty(pipeline, [name]);
    },
    apply() {
      throw new TypeError("Functions cannot be returned over RPC in Stead yet.");
    },
    getPrototypeOf: () => RpcPromise.prototype,
  });
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
