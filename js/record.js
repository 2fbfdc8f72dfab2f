// @ts-check
/// <reference path="./types.d.ts" />

// One object in memory, as JavaScript sees it, and the answer to "which object is speaking?".

import { clearTimeout, setTimeout } from "ext:stead/timers.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { serializeThrown } from "ext:stead/message.js";
import { currentContext, enterContext, runInContext } from "ext:stead/context.js";

/** @type {any} */ let op_input_wait;
/** @type {any} */ let op_input_begin;
/** @type {any} */ let op_input_end;
/** @type {any} */ let op_object_reset;
bindOps((ops) =>
  ({ op_input_wait, op_input_begin, op_input_end, op_object_reset } = ops)
);

/** How long a critical section may take, in milliseconds, before its object is reset. */
const SECTION_MS_MAX = 30_000;
const SECTION_TIMEOUT =
  "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.";

/**
 * @typedef {object} Handlers what the platform calls on an object, as found after construction
 * @property {Function | undefined} fetch
 * @property {Function | undefined} alarm
 * @property {Function | undefined} webSocketMessage
 * @property {Function | undefined} webSocketClose
 * @property {Function | undefined} webSocketError
 */

/** An object in memory. The context of all code that runs on the object's behalf. */
export class ObjectRecord {
  /** @type {any} */ instance = undefined;
  /** @type {Handlers | undefined} */ handlers = undefined;
  /** The accepted sockets that JavaScript has seen, by number. */
  sockets = new Map();
  /** The innermost critical section, while one runs. @type {Section | null} */
  section = null;

  /**
   * @param {any} handle the authority over the object
   * @param {string} id
   */
  constructor(handle, id) {
    this.handle = handle;
    this.id = id;
  }

  get record() {
    return this;
  }
}

/** A critical section: the context of the code that runs in it. */
class Section {
  /**
   * @param {ObjectRecord} record
   * @param {Section | null} parent
   * @param {number} number
   */
  constructor(record, parent, number) {
    this.record = record;
    this.parent = parent;
    this.number = number;
  }
}

/** The object on whose behalf the running code speaks; undefined in the worker's own code. */
export function currentRecord() {
  return /** @type {any} */ (currentContext())?.record;
}

/** The authority over the speaking object, for ops; null in the worker's own code. */
export function currentHandle() {
  return currentRecord()?.handle ?? null;
}

/** The request that the worker is answering, for ops; null in an object's code. */
export function currentRequest() {
  return /** @type {any} */ (currentContext())?.request ?? null;
}

/**
 * Delivers an event to an object.
 * @param {ObjectRecord} record
 * @param {(...args: any[]) => any} fn
 * @param {any[]} args
 */
export function enterObject(record, fn, ...args) {
  return enterContext(record, fn, ...args);
}

/**
 * Waits for I/O on behalf of an object: the code after it goes on only when no critical section
 * other than its own runs.
 * @template T
 * @param {Promise<T>} io
 * @returns {Promise<T>}
 */
export function resumeAfter(io) {
  const context = /** @type {any} */ (currentContext());
  return context?.record === undefined ? io : resumeInside(context, io);
}

async function resumeInside(context, io) {
  try {
    return await io;
  } finally {
    const { record } = context;
    while (record.section !== null && record.section !== context) await op_input_wait(record.handle);
  }
}

/**
 * Runs `callback` while no other event enters the object.
 * https://developers.cloudflare.com/durable-objects/api/state/#blockconcurrencywhile
 * @template T
 * @param {ObjectRecord} record
 * @param {() => T | Promise<T>} callback
 * @param {boolean} resets whether a throw resets the object
 * @returns {Promise<T>}
 */
export function criticalSection(record, callback, resets) {
  const context = /** @type {any} */ (currentContext());
  const parent = context instanceof Section && context.record === record ? context : null;
  if (record.section !== parent) return waitForSection(record, callback, resets);
  const section = new Section(record, parent, op_input_begin(record.handle));
  record.section = section;
  return runSection(section, callback, resets);
}

async function waitForSection(record, callback, resets) {
  while (record.section !== null) await op_input_wait(record.handle);
  return criticalSection(record, callback, resets);
}

async function runSection(section, callback, resets) {
  const { record } = section;
  const timer = setTimeout(() => {
    op_object_reset(record.handle, SECTION_TIMEOUT, true, null);
  }, SECTION_MS_MAX);
  try {
    // The callback begins after the calling turn's own code, as an event of its own would.
    await undefined;
    return await runInContext(section, callback);
  } catch (error) {
    if (!resets) throw error;
    op_object_reset(record.handle, messageOf(error), false, serializeThrown(error));
    // The object is gone: nobody is left to tell.
    return await new Promise(() => {});
  } finally {
    clearTimeout(timer);
    record.section = section.parent;
    op_input_end(record.handle, section.number);
  }
}

/** @param {any} error */
function messageOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return "the thrown value has no text";
  }
}
