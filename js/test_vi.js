// @ts-check
/// <reference path="./types.d.ts" />

// `vi` of vitest: spies from the library, and fake timers that are the clock of the tests.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { timeMs } from "ext:stead/test_clock.js";
import { retry } from "ext:stead/test_library.js";
import { clearVirtualTimers, holdDate, lastVirtualTimer, nextVirtualTimer, runDueTimer, virtualTimerCount } from "ext:stead/virtual_time.js";

let { op_test_tell, op_time_elapsed, op_time_now } = core.ops;
bindOps((ops) => ({ op_test_tell, op_time_elapsed, op_time_now } = ops));

/** How many timers vi.runAllTimers() runs before it takes them for endless. */
const TIMERS_MAX = 10_000;

/** How long a frame is, for timers that pretend to draw. */
const FRAME_MS = 16;

/** What vi.useFakeTimers() takes. */
const FAKE_OPTIONS = ["now", "toFake", "shouldAdvanceTime", "loopLimit"];
const TICK_MODES = ["manual", "nextTimerAsync", "interval"];
const NOT_FAKE =
  "A function to advance timers was called but the timers APIs are not mocked. Call `vi.useFakeTimers()` in the test file first.";

/** Variables that are not texts, as Vite has them. */
const ENV_BOOLEANS = ["PROD", "DEV", "SSR"];

/**
 * @param {any} library
 * @param {any} clock `clock` of stead:test
 * @param {boolean} virtual whether the clock can be moved
 * @param {(ms: number) => Promise<void>} wait
 */
export function makeVi(library, clock, virtual, wait) {
  const timers = fakeTimers(clock, virtual);
  /** The global values that were there before they were stubbed. @type {Map<string, PropertyDescriptor | undefined>} */
  const stubbed = new Map();
  /** The variables that were there before they were stubbed. @type {Map<string, string | undefined>} */
  const stubbedVariables = new Map();
  /** @type {Record<string, any>} */
  const vi = {
    fn: library.fn,
    spyOn: library.spyOn,
    isMockFunction: library.isMockFunction,
    mocked: (/** @type {any} */ item) => item,
    hoisted: (/** @type {() => any} */ factory) => factory(),

    clearAllMocks: () => (library.clearAllMocks(), vi),
    resetAllMocks: () => (library.resetAllMocks(), vi),
    restoreAllMocks: () => (library.restoreAllMocks(), vi),

    stubGlobal(/** @type {string} */ name, /** @type {any} */ value) {
      if (!stubbed.has(name)) stubbed.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: true });
      return vi;
    },
    unstubAllGlobals() {
      for (const [name, descriptor] of stubbed) {
        if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
        else Object.defineProperty(globalThis, name, descriptor);
      }
      stubbed.clear();
      return vi;
    },

    stubEnv(/** @type {string} */ name, /** @type {any} */ value) {
      const variables = variablesOf("stubEnv");
      if (!stubbedVariables.has(name)) stubbedVariables.set(name, variables[name]);
      if (ENV_BOOLEANS.includes(name)) variables[name] = value ? "1" : "";
      else if (value === undefined) delete variables[name];
      else variables[name] = `${value}`;
      return vi;
    },
    unstubAllEnvs() {
      for (const [name, value] of stubbedVariables) {
        const variables = variablesOf("unstubAllEnvs");
        if (value === undefined) delete variables[name];
        else variables[name] = value;
      }
      stubbedVariables.clear();
      return vi;
    },
    mockObject: (/** @type {any} */ value, /** @type {any} */ options) => mockOf(library, { value }, options?.spy).value,
    defineHelper: (/** @type {(...args: any[]) => any} */ helper) =>
      // Places in stacks begin below a function of this name, so that a failure shows who called the helper.
      /** @this {any} @param {any[]} args */
      function __VITEST_HELPER__(...args) {
        return helper.apply(this, args);
      },

    /** @param {() => any} callback @param {any} [options] */
    waitFor(callback, options) {
      const { interval, timeout } = typeof options === "number" ? { interval: undefined, timeout: options } : options ?? {};
      return retry(callback, interval, timeout, wait);
    },
    /** @param {() => any} callback @param {any} [options] */
    waitUntil(callback, options) {
      const { interval, timeout } = typeof options === "number" ? { interval: undefined, timeout: options } : options ?? {};
      const attempt = async () => {
        const result = await callback();
        if (!result) throw new Error("Timed out in waitUntil!");
        return result;
      };
      return retry(attempt, interval, timeout, wait);
    },
  };
  for (const name of Object.keys(timers)) {
    if (name === "save" || name === "restore") continue;
    const method = /** @type {any} */ (timers)[name];
    vi[name] = (/** @type {any[]} */ ...args) => method(...args) ?? vi;
  }
  for (const name of ["isFakeTimers", "getTimerCount", "getMockedSystemTime", "getRealSystemTime"]) {
    vi[name] = /** @type {any} */ (timers)[name];
  }
  for (const name of ["advanceTimersByTimeAsync", "advanceTimersToNextTimerAsync", "runAllTimersAsync", "runOnlyPendingTimersAsync"]) {
    vi[name] = async (/** @type {any[]} */ ...args) => {
      await /** @type {any} */ (timers)[name](...args);
      return vi;
    };
  }
  return { vi, timers };
}

