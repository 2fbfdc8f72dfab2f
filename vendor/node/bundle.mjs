// Makes a script for each of Node's modules: `node bundle.mjs PACKAGES SOURCES OUT`. PACKAGES is a folder in which the
// packages of package.json are installed, SOURCES is js/node.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";

const [packages, sources, out] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(packages, "x.js"));
const esbuild = require("esbuild");

/** Modules of our own, by file: `stream/web` is stream_web.js. Files that no module is named after are parts of others. */
const PARTS = /^(addresses|buffer_numbers|comparisons|crypto_.*|der|encodings|errors|event_iterator|path_glob|path_windows|process_env|stream_bridges|system_errors|unenv|x509_.*|zlib_.*)$/;

/** Modules whose classes are there and whose functions throw, as wrangler's are where the platform has none. */
const ABSENT = [
  "child_process", "cluster", "dgram", "dns", "domain", "fs", "http", "http2", "https", "inspector", "inspector/promises",
  "readline", "readline/promises", "repl", "sqlite", "tls", "trace_events", "tty", "vm", "wasi",
];

/** Exports that are made when they are asked for, since what they are made of is large. */
const LATE = { process: ["stdin", "stdout", "stderr"] };

/** Modules that are a package's. */
const PACKAGED = { querystring: "unenv/node/querystring" };

/** What packages mean by a bare name. */
const INNER = /^(?:node:)?(assert|buffer|events|path|process|punycode|querystring|stream|string_decoder|timers|url|util|async_hooks|os|fs|fs\/promises|util\/types|path\/posix|readline|readline\/promises|net|http|dns\/promises|timers\/promises|stream\/promises|stream\/consumers|stream\/web|assert\/strict|dns|inspector\/promises|tls|tty)\/?$/;

const OWN = readdirSync(sources).filter((file) => file.endsWith(".js")).map((file) => basename(file, ".js"));

const plugin = {
  name: "stead",
  setup(build) {
    // Node's modules get each other from the runtime, so that there is one of each.
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path: path.slice(5), namespace: "runtime" }));
    build.onResolve({ filter: INNER }, ({ path, importer }) => {
      // Of `util` it needs the types, and `util` needs it.
      if (importer.endsWith("comparisons.js") && /^util/.test(path)) return { path: "util types", namespace: "globals" };
      // A trailing slash means the package, where it is one of ours.
      if (path.endsWith("/") && importer.startsWith(sources)) return { path: require.resolve(path) };
      return { path: path.replace(/^node:/, "").replace(/\/$/, ""), namespace: "runtime" };
    });
    build.onResolve({ filter: /^abort-controller$/ }, () => ({ path: "abort-controller", namespace: "globals" }));
    build.onResolve({ filter: /_internal\/utils\.mjs$/ }, () => ({ path: join(sources, "unenv.js") }));
    build.onResolve({ filter: /^[^./\0]/ }, ({ path, importer, kind, pluginData }) => {
      if (pluginData === "asked" || kind === "entry-point" || !importer.startsWith(sources)) return undefined;
      return build.resolve(path, { resolveDir: packages, kind, pluginData: "asked" });
    });
    build.onLoad({ filter: /.*/, namespace: "runtime" }, ({ path }) => ({ contents: `module.exports = __require(${JSON.stringify(path)})` }));
    // It warns of its own use, which the platform does not.
    build.onLoad({ filter: /unenv.dist.runtime.node.url\.mjs$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace("let urlParseWarned = false", "let urlParseWarned = true"),
    }));
    build.onLoad({ filter: /^util types$/, namespace: "globals" }, () => ({ contents: 'module.exports = { types: __require("util/types") }' }));
    build.onLoad({ filter: /.*/, namespace: "globals" }, () => ({ contents: "module.exports = { AbortController, AbortSignal }" }));
    build.onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice(6), namespace: "entry" }));
    build.onLoad({ filter: /.*/, namespace: "entry" }, ({ path }) => {
      const from = PACKAGED[path] ?? `unenv/node/${path}`;
      return { contents: `export * from "${from}"; export { default } from "${from}";`, resolveDir: packages };
    });
  },
};

const moduleOf = (file) => basename(file, ".js").replace(/^(assert|dns|fs|inspector|path|readline|stream|timers|util)_/, "$1/");
const fileOf = (name) => name.replaceAll("/", "_");
const entries = [
  ...OWN.filter((name) => !PARTS.test(name)).map((name) => ({ in: join(sources, `${name}.js`), out: name })),
  ...[...ABSENT, ...Object.keys(PACKAGED)].map((name) => ({ in: `entry:${name}`, out: fileOf(name) })),
];
await esbuild.build({
  entryPoints: entries,
  outdir: out,
  bundle: true,
  format: "cjs",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["module"],
  charset: "ascii",
  target: "esnext",
  minifyWhitespace: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
  define: { "process.env.READABLE_STREAM": '"disable"', "process.env.NODE_DEBUG": '""' },
  plugins: [plugin],
});
for (const file of readdirSync(out)) {
  const begin = `const module={exports:{}};const __require=__bootstrap.internals.node.enter(${JSON.stringify(moduleOf(file))});`;
  const code = readFileSync(join(out, file), "utf8");
  const late = LATE[basename(file, ".js")]?.map((name) => `Object.defineProperty(module.exports,"${name}",{enumerable:true,get:()=>module.exports.default.${name}});`);
  writeFileSync(join(out, file), `(function(){${begin}${code}${late?.join("") ?? ""}return module.exports;})();`);
}
