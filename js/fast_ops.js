// @ts-check
/// <reference path="./types.d.ts" />

// Ops for code that calls them often.
//
// Modules are evaluated while the snapshot is made, and an op taken then stays slow for ever: V8
// cannot serialise fast API calls. A module on a hot path takes its ops through `bindOps`, which
// runs its argument once in the snapshot and once more in each runtime, when fast ones exist:
//
//     let op_kv_get, op_kv_put;
//     bindOps((ops) => ({ op_kv_get, op_kv_put } = ops));

import { core, primordials } from "ext:core/mod.js";

const { ArrayPrototypePush } = primordials;

/** @type {((ops: typeof core.ops) => void)[]} */
const binders = [];

/**
 * Calls `bind` with all ops, now and when a runtime starts.
 * @param {(ops: typeof core.ops) => void} bind
 */
export function bindOps(bind) {
  ArrayPrototypePush(binders, bind);
  bind(core.ops);
}

/** Called once per runtime, before user code. */
export function rebindOps() {
  const ops = core.loadExtScript("ext:stead/late.js");
  for (let i = 0; i < binders.length; i++) binders[i](ops);
}
