// @ts-check
/// <reference path="./types.d.ts" />

// Calls of methods: what of an object can be called, and what a caller holds.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/

import { tagClass } from "ext:stead/scope.js";
import {
  fromMessage,
  isTarget,
  serializeThrown,
  toMessage,
} from "ext:stead/message.js";

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
 * Answers a call of an object's method, or a read of one of its properties.
 * @param {any} root the object's instance
 * @param {string} objectId
 * @param {string[]} path
 * @param {Uint8Array | null} args the message of the arguments; null to read a property
 * @param {() => any[] | null} bodies takes the bodies of the arguments
 * @returns {Promise<import("./message.js").Message | { thrown: Uint8Array }>}
 */
export async function answerCall(root, objectId, path, args, bodies) {
  /** Only what a method throws is the object's own. @type {string | null} */
  let thrower = null;
  try {
    const { receiver, value } = resolve(root, path);
    let result = value;
    if (args !== null) {
      if (typeof value !== "function") {
        throw new TypeError(`"${path[path.length - 1]}" is not a function.`);
      }
      const values = fromMessage(args, bodies());
      thrower = objectId;
      result = Reflect.apply(value, receiver, values);
    }
    if (typeof result === "object" && result !== null || typeof result === "function") {
      result = await result;
    }
    thrower = null;
    return toMessage(result);
  } catch (error) {
    return { thrown: serializeThrown(error, thrower) };
  }
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
    throw new TypeError(`"${path[path.length - 1] ?? "(this)"}" is not a function.`);
  };
  return new Proxy(function () {}, {
    get(_target, name) {
      if (name === Symbol.dispose) return () => {};
      if (typeof name === "symbol") return undefined;
      return promiseMethod(name, () => result) ?? makeProperty(pipeline, [name]);
    },
    apply: (_target, _self, args) => makePromise(pipeline([], args)),
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
