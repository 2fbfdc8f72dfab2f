// @ts-check
/// <reference path="./types.d.ts" />

// What the platform says to the options of requests and responses.
// https://developers.cloudflare.com/workers/runtime-apis/request/

import { core } from "ext:core/mod.js";
import { unlessEnded } from "ext:stead/record.js";
import { isOn } from "ext:stead/compatibility.js";

const { AbortSignal } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const { Blob } = core.loadExtScript("ext:deno_web/09_file.js");
const { FormData } = core.loadExtScript("ext:deno_fetch/21_formdata.js");
const { URLSearchParams } = core.loadExtScript("ext:deno_web/00_url.js");
const streams = core.loadExtScript("ext:deno_web/06_streams.js");

const METHODS = new Set([
  "ACL",
  "BAN",
  "CHECKOUT",
  "COPY",
  "DELETE",
  "GET",
  "HEAD",
  "LOCK",
  "MERGE",
  "MKACTIVITY",
  "MKCOL",
  "MOVE",
  "MSEARCH",
  "NOTIFY",
  "OPTIONS",
  "PATCH",
  "POST",
  "PROPFIND",
  "PROPPATCH",
  "PURGE",
  "PUT",
  "QUERY",
  "REPORT",
  "SEARCH",
  "SUBSCRIBE",
  "TRACE",
  "UNLOCK",
  "UNSUBSCRIBE",
]);

const NORMALIZED = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

/** @param {string} method */
function normalMethod(method) {
  const upper = method.toUpperCase();
  return isOn("upper_case_all_http_methods") || NORMALIZED.includes(upper) ? upper : method;
}

/** @param {any} value */
function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/**
 * @param {string} field
 * @param {string} owner
 * @param {string} type
 */
function wrongField(field, owner, type) {
  return new TypeError(
    `Incorrect type for the '${field}' field on '${owner}': the provided value is not of type '${type}'.`,
  );
}

/**
 * The options of a request as deno_fetch takes them; those that mean nothing to a Worker are left
 * out. `trace` is set for a method that deno_fetch refuses.
 * @param {any} init
 */
export function requestInit(init) {
  if (isObject(init) === false) {
    throw new TypeError(
      "Failed to construct 'Request': constructor parameter 2 is not of type 'RequestInitializerDict or Request'.",
    );
  }
  const { body, cache, cf, headers, integrity, method, redirect, signal } = init;
  if (cf !== undefined && !isObject(cf)) throw wrongField("cf", "RequestInitializerDict", "Object");
  if (redirect !== undefined && redirect !== "follow" && redirect !== "manual") {
    throw new TypeError(
      'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented since it does not make sense at the edge; use "manual" and check the response status code).',
    );
  }
  if (cache !== undefined && cache !== "no-store" && cache !== "no-cache") {
    throw new TypeError(`Unsupported cache mode: ${cache}`);
  }
  if (integrity !== undefined && integrity !== "") {
    throw new TypeError(
      "Subrequest integrity checking is not implemented. The integrity option must be either undefined or an empty string.",
    );
  }
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) {
    throw wrongField("signal", "RequestInitializerDict", "AbortSignal");
  }
  /** @type {Record<string, any>} */
  const made = {};
  if (body !== undefined) made.body = asBody(body);
  if (headers !== undefined) made.headers = headers;
  if (redirect !== undefined) made.redirect = redirect;
  if (signal !== undefined) made.signal = signal;
  if (method !== undefined) {
    const upper = normalMethod(`${method}`);
    if (!METHODS.has(upper)) throw new TypeError(`Invalid HTTP method string: ${method}`);
    made.method = upper === "TRACE" ? "OPTIONS" : upper;
    return { init: made, cache, trace: upper === "TRACE" };
  }
  return { init: made, cache, trace: false };
}

/**
 * A body as deno_fetch takes it. Objects that can be iterated over are streams of what they give,
 * unless they have a text of their own.
 * @param {any} body
 */
function asBody(body) {
  if (typeof body !== "object" || body === null || ArrayBuffer.isView(body)) return body;
  if (OTHER_BODIES.some((one) => body instanceof one) || core.isAnyArrayBuffer(body)) return body;
  if (!(typeof body[Symbol.iterator] === "function" || typeof body[Symbol.asyncIterator] === "function")) return body;
  if (body instanceof String || !isOn("fetch_iterable_type_support")) return `${body}`;
  const hasText = !Array.isArray(body) &&
    (body.toString !== Object.prototype.toString || body[Symbol.toPrimitive] !== undefined);
  if (hasText && isOn("fetch_iterable_type_support_override_adjustment")) return `${body}`;
  return streams.ReadableStream.from(body);
}
const OTHER_BODIES = [streams.ReadableStream, Blob, FormData, URLSearchParams];

/** Refuses what cannot be sent. @param {any} inner an InnerResponse */
export function checkAnswer(inner) {
  if (inner.type !== "error") return;
  throw new TypeError(
    "Return value from serve handler must not be an error response (like Response.error())",
  );
}

/** @param {number} status */
function isWithoutBody(status) {
  return status === 101 || status === 204 || status === 205 || status === 304;
}

/**
 * Checks the options of a response; the body that it is to have comes back.
 * @param {any} given
 * @param {any} init
 */
export function responseBody(given, init) {
  const body = asBody(given);
  if (init === undefined || init === null) return body;
  if (isObject(init) === false) {
    throw new TypeError(
      "Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or Response'.",
    );
  }
  const { encodeBody, status, statusText } = init;
  if (encodeBody !== undefined && encodeBody !== "automatic" && encodeBody !== "manual") {
    throw new TypeError(`encodeBody: unexpected value: ${encodeBody}`);
  }
  if (statusText !== undefined && /[\0-\x1f\x7f]/.test(`${statusText}`)) {
    throw new TypeError("Invalid statusText");
  }
  if (body === undefined || body === null || !isWithoutBody(Number(status))) return body;
  if (body === "" || body.byteLength === 0) return null;
  throw new TypeError(
    "Response with null body status (101, 204, 205, or 304) cannot have a body.",
  );
}

/**
 * Refuses a stream that cannot be a body any more.
 * @param {any} body
 */
export function checkStream(body) {
  if (!(body instanceof streams.ReadableStream)) return;
  if (streams.isReadableStreamDisturbed(body)) {
    throw new TypeError(
      "This ReadableStream is disturbed (has already been read from), and cannot be used as a body.",
    );
  }
  if (body.locked) {
    throw new TypeError("This ReadableStream is locked to a reader, and cannot be used as a body.");
  }
}

const { consume } = InnerBody.prototype;
InnerBody.prototype.consume = function () {
  if (!this.consumed() && this.unusable()) {
    throw new TypeError("This ReadableStream is currently locked to a reader.");
  }
  const bytes = Reflect.apply(consume, this, []);
  return bytes instanceof Promise ? unlessEnded(bytes) : bytes;
};
