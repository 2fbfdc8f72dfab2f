// @ts-check
/// <reference path="./types.d.ts" />

// Requests: what Workers add to deno_fetch's class, and their way to Rust and back.
// https://developers.cloudflare.com/workers/runtime-apis/request/

import { standFor } from "ext:stead/stand_in.js";
import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { innerBody, nativeBody } from "ext:stead/body.js";
import { checkStream, requestInit } from "ext:stead/http_checks.js";

const load = core.loadExtScript;
const request = load("ext:deno_fetch/23_request.js");
const { InnerRequest } = load("ext:stead/inner_request.js");
const { URL } = load("ext:deno_web/00_url.js");

let {
  op_request_body,
  op_request_cf,
  op_request_has_cf,
  op_request_headers,
  op_request_method,
  op_request_url,
} = core.ops;
bindOps((ops) =>
  ({
    op_request_body,
    op_request_cf,
    op_request_has_cf,
    op_request_headers,
    op_request_method,
    op_request_url,
  } = ops)
);

/** The member that holds a request's or a response's `cf`. */
export const CF = Symbol("cf");
const CACHE = Symbol("cache");
const SIGNAL = Symbol("signal");
/** The member that holds the request whose signal is this one's as well, made when somebody asks for it. */
export const SIGNAL_OF = Symbol("signal of");

export const DenoRequest = request.Request;

/**
 * deno_fetch's class under a constructor of ours: both make objects of the same prototype.
 * @param {any} base
 * @param {(args: any[], target: any) => any} construct
 */
export function extendClass(base, construct) {
  function Extended() {
    if (new.target === undefined) {
      throw new TypeError(
        `Failed to construct '${base.name}': Please use the 'new' operator, this object constructor cannot be called as a function.`,
      );
    }
    return construct(/** @type {any} */ (arguments), new.target);
  }
  for (const key of Object.getOwnPropertyNames(base)) {
    if (key in Function.prototype || key === "prototype") continue;
    const descriptor = Object.getOwnPropertyDescriptor(base, key);
    Object.defineProperty(Extended, key, /** @type {any} */ (descriptor));
  }
  return standFor(Extended, base, base.length);
}

export const Request = extendClass(DenoRequest, (args, target) => {
  if (args.length === 0) {
    throw new TypeError(
      "Failed to construct 'Request': constructor parameter 1 is not of type 'Request or string'.",
    );
  }
  const [input, given] = args;
  const isRequest = input instanceof DenoRequest;
  const url = isRequest ? null : parsed(`${input}`);
  if (url !== null && target === Request && isSimple(given)) return simpleRequest(url, given);
  if (given === undefined || given === null) {
    if (isRequest && input.bodyUsed) throw new TypeError(RECONSTRUCTED);
    return withOptions(Reflect.construct(DenoRequest, [input], target), isRequest ? input : NONE);
  }
  const { init, cache, trace } = requestInit(given);
  checkBody(isRequest ? input : null, init);
  const made = Reflect.construct(DenoRequest, [input, init], target);
  if (trace) request.toInnerRequest(made).method = "TRACE";
  if (isRequest) withOptions(made, input);
  if (given.cf !== undefined) made[CF] = { ...given.cf };
  if (cache !== undefined) made[CACHE] = cache;
  if (init.signal) made[SIGNAL] = init.signal;
  return made;
});

/** @param {string} text @returns {string} */
function parsed(text) {
  try {
    return new URL(text).href;
  } catch {
    throw new TypeError(`Invalid URL: ${text}`);
  }
}

/** Whether options are none at all, or a request whose body nobody has read. @param {any} given */
function isSimple(given) {
  return given === undefined || given === null || (given instanceof DenoRequest && !given.bodyUsed);
}

/**
 * A request of an URL and, if it is given, all of another one but its URL; whichever of them is
 * read first has the body. What most code asks for when it passes a request on, without the
 * conversions that deno_fetch's constructor makes.
 * @param {string} url
 * @param {any} given
 */
function simpleRequest(url, given) {
  if (!given) return request.fromInnerRequest(new InnerRequest("GET", url, NO_HEADERS, null), "request");
  const from = request.toInnerRequest(given);
  /** @type {[string, string][]} */
  const headers = from.headerList.map((/** @type {[string, string]} */ [name, value]) => [name, value]);
  const inner = new InnerRequest(from.method, url, () => headers, from.body);
  inner.redirectMode = from.redirectMode;
  const made = request.fromInnerRequest(inner, "request");
  if (given[CF] !== undefined) made[CF] = { ...given[CF] };
  if (given[CACHE] !== undefined) made[CACHE] = given[CACHE];
  shareSignal(made, given);
  return made;
}

