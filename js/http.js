// @ts-check
/// <reference path="./types.d.ts" />

// Requests and responses: what Workers add to deno_fetch's classes, and their way to Rust and back.
// https://developers.cloudflare.com/workers/runtime-apis/response/

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { endForResponse, isSocket, makeSocket } from "ext:stead/websocket.js";

const load = core.loadExtScript;
const { InnerBody } = load("ext:deno_fetch/22_body.js");
const request = load("ext:deno_fetch/23_request.js");
const response = load("ext:deno_fetch/23_response.js");
const { fetch: denoFetch } = load("ext:deno_fetch/26_fetch.js");
const streams = load("ext:deno_web/06_streams.js");

let {
  op_body_take,
  op_output_open,
  op_output_wait,
  op_request_body,
  op_request_headers,
  op_request_method,
  op_request_url,
  op_respond,
  op_respond_text,
  op_socket_connect,
} = core.ops;
bindOps((ops) =>
  ({
    op_body_take,
    op_output_open,
    op_output_wait,
    op_request_body,
    op_request_headers,
    op_request_method,
    op_request_url,
    op_respond,
    op_respond_text,
    op_socket_connect,
  } = ops)
);

const SOCKET = Symbol("webSocket");
const CF = Symbol("cf");
const BODY_USED =
  "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";

const DenoRequest = request.Request;
const DenoResponse = response.Response;

/**
 * deno_fetch's class under a constructor of ours: both make objects of the same prototype.
 * @param {any} base
 * @param {(args: any[], target: any) => any} construct
 */
function extendClass(base, construct) {
  function Extended() {
    if (new.target === undefined) {
      throw new TypeError(`Class constructor ${base.name} cannot be invoked without 'new'`);
    }
    return construct(/** @type {any} */ (arguments), new.target);
  }
  Object.defineProperty(Extended, "name", { value: base.name, configurable: true });
  Object.defineProperty(Extended, "length", { value: base.length, configurable: true });
  for (const key of Object.getOwnPropertyNames(base)) {
    if (key in Function.prototype || key === "prototype") continue;
    const descriptor = Object.getOwnPropertyDescriptor(base, key);
    Object.defineProperty(Extended, key, /** @type {any} */ (descriptor));
  }
  Object.defineProperty(Extended, "prototype", { value: base.prototype, writable: false });
  Object.defineProperty(base.prototype, "constructor", {
    value: Extended,
    writable: true,
    configurable: true,
  });
  return /** @type {any} */ (Extended);
}

const consume = InnerBody.prototype.consume;
InnerBody.prototype.consume = function () {
  if (this.consumed()) throw new TypeError(BODY_USED);
  return Reflect.apply(consume, this, []);
};

export const Request = extendClass(DenoRequest, (args, target) => {
  checkBody(args[0], args[1]);
  const [input, init] = args;
  const made = Reflect.construct(DenoRequest, args.length > 1 ? [input, init] : [input], target);
  const cf = init?.cf ?? (typeof input === "object" ? input?.[CF] : undefined);
  if (cf !== undefined) made[CF] = cf;
  return made;
});
Object.defineProperty(Request.prototype, "cf", {
  get() {
    return this[CF];
  },
  enumerable: true,
  configurable: true,
});

/**
 * @param {any} input
 * @param {any} init
 */
function checkBody(input, init) {
  if (init?.body === undefined || init.body === null) return;
  const method = `${init.method ?? (input instanceof DenoRequest ? input.method : "GET")}`;
  if (/^(get|head)$/i.test(method)) {
    throw new TypeError("Request with a GET or HEAD method cannot have a body.");
  }
}

export const Response = extendClass(DenoResponse, (args, target) => {
  const [body, init] = args;
  const socket = init?.webSocket;
  if (socket !== undefined && socket !== null) {
    if (!isSocket(socket)) {
      throw new TypeError("Response's webSocket must be a WebSocket");
    }
    if (init.status !== 101) {
      throw new RangeError("Responses with a WebSocket must have status code 101.");
    }
  }
  const made = Reflect.construct(DenoResponse, [body, init], target);
  if (socket) made[SOCKET] = socket;
  if (init?.cf !== undefined) made[CF] = init.cf;
  return made;
});
Object.defineProperty(Response.prototype, "webSocket", {
  get() {
    return this[SOCKET] ?? null;
  },
  enumerable: true,
  configurable: true,
});
Object.defineProperty(Response.prototype, "cf", {
  get() {
    return this[CF];
  },
  enumerable: true,
  configurable: true,
});

/** A body that Rust holds until somebody looks at it. */
class PendingInnerBody extends InnerBody {
  /** @type {any} */ #pending;
  /** @type {any} */ #stream;

  /** @param {any} pending */
  constructor(pending) {
    super(null);
    this.#stream = null;
    this.#pending = pending;
  }

