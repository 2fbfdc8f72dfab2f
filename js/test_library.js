// @ts-check
/// <reference path="./types.d.ts" />

// The library that tests get from vitest (see vendor/vitest), set up for this isolate: `expect`, spies and the runner.

import { readSnapshots } from "ext:stead/test_snapshots.js";
import { realTimers } from "ext:stead/timers.js";
import { realClock } from "ext:stead/virtual_time.js";

/** How often expect.poll() and vi.waitFor() look, and for how long, in milliseconds. */
const POLL_INTERVAL_MS = 50;
const POLL_TIMEOUT_MS = 1000;

/** What expect.poll() cannot wait for. */
const NOT_POLLED = ["matchSnapshot", "toMatchSnapshot", "toMatchInlineSnapshot", "throws", "Throw", "throw", "toThrow", "toThrowError", "toThrowErrorMatchingSnapshot", "toThrowErrorMatchingInlineSnapshot"];

/**
 * Evaluates the library. Its time limits count the machine's time, whatever clock the tests have. Where a debugger may
 * stop the code, the library's clock stands still and its limits are never reached.
 * @param {any} module the bundle's module
 * @param {boolean} debugged
 */
export function createLibrary(module, debugged) {
  const { Date } = realClock;
  const now = debugged ? () => 0 : realClock.now;
  const { setTimeout, clearTimeout } = realTimers;
  const own = {
    Date,
    performance: { now },
    setTimeout: (/** @type {() => void} */ callback, /** @type {number} */ delay) => setTimeout(callback, delay),
    clearTimeout: (/** @type {number} */ id) => clearTimeout(id),
  };
  const scope = Object.assign(Object.create(globalThis), own);
  const library = module.createLibrary({ globalThis: scope, readSnapshots, ...own });
  if (debugged) {
    const limits = Object.getOwnPropertySymbols(scope).find(({ description }) => description === "vitest:SAFE_TIMERS");
    if (limits === undefined) throw new Error("internal error: vitest keeps the timers of its limits elsewhere");
    scope[limits].setTimeout = () => 0;
  }
  return library;
}

/**
 * Gives chai the matchers of Jest and of snapshots.
 * @param {any} library
 * @param {import("./test_snapshots.js").Snapshots} snapshots
 */
export function extendChai(library, snapshots) {
  const { chai } = library;
  chai.use(library.JestExtend);
  chai.use(library.JestChaiExpect);
  chai.use(library.ChaiStyleAssertions);
  chai.use(library.JestAsymmetricMatchers);
  chai.use((/** @type {any} */ own, /** @type {any} */ utils) => snapshots.plugin(own, utils));
}

/**
 * vitest's `expect`.
 * @param {any} library
 * @param {(ms: number) => Promise<void>} wait lets time pass for expect.poll()
 * @param {any} [own] the test that it belongs to; without one, each assertion belongs to the test that runs
 */
export function createExpect(library, wait, own) {
  const { chai, getState, setState } = library;
  /** @type {any} */
  const expect = (/** @type {any} */ value, /** @type {string} */ message) => {
    setState({ assertionCalls: getState(expect).assertionCalls + 1 }, expect);
    const assertion = chai.expect(value, message);
    const test = own ?? library.getCurrentTest();
    return test === undefined ? assertion : assertion.withTest(test);
  };
  Object.assign(expect, chai.expect);
  // chai's plugins leave the asymmetric matchers on the global object that they were given.
  Object.assign(expect, library.asymmetricMatchers());
  expect.getState = () => getState(expect);
  expect.setState = (/** @type {any} */ state) => setState(state, expect);
  resetAssertions(library, expect, own?.fullTestName);
  expect.assert = chai.assert;
  expect.extend = (/** @type {any} */ matchers) => chai.expect.extend(expect, matchers);
  expect.addEqualityTesters = (/** @type {any} */ testers) => library.addCustomEqualityTesters(testers);
  expect.soft = (/** @type {any[]} */ ...args) => expect(...args).withContext({ soft: true });
  expect.poll = makePoll(expect, chai, wait);
  expect.unreachable = (/** @type {string | undefined} */ message) => {
    chai.assert.fail(`expected${message ? ` "${message}" ` : " "}not to be reached`);
  };
  chai.util.addMethod(expect, "assertions", function assertions(/** @type {number} */ expected) {
    const error = () => new Error(`expected number of assertions to be ${expected}, but got ${expect.getState().assertionCalls}`);
    expect.setState({ expectedAssertionsNumber: expected, expectedAssertionsNumberErrorGen: error });
  });
  chai.util.addMethod(expect, "hasAssertions", function hasAssertions() {
    const error = new Error("expected any number of assertion, but got none");
    expect.setState({ isExpectingAssertions: true, isExpectingAssertionsError: error });
  });
  expect.extend(library.customMatchers);
  return expect;
}

