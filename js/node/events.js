// @ts-check

// The module `node:events`.
// https://nodejs.org/api/events.html

import { AsyncResource } from "node:async_hooks";
import { AbortError, coded, expectFunction, expectSignal, invalidType, outOfRange } from "./errors.js";
import { on } from "./event_iterator.js";

export const captureRejectionSymbol = Symbol.for("nodejs.rejection");
export const errorMonitor = Symbol.for("events.errorMonitor");
const kCapture = Symbol("kCapture");
const kMaxEventTargetListeners = Symbol("events.maxEventTargetListeners");
const kMaxEventTargetListenersWarned = Symbol("events.maxEventTargetListenersWarned");

let defaultMax = 10;
let captureByDefault = false;

/** @this {any} @param {{ captureRejections?: boolean }} [options] */
export function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}
export default EventEmitter;

EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;
Object.defineProperty(EventEmitter.prototype, kCapture, { value: false, writable: true, enumerable: false });

/** @this {any} @param {{ captureRejections?: boolean }} [options] */
EventEmitter.init = function init(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
  if (options?.captureRejections !== undefined) {
    if (typeof options.captureRejections !== "boolean") throw invalidType("options.captureRejections", "boolean", options.captureRejections);
    this[kCapture] = options.captureRejections;
  } else if (captureByDefault) this[kCapture] = true;
};

/** @param {string} name @param {any} count */
function expectCount(name, count) {
  if (typeof count !== "number") throw invalidType(name, "number", count);
  if (!(count >= 0)) throw outOfRange(name, "a non-negative number", count);
}

/** @this {any} @param {any} count */
EventEmitter.prototype.setMaxListeners = function setMaxListeners(count) {
  expectCount("setMaxListeners", count);
  this._maxListeners = count;
  return this;
};

/** @this {any} */
EventEmitter.prototype.getMaxListeners = function () {
  return this._maxListeners ?? defaultMax;
};

/** What a rejected listener becomes. @param {any} emitter @param {any} error @param {any} type @param {any[]} args */
function rejected(emitter, error, type, args) {
  if (typeof emitter[captureRejectionSymbol] === "function") return emitter[captureRejectionSymbol](error, type, ...args);
  const before = emitter[kCapture];
  try {
    // The error's own listener is not caught again.
    emitter[kCapture] = false;
    emitter.emit("error", error);
  } finally {
    emitter[kCapture] = before;
  }
}

/** @param {any} emitter @param {Function} listener @param {any} type @param {any[]} args */
function call(emitter, listener, type, args) {
  const result = Reflect.apply(listener, emitter, args);
  if (result === undefined || result === null || !emitter[kCapture] || typeof result.then !== "function") return;
  result.then(undefined, (/** @type {any} */ error) => queueMicrotask(() => rejected(emitter, error, type, args)));
}

/** @this {any} @param {any} type @param {any[]} args */
EventEmitter.prototype.emit = function emit(type, ...args) {
  const events = this._events;
  if (type === "error") {
    if (events?.[errorMonitor] !== undefined) this.emit(errorMonitor, ...args);
    if (events?.error === undefined) throw unhandled(args[0]);
  }
  const handler = events?.[type];
  if (handler === undefined) return false;
  if (typeof handler === "function") call(this, handler, type, args);
  else for (const listener of [...handler]) call(this, listener, type, args);
  return true;
};

/** @param {any} value @param {any} [options] */
function inspect(value, options) {
  // Seldom needed, and large.
  return __bootstrap.internals.node.require("util").inspect(value, options);
}

/** @param {any} error */
function unhandled(error) {
  if (error instanceof Error) return error;
  let shown = error;
  try {
    shown = inspect(error);
  } catch {
    // Then it is shown as it is.
  }
  return Object.assign(coded(Error, "ERR_UNHANDLED_ERROR", `Unhandled error. (${shown})`), { context: error });
}

/** @param {any} emitter @param {any} type @param {any} listener @param {boolean} first */
function add(emitter, type, listener, first) {
  expectFunction("listener", listener);
  let events = emitter._events;
  if (events === undefined) {
    events = emitter._events = Object.create(null);
    emitter._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    emitter.emit("newListener", type, listener.listener ?? listener);
    events = emitter._events;
  }
  const before = events[type];
  if (before === undefined) {
    events[type] = listener;
    emitter._eventsCount++;
    return emitter;
  }
  const all = typeof before === "function" ? (events[type] = first ? [listener, before] : [before, listener]) : before;
  if (typeof before !== "function") first ? all.unshift(listener) : all.push(listener);
  const max = emitter.getMaxListeners();
  if (max > 0 && all.length > max && !all.warned) {
    all.warned = true;
    console.warn(
      `MaxListenersExceededWarning: Possible EventEmitter memory leak detected. ${all.length} ${String(type)} listeners added to ${inspect(emitter, { depth: -1 })}. MaxListeners is ${max}. Use emitter.setMaxListeners() to increase limit`,
    );
  }
  return emitter;
}

