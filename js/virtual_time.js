// @ts-check
/// <reference path="./types.d.ts" />

// The clock of tests: Date, performance, Intl and timers that follow a clock of the process's own,
// which moves when nothing is ready to run. Installed in a runtime that asks for it; any other
// keeps V8's and deno_core's.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";

const {
  ArrayPrototypeSlice,
  MathMax,
  MathTrunc,
  Number,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ReflectApply,
  ReflectConstruct,
  SafeArrayIterator,
  SafeMap,
  SafeWeakMap,
} = primordials;
const { getAsyncContext, setAsyncContext } = core;
const coreView = core.loadExtScript("ext:stead/core_view.js");
const { Performance, performance } = core.loadExtScript("ext:deno_web/15_performance.js");

/** The machine's time, also where everything else follows a clock of tests. */
export const realClock = { Date: globalThis.Date, now: performance.now.bind(performance) };

let { op_time_elapsed, op_time_next_timer, op_time_now } = core.ops;
bindOps((ops) => ({ op_time_elapsed, op_time_next_timer, op_time_now } = ops));

/** The longest delay of a timer in milliseconds; a longer one counts as none, as everywhere. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** A timer that has not fired, or an interval. */
class Timer {
  /**
   * @param {number} at elapsed milliseconds at which it is due
   * @param {number} number also its order among those due at one time
   * @param {() => void} callback
   * @param {number} every the delay of an interval; -1 for a timer that fires once
   */
  constructor(at, number, callback, every) {
    this.at = at;
    this.order = number;
    this.number = number;
    this.callback = callback;
    this.every = every;
    this.context = getAsyncContext();
    this.place = -1;
  }
}

/** All timers as a binary heap: the earliest comes first. @type {Timer[]} */
const heap = [];
/** The same by number. @type {Map<number, Timer>} */
const byNumber = new SafeMap();
let numbers = 0;
let orders = 0;

/**
 * @param {Timer} left
 * @param {Timer} right
 */
function isBefore(left, right) {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}

/**
 * @param {Timer} timer
 * @param {number} place
 */
function put(timer, place) {
  heap[place] = timer;
  timer.place = place;
}

/** @param {Timer} timer */
function rise(timer) {
  let { place } = timer;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (!isBefore(timer, heap[parent])) break;
    put(heap[parent], place);
    place = parent;
  }
  put(timer, place);
}

/** @param {Timer} timer */
function sink(timer) {
  let { place } = timer;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
    if (!isBefore(heap[child], timer)) break;
    put(heap[child], place);
    place = child;
  }
  put(timer, place);
}

/** @param {Timer} timer */
function insert(timer) {
  timer.order = ++orders;
  put(timer, heap.length);
  rise(timer);
  tellNext();
}

/** @param {Timer} timer */
function remove(timer) {
  const last = /** @type {Timer} */ (heap.pop());
  if (last !== timer) {
    put(last, timer.place);
    rise(last);
    sink(last);
  }
  timer.place = -1;
  tellNext();
}

let told = -1;

function tellNext() {
  const next = heap.length === 0 ? -1 : heap[0].at;
  if (next === told) return;
  told = next;
  op_time_next_timer(next);
}

/** @param {unknown} delay */
function clampDelay(delay) {
  const whole = MathTrunc(Number(delay));
  return whole > 0 && whole <= DELAY_MS_MAX ? whole : 0;
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} every
 * @param {number} delay
 * @param {any[]} args
 */
function start(callback, every, delay, args) {
  const run = args.length === 0 ? callback : () => ReflectApply(callback, globalThis, args);
  const timer = new Timer(op_time_elapsed() + delay, ++numbers, run, every);
  byNumber.set(timer.number, timer);
  insert(timer);
  return timer.number;
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} [delay]
 * @param {any[]} args
 */
export function startVirtualTimer(callback, delay, ...args) {
  return start(callback, -1, clampDelay(delay), args);
}

/**
 * @param {(...args: any[]) => void} callback
 * @param {number} [delay]
 * @param {any[]} args
 */
export function startVirtualInterval(callback, delay, ...args) {
  const every = MathMax(1, clampDelay(delay));
  return start(callback, every, every, args);
}

/** @param {any} [number] */
export function clearVirtualTimer(number) {
  const timer = byNumber.get(number);
  if (timer === undefined) return;
  byNumber.delete(number);
  if (timer.place >= 0) remove(timer);
}

/** How many timers there are. */
export function virtualTimerCount() {
  return byNumber.size;
}

/**
 * Forgets the timers that were made after one of them.
 * @param {number} number 0 for all of them
 */
export function clearVirtualTimers(number) {
  for (const timer of new SafeArrayIterator(ArrayPrototypeSlice(heap))) {
    if (timer.number > number) clearVirtualTimer(timer.number);
  }
}

/** The number of the timer that was made last. */
export function newestVirtualTimer() {
  return numbers;
}

/** When the last of the present timers is due, in elapsed milliseconds; 0 if there is none. */
export function lastVirtualTimer() {
  let last = 0;
  for (let place = 0; place < heap.length; place++) last = MathMax(last, heap[place].at);
  return last;
}

/** When the earliest timer is due, in elapsed milliseconds; Infinity if there is none. */
export function nextVirtualTimer() {
  return heap.length === 0 ? Infinity : heap[0].at;
}

