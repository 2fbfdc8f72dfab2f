// Measures `stead dev` beside `wrangler dev`: the same project with one object class, in the same run.
//
//   node benches/dev.mjs --stead PATH [--modules NODE_MODULES] [--rounds N]
//
// Without --modules, only Stead is measured. Printed as a table: medians of the rounds.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    stead: { type: "string" },
    modules: { type: "string" },
    rounds: { type: "string", default: "5" },
  },
});
const rounds = Number(options.rounds);

const CONFIG = `{
  "name": "bench", "main": "src/index.ts", "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "COUNTER", "class_name": "Counter" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Counter"] }]
}`;
const CODE = (version) => `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject<unknown> {
  async add() {
    const n = ((await this.ctx.storage.get<number>("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }
}
export default {
  async fetch(_request: Request, env: { COUNTER: DurableObjectNamespace<Counter> }) {
    return new Response("${version} " + (await env.COUNTER.getByName("a").add()));
  },
};
`;

function project() {
  const folder = mkdtempSync(join(tmpdir(), "stead-bench-dev-"));
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "wrangler.jsonc"), CONFIG);
  writeFileSync(join(folder, "src/index.ts"), CODE(0));
  return folder;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks until the answer begins with `version`; the time since `begin` in milliseconds. */
async function until(port, version, begin) {
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5000) });
      if ((await response.text()).startsWith(`${version} `)) return performance.now() - begin;
    } catch {
      // Not there yet.
    }
    if (performance.now() - begin > 60_000) throw new Error(`no answer of version ${version}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The resident memory of a process and all its children, in megabytes. */
function memory(root) {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It has ended.
    }
  }
  const family = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (family.has(parent) && !family.has(pid)) grown = !!family.add(pid);
    }
  }
  let bytes = 0;
  for (const pid of family) {
    try {
      const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [0, 0];
      bytes += Number(kilobytes) * 1024;
    } catch {
      // It has ended.
    }
  }
  return bytes / 1e6;
}

async function measure(command, args) {
  const result = { cold: 0, warm: [], save: [], memory: 0 };
  const folder = project();
  for (let round = 0; round < rounds; round++) {
    const port = await freePort();
    const begin = performance.now();
    const child = spawn(command, [...args, "--port", String(port)], {
      cwd: folder,
      stdio: "ignore",
      env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" },
    });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const first = await until(port, round === 0 ? 0 : `${round - 1}x`, begin);
    if (round === 0) result.cold = first;
    else result.warm.push(first);
    const saved = performance.now();
    writeFileSync(join(folder, "src/index.ts"), CODE(`${round}x`));
    result.save.push(await until(port, `${round}x`, saved));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    result.memory = Math.max(result.memory, memory(child.pid));
    child.kill("SIGINT");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
  return result;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const rows = [];
const add = (name, { cold, warm, save, memory }) =>
  rows.push([name, `${cold.toFixed(0)} ms`, `${median(warm).toFixed(0)} ms`, `${median(save).toFixed(0)} ms`, `${memory.toFixed(0)} MB`]);
add("stead dev", await measure(options.stead, ["dev"]));
if (options.modules !== undefined) {
  const wrangler = join(options.modules, "wrangler");
  const { version } = JSON.parse(readFileSync(join(wrangler, "package.json"), "utf8"));
  add(`wrangler dev ${version}`, await measure(process.execPath, [join(wrangler, "bin/wrangler.js"), "dev"]));
}
console.log(`| | first answer, first start | first answer, later starts | save to new answer | memory |`);
console.log(`|---|---|---|---|---|`);
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
