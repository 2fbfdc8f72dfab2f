// @ts-check

// The module `node:assert/strict`.

import assert from "node:assert";

/** @type {any} */
const { strict } = /** @type {any} */ (assert);
export const {
  Assert, AssertionError, deepEqual, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, equal, fail, ifError,
  match, notDeepEqual, notDeepStrictEqual, notEqual, notStrictEqual, ok, partialDeepStrictEqual, rejects, strictEqual,
  throws,
} = strict;
export { strict };
export default strict;