/** The variables of the environment. @param {string} method which one asks @returns {Record<string, any>} */
function variablesOf(method) {
  const { process } = /** @type {any} */ (globalThis);
  if (process === undefined) throw new Error(`vi.${method}() needs \`process.env\`: the compatibility flag nodejs_compat`);
  return process.env;
}

/**
 * A value whose functions are spies: without an implementation, or with their own.
 * @param {any} library
 * @param {any} value
 * @param {boolean} [spy] whether they keep their own
 */
export function mockOf(library, value, spy = false) {
  const globalConstructors = { Object, Function, Array, Map, RegExp };
  return library.mockObject({ type: spy ? "autospy" : "automock", globalConstructors, createMockInstance: library.createMockInstance }, value);
}

/**
 * Fake timers hold the clock: it moves by these functions alone. Alarms move with it, and run when the test next waits.
 * @param {any} clock
 * @param {boolean} virtual
 */
function fakeTimers(clock, virtual) {
  let fake = false;
  /** Whether Date alone is fake: it shows one time, and timers go on. */
  let dateOnly = false;
  let fakeSince = 0;
  let held = false;
  let timersMax = TIMERS_MAX;
  /** What the wall clock was ahead of the elapsed time before it was set; null if it was not. @type {number | null} */
  let ahead = null;
  const check = () => {
    if (!fake) throw new Error(NOT_FAKE);
  };
  /** @param {number} nowMs */
  const setWall = (nowMs) => {
    ahead ??= op_time_now() - op_time_elapsed();
    op_test_tell({ tell: "setWall", nowMs });
    if (!fake || dateOnly) holdDate(nowMs);
  };
  /** Runs what is due up to an elapsed time, without waiting for anything. @param {number} until */
  const runUntil = (until) => {
    for (let count = 0; Number.isFinite(nextVirtualTimer()) && nextVirtualTimer() <= until; count++) {
      if (count === timersMax) throw new Error(`Aborting after running ${timersMax} timers, assuming an infinite loop!`);
      moveTo(nextVirtualTimer());
      runDueTimer();
    }
    if (Number.isFinite(until)) moveTo(until);
  };
  /** @param {number} elapsed */
  const moveTo = (elapsed) => {
    const ahead = elapsed - op_time_elapsed();
    if (ahead > 0) op_test_tell({ tell: "setClock", nowMs: op_time_now() + ahead });
  };
  const hold = (/** @type {boolean} */ wanted) => {
    held = wanted;
    op_test_tell({ tell: "hold", held });
  };
  const reset = () => {
    holdDate(null);
    if (ahead !== null) op_test_tell({ tell: "setWall", nowMs: ahead + op_time_elapsed() });
    ahead = null;
    if (!fake) return;
    fake = false;
    dateOnly = false;
    hold(false);
  };
  const untilNext = () => Math.max(0, nextVirtualTimer() - op_time_elapsed());

  return {
    /** @param {{ now?: number | Date, toFake?: string[], shouldAdvanceTime?: boolean, loopLimit?: number }} [options] */
    useFakeTimers(options = {}) {
      if (!virtual) throw new Error("vi.useFakeTimers() needs the clock of tests: run without --real-time");
      for (const name of Object.keys(options)) {
        if (!FAKE_OPTIONS.includes(name)) throw new Error(`vi.useFakeTimers({ ${name} }) is not implemented in Stead yet.`);
      }
      const { now, toFake, shouldAdvanceTime = false, loopLimit = TIMERS_MAX } = options;
      reset();
      fake = true;
      timersMax = loopLimit;
      fakeSince = op_time_elapsed();
      dateOnly = toFake !== undefined && toFake.every((name) => name === "Date");
      hold(!dateOnly && !shouldAdvanceTime);
      if (now !== undefined || dateOnly) setWall(now === undefined ? op_time_now() : timeMs(now));
    },
    useRealTimers: reset,
    /** What is fake at the moment. */
    save: () => ({ fake, dateOnly, fakeSince, timersMax, ahead, held, date: Date.now() }),
    /** Has as fake what was then, once the clock is that of then. @param {any} saved */
    restore(saved) {
      ({ fake, dateOnly, fakeSince, timersMax, ahead } = saved);
      if (saved.held) hold(true);
      if (ahead !== null && (!fake || dateOnly)) holdDate(saved.date);
    },
    isFakeTimers: () => fake,
    /** @param {"manual" | "nextTimerAsync" | "interval"} mode */
    setTimerTickMode(mode) {
      check();
      if (!TICK_MODES.includes(mode)) throw new Error(`Invalid tick mode: ${mode}`);
      hold(mode === "manual");
    },
    /** @param {number | string | Date} time */
    setSystemTime(time) {
      if (!virtual) throw new Error("vi.setSystemTime() needs the clock of tests: run without --real-time");
      setWall(timeMs(time));
    },
    getMockedSystemTime: () => (fake || ahead !== null ? new Date() : null),
    getRealSystemTime: () => clock.now(),
    getTimerCount: () => virtualTimerCount(),
    clearAllTimers: () => clearVirtualTimers(0),

    /** @param {number} ms */
    advanceTimersByTime(ms) {
      check();
      if (dateOnly) return setWall(Date.now() + ms);
      runUntil(op_time_elapsed() + ms);
    },
    advanceTimersToNextFrame() {
      check();
      const now = op_time_elapsed();
      runUntil(now + FRAME_MS - ((now - fakeSince) % FRAME_MS));
    },
    advanceTimersToNextTimer() {
      check();
      if (Number.isFinite(nextVirtualTimer())) runUntil(nextVirtualTimer());
    },
    runAllTimers() {
      check();
      runUntil(Infinity);
    },
    runOnlyPendingTimers() {
      check();
      if (Number.isFinite(nextVirtualTimer())) runUntil(lastVirtualTimer());
    },
    runAllTicks() {},
    /** @param {number} ms */
    async advanceTimersByTimeAsync(ms) {
      check();
      if (dateOnly) return setWall(Date.now() + ms);
      await clock.advance(ms);
    },
    async advanceTimersToNextTimerAsync() {
      check();
      if (Number.isFinite(nextVirtualTimer())) await clock.advance(untilNext());
    },
    async runAllTimersAsync() {
      check();
      for (let count = 0; Number.isFinite(nextVirtualTimer()); count++) {
        if (count === timersMax) throw new Error(`Aborting after running ${timersMax} timers, assuming an infinite loop!`);
        await clock.advance(untilNext());
      }
    },
    async runOnlyPendingTimersAsync() {
      check();
      if (Number.isFinite(nextVirtualTimer())) await clock.advance(lastVirtualTimer() - op_time_elapsed());
    },
  };
}
