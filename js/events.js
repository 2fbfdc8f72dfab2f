// @ts-check
/// <reference path="./types.d.ts" />

// The events of the Workers platform. Only the runtime makes them; classes are on the global
// scope so that `instanceof` and the service-worker syntax work.

import { core, primordials } from "ext:core/mod.js";
import { tagClass } from "ext:stead/scope.js";

const { TypeError } = primordials;
const { Event } = core.loadExtScript("ext:deno_web/02_event.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** Shown to the constructors by the runtime's own code. */
export const internalEvent = Symbol("internal event");

export class ExtendableEvent extends Event {
  /** `ctx` of the handler that the event stands for. @type {any} */ #ctx;

  /**
   * @param {string} type
   * @param {symbol} [key] `internalEvent`
   * @param {any} [ctx]
   */
  constructor(type, key, ctx = null) {
    if (key !== internalEvent) throw new TypeError("Illegal constructor");
    super(type);
    this.#ctx = ctx;
  }

  /** @param {any} promise */
  waitUntil(promise) {
    this.#ctx.waitUntil(promise);
  }
}

export class FetchEvent extends ExtendableEvent {
  #request;
  /** @type {Promise<any> | null} */ #response = null;

  /**
   * @param {string} type
   * @param {symbol} [key]
   * @param {any} [ctx]
   * @param {any} [request]
   */
  constructor(type, key, ctx, request) {
    super(type, key, ctx);
    this.#request = request;
  }

  get request() {
    return this.#request;
  }

  /** @param {any} response */
  respondWith(response) {
    if (this.#response !== null) {
      throw new DOMException(
        "FetchEvent.respondWith() has already been called; it can only be called once.",
        "InvalidStateError",
      );
    }
    this.stopImmediatePropagation();
    this.#response = Promise.resolve(response);
    // It is looked at when the listeners have returned.
    this.#response.catch(() => {});
  }

  passThroughOnException() {}

  /** What a listener answered, if one did. @param {FetchEvent} event */
  static answerOf(event) {
    return event.#response;
  }
}
const { answerOf } = FetchEvent;
delete (/** @type {any} */ (FetchEvent)).answerOf;
export { answerOf };

export class ScheduledEvent extends ExtendableEvent {
  #controller;

  /**
   * @param {string} type
   * @param {symbol} [key]
   * @param {any} [ctx]
   * @param {any} [controller]
   */
  constructor(type, key, ctx, controller) {
    super(type, key, ctx);
    this.#controller = controller;
  }

  get scheduledTime() {
    return this.#controller.scheduledTime;
  }

  get cron() {
    return this.#controller.cron;
  }

  noRetry() {
    this.#controller.noRetry();
  }
}
export class TraceEvent extends ExtendableEvent {}
export class TailEvent extends ExtendableEvent {}

for (const constructor of [ExtendableEvent, FetchEvent, ScheduledEvent, TraceEvent, TailEvent]) {
  tagClass(constructor);
}
