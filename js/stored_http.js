// @ts-check
/// <reference path="./types.d.ts" />

// Headers, requests and responses as stored values, in workerd's form. Those with a body cannot be
// stored: a body is a stream.

import { core } from "ext:core/mod.js";
import { addStoredClass } from "ext:stead/clone.js";
import { streamError } from "ext:stead/cloning.js";
import { Response } from "ext:stead/http.js";
import { Request } from "ext:stead/request.js";

const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");

/**
 * Has structuredClone() clone the objects of a class, too, by the parts of their stored form.
 * @param {string} type
 * @param {{ base: any, describe: (object: any) => any[], make: (parts: any[]) => any }} stored
 */
function makeCloneable(type, { base, describe, make }) {
  Object.defineProperty(base.prototype, core.hostObjectBrand, {
    value() {
      // Values stand in arrays of their own there.
      const parts = describe(this).map((part) => (Array.isArray(part) ? part[0] : part));
      return { type, parts };
    },
    writable: true,
    configurable: true,
  });
  core.registerCloneableResource(type, ({ parts }) => make(parts));
}

/** @param {import("./clone.js").StoredClass} stored */
function addStoredAndCloned(stored) {
  addStoredClass(stored);
  makeCloneable(stored.base.name, stored);
}

/** The tags of clone.rs. */
const TAG_HEADERS = 4;
const TAG_REQUEST = 5;
const TAG_RESPONSE = 6;
/** The guard of headers that anybody may change, the only one that is ever stored. */
const GUARD_NONE = 3;

/** The names that have a number in stored headers, counted from 1. */
const NAMES = (
  "accept-charset accept-encoding accept-language accept-ranges accept " +
  "access-control-allow-origin age allow authorization cache-control content-disposition " +
  "content-encoding content-language content-length content-location content-range content-type " +
  "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range " +
  "if-unmodified-since last-modified link location max-forwards proxy-authenticate " +
  "proxy-authorization range referer refresh retry-after server set-cookie " +
  "strict-transport-security transfer-encoding user-agent vary via www-authenticate"
).split(" ");
const NUMBERS = new Map(NAMES.map((name, index) => [name, index + 1]));

addStoredAndCloned({
  tag: TAG_HEADERS,
  base: Headers,
  describe(headers) {
    const pairs = Array.from(headers);
    const parts = pairs.flatMap(([name, value]) => {
      const number = NUMBERS.get(name);
      return number === undefined ? [0, name, value] : [number, value];
    });
    return [GUARD_NONE, pairs.length, ...parts];
  },
  make([_guard, ...parts]) {
    const headers = new Headers();
    for (let i = 0; i < parts.length; i += 2) {
      const name = typeof parts[i] === "number" ? NAMES[parts[i] - 1] : parts[i];
      headers.append(name, parts[i + 1]);
    }
    return headers;
  },
});

addStoredAndCloned({
  tag: TAG_REQUEST,
  base: Request,
  describe(request) {
    if (request.body !== null) throw streamError("ReadableStream");
    const { headers, method, redirect, url } = request;
    return [url, [{
      method: method === "GET" ? undefined : method,
      headers,
      body: null,
      redirect: redirect === "follow" ? undefined : redirect,
    }]];
  },
  make: ([url, init]) => new Request(url, init),
});

addStoredAndCloned({
  tag: TAG_RESPONSE,
  base: Response,
  describe(response) {
    if (response.body !== null) throw streamError("ReadableStream");
    const { headers, status, statusText } = response;
    return [[null], [{
      status: status === 200 ? undefined : status,
      statusText: statusText === "" ? undefined : statusText,
      headers,
    }]];
  },
  make: ([body, init]) => new Response(body, init),
});
