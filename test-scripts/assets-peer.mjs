// Asks `stead dev` and `wrangler dev` the same of the same folders of static files, and compares the answers: status,
// body, and every header that says something about the file.
//
//   node test-scripts/assets-peer.mjs --stead PATH --modules NODE_MODULES [--only NAME] [--verbose]
//
// Needs the Node that wrangler needs.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { request } from "node:http";
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

/** The headers that both have to send alike. */
const COMPARED = [
  "content-type", "location", "cache-control", "content-range", "accept-ranges", "content-length",
  "x-one", "x-two", "x-all", "x-splat", "x-place", "access-control-allow-origin", "etag-kind",
];

const FILES = {
  "index.html": "<h1>home</h1>",
  "about.html": "<h1>about</h1>",
  "404.html": "<h1>not here</h1>",
  "docs/index.html": "<h1>docs</h1>",
  "docs/404.html": "<h1>no such page of docs</h1>",
  "both.html": "<h1>both as a file</h1>",
  "both/index.html": "<h1>both as a folder</h1>",
  "app.js": "console.log(1);",
  "style.css": "body {}",
  "data.json": "{}",
  "text.txt": "0123456789",
  "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
  "logo.png": "png",
  "font.woff2": "font",
  "code.wasm": "wasm",
  "feed.xml": "<feed/>",
  "movie.mp4": "movie",
  "icon.ico": "icon",
  "page.webmanifest": "{}",
  "map.js.map": "{}",
  "module.mjs": "export {}",
  "noextension": "?",
  "name with spaces.txt": "spaces",
  "\u00fcmlaut.txt": "umlaut",
  "[bracket].txt": "bracket",
  "empty.txt": "",
  "node_modules/x.txt": "package",
  ".hidden": "hidden",
  ".well-known/security.txt": "contact",
  "secret/key.txt": "ignored",
  "secret/kept.txt": "kept",
  "file.log": "log",
  ".assetsignore": "# not for everybody\n*.log\nsecret/*\n!secret/kept.txt\n",
};

const HEADERS = `# comment
/text.txt
  X-One: one
  X-Two: a
  X-Two: b

/*
  X-All: yes

/docs/*
  ! X-All
  X-Splat: :splat

/:place/index.html
  X-Place: :place

/about
  Cache-Control: max-age=60
  Access-Control-Allow-Origin: *

https://:host.example/*
  X-One: other host

not a path
  X-One: never
/broken
  no colon here
/app.js
  Content-Type: text/plain
`;

const REDIRECTS = `# comment
/old /new
/perm /about 301
/found /about 302
/see /about 303
/temp /about 307
/keep /about 308
/away https://example.com/there 301
/away-splat/* https://example.com/:splat 302
/blog/* /docs/:splat
/people/:name/posts/:id /posts/:id?by=:name 301
/proxy /about 200
/proxied/* /docs/:splat 200
/query /about?a=1#hash 302
/text.txt /about 302
/old /never 301
/loop/* /loop/:splat
/bad /about 999
/nothing
/hash#here /about
/slash/ /about 301
https://other.example/x /y
/with%20space /about 302
`;

const WORKER = `export default { async fetch(request, env) {
  const url = new URL(request.url);
  if (url.pathname.startsWith("/through")) return env.ASSETS.fetch(new Request(new URL(url.pathname.slice(8) + url.search, url), request));
  return new Response("worker " + url.pathname, { status: 207 });
} };`;

