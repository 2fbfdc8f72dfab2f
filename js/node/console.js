// @ts-check

// The module `node:console`: the global console, and consoles that write to streams of Node.
// https://nodejs.org/api/console.html

import { formatWithOptions } from "node:util";
import { coded } from "./errors.js";

const platform = globalThis.console;

/** @this {any} @param {any} options @param {any} [stderr] */
export function Console(options, stderr) {
  if (!new.target) return new /** @type {any} */ (Console)(options, stderr);
  const { stdout, stderr: errors = stderr ?? stdout } = typeof options?.write === "function" ? { stdout: options } : options ?? {};
  if (typeof stdout?.write !== "function") throw coded(TypeError, "ERR_CONSOLE_WRITABLE_STREAM", "Console expects a writable stream instance for stdout");
  if (typeof errors?.write !== "function") throw coded(TypeError, "ERR_CONSOLE_WRITABLE_STREAM", "Console expects a writable stream instance for stderr");
  const line = (/** @type {any} */ stream) => (/** @type {any[]} */ ...args) => void stream.write(`${formatWithOptions({}, ...args)}\n`);
  const [out, err] = [line(stdout), line(errors)];
  Object.assign(this, {
    log: out, info: out, debug: out, dirxml: out, error: err, warn: err,
    dir: (/** @type {any} */ value) => out(value),
    trace: (/** @type {any[]} */ ...args) => err(`Trace: ${formatWithOptions({}, ...args)}`),
    assert: (/** @type {any} */ value, /** @type {any[]} */ ...args) => {
      if (!value) err(args.length === 0 ? "Assertion failed" : `Assertion failed: ${formatWithOptions({}, ...args)}`);
    },
  });
}

/** @type {any} */
const all = Object.assign(Object.create(Object.getPrototypeOf(platform)), platform, { Console });
export const {
  assert, clear, context, count, countReset, createTask, debug, dir, dirxml, error, group, groupCollapsed, groupEnd, info,
  log, profile, profileEnd, table, time, timeEnd, timeLog, timeStamp, trace, warn,
} = all;
export default all;
