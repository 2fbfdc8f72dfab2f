// @ts-check

// `on()` of `node:events`: events as an async iterator.
// https://nodejs.org/api/events.html#eventsonemitter-eventname-options

import { AbortError, expectSignal, invalidType } from "./errors.js";

/** @type {any} */
const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);

/** @param {any} emitter @param {any} type @param {any} [options] */
export function on(emitter, type, options = {}) {
  const { signal } = options;
  expectSignal("options.signal", signal);
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const closeEvents = options.close ?? [];
  const high = options.highWaterMark ?? options.highWatermark ?? Infinity;
  const low = options.lowWaterMark ?? options.lowWatermark ?? 1;
  /** @type {any[]} */
  const events = [];
  /** @type {any[]} */
  const waiting = [];
  /** @type {any} */
  let error;
  let finished = false;
  let paused = false;
  /** @type {(() => void)[]} */
  const detach = [];

  const listen = (/** @type {any} */ name, /** @type {any} */ listener) => {
    if (typeof emitter.on === "function") {
      emitter.on(name, listener);
      detach.push(() => emitter.removeListener(name, listener));
    } else if (typeof emitter.addEventListener === "function") {
      emitter.addEventListener(name, listener);
      detach.push(() => emitter.removeEventListener(name, listener));
    } else throw invalidType("emitter", "EventEmitter", emitter);
  };
  const close = () => {
    for (const one of detach.splice(0)) one();
    finished = true;
    for (const one of waiting.splice(0)) one.resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  };
  const fail = (/** @type {any} */ reason) => {
    const waiter = waiting.shift();
    if (waiter === undefined) error = { reason };
    else waiter.reject(reason);
    close();
  };

  const iterator = Object.setPrototypeOf({
    next() {
      if (events.length > 0) {
        const value = events.shift();
        if (paused && events.length < low) {
          emitter.resume();
          paused = false;
        }
        return Promise.resolve({ value, done: false });
      }
      if (error !== undefined) {
        const { reason } = error;
        error = undefined;
        return Promise.reject(reason);
      }
      if (finished) return close();
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: close,
    throw(/** @type {any} */ reason) {
      if (!(reason instanceof Error)) throw invalidType("EventEmitter.AsyncIterator", "Error", reason);
      fail(reason);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  }, AsyncIteratorPrototype);

  listen(type, (/** @type {any[]} */ ...args) => {
    const waiter = waiting.shift();
    if (waiter !== undefined) return waiter.resolve({ value: args, done: false });
    events.push(args);
    if (!paused && events.length > high) {
      paused = true;
      emitter.pause();
    }
  });
  if (type !== "error" && typeof emitter.on === "function") listen("error", fail);
  for (const name of closeEvents) listen(name, close);
  if (signal) {
    const abort = () => fail(new AbortError(undefined, { cause: signal.reason }));
    signal.addEventListener("abort", abort, { once: true });
    detach.push(() => signal.removeEventListener("abort", abort));
  }
  return iterator;
}
