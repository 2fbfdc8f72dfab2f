// What it takes to run a script on workerd, the reference runtime: a bundle and a configuration that binds its objects
// as Stead does.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

export const COMPATIBILITY_DATE = "2026-11-01";

// `ChatRoom` → `CHAT_ROOM`
function screamingSnake(name) {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2").toUpperCase();
}

// `dir/async-kv.test.ts` → `async-kv`
export function stem(script) {
  return basename(script).split(".")[0];
}

// The exported classes that extend DurableObject, directly or through another
// class of the bundle. esbuild writes a class as `class A extends B` or as
// `var A = class … extends B`, and may number the name of an import.
function objectClasses(source, exported) {
  const parents = new Map();
  for (const [, variable, name, parent] of source.matchAll(/(?:(\w+) = )?class(?: (\w+))? extends ([\w.]+)/g)) {
    parents.set(variable ?? name, parent);
  }
  const extendsDurableObject = (name) => {
    const parent = parents.get(name);
    return parent !== undefined && (/^DurableObject\d*$/.test(parent) || extendsDurableObject(parent));
  };
  return exported.filter(extendsDurableObject);
}

function capnp(name, classes, socket, date, flags) {
  const namespaces = classes.map((c) => `    (className = "${c}", uniqueKey = "${name}-${c}", enableSql = true),`);
  const bindings = classes.flatMap((c) =>
    [...new Set([c, screamingSnake(c)])].map((b) => `    (name = "${b}", durableObjectNamespace = "${c}"),`),
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "${name}", worker = .script), (name = "disk", disk = .disk)],
  ${socket ? `sockets = [(name = "http", address = "${socket}", http = (), service = "${name}")],` : ""}
);
const disk :Workerd.DiskDirectory = (path = "storage", writable = true);
const script :Workerd.Worker = (
  modules = [(name = "script.js", esModule = embed "script.js")],
  compatibilityDate = "${date}",
  compatibilityFlags = ${JSON.stringify(flags)},
  durableObjectNamespaces = [
${namespaces.join("\n")}
  ],
  bindings = [
${bindings.join("\n")}
  ],
  ${classes.length ? 'durableObjectStorage = (localDisk = "disk"),' : ""}
);
`;
}

// Writes `script.js`, `config.capnp` and the folder `storage` into `directory`. `modules` is a node_modules directory
// that holds esbuild; `socket` is the address to serve HTTP on, if any; `date` is the compatibility date, `flags`
// are compatibility flags by name.
export async function prepare(modules, script, name, directory, socket, date = COMPATIBILITY_DATE, flags = []) {
  const esbuild = createRequire(join(modules, "x.js"))("esbuild");
  const { metafile } = await esbuild.build({
    entryPoints: [script],
    outfile: join(directory, "script.js"),
    bundle: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*", "node:*"],
    metafile: true,
    logLevel: "silent",
  });
  const [built] = Object.values(metafile.outputs);
  const classes = objectClasses(await readFile(join(directory, "script.js"), "utf8"), built.exports);
  await writeFile(join(directory, "config.capnp"), capnp(name, classes, socket, date, flags));
  await mkdir(join(directory, "storage"), { recursive: true });
}
