// @ts-check

// The module `node:util`.
// https://nodejs.org/api/util.html

import { parseArgs } from "@pkgjs/parseargs";
import { format, formatWithOptions, inspect } from "node-inspect-extracted";
import types from "node:util/types";
import { isDeepStrictEqual } from "./comparisons.js";
import { coded, expectFunction, expectObject, expectSignal, expectString, invalidType, invalidValue, missing } from "./errors.js";
import { MIMEParams, MIMEType } from "unenv/node/internal/util/mime";
import { getSystemErrorMap, getSystemErrorMessage, getSystemErrorName } from "./system_errors.js";

export const { TextDecoder, TextEncoder } = globalThis;
export { format, formatWithOptions, getSystemErrorMap, getSystemErrorMessage, getSystemErrorName, inspect, isDeepStrictEqual, MIMEParams, MIMEType, parseArgs, types };

const custom = Symbol.for("nodejs.util.promisify.custom");

/** @param {any} original */
export function promisify(original) {
  expectFunction("original", original);
  const own = original[custom];
  if (own !== undefined) {
    expectFunction("util.promisify.custom", own);
    return Object.defineProperty(own, custom, { value: own, configurable: true });
  }
  /** @this {any} @param {any[]} args */
  function fn(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (/** @type {any} */ error, /** @type {any} */ value) => (error ? reject(error) : resolve(value))]);
    });
  }
  Object.setPrototypeOf(fn, Object.getPrototypeOf(original));
  Object.defineProperty(fn, custom, { value: fn, configurable: true });
  return Object.defineProperties(fn, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = custom;

/** @param {any} original */
export function callbackify(original) {
  expectFunction("original", original);
  /** @this {any} @param {any[]} args */
  function callbackified(...args) {
    const callback = args.pop();
    expectFunction("last argument", callback);
    const later = (/** @type {any[]} */ ...results) => queueMicrotask(() => Reflect.apply(callback, this, results));
    Reflect.apply(original, this, args).then(
      (/** @type {any} */ value) => later(null, value),
      (/** @type {any} */ reason) => later(reason || falsyRejection(reason)),
    );
  }
  const descriptors = Object.getOwnPropertyDescriptors(original);
  if (typeof descriptors.length.value === "number") descriptors.length.value++;
  if (typeof descriptors.name.value === "string") descriptors.name.value += "Callbackified";
  return Object.defineProperties(callbackified, descriptors);
}

/** @param {any} reason */
function falsyRejection(reason) {
  return Object.assign(coded(Error, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value"), { reason });
}

/** @param {any} constructor @param {any} parent */
export function inherits(constructor, parent) {
  expectFunction("ctor", constructor);
  expectFunction("superCtor", parent);
  if (parent.prototype === undefined) throw invalidType("superCtor.prototype", "object", parent.prototype);
  Object.defineProperty(constructor, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

const warned = new Set();

/** @param {any} fn @param {string} message @param {string} [code] */
export function deprecate(fn, message, code) {
  let said = false;
  /** @this {any} @param {any[]} args */
  function deprecated(...args) {
    if (!said && (code === undefined || !warned.has(code))) {
      console.warn(`${code === undefined ? "" : `[${code}] `}DeprecationWarning: ${message}`);
      if (code !== undefined) warned.add(code);
    }
    said = true;
    return new.target ? Reflect.construct(fn, args, new.target) : Reflect.apply(fn, this, args);
  }
  Object.setPrototypeOf(deprecated, fn);
  if (fn.prototype) deprecated.prototype = fn.prototype;
  return deprecated;
}

/** @param {string} set */
export function debuglog(set) {
  expectString("set", set);
  const wanted = `${/** @type {any} */ (globalThis).process?.env?.NODE_DEBUG ?? ""}`.toUpperCase().split(",");
  const enabled = wanted.includes(set.toUpperCase());
  const log = (/** @type {any[]} */ ...args) => {
    if (enabled) console.error(`${set.toUpperCase()} 0: ${format(...args)}`);
  };
  return Object.defineProperty(log, "enabled", { get: () => enabled, configurable: true, enumerable: true });
}
export const debug = debuglog;

/** @param {any[]} args */
export function log(...args) {
  console.log("%s - %s", new Date().toTimeString().slice(0, 8), format(...args));
}

/** @param {string} text */
export function stripVTControlCharacters(text) {
  expectString("str", text);
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?(?:\u0007|\u001B\u005C|\u009C))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]))/g, "");
}

/** @param {string | string[]} formats @param {string} text @param {{ validateStream?: boolean, stream?: any }} [options] */
export function styleText(formats, text, { validateStream = true, stream } = {}) {
  expectString("text", text);
  const known = /** @type {any} */ (inspect).colors;
  let [before, after] = ["", ""];
  for (const name of Array.isArray(formats) ? formats : [formats]) {
    if (name === "none") continue;
    const codes = known[name];
    if (codes === undefined) throw invalidValue("format", name, `must be one of: ${Object.keys(known).map((one) => `'${one}'`).join(", ")}`);
    before += `\u001b[${codes[0]}m`;
    after = `\u001b[${codes[1]}m${after}`;
  }
  // Where it is to be shown is no terminal, unless the caller knows better.
  return validateStream && !stream?.isTTY ? text : `${before}${text}${after}`;
}

