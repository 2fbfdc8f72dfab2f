// @ts-check

// Requests that follow redirects, to one and the same target: a stub's `fetch()` asks its object again, wherever the
// redirect leads. Requests to other machines are deno_fetch's.
// https://developers.cloudflare.com/workers/runtime-apis/request/

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { responseFromNative } from "ext:stead/http.js";
import { flatten, pairs, requestOf, requestToNative } from "ext:stead/request.js";
import { expectResponse } from "ext:stead/response_watch.js";
import { RESULT } from "ext:stead/rpc_promise.js";

let { op_body_take } = core.ops;
bindOps((ops) => ({ op_body_take } = ops));

const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const request = core.loadExtScript("ext:deno_fetch/23_request.js");

/** How many redirects one request follows. */
const REDIRECTS_MAX = 20;

const SENT_ONCE =
  "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be retransmitted. To avoid this error in the future, construct this request from a buffer-like body initializer.";

/**
 * @typedef {object} Sent the parts of a request
 * @property {string} method
 * @property {string} url
 * @property {string[]} headers
 * @property {any} body
 * @property {string | null} cf JSON
 */

/**
 * @typedef {object} Exchanger what requests can be sent to
 * @property {(sent: Sent) => Promise<any[]>} exchange answers with the parts of the response, or an error
 * @property {(answer: any[]) => any} fetchError what such an error stands for
 */

/**
 * Makes a request, and those that redirects ask for.
 * @param {any} input
 * @param {any} init
 * @param {Exchanger} target
 */
export async function fetchFollowing(input, init, target) {
  const received = expectResponse();
  const made = requestOf(input, init);
  const follows = request.toInnerRequest(made).redirectMode === "follow";
  const sent = { ...requestToNative(made), cf: made.cf === undefined ? null : JSON.stringify(made.cf) };
  sent.url = withoutFragment(sent.url);
  const urls = [sent.url];
  for (;;) {
    const answer = await target.exchange(sent);
    if (answer[0] !== RESULT) throw target.fetchError(answer);
    const location = follows && isRedirect(answer[1]) ? locationOf(answer[3]) : null;
    if (location === null && sent.method !== "HEAD") return received(responseFromNative(answer, urls));
    dropBody(answer);
    if (location === null) return received(responseFromNative(answer, urls));
    if (urls.length > REDIRECTS_MAX) throw new TypeError(`Too many redirects.${urls.join(", ")}`);
    redirect(sent, answer[1], location);
    urls.push(sent.url);
  }
}

/** Nobody will read the body. @param {any[]} answer */
function dropBody(answer) {
  if (answer[4] !== null) core.tryClose(op_body_take(answer[4]));
  answer[4] = null;
}

/** @param {number} status */
function isRedirect(status) {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** @param {string} url */
function withoutFragment(url) {
  const at = url.indexOf("#");
  return at < 0 ? url : url.slice(0, at);
}

/** @param {string[]} flat headers */
function locationOf(flat) {
  for (let i = 0; i < flat.length; i += 2) if (flat[i].toLowerCase() === "location") return flat[i + 1];
  return null;
}

/**
 * Makes of a request the one that a redirect asks for.
 * @param {Sent} sent
 * @param {number} status
 * @param {string} location
 */
function redirect(sent, status, location) {
  const before = new URL(sent.url);
  const url = URL.canParse(location, before.href) ? new URL(location, before.href) : null;
  if (url === null) throw new TypeError("Invalid Location header; unable to follow redirect.");
  const { method } = sent;
  const isPost = method === "POST" && (status === 301 || status === 302);
  if (isPost || (status === 303 && method !== "GET" && method !== "HEAD")) {
    sent.method = "GET";
    sent.body = null;
  }
  if (sent.body !== null && typeof sent.body !== "string" && !ArrayBuffer.isView(sent.body)) throw new TypeError(SENT_ONCE);
  if (url.origin !== before.origin && isOn("strip_authorization_on_cross_origin_redirect")) {
    const headers = new Headers(pairs(sent.headers));
    headers.delete("Authorization");
    sent.headers = flatten(Array.from(headers));
  }
  sent.url = withoutFragment(url.href);
}
