// @ts-check
/// <reference path="./types.d.ts" />

// The events of the Workers platform. Only the runtime makes them; classes are on the global
// scope so that `instanceof` and the service-worker syntax work.

import { core, primordials } from "ext:core/mod.js";
import { tagClass } from "ext:stead/scope.js";

const { TypeError } = primordials;
const { Event } = core.loadExtScript("ext:deno_web/02_event.js");

/** Shown to the constructors by the runtime's own code. */
export const internalEvent = Symbol("internal event");

export class ExtendableEvent extends Event {
  /**
   * @param {string} type
   * @param {symbol} [key] `internalEvent`
   */
  constructor(type, key) {
    if (key !== internalEvent) throw new TypeError("Illegal constructor");
    super(type);
  }
}

export class FetchEvent extends ExtendableEvent {}
export class ScheduledEvent extends ExtendableEvent {}
export class TraceEvent extends ExtendableEvent {}
export class TailEvent extends ExtendableEvent {}

for (const constructor of [ExtendableEvent, FetchEvent, ScheduledEvent, TraceEvent, TailEvent]) {
  tagClass(constructor);
}
