// @ts-check
/// <reference path="./types.d.ts" />

// Timers with numeric ids. Unlike the web's, they do not evaluate strings, each fires in a turn of
// its own, and those of an object end with it and wait while a critical section runs.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentContext } from "ext:stead/context.js";
import { reportUncaught } from "ext:stead/errors.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { isShutOut, sectionEnd } from "ext:stead/record.js";
import {
  clearVirtualTimer,
  startVirtualInterval,
  startVirtualTimer,
} from "ext:stead/virtual_time.js";

const {
  ReflectApply,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeSet,
  SafeMap,
  SafeSet,
  SetPrototypeAdd,
  SetPrototypeDelete,
  SetPrototypeHas,
  TypeError,
} = primordials;
const timers = core.loadExtScript("ext:deno_web/02_timers.js");
const { getAsyncContext, setAsyncContext } = core;
// Timers that know of no object.
/** @type {(callback: (...args: any[]) => void, delay: number, ...args: any[]) => number} */
export let startTimer = timers.setTimeout;
/** @type {(callback: (...args: any[]) => void, delay: number, ...args: any[]) => number} */
let startInterval = timers.setInterval;
/** @type {(id?: any) => void} */
export let clearTimer = timers.clearTimeout;

/** Timers of the machine's own time, also where the others follow a clock of tests. */
export const realTimers = { setTimeout: timers.setTimeout, clearTimeout: timers.clearTimeout };

let isVirtual = false;

/** From here on timers follow the clock of tests. Called before any user code. */
export function useVirtualTimers() {
  isVirtual = true;
  startTimer = startVirtualTimer;
  startInterval = startVirtualInterval;
  clearTimer = clearVirtualTimer;
}

let { op_object_active, op_object_inactive, op_object_is_broken, op_timer_due } = core.ops;
let { op_turn_is_watched, op_turn_look } = core.ops;
bindOps((ops) =>
  ({ op_object_active, op_object_inactive, op_object_is_broken, op_timer_due } = ops)
);
bindOps((ops) => ({ op_turn_is_watched, op_turn_look } = ops));

/** The objects that pending timers keep in memory, by the timers' ids. @type {Map<number, any>} */
const pending = new SafeMap();

/** The timers that are due and have not fired. @type {Set<number>} */
const held = new SafeSet();

/**
 * A timer that is due.
 * @typedef {object} Due
 * @property {number} id
 * @property {unknown} mapping the asynchronous context in which it was set
 * @property {() => void} run
 */

/** @type {Due[]} */
let due = [];
/** The first of them that has not fired. */
let next = 0;

/**
 * @param {string} name
 * @param {unknown} callback
 */
function checkCallback(name, callback) {
  if (typeof callback === "function") return;
  throw new TypeError(
    `Failed to execute '${name}' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.`,
  );
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} delay
 * @param {any[]} args
 * @returns {number}
 */
export function setTimeout(callback, delay = 0, ...args) {
  checkCallback("setTimeout", callback);
  requireHandler();
  return start(startTimer, callback, delay, args, true);
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} delay
 * @param {any[]} args
 * @returns {number}
 */
export function setInterval(callback, delay = 0, ...args) {
  checkCallback("setInterval", callback);
  requireHandler();
  return start(startInterval, callback, delay, args, false);
}

/** @param {any} [id] */
export function clearTimeout(id) {
  requireHandler();
  end(id);
  clearTimer(id);
}

/** @param {any} [id] */
export function clearInterval(id) {
  requireHandler();
  end(id);
  clearTimer(id);
}

/**
 * Lets the object of a timer go that will not fire any more.
 * @param {any} id
 */
function end(id) {
  SetPrototypeDelete(held, id);
  const handle = MapPrototypeGet(pending, id);
  if (handle === undefined) return;
  MapPrototypeDelete(pending, id);
  op_object_inactive(handle, true);
}

/**
 * @param {(callback: (...args: any[]) => void, delay: number, ...args: any[]) => number} startOne
 * @param {(...args: any[]) => void} callback
 * @param {number} delay
 * @param {any[]} args
 * @param {boolean} once
 */
function start(startOne, callback, delay, args, once) {
  const context = currentContext();
  const handle = context?.record?.handle;
  const run = () => {
    try {
      ReflectApply(callback, globalThis, args);
    } catch (error) {
      // Reported here, where it is still known whose timer it is.
      reportUncaught(error);
    }
    if (once) end(id);
  };
  const id = startOne(() => {
    if (handle !== undefined && op_object_is_broken(handle)) return clearTimeout(id);
    if (/** @type {any} */ (context)?.aborted === true) return clearTimeout(id);
    // Of an interval one run waits, however many are due.
    if (SetPrototypeHas(held, id)) return;
    SetPrototypeAdd(held, id);
    // A clock of tests has each of its timers run in a turn of its own.
    if (!isVirtual && op_timer_due()) due[due.length] = { id, mapping: getAsyncContext(), run: fire };
    else fire();
  }, delay);
  if (handle !== undefined) {
    op_object_active(handle, true);
    MapPrototypeSet(pending, id, handle);
  }
  const fire = () => {
    if (!SetPrototypeHas(held, id)) return;
    if (context?.record !== undefined && isShutOut(context)) return hold(id, context, run);
    SetPrototypeDelete(held, id);
    run();
  };
  return id;
}

/** Fires the timer that has been due longest. Called by Rust, once for each that is due. */
export function fireTimer() {
  const { mapping, run } = due[next];
  // Counted before the code runs: it may not return.
  next += 1;
  if (next === due.length) {
    due = [];
    next = 0;
  }
  setAsyncContext(mapping);
  if (op_turn_is_watched()) op_turn_look();
  try {
    run();
  } finally {
    setAsyncContext(undefined);
  }
}

/** Has deno_core's timers go on, after code that they called was terminated. */
export function restartTimers() {
  startTimer(() => {}, 0);
}

/**
 * @param {number} id
 * @param {import("./record.js").EventContext} context
 * @param {() => void} run
 */
async function hold(id, context, run) {
  do {
    await sectionEnd(context.record);
    // Not before the code that awaited the section.
    await new Promise((resolve) => startTimer(resolve, 0));
  } while (isShutOut(context));
  if (SetPrototypeDelete(held, id)) run();
}
