// @ts-check

// The module `node:timers`: timers that are objects.
// https://nodejs.org/api/timers.html

import * as promises from "node:timers/promises";
import { expectFunction } from "./errors.js";

const { platformTimers } = __bootstrap.internals.node;

/** A timer. As a number it is the platform's id. */
export class Timeout {
  #start;
  /** @type {number} */
  #id;
  #closed = false;

  /**
   * @param {(run: () => void) => number} start starts the platform's timer
   * @param {() => void} run
   * @param {boolean} repeats
   */
  constructor(start, run, repeats) {
    this.#start = () =>
      start(() => {
        if (!repeats) this.#closed = true;
        run();
      });
    this.#id = this.#start();
  }

  refresh() {
    if (this.#closed) return this;
    platformTimers.clearTimeout(this.#id);
    this.#id = this.#start();
    return this;
  }

  unref() {
    return this;
  }

  ref() {
    return this;
  }

  hasRef() {
    return !this.#closed;
  }

  close() {
    this.#closed = true;
    platformTimers.clearTimeout(this.#id);
    return this;
  }

  [Symbol.toPrimitive]() {
    return this.#id;
  }

  [Symbol.dispose]() {
    this.close();
  }
}

/** @param {any} callback @param {number} [delay] @param {any[]} args */
export function setTimeout(callback, delay, ...args) {
  expectFunction("callback", callback);
  return new Timeout((run) => platformTimers.setTimeout(run, delay), () => callback(...args), false);
}

/** @param {any} callback @param {number} [delay] @param {any[]} args */
export function setInterval(callback, delay, ...args) {
  expectFunction("callback", callback);
  return new Timeout((run) => platformTimers.setInterval(run, delay), () => callback(...args), true);
}

/** @param {any} [timer] */
export function clearTimeout(timer) {
  if (timer instanceof Timeout) timer.close();
  else platformTimers.clearTimeout(typeof timer === "string" ? Number(timer) : timer);
}
export const clearInterval = clearTimeout;

/** What setImmediate() returns. */
class Immediate {
  #timer;

  /** @param {Timeout} timer */
  constructor(timer) {
    this.#timer = timer;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  hasRef() {
    return this.#timer.hasRef();
  }

  [Symbol.dispose]() {
    this.#timer.close();
  }

  /** @param {any} immediate */
  static clear(immediate) {
    if (immediate instanceof Immediate) immediate.#timer.close();
  }
}
const { clear } = Immediate;
delete (/** @type {any} */ (Immediate)).clear;

/** @param {any} callback @param {any[]} args */
export function setImmediate(callback, ...args) {
  expectFunction("callback", callback);
  return new Immediate(new Timeout((run) => platformTimers.setTimeout(run, 0), () => callback(...args), false));
}

/** @param {any} [immediate] */
export function clearImmediate(immediate) {
  clear(immediate);
}

/** @param {any} timer */
export function active(timer) {
  timer?.refresh?.();
}

/** @param {any} timer */
export function unenroll(timer) {
  clearTimeout(timer);
}

/** @param {any} timer @param {number} delay */
export function enroll(timer, delay) {
  timer._idleTimeout = delay;
}

const { default: all } = promises;
export { all as promises };

export default {
  Timeout, active, clearImmediate, clearInterval, clearTimeout, enroll, promises: all, setImmediate, setInterval, setTimeout, unenroll,
};