/** @returns {[string, string][]} */
const NO_HEADERS = () => [];

/**
 * @param {any} made
 * @param {any} from
 */
function shareSignal(made, from) {
  if (from[SIGNAL] !== undefined) made[SIGNAL] = from[SIGNAL];
  else made[SIGNAL_OF] = from[SIGNAL_OF] ?? from;
}

/** Options that nobody gave. @type {any} */
const NONE = {};
const RECONSTRUCTED = "Cannot reconstruct a Request with a used body.";

/**
 * Gives a request what another one has beside deno_fetch's parts.
 * @param {any} made
 * @param {any} from
 */
function withOptions(made, from) {
  if (from[CF] !== undefined) made[CF] = from[CF];
  if (from[CACHE] !== undefined) made[CACHE] = from[CACHE];
  if (from[SIGNAL] !== undefined) made[SIGNAL] = from[SIGNAL];
  if (from[SIGNAL_OF] !== undefined) made[SIGNAL_OF] = from[SIGNAL_OF];
  return made;
}

const cloneRequest = DenoRequest.prototype.clone;
const { get: signalOf } = /** @type {any} */ (
  Object.getOwnPropertyDescriptor(DenoRequest.prototype, "signal")
);
Object.defineProperties(DenoRequest.prototype, {
  clone: {
    value: function clone() {
      checkUnlocked(request.toInnerRequest(this).body);
      return withOptions(Reflect.apply(cloneRequest, this, []), this);
    },
    writable: true,
    enumerable: true,
    configurable: true,
  },
  signal: {
    get() {
      return this[SIGNAL] ?? this[SIGNAL_OF]?.signal ?? Reflect.apply(signalOf, this, []);
    },
    enumerable: true,
    configurable: true,
  },
  cf: {
    get() {
      return this[CF];
    },
    enumerable: true,
    configurable: true,
  },
  cache: {
    get() {
      return this[CACHE];
    },
    enumerable: true,
    configurable: true,
  },
  keepalive: {
    get() {
      return false;
    },
    enumerable: true,
    configurable: true,
  },
});

/**
 * Refuses to clone what is being read, or was.
 * @param {any} body an InnerBody, or null
 */
export function checkUnlocked(body) {
  if (body?.unusable()) {
    throw new TypeError("This ReadableStream is currently locked to a reader,");
  }
}

/**
 * @param {any} input a request, or null
 * @param {any} init
 */
function checkBody(input, init) {
  const body = init.body ?? null;
  if (body === null) {
    if (input !== null && input.bodyUsed) throw new TypeError(RECONSTRUCTED);
    if (input === null || request.toInnerRequest(input).body === null) return;
  }
  checkStream(body);
  const method = init.method ?? input?.method ?? "GET";
  if (method === "GET" || method === "HEAD") {
    throw new TypeError("Request with a GET or HEAD method cannot have a body.");
  }
}

/**
 * Header pairs as a flat array.
 * @param {[string, string][]} list
 */
export function flatten(list) {
  const flat = [];
  for (let i = 0; i < list.length; i++) flat.push(list[i][0], list[i][1]);
  return flat;
}

/**
 * A flat array as header pairs.
 * @param {string[]} flat
 * @returns {[string, string][]}
 */
export function pairs(flat) {
  /** @type {[string, string][]} */
  const list = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i], flat[i + 1]]);
  return list;
}

/**
 * The request of an event.
 * @param {any} native
 */
export function requestFromNative(native) {
  const inner = new InnerRequest(
    () => op_request_method(native),
    () => op_request_url(native),
    () => pairs(op_request_headers(native)),
    innerBody(op_request_body(native)),
  );
  // A Worker sees redirects that it makes itself.
  inner.redirectMode = "manual";
  const made = request.fromInnerRequest(inner, "immutable");
  if (op_request_has_cf(native)) made[CF] = JSON.parse(op_request_cf(native));
  return made;
}

/**
 * The request that the arguments of a `fetch()` stand for. A request that is passed as it is
 * keeps its body, which can so be moved unread.
 * @param {any} input
 * @param {any} init
 */
export function requestOf(input, init) {
  if (init !== undefined || !(input instanceof DenoRequest)) return new Request(input, init);
  if (input.bodyUsed) throw new TypeError("Cannot reconstruct a Request with a used body.");
  return input;
}

/**
 * The parts of a request for Rust: method, URL, headers, body.
 * @param {any} made
 */
export function requestToNative(made) {
  const inner = request.toInnerRequest(made);
  const headers = flatten(inner.headerList);
  return { method: inner.method, url: inner.url(), headers, body: nativeBody(inner.body) };
}
