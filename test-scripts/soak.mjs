// Loads a built `stead` with everything at once for a while, and says whether its memory stays flat.
//
//   node --experimental-websocket test-scripts/soak.mjs --stead PATH [--minutes N] [--rooms N] [--pause N]
//
// Clients pause N times as long between what they do (default 1), for a machine that has other things to do.
//
// HTTP requests, calls between objects, WebSockets that come and go, alarms, resets, evictions, and now and then new
// code (SIGHUP). Prints the resident memory every ten seconds. Exits with 1 if it grew, or if anything went wrong.
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    stead: { type: "string" },
    minutes: { type: "string", default: "30" },
    rooms: { type: "string", default: "400" },
    clients: { type: "string", default: "60" },
    pause: { type: "string", default: "1" },
  },
});
const SAMPLE_MS = 10_000;
// Growth from the second quarter to the last that still counts as flat.
const GROWTH_MIB_MAX = 16;

const milliseconds = Number(options.minutes) * 60_000;
const rooms = Number(options.rooms);
const pause = Number(options.pause);
const directory = await mkdtemp(join(tmpdir(), "stead-soak-"));
const file = join(directory, "soak.ts");
await copyFile(join(import.meta.dirname, "soak.ts"), file);
const server = spawn(
  options.stead,
  ["run", file, "--state", join(directory, "state"), "--port", "0", "--log-format", "json"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const done = { requests: 0, calls: 0, messages: 0, sockets: 0, resets: 0, reloads: 0 };
// Answers that came with 500 because the object was reset meanwhile; anything else is wrong.
const not = { ok: 0 };
const wrong = [];
// The first few of the answers with 500, and how often the server told what. A worker's client hears nothing of the
// reason, which is in the log.
const FAILED_SHOWN = 5;
const failed = [];
const told = new Map();
const address = await new Promise((resolve, reject) => {
  server.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  createInterface({ input: server.stdout }).on("line", (line) => {
    const { type, url, text } = JSON.parse(line);
    if (type === "ready") resolve(url);
    if (type !== "error") return;
    wrong.push(text);
    const [first] = text.split("\n");
    told.set(first, (told.get(first) ?? 0) + 1);
  });
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const room = () => `room-${Math.floor(Math.random() ** 2 * rooms)}`;
const end = Date.now() + milliseconds;
const running = () => Date.now() < end;

async function requests() {
  while (running()) {
    try {
      const body = "x".repeat(Math.floor(Math.random() * 20_000));
      const put = Math.random() < 0.3;
      const path = room();
      const begun = Date.now();
      const response = await fetch(`${address}/${path}`, put ? { method: "PUT" } : { method: "POST", body });
      const text = await response.text();
      if (response.status === 500) {
        not.ok++;
        const at = new Date(begun).toISOString();
        if (failed.length < FAILED_SHOWN) failed.push(`${at} ${put ? "PUT" : "POST"} ${path}, ${Date.now() - begun} ms: ${text}`);
      }
      else if (!response.ok) wrong.push(`status ${response.status}`);
      if (put) done.calls++;
      else done.requests++;
    } catch (error) {
      wrong.push(`a request was not answered: ${error.cause ?? error}`);
    }
    await sleep(Math.random() * 20 * pause);
  }
}

async function sockets() {
  while (running()) {
    const ws = new WebSocket(`${address.replace("http", "ws")}/${room()}`);
    ws.binaryType = "arraybuffer";
    await new Promise((resolve) => {
      let left = Math.floor(Math.random() * 30);
      ws.onopen = () => {
        done.sockets++;
        ws.send("hello");
      };
      ws.onmessage = async () => {
        done.messages++;
        if (left-- <= 0 || !running()) return ws.close(1000, "enough");
        // Some are silent for so long that their object leaves memory.
        await sleep(Math.random() < 0.02 ? 15_000 : Math.random() * 300 * pause);
        if (ws.readyState !== 1) return;
        const dice = Math.random();
        if (dice < 0.3) ws.send("ping");
        else if (dice < 0.4) ws.send(new Uint8Array(Math.random() * 50_000));
        else if (dice < 0.45) ws.send("all");
        else if (dice < 0.453) {
          done.resets++;
          ws.send("abort");
        } else ws.send("hello");
      };
      ws.onclose = resolve;
      ws.onerror = resolve;
    });
    await sleep(Math.random() * 200);
  }
}

async function reloads() {
  while (running()) {
    await sleep(20_000);
    server.kill("SIGHUP");
    done.reloads++;
  }
}

async function residentMiB() {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  return Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

const samples = [];
async function sampling() {
  const begun = Date.now();
  while (running()) {
    await sleep(Math.min(SAMPLE_MS, milliseconds / 20));
    samples.push(await residentMiB());
    const seconds = String(Math.round((Date.now() - begun) / 1000)).padStart(5);
    console.log(`${seconds} s  ${samples.at(-1).toFixed(1)} MiB  ${JSON.stringify({ ...done, not })}`);
  }
}

const clients = Number(options.clients);
await Promise.all([
  ...Array.from({ length: clients / 3 }, requests),
  ...Array.from({ length: (clients * 2) / 3 }, sockets),
  reloads(),
  sampling(),
]);
server.removeAllListeners("exit");
const exited = new Promise((resolve) => server.on("exit", resolve));
server.kill("SIGINT");
const code = await exited;
await rm(directory, { recursive: true, force: true });

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const quarter = Math.floor(samples.length / 4);
const early = median(samples.slice(quarter, 2 * quarter));
const late = median(samples.slice(-quarter));
const flat = late - early < GROWTH_MIB_MAX;
console.log(`second quarter ${early.toFixed(1)} MiB, last quarter ${late.toFixed(1)} MiB: ${flat ? "flat" : "NOT FLAT"}`);
for (const line of failed) console.log(`answered with 500: ${line}`);
for (const [text, count] of told) console.log(`told ${count} times: ${text}`);
const unexpected = wrong.filter((text) => !/on purpose/.test(text));
if (unexpected.length > 0) console.log("unexpected:", [...new Set(unexpected)].slice(0, 10));
if (code !== 0) console.log(`the server ended with ${code}`);
process.exit(flat && code === 0 && unexpected.length === 0 ? 0 : 1);
