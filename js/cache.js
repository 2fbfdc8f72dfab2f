// @ts-check
/// <reference path="./types.d.ts" />

// The Cache API.
// https://developers.cloudflare.com/workers/runtime-apis/cache/

import { core } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { BODY_USED, innerBody } from "ext:stead/body.js";
import { formatOf } from "ext:stead/content_encoding.js";
import { policyOf } from "ext:stead/cache_policy.js";
import { defineClasses, defineValues } from "ext:stead/globals.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { leaving, Response, socketOf } from "ext:stead/http.js";
import { flatten, pairs, Request } from "ext:stead/request.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";

const response = core.loadExtScript("ext:deno_fetch/23_response.js");
const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const {
  op_cache_age,
  op_cache_body,
  op_cache_bytes,
  op_cache_delete,
  op_cache_find,
  op_cache_headers,
  op_cache_kept,
  op_cache_put,
  op_cache_reason,
  op_cache_size,
  op_cache_status,
  op_output_open,
  op_output_wait,
} = core.ops;

const INTERNAL = Symbol("internal");

/**
 * @param {string} owner
 * @param {string} name
 */
function notThere(owner, name) {
  throw new Error(`Failed to execute '${name}' on '${owner}': the method is not implemented.`);
}

/**
 * What the speaking object does is seen by others, so it waits for what it wrote.
 */
async function untilDurable() {
  const handle = currentHandle();
  if (handle !== null && !op_output_open(handle)) await op_output_wait(handle);
}

/**
 * @param {any} input
 * @param {string} method
 */
function requestOf(input, method) {
  requireHandler();
  if (input === undefined) refuseArgument("Cache", method, 1, "Request or string");
  const made = input instanceof Request ? input : new Request(input);
  if (!/^https?:/.test(made.url)) throw new TypeError(`Fetch API cannot load: ${made.url}`);
  return made;
}

