// Proves that Stead and workerd keep the same files: each reads what the other wrote, and writes on.
//
//   node test-scripts/state-exchange.mjs --modules DIR --stead BINARY
//
// DIR is a node_modules directory that holds `workerd` and `esbuild`.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { prepare } from "./workerd.mjs";

const { values: options } = parseArgs({ options: { modules: { type: "string" }, stead: { type: "string" } } });
const modules = resolve(options.modules);
const script = join(import.meta.dirname, "exchange.ts");

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

// Starts a server, runs `work` with its address, and stops it as its owner would.
async function serving(command, args, cwd, port, work) {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  try {
    const address = `http://127.0.0.1:${port}`;
    await answering(child, address);
    return await work(address);
  } finally {
    child.kill("SIGINT");
    await ended;
  }
}

async function answering(child, address) {
  for (let tries = 0; tries < 600 && child.exitCode === null; tries++) {
    try {
      await fetch(`${address}/?name=probe&mark=probe`, { method: "POST" });
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 20));
    }
  }
  throw new Error(`${child.spawnfile} does not answer`);
}

async function onWorkerd(directory, work) {
  const port = await freePort();
  await prepare(modules, script, "exchange", directory, `127.0.0.1:${port}`);
  return await serving(join(modules, ".bin/workerd"), ["serve", "config.capnp"], directory, port, work);
}

async function onStead(directory, work) {
  const port = await freePort();
  const args = ["run", script, "--state", join(directory, "storage"), "--port", `${port}`, "-q"];
  return await serving(resolve(options.stead), args, directory, port, work);
}

const write = (name, mark) => async (address) =>
  await (await fetch(`${address}/?name=${name}&mark=${mark}`, { method: "POST" })).json();
const read = (name) => async (address) => await (await fetch(`${address}/?name=${name}`)).json();

let passed = 0;
let failed = 0;
function check(sentence, found, expected) {
  const same = JSON.stringify(found) === JSON.stringify(expected);
  if (same) passed++;
  else failed++;
  console.log(`${same ? "ok" : "FAILED"}  ${sentence}`);
  if (!same) console.log("  found", found, "\n  expected", expected);
}

async function exchange(first, firstName, second, secondName) {
  const directory = await mkdtemp(join(tmpdir(), "exchange-"));
  try {
    const written = await first(directory, write("a", "one"));
    check(`${firstName} stores everything`, written.length, 2 + 15 + 1 + 4);
    check(`${secondName} reads what ${firstName} wrote`, await second(directory, read("a")), written);
    const both = await second(directory, write("a", "two"));
    check(`${secondName} writes on`, both.length, 2 + 16 + 2 + 8);
    check(`${firstName} reads what both wrote`, await first(directory, read("a")), both);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await exchange(onWorkerd, "workerd", onStead, "Stead");
await exchange(onStead, "Stead", onWorkerd, "workerd");
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
