// @ts-check
/// <reference path="./types.d.ts" />

// The entry point. Everything here and in the modules it imports is evaluated when the snapshot
// is made, except `start`, which Rust calls in each runtime before any user code.

import "ext:stead/errors.js";
import { primordials } from "ext:core/mod.js";
import { startClone } from "ext:stead/clone.js";
import { setFlags } from "ext:stead/compatibility.js";
import { connectToInspector, setColors } from "ext:stead/console.js";
import { startGlobals } from "ext:stead/globals.js";
import { setCompatibilityFlags } from "ext:stead/navigator.js";
import { startNode } from "ext:stead/node.js";
import { rebindOps } from "ext:stead/fast_ops.js";
import { adoptGlobal } from "ext:stead/scope.js";
import { startTasks } from "ext:stead/tasks.js";
import { useVirtualTimers } from "ext:stead/timers.js";
import { installVirtualTime } from "ext:stead/virtual_time.js";
import "ext:stead/async_hooks.js";
import "ext:stead/beacon.js";
import "ext:stead/body_text.js";
import "ext:stead/cache.js";
import "ext:stead/context.js";
import { dispatch } from "ext:stead/dispatch.js";
import "ext:stead/event_source.js";
import "ext:stead/exceptions.js";
import "ext:stead/html_rewriter.js";
import "ext:stead/response_statics.js";
import "ext:stead/attributes.js";
import "ext:stead/warm_up.js";

const { Number, ObjectDefineProperty } = primordials;

/**
 * @typedef {object} StartOptions
 * @property {boolean} colors
 * @property {Record<string, boolean>} compatibilityFlags
 * @property {boolean} inspector
 * @property {number | bigint | null} seed
 * @property {boolean} virtualTime
 */

/**
 * What Rust calls once per runtime; what it calls from then on comes back.
 * @param {StartOptions} options
 */
function start(options) {
  rebindOps();
  setFlags(options.compatibilityFlags);
  startGlobals();
  adoptGlobal();
  setColors(options.colors);
  setCompatibilityFlags(options.compatibilityFlags);
  if (options.seed !== null) seedMath(BigInt(options.seed));
  if (options.virtualTime) {
    installVirtualTime();
    useVirtualTimers();
  }
  if (options.inspector) connectToInspector();
  startNode(options.compatibilityFlags);
  startTasks();
  startClone();
  hideInternals();
  return dispatch;
}

/**
 * Replaces Math.random by splitmix64 (https://prng.di.unimi.it/splitmix64.c).
 * @param {bigint} seed
 */
function seedMath(seed) {
  let state = seed;
  const mask = (1n << 64n) - 1n;
  const { random } = {
    random() {
      state = (state + 0x9e3779b97f4a7c15n) & mask;
      let mixed = state;
      mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
      mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
      mixed ^= mixed >> 31n;
      return Number(mixed >> 11n) / 2 ** 53;
    },
  };
  ObjectDefineProperty(Math, "random", {
    __proto__: null,
    value: random,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** Takes away every way to reach `core` and its ops from the global scope. */
function hideInternals() {
  const scope = /** @type {any} */ (globalThis);
  delete scope.__start;
  delete scope.__bootstrap;
  delete scope.bootstrap;
  delete scope.Deno;
}

ObjectDefineProperty(globalThis, "__start", {
  __proto__: null,
  value: start,
  configurable: true,
});
