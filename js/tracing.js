// @ts-check
/// <reference path="./types.d.ts" />

// Spans. Nothing is traced, which the platform has too: `isTraced` is false, and code runs as it is.
// https://developers.cloudflare.com/workers/observability/traces/

import { core } from "ext:core/mod.js";
import { Variable } from "ext:stead/context.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";

const { setAsyncContext } = core;

const MADE_HERE = Symbol("span");

export class Span {
  /** @param {symbol} token */
  constructor(token) {
    if (token !== MADE_HERE) throw new TypeError("Illegal constructor");
  }

  get isTraced() {
    return false;
  }

  spanContext() {
    return undefined;
  }

  setAttribute() {}

  setAttributes() {}

  recordException() {}

  updateName() {}

  setStatus() {}

  end() {}
}
tagClass(Span);

const active = new Variable();
/** What is active where nothing else is. */
const outermost = new Span(MADE_HERE);

/**
 * Runs a callback, and what it starts, with a span that is the active one.
 * @param {string} method
 * @param {Span} span
 * @param {any} callback
 * @param {any[]} args
 */
function runWithin(method, span, callback, args) {
  if (typeof callback !== "function") refuseArgument("Tracing", method, 2, "Function");
  const before = active.enter(span);
  try {
    return callback(...args);
  } finally {
    setAsyncContext(before);
  }
}

/**
 * @param {string} method
 * @param {number} count of the arguments that the call has
 */
function needsName(method, count) {
  if (count === 0) refuseArgument("Tracing", method, 1, "string");
}

export class Tracing {
  /**
   * @param {string} _name
   * @param {(span: Span, ...args: any[]) => any} callback
   * @param {any[]} args
   */
  enterSpan(_name, callback, ...args) {
    needsName("enterSpan", arguments.length);
    const span = new Span(MADE_HERE);
    return runWithin("enterSpan", span, callback, [span, ...args]);
  }

  /**
   * @param {string} _name
   * @param {(span: Span, ...args: any[]) => any} callback
   * @param {any[]} args
   */
  startActiveSpan(_name, callback, ...args) {
    needsName("startActiveSpan", arguments.length);
    const span = new Span(MADE_HERE);
    return runWithin("startActiveSpan", span, callback, [span, ...args]);
  }

  startSpan() {
    needsName("startSpan", arguments.length);
    return new Span(MADE_HERE);
  }

  getActiveSpan() {
    return active.get() ?? outermost;
  }

  /**
   * @param {Span} span
   * @param {(...args: any[]) => any} callback
   * @param {any[]} args
   */
  withActiveSpan(span, callback, ...args) {
    if (!(span instanceof Span)) refuseArgument("Tracing", "withActiveSpan", 1, "Span");
    return runWithin("withActiveSpan", span, callback, args);
  }

  get Span() {
    return Span;
  }
}
tagClass(Tracing);
guardReceiver(Tracing);

export const tracing = new Tracing();