/** @this {any} @param {any} type @param {any} listener */
EventEmitter.prototype.addListener = function addListener(type, listener) {
  return add(this, type, listener, false);
};
EventEmitter.prototype.on = EventEmitter.prototype.addListener;

/** @this {any} @param {any} type @param {any} listener */
EventEmitter.prototype.prependListener = function prependListener(type, listener) {
  return add(this, type, listener, true);
};

/** @param {any} emitter @param {any} type @param {any} listener */
function onceWrapper(emitter, type, listener) {
  expectFunction("listener", listener);
  let fired = false;
  const wrapped = (/** @type {any[]} */ ...args) => {
    if (fired) return undefined;
    emitter.removeListener(type, wrapped);
    fired = true;
    return Reflect.apply(listener, emitter, args);
  };
  wrapped.listener = listener;
  return wrapped;
}

/** @this {any} @param {any} type @param {any} listener */
EventEmitter.prototype.once = function (type, listener) {
  return this.on(type, onceWrapper(this, type, listener));
};

/** @this {any} @param {any} type @param {any} listener */
EventEmitter.prototype.prependOnceListener = function prependOnceListener(type, listener) {
  return this.prependListener(type, onceWrapper(this, type, listener));
};

/** @this {any} @param {any} type @param {any} listener */
EventEmitter.prototype.removeListener = function removeListener(type, listener) {
  expectFunction("listener", listener);
  const events = this._events;
  const list = events?.[type];
  if (list === undefined) return this;
  if (list === listener || list.listener === listener) {
    drop(this, type);
  } else if (typeof list !== "function") {
    const at = list.findLastIndex((/** @type {any} */ one) => one === listener || one.listener === listener);
    if (at < 0) return this;
    list.splice(at, 1);
    if (list.length === 1) events[type] = list[0];
  } else return this;
  if (events.removeListener !== undefined) this.emit("removeListener", type, listener.listener ?? listener);
  return this;
};
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

/** @param {any} emitter @param {any} type */
function drop(emitter, type) {
  emitter._eventsCount--;
  if (emitter._eventsCount === 0) emitter._events = Object.assign(Object.create(null), keepRemoval(emitter._events, type));
  else delete emitter._events[type];
}

/** @param {any} events @param {any} type */
function keepRemoval(events, type) {
  return type === "removeListener" || events.removeListener === undefined ? {} : { removeListener: events.removeListener };
}

/** @this {any} @param {any[]} args */
EventEmitter.prototype.removeAllListeners = function removeAllListeners(...args) {
  const events = this._events;
  if (events === undefined) return this;
  if (events.removeListener === undefined) {
    if (args.length === 0) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else if (events[args[0]] !== undefined) drop(this, args[0]);
    return this;
  }
  if (args.length === 0) {
    for (const key of Reflect.ownKeys(events)) if (key !== "removeListener") this.removeAllListeners(key);
    this.removeAllListeners("removeListener");
    this._events = Object.create(null);
    this._eventsCount = 0;
    return this;
  }
  const listeners = events[args[0]];
  if (typeof listeners === "function") this.removeListener(args[0], listeners);
  else if (listeners !== undefined) for (const one of [...listeners].reverse()) this.removeListener(args[0], one);
  return this;
};

/** @param {any} emitter @param {any} type */
function listOf(emitter, type) {
  const list = emitter._events?.[type];
  return list === undefined ? [] : typeof list === "function" ? [list] : [...list];
}

/** @this {any} @param {any} type */
EventEmitter.prototype.listeners = function listeners(type) {
  return listOf(this, type).map((one) => one.listener ?? one);
};

/** @this {any} @param {any} type */
EventEmitter.prototype.rawListeners = function rawListeners(type) {
  return listOf(this, type);
};

/** @this {any} @param {any} type @param {any} [listener] */
EventEmitter.prototype.listenerCount = function (type, listener) {
  const list = listOf(this, type);
  return listener === undefined || listener === null ? list.length : list.filter((one) => one === listener || one.listener === listener).length;
};

/** @this {any} */
EventEmitter.prototype.eventNames = function eventNames() {
  return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : [];
};

/** @param {any} emitter @param {any} type */
export function listenerCount(emitter, type) {
  return typeof emitter.listenerCount === "function" ? emitter.listenerCount(type) : getEventListeners(emitter, type).length;
}


/** @param {any} emitter @param {any} type */
export function getEventListeners(emitter, type) {
  if (typeof emitter.listeners === "function") return emitter.listeners(type);
  if (emitter instanceof EventTarget) throw new Error("getEventListeners() of an EventTarget is not implemented in Stead yet.");
  throw invalidType("emitter", ["EventEmitter", "EventTarget"], emitter);
}

/** @param {any} emitter */
export function getMaxListeners(emitter) {
  if (typeof emitter?.getMaxListeners === "function") return emitter.getMaxListeners();
  if (emitter instanceof EventTarget) return /** @type {any} */ (emitter)[kMaxEventTargetListeners] ?? defaultMax;
  throw invalidType("emitter", ["EventEmitter", "EventTarget"], emitter);
}