/** Requests that every project gets: a path, or a path with headers and a method. */
const PATHS = [
  "/", "/index", "/index.html", "/about", "/about.html", "/about/", "/about/index.html", "/docs", "/docs/", "/docs/index",
  "/docs/index.html", "/docs.html", "/docs/none", "/docs/none/deeper", "/none", "/none/", "/none.html", "/both", "/both/", "/both.html",
  "/both/index.html", "/app.js", "/app.js/", "/style.css", "/data.json", "/text.txt", "/picture.svg", "/logo.png",
  "/font.woff2", "/code.wasm", "/feed.xml", "/movie.mp4", "/icon.ico", "/page.webmanifest", "/map.js.map", "/module.mjs", "/noextension",
  "/name%20with%20spaces.txt", "/%C3%BCmlaut.txt", "/[bracket].txt", "/%5Bbracket%5D.txt", "/empty.txt",
  "/node_modules/x.txt", "/.hidden", "/.well-known/security.txt", "/secret/key.txt", "/secret/kept.txt", "/file.log",
  "/.assetsignore", "/_headers", "/_redirects", "/about?x=1", "/about.html?x=1", "/docs?x=1", "//about", "/docs//", "/a/../about", "/%2e%2e/x",
  "/INDEX.HTML", "/text.txt?query",
];
const MORE = [
  ["/text.txt", { range: "bytes=2-4" }], ["/text.txt", { range: "bytes=5-" }], ["/text.txt", { range: "bytes=-3" }],
  ["/text.txt", { range: "bytes=20-30" }], ["/text.txt", { range: "bytes=0-1,3-4" }], ["/text.txt", { range: "lines=1-2" }],
  ["/text.txt", { range: "bytes=4-2" }], ["/text.txt", { range: "bytes=0-99" }], ["/about", { range: "bytes=0-3" }],
  ["/none", { range: "bytes=0-3" }], ["/text.txt", { range: "bytes=2-4" }, "HEAD"],
  ["/text.txt", { "if-none-match": "TAG" }], ["/text.txt", { "if-none-match": "W/TAG" }],
  ["/text.txt", { "if-none-match": "\"other\", TAG" }], ["/text.txt", { "if-none-match": "*" }],
  ["/text.txt", { "if-none-match": "\"other\"" }], ["/text.txt", { "if-match": "\"other\"" }],
  ["/text.txt", { "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT" }],
  ["/text.txt", { authorization: "Basic x" }],
  ["/text.txt", {}, "HEAD"], ["/none", {}, "HEAD"], ["/about", {}, "POST"], ["/about", {}, "OPTIONS"], ["/about", {}, "DELETE"], ["/none", {}, "POST"],
  ["/none", { "sec-fetch-mode": "navigate" }], ["/api/x", { "sec-fetch-mode": "navigate" }], ["/about", { "sec-fetch-mode": "navigate" }],
  ["/docs/none", { "sec-fetch-mode": "navigate" }], ["/none", { "sec-fetch-mode": "cors" }],
];
const REDIRECTED = [
  "/old", "/perm", "/found", "/see", "/temp", "/keep", "/away", "/away-splat/a/b?c=d", "/blog/x/y", "/people/ann/posts/7",
  "/people/ann/posts/7?x=1", "/proxy", "/proxied/", "/proxied/none", "/query", "/query?b=2", "/loop/x", "/bad", "/nothing", "/hash", "/slash/", "/slash", "/with%20space", "/old?x=1", "/old/",
];
const THROUGH = ["/through/about", "/through/none", "/through/docs", "/through/text.txt", "/api/x", "/api/open/x", "/old", "/through/old"];

const assets = { directory: "./public", binding: "ASSETS" };
const PROJECTS = [
  { name: "auto", assets: { ...assets, html_handling: "auto-trailing-slash", not_found_handling: "404-page" } },
  { name: "force", assets: { ...assets, html_handling: "force-trailing-slash", not_found_handling: "404-page" } },
  { name: "drop", assets: { ...assets, html_handling: "drop-trailing-slash", not_found_handling: "single-page-application" } },
  { name: "none", assets: { ...assets, html_handling: "none", not_found_handling: "none" } },
  { name: "rules", assets: { ...assets, not_found_handling: "404-page" }, rules: true },
  { name: "rules-none", assets: { ...assets, html_handling: "none" }, rules: true },
  { name: "worker", worker: true, assets: { ...assets, not_found_handling: "single-page-application" }, rules: true },
  { name: "worker-first", worker: true, assets: { ...assets, run_worker_first: true }, rules: true },
  {
    name: "worker-some", worker: true,
    assets: { ...assets, run_worker_first: ["/api/*", "!/api/open/*", "/docs"], not_found_handling: "404-page" }, rules: true,
  },
  { name: "worker-old", worker: true, date: "2024-10-01", assets: { ...assets, not_found_handling: "404-page" } },
];

