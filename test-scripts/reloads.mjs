// Saves a project again and again under `stead dev`, with sockets open, and watches the memory.
//
//   node --experimental-websocket test-scripts/reloads.mjs --stead BINARY [--saves 1000] [--sockets 20]
//
// Fails if the process grows by more than a tenth, or 16 MB, between a tenth of the saves and the last one, or if a socket
// or what is stored did not live through all of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    stead: { type: "string" },
    saves: { type: "string", default: "1000" },
    sockets: { type: "string", default: "20" },
  },
});
const saves = Number(options.saves);

const CONFIG = `{
  "name": "saved", "main": "index.ts", "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }]
}`;

const code = (version) => `
import { DurableObject } from "cloudflare:workers";
const ballast = new Array(100_000).fill(${version});
export class Room extends DurableObject {
  fetch() {
    const [ours, theirs] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(ours);
    return new Response(null, { status: 101, webSocket: theirs });
  }
  async webSocketMessage(socket, text) {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    socket.send(JSON.stringify([ballast[0], n, text]));
  }
}
export default {
  fetch(request: Request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/version") return new Response("${version}");
    return env.ROOM.getByName(pathname).fetch(request);
  },
};
`;

const project = await mkdtemp(join(tmpdir(), "stead-reloads-"));
const write = (version) => writeFile(join(project, "index.ts"), code(version));
await writeFile(join(project, "wrangler.jsonc"), CONFIG);
await write(0);
const child = spawn(resolve(options.stead), ["dev", "--port", "0", "--log-format", "json"], {
  cwd: project,
  stdio: ["ignore", "pipe", "inherit"],
});

// The lines of the log, and who waits for one.
let waiting = [];
createInterface({ input: child.stdout }).on("line", (text) => {
  const line = JSON.parse(text);
  if (line.type === "problem" || line.type === "error") console.log(text);
  waiting = waiting.filter(({ wanted, resolve }) => !wanted(line) || void resolve(line));
});
const logged = (wanted) => new Promise((resolve) => waiting.push({ wanted, resolve }));

async function residentBytes() {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
}
const threads = async () => /Threads:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))[1];
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

let failed = false;
function check(sentence, is) {
  if (!is) failed = true;
  console.log(`${is ? "ok" : "FAILED"}  ${sentence}`);
}

try {
  const { url } = await logged((line) => line.type === "ready");
  const sockets = [];
  for (let i = 0; i < Number(options.sockets); i++) {
    const socket = new WebSocket(`${url.replace("http", "ws")}/room-${i}`);
    await new Promise((open, fail) => {
      socket.addEventListener("open", open);
      socket.addEventListener("error", fail);
    });
    sockets.push(socket);
  }
  const message = (socket, text) =>
    new Promise((done) => {
      socket.addEventListener("message", ({ data }) => done(JSON.parse(data)), { once: true });
      socket.send(text);
    });
  let early = 0;
  for (let version = 1; version <= saves; version++) {
    const reloaded = logged((line) => line.type === "note" && line.text.startsWith("reloaded in "));
    await write(version);
    await reloaded;
    const answers = await Promise.all(sockets.map((socket) => message(socket, "hello")));
    // The code before may answer what comes while it hands its sockets over.
    const isRight = ([from, n]) => n === version && (from === version || from === version - 1);
    if (!answers.every(isRight) || (await (await fetch(`${url}/version`)).text()) !== `${version}`) {
      check(`version ${version} answers: ${JSON.stringify(answers)}`, false);
      break;
    }
    if (version % Math.ceil(saves / 10) === 0) {
      const bytes = await residentBytes();
      if (early === 0) early = bytes;
      console.log(`    after ${version} saves: ${megabytes(bytes)}, ${await threads()} threads`);
    }
  }
  const last = await residentBytes();
  check("every socket stayed open", sockets.every((socket) => socket.readyState === WebSocket.OPEN));
  const allowed = Math.max(early * 1.1, early + 16 * 2 ** 20);
  check(`memory stays: ${megabytes(early)} early, ${megabytes(last)} at the end`, last <= allowed);
} finally {
  child.kill("SIGINT");
  await once(child, "exit");
  await rm(project, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
