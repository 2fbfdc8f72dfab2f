// @ts-check
/// <reference path="./types.d.ts" />

// What the scripts behind `node:*` (js/node) stand on, and the names that `nodejs_compat` adds to the global scope. The
// scripts are not in the snapshot: each is evaluated when a worker first asks for it.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/

import { core, internals, primordials } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { importKeyAtOnce, webCrypto } from "ext:stead/crypto.js";
import { env } from "ext:stead/environment.js";
import { bindOps } from "ext:stead/fast_ops.js";
import * as timers from "ext:stead/timers.js";

const {
  ArrayPrototypeIncludes,
  Error,
  ObjectDefineProperty,
  ObjectFreeze,
  StringPrototypeReplaceAll,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
} = primordials;

let { op_node_modules } = core.ops;
bindOps((ops) => ({ op_node_modules } = ops));

/** How many scripts are being evaluated because others need them. */
let needed = 0;

/** What a script was loaded as. @param {string} name without `node:` */
function require(name) {
  if (name === "async_hooks") return internals.nodeAsyncHooks.default;
  needed += 1;
  try {
    return core.loadExtScript(`ext:stead_node/${StringPrototypeReplaceAll(name, "/", "_")}.js`).default;
  } finally {
    needed -= 1;
  }
}

/**
 * What a script calls first. Without `nodejs_compat` there is no module of Node but the process.
 * @param {string} name the module's
 */
function enter(name) {
  if (needed === 0 && name !== "process" && !isOn("nodejs_compat")) {
    throw new Error(`No such module "node:${name}".`);
  }
  return require;
}

/** @type {string[] | undefined} */
let names;

/** One of Node's modules by name; undefined if there is none. @param {string} id */
function builtin(id) {
  const name = StringPrototypeStartsWith(id, "node:") ? StringPrototypeSlice(id, 5) : id;
  return ArrayPrototypeIncludes(internals.node.names, name) ? require(name) : undefined;
}

internals.node = {
  bindings: env,
  builtin,
  enter,
  isOn,
  get names() {
    return (names ??= ObjectFreeze(op_node_modules()));
  },
  platformTimers: {
    setTimeout: timers.setTimeout,
    setInterval: timers.setInterval,
    clearTimeout: timers.clearTimeout,
  },
  require,
  webKeys: { exportKey: webCrypto.cryptoKeyExportNodeKeyMaterial, importKey: importKeyAtOnce },
};

/**
 * @param {any} target
 * @param {string} name
 * @param {any} value
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

/**
 * Puts members of a module on the global scope, which are made when they are first used.
 * @param {string} name the module's
 * @param {string[]} members
 */
function defineLazily(name, members) {
  for (let i = 0; i < members.length; i++) {
    const member = members[i];
    ObjectDefineProperty(globalThis, member, {
      __proto__: null,
      get() {
        const value = member === name ? require(name) : require(name)[member];
        define(globalThis, member, value);
        return value;
      },
      /** @this {any} @param {any} value */
      set(value) {
        // An object that inherits from the global one gets a member of its own, as from a plain value.
        define(this ?? globalThis, member, value);
      },
      enumerable: true,
      configurable: true,
    });
  }
}

/**
 * Called once per runtime, before user code.
 * @param {Record<string, boolean>} flags the compatibility flags
 */
export function startNode(flags) {
  if (!flags.nodejs_compat || !flags.nodejs_compat_v2) return;
  define(globalThis, "global", globalThis);
  defineLazily("process", ["process"]);
  defineLazily("buffer", ["Buffer"]);
  defineLazily("timers", ["setImmediate", "clearImmediate"]);
  if (flags.enable_nodejs_global_timers) {
    defineLazily("timers", ["setTimeout", "setInterval", "clearTimeout", "clearInterval"]);
  }
}
