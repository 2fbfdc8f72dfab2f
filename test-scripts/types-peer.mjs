// Has `stead types` and `wrangler types` declare the same projects, and compares the files.
//
//   node test-scripts/types-peer.mjs --stead PATH --modules NODE_MODULES [--only NAME] [--verbose]
//
// Needs the Node that wrangler needs. What differs on purpose is taken out of both, and said where.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    stead: { type: "string" },
    modules: { type: "string" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const CODE = `import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
export class Counter extends DurableObject {}
export class Admin extends WorkerEntrypoint {}
export default { fetch: () => new Response("hi") };
`;

const MISSING = {
  kv_namespaces: [{ binding: "KV", id: "1" }],
  r2_buckets: [{ binding: "R2", bucket_name: "bucket" }],
  d1_databases: [{ binding: "DB", database_id: "x", database_name: "y" }],
  queues: { producers: [{ binding: "Q", queue: "q" }] },
  vectorize: [{ binding: "VECTORS", index_name: "i" }],
  hyperdrive: [{ binding: "HYPERDRIVE", id: "x" }],
  send_email: [{ name: "MAIL" }],
  analytics_engine_datasets: [{ binding: "POINTS", dataset: "d" }],
  dispatch_namespaces: [{ binding: "DISPATCH", namespace: "n" }],
  mtls_certificates: [{ binding: "CERTIFICATE", certificate_id: "x" }],
  pipelines: [{ binding: "PIPE", pipeline: "p" }],
  secrets_store_secrets: [{ binding: "STORED", store_id: "s", secret_name: "n" }],
  ratelimits: [{ name: "LIMIT", namespace_id: "1", simple: { limit: 1, period: 10 } }],
  workflows: [
    { binding: "FLOW", name: "flow", class_name: "Flow" },
    { binding: "FAR", name: "far", class_name: "Flow", script_name: "far" },
  ],
  ai: { binding: "AI" },
  browser: { binding: "BROWSER" },
  images: { binding: "IMAGES" },
  version_metadata: { binding: "VERSION" },
};

/** Each project: its files, what both tools are told, and lines that only one of them may have. */
const PROJECTS = {
  variables: {
    "wrangler.jsonc": {
      name: "variables",
      main: "src/index.ts",
      compatibility_date: "2026-05-01",
      compatibility_flags: ["nodejs_compat"],
      vars: { GREETING: "hi", N: 3, YES: true, NOTHING: null, LIMITS: { max: 3, list: [1, "a", null] }, "odd-name": 'x"y' },
      durable_objects: {
        bindings: [
          { name: "COUNTER", class_name: "Counter" },
          { name: "LOST", class_name: "NoSuch" },
          { name: "ROOM", class_name: "Room", script_name: "other" },
        ],
      },
      migrations: [{ tag: "v1", new_sqlite_classes: ["Counter", "Old"] }, { tag: "v2", deleted_classes: ["Old"] }],
      services: [
        { binding: "SELF", service: "variables" },
        { binding: "ADMIN", service: "variables", entrypoint: "Admin" },
        { binding: "NO_SUCH", service: "variables", entrypoint: "NoSuch" },
        { binding: "OTHER", service: "other" },
        { binding: "FOO", service: "other", entrypoint: "Foo" },
      ],
      assets: { directory: "public", binding: "ASSETS" },
    },
    ".dev.vars": "SECRET=hush\nGREETING=over\n",
    "src/index.ts": CODE,
    "public/index.html": "",
  },
  environments: {
    "wrangler.jsonc": {
      name: "environments",
      main: "./index.js",
      compatibility_date: "2026-05-01",
      vars: { A: "top", B: 1, SAME: "same" },
      durable_objects: { bindings: [{ name: "COUNTER", class_name: "Counter" }] },
      migrations: [{ tag: "v1", new_sqlite_classes: ["Counter"] }],
      kv_namespaces: [{ binding: "KV", id: "1" }],
      assets: { directory: "public", binding: "ASSETS" },
      env: {
        staging: {
          vars: { A: "staging", ONLY: "here", SAME: "same" },
          durable_objects: { bindings: [{ name: "COUNTER", class_name: "Counter" }] },
          rules: [{ type: "Data", globs: ["**/*.md"] }],
        },
        "more-of_it": { vars: { SAME: "same" } },
      },
    },
    ".env": "TOKEN=1\n",
    "index.js": CODE,
    "public/index.html": "",
  },
  chosen: {
    args: ["--env", "staging"],
    "wrangler.toml": `name = "chosen"
main = "src/worker.mts"
compatibility_date = "2024-09-23"
compatibility_flags = ["nodejs_compat", "nodejs_compat_populate_process_env"]
[vars]
A = "top"
[env.staging.vars]
A = "staging"
B = 1.5
[[env.staging.services]]
binding = "SELF"
service = "chosen-staging"
`,
    ".dev.vars.staging": "SECRET=1\n",
    ".dev.vars": "OTHER=1\n",
    "src/worker.mts": CODE,
  },
  missing: {
    "wrangler.json": {
      name: "missing",
      main: "src/index.ts",
      compatibility_date: "2026-05-01",
      exports: { Counter: { type: "durable-object", storage: "sqlite" } },
      secrets: { required: ["API_KEY"] },
      rules: [
        { type: "Text", globs: ["**/*.md", "docs/**/*.page"], fallthrough: true },
        { type: "Data", globs: ["**/*.dat"] },
        { type: "Text", globs: ["docs/*.dat"], fallthrough: false },
        { type: "CompiledWasm", globs: ["**/*.wasm"] },
      ],
      ...MISSING,
    },
    ".dev.vars": "NOT_DECLARED=1\n",
    "src/index.ts": CODE,
  },
  files: {
    "wrangler.jsonc": { name: "files", compatibility_date: "2026-05-01", assets: { directory: "public" } },
    "public/index.html": "",
  },
  script: {
    "wrangler.jsonc": {
      name: "script",
      main: "src/index.js",
      compatibility_date: "2024-01-01",
      vars: { X: "1" },
      kv_namespaces: [{ binding: "KV", id: "1" }],
    },
    "src/index.js": 'addEventListener("fetch", (event) => event.respondWith(new Response("hi")));',
  },
};

/** The declarations without the lines that name their tool. */
function declared(folder) {
  const text = readFileSync(join(folder, "worker-configuration.d.ts"), "utf8");
  const lines = text.split("\n").filter((line) => !/^\/\/ (Generated by Wrangler|Written by)/.test(line));
  return lines.join("\n").trim();
}

function run(command, args, folder) {
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" };
  const ended = spawnSync(command, args, { cwd: folder, env, encoding: "utf8", timeout: 120_000 });
  if (ended.status !== 0) throw new Error(`${command} ${args.join(" ")}\n${ended.stdout}${ended.stderr}`);
}

const root = mkdtempSync(join(tmpdir(), "stead-types-"));
let failed = 0;
for (const [name, { args = [], ...files }] of Object.entries(PROJECTS)) {
  if (options.only !== undefined && options.only !== name) continue;
  const folder = join(root, name);
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  }
  const wrangler = join(options.modules, "wrangler/bin/wrangler.js");
  run(process.execPath, [wrangler, "types", "--include-runtime=false", ...args], folder);
  const expected = declared(folder);
  rmSync(join(folder, "worker-configuration.d.ts"));
  run(options.stead, ["types", ...args], folder);
  const found = declared(folder);
  const same = found === expected;
  if (!same) failed += 1;
  console.log(`${same ? "ok    " : "DIFFER"}  ${name}`);
  if (options.verbose || !same) console.log(`--- wrangler\n${expected}\n--- stead\n${found}\n`);
}
rmSync(root, { recursive: true });
console.log(failed === 0 ? "the declarations are the same" : `${failed} projects differ`);
process.exitCode = failed === 0 ? 0 : 1;
