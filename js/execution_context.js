// @ts-check
/// <reference path="./types.d.ts" />

// `ctx` of the worker's own handlers.
// https://developers.cloudflare.com/workers/runtime-apis/context/

import { refuseArgument } from "ext:stead/arguments.js";
import { abortEvent } from "ext:stead/event_abort.js";
import { exports } from "ext:stead/environment.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { awaitable } from "ext:stead/thenables.js";
import { tracing } from "ext:stead/tracing.js";

export class ExecutionContext {
  #event;

  /**
   * @param {import("./worker_event.js").WorkerEvent} event
   * @param {any} props
   */
  constructor(event, props) {
    this.#event = event;
    this.props = props;
  }

  /** @param {any} promise */
  waitUntil(promise) {
    if (arguments.length === 0) refuseArgument("ExecutionContext", "waitUntil", 1, "Promise");
    // A rejection that nobody handles is reported like any other.
    this.#event.waitUntil(awaitable(promise));
  }

  passThroughOnException() {}

  get exports() {
    return exports;
  }

  get tracing() {
    return tracing;
  }

  get cache() {
    return undefined;
  }

  get access() {
    return undefined;
  }

  mapVirtualHost() {
    throw new Error("ctx.mapVirtualHost() is not implemented in Stead yet.");
  }

  /** Ends the event; whoever waits for it gets the reason. @param {any} [reason] */
  abort(reason) {
    abortEvent(this.#event, reason);
  }
}
tagClass(ExecutionContext);
guardReceiver(ExecutionContext);