function write(folder, project) {
  const files = { ...FILES, ...(project.rules ? { _headers: HEADERS, _redirects: REDIRECTS } : {}) };
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, "public", name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const { binding, ...plain } = project.assets;
  const config = {
    name: project.name,
    compatibility_date: project.date ?? "2026-01-01",
    assets: project.worker ? project.assets : plain,
    ...(project.worker ? { main: "index.js" } : {}),
  };
  if (project.worker) writeFileSync(join(folder, "index.js"), WORKER);
  writeFileSync(join(folder, "wrangler.json"), JSON.stringify(config));
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** One request whose path is sent as it is. */
function ask(port, [path, headers, method]) {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, method, headers: { host: "site.test", ...headers } }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const found = { status: response.statusCode, body: Buffer.concat(chunks).toString() };
        for (const name of COMPARED) if (response.headers[name] !== undefined) found[name] = response.headers[name];
        if (response.headers.etag) found["etag-kind"] = response.headers.etag.startsWith("W/") ? "weak" : "strong";
        // How long an answer without a body would be need not be said.
        if (method === "HEAD" || found.status === 304 || found.status < 200) delete found["content-length"];
        if (response.headers["transfer-encoding"]) found["content-length"] = String(Buffer.concat(chunks).length);
        resolve({ found, tag: response.headers.etag });
      });
    });
    asking.on("error", reject);
    asking.end();
  });
}

async function serve(command, args, folder) {
  const port = await freePort();
  const child = spawn(command, [...args, "--port", String(port)], {
    cwd: folder,
    stdio: options.verbose ? "inherit" : "ignore",
    env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" },
  });
  for (const begin = performance.now(); performance.now() - begin < 60_000; ) {
    try {
      await ask(port, ["/", {}, "GET"]);
      return { port, stop: () => new Promise((resolve) => { child.on("exit", resolve); child.kill("SIGINT"); }) };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  child.kill();
  throw new Error(`${command} does not answer`);
}

function questions(project) {
  const plain = [...PATHS, ...(project.rules ? REDIRECTED : []), ...(project.worker ? THROUGH : [])];
  return [...plain.map((path) => [path, {}, "GET"]), ...MORE.map(([path, headers, method = "GET"]) => [path, headers, method])];
}

let asked = 0;
let different = 0;
const wrangler = join(options.modules, "wrangler", "bin", "wrangler.js");
for (const project of PROJECTS) {
  if (options.only && options.only !== project.name) continue;
  const folder = mkdtempSync(join(tmpdir(), "stead-assets-"));
  write(folder, project);
  const peers = await Promise.all([
    serve(options.stead, ["dev"], folder),
    serve(process.execPath, [wrangler, "dev", "--ip", "127.0.0.1", "--show-interactive-dev-session=false"], folder),
  ]);
  const tags = await Promise.all(peers.map(async ({ port }) => (await ask(port, ["/text.txt", {}, "GET"])).tag));
  for (const [path, headers, method] of questions(project)) {
    const [ours, theirs] = await Promise.all(peers.map(async ({ port }, peer) => {
      const own = Object.entries(headers).map(([name, value]) => [name, value.replace("TAG", tags[peer] ?? "\"none\"")]);
      try {
        return (await ask(port, [path, Object.fromEntries(own), method])).found;
      } catch (error) {
        return { error: error.message };
      }
    }));
    asked += 1;
    const [left, right] = [ours, theirs].map((answer) => JSON.stringify(answer, Object.keys(answer).sort()));
    if (left !== right) {
      different += 1;
      console.log(`${project.name}: ${method} ${path} ${JSON.stringify(headers)}\n  stead     ${left}\n  wrangler  ${right}`);
    }
  }
  await Promise.all(peers.map((peer) => peer.stop()));
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${asked} answers compared, ${different} differ`);
process.exitCode = different ? 1 : 0;
