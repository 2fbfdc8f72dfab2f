// @ts-check
/// <reference path="./types.d.ts" />

// Responses and fetch(): what Workers add to deno_fetch's classes; how requests and responses get to Rust and back.
// https://developers.cloudflare.com/workers/runtime-apis/response/

import { requireHandler } from "ext:stead/global_scope.js";
import { expectResponse } from "ext:stead/response_watch.js";
import { checkScheme, connectionLost, fetchFailure } from "ext:stead/network_errors.js";
import { core } from "ext:core/mod.js";
import { checkOptions, refuseArgument } from "ext:stead/arguments.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import {
  BODY_USED,
  gatedStream,
  innerBody,
  isPending,
  nativeBody,
  nativeStream,
} from "ext:stead/body.js";
import { compressed, formatOf } from "ext:stead/content_encoding.js";
import { fromWire, recodeHeaders, toWire } from "ext:stead/header_text.js";
import { checkAnswer, checkStream, responseBody } from "ext:stead/http_checks.js";
import { reasonAgainst } from "ext:stead/cloning.js";
import { addHostClass } from "ext:stead/message.js";
import { CF, checkUnlocked, DenoRequest, extendClass, flatten, pairs, Request, SIGNAL_OF } from "ext:stead/request.js";
import { endForResponse, isSocket, makeSocket } from "ext:stead/websocket.js";

const load = core.loadExtScript;
const { Blob, File } = load("ext:deno_web/09_file.js");
const { Headers } = load("ext:deno_fetch/20_headers.js");
const request = load("ext:deno_fetch/23_request.js");
const { InnerRequest } = load("ext:stead/inner_request.js");
const response = load("ext:deno_fetch/23_response.js");
const { fetch: denoFetch } = load("ext:deno_fetch/26_fetch.js");
const streams = load("ext:deno_web/06_streams.js");

let {
  op_blob_take,
  op_output_open,
  op_output_wait,
  op_respond,
  op_respond_text,
  op_socket_connect,
} = core.ops;
bindOps((ops) =>
  ({
    op_blob_take,
    op_output_open,
    op_output_wait,
    op_respond,
    op_respond_text,
    op_socket_connect,
  } = ops)
);

const SOCKET = Symbol("webSocket");
/** Set for a response whose body is compressed already. */
const ENCODED = Symbol("encoded");

const DenoResponse = response.Response;

export const Response = extendClass(DenoResponse, (args, target) => {
  const [given, init] = args;
  const body = responseBody(given, init);
  checkStream(body);
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
  const made = Reflect.construct(DenoResponse, [body, init ?? undefined], target);
  if (socket) made[SOCKET] = socket;
  if (init?.cf !== undefined) made[CF] = init.cf;
  if (init?.encodeBody === "manual") made[ENCODED] = true;
  return made;
});
const { clone: cloneResponse } = Response.prototype;
Object.defineProperty(Response.prototype, "clone", {
  value: function clone() {
    if (this[SOCKET] !== undefined) {
      throw new TypeError("Cannot clone a response to a WebSocket handshake.");
    }
    checkUnlocked(response.toInnerResponse(this).body);
    const made = Reflect.apply(cloneResponse, this, []);
    if (this[CF] !== undefined) made[CF] = this[CF];
    if (this[ENCODED]) made[ENCODED] = true;
    return made;
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
 * The response of an object to a request.
 * @param {any[]} parts
 * @param {string[]} urls where the request went, and where redirects led it
 */
export function responseFromNative(parts, urls) {
  const [, status, statusText, headers, body, socket] = parts;
  const inner = response.newInnerResponse(status, statusText);
  inner.urlList.push(...urls);
  inner.headerList = pairs(headers);
  inner.body = innerBody(body, formatOf(inner.headerList));
  const made = response.fromInnerResponse(inner, "immutable");
  if (socket !== null) made[SOCKET] = makeSocket(socket);
  return made;
}

/**
 * Answers an event with a response.
 * @param {any} native
 * @param {any} made
 * @param {any} asked its request, or null if no code has seen it
 */
export function respond(native, made, asked) {
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
  checkAnswer(inner);
  const socket = made[SOCKET];
  const end = socket === undefined ? null : endForResponse(socket);
  if (made.bodyUsed) throw new TypeError(BODY_USED);
  const { body, headers } = leaving(made, response.wireHeaderList(inner), asked);
  op_respond(native, inner.status, inner.statusMessage, flatten(headers), body, end);
}

/**
 * The body of a response as it leaves, and the headers that are true of it.
 * @param {any} made
 * @param {[string, string][]} list its headers
 * @param {any} [asked] the request that it answers
 */
export function leaving(made, list, asked = null) {
  const inner = response.toInnerResponse(made);
  const format = inner.body === null || made[ENCODED] ? undefined : formatOf(list);
  if (format === undefined || isPending(inner.body)) {
    return { body: nativeBody(inner.body, asked), headers: list };
  }
  const body = nativeBody(compressed(inner.body, format), asked);
  return { body, headers: list.filter(([name]) => name.toLowerCase() !== "content-length") };
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
    const inner = new InnerRequest(method, url, () => headers, made);
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
    const encoded = made[ENCODED] === true;
    const format = isPending(inner.body) ? formatOf(headers) : undefined;
    const body = sendBody(inner.body, attachments);
    return { status, statusMessage, headers, body, socket, encoded, format };
  },
  receive({ status, statusMessage, headers, body, socket, encoded, format }, attachments) {
    const inner = response.newInnerResponse(status, statusMessage);
    inner.headerList = headers;
    inner.body = innerBody(attachments[body], format);
    const made = response.fromInnerResponse(inner, "response");
    if (socket !== null) made[SOCKET] = makeSocket(attachments[socket]);
    if (encoded) made[ENCODED] = true;
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

const { getSetCookie } = Headers.prototype;
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
    if (arguments.length === 0) refuseArgument("Headers", "getAll", 1, "string");
    if (`${name}`.toLowerCase() !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return Reflect.apply(getSetCookie, this, []);
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
  const received = expectResponse();
  if (arguments.length === 0) {
    refuseArgument("ServiceWorkerGlobalScope", "fetch", 1, "Request or string");
  }
  checkOptions("ServiceWorkerGlobalScope", "fetch", 2, "RequestInitializerDict or Request", init);
  const made = new Request(input, init);
  checkScheme(made.url);
  const handle = currentHandle();
  if (handle !== null && !op_output_open(handle)) await op_output_wait(handle);
  if (made.headers.get("upgrade")?.toLowerCase() === "websocket") return await connect(made);
  const inner = request.toInnerRequest(made);
  gateBody(inner.body);
  recodeHeaders(inner, toWire);
  try {
    const options = made[SIGNAL_OF] === undefined ? undefined : { signal: made.signal };
    const answer = await resumeAfter(denoFetch(made, options));
    recodeHeaders(response.toInnerResponse(answer), fromWire);
    return received(answer);
  } catch (error) {
    throw fetchFailure(error);
  }
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
  const connecting = op_socket_connect(made.url, protocols, flat);
  const [end, protocol] = await resumeAfter(connecting).catch((/** @type {any} */ error) => {
    throw connectionLost(error);
  });
  const inner = response.newInnerResponse(101, "Switching Protocols");
  inner.headerList = protocol === "" ? [] : [["sec-websocket-protocol", protocol]];
  const answer = response.fromInnerResponse(inner, "immutable");
  answer[SOCKET] = makeSocket(end);
  return answer;
}
