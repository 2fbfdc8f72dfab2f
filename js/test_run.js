// @ts-check
/// <reference path="./types.d.ts" />

// A run of tests in this isolate, from the library and the modules that tests import to the last test.

import { internals } from "ext:core/mod.js";
import { fetchMock } from "ext:stead/test_fetch_mock.js";
import { makeClock } from "ext:stead/test_clock.js";
import { createExpect, createLibrary, extendChai } from "ext:stead/test_library.js";
import { TestRunner } from "ext:stead/test_runner.js";
import { makeMocks } from "ext:stead/test_mocks.js";
import { Snapshots } from "ext:stead/test_snapshots.js";
import { makeVi } from "ext:stead/test_vi.js";
import * as worker from "ext:stead/test_worker.js";
import { setTimeout } from "ext:stead/timers.js";
import { enterContext } from "ext:stead/context.js";
import { handlersOf } from "ext:stead/entrypoint.js";
import { env } from "ext:stead/environment.js";
import { ExecutionContext } from "ext:stead/execution_context.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

/** What is global where vitest's configuration says `globals`. */
const GLOBALS = ["suite", "test", "describe", "it", "chai", "expect", "assert", "expectTypeOf", "assertType", "vitest", "vi", "beforeAll", "afterAll", "beforeEach", "afterEach", "onTestFailed", "onTestFinished", "aroundEach", "aroundAll"];

/** @type {TestRunner | null} */
let runner = null;

/** The module of the worker under test, once it is evaluated. @type {any} */
let tested = null;

/** A context for a handler that a test calls. */
function makeContext() {
  return new ExecutionContext(new WorkerEvent(null, false), {});
}

/** What `exports` of cloudflare:test holds. @type {Record<string, any>} */
const exports = {};

/**
 * @typedef {object} TestOptions
 * @property {string} path the file's path, as it is shown
 * @property {string | null} pattern which tests to run
 * @property {boolean} bail whether to stop at the first test that fails
 * @property {boolean} virtualTime
 * @property {"all" | "new" | "none"} updateSnapshots
 * @property {boolean} debugged whether debuggers may attach
 * @property {string} provided what inject() gives, as JSON
 * @property {boolean} globals whether what vitest exports is global
 * @property {string} settings the runner's settings that differ from vitest's own, as JSON
 */

/**
 * Prepares the modules that tests import, and the run. Called before the worker's modules are evaluated.
 * @param {any} module the library
 * @param {TestOptions} options
 */
export function prepareTests(module, options) {
  const library = createLibrary(module, options.debugged);
  const clock = makeClock(options.virtualTime);
  /** @type {ReturnType<typeof makeVi>} */
  let fake;
  const wait = async (/** @type {number} */ ms) => {
    // Time that is held moves with those who wait.
    if (fake.vi.isFakeTimers()) await clock.advance(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  };
  fake = makeVi(library, clock, options.virtualTime, wait);
  const { ofVi, steadMocks } = makeMocks(library, wait);
  for (const [name, method] of Object.entries(ofVi)) {
    fake.vi[name] = (/** @type {any[]} */ ...args) => /** @type {any} */ (method)(...args) ?? fake.vi;
  }
  const snapshots = new Snapshots(library, options.updateSnapshots);
  extendChai(library, snapshots);
  const expect = createExpect(library, wait);
  library.shareExpect(expect);
  const self = worker.makeSelf(() => {
    return { handler: handlersOf("default", makeContext()), env };
  });
  exports.default = self;
  const makeExpect = (/** @type {any} */ test) => createExpect(library, wait, test);
  const writing = vitestModule(library, expect, makeExpect, fake.vi, JSON.parse(options.provided));
  if (options.globals) for (const name of GLOBALS) /** @type {any} */ (globalThis)[name] = /** @type {any} */ (writing)[name];
  const { absent, faults, gates, serve, makeSelf: _, runInside: _inside, setNamespaceCount: _count, ...reaching } = worker;
  const platform = { env, SELF: self, exports, fetchMock, ...reaching, ...absent };
  internals.vitest = { ...writing, steadMocks };
  internals.cloudflareTest = platform;
  internals.steadTest = { ...writing, ...platform, clock, faults, gates, serve };
  runner = new TestRunner(library, { expect, makeExpect, snapshots, vi: fake.vi, fakeTimers: fake.timers }, options);
  fake.vi.setConfig = runner.setConfig.bind(runner);
  fake.vi.resetConfig = runner.resetConfig.bind(runner);
  // Tests are the worker's own code: what they hold is held by this event.
  enterContext(new WorkerEvent(null, false), () => runner?.start());
}

/**
 * What the module `vitest` exports.
 * @param {any} library
 * @param {any} expect
 * @param {(test: any) => any} createExpect
 * @param {any} vi
 * @param {Record<string, any>} provided
 */
function vitestModule(library, expect, createExpect, vi, provided) {
  const { afterAll, afterEach, aroundAll, aroundEach, beforeAll, beforeEach, chai, describe, expectTypeOf, it, onTestFailed, onTestFinished, recordArtifact, suite, test } = library;
  const inject = (/** @type {string} */ name) => provided[name];
  return {
    afterAll, afterEach, aroundAll, aroundEach, assert: chai.assert, assertType() {}, beforeAll, beforeEach,
    bench: makeBench(), chai, createExpect, describe, expect, expectTypeOf, inject, it, onTestFailed, onTestFinished,
    recordArtifact, should: chai.should, suite, test, vi, vitest: vi,
    ...Object.fromEntries(["BenchmarkRunner", "EvaluatedModules", "Snapshots", "TestRunner"].map((name) => [name, missingClass(name)])),
  };
}

/** A class with which one builds runners of one's own. @param {string} name */
function missingClass(name) {
  return class {
    constructor() {
      throw new Error(`${name} is not implemented in Stead yet.`);
    }
  };
}

/** Benchmarks are for runs of their own, also in vitest. */
function makeBench() {
  const bench = () => {
    throw new Error("`bench()` is only available in benchmark mode.");
  };
  const ways = { skip: bench, only: bench, todo: bench, skipIf: () => bench, runIf: () => bench };
  return Object.assign(bench, ways);
}

/**
 * Takes the worker whose module is evaluated.
 * @param {any} module
 * @param {{ class: string }[]} namespaces
 */
export function setTestedWorker(module, namespaces) {
  if (runner === null) return;
  tested = module;
  worker.setNamespaceCount(namespaces.length);
  for (const namespace of namespaces) exports[namespace.class] = env[namespace.class];
}

/** Runs the tests of the evaluated module. */
export function runTests() {
  /** @type {[string, () => unknown][]} */
  const exported = Object.keys(tested)
    .filter((name) => typeof tested[name] === "object" && typeof tested[name]?.test === "function")
    .map((name) => [name, () => tested[name].test({}, env, makeContext())]);
  runner?.loaded(exported);
}

/**
 * Nothing will happen any more by itself while a test waits.
 * @param {string} text what is known of what it waits for
 */
export function testsStalled(text) {
  runner?.stalled(text);
}
