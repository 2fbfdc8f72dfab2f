// @ts-check

// The module `node:path`. A worker's paths are those of POSIX.
// https://nodejs.org/api/path.html

import base from "path-browserify";
import { invalidType } from "./errors.js";
import { matchesGlob as matches } from "./path_glob.js";
import * as windows from "./path_windows.js";

/** @type {any} */
export const posix = { ...base };
for (const name of ["normalize", "isAbsolute", "join", "resolve", "dirname", "basename", "extname", "parse", "relative"]) {
  const method = base[name];
  posix[name] = (/** @type {any[]} */ ...args) => {
    for (const [i, arg] of args.entries()) {
      const isSuffix = name === "basename" && i === 1;
      if (typeof arg !== "string" && !(isSuffix && arg === undefined)) throw invalidType(isSuffix ? "suffix" : "path", "string", arg);
    }
    return Reflect.apply(method, base, args);
  };
}
/** @type {any} */
export const win32 = {
  ...windows,
  posix,
  matchesGlob: (/** @type {string} */ path, /** @type {string} */ pattern) => matches(path, pattern, true),
};
win32.win32 = win32;

posix.win32 = win32;
posix.posix = posix;
/** @param {string} path */
posix.toNamespacedPath = (path) => path;
/** @param {string} path @param {string} pattern */
posix.matchesGlob = (path, pattern) => matches(path, pattern, false);
delete posix._makeLong;

export const {
  basename, delimiter, dirname, extname, format, isAbsolute, join, matchesGlob, normalize, parse, relative, resolve,
  sep, toNamespacedPath,
} = posix;
export default posix;
