// @ts-check
/// <reference path="./types.d.ts" />

// Who is speaking: the value that travels with the code across awaits, timers and streams.
//
// V8 keeps it with each promise reaction, deno_web's timers with each timer. It is empty while no
// event is being delivered.

import { core, primordials } from "ext:core/mod.js";

const { ReflectApply } = primordials;
const { setAsyncContext } = core;
const getAsyncContext = /** @type {() => any} */ (core.getAsyncContext);

/**
 * @typedef {object} Context what speaks: an object, a section of one, or an event of the worker
 * @property {Mapping | null} mapping made when first needed
 */

/** What V8 keeps for a context. Variables add theirs to a copy of it. */
class Mapping {
  /** @param {Context} speaker */
  constructor(speaker) {
    this.speaker = speaker;
  }
}
Object.setPrototypeOf(Mapping.prototype, null);

/** @param {Context} context */
function mappingOf(context) {
  return context.mapping ??= new Mapping(context);
}

/** The context of the running code, or `undefined` when it belongs to no event. @returns {any} */
export function currentContext() {
  return getAsyncContext()?.speaker;
}

/** A value that travels with the code as its context does. */
export class Variable {
  #key = Symbol("variable");

  /**
   * Sets the value for the code that follows, and for what it starts.
   * @param {unknown} value
   * @returns {unknown} what V8 kept before, for `setAsyncContext()`
   */
  enter(value) {
    const before = getAsyncContext();
    setAsyncContext({ __proto__: null, ...before, [this.#key]: value });
    return before;
  }

  get() {
    return getAsyncContext()?.[this.#key];
  }
}

/**
 * Calls `fn` in `context`. Other variables, such as AsyncLocalStorage's, keep their values.
 * @template T
 * @param {Context} context
 * @param {(...args: any[]) => T} fn
 * @param {any[]} args
 * @returns {T}
 */
export function runInContext(context, fn, ...args) {
  const before = getAsyncContext();
  const isOurs = before === undefined || before === null || before === before.speaker?.mapping;
  setAsyncContext(isOurs ? mappingOf(context) : { __proto__: null, ...before, speaker: context });
  try {
    return ReflectApply(fn, undefined, args);
  } finally {
    setAsyncContext(before);
  }
}

/**
 * Calls `fn` with what V8 kept for code that was running then.
 * @template T
 * @param {unknown} mapping
 * @param {() => T} fn
 * @returns {T}
 */
export function runInMapping(mapping, fn) {
  setAsyncContext(mapping);
  try {
    return fn();
  } finally {
    setAsyncContext(undefined);
  }
}

/**
 * Calls `fn` in `context` when Rust delivers an event: whatever the code that ran last on this
 * isolate left behind is not seen, and nothing is left behind.
 * @template T
 * @param {Context} context
 * @param {(...args: any[]) => T} fn
 * @param {any[]} args
 * @returns {T}
 */
export function enterContext(context, fn, ...args) {
  setAsyncContext(mappingOf(context));
  try {
    return ReflectApply(fn, undefined, args);
  } finally {
    setAsyncContext(undefined);
  }
}