/** Runs the earliest timer if it is due. What it throws is thrown. Called once for each turn. */
export function runDueTimer() {
  const timer = heap[0];
  if (timer === undefined || timer.at > op_time_elapsed()) return;
  remove(timer);
  if (timer.every < 0) byNumber.delete(timer.number);
  const before = getAsyncContext();
  setAsyncContext(timer.context);
  try {
    timer.callback();
  } finally {
    setAsyncContext(before);
    if (timer.every >= 0 && byNumber.get(timer.number) === timer) {
      timer.at = op_time_elapsed() + timer.every;
      insert(timer);
    }
  }
}

/** What Date shows while somebody holds it; null when it goes. @type {number | null} */
let heldDate = null;

/** Has Date show one time, or go again. Everything else follows the clock. @param {number | null} nowMs */
export function holdDate(nowMs) {
  heldDate = nowMs;
}

function dateNow() {
  return heldDate ?? op_time_now();
}

/** The class that stands for Date: the same prototype, another idea of now. */
function installDate() {
  const RealDate = globalThis.Date;
  const { Date } = {
    /** @param {any[]} args */
    Date: function (...args) {
      if (new.target === undefined) return new RealDate(dateNow()).toString();
      return ReflectConstruct(RealDate, args.length === 0 ? [dateNow()] : args, new.target);
    },
  };
  /**
   * @param {object} target
   * @param {string} name
   * @param {unknown} value
   */
  const define = (target, name, value) => {
    const { enumerable, configurable, writable } =
      /** @type {PropertyDescriptor} */ (ObjectGetOwnPropertyDescriptor(RealDate, name));
    ObjectDefineProperty(target, name, { __proto__: null, value, enumerable, configurable, writable });
  };
  define(Date, "length", 7);
  define(Date, "parse", RealDate.parse);
  define(Date, "UTC", RealDate.UTC);
  define(Date, "now", { now: () => dateNow() }.now);
  define(Date, "prototype", RealDate.prototype);
  ObjectDefineProperty(RealDate.prototype, "constructor", {
    __proto__: null,
    value: Date,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  ObjectDefineProperty(globalThis, "Date", {
    __proto__: null,
    value: Date,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** Formats of no date in particular are those of now. */
function installIntl() {
  const { prototype } = Intl.DateTimeFormat;
  const { get } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(prototype, "format"));
  const bound = new SafeWeakMap();
  ObjectDefineProperty(prototype, "format", {
    __proto__: null,
    get: {
      /** @this {Intl.DateTimeFormat} */
      format() {
        const native = ReflectApply(get, this, []);
        let format = bound.get(native);
        if (format === undefined) {
          format = (/** @type {any} */ date) => native(date === undefined ? dateNow() : date);
          bound.set(native, format);
        }
        return format;
      },
    }.format,
    enumerable: false,
    configurable: true,
  });
  const { formatToParts } = prototype;
  prototype.formatToParts = {
    /** @this {Intl.DateTimeFormat} @param {any} [date] */
    formatToParts(date) {
      return ReflectApply(formatToParts, this, [date === undefined ? dateNow() : date]);
    },
  }.formatToParts;
}

/** performance.now(), marks and measures count from the start of the virtual clock. */
function installPerformance() {
  const { prototype } = Performance;
  const { mark, measure } = prototype;
  const origin = op_time_now() - op_time_elapsed();
  prototype.now = { now: () => op_time_elapsed() }.now;
  prototype.mark = {
    /** @this {any} @param {string} name @param {any} [options] */
    mark(name, options = {}) {
      if (arguments.length === 0) return ReflectApply(mark, this, []);
      return ReflectApply(mark, this, [name, { startTime: op_time_elapsed(), ...options }]);
    },
  }.mark;
  prototype.measure = {
    /** @this {any} @param {string} name @param {any} [startOrOptions] @param {any} [endMark] */
    measure(name, startOrOptions = {}, endMark = undefined) {
      if (arguments.length === 0) return ReflectApply(measure, this, []);
      if (endMark !== undefined) return ReflectApply(measure, this, [name, startOrOptions, endMark]);
      const { end = op_time_elapsed(), ...options } = typeof startOrOptions === "object"
        ? startOrOptions
        : { start: startOrOptions };
      if (options.duration === undefined || options.start === undefined) options.end = end;
      return ReflectApply(measure, this, [name, options]);
    },
  }.measure;
  ObjectDefineProperty(prototype, "timeOrigin", {
    __proto__: null,
    get: () => origin,
    enumerable: true,
    configurable: true,
  });
}

/** AbortSignal.timeout() takes its timers from here; it reads these functions at each call. */
function installSystemTimers() {
  const { cancelTimer, refTimer, unrefTimer } = coreView;
  coreView.createSystemTimer = (/** @type {() => void} */ callback, /** @type {number} */ delay) => ({
    virtual: start(callback, -1, delay, []),
  });
  coreView.cancelTimer = (/** @type {any} */ timer) =>
    timer?.virtual === undefined ? cancelTimer(timer) : clearVirtualTimer(timer.virtual);
  coreView.refTimer = (/** @type {any} */ timer) => timer?.virtual ?? refTimer(timer);
  coreView.unrefTimer = (/** @type {any} */ timer) => timer?.virtual ?? unrefTimer(timer);
}

/** Puts the clock in place. Called once, before any user code. */
export function installVirtualTime() {
  installDate();
  installIntl();
  installPerformance();
  installSystemTimers();
}