  get streamOrStatic() {
    if (this.#pending !== null) {
      const rid = op_body_take(this.#pending);
      this.#pending = null;
      this.#stream = streams.readableStreamForRid(rid);
    }
    return this.#stream;
  }

  set streamOrStatic(value) {
    // The base's constructor assigns it before this class has its fields.
    if (#stream in this) this.#stream = value;
  }

  unusable() {
    return this.#pending === null && super.unusable();
  }

  consumed() {
    return this.#pending === null && super.consumed();
  }

  /** Takes the body away unread; null if it was looked at. */
  takePending() {
    const pending = this.#pending;
    if (pending === null) return null;
    this.#pending = null;
    this.#stream = { body: "", consumed: true };
    return pending;
  }
}

/** @param {any} pending */
function innerBody(pending) {
  return pending === null || pending === undefined ? null : new PendingInnerBody(pending);
}

/**
 * A body for Rust: null, text, bytes, a pending body or the number of a resource.
 * @param {any} body an InnerBody
 */
function nativeBody(body) {
  if (body === null) return null;
  if (body.unusable()) {
    throw new TypeError(
      "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.",
    );
  }
  const pending = body instanceof PendingInnerBody ? body.takePending() : null;
  if (pending !== null) return pending;
  const source = body.streamOrStatic;
  if (!(source instanceof streams.ReadableStream)) {
    source.consumed = true;
    return source.body;
  }
  const backing = streams.getReadableStreamResourceBacking(source);
  if (!backing) return streams.resourceForReadableStream(source, body.length);
  // Locked and disturbed from JavaScript's side: Rust reads it now.
  source.getReader();
  streams.readableStreamDisturb(source);
  return backing.rid;
}

/**
 * Header pairs as a flat array.
 * @param {[string, string][]} list
 */
function flatten(list) {
  const flat = [];
  for (let i = 0; i < list.length; i++) flat.push(list[i][0], list[i][1]);
  return flat;
}

/**
 * A flat array as header pairs.
 * @param {string[]} flat
 * @returns {[string, string][]}
 */
function pairs(flat) {
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
  const inner = request.newInnerRequest(
    op_request_method(native),
    () => op_request_url(native),
    () => pairs(op_request_headers(native)),
    innerBody(op_request_body(native)),
    false,
  );
  // A Worker sees redirects that it makes itself.
  inner.redirectMode = "manual";
  return request.fromInnerRequest(inner, "immutable");
}

/**
 * The parts of a request for Rust: method, URL, headers, body.
 * @param {any} made
 */
export function requestToNative(made) {
  const inner = request.toInnerRequest(made);
  const headers = flatten(Array.from(made.headers));
  return { method: inner.method, url: inner.url(), headers, body: nativeBody(inner.body) };
}

/**
 * The response of an object.
 * @param {any[]} parts
 */
export function responseFromNative(parts) {
  const [, status, statusText, headers, body, socket] = parts;
  const inner = response.newInnerResponse(status, statusText);
  inner.headerList = pairs(headers);
  inner.body = innerBody(body);
  const made = response.fromInnerResponse(inner, "immutable");
  if (socket !== null) made[SOCKET] = makeSocket(socket);
  return made;
}

/**
 * Answers an event with a response.
 * @param {any} native
 * @param {any} made
 */
export function respond(native, made) {
  if (!(made instanceof DenoResponse)) {
    throw new TypeError(
      "Incorrect type for Promise: the Promise did not resolve to 'Response'.",
    );
  }
  if (isPlainText(made)) {
    made[response.serveFastConsumedKey] = true;
    op_respond_text(native, made[response.serveFastBodyKey]);
    return;
  }
  const inner = response.toInnerResponse(made);
  const socket = made[SOCKET];
  const end = socket === undefined ? null : endForResponse(socket);
  if (made.bodyUsed) {
    throw new TypeError(
      "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.",
    );
  }
  const body = nativeBody(inner.body);
  const headers = flatten(response.wireHeaderList(inner));
  op_respond(native, inner.status, inner.statusMessage, headers, body, end);
}

/** Whether a response is what `new Response(text)` makes. @param {any} made */
function isPlainText(made) {
  return made[response.serveFastStatusKey] === 200 &&
    made[response.serveFastHeaderKindKey] === response.SERVE_FAST_HEADER_DEFAULT_TEXT &&
    typeof made[response.serveFastBodyKey] === "string" &&
    !made[response.serveFastConsumedKey] && made[SOCKET] === undefined;
}

/**
 * https://developers.cloudflare.com/workers/runtime-apis/fetch/
 * @param {any} input
 * @param {any} [init]
 */
export async function fetch(input, init) {
  const made = new Request(input, init);
  const handle = currentHandle();
  if (handle !== null && !op_output_open(handle)) await op_output_wait(handle);
  if (made.headers.get("upgrade")?.toLowerCase() === "websocket") return await connect(made);
  return await resumeAfter(denoFetch(made));
}

/** @param {any} made */
async function connect(made) {
  const headers = new Headers(made.headers);
  const protocols = (headers.get("sec-websocket-protocol") ?? "").split(",").map((p) => p.trim())
    .filter((p) => p !== "");
  for (const name of [...headers.keys()]) {
    if (name === "upgrade" || name === "connection" || name.startsWith("sec-websocket-")) {
      headers.delete(name);
    }
  }
  const flat = flatten(Array.from(headers));
  const [end, protocol] = await resumeAfter(op_socket_connect(made.url, protocols, flat));
  const inner = response.newInnerResponse(101, "Switching Protocols");
  inner.headerList = protocol === "" ? [] : [["sec-websocket-protocol", protocol]];
  const answer = response.fromInnerResponse(inner, "immutable");
  answer[SOCKET] = makeSocket(end);
  return answer;
}
