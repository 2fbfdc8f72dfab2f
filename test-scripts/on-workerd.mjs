// Runs conformance scripts on workerd, the reference runtime.
//
//   node test-scripts/on-workerd.mjs --modules DIR [--jobs N] [--date DATE] [--flag NAME]… [SCRIPT…]
//
// DIR is a node_modules directory that holds `workerd` and `esbuild`; the
// environment variable STEAD_MODULES may name it instead. Without scripts,
// every `conformance/*.test.ts` beside this file is run. Exits with 1 if a
// test failed or a script could not be run.
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { COMPATIBILITY_DATE, prepare, stem } from "./workerd.mjs";

const SCRIPT_MILLISECONDS_MAX = 60_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: "string", default: process.env.STEAD_MODULES ?? "node_modules" },
    jobs: { type: "string", default: "2" },
    date: { type: "string", default: COMPATIBILITY_DATE },
    flag: { type: "string", multiple: true, default: [] },
    verbose: { type: "boolean", default: false },
  },
});
const modules = resolve(options.modules);

function output(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, timeout: SCRIPT_MILLISECONDS_MAX, killSignal: "SIGKILL" });
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk));
    child.stderr.on("data", (chunk) => (text += chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, text }));
  });
}

async function run(script) {
  const name = stem(script);
  const directory = await mkdtemp(join(tmpdir(), `${name}-`));
  try {
    await prepare(modules, script, name, directory, undefined, options.date, options.flag);
    const { code, signal, text } = await output(join(modules, ".bin/workerd"), ["test", "config.capnp"], directory);
    const passed = text.match(/\[ PASS \]/g)?.length ?? 0;
    const failed = text.match(/\[ FAIL \]/g)?.length ?? 0;
    const ok = code === 0 && passed > 0;
    console.log(`${basename(script)}: ${passed} passed, ${failed} failed${signal ? ` (ended by ${signal})` : ""}`);
    if (!ok || options.verbose) console.log(text);
    return { passed, failed, ok };
  } catch (error) {
    console.log(`${basename(script)}: could not be run: ${error.message}`);
    return { passed: 0, failed: 0, ok: false };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const conformance = join(import.meta.dirname, "conformance");
const scripts = positionals.length
  ? positionals
  : (await readdir(conformance)).filter((f) => f.endsWith(".test.ts")).sort().map((f) => join(conformance, f));

const queue = [...scripts];
const results = [];
await Promise.all(
  Array.from({ length: Number(options.jobs) }, async () => {
    for (let script; (script = queue.shift()) !== undefined; ) results.push(await run(script));
  }),
);
const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
console.log(`${total("passed")} passed, ${total("failed")} failed in ${scripts.length} scripts`);
process.exit(results.every((result) => result.ok) ? 0 : 1);
