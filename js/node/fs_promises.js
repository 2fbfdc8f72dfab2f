// @ts-check

// The module `node:fs/promises`. There are no files yet.
// https://nodejs.org/api/fs.html#promises-api

import base from "unenv/node/fs/promises";
import { notImplementedClass } from "./unenv.js";

export * from "unenv/node/fs/promises";
export const FileHandle = notImplementedClass("fs.FileHandle");
export default base;
