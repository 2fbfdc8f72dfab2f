// @ts-check

// The module `node:path/posix`.

import path from "node:path";

const own = /** @type {any} */ (path).posix;
export const {
  basename, delimiter, dirname, extname, format, isAbsolute, join, matchesGlob, normalize, parse, posix, relative,
  resolve, sep, toNamespacedPath, win32,
} = own;
export default own;
