// @ts-check

// The module `node:process`, which is the global `process`, too. What a worker cannot know of its machine is what the
// platform says of its own.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/process/

import EventEmitter from "node:events";
import { coded, expectFunction, expectInteger, expectString, invalidType, refused } from "./errors.js";
import { environment } from "./process_env.js";

const { internals } = __bootstrap;
const { isOn, require: load } = internals.node;

let folder = "/bundle";
const started = Date.now();

/** @param {any} callback @param {any[]} args */
export function nextTick(callback, ...args) {
  expectFunction("callback", callback);
  queueMicrotask(() => callback(...args));
}

/** @param {[number, number]} [since] */
export function hrtime(since) {
  if (since !== undefined && !Array.isArray(since)) throw invalidType("time", "Array", since);
  const now = hrtime.bigint();
  const [seconds, nanoseconds] = [Number(now / 1_000_000_000n), Number(now % 1_000_000_000n)];
  if (since === undefined) return [seconds, nanoseconds];
  const [before, beforeNanoseconds] = since;
  const borrow = nanoseconds < beforeNanoseconds;
  return [seconds - before - (borrow ? 1 : 0), nanoseconds - beforeNanoseconds + (borrow ? 1_000_000_000 : 0)];
}
hrtime.bigint = () => BigInt(Date.now()) * 1_000_000n;

/** @param {any} warning @param {any} [typeOrOptions] @param {string} [code] */
export function emitWarning(warning, typeOrOptions, code) {
  const options = typeof typeOrOptions === "object" && typeOrOptions !== null ? typeOrOptions : { type: typeOrOptions, code };
  const error = warning instanceof Error ? warning : Object.assign(new Error(String(warning)), { name: options.type ?? "Warning" });
  if (options.code !== undefined) Object.assign(error, { code: options.code });
  if (options.detail !== undefined) Object.assign(error, { detail: options.detail });
  nextTick(() => process.emit("warning", error));
}

/** @param {string} path */
export function chdir(path) {
  expectString("directory", path);
  folder = load("path").resolve(folder, path);
}

export function cwd() {
  return folder;
}

/** @param {any} [mask] */
export function umask(mask) {
  if (mask !== undefined && typeof mask !== "string") expectInteger("mask", mask, 0, 0o777);
  return 0o022;
}

/** @param {any} [code] */
export function exit(code) {
  const shown = code ?? process.exitCode ?? 0;
  throw new Error(`The Node.js process.exit(${shown}) API was called. Canceling the request.`);
}

export function abort() {
  throw new Error("The Node.js process.abort() API was called. Canceling the request.");
}

/** @param {string} id */
export function getBuiltinModule(id) {
  expectString("id", id);
  return internals.node.builtin(id);
}

/** Writes lines to the console. @param {"log" | "error"} method @param {number} fd */
function output(method, fd) {
  const { Writable } = load("stream");
  const { StringDecoder } = load("string_decoder");
  const decoder = new StringDecoder("utf8");
  const name = fd === 1 ? "stdout" : "stderr";
  const stream = new Writable({
    decodeStrings: true,
    write(/** @type {any} */ chunk, /** @type {any} */ _, /** @type {() => void} */ callback) {
      const text = decoder.write(chunk).replace(/\n$/, "");
      if (text !== "") console[method](`${name}: ${text}`);
      callback();
    },
  });
  return Object.assign(stream, { fd, _type: "fs", _isStdio: true, isTTY: false, columns: 80, destroySoon: stream.destroy, _destroy: (/** @type {any} */ error, /** @type {any} */ done) => done(error) });
}

/** @param {any} object @param {string} name @param {() => any} make */
function lazily(object, name, make) {
  Object.defineProperty(object, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = make();
      Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true });
      return value;
    },
    set(value) {
      Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true });
    },
  });
}

const VERSION = "22.23.4";
const zeroes = (/** @type {string[]} */ ...names) => Object.fromEntries(names.map((name) => [name, 0]));
const memoryUsage = Object.assign(() => zeroes("rss", "heapTotal", "heapUsed", "external", "arrayBuffers"), { rss: () => 0 });

/** @type {any} */
const process = Object.create(EventEmitter.prototype);
EventEmitter.call(process);
Object.defineProperty(process, Symbol.toStringTag, { value: "process", configurable: true });