/** @param {any} made a request */
function keyOf(made) {
  const key = made.cf?.cacheKey;
  return key === undefined || key === null || key === "" ? made.url.replace(/#.*/, "") : `${key}`;
}

export class Cache {
  /** None for the default one. @type {string | null} */
  #name;

  /**
   * @param {symbol} token
   * @param {string | null} name
   */
  constructor(token, name) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#name = name;
  }

  /**
   * @param {any} input
   * @param {{ ignoreMethod?: boolean }} [options]
   */
  async match(input, options) {
    const made = requestOf(input, "match");
    if (made.method !== "GET" && !options?.ignoreMethod) return undefined;
    const found = op_cache_find(this.#name, keyOf(made));
    return found === null ? undefined : answer(made.headers, found);
  }

  /**
   * @param {any} input
   * @param {any} given
   */
  async put(input, given) {
    if (arguments.length === 0) refuseArgument("Cache", "put", 1, "Request or string");
    if (!(given instanceof Response)) refuseArgument("Cache", "put", 2, "Response");
    const made = requestOf(input, "put");
    check(made, given);
    // https://developers.cloudflare.com/workers/runtime-apis/cache/#put
    if (given.status === 304) return;
    const { storable, lifetimeMs, headers } = policyOf(
      made.headers,
      given.status,
      given.headers,
      Date.now(),
    );
    const { body, headers: list } = leaving(given, Array.from(headers));
    await untilDurable();
    const keeping = op_cache_put(
      this.#name,
      keyOf(made),
      given.status,
      flatten(list),
      body,
      storable ? Math.ceil(lifetimeMs) : 0,
    );
    await resumeAfter(op_cache_kept(keeping));
  }

  /**
   * @param {any} input
   * @param {{ ignoreMethod?: boolean }} [options]
   */
  async delete(input, options) {
    const made = requestOf(input, "delete");
    if (made.method !== "GET" && !options?.ignoreMethod) return false;
    await untilDurable();
    return op_cache_delete(this.#name, keyOf(made));
  }

  add() {
    notThere("Cache", "add");
  }

  addAll() {
    notThere("Cache", "addAll");
  }

  keys() {
    notThere("Cache", "keys");
  }

  matchAll() {
    notThere("Cache", "matchAll");
  }
}
tagClass(Cache);
guardReceiver(Cache);

/**
 * @param {any} made the request
 * @param {any} given the response
 */
function check(made, given) {
  if (made.method !== "GET") throw new TypeError("Cannot cache response to non-GET request.");
  if (given.status === 206) {
    throw new TypeError("Cannot cache response to a range request (206 Partial Content).");
  }
  if ((given.headers.get("vary") ?? "").includes("*")) {
    throw new TypeError("Cannot cache response with 'Vary: *' header.");
  }
  if (socketOf(given) !== undefined) {
    throw new TypeError(
      'Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".',
    );
  }
  if (given.bodyUsed) throw new TypeError(BODY_USED);
  if (response.toInnerResponse(given).body?.unusable()) throw new TypeError("The ReadableStream has been locked to a reader.");
}

/**
 * What was found, or the part of it that was asked for.
 * @param {Headers} asked
 * @param {any} found
 */
function answer(asked, found) {
  const headers = new Headers(pairs(op_cache_headers(found)));
  const age = Number(headers.get("age")) + op_cache_age(found);
  headers.set("age", `${age}`);
  headers.set("cf-cache-status", "HIT");
  const size = op_cache_size(found);
  headers.set("content-length", `${size}`);
  if (isUnchanged(asked, headers)) return respond(304, headers, null);
  const range = asked.get("range");
  const ranges = range === null ? [] : rangesOf(range, size);
  if (ranges === null) {
    const refusal = new Headers({ "cf-cache-status": "HIT", "content-range": `bytes */${size}` });
    return respond(416, refusal, null);
  }
  if (ranges.length > 1) return respondParts(found, headers, ranges, size);
  const [part] = ranges;
  if (part === undefined) {
    return respond(op_cache_status(found), headers, op_cache_body(found, 0, size));
  }
  headers.set("content-range", `bytes ${part.start}-${part.end}/${size}`);
  headers.set("content-length", `${part.end - part.start + 1}`);
  return respond(206, headers, op_cache_body(found, part.start, part.end + 1));
}

/** @param {string} tag */
function tagOf(tag) {
  return /^(?:W\/)?"(.+)"$/.exec(tag.trim())?.[1];
}

/**
 * Whether the client has what was found.
 * @param {Headers} asked
 * @param {Headers} headers
 */
function isUnchanged(asked, headers) {
  const ours = tagOf(headers.get("etag") ?? "");
  const theirs = asked.get("if-none-match");
  if (ours !== undefined && theirs !== null) {
    if (theirs.trim() === "*") return true;
    if (theirs.split(",").some((tag) => tagOf(tag) === ours)) return true;
  }
  const since = Date.parse(asked.get("if-modified-since") ?? "");
  return Date.parse(headers.get("last-modified") ?? "") <= since;
}

/**
 * The first and last byte of each range: none for all of it, null for what cannot be had.
 * @param {string} header
 * @param {number} size
 */
function rangesOf(header, size) {
  const [, list] = /^ *bytes *=(.*)$/i.exec(header) ?? [];
  if (list === undefined) return null;
  const ranges = [];
  for (const part of list.trim() === "" ? [] : list.split(",")) {
    const [, first, last] = /^ *(\d*) *- *(\d*) *$/.exec(part) ?? [];
    if (first === undefined || first + last === "") return null;
    if (first === "") {
      if (Number(last) >= size) return [];
      if (Number(last) > 0) ranges.push({ start: size - Number(last), end: size - 1 });
      continue;
    }
    const start = Number(first);
    const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
    if (start >= size || start > end) return null;
    ranges.push({ start, end });
  }
  return ranges;
}

/**
 * @param {any} found
 * @param {Headers} headers
 * @param {{ start: number, end: number }[]} ranges
 * @param {number} size
 */
function respondParts(found, headers, ranges, size) {
  const boundary = crypto.randomUUID();
  const type = headers.get("content-type");
  const parts = [];
  for (const { start, end } of ranges) {
    parts.push(`--${boundary}\r\n`);
    if (type !== null) parts.push(`Content-Type: ${type}\r\n`);
    parts.push(`Content-Range: bytes ${start}-${end}/${size}\r\n\r\n`);
    parts.push(op_cache_bytes(found, start, end + 1), "\r\n");
  }
  parts.push(`--${boundary}--`);
  const chunks = parts.map((part) => typeof part === "string" ? core.encode(part) : part);
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  headers.set("content-type", `multipart/byteranges; boundary=${boundary}`);
  headers.set("content-length", `${whole.byteLength}`);
  return new Response(whole, { status: 206, headers });
}

/**
 * @param {number} status
 * @param {Headers} headers
 * @param {any} body
 */
function respond(status, headers, body) {
  const inner = response.newInnerResponse(status, op_cache_reason(status));
  inner.headerList = Array.from(headers);
  // A part of what is compressed is no such thing by itself.
  inner.body = innerBody(body, status === 206 ? undefined : formatOf(inner.headerList));
  return response.fromInnerResponse(inner, "immutable");
}

/** Only the global `caches` is ever made. */
let constructed = false;

export class CacheStorage {
  constructor() {
    if (constructed) throw new TypeError("Illegal constructor");
    constructed = true;
    Object.defineProperty(this, "default", {
      value: new Cache(INTERNAL, null),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }

  /** @param {string} name */
  async open(name) {
    if (arguments.length === 0) refuseArgument("CacheStorage", "open", 1, "string");
    return new Cache(INTERNAL, `${name}`);
  }

  delete() {
    notThere("CacheStorage", "delete");
  }

  has() {
    notThere("CacheStorage", "has");
  }

  keys() {
    notThere("CacheStorage", "keys");
  }

  match() {
    notThere("CacheStorage", "match");
  }
}
tagClass(CacheStorage);
guardReceiver(CacheStorage);

export const caches = new CacheStorage();

defineClasses({ Cache, CacheStorage });
defineValues({ caches });
