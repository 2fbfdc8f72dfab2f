// @ts-check
/// <reference path="./types.d.ts" />

// Turns of the event loop. Code that runs too long is terminated, and with it everything that
// shares its turn, so no two objects may share one: each result of an op, and each timer, is
// given to JavaScript in a turn of its own.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";

const { PromisePrototypeThen, PromiseResolve } = primordials;
let { op_run_microtasks, op_turn_is_watched, op_turn_look, op_turn_next } = core.ops;
bindOps((ops) => ({ op_run_microtasks, op_turn_is_watched, op_turn_look, op_turn_next } = ops));

/** deno_core's own: settles the promises of the ops whose results it is given. */
const settle = core.__eventLoopTick;

/** Promise ids, whether they succeeded, and results, of ops that have ended. @type {any[]} */
let results = [];
/** The first of them that has not been given yet. */
let next = 0;

/**
 * What deno_core calls with the results of ops.
 * @param {any[]} batch
 */
function receive(...batch) {
  if (results.length === 0 && batch.length === 3) {
    // The usual case: the caller runs the microtasks.
    if (op_turn_is_watched()) lookFirst();
    return settle(batch[0], batch[1], batch[2]);
  }
  for (let i = 0; i < batch.length; i++) results[results.length] = batch[i];
  settleRest();
}

const nothing = PromiseResolve(undefined);

/** Has the first code looked at that the turn runs: only then it is known on whose behalf it does. */
function lookFirst() {
  PromisePrototypeThen(nothing, () => op_turn_look());
}

/** Gives the results that are left. Called again by Rust after code was terminated. */
export function settleRest() {
  while (next < results.length) {
    const at = next;
    // Counted before the code runs: it may not return.
    next += 3;
    if (op_turn_next()) lookFirst();
    settle(results[at], results[at + 1], results[at + 2]);
    op_run_microtasks();
  }
  results = [];
  next = 0;
}

// deno_core looks its functions up here when a runtime starts; `core` itself is frozen.
const { Deno } = /** @type {any} */ (globalThis);
Deno.core = { __proto__: core, __eventLoopTick: receive };
