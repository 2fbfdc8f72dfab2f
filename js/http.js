// @ts-check
/// <reference path="./types.d.ts" />

// Requests and responses: what Workers add to deno_fetch's classes, and their way to Rust and back.
// https://developers.cloudflare.com/workers/runtime-apis/response/

import { requireHandler } from "ext:stead/global_scope.js";
import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { BODY_USED, gatedStream, innerBody, nativeBody, nativeStream } from "ext:stead/body.js";
import { reasonAgainst } from "ext:stead/cloning.js";
import { addHostClass } from "ext:stead/message.js";
import { endForResponse, isSocket, makeSocket } from "ext:stead/websocket.js";

const load = core.loadExtScript;
const { Blob, File } = load("ext:deno_web/09_file.js");
const { Headers } = load("ext:deno_fetch/20_headers.js");
const request = load("ext:deno_fetch/23_request.js");
const response = load("ext:deno_fetch/23_response.js");
const { fetch: denoFetch } = load("ext:deno_fetch/26_fetch.js");
const streams = load("ext:deno_web/06_streams.js");

let {
  op_blob_take,
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
    op_blob_take,
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

export const Request = extendClass(DenoRequest, (args, target) => {
  checkBody(args[0], args[1]);
  const [input, init] = args;
  if (typeof input === "string" && !URL.canParse(input)) {
    throw new TypeError(`Invalid URL: ${input}`);
  }
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
  const status = init?.status;
  if (socket !== undefined && socket !== null) {
    if (!isSocket(socket)) {
      throw new TypeError(
        "Incorrect type for the 'webSocket' field on 'InitializerDict': the provided value is not of type 'WebSocket'.",
      );
    }
    if (status !== 101) {
      throw new RangeError("Responses with a WebSocket must have status code 101.");
    }
  } else if (status !== undefined && !(status >= 200 && status <= 599)) {
    throw new RangeError(
      "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
    );
  }
  const made = Reflect.construct(DenoResponse, [body, init], target);
  if (socket) made[SOCKET] = socket;
  if (init?.cf !== undefined) made[CF] = init.cf;
  return made;
});
const { clone: cloneResponse } = Response.prototype;
Object.defineProperty(Response.prototype, "clone", {
  value: function clone() {
    if (this[SOCKET] !== undefined) {
      throw new TypeError("Cannot clone a response to a WebSocket handshake.");
    }
    return Reflect.apply(cloneResponse, this, []);
  },
  writable: true,
  enumerable: true,
  configurable: true,
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

/**
 * The socket that a response carries.
 * @param {any} made
 */
export function socketOf(made) {
  return made[SOCKET];
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
  const headers = flatten(Array.from(made.headers));
  return { method: inner.method, url: inner.url(), headers, body: nativeBody(inner.body) };
}

/**
 * The response of an object to a request for `url`.
 * @param {any[]} parts
 * @param {string} url
 */
export function responseFromNative(parts, url) {
  const [, status, statusText, headers, body, socket] = parts;
  const inner = response.newInnerResponse(status, statusText);
  inner.urlList.push(url);
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
  if (made.bodyUsed) throw new TypeError(BODY_USED);
  const body = nativeBody(inner.body);
  const headers = flatten(response.wireHeaderList(inner));
  op_respond(native, inner.status, inner.statusMessage, headers, body, end);
}

/**
 * A body that goes with a message: its place in the list, or null.
 * @param {any} body
 * @param {any[]} attachments
 */
function sendBody(body, attachments) {
  return body === null ? null : attachments.push(nativeBody(body)) - 1;
}

/**
 * The socket that goes with a response: its place in the list, or null.
 * @param {any} made
 * @param {any[]} attachments
 */
function sendSocket(made, attachments) {
  const socket = made[SOCKET];
  return socket === undefined ? null : attachments.push(endForResponse(socket)) - 1;
}

addHostClass({
  base: Headers,
  name: "Headers",
  send: (headers) => Array.from(headers),
  receive: (list) => new Headers(list),
});
addHostClass({
  base: DenoRequest,
  name: "Request",
  send(made, attachments) {
    const inner = request.toInnerRequest(made);
    const { method, redirectMode } = inner;
    const headers = Array.from(made.headers);
    const body = sendBody(inner.body, attachments);
    return { method, url: inner.url(), headers, redirectMode, body, cf: made[CF] };
  },
  receive({ method, url, headers, redirectMode, body, cf }, attachments) {
    const made = innerBody(attachments[body]);
    const inner = request.newInnerRequest(method, url, () => headers, made, false);
    inner.redirectMode = redirectMode;
    const received = request.fromInnerRequest(inner, "request");
    if (cf !== undefined) received[CF] = cf;
    return received;
  },
});
addHostClass({
  base: DenoResponse,
  name: "Response",
  send(made, attachments) {
    const inner = response.toInnerResponse(made);
    const { status, statusMessage } = inner;
    if (made.bodyUsed) throw new TypeError(BODY_USED);
    const headers = response.wireHeaderList(inner);
    const socket = sendSocket(made, attachments);
    return { status, statusMessage, headers, body: sendBody(inner.body, attachments), socket };
  },
  receive({ status, statusMessage, headers, body, socket }, attachments) {
    const inner = response.newInnerResponse(status, statusMessage);
    inner.headerList = headers;
    inner.body = innerBody(attachments[body]);
    const made = response.fromInnerResponse(inner, "response");
    if (socket !== null) made[SOCKET] = makeSocket(attachments[socket]);
    return made;
  },
});
addHostClass({
  base: streams.ReadableStream,
  name: "ReadableStream",
  send(stream, attachments) {
    if (stream.locked) throw new TypeError("The ReadableStream has been locked to a reader.");
    return attachments.push(nativeStream(stream, null)) - 1;
  },
  receive: (body, attachments) => innerBody(attachments[body])?.stream,
});
addHostClass({
  base: Blob,
  name: "Blob",
  send(blob, attachments) {
    if (blob instanceof File) throw reasonAgainst(blob);
    const { mimeType, parts, size } = blob[core.hostObjectBrand]();
    const sizes = parts.map((/** @type {any} */ part) => part.size);
    attachments.push(parts.map((/** @type {any} */ part) => part.uuid));
    return { mimeType, size, sizes, place: attachments.length - 1 };
  },
  receive({ mimeType, size, sizes, place }, attachments) {
    const ids = op_blob_take(attachments[place]);
    const parts = ids.map((/** @type {string} */ uuid, /** @type {number} */ index) => {
      return { uuid, size: sizes[index] };
    });
    return core.getCloneableDeserializers().Blob({ mimeType, parts, size });
  },
});

/** Whether a response is what `new Response(text)` makes. @param {any} made */
function isPlainText(made) {
  return made[response.serveFastStatusKey] === 200 &&
    made[response.serveFastHeaderKindKey] === response.SERVE_FAST_HEADER_DEFAULT_TEXT &&
    typeof made[response.serveFastBodyKey] === "string" &&
    !made.bodyUsed && made[SOCKET] === undefined;
}

for (const name of ["append", "delete", "set"]) {
  const standard = Headers.prototype[name];
  Object.defineProperty(Headers.prototype, name, {
    value: {
      /** @this {any} @param {any[]} args */
      [name](...args) {
        try {
          return Reflect.apply(standard, this, args);
        } catch (error) {
          if (!/headers are immutable$/.test(/** @type {any} */ (error)?.message)) throw error;
          throw new TypeError("Can't modify immutable headers.");
        }
      },
    }[name],
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

// https://developers.cloudflare.com/workers/runtime-apis/headers/#differences
Object.defineProperty(Headers.prototype, "getAll", {
  /** @param {any} name */
  value: function getAll(name) {
    if (`${name}`.toLowerCase() !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return this.getSetCookie();
  },
  writable: true,
  enumerable: true,
  configurable: true,
});

/**
 * https://developers.cloudflare.com/workers/runtime-apis/fetch/
 * @param {any} input
 * @param {any} [init]
 */
export async function fetch(input, init) {
  requireHandler();
  const made = new Request(input, init);
  const handle = currentHandle();
  if (handle !== null && !op_output_open(handle)) await op_output_wait(handle);
  if (made.headers.get("upgrade")?.toLowerCase() === "websocket") return await connect(made);
  gateBody(request.toInnerRequest(made).body);
  return await resumeAfter(denoFetch(made));
}

/**
 * Has the chunks of a request's streamed body wait for the object that sends it.
 * @param {any} body
 */
function gateBody(body) {
  const source = body?.streamOrStatic;
  if (!(source instanceof streams.ReadableStream)) return;
  const backing = streams.getReadableStreamResourceBacking(source);
  if (backing === null || backing === undefined) body.streamOrStatic = gatedStream(source);
}

/** @param {any} made */
async function connect(made) {
  const headers = new Headers(made.headers);
  const protocols = (headers.get("sec-websocket-protocol") ?? "").split(",")
    .map((/** @type {string} */ p) => p.trim()).filter((/** @type {string} */ p) => p !== "");
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
