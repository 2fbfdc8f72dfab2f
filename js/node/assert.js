// @ts-check

// The module `node:assert`: the package `assert`, and what Node added since.
// https://nodejs.org/api/assert.html

import base from "assert/";
import { inspect } from "node:util";
import { isDeepStrictEqual } from "./comparisons.js";

// The platform's assert.equal() and the like are strict, whether or not one asks for it.
/** @type {any} */
const assert = base.strict;
const { AssertionError } = assert;

/**
 * Whether everything of `expected` is in `actual`.
 * @param {any} actual
 * @param {any} expected
 * @returns {boolean}
 */
function isPart(actual, expected) {
  const isPlain = (/** @type {any} */ value) => value !== null && typeof value === "object" && !ArrayBuffer.isView(value);
  if (!isPlain(actual) || !isPlain(expected) || expected instanceof Date || expected instanceof RegExp || expected instanceof Error) {
    return isDeepStrictEqual(actual, expected);
  }
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
  if (expected instanceof Map) return [...expected].every(([key, value]) => actual.has(key) && isPart(actual.get(key), value));
  if (expected instanceof Set) return [...expected].every((value) => [...actual].some((one) => isPart(one, value)));
  if (Array.isArray(expected)) {
    let from = 0;
    return expected.every((value) => {
      const at = actual.findIndex((/** @type {any} */ one, /** @type {number} */ i) => i >= from && isPart(one, value));
      from = at + 1;
      return at !== -1;
    });
  }
  return Reflect.ownKeys(expected).every((key) => key in actual && isPart(actual[key], expected[key]));
}

/** @param {any} actual @param {any} expected @param {any} [message] */
function partialDeepStrictEqual(actual, expected, message) {
  if (isPart(actual, expected)) return;
  if (message instanceof Error) throw message;
  throw new AssertionError({
    actual,
    expected,
    operator: "partialDeepStrictEqual",
    message: message ?? `Expected values to be partially and strictly deep-equal:\n${inspect(actual)}\n\nshould contain\n\n${inspect(expected)}`,
    stackStartFn: partialDeepStrictEqual,
  });
}

/** An assertion object of one's own. */
class Assert {
  constructor(/** @type {any} */ options = {}) {
    if (options.strict === false) throw new Error("assert.Assert that is not strict is not implemented in Stead yet.");
    Object.assign(this, assert);
  }
}

Object.assign(assert, { Assert, partialDeepStrictEqual });

export const {
  deepEqual, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, equal, fail, ifError, match, notDeepEqual,
  notDeepStrictEqual, notEqual, notStrictEqual, ok, rejects, strict, strictEqual, throws,
} = assert;
export { Assert, AssertionError, partialDeepStrictEqual };
export default assert;
