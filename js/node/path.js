// @ts-check

// The module `node:path`. A worker's paths are those of POSIX.
// https://nodejs.org/api/path.html

import base from "path-browserify";
import * as windows from "unenv/node/path/win32";
import { invalidType, missing } from "./errors.js";

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
export const win32 = {};
for (const name of Object.keys(windows)) {
  if (typeof (/** @type {any} */ (windows))[name] === "function") win32[name] = missing(`path.win32.${name}()`);
}
Object.assign(win32, { sep: "\\", delimiter: ";", posix, win32 });

posix.win32 = win32;
posix.posix = posix;
/** @param {string} path */
posix.toNamespacedPath = (path) => path;
posix.matchesGlob = missing("path.matchesGlob()");
delete posix._makeLong;

export const {
  basename, delimiter, dirname, extname, format, isAbsolute, join, matchesGlob, normalize, parse, relative, resolve,
  sep, toNamespacedPath,
} = posix;
export default posix;
