// @ts-check
/// <reference path="./types.d.ts" />

// `navigator.sendBeacon()`: a request whose answer nobody waits for.
// https://developers.cloudflare.com/workers/runtime-apis/web-standards/#navigatorsendbeaconurl-data

import { refuseArgument } from "ext:stead/arguments.js";
import { currentContext } from "ext:stead/context.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { fetch } from "ext:stead/http.js";
import { Request } from "ext:stead/request.js";
import { Navigator } from "ext:stead/navigator.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

const { sendBeacon } = {
  /**
   * Whether the request is on its way.
   * @param {string} url
   * @param {any} [body]
   */
  sendBeacon(url, body) {
    if (arguments.length < 1) refuseArgument("Navigator", "sendBeacon", 1, "string");
    requireHandler();
    const options = { method: "POST", body: body ?? null };
    // The caller is not told what is wrong with the URL; it is reported.
    const sent = Promise.try(() => new Request(`${url}`, options)).then((made) =>
      fetch(made).then((answer) => answer.body?.cancel(), () => {})
    );
    const context = currentContext();
    if (context instanceof WorkerEvent) context.waitUntil(sent);
    return true;
  },
};
Object.defineProperty(Navigator.prototype, "sendBeacon", {
  value: sendBeacon,
  writable: true,
  enumerable: true,
  configurable: true,
});