/** @param {any} input */
export function toUSVString(input) {
  return String(input).toWellFormed();
}

/** @param {any} target @param {any} source */
export function _extend(target, source) {
  return source === null || typeof source !== "object" ? target : Object.assign(target, source);
}

/** @param {AbortSignal} signal @param {any} resource */
export async function aborted(signal, resource) {
  if (signal === undefined) throw invalidType("signal", "AbortSignal", signal);
  expectSignal("signal", signal);
  expectObject("resource", resource);
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** @param {string} content */
export function parseEnv(content) {
  expectString("content", content);
  const line = /^\s*(?:export\s+)?([\w.-]+)\s*=[ \t]*(?:'([^']*)'|"([^"]*)"|`([^`]*)`|([^#\r\n]*))/gm;
  /** @type {Record<string, string>} */
  const found = {};
  for (const [, name, single, double, back, bare] of content.matchAll(line)) {
    found[name] = single ?? double?.replaceAll("\\n", "\n") ?? back ?? bare.trim();
  }
  return found;
}

/** @param {number} number @param {string} syscall @param {string} [original] */
export function _errnoException(number, syscall, original) {
  const code = getSystemErrorName(number);
  const message = original ? `${syscall} ${code} ${original}` : `${syscall} ${code}`;
  return Object.assign(new Error(message), { errno: number, code, syscall });
}

/** @param {number} number @param {string} syscall @param {string} address @param {number} [port] @param {string} [more] */
export function _exceptionWithHostPort(number, syscall, address, port, more) {
  const code = getSystemErrorName(number);
  const where = port && port > 0 ? ` ${address}:${port}` : address ? ` ${address}` : "";
  const error = new Error(`${syscall} ${code}${where}${more ? ` - Local (${more})` : ""}`);
  return Object.assign(error, { errno: number, code, syscall, address }, port ? { port } : {});
}

/** @param {number} [frames] */
export function getCallSites(frames = 8) {
  const before = Error.prepareStackTrace;
  try {
    Error.prepareStackTrace = (_, sites) => sites;
    /** @type {any} */
    const holder = {};
    Error.captureStackTrace(holder, getCallSites);
    const sites = Array.isArray(holder.stack) ? holder.stack : [];
    return sites.slice(0, frames).map((/** @type {any} */ site) => ({
      functionName: site.getFunctionName() ?? "",
      scriptName: site.getFileName() ?? "",
      scriptId: `${site.getScriptId?.() ?? ""}`,
      lineNumber: site.getLineNumber(),
      columnNumber: site.getColumnNumber(),
      column: site.getColumnNumber(),
    }));
  } finally {
    Error.prepareStackTrace = before;
  }
}
export const getCallSite = getCallSites;

export const isArray = Array.isArray;
export const isBoolean = (/** @type {any} */ value) => typeof value === "boolean";
export const isBuffer = (/** @type {any} */ value) => value?.constructor?.isBuffer?.(value) === true;
export const isDate = types.isDate;
export const isError = (/** @type {any} */ value) => types.isNativeError(value) || value instanceof Error;
export const isFunction = (/** @type {any} */ value) => typeof value === "function";
export const isNull = (/** @type {any} */ value) => value === null;
export const isNullOrUndefined = (/** @type {any} */ value) => value === null || value === undefined;
export const isNumber = (/** @type {any} */ value) => typeof value === "number";
export const isObject = (/** @type {any} */ value) => value !== null && typeof value === "object";
export const isPrimitive = (/** @type {any} */ value) => value === null || (typeof value !== "object" && typeof value !== "function");
export const isRegExp = types.isRegExp;
export const isString = (/** @type {any} */ value) => typeof value === "string";
export const isSymbol = (/** @type {any} */ value) => typeof value === "symbol";
export const isUndefined = (/** @type {any} */ value) => value === undefined;

export const diff = missing("util.diff()");
export const transferableAbortController = missing("util.transferableAbortController()");
export const transferableAbortSignal = missing("util.transferableAbortSignal()");
export const setTraceSigInt = missing("util.setTraceSigInt()");
export const convertProcessSignalToExitCode = missing("util.convertProcessSignalToExitCode()");

export default {
  MIMEParams, MIMEType, TextDecoder, TextEncoder, _errnoException, _exceptionWithHostPort, _extend, aborted,
  callbackify, convertProcessSignalToExitCode, debug, debuglog, deprecate, diff, format, formatWithOptions,
  getCallSite, getCallSites, getSystemErrorMap, getSystemErrorMessage, getSystemErrorName, inherits, inspect, isArray,
  isBoolean, isBuffer, isDate, isDeepStrictEqual, isError, isFunction, isNull, isNullOrUndefined, isNumber, isObject,
  isPrimitive, isRegExp, isString, isSymbol, isUndefined, log, parseArgs, parseEnv, promisify, setTraceSigInt,
  stripVTControlCharacters, styleText, toUSVString, transferableAbortController, transferableAbortSignal, types,
};
