// @ts-check

// Whether a path matches a pattern, for `path.matchesGlob()`.
// https://nodejs.org/api/path.html#pathmatchesglobpath-pattern

import { expectString } from "./errors.js";

const EXTENDED = /[?*+@!]\(/;
/** Patterns that braces may stand for at most. */
const ALTERNATIVES_MAX = 1000;

/** The patterns that one with braces stands for. @param {string} pattern @returns {string[]} */
function alternatives(pattern) {
  const found = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (found === null) return [pattern];
  const [before, after] = [pattern.slice(0, found.index), pattern.slice(found.index + found[0].length)];
  const all = found[1].split(",").flatMap((one) => alternatives(before + one + after));
  if (all.length > ALTERNATIVES_MAX) throw new RangeError("The pattern stands for too many others");
  return all;
}

/** A part of a pattern, between two separators. @param {string} part @returns {RegExp} */
function partMatcher(part) {
  let text = "";
  for (let i = 0; i < part.length; i++) {
    const letter = part[i];
    const closing = letter === "[" ? part.indexOf("]", i + 2) : -1;
    if (letter === "*") {
      while (part[i + 1] === "*") i += 1;
      text += ".*?";
    } else if (letter === "?") text += ".";
    else if (closing > 0) {
      const inner = part.slice(i + 1, closing).replace(/^!/, "^").replace(/[\\[]/g, "\\$&");
      text += `[${inner}]`;
      i = closing;
    } else text += letter.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }
  // A name that begins with a dot is matched by a dot alone, and what is here and above by their names.
  const hidden = /^[*?[]/.test(part) ? "(?!\\.)" : /[*?[]/.test(part) ? "(?!\\.{1,2}$)" : "";
  const some = /^\*+$/.test(part) ? "(?=.)" : "";
  return new RegExp(`^${hidden}${some}${text}$`, "s");
}

/** @param {string[]} path @param {string[]} pattern @returns {boolean} */
function matchesParts(path, pattern) {
  // What of the pattern the parts so far may have led to: never more than it has, however many stars there are.
  let reached = new Set([0]);
  const matchers = pattern.map((part) => (part === "**" ? undefined : partMatcher(part)));
  /** @param {number} at */
  const add = (at) => {
    while (!reached.has(at)) {
      reached.add(at);
      // Two stars stand for no folder, too.
      if (pattern[at] !== "**") return;
      at += 1;
    }
  };
  const first = [...reached];
  reached = new Set();
  first.forEach(add);
  for (const part of path) {
    const before = reached;
    reached = new Set();
    for (const at of before) {
      if (at === pattern.length) continue;
      if (pattern[at] === "**") {
        if (!part.startsWith(".")) add(at);
      } else if (matchers[at]?.test(part)) add(at + 1);
    }
  }
  return reached.has(pattern.length);
}

/** @param {any} path @param {any} pattern @param {boolean} isWindows */
export function matchesGlob(path, pattern, isWindows) {
  expectString("path", path);
  expectString("pattern", pattern);
  if (EXTENDED.test(pattern)) throw new Error("An extended pattern of path.matchesGlob() is not implemented in Stead yet.");
  const separators = isWindows ? /[\\/]+/ : /\/+/;
  const parts = path.split(separators);
  return alternatives(pattern).some((one) => matchesParts(parts, one.split(separators)));
}
