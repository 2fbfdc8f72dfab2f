// Proves that a project goes on with what `wrangler dev` stored: with a copy of it, made by `stead import --wrangler`,
// and with the files themselves, by `--state`.
//
//   node test-scripts/wrangler-import.mjs --modules DIR --stead BINARY
//
// DIR is a node_modules directory that holds `wrangler`.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { modules: { type: "string" }, stead: { type: "string" } } });
const stead = resolve(options.stead);
const wrangler = join(resolve(options.modules), "wrangler/bin/wrangler.js");
// Far enough that it does not ring meanwhile.
const DAY_MS = 86_400_000;

const CONFIG = `{
  "name": "shop", "main": "index.js", "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "CART", "class_name": "Cart" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Cart"] }]
}`;

const CODE = `
import { DurableObject } from "cloudflare:workers";
export class Cart extends DurableObject {
  async add(item) {
    const { storage } = this.ctx;
    storage.sql.exec("CREATE TABLE IF NOT EXISTS items (name TEXT, at BLOB)");
    storage.sql.exec("INSERT INTO items VALUES (?, ?)", item, new Uint8Array([1, 2, 255]));
    const seen = (await storage.get("seen")) ?? new Map();
    await storage.put("seen", seen.set(item, new Date(seen.size)));
    if ((await storage.getAlarm()) === null) await storage.setAlarm(${Date.now() + DAY_MS});
  }
  async alarm() {}
  async look() {
    const { storage } = this.ctx;
    const rows = storage.sql.exec("SELECT name, hex(at) AS at FROM items").toArray();
    const seen = [...(await storage.get("seen"))].map(([name, date]) => [name, date.getTime()]);
    return { rows, seen, alarm: await storage.getAlarm(), id: this.ctx.id.toString() };
  }
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const cart = env.CART.getByName(url.pathname.slice(1));
    const item = url.searchParams.get("add");
    if (item) await cart.add(item);
    return Response.json(await cart.look());
  },
};
`;

let failed = 0;
function check(sentence, found, expected) {
  const same = JSON.stringify(found) === JSON.stringify(expected);
  if (!same) failed++;
  console.log(`${same ? "ok" : "FAILED"}  ${sentence}`);
  if (!same) console.log("  found", JSON.stringify(found), "\n  expected", JSON.stringify(expected));
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

// Starts a server in the project, runs `work` with its address, and stops it as its owner would.
async function serving(command, args, cwd, work) {
  const port = await freePort();
  const env = { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" };
  const child = spawn(command, [...args, "--port", `${port}`], { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  try {
    for (let tries = 0; ; tries++) {
      try {
        await fetch(`http://127.0.0.1:${port}/probe?add=probe`);
        break;
      } catch (error) {
        if (tries === 1200 || child.exitCode !== null) throw error;
        await new Promise((done) => setTimeout(done, 50));
      }
    }
    return await work(async (path) => await (await fetch(`http://127.0.0.1:${port}${path}`)).json());
  } finally {
    child.kill("SIGINT");
    await ended;
  }
}

const project = await mkdtemp(join(tmpdir(), "stead-wrangler-"));
try {
  await writeFile(join(project, "wrangler.jsonc"), CONFIG);
  await writeFile(join(project, "index.js"), CODE);
  const stored = await serving(process.execPath, [wrangler, "dev"], project, async (get) => {
    await get("/ann?add=tea");
    await get("/ben?add=milk");
    return [await get("/ann?add=figs"), await get("/ben")];
  });
  check("wrangler has stored something", stored[0].rows.length, 2);

  const imported = spawnSync(stead, ["import", "--wrangler"], { cwd: project, encoding: "utf8" });
  check("the import succeeds", [imported.status, imported.stderr], [0, ""]);
  const look = async (get) => [await get("/ann"), await get("/ben")];
  const dev = (...args) => ["dev", "-q", ...args];
  check("the project goes on with a copy", await serving(stead, dev(), project, look), stored);

  const again = spawnSync(stead, ["import", "--wrangler"], { cwd: project, encoding: "utf8" });
  check("a second import leaves alone what is there", /3 .*there already/.test(again.stdout), true);

  const files = ".wrangler/state/v3/do";
  check("it goes on with the files themselves", await serving(stead, dev("--state", files), project, look), stored);
  const more = await serving(stead, dev("--state", files), project, (get) => get("/ann?add=rice"));
  const back = await serving(process.execPath, [wrangler, "dev"], project, (get) => get("/ann"));
  check("and wrangler with what was written then", back, more);
} finally {
  await rm(project, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