/**
 * Begins the count of assertions for a test.
 * @param {any} library
 * @param {any} expect
 * @param {string} [name] the test's
 * @param {any} [snapshotState] what matchers of other packages want to know
 */
export function resetAssertions(library, expect, name, snapshotState) {
  const state = {
    assertionCalls: 0,
    isExpectingAssertions: false,
    isExpectingAssertionsError: null,
    expectedAssertionsNumber: null,
    expectedAssertionsNumberErrorGen: null,
    currentTestName: name,
    snapshotState,
  };
  library.setState(state, expect);
}

/**
 * Checks expect.assertions() and expect.hasAssertions() when a test has ended.
 * @param {any} expect
 */
export function checkAssertions(expect) {
  const state = expect.getState();
  if (state.expectedAssertionsNumber !== null && state.assertionCalls !== state.expectedAssertionsNumber) {
    throw state.expectedAssertionsNumberErrorGen();
  }
  if (state.isExpectingAssertions && state.assertionCalls === 0) throw state.isExpectingAssertionsError;
}

/**
 * @param {any} expect
 * @param {any} chai
 * @param {(ms: number) => Promise<void>} wait
 */
function makePoll(expect, chai, wait) {
  return (/** @type {() => any} */ look, /** @type {any} */ options = {}) => {
    const { interval = POLL_INTERVAL_MS, timeout = POLL_TIMEOUT_MS, message } = options;
    const assertion = expect(null, message).withContext({ poll: true });
    const { flag } = chai.util;
    const test = flag(assertion, "vitest-test");
    if (!test) throw new Error("expect.poll() must be called inside a test");
    const proxy = new Proxy(assertion, {
      get(target, key, receiver) {
        const member = Reflect.get(target, key, receiver);
        if (typeof member !== "function") return member instanceof chai.Assertion ? proxy : member;
        if (key === "assert") return member;
        const name = String(key);
        if (NOT_POLLED.includes(name)) {
          throw new SyntaxError(`expect.poll() is not supported in combination with .${name}(). Use vi.waitFor() if your assertion condition is unstable.`);
        }
        return (/** @type {any[]} */ ...args) => {
          const call = `expect.poll(assertion).${flag(assertion, "negate") ? "not." : ""}${name}()`;
          return waitedFor(test, call, async () => {
            try {
              return await retry(async () => {
                flag(assertion, "_name", name);
                flag(assertion, "object", await look.call(assertion));
                return await Reflect.apply(member, assertion, args);
              }, interval, timeout, wait);
            } catch (/** @type {any} */ error) {
              error.cause ??= new Error("Matcher did not succeed in time.");
              throw error;
            }
          });
        };
      },
    });
    return proxy;
  };
}

/**
 * A promise of what runs once somebody waits for it. A test during which nobody does fails.
 * @param {any} test
 * @param {string} call what was called, as text
 * @param {() => Promise<any>} run
 */
function waitedFor(test, call, run) {
  /** @type {Promise<any> | null} */
  let promise = null;
  const start = () => (promise ??= run());
  const forgotten = new Error(
    `${call} was not awaited. This assertion is asynchronous and must be awaited; otherwise, it is not executed to avoid unhandled rejections:\n\nawait ${call}\n`,
  );
  test.onFinished ??= [];
  test.onFinished.push(() => {
    if (promise === null) throw forgotten;
  });
  return {
    then: (/** @type {any} */ done, /** @type {any} */ failed) => start().then(done, failed),
    catch: (/** @type {any} */ failed) => start().catch(failed),
    finally: (/** @type {any} */ after) => start().finally(after),
    [Symbol.toStringTag]: "Promise",
  };
}

/**
 * Calls `attempt` until it does not throw, or the time is over: then its last error is thrown.
 * @template T
 * @param {() => T | Promise<T>} attempt
 * @param {number} interval
 * @param {number} timeout
 * @param {(ms: number) => Promise<void>} wait
 * @returns {Promise<T>}
 */
export async function retry(attempt, interval = POLL_INTERVAL_MS, timeout = POLL_TIMEOUT_MS, wait) {
  for (let waited = 0;; waited += interval) {
    try {
      return await attempt();
    } catch (error) {
      if (waited >= timeout) throw error;
    }
    await wait(interval);
  }
}
