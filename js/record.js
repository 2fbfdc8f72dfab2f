// @ts-check
/// <reference path="./types.d.ts" />

// One object in memory, as JavaScript sees it, and the answer to "which object is speaking?".

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentContext, enterContext } from "ext:stead/context.js";
import { never, WorkerEvent } from "ext:stead/worker_event.js";

let { op_object_active, op_object_inactive, op_object_is_broken } = core.ops;
bindOps((ops) => ({ op_object_active, op_object_inactive, op_object_is_broken } = ops));

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
  /** The object's `ctx`. @type {any} */ state = undefined;
  /** @type {Handlers | undefined} */ handlers = undefined;
  /** The accepted sockets that JavaScript has seen, by number. */
  sockets = new Map();
  /** The innermost critical section, while one runs. @type {Section | null} */
  section = null;
  /** Wakes what waits for a critical section to end, in order. @type {(() => void)[]} */
  waiting = [];
  /** @type {import("./context.js").Context["mapping"]} */
  mapping = null;

  /**
   * @param {ObjectHandle} handle the authority over the object
   * @param {string | null} id none for a facet whose id is a text of its parent's
   */
  constructor(handle, id) {
    this.handle = handle;
    this.id = id;
  }

  /** @returns {ObjectRecord} */
  get record() {
    return this;
  }
}

/** A critical section: the context of the code that runs in it. */
export class Section {
  /** @type {import("./context.js").Context["mapping"]} */
  mapping = null;

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

/** @typedef {ObjectRecord | Section} EventContext the context of an object's code */

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
 * Whether code of `context` has to wait: a critical section other than its own runs.
 * @param {EventContext} context
 */
export function isShutOut(context) {
  const { section } = context.record;
  return section !== null && section !== context;
}

/**
 * Resolves when the innermost critical section of an object ends. Whoever awaits it asks again
 * whether it is shut out: somebody who waited longer may have begun the next section.
 * @param {ObjectRecord} record
 * @returns {Promise<void>}
 */
export function sectionEnd(record) {
  return new Promise((resolve) => record.waiting.push(resolve));
}

/**
 * Waits for I/O on behalf of an object, which stays in memory meanwhile: the code after it goes on
 * only when no critical section other than its own runs. Code of an object that was reset, or of an
 * event that was aborted, does not go on.
 * @template T
 * @param {Promise<T>} io
 * @returns {Promise<T>}
 */
export function resumeAfter(io) {
  const context = currentContext();
  if (context?.record !== undefined) return resumeInside(context, io);
  return context instanceof WorkerEvent ? context.resumeAfter(io) : io;
}

/**
 * @template T
 * @param {EventContext} context
 * @param {Promise<T>} io
 */
async function resumeInside(context, io) {
  const { handle } = context.record;
  op_object_active(handle, false);
  try {
    return await io;
  } finally {
    while (isShutOut(context)) await sectionEnd(context.record);
    if (op_object_inactive(handle, false)) await never();
  }
}

/**
 * Waits for what neither keeps an object in memory nor waits for its critical sections. Code that
 * was ended meanwhile does not go on, as after `resumeAfter()`.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export function unlessEnded(work) {
  const context = currentContext();
  if (context?.record !== undefined) return unlessBroken(context.record.handle, work);
  return context instanceof WorkerEvent ? context.resumeAfter(work) : work;
}

/** Whether the running code's event was aborted, or its object reset. */
export function isEnded() {
  const context = currentContext();
  if (context?.record !== undefined) return op_object_is_broken(context.record.handle);
  return context instanceof WorkerEvent && context.aborted;
}

/**
 * @template T
 * @param {ObjectHandle} handle
 * @param {Promise<T>} work
 */
async function unlessBroken(handle, work) {
  try {
    return await work;
  } finally {
    if (op_object_is_broken(handle)) await never();
  }
}

/**
 * Keeps an object in memory until a promise has settled; a rejection is passed on.
 * @param {ObjectRecord} record
 * @param {any} promise
 */
export async function keepActive({ handle }, promise) {
  op_object_active(handle, false);
  try {
    await promise;
  } finally {
    op_object_inactive(handle, false);
  }
}
