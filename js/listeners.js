// @ts-check
/// <reference path="./types.d.ts" />

// Dispatching events as the platform does: a function in a property `on<type>` of the target is a
// listener, too, on whatever target, and is called before all others.
// https://developers.cloudflare.com/workers/runtime-apis/eventtarget/

import { core, primordials } from "ext:core/mod.js";
import { noteThrown, unwatched, watchListeners } from "ext:stead/errors.js";
import { isEnded } from "ext:stead/record.js";

const { ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf, ReflectApply } = primordials;
const { ErrorEvent, EventTarget, eventTargetData } = core.loadExtScript("ext:deno_web/02_event.js");
const { former } = core.loadExtScript("ext:stead/former.js");
const { addEventListener, dispatchEvent, removeEventListener } = EventTarget.prototype;

/**
 * The function in a property. An accessor of a class of the platform keeps listeners of its own.
 * @param {any} target
 * @param {string} name
 */
function handlerIn(target, name) {
  if (!(name in target)) return undefined;
  for (let holder = target; holder !== null; holder = ObjectGetPrototypeOf(holder)) {
    const found = ObjectGetOwnPropertyDescriptor(holder, name);
    if (found !== undefined) return typeof found.value === "function" ? found.value : undefined;
  }
}

/**
 * @param {any} target
 * @param {any} event
 */
function dispatch(target, event) {
  const type = event?.type;
  const handler = typeof type === "string" ? handlerIn(target, `on${type}`) : undefined;
  if (handler === undefined) return ReflectApply(dispatchEvent, target, [event]);
  // A handler is called as a function.
  const call = (/** @type {any} */ event) => void ReflectApply(handler, globalThis, [event]);
  ReflectApply(addEventListener, target, [type, call]);
  const listeners = target[eventTargetData].listeners[type];
  listeners.unshift(listeners.pop());
  try {
    return ReflectApply(dispatchEvent, target, [event]);
  } finally {
    ReflectApply(removeEventListener, target, [type, call]);
  }
}

/**
 * Dispatches an event, to no listener after one that throws, and throws what that one threw.
 * @param {any} target
 * @param {any} event
 */
function dispatchThrowing(target, event) {
  const outer = former.dispatch;
  const own = { thrown: /** @type {{ error: unknown } | undefined} */ (undefined) };
  former.dispatch = own;
  try {
    const goesOn = dispatch(target, event);
    if (own.thrown === undefined) return goesOn;
  } finally {
    former.dispatch = outer;
  }
  throw own.thrown.error;
}

/**
 * Dispatches an event. The first exception that a listener threw is returned; all of them have
 * been reported.
 * @param {any} target
 * @param {any} event
 */
export function dispatchWatched(target, event) {
  return watchListeners(() => dispatch(target, event));
}

EventTarget.prototype.dispatchEvent = {
  /** @this {any} @param {any} event */
  dispatchEvent(event) {
    const target = this ?? globalThis;
    if (arguments.length === 0 || typeof target !== "object") {
      return ReflectApply(dispatchEvent, target, arguments);
    }
    // A signal whose time is over tells code of nothing that was ended.
    if (event?.isTrusted === true && isEnded()) return true;
    if (former.dispatchThrows && !(event instanceof ErrorEvent)) return dispatchThrowing(target, event);
    const goesOn = unwatched(() => dispatch(target, event));
    // What a listener threw counts also if somebody keeps it from being reported.
    if (!goesOn && target === globalThis && event instanceof ErrorEvent) noteThrown(event.error);
    return goesOn;
  },
}.dispatchEvent;
