// @ts-check

// Paths of Windows, for `path.win32`. A path has a root: nothing, a drive (`C:`), a share (`\\server\share`) or a device
// (`\\.\`), each with or without the separator that makes the path absolute.
// https://nodejs.org/api/path.html#windows-vs-posix

import process from "node:process";
import { invalidType } from "./errors.js";

const SHARE = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)/;
const DRIVE = /^[A-Za-z]:/;
const isSeparator = (/** @type {string | undefined} */ letter) => letter === "/" || letter === "\\";

/** @param {string} name @param {any} value */
function expectPath(name, value) {
  if (typeof value !== "string") throw invalidType(name, "string", value);
}

/**
 * Where a path begins, and how much of it that is.
 * @param {string} path
 * @returns {{ device: string, isAbsolute: boolean, length: number, isShare: boolean }}
 */
function rootOf(path) {
  const share = SHARE.exec(path);
  if (share !== null && share[1] !== "." && share[1] !== "?") {
    return { device: `\\\\${share[1]}\\${share[2]}`, isAbsolute: true, length: share[0].length, isShare: true };
  }
  if (share !== null) return { device: `\\\\${share[1]}`, isAbsolute: true, length: 4, isShare: false };
  if (isSeparator(path[0])) return { device: "", isAbsolute: true, length: 1, isShare: false };
  if (!DRIVE.test(path)) return { device: "", isAbsolute: false, length: 0, isShare: false };
  const isAbsolute = isSeparator(path[2]);
  return { device: path.slice(0, 2), isAbsolute, length: isAbsolute ? 3 : 2, isShare: false };
}

/** The parts of a path without those that say `here` and `above`. @param {string} tail @param {boolean} mayLeave whether it may lead above where it begins */
function settle(tail, mayLeave) {
  /** @type {string[]} */
  const kept = [];
  for (const part of tail.split(/[\\/]+/)) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (mayLeave) kept.push("..");
  }
  return kept.join("\\");
}

/** @param {string} path */
export function normalize(path) {
  expectPath("path", path);
  if (path.length === 0) return ".";
  if (path.length === 1) return path === "/" ? "\\" : path;
  const { device, isAbsolute, length } = rootOf(path);
  let tail = settle(path.slice(length), !isAbsolute);
  if (tail === "" && !isAbsolute) tail = ".";
  if (tail !== "" && isSeparator(path.at(-1))) tail += "\\";
  // What only becomes the name of a drive by being settled is none.
  if (!isAbsolute && device === "" && path.includes(":") && (DRIVE.test(tail) || /:(?:$|[\\/])/.test(path))) return `.\\${tail}`;
  return `${device}${isAbsolute ? "\\" : ""}${tail}`;
}

/** @param {string} path */
export function isAbsolute(path) {
  expectPath("path", path);
  return isSeparator(path[0]) || (DRIVE.test(path) && isSeparator(path[2]));
}

/** @param {string[]} parts */
export function join(...parts) {
  for (const part of parts) expectPath("path", part);
  const given = parts.filter((part) => part !== "");
  if (given.length === 0) return ".";
  let joined = given.join("\\");
  // Two separators at the beginning are a share's only if the first part says so by itself.
  const isShare = isSeparator(given[0][0]) && isSeparator(given[0][1]) && given[0].length > 2 && !isSeparator(given[0][2]);
  if (!isShare) joined = joined.replace(/^[\\/]{2,}/, "\\");
  return normalize(joined);
}

/** @param {string[]} parts */
export function resolve(...parts) {
  let device = "";
  let tail = "";
  let isDone = false;
  for (let i = parts.length - 1; i >= -1 && !(isDone && device !== ""); i--) {
    const path = i >= 0 ? parts[i] : process.cwd();
    expectPath(`paths[${i}]`, path);
    if (path === "") continue;
    const root = rootOf(path);
    if (root.device !== "") {
      if (device !== "" && root.device.toLowerCase() !== device.toLowerCase()) continue;
      device ||= root.device;
    }
    if (isDone) continue;
    tail = `${path.slice(root.length)}\\${tail}`;
    isDone = root.isAbsolute;
  }
  const settled = settle(tail, !isDone);
  return `${device}${isDone ? "\\" : ""}${settled}` || ".";
}

