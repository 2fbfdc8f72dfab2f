// @ts-check
/// <reference path="./types.d.ts" />

// Runs the tests of one file with vitest's runner and tells the process what became of them. All ways of writing tests
// come together here: `describe` and `it`, and exported objects with a test() method, the form of workerd.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { watchResponses } from "ext:stead/response_watch.js";
import { ask } from "ext:stead/test_clock.js";
import { checkAssertions, resetAssertions } from "ext:stead/test_library.js";
import { clearVirtualTimers, newestVirtualTimer, virtualTimerCount } from "ext:stead/virtual_time.js";

let { op_test_tell } = core.ops;
bindOps((ops) => ({ op_test_tell } = ops));

/** How long a test and a hook may take in milliseconds of the machine's time: vitest's own limits. */
const TEST_MS_MAX = 5_000;
const HOOK_MS_MAX = 10_000;
/** The same for a test in workerd's form, which has no way to ask for more. */
const EXPORTED_TEST_MS_MAX = 30_000;
/** What vi.setConfig() may change. */
const SETTINGS = ["testTimeout", "hookTimeout", "maxConcurrency", "retry", "clearMocks", "mockReset", "restoreMocks", "unstubEnvs", "unstubGlobals"];
/** How many concurrent tests of a suite run at once, as in vitest. */
const CONCURRENT_MAX = 5;

/**
 * @typedef {object} RunOptions
 * @property {string} path the file's path, as it is shown
 * @property {string | null} pattern
 * @property {boolean} bail
 * @property {string} settings of vitest's configuration, as JSON
 * @property {boolean} debugged whether a debugger may stop tests, which no limit is to end then
 */

/**
 * @typedef {object} RunParts
 * @property {any} expect
 * @property {(test: any) => any} makeExpect an `expect` of one test
 * @property {import("./test_snapshots.js").Snapshots} snapshots
 * @property {any} vi
 * @property {{ save: () => any, useRealTimers: () => void, restore: (saved: any) => void }} fakeTimers
 */

/** @param {object} event */
function tellEvent(event) {
  op_test_tell({ tell: "event", event: JSON.stringify(event) });
}

/** @param {string} pattern a regular expression, or else a part of the name */
function patternOf(pattern) {
  try {
    return new RegExp(pattern);
  } catch {
    return new RegExp(RegExp.escape(pattern));
  }
}

/** What vitest's runner is told to do, and what it tells. */
export class TestRunner {
  pool = "stead";
  viteEnvironment = "worker";
  #library;
  #parts;
  #options;
  /** The settings that vi.setConfig() changes, as they are in the beginning. */
  #settings;
  /** Resolves with the tests that the module exports, once it is evaluated. */
  #loaded = Promise.withResolvers();
  /** The tests that have begun and not been reported. @type {Set<any>} */
  #open = new Set();
  /** How to end the tests that run, if nothing else will. @type {Set<(error: Error) => void>} */
  #stalls = new Set();
  #newestTimer = 0;
  /** Which timers were fake before them: those of their suite. @type {any} */
  #fakeBefore = null;
  /** The responses of the tests that run, each with an error whose stack says who asked for it. @type {[any, Error][]} */
  #responses = [];
  #failed = false;

