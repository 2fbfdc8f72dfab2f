// @ts-check

// The module `node:module`. A worker has no files to load: `require()` knows Node's modules.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/

import { coded, expectString, missing, refused } from "./errors.js";

const { builtin, names } = __bootstrap.internals.node;

export const builtinModules = names;

/** @param {any} id */
export function isBuiltin(id) {
  return typeof id === "string" && names.includes(id.startsWith("node:") ? id.slice(5) : id);
}

/** @param {any} path */
export function createRequire(path) {
  if (path === undefined) throw new TypeError('The "path" argument must be a string or URL object');
  /** @param {string} id */
  const require = (id) => {
    expectString("id", id);
    const found = builtin(id);
    if (found === undefined) throw coded(Error, "MODULE_NOT_FOUND", `Cannot find module '${id}'`);
    return found;
  };
  return require;
}

/** @type {any} */
export const Module = missing("new Module()");
export const findSourceMap = () => undefined;
export const syncBuiltinESMExports = () => {};
export const register = missing("module.register()");
export const registerHooks = missing("module.registerHooks()");
export const stripTypeScriptTypes = missing("module.stripTypeScriptTypes()");
export const findPackageJSON = missing("module.findPackageJSON()");

// What packages look at to find out where they run. There is nothing to be found.
export const [_cache, _pathCache] = [{}, {}];
export const _extensions = Object.fromEntries([".js", ".json", ".node"].map((name) => [name, refused(`module._extensions['${name}']`)]));
/** @type {string[]} */
export const globalPaths = [];
export const constants = Object.freeze({ compileCacheStatus: Object.freeze({ FAILED: 0, ENABLED: 1, ALREADY_ENABLED: 2, DISABLED: 3 }) });
export const getSourceMapsSupport = () => ({ enabled: false, nodeModules: false, generatedCode: false });
export const getCompileCacheDir = () => undefined;
export const enableCompileCache = () => {};
export const flushCompileCache = () => {};
const loading = Object.fromEntries([
  "SourceMap", "_debug", "_findPath", "_initPaths", "_load", "_nodeModulePaths", "_preloadModules", "_resolveFilename",
  "_resolveLookupPaths", "runMain", "setSourceMapsSupport", "wrap",
].map((name) => [name, refused(`module.${name}`)]));
export const {
  SourceMap, _debug, _findPath, _initPaths, _load, _nodeModulePaths, _preloadModules, _resolveFilename, _resolveLookupPaths,
  runMain, setSourceMapsSupport, wrap,
} = loading;

Object.assign(Module, {
  _cache, _extensions, _pathCache, constants, enableCompileCache, flushCompileCache, getCompileCacheDir, getSourceMapsSupport,
  globalPaths, ...loading,
  Module, builtinModules, createRequire, findPackageJSON, findSourceMap, isBuiltin, register, registerHooks, stripTypeScriptTypes, syncBuiltinESMExports,
});
export default Module;