/** @param {string} from @param {string} to */
export function relative(from, to) {
  expectPath("from", from);
  expectPath("to", to);
  const [begin, end] = [resolve(from), resolve(to)];
  if (begin === end || begin.toLowerCase() === end.toLowerCase()) return "";
  const [left, right] = [begin, end].map((path) => path.replace(/^\\+|\\+$/g, "").split("\\").filter((part) => part !== ""));
  let common = 0;
  while (common < Math.min(left.length, right.length) && left[common].toLowerCase() === right[common].toLowerCase()) common += 1;
  if (common === 0) return end;
  return [...left.slice(common).map(() => ".."), ...right.slice(common)].join("\\");
}

/** @param {string} path */
export function toNamespacedPath(path) {
  if (typeof path !== "string" || path === "") return path;
  const whole = resolve(path);
  if (whole.length <= 2) return path;
  if (whole.startsWith("\\\\") && whole[2] !== "?" && whole[2] !== ".") return `\\\\?\\UNC\\${whole.slice(2)}`;
  return /^[A-Za-z]:\\/.test(whole) ? `\\\\?\\${whole}` : path;
}

/** The length of the root, as the functions below see it. @param {string} path */
function rootLength(path) {
  const { length, isShare } = rootOf(path);
  return isShare && path.length > length ? length + 1 : length;
}

/** @param {string} path */
export function dirname(path) {
  expectPath("path", path);
  const root = rootLength(path);
  let end = path.length;
  while (end > root && isSeparator(path[end - 1])) end -= 1;
  while (end > root && !isSeparator(path[end - 1])) end -= 1;
  // One separator is that of the name; further ones stay.
  if (end > root) end -= 1;
  return path.slice(0, end) || ".";
}

/** The last part of a path that begins at `from`. @param {string} path @param {number} from */
function lastOf(path, from) {
  let end = path.length;
  while (end > from && isSeparator(path[end - 1])) end -= 1;
  let start = end;
  while (start > from && !isSeparator(path[start - 1])) start -= 1;
  return path.slice(start, end);
}

/** @param {string} name without what leads to it */
function extensionOf(name) {
  const at = name.lastIndexOf(".");
  return at <= 0 || name === ".." ? "" : name.slice(at);
}

/** @param {string} path @param {string} [suffix] */
export function basename(path, suffix) {
  expectPath("path", path);
  if (suffix !== undefined) expectPath("suffix", suffix);
  const base = lastOf(path, DRIVE.test(path) ? 2 : 0);
  return suffix !== undefined && suffix !== path && base !== suffix && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
}

/** @param {string} path */
export function extname(path) {
  return extensionOf(basename(path));
}

/** @param {string} path */
export function parse(path) {
  expectPath("path", path);
  if (path === "") return { root: "", dir: "", base: "", ext: "", name: "" };
  const root = path.slice(0, rootLength(path));
  const rest = path.slice(root.length);
  const base = lastOf(rest, 0);
  const ext = extensionOf(base);
  const at = rest.replace(/[\\/]+$/, "").length - base.length;
  const dir = at > 0 ? path.slice(0, root.length + at - 1) : root;
  return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
}

/** @param {{ root?: string, dir?: string, base?: string, ext?: string, name?: string }} parts */
export function format(parts) {
  if (parts === null || typeof parts !== "object") throw invalidType("pathObject", "Object", parts);
  const { root, name = "", ext = "" } = parts;
  const dir = parts.dir || root;
  const base = parts.base || `${name}${ext && ext[0] !== "." ? "." : ""}${ext}`;
  if (!dir) return base;
  return dir === root ? `${dir}${base}` : `${dir}\\${base}`;
}

export const sep = "\\";
export const delimiter = ";";
