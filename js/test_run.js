// @ts-check
/// <reference path="./types.d.ts" />

// A run of tests in this isolate, from the library and the modules that tests import to the last test.

import { internals } from "ext:core/mod.js";
import { fetchMock } from "ext:stead/test_fetch_mock.js";
import { makeClock } from "ext:stead/test_clock.js";
import { createExpect, createLibrary } from "ext:stead/test_library.js";
import { TestRunner } from "ext:stead/test_runner.js";
import { makeVi } from "ext:stead/test_vi.js";
import * as worker from "ext:stead/test_worker.js";
import { setTimeout } from "ext:stead/timers.js";
import { env } from "ext:stead/workers.js";

/** @type {TestRunner | null} */
let runner = null;

/** The worker under test, once its module is evaluated. */
const tested = {
  module: /** @type {any} */ (null),
  makeContext: /** @type {() => any} */ (() => null),
  handlerFor: /** @type {(ctx: any) => any} */ (() => null),
};

/** What `exports` of cloudflare:test holds. @type {Record<string, any>} */
const exports = {};

/**
 * @typedef {object} TestOptions
 * @property {string} path the file's path, as it is shown
 * @property {string | null} pattern which tests to run
 * @property {boolean} bail whether to stop at the first test that fails
 * @property {boolean} virtualTime
 */

/**
 * Prepares the modules that tests import, and the run. Called before the worker's modules are evaluated.
 * @param {any} module the library
 * @param {TestOptions} options
 */
export function prepareTests(module, options) {
  const library = createLibrary(module);
  const clock = makeClock(options.virtualTime);
  /** @type {{ vi: any, reset: () => void }} */
  let fake;
  const wait = async (/** @type {number} */ ms) => {
    // Time that is held moves with those who wait.
    if (fake.vi.isFakeTimers()) await clock.advance(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  };
  fake = makeVi(library, clock, options.virtualTime, wait);
  const expect = createExpect(library, wait);
  library.shareExpect(expect);
  const self = worker.makeSelf(() => {
    const ctx = tested.makeContext();
    return { handler: tested.handlerFor(ctx), env };
  });
  exports.default = self;
  const { afterAll, afterEach, aroundAll, aroundEach, beforeAll, beforeEach, describe, it, onTestFailed, onTestFinished, suite, test } = library;
  const writing = { afterAll, afterEach, aroundAll, aroundEach, assert: library.chai.assert, beforeAll, beforeEach, chai: library.chai, describe, expect, it, onTestFailed, onTestFinished, suite, test, vi: fake.vi, vitest: fake.vi };
  const { absent, faults, makeSelf: _, runInside: _inside, setNamespaceCount: _count, ...reaching } = worker;
  const platform = { env, SELF: self, exports, fetchMock, ...reaching, ...absent };
  internals.vitest = writing;
  internals.cloudflareTest = platform;
  internals.steadTest = { ...writing, ...platform, clock, faults };
  runner = new TestRunner(library, expect, fake.reset, options);
  runner.start();
}

/**
 * Takes the worker whose module is evaluated.
 * @param {any} module
 * @param {{ class: string }[]} namespaces
 * @param {() => any} makeContext
 * @param {(ctx: any) => any} handlerFor
 */
export function setTestedWorker(module, namespaces, makeContext, handlerFor) {
  if (runner === null) return;
  Object.assign(tested, { module, makeContext, handlerFor });
  worker.setNamespaceCount(namespaces.length);
  for (const namespace of namespaces) exports[namespace.class] = env[namespace.class];
}

/** Runs the tests of the evaluated module. */
export function runTests() {
  const { module } = tested;
  /** @type {[string, () => unknown][]} */
  const exported = Object.keys(module)
    .filter((name) => typeof module[name] === "object" && typeof module[name]?.test === "function")
    .map((name) => [name, () => module[name].test({}, env, tested.makeContext())]);
  runner?.loaded(exported);
}

/**
 * Nothing will happen any more by itself while a test waits.
 * @param {string} text what is known of what it waits for
 */
export function testsStalled(text) {
  runner?.stalled(text);
}
