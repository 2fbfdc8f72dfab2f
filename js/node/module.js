// @ts-check

// The module `node:module`. A worker has no files to load: `require()` knows Node's modules.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/

import { coded, expectString, missing } from "./errors.js";

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
Object.assign(Module, {
  Module, builtinModules, createRequire, findPackageJSON, findSourceMap, isBuiltin, register, registerHooks, stripTypeScriptTypes, syncBuiltinESMExports,
});
export default Module;
