// @ts-check
/// <reference path="./types.d.ts" />

// Critical sections: while one runs, nothing else enters its object.
// https://developers.cloudflare.com/durable-objects/api/state/#blockconcurrencywhile

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { serializeThrown } from "ext:stead/message.js";
import { currentContext, runInContext } from "ext:stead/context.js";
import { ObjectRecord, Section, sectionEnd } from "ext:stead/record.js";
import { clearTimer, startTimer } from "ext:stead/timers.js";

let { op_input_begin, op_input_end, op_object_reset } = core.ops;
bindOps((ops) => ({ op_input_begin, op_input_end, op_object_reset } = ops));

/** How long a critical section may take, in milliseconds, before its object is reset. */
const SECTION_MS_MAX = 30_000;
const SECTION_TIMEOUT =
  "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.";

/**
 * Runs `callback` while no other event enters the object.
 * @template T
 * @param {ObjectRecord} record
 * @param {() => T | Promise<T>} callback
 * @param {boolean} resets whether a throw resets the object
 * @returns {Promise<T>}
 */
export async function criticalSection(record, callback, resets) {
  const context = currentContext();
  const parent = context instanceof Section && context.record === record ? context : null;
  while (record.section !== parent) await sectionEnd(record);
  const section = new Section(record, parent, op_input_begin(record.handle));
  record.section = section;
  return await runSection(section, callback, resets);
}

/**
 * @template T
 * @param {Section} section
 * @param {() => T | Promise<T>} callback
 * @param {boolean} resets
 * @returns {Promise<T>}
 */
async function runSection(section, callback, resets) {
  const { record } = section;
  const timer = startTimer(() => {
    op_object_reset(record.handle, SECTION_TIMEOUT, true, null, true);
  }, SECTION_MS_MAX);
  try {
    // The callback begins after the calling turn's own code, as an event of its own would.
    await undefined;
    return await runInContext(section, callback);
  } catch (error) {
    if (!resets) throw error;
    op_object_reset(record.handle, messageOf(error), false, serializeThrown(error), true);
    // The object is gone: nobody is left to tell.
    return await new Promise(() => {});
  } finally {
    clearTimer(timer);
    endSection(section);
  }
}

/**
 * What waited inside the object goes on first, events after this turn.
 * @param {Section} section
 */
function endSection({ record, parent, number }) {
  record.section = parent;
  const { waiting } = record;
  record.waiting = [];
  for (const wake of waiting) wake();
  op_input_end(record.handle, number);
}

/** @param {any} error */
function messageOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return "the thrown value has no text";
  }
}
