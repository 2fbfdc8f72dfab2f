// @ts-check

// The module `node:path/win32`.

import path from "node:path";

const own = /** @type {any} */ (path).win32;
export const {
  basename, delimiter, dirname, extname, format, isAbsolute, join, matchesGlob, normalize, parse, posix, relative,
  resolve, sep, toNamespacedPath, win32,
} = own;
export default own;
