// @ts-check
/// <reference path="./types.d.ts" />

// The older form of a worker: a script without exports, which listens for events on the global
// scope and finds its bindings there.
// https://developers.cloudflare.com/workers/reference/migrate-to-module-workers/

import { primordials } from "ext:core/mod.js";
import { answerOf, FetchEvent, internalEvent, ScheduledEvent } from "ext:stead/events.js";

const { ObjectDefineProperty, ReflectApply, SafeSet } = primordials;

/** What is listened for since the modules are being evaluated. */
const heard = new SafeSet();

/** Hears what the modules that are evaluated listen for. */
export function beginListening() {
  const { addEventListener } = globalThis;
  ObjectDefineProperty(globalThis, "addEventListener", {
    __proto__: null,
    value: {
      /**
       * @this {any}
       * @param {string} type
       * @param {any[]} rest
       */
      addEventListener(type, ...rest) {
        heard.add(`${type}`);
        return ReflectApply(addEventListener, this ?? globalThis, [type, ...rest]);
      },
    }.addEventListener,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

export function endListening() {
  delete (/** @type {any} */ (globalThis)).addEventListener;
}

/** The handlers that a script's listeners make up; none if it has no such listener. */
export function listeningHandlers() {
  if (!heard.has("fetch") && !heard.has("scheduled")) return undefined;
  /** @type {Record<string, any>} */
  const handlers = {};
  if (heard.has("fetch")) handlers.fetch = dispatchFetch;
  if (heard.has("scheduled")) handlers.scheduled = dispatchScheduled;
  return handlers;
}

/**
 * Puts bindings where such a script looks for them.
 * @param {Record<string, any>} env
 */
export function defineGlobalBindings(env) {
  for (const name of Object.keys(env)) {
    ObjectDefineProperty(globalThis, name, {
      __proto__: null,
      value: env[name],
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

/**
 * @param {any} request
 * @param {any} _env
 * @param {any} ctx
 */
async function dispatchFetch(request, _env, ctx) {
  const event = new FetchEvent("fetch", internalEvent, ctx, request);
  globalThis.dispatchEvent(/** @type {any} */ (event));
  const answer = answerOf(event);
  if (answer === null) throw new Error("No listener for fetch events called respondWith().");
  return await answer;
}

/**
 * @param {any} controller
 * @param {any} _env
 * @param {any} ctx
 */
async function dispatchScheduled(controller, _env, ctx) {
  const event = new ScheduledEvent("scheduled", internalEvent, ctx, controller);
  globalThis.dispatchEvent(/** @type {any} */ (event));
}
