// @ts-check

// The module `node:timers/promises`.
// https://nodejs.org/api/timers.html#timers-promises-api

import { AbortError, expectSignal } from "./errors.js";

const { platformTimers } = __bootstrap.internals.node;

/**
 * @template T
 * @param {number} delay
 * @param {T} [value]
 * @param {{ signal?: AbortSignal, ref?: boolean }} [options]
 * @returns {Promise<T>}
 */
function wait(delay, value, options) {
  const { signal } = options ?? {};
  try {
    expectSignal("options.signal", signal);
  } catch (error) {
    return Promise.reject(error);
  }
  if (signal?.aborted) return Promise.reject(new AbortError(undefined, { cause: signal.reason }));
  return new Promise((resolve, reject) => {
    const abort = () => {
      platformTimers.clearTimeout(id);
      reject(new AbortError(undefined, { cause: signal?.reason }));
    };
    const id = platformTimers.setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve(/** @type {T} */ (value));
    }, delay);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** @param {number} [delay] @param {any} [value] @param {any} [options] */
export function setTimeout(delay = 1, value, options) {
  return wait(delay, value, options);
}

/** @param {any} [value] @param {any} [options] */
export function setImmediate(value, options) {
  return wait(0, value, options);
}

/** @param {number} [delay] @param {any} [value] @param {any} [options] */
export async function* setInterval(delay = 1, value, options) {
  while (true) {
    await wait(delay, undefined, options);
    yield value;
  }
}

export const scheduler = {
  /** @param {number} delay @param {any} [options] */
  wait: (delay, options) => wait(delay, undefined, options),
  yield: () => wait(0),
};

export default { scheduler, setImmediate, setInterval, setTimeout };