/** @param {number} count @param {any[]} emitters */
export function setMaxListeners(count = defaultMax, ...emitters) {
  expectCount("setMaxListeners", count);
  if (emitters.length === 0) defaultMax = count;
  for (const emitter of emitters) {
    if (emitter instanceof EventTarget) /** @type {any} */ (emitter)[kMaxEventTargetListeners] = count;
    else if (typeof emitter.setMaxListeners === "function") emitter.setMaxListeners(count);
    else throw invalidType("eventTargets", ["EventEmitter", "EventTarget"], emitter);
  }
}

/**
 * Adds a listener to an emitter or a target of the web; what is returned removes it.
 * @param {any} emitter
 * @param {any} type
 * @param {any} listener
 * @param {{ once?: boolean }} [options]
 */
function attach(emitter, type, listener, options) {
  if (typeof emitter.on === "function") {
    options?.once ? emitter.once(type, listener) : emitter.on(type, listener);
    return () => emitter.removeListener(type, listener);
  }
  if (typeof emitter.addEventListener !== "function") throw invalidType("emitter", "EventEmitter", emitter);
  emitter.addEventListener(type, listener, options);
  return () => emitter.removeEventListener(type, listener);
}

/** @param {any} emitter @param {any} type @param {{ signal?: AbortSignal }} [options] */
export async function once(emitter, type, options = {}) {
  const { signal } = options;
  expectSignal("options.signal", signal);
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  return new Promise((resolve, reject) => {
    /** @type {(() => void)[]} */
    const detach = [];
    const finish = (/** @type {() => void} */ settle) => {
      for (const one of detach) one();
      settle();
    };
    detach.push(attach(emitter, type, (/** @type {any[]} */ ...args) => finish(() => resolve(args)), { once: true }));
    if (type !== "error" && typeof emitter.once === "function") {
      detach.push(attach(emitter, "error", (/** @type {any} */ error) => finish(() => reject(error)), { once: true }));
    }
    if (signal) {
      const abort = () => finish(() => reject(new AbortError(undefined, { cause: signal.reason })));
      signal.addEventListener("abort", abort, { once: true });
      detach.push(() => signal.removeEventListener("abort", abort));
    }
  });
}

/** @param {AbortSignal} signal @param {any} listener */
export function addAbortListener(signal, listener) {
  if (signal === undefined) throw invalidType("signal", "AbortSignal", signal);
  expectSignal("signal", signal);
  expectFunction("listener", listener);
  let remove = () => {};
  if (signal.aborted) queueMicrotask(() => listener());
  else {
    signal.addEventListener("abort", listener, { once: true });
    remove = () => signal.removeEventListener("abort", listener);
  }
  return { [Symbol.dispose]: () => remove() };
}

class Resource extends /** @type {any} */ (AsyncResource) {
  #emitter;

  /** @param {any} emitter @param {string} type @param {any} options */
  constructor(emitter, type, options) {
    super(type, options);
    this.#emitter = emitter;
  }

  get eventEmitter() {
    return this.#emitter;
  }
}

/** An emitter whose listeners run with the stores of the moment in which it was made. */
export class EventEmitterAsyncResource extends /** @type {any} */ (EventEmitter) {
  #resource;

  /** @param {any} [options] */
  constructor(options) {
    super(typeof options === "string" ? undefined : options);
    const name = (typeof options === "string" ? options : options?.name) ?? new.target.name;
    this.#resource = new Resource(this, name, options);
  }

  /** @param {any} type @param {any[]} args */
  emit(type, ...args) {
    return this.#resource.runInAsyncScope(super.emit, this, type, ...args);
  }

  emitDestroy() {
    this.#resource.emitDestroy();
  }

  get asyncId() {
    return this.#resource.asyncId();
  }

  get triggerAsyncId() {
    return this.#resource.triggerAsyncId();
  }

  get asyncResource() {
    return this.#resource;
  }
}

export const usingDomains = false;
export { on };
export const captureRejections = false;
export const defaultMaxListeners = 10;

Object.assign(EventEmitter, {
  EventEmitter, EventEmitterAsyncResource, addAbortListener, captureRejectionSymbol, errorMonitor, getEventListeners,
  getMaxListeners, kMaxEventTargetListeners, kMaxEventTargetListenersWarned, listenerCount, on, once, setMaxListeners,
  usingDomains,
});
Object.defineProperties(EventEmitter, {
  captureRejections: {
    configurable: true,
    enumerable: true,
    get: () => captureByDefault,
    set(value) {
      if (typeof value !== "boolean") throw invalidType("EventEmitter.captureRejections", "boolean", value);
      captureByDefault = value;
    },
  },
  defaultMaxListeners: {
    configurable: true,
    enumerable: true,
    get: () => defaultMax,
    set(count) {
      expectCount("defaultMaxListeners", count);
      defaultMax = count;
    },
  },
});
