// @ts-check
/// <reference path="./types.d.ts" />

// Calls as their callee sees them: what can be reached, and the answer.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/visibility/

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { handleConnect, isConnect } from "ext:stead/connect.js";
import { exportResult, returning } from "ext:stead/exported.js";
import {
  dropAttachments,
  fromMessage,
  isTarget,
  serializeThrown,
  toMessage,
} from "ext:stead/message.js";

const {
  FunctionPrototype,
  ObjectGetPrototypeOf,
  ObjectHasOwn,
  ObjectPrototype,
  ReflectApply,
  SafeSet,
  SymbolDispose,
  TypeError,
} = primordials;

let {
  op_call_arguments,
  op_call_attachments,
  op_call_has_calls,
  op_call_path,
  op_call_return,
  op_call_throw,
} = core.ops;
bindOps((ops) =>
  ({
    op_call_arguments,
    op_call_attachments,
    op_call_has_calls,
    op_call_path,
    op_call_return,
    op_call_throw,
  } = ops)
);

/** Names that mean something else on an object or an entrypoint. */
const RESERVED = new SafeSet([
  "fetch",
  "connect",
  "alarm",
  "webSocketMessage",
  "webSocketClose",
  "webSocketError",
  "dup",
  "constructor",
]);

/** What is called, which decides what can be reached. */
export const ENTRYPOINT = 0; // an instance of an object's or an entrypoint's class
export const HANDLERS = 1; // a plain object that is an entrypoint
export const VALUE = 2; // an exported value

/** What rpc_stub.js tells of stubs. @type {(value: any) => boolean} */
let isStub;

/** @param {(value: any) => boolean} given */
export function setIsStub(given) {
  isStub = given;
}

/** @param {string} name */
function missing(name) {
  return new TypeError(`The RPC receiver does not implement the method "${name}".`);
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null || typeof value === "function";
}

/**
 * Follows a path to what is called or read. Only what classes define can be reached of their
 * instances, only own properties of plain objects and functions.
 * @param {any} root
 * @param {string[]} path
 * @param {number} kind
 */
export function resolve(root, path, kind) {
  let receiver = undefined;
  let value = root;
  for (let i = 0; i < path.length; i++) {
    const name = path[i];
    const reserved = i === 0 && kind !== VALUE
      ? RESERVED.has(name)
      : name === "dup" || name === "constructor";
    if (reserved) {
      throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
    }
    if (!isReachable(value, name)) throw missing(name);
    receiver = value;
    value = receiver[name];
    if (i < path.length - 1 && !hasMembers(value)) throw missing(name);
  }
  return { receiver, value };
}

/** Whether anything of a value can be reached. @param {any} value */
function hasMembers(value) {
  return isObject(value) &&
    (typeof value === "function" || ObjectGetPrototypeOf(value) === ObjectPrototype ||
      isTarget(value) || isStub(value));
}

/**
 * @param {any} value
 * @param {string} name
 */
function isReachable(value, name) {
  if (!hasMembers(value)) return false;
  if (isStub(value)) return true;
  if (!isTarget(value)) return ObjectHasOwn(value, name);
  if (ObjectHasOwn(value, name)) return false;
  for (let p = ObjectGetPrototypeOf(value); p !== null; p = ObjectGetPrototypeOf(p)) {
    if (p === ObjectPrototype || p === FunctionPrototype) return false;
    if (ObjectHasOwn(p, name)) return true;
  }
  return false;
}

/**
 * The arguments of a function of a plain object, which takes one from its caller.
 * @param {Function} method
 * @param {string} name
 * @param {any[]} args
 * @param {any} env
 * @param {any} ctx
 */
function handlerArguments(method, name, args, env, ctx) {
  if (method.length > 3) {
    throw new TypeError(
      `Cannot call handler function "${name}" over RPC because it has the wrong number of arguments. A simple function handler can only be called over RPC if it has exactly the arguments (arg, env, ctx), where only the first argument comes from the client. To support multi-argument RPC functions, use class-based syntax (extending WorkerEntrypoint) instead.`,
    );
  }
  if (args.length !== 1) {
    throw new TypeError(
      `Attempted to call RPC function "${name}" with the wrong number of arguments. When calling a top-level handler function that is not declared as part of a class, you must always send exactly one argument. In order to support variable numbers of arguments, the server must use class-based syntax (extending WorkerEntrypoint) instead.`,
    );
  }
  return [args[0], env, ctx];
}

/**
 * @typedef {object} Callee
 * @property {any} root
 * @property {number} kind
 * @property {string | null} objectId the object whose code it is
 * @property {any} [handlers] the handlers that an object had when it was made
 * @property {string} [refusal] why nothing of it can be called
 * @property {any} [env] for the functions of a plain object
 * @property {any} [ctx]
 */

/**
 * Answers a call, or a read of a property.
 * @param {any} native
 * @param {Callee} callee
 */
export async function answerCall(native, callee) {
  const { root, kind, objectId } = callee;
  /** Errors of an exported value name the object; of an object, only those its code threw. */
  let thrower = kind === VALUE ? objectId : null;
  /** @type {any[]} */
  let received = NOTHING;
  try {
    const path = op_call_path(native);
    if (kind !== VALUE && isConnect(path)) {
      const rest = kind === HANDLERS ? [callee.env, callee.ctx] : [undefined, undefined];
      return await handleConnect(native, callee, rest);
    }
    if (callee.refusal !== undefined) throw new TypeError(callee.refusal);
    const { receiver, value } = resolve(root, path, kind);
    let result = value;
    const bytes = op_call_arguments(native) ?? null;
    if (bytes !== null) {
      if (typeof value !== "function") {
        throw new TypeError(`"${path[path.length - 1] ?? "(this)"}" is not a function.`);
      }
      const attachments = op_call_attachments(native);
      if (attachments !== null) received = [];
      let args = fromMessage(bytes, attachments, received);
      if (kind === HANDLERS && path.length === 1) {
        args = handlerArguments(value, path[0], args, callee.env, callee.ctx);
      }
      thrower = objectId;
      result = ReflectApply(value, receiver, args);
    }
    if (isObject(result)) result = await result;
    if (kind !== VALUE) thrower = null;
    giveResult(native, result, received);
  } catch (error) {
    op_call_throw(native, serializeThrown(error, thrower));
    disposeAll(received);
  }
}

/** @type {any[]} */
const NOTHING = [];

/**
 * Gives a result. The stubs in it are the caller's from now on, those that came with the arguments
 * are done with.
 * @param {any} native
 * @param {any} result
 * @param {any[]} received
 */
function giveResult(native, result, received) {
  const { bytes, attachments, stubs } = returning(toMessage, result);
  let root = null;
  if (stubs !== null || op_call_has_calls(native)) {
    try {
      root = exportResult(result, stubs ?? NOTHING);
    } catch (error) {
      dropAttachments(attachments);
      throw error;
    }
  }
  op_call_return(native, bytes, attachments, root);
  if (received.length > 0) {
    disposeAll(stubs === null ? received : received.filter((stub) => !stubs.includes(stub)));
  }
}

/** @param {any[]} stubs */
export function disposeAll(stubs) {
  for (const stub of stubs) stub[SymbolDispose]();
}