const values = {
  version: `v${VERSION}`,
  versions: { node: VERSION, v8: "", modules: "", zlib: "", brotli: "", openssl: "", uv: "", icu: "" },
  title: "workerd",
  argv: ["workerd"],
  argv0: "workerd",
  execArgv: [],
  execPath: "",
  arch: "x64",
  platform: "linux",
  config: { target_defaults: {}, variables: {} },
  pid: 1,
  ppid: 0,
  features: {
    cached_builtins: true, debug: false, inspector: false, ipv6: true, openssl_is_boringssl: true, require_module: false,
    tls: true, tls_alpn: true, tls_ocsp: true, tls_sni: true, typescript: false, uv: true,
  },
  release: { name: "node", lts: true, sourceUrl: "", headersUrl: "" },
  allowedNodeEnvironmentFlags: new Set(),
  exitCode: undefined,
  channel: null,
  connected: false,
  debugPort: 0,
  noDeprecation: false,
  traceDeprecation: false,
  throwDeprecation: false,
  sourceMapsEnabled: false,
  permission: { has: () => true },
  moduleLoadList: [],
  _preload_modules: [],
  _exiting: false,
  _rawDebug() {},
  _getActiveHandles: () => [],
  _getActiveRequests: () => [],
  getSourceMapsSupport: () => ({ enabled: false, nodeModules: false, generatedCode: false }),
  domain: null,
  finalization: { register() {}, registerBeforeExit() {}, unregister() {} },
  getegid: () => 0,
  getgid: () => 0,
  geteuid: () => 0,
  getuid: () => 0,
  getgroups: () => [0],
  setSourceMapsEnabled() {},
  ref() {},
  unref() {},
  uptime: () => Math.trunc((Date.now() - started) / 1000),
  memoryUsage,
  constrainedMemory: () => 0,
  availableMemory: () => 0,
  resourceUsage: () => zeroes(
    "userCPUTime", "systemCPUTime", "maxRSS", "sharedMemorySize", "unsharedDataSize", "unsharedStackSize", "minorPageFault",
    "majorPageFault", "swappedOut", "fsRead", "fsWrite", "ipcSent", "ipcReceived", "signalsCount",
    "voluntaryContextSwitches", "involuntaryContextSwitches",
  ),
  hasUncaughtExceptionCaptureCallback: () => false,
  assert(/** @type {any} */ value, /** @type {string} */ message) {
    if (!value) throw coded(Error, "ERR_ASSERTION", message ?? "assertion failed");
  },
  abort, chdir, cwd, emitWarning, exit, getBuiltinModule, hrtime, nextTick, umask,
};
Object.assign(process, values);
for (const name of [
  "binding", "cpuUsage", "dlopen", "execve", "getActiveResourcesInfo", "initgroups", "kill", "loadEnvFile", "openStdin", "send",
  "setUncaughtExceptionCaptureCallback", "setegid", "seteuid", "setgid", "setgroups", "setuid", "threadCpuUsage",
]) process[name] = refused(`process.${name}`);

const env = environment(isOn("nodejs_compat_populate_process_env") ? internals.node.bindings : {});
process.env = env;
lazily(process, "stdout", () => output("log", 1));
lazily(process, "stderr", () => output("error", 2));
lazily(process, "stdin", () => {
  const { Readable } = load("stream");
  return Object.assign(new Readable({ read() { this.push(null); } }), { fd: 0, isTTY: false });
});

export const {
  allowedNodeEnvironmentFlags, arch, argv, argv0, assert, availableMemory, binding, channel, config, connected,
  constrainedMemory, cpuUsage, debugPort, dlopen, domain, execArgv, execPath, execve, exitCode, features, finalization,
  getActiveResourcesInfo, getegid, geteuid, getgid, getgroups, getuid, hasUncaughtExceptionCaptureCallback, initgroups,
  kill, loadEnvFile, moduleLoadList, noDeprecation, openStdin, permission, pid, platform, ppid, ref,
  release, resourceUsage, send, setSourceMapsEnabled, setUncaughtExceptionCaptureCallback, setegid, seteuid, setgid,
  setgroups, setuid, sourceMapsEnabled, threadCpuUsage, throwDeprecation, title, traceDeprecation, unref, uptime, version,
  versions,
} = process;
export { env, memoryUsage };
export default process;