  /**
   * @param {any} library
   * @param {RunParts} parts
   * @param {RunOptions} options
   */
  constructor(library, parts, options) {
    this.#library = library;
    this.#parts = parts;
    this.#options = options;
    this.config = {
      root: "/",
      setupFiles: [],
      passWithNoTests: true,
      allowOnly: true,
      testNamePattern: options.pattern === null ? undefined : patternOf(options.pattern),
      sequence: { hooks: "stack", setupFiles: "list", shuffle: false, seed: 0 },
      maxConcurrency: CONCURRENT_MAX,
      testTimeout: TEST_MS_MAX,
      hookTimeout: HOOK_MS_MAX,
      retry: 0,
      tags: [],
      diffOptions: { expand: false },
      clearMocks: false,
      mockReset: false,
      restoreMocks: false,
      unstubEnvs: false,
      unstubGlobals: false,
      ...JSON.parse(options.settings),
      ...(options.debugged ? { testTimeout: 0, hookTimeout: 0 } : {}),
    };
    watchResponses((made, asked) => {
      if (this.#open.size > 0) this.#responses.push([made, asked]);
    });
    const all = /** @type {any} */ (this.config);
    this.#settings = Object.fromEntries(SETTINGS.map((name) => [name, all[name]]));
  }

  /**
   * Changes settings of the run, until resetConfig().
   * @param {Record<string, any>} settings
   */
  setConfig(settings) {
    for (const name of Object.keys(settings)) {
      if (!SETTINGS.includes(name)) throw new Error(`vi.setConfig({ ${name} }) is not implemented in Stead yet.`);
    }
    Object.assign(this.config, settings);
  }

  resetConfig() {
    Object.assign(this.config, this.#settings);
  }

  /** What is undone before each test, if the settings say so. */
  #clearMocks() {
    const { clearMocks, mockReset, restoreMocks, unstubEnvs, unstubGlobals } = /** @type {any} */ (this.config);
    const { vi } = this.#parts;
    if (restoreMocks) vi.restoreAllMocks();
    if (mockReset) vi.resetAllMocks();
    if (clearMocks) vi.clearAllMocks();
    if (unstubEnvs) vi.unstubAllEnvs();
    if (unstubGlobals) vi.unstubAllGlobals();
  }

  /** Begins: from here on `describe` and `it` collect, and the rest waits for the module. */
  start() {
    this.#library.startTests([this.#options.path], this).then(
      () => tellEvent({ type: "done" }),
      (/** @type {any} */ error) => tellEvent({ type: "done", errors: [this.#library.processError(error)] }),
    );
  }

  /**
   * The module is evaluated: run.
   * @param {[string, () => unknown][]} tests those that it exports
   */
  loaded(tests) {
    this.#loaded.resolve(tests);
  }

  async importFile() {
    const tests = await this.#loaded.promise;
    for (const [name, run] of tests) this.#library.test(name, { timeout: EXPORTED_TEST_MS_MAX }, run);
  }

  /** @param {any[]} files */
  onCollected(files) {
    const tests = files.flatMap((file) => this.#testsOf(file, []));
    const errors = files.flatMap((file) => file.result?.errors ?? []);
    tellEvent({ type: "collected", tests, errors });
  }

  /**
   * @param {any} suite
   * @param {string[]} path
   * @returns {object[]}
   */
  #testsOf(suite, path) {
    return suite.tasks.flatMap((/** @type {any} */ task) => {
      const names = [...path, task.name];
      if (task.type === "suite") return this.#testsOf(task, names);
      return { id: task.id, path: names, mode: task.mode };
    });
  }

  /** @param {any} context */
  extendTaskContext(context) {
    const { makeExpect } = this.#parts;
    /** @type {any} */
    let own;
    Object.defineProperty(context, "expect", { get: () => (own ??= makeExpect(context.task)) });
    Object.defineProperty(context, "_local", { get: () => own !== undefined });
    return context;
  }

  /** @param {any} suite */
  async onBeforeRunSuite(suite) {
    if (suite === suite.file && suite.mode !== "skip") await this.#parts.snapshots.begin(suite);
    if (this.#isLevel(suite)) await ask({ ask: "push" });
  }

  /** @param {any} suite */
  async onAfterRunSuite(suite) {
    await this.#endOpen();
    if (suite === suite.file && suite.mode !== "skip") await this.#endSnapshots(suite);
    const { errors } = suite.result;
    if (errors?.length > 0) {
      this.#failed = true;
      tellEvent({ type: "suiteFailed", path: suite === suite.file ? [] : namesOf(suite), errors: errors.map(plainError) });
    }
    if (this.#isLevel(suite)) await ask({ ask: "pop", failed: false, name: "" });
  }

  /** @param {any} file */
  async #endSnapshots(file) {
    const { counts, error } = await this.#parts.snapshots.end(file);
    tellEvent({ type: "snapshots", ...counts });
    if (error === null) return;
    (file.result.errors ??= []).push(this.#library.processError(error));
    file.result.state = "fail";
  }

  /** Whether the suite's hooks write on a level of their own. The file's write on the ground. @param {any} suite */
  #isLevel(suite) {
    return suite !== suite.file && (suite.mode === "run" || suite.mode === "queued");
  }

  /** @param {any} test */
  async onBeforeRunTask(test) {
    if (!test.concurrent) await this.#endOpen();
    if (this.#failed && this.#options.bail) test.mode = "skip";
    if (test.mode !== "run" && test.mode !== "queued") {
      tellEvent({ type: "end", id: test.id, state: test.mode === "todo" ? "todo" : "skip", duration: "0", errors: [] });
      return;
    }
    const first = this.#open.size === 0;
    this.#open.add(test);
    if (first) {
      await ask({ ask: "push" });
      this.#newestTimer = newestVirtualTimer();
      this.#fakeBefore = this.#parts.fakeTimers.save();
    }
    tellEvent({ type: "start", id: test.id });
  }

  /** @param {any} test */
  onBeforeTryTask(test) {
    this.#clearMocks();
    const { expect, snapshots } = this.#parts;
    resetAssertions(this.#library, expect, namesOf(test).join(" > "), snapshots.beginTry(test));
  }

  /** Runs the body of a test; it also ends when nothing is left that could end it. @param {any} test */
  async runTask(test) {
    const { promise, reject } = Promise.withResolvers();
    this.#stalls.add(reject);
    op_test_tell({ tell: "watch", watched: true });
    try {
      await Promise.race([this.#library.getFn(test)(), promise]);
    } finally {
      this.#stalls.delete(reject);
      if (this.#stalls.size === 0) op_test_tell({ tell: "watch", watched: false });
    }
  }

  /**
   * What a test says of itself is shown among what it prints.
   * @param {any} _test
   * @param {{ type: string, message: string, attachment?: any }} annotation
   */
  onTestAnnotate(_test, annotation) {
    if (annotation.attachment !== undefined) throw new Error("annotate() with an attachment is not implemented in Stead yet.");
    console.info(`${annotation.type}: ${annotation.message}`);
    return annotation;
  }

  /** The library keeps it with the test. @param {any} _test @param {any} artifact */
  onTestArtifactRecord(_test, artifact) {
    return artifact;
  }

  /** @param {any} test */
  onAfterTryTask(test) {
    checkAssertions(test.context._local ? test.context.expect : this.#parts.expect);
  }

  /**
   * Nothing will happen any more by itself: ends the tests that wait.
   * @param {string} text what they wait for
   */
  stalled(text) {
    const error = new Error(text);
    error.name = "Stalled";
    error.stack = `Stalled: ${text}`;
    for (const reject of this.#stalls) reject(error);
  }

  /** @param {any} test */
  async onAfterRunTask(test) {
    await this.#end(test);
  }

  async onAfterRunFiles() {
    await this.#endOpen();
  }

  /** Ends tests that the runner has ended without a word, as one that skipped itself. */
  async #endOpen() {
    for (const test of this.#open) await this.#end(test);
  }

  /** A time limit that was reached says what was not done by then. @param {any[]} errors */
  async #explainTimeout(errors) {
    const late = errors.find(({ message }) => `${message}`.startsWith("Test timed out in "));
    if (late === undefined) return;
    const timers = virtualTimerCount();
    if (timers > 0) late.message += `\n  timers that go on: ${timers}`;
    late.message += await ask({ ask: "waits" });
  }

  /** @param {any} test */
  async #end(test) {
    if (!this.#open.delete(test)) return;
    const { state, duration = 0, errors = [], note } = test.result;
    const failed = state === "fail";
    let kept = null;
    /** @type {object[]} */
    let unread = [];
    if (failed) this.#failed = true;
    if (failed) await this.#explainTimeout(errors);
    if (this.#open.size === 0) {
      unread = this.#takeUnread();
      this.#parts.fakeTimers.useRealTimers();
      clearVirtualTimers(this.#newestTimer);
      kept = await ask({ ask: "pop", failed, name: namesOf(test).join(" > ") });
      this.#parts.fakeTimers.restore(this.#fakeBefore);
    }
    tellEvent({
      type: "end",
      id: test.id,
      state: failed ? "fail" : state === "pass" ? "pass" : "skip",
      duration: `${duration}`,
      errors: errors.map(plainError),
      note,
      kept,
      unread,
    });
  }

  /** The responses whose bodies nobody has read or cancelled. */
  #takeUnread() {
    const unread = this.#responses.filter(([made]) => !made.bodyUsed && made.body !== null && !made.body.locked);
    this.#responses = [];
    return unread.map(([{ url }, { stack }]) => ({ url, stack }));
  }
}

/** @param {any} task */
function namesOf(task) {
  const names = [];
  for (let one = task; one !== undefined && one !== one.file; one = one.suite) names.unshift(one.name);
  return names;
}

/** The parts of an error that are shown. @param {any} error @returns {object} */
function plainError(error) {
  const { name, message, stack, diff, cause } = error;
  return {
    name: name === undefined ? null : `${name}`,
    message: message === undefined ? `a value was thrown that is no Error: ${JSON.stringify(error)}` : `${message}`,
    stack: stack === undefined ? null : `${stack}`,
    diff: diff ?? null,
    cause: cause === undefined || cause === null || typeof cause !== "object" ? null : plainError(cause),
  };
}
