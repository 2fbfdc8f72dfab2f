// @ts-check
/// <reference path="./types.d.ts" />

// `env` and `exports` of cloudflare:workers, and how code replaces them for what it calls.
// https://developers.cloudflare.com/workers/runtime-apis/bindings/#importing-env-as-a-global

import { core, primordials } from "ext:core/mod.js";
import { Variable } from "ext:stead/context.js";
import { isChosen } from "ext:stead/compatibility.js";

const {
  Proxy,
  ReflectDefineProperty,
  ReflectDeleteProperty,
  ReflectGet,
  ReflectGetOwnPropertyDescriptor,
  ReflectHas,
  ReflectOwnKeys,
  ReflectSet,
  TypeError,
} = primordials;
const { setAsyncContext } = core;

/** The bindings, filled in before and after the worker's modules are evaluated. */
/** @type {Record<string, any>} */
export const env = {};
/** What the worker exports, filled in once its modules are evaluated. @type {Record<string, any>} */
export const exports = {};

/** What the running code sees in place of them. */
const replaced = new Variable();

/**
 * An object whose members are those of the one that is in force.
 * @param {() => any} current
 */
function view(current) {
  /** @type {ProxyHandler<any>} */
  const handler = {
    get: (_target, name) => ReflectGet(current(), name),
    set: (_target, name, value) => ReflectSet(current(), name, value),
    has: (_target, name) => ReflectHas(current(), name),
    ownKeys: () => ReflectOwnKeys(current()),
    deleteProperty: (_target, name) => ReflectDeleteProperty(current(), name),
    defineProperty: (_target, name, descriptor) => ReflectDefineProperty(current(), name, descriptor),
    getOwnPropertyDescriptor(_target, name) {
      const descriptor = ReflectGetOwnPropertyDescriptor(current(), name);
      // A proxy may only show what its own target could lose.
      if (descriptor !== undefined) descriptor.configurable = true;
      return descriptor;
    },
  };
  return new Proxy({}, handler);
}

/** What modules import while they are not to have bindings. */
const nothing = {};

export const envView = view(() =>
  replaced.get()?.env ?? (isChosen("disallow_importable_env") ? nothing : env)
);
export const exportsView = view(() => replaced.get()?.exports ?? exports);

/**
 * @param {string} method
 * @param {number} position
 * @param {any} callback
 */
function checkFunction(method, position, callback) {
  if (typeof callback === "function") return;
  throw new TypeError(
    `Failed to execute '${method}' on 'EnvModule': parameter ${position} is not of type 'function'.`,
  );
}

/**
 * @param {Record<string, any>} change
 * @param {() => any} callback
 */
function withReplaced(change, callback) {
  const before = core.getAsyncContext();
  replaced.enter({ ...replaced.get(), ...change });
  try {
    return callback();
  } finally {
    setAsyncContext(before);
  }
}

/**
 * @param {any} other
 * @param {() => any} callback
 */
export function withEnv(other, callback) {
  checkFunction("withEnv", 2, callback);
  return withReplaced({ env: other }, callback);
}

/**
 * @param {any} other
 * @param {() => any} callback
 */
export function withExports(other, callback) {
  checkFunction("withExports", 2, callback);
  return withReplaced({ exports: other }, callback);
}

/**
 * @param {any} otherEnv
 * @param {any} otherExports
 * @param {() => any} callback
 */
export function withEnvAndExports(otherEnv, otherExports, callback) {
  checkFunction("withEnvAndExports", 3, callback);
  return withReplaced({ env: otherEnv, exports: otherExports }, callback);
}
