// What Stead's tests use of vitest: its runner, `expect`, spies and diffs. Bundled into one script by bundle.sh.

import { ASYMMETRIC_MATCHERS_OBJECT, GLOBAL_EXPECT } from "@vitest/expect";
import { setSafeTimers } from "@vitest/utils/timers";

// Before the runner takes them: the timers of time limits are those that the script is given.
setSafeTimers();

export * as chai from "chai";
export { expectTypeOf } from "expect-type";
export {
  ChaiStyleAssertions,
  createAssertionMessage,
  customMatchers,
  equals,
  getState,
  iterableEquality,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  addCustomEqualityTesters,
  recordAsyncExpect,
  setState,
  subsetEquality,
  wrapAssertion,
} from "@vitest/expect";
export { mockObject } from "@vitest/mocker";
export {
  afterAll,
  afterEach,
  aroundAll,
  aroundEach,
  beforeAll,
  beforeEach,
  describe,
  getCurrentTest,
  getFn,
  it,
  onTestFailed,
  onTestFinished,
  recordArtifact,
  startTests,
  suite,
  test,
} from "@vitest/runner";
export { getNames, getTests } from "@vitest/runner/utils";
export { addSerializer, SnapshotClient, stripSnapshotIndentation } from "@vitest/snapshot";
export {
  clearAllMocks,
  createMockInstance,
  fn,
  isMockFunction,
  resetAllMocks,
  restoreAllMocks,
  spyOn,
} from "@vitest/spy";
export { processError } from "@vitest/utils/error";

/** expect.any(), expect.objectContaining() and the like, which a plugin of chai leaves on the global object. */
export function asymmetricMatchers() {
  return globalThis[ASYMMETRIC_MATCHERS_OBJECT];
}

/** Tells matchers which `expect` holds the state that all of them share. */
export function shareExpect(expect) {
  Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true, writable: true });
}
