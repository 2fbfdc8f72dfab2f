// @ts-check
/// <reference path="./types.d.ts" />

// Clients that leave while they are answered: nobody reads the stream that is the answer, and
// `request.signal` aborts.
// https://developers.cloudflare.com/workers/runtime-apis/request/#the-signal-property

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";

const { AbortSignal, signalAbort } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/**
 * Tells a request that nobody reads its answer any more.
 * @param {any} asked
 */
export function abortSignal(asked) {
  // Nobody reads the answer to HEAD.
  if (asked.method === "HEAD" || !isOn("enable_request_signal")) return;
  const { signal } = asked;
  if (!(signal instanceof AbortSignal)) return;
  /** @type {any} */ (signal)[signalAbort](new DOMException("The client has disconnected", "AbortError"));
}
