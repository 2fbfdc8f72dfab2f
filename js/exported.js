// @ts-check
/// <reference path="./types.d.ts" />

// The values of this isolate that others can call, by number. Rust knows who holds them.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentContext, enterContext } from "ext:stead/context.js";
import { reportUncaught } from "ext:stead/errors.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

const { ReflectApply, SafeMap, SymbolDispose } = primordials;

let { op_export_add, op_export_number, op_stub_drop, op_stub_hold } = core.ops;
bindOps((ops) => ({ op_export_add, op_export_number, op_stub_drop, op_stub_hold } = ops));

/**
 * @typedef {object} Exported
 * @property {any} value
 * @property {import("./worker_event.js").Sharer} sharer in whose name it is called
 * @property {boolean} disposes whether its disposer is called when nobody holds it any more
 * @property {any[] | null} stubs the stubs that it owns
 */

/** @type {Map<number, Exported>} */
const exported = new SafeMap();

/** In whose name the running code shares values. @returns {import("./worker_event.js").Sharer} */
export function currentSharer() {
  const context = /** @type {any} */ (currentContext());
  return context?.record ?? context ?? new WorkerEvent(null, false);
}

/** Whether what is exported at the moment is returned, not passed. */
let isReturned = false;

/**
 * Exports what a call returns. The event that was called lives until its caller lets go of it.
 * @template T
 * @param {(value: any) => T} send
 * @param {any} value
 */
export function returning(send, value) {
  isReturned = true;
  try {
    return send(value);
  } finally {
    isReturned = false;
  }
}

/**
 * Makes a value callable for others.
 * @param {any} value
 * @returns {StubHandle} the first hold on it
 */
export function exportValue(value) {
  return add(value, true, isReturned, null);
}

/**
 * Makes the result of a call callable for its caller, with the stubs that now are the caller's.
 * @param {any} value
 * @param {any[]} stubs
 */
export function exportResult(value, stubs) {
  return add(value, false, true, stubs);
}

/**
 * @param {any} value
 * @param {boolean} disposes
 * @param {boolean} keeps whether the event that exports it lives on for it
 * @param {any[] | null} stubs
 */
function add(value, disposes, keeps, stubs) {
  const sharer = currentSharer();
  const stub = op_export_add(/** @type {any} */ (sharer).handle ?? null);
  const number = op_export_number(stub);
  exported.set(number, { value, sharer, disposes, stubs });
  if (keeps && sharer instanceof WorkerEvent) sharer.addExport(number);
  return stub;
}

/**
 * An exported value, if the code that exported it still runs.
 * @param {number} number
 */
export function exportedValue(number) {
  const found = exported.get(number);
  return found === undefined || /** @type {any} */ (found.sharer).ended ? undefined : found;
}

/**
 * Lets values go.
 * @param {number[]} disposed values that nobody holds any more
 * @param {number[]} dead values whose code runs no more
 */
export function release(disposed, dead) {
  for (const number of dead) exported.delete(number);
  for (const number of disposed) {
    const found = exported.get(number);
    if (found === undefined) continue;
    exported.delete(number);
    enterContext(found.sharer, dispose, found);
    if (found.sharer instanceof WorkerEvent) found.sharer.removeExport(number);
  }
}

/** @param {Exported} found */
function dispose({ value, disposes, stubs }) {
  if (stubs !== null) { for (const stub of stubs) stub[SymbolDispose](); }
  if (!disposes) return;
  try {
    const disposer = value[SymbolDispose];
    if (typeof disposer === "function") ReflectApply(disposer, value, []);
  } catch (error) {
    reportUncaught(error);
  }
}

/**
 * Notes that the running code holds a stub: it is let go of when that code has ended.
 * @param {StubHandle} stub
 */
export function holdStub(stub) {
  const sharer = /** @type {any} */ (currentSharer());
  if (sharer instanceof WorkerEvent) sharer.addStub(stub);
  else op_stub_hold(sharer.handle, stub);
  return sharer;
}

/**
 * @param {StubHandle} stub
 * @param {any} sharer what `holdStub` returned
 */
export function letGo(stub, sharer) {
  op_stub_drop(stub);
  if (sharer instanceof WorkerEvent) sharer.removeStub(stub);
}
