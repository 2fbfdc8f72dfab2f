// @ts-check
/// <reference path="./types.d.ts" />

// Who is speaking: the value that travels with the code across awaits, timers and streams.
//
// V8 keeps it with each promise reaction, deno_web's timers with each timer. It is empty while no
// event is being delivered.

import { core, primordials } from "ext:core/mod.js";

const { ReflectApply, SafeWeakMap } = primordials;
const { AsyncVariable, getAsyncContext, setAsyncContext } = core;

const current = new AsyncVariable();

/**
 * For each context the mapping that holds it and no other variable, made when first needed.
 * Entering by one of these costs a few nanoseconds; building a mapping costs hundreds.
 */
const mappings = new SafeWeakMap();

/** @param {object} context */
function mappingOf(context) {
  let mapping = mappings.get(context);
  if (mapping === undefined) {
    const before = getAsyncContext();
    setAsyncContext(undefined);
    current.enter(context);
    mapping = getAsyncContext();
    setAsyncContext(before);
    mappings.set(context, mapping);
  }
  return mapping;
}

/**
 * Whether no variable but ours has a value.
 * @param {unknown} mapping
 */
function isOurs(mapping) {
  if (mapping === undefined || mapping === null) return true;
  const context = current.get();
  return context !== undefined && mappings.get(context) === mapping;
}

/** The context of the running code, or `undefined` when it belongs to no event. */
export function currentContext() {
  return current.get();
}

/**
 * Calls `fn` in `context`. Other variables, such as AsyncLocalStorage's, keep their values.
 * @template T
 * @param {object} context
 * @param {(...args: any[]) => T} fn
 * @param {any[]} args
 * @returns {T}
 */
export function runInContext(context, fn, ...args) {
  const before = getAsyncContext();
  if (isOurs(before)) setAsyncContext(mappingOf(context));
  else current.enter(context);
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
 * @param {object} context
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
