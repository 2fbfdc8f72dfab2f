// @ts-check
/// <reference path="./types.d.ts" />

// Clients that leave while they are answered: nobody reads the stream that is the answer, and
// `request.signal` aborts.
// https://developers.cloudflare.com/workers/runtime-apis/request/#the-signal-property

import { core } from "ext:core/mod.js";
import { tellWhenUnread } from "ext:stead/body.js";
import { isOn } from "ext:stead/compatibility.js";

const { AbortSignal, signalAbort } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** @param {any} asked */
function abort(asked) {
  const { signal } = asked;
  if (!(signal instanceof AbortSignal)) return;
  /** @type {any} */ (signal)[signalAbort](new DOMException("The client has disconnected", "AbortError"));
}

/**
 * Sends a response away.
 * @template T
 * @param {any} asked the request that it answers, if somebody made one
 * @param {() => T} leave
 */
export function answering(asked, leave) {
  // Nobody reads the answer to HEAD.
  if (asked === null || asked.method === "HEAD" || !isOn("enable_request_signal")) return leave();
  tellWhenUnread(() => abort(asked));
  try {
    return leave();
  } finally {
    tellWhenUnread(null);
  }
}
