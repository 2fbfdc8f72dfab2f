// Opens a project of `stead dev` in a real browser: a page from its static files, a WebSocket to an object, the page that
// a broken save shows, and what the next good save brings back.
//
//   node --experimental-websocket test-scripts/browser.mjs --stead PATH [--chromium PATH] [--screenshots FOLDER]
//
// Without a browser it says so and ends well.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: { stead: { type: "string" }, chromium: { type: "string" }, screenshots: { type: "string" } },
});
const DEADLINE_MS = 30_000;

const chromium = options.chromium ?? ["chromium", "chromium-browser", "google-chrome"].flatMap((name) =>
  process.env.PATH.split(":").map((folder) => join(folder, name)),
).find(existsSync);
if (!chromium) {
  console.log("skipped: there is no chromium here (Debian: apt-get install chromium)");
  process.exit(0);
}

const CONFIG = {
  name: "browsed",
  main: "src/index.ts",
  compatibility_date: "2026-01-01",
  assets: { directory: "public", binding: "ASSETS" },
  durable_objects: { bindings: [{ name: "ROOM", class_name: "Room" }] },
  migrations: [{ tag: "v1", new_sqlite_classes: ["Room"] }],
};
const PAGE = `<!doctype html><title>room</title><link rel="stylesheet" href="/style.css">
<h1>The room</h1><p id="status">opening</p><script type="module" src="/app.js"></script>`;
const SCRIPT = `const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/socket");
const status = document.getElementById("status");
socket.onopen = () => socket.send("hello");
socket.onmessage = (event) => { status.textContent = event.data; };
socket.onclose = () => { status.textContent += " (closed)"; };`;
const code = (greeting) => `import { DurableObject } from "cloudflare:workers";

type Env = { ROOM: DurableObjectNamespace<Room> };

export class Room extends DurableObject {
  override async fetch(): Promise<Response> {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, message: string): Promise<void> {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    socket.send("${greeting} " + count + ": " + message);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname === "/throws") throw new Error("thrown on purpose");
    return env.ROOM.getByName("hall").fetch(request);
  },
};
`;

const stops = [];

/** A process that ends with this one. */
function start(command, args, folder) {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  stops.push(async () => {
    child.kill("SIGINT");
    await ended;
  });
  return child;
}

/** The first line of a stream that `wanted` makes something of. */
function line(stream, wanted) {
  return new Promise((resolve, reject) => {
    createInterface({ input: stream }).on("line", (text) => {
      const found = wanted(text);
      if (found) resolve(found);
    }).on("close", () => reject(new Error("the process ended")));
  });
}

/** A tab of the browser. */
class Tab {
  #socket;
  #waiting = new Map();
  #last = 0;

  static async open(address) {
    const { port } = new URL(address);
    const response = await fetch(`http://127.0.0.1:${port}/json/new?about:blank`, { method: "PUT" });
    const tab = new Tab();
    tab.#socket = new WebSocket((await response.json()).webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      tab.#socket.onopen = resolve;
      tab.#socket.onerror = reject;
    });
    tab.#socket.onmessage = ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const settle = tab.#waiting.get(id);
      if (settle) error ? settle.reject(new Error(error.message)) : settle.resolve(result);
      tab.#waiting.delete(id);
    };
    return tab;
  }

  ask(method, params = {}) {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  go(url) {
    return this.ask("Page.navigate", { url });
  }

  /** What the person reads. */
  async text() {
    const { result } = await this.ask("Runtime.evaluate", { expression: "document.body?.innerText ?? ''" });
    return String(result.value);
  }

  /** Waits until the person reads all of `texts`. */
  async shows(...texts) {
    let last = "";
    for (const begin = performance.now(); performance.now() - begin < DEADLINE_MS; ) {
      last = await this.text().catch(() => "");
      if (texts.every((text) => last.includes(text))) return last;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`the browser does not show ${JSON.stringify(texts)} but:\n${last}`);
  }

  async picture(name) {
    if (!options.screenshots) return;
    mkdirSync(options.screenshots, { recursive: true });
    const { data } = await this.ask("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(options.screenshots, `${name}.png`), Buffer.from(data, "base64"));
  }
}

async function run(folder) {
  mkdirSync(join(folder, "project/src"), { recursive: true });
  mkdirSync(join(folder, "project/public"));
  const write = (name, text) => writeFileSync(join(folder, "project", name), text);
  write("wrangler.json", JSON.stringify(CONFIG));
  write("public/index.html", PAGE);
  write("public/app.js", SCRIPT);
  write("public/style.css", "body { font: 16px sans-serif; background: #eef; }");
  write("src/index.ts", code("first"));
  const server = start(options.stead, ["dev", "--port", "0", "--log-format", "json"], join(folder, "project"));
  const url = await line(server.stdout, (text) => JSON.parse(text).url);
  server.stdout.resume();
  server.stderr.resume();
  const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", `--user-data-dir=${join(folder, "profile")}`];
  const browser = start(chromium, [...args, "--window-size=1000,700", "about:blank"], folder);
  const tab = await Tab.open(await line(browser.stderr, (text) => text.match(/^DevTools listening on (ws:\S+)/)?.[1]));
  browser.stderr.resume();

  const step = (text) => console.log(`ok: ${text}`);
  await tab.go(`${url}/`);
  await tab.shows("The room", "first 1: hello");
  const style = await tab.ask("Runtime.evaluate", { expression: "getComputedStyle(document.body).backgroundColor" });
  if (style.result.value !== "rgb(238, 238, 255)") throw new Error(`the style sheet was not used: ${style.result.value}`);
  await tab.picture("1-page");
  step("a page from the static files speaks with an object over a WebSocket");

  write("src/index.ts", code("second").replace("const count =", "const const ="));
  await tab.go(`${url}/?1`);
  // Chromium asks again until the save has been seen.
  for (const begin = performance.now(); !(await tab.text()).includes("const const"); ) {
    if (performance.now() - begin > DEADLINE_MS) throw new Error(`no code frame: ${await tab.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await tab.go(`${url}/?${performance.now()}`);
  }
  await tab.shows("src/index.ts:13", "const const = ((await");
  await tab.picture("2-broken");
  step("a broken save shows the line that is wrong");

  write("src/index.ts", code("third"));
  const back = await tab.shows("The room", "third ", ": hello");
  if (!(Number(back.match(/third (\d+)/)[1]) > 1)) throw new Error(`the object has forgotten: ${back}`);
  await tab.picture("3-mended");
  step("the next good save brings the page back by itself, and the object remembers");

  await tab.go(`${url}/throws`);
  await tab.shows("thrown on purpose", "src/index.ts:");
  await tab.picture("4-exception");
  step("an exception that nobody caught is shown with its place");
}

const folder = mkdtempSync(join(tmpdir(), "stead-browser-"));
try {
  await run(folder);
} finally {
  for (const stop of stops.reverse()) await stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
