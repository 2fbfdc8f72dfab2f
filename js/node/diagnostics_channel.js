// @ts-check

// The module `node:diagnostics_channel`.
// https://nodejs.org/api/diagnostics_channel.html

import { expectFunction, invalidType } from "./errors.js";

const { isOn } = __bootstrap.internals.node;

const HEARD = Symbol("heard");

/** @param {any} error */
function reportLater(error) {
  queueMicrotask(() => {
    throw error;
  });
}

export class Channel {
  /** @type {Function[]} */
  _subscribers = [];
  /** @type {Map<any, ((message: any) => any) | undefined>} */
  _stores = new Map();

  /** @param {string | symbol} name */
  constructor(name) {
    this.name = name;
  }

  get hasSubscribers() {
    return this[HEARD];
  }

  /** Whether anybody listens, whatever shape `hasSubscribers` has. */
  get [HEARD]() {
    return this._subscribers.length > 0 || this._stores.size > 0;
  }

  /** @param {any} subscription */
  subscribe(subscription) {
    expectFunction("subscription", subscription);
    this._subscribers = [...this._subscribers, subscription];
  }

  /** @param {any} subscription */
  unsubscribe(subscription) {
    const at = this._subscribers.indexOf(subscription);
    if (at === -1) return false;
    this._subscribers = this._subscribers.toSpliced(at, 1);
    return true;
  }

  /** @param {any} store @param {(message: any) => any} [transform] */
  bindStore(store, transform) {
    this._stores.set(store, transform);
  }

  /** @param {any} store */
  unbindStore(store) {
    return this._stores.delete(store);
  }

  /** @param {any} message */
  publish(message) {
    for (const one of this._subscribers) {
      try {
        one(message, this.name);
      } catch (error) {
        reportLater(error);
      }
    }
  }

  /** @param {any} data @param {Function} fn @param {any} receiver @param {any[]} args */
  runStores(data, fn, receiver, ...args) {
    let run = () => {
      this.publish(data);
      return Reflect.apply(fn, receiver, args);
    };
    for (const [store, transform] of this._stores) {
      const next = run;
      run = () => {
        let value = data;
        try {
          if (transform !== undefined) value = transform(data);
        } catch (error) {
          reportLater(error);
          return next();
        }
        return store.run(value, next);
      };
    }
    return run();
  }
}

/** @type {Map<string | symbol, Channel>} */
const channels = new Map();

/** @param {any} name */
export function channel(name) {
  if (typeof name !== "string" && typeof name !== "symbol") throw invalidType("channel", ["string", "symbol"], name);
  let found = channels.get(name);
  if (found === undefined) channels.set(name, (found = new Channel(name)));
  return found;
}

/** @param {any} name */
export function hasSubscribers(name) {
  const found = channels.get(name);
  return found !== undefined && found[HEARD];
}

/** @param {any} name @param {any} subscription */
export function subscribe(name, subscription) {
  channel(name).subscribe(subscription);
}

/** @param {any} name @param {any} subscription */
export function unsubscribe(name, subscription) {
  return channel(name).unsubscribe(subscription);
}

const EVENTS = /** @type {const} */ (["start", "end", "asyncStart", "asyncEnd", "error"]);

export class TracingChannel {
  /** @param {any} source */
  constructor(source) {
    for (const event of EVENTS) {
      /** @type {any} */ (this)[event] = typeof source === "string" ? channel(`tracing:${source}:${event}`) : source[event];
    }
  }

  get hasSubscribers() {
    return EVENTS.some((event) => /** @type {any} */ (this)[event]?.[HEARD]);
  }

  /** @param {any} handlers */
  subscribe(handlers) {
    for (const event of EVENTS) if (handlers[event]) /** @type {any} */ (this)[event]?.subscribe(handlers[event]);
  }

  /** @param {any} handlers */
  unsubscribe(handlers) {
    let done = true;
    for (const event of EVENTS) {
      if (handlers[event] && !(/** @type {any} */ (this)[event]?.unsubscribe(handlers[event]))) done = false;
    }
    return done;
  }

  /** @param {Function} fn @param {any} context @param {any} receiver @param {any[]} args */
  traceSync(fn, context = {}, receiver, ...args) {
    const { start, end, error } = /** @type {any} */ (this);
    return start.runStores(context, () => {
      try {
        return (context.result = Reflect.apply(fn, receiver, args));
      } catch (reason) {
        context.error = reason;
        error.publish(context);
        throw reason;
      } finally {
        end.publish(context);
      }
    });
  }

  /** @param {Function} fn @param {any} context @param {any} receiver @param {any[]} args */
  tracePromise(fn, context = {}, receiver, ...args) {
    const { start, end, asyncStart, asyncEnd, error } = /** @type {any} */ (this);
    const settled = (/** @type {"result" | "error"} */ what, /** @type {any} */ value) => {
      context[what] = value;
      if (what === "error") error.publish(context);
      asyncStart.publish(context);
      asyncEnd.publish(context);
      if (what === "error") throw value;
      return value;
    };
    return start.runStores(context, () => {
      try {
        const promise = Promise.resolve(Reflect.apply(fn, receiver, args));
        return promise.then((value) => settled("result", value), (reason) => settled("error", reason));
      } catch (reason) {
        context.error = reason;
        error.publish(context);
        throw reason;
      } finally {
        end.publish(context);
      }
    });
  }

  /** @param {Function} fn @param {number} position @param {any} context @param {any} receiver @param {any[]} args */
  traceCallback(fn, position = -1, context = {}, receiver, ...args) {
    const { start, end, asyncStart, asyncEnd, error } = /** @type {any} */ (this);
    const callback = args.at(position);
    expectFunction("callback", callback);
    /** @this {any} @param {any[]} results */
    function wrapped(...results) {
      const [reason, value] = results;
      if (reason) {
        context.error = reason;
        error.publish(context);
      } else context.result = value;
      asyncStart.runStores(context, () => {
        try {
          return Reflect.apply(callback, this, results);
        } finally {
          asyncEnd.publish(context);
        }
      });
    }
    args.splice(position, 1, wrapped);
    return start.runStores(context, () => {
      try {
        return Reflect.apply(fn, receiver, args);
      } catch (reason) {
        context.error = reason;
        error.publish(context);
        throw reason;
      } finally {
        end.publish(context);
      }
    });
  }
}

/** @param {any} source */
export function tracingChannel(source) {
  return new TracingChannel(source);
}

if (!isOn("diagnostics_channel_has_subscribers_getter")) {
  for (const { prototype } of [Channel, TracingChannel]) {
    const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, "hasSubscribers"));
    const value = {
      /** @this {any} */
      hasSubscribers() {
        return Reflect.apply(get, this, []);
      },
    }.hasSubscribers;
    Object.defineProperty(prototype, "hasSubscribers", { value, writable: true, configurable: true });
  }
}

export default { Channel, TracingChannel, channel, hasSubscribers, subscribe, tracingChannel, unsubscribe };
