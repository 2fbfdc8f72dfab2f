// Runs the sample projects on `stead dev`: each is started, asked what its requests.json says, driven by the clients of
// its drive.mjs if it has one, and stopped.
//
//   node --experimental-websocket test-scripts/projects.mjs --stead PATH --folder DIR [NAME...]
//
// DIR is a copy of test-scripts/projects in which the packages are installed.
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  options: { stead: { type: "string" }, folder: { type: "string" } },
  allowPositionals: true,
});
const source = join(dirname(fileURLToPath(import.meta.url)), "projects");
cpSync(source, options.folder, { recursive: true });

/** How long the clients of a project may take. */
const DRIVE_MS = 30_000;

/** Lets the project's own clients in, which find their packages beside it. */
async function drive(folder, url) {
  const script = join(folder, "drive.mjs");
  if (!existsSync(script)) return;
  const { default: clients } = await import(pathToFileURL(script));
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("drive.mjs did not end in time")), DRIVE_MS);
  });
  await Promise.race([clients(url), late]).finally(() => clearTimeout(timer));
}

/** Starts the project; its address. */
function start(folder) {
  const args = ["dev", folder, "--port", "0", "--log-format", "json"];
  const child = spawn(options.stead, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ready = new Promise((resolve, reject) => {
    let rest = "";
    let failure = "it ended";
    child.stdout.on("data", (data) => {
      const lines = (rest + data).split("\n");
      rest = lines.pop();
      for (const line of lines.map((line) => JSON.parse(line))) {
        if (line.type === "ready") resolve(line.url);
        if (line.type === "problem" || line.type === "error") failure = JSON.stringify(line);
      }
    });
    child.on("exit", () => reject(new Error(failure)));
  });
  return { child, ready };
}

async function run(name) {
  const folder = join(options.folder, name);
  rmSync(join(folder, ".stead"), { recursive: true, force: true });
  const { child, ready } = start(folder);
  try {
    const url = await ready;
    for (const { method, path, body, status, text } of JSON.parse(readFileSync(join(folder, "requests.json"), "utf8"))) {
      const headers = body === undefined ? {} : { "content-type": "application/json" };
      const response = await fetch(url + path, { method, headers, body });
      const found = { status: response.status, text: await response.text() };
      if (found.status !== status || found.text !== text) {
        throw new Error(`${method} ${path}: expected ${status} ${text}, found ${found.status} ${found.text}`);
      }
    }
    await drive(folder, url);
  } finally {
    child.kill("SIGINT");
  }
}

const names = positionals.length > 0 ? positionals : readdirSync(source);
const projects = names.filter((name) => existsSync(join(source, name, "wrangler.jsonc")));
let failed = 0;
for (const name of projects) {
  const begun = performance.now();
  try {
    await run(name);
    console.log(`ok      ${name.padEnd(16)} ${Math.round(performance.now() - begun)} ms`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}
console.log(`${projects.length} projects, ${failed === 0 ? "all work" : `${failed} failed`}`);
// Clients that wait to connect again would keep this process.
process.exit(failed === 0 ? 0 : 1);
