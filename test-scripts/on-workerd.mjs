// Runs conformance scripts on workerd, the reference runtime.
//
//   node test-scripts/on-workerd.mjs --modules DIR [--jobs N] [SCRIPT…]
//
// DIR is a node_modules directory that holds `workerd` and `esbuild`; the
// environment variable STEAD_MODULES may name it instead. Without scripts,
// every `conformance/*.test.ts` beside this file is run. Exits with 1 if a
// test failed or a script could not be run.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const COMPATIBILITY_DATE = "2026-11-01";
const SCRIPT_MILLISECONDS_MAX = 60_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: "string", default: process.env.STEAD_MODULES ?? "node_modules" },
    jobs: { type: "string", default: "2" },
    verbose: { type: "boolean", default: false },
  },
});
const modules = resolve(options.modules);
const esbuild = createRequire(join(modules, "x.js"))("esbuild");

// `ChatRoom` → `CHAT_ROOM`
function screamingSnake(name) {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2").toUpperCase();
}

// `dir/async-kv.test.ts` → `async-kv`
function stem(script) {
  return basename(script).split(".")[0];
}

// The exported classes that extend DurableObject, directly or through another
// class of the bundle. esbuild writes a class as `class A extends B` or as
// `var A = class … extends B`, and may number the name of an import.
function objectClasses(source, exported) {
  const parents = new Map();
  for (const [, variable, name, parent] of source.matchAll(/(?:(\w+) = )?class(?: (\w+))? extends ([\w.]+)/g)) {
    parents.set(variable ?? name, parent);
  }
  const extendsDurableObject = (name) => {
    const parent = parents.get(name);
    return parent !== undefined && (/^DurableObject\d*$/.test(parent) || extendsDurableObject(parent));
  };
  return exported.filter(extendsDurableObject);
}

function capnp(name, classes) {
  const namespaces = classes.map((c) => `    (className = "${c}", uniqueKey = "${name}-${c}", enableSql = true),`);
  const bindings = classes.flatMap((c) =>
    [...new Set([c, screamingSnake(c)])].map((b) => `    (name = "${b}", durableObjectNamespace = "${c}"),`),
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "${name}", worker = .script), (name = "disk", disk = .disk)]);
const disk :Workerd.DiskDirectory = (path = "storage", writable = true);
const script :Workerd.Worker = (
  modules = [(name = "script.js", esModule = embed "script.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  durableObjectNamespaces = [
${namespaces.join("\n")}
  ],
  bindings = [
${bindings.join("\n")}
  ],
  ${classes.length ? 'durableObjectStorage = (localDisk = "disk"),' : ""}
);
`;
}

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
    const { metafile } = await esbuild.build({
      entryPoints: [script],
      outfile: join(directory, "script.js"),
      bundle: true,
      format: "esm",
      target: "es2024",
      external: ["cloudflare:*"],
      metafile: true,
      logLevel: "silent",
    });
    const [built] = Object.values(metafile.outputs);
    const classes = objectClasses(await readFile(join(directory, "script.js"), "utf8"), built.exports);
    await writeFile(join(directory, "config.capnp"), capnp(name, classes));
    await mkdir(join(directory, "storage"));
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
