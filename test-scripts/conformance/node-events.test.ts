// node:events and node:diagnostics_channel.
// @ts-ignore: no types of Node's modules are installed
import EventEmitter, { EventEmitterAsyncResource, captureRejectionSymbol, errorMonitor, getEventListeners, listenerCount, on, once, setMaxListeners, getMaxListeners, addAbortListener } from "node:events";
// @ts-ignore: the same
import diagnostics from "node:diagnostics_channel";
// @ts-ignore: the same
import { AsyncLocalStorage } from "node:async_hooks";

import { assert, assertEquals, assertRejects, assertThrows } from "./assert";

export const listeners = {
  test() {
    const emitter = new EventEmitter();
    const seen: unknown[] = [];
    const listener = (...args: unknown[]) => seen.push(args);
    emitter.on("a", listener).once("a", listener).prependListener("a", () => seen.push("first"));
    assertEquals([emitter.emit("a", 1, 2), emitter.emit("a"), emitter.emit("b")], [true, true, false]);
    assertEquals(seen, ["first", [1, 2], [1, 2], "first", []]);
    assertEquals([emitter.listenerCount("a"), listenerCount(emitter, "a"), emitter.eventNames(), getEventListeners(emitter, "a").length], [2, 2, ["a"], 2]);
    emitter.off("a", listener);
    assertEquals(emitter.listenerCount("a"), 1);
    emitter.removeAllListeners();
    assertEquals(emitter.eventNames(), []);
    const symbol = Symbol("s");
    let receiver: unknown;
    emitter.on(symbol, function (this: unknown) {
      receiver = this;
    });
    emitter.emit(symbol);
    assert(receiver === emitter);
    assertThrows(() => emitter.on("a", 1 as any), 'TypeError [ERR_INVALID_ARG_TYPE]: The "listener" argument must be of type function. Received type number (1)');
  },
};

export const metaEvents = {
  test() {
    const emitter = new EventEmitter();
    const seen: string[] = [];
    emitter.on("newListener", (name: string) => seen.push(`+${name}`));
    emitter.on("removeListener", (name: string) => seen.push(`-${name}`));
    const listener = () => {};
    emitter.once("a", listener);
    assertEquals([emitter.listeners("a")[0] === listener, emitter.rawListeners("a")[0] === listener], [true, false]);
    emitter.emit("a");
    assertEquals(seen, ["+removeListener", "+a", "-a"]);
  },
};

export const errors = {
  async test() {
    const emitter = new EventEmitter();
    const error = new Error("boom");
    assertThrows(() => emitter.emit("error", error), "Error: boom");
    assertThrows(() => emitter.emit("error", "text"), /^Error.*Unhandled error\. \('text'\)/);
    const seen: unknown[] = [];
    emitter.on(errorMonitor, (e: unknown) => seen.push(e));
    assertThrows(() => emitter.emit("error", error), "Error: boom");
    assertEquals(seen, [error]);
    const capturing = new EventEmitter({ captureRejections: true });
    capturing.on("a", async () => {
      throw new Error("late");
    });
    const caught = new Promise((resolve) => capturing.on("error", resolve));
    capturing.emit("a");
    assertEquals(String(await caught), "Error: late");
    const handled: unknown[] = [];
    const own: any = new EventEmitter({ captureRejections: true });
    own[captureRejectionSymbol] = (e: unknown, name: string) => handled.push(name);
    own.on("b", async () => Promise.reject(error));
    own.emit("b");
    await scheduler.wait(1);
    assertEquals(handled, ["b"]);
  },
};

export const promises = {
  async test() {
    const emitter = new EventEmitter();
    queueMicrotask(() => emitter.emit("a", 1, 2));
    assertEquals(await once(emitter, "a"), [1, 2]);
    queueMicrotask(() => emitter.emit("error", new Error("boom")));
    await assertRejects(once(emitter, "a"), "Error: boom");
    assertEquals(emitter.eventNames(), []);
    const controller = new AbortController();
    const waiting = once(emitter, "a", { signal: controller.signal });
    controller.abort();
    await assertRejects(waiting, /AbortError/);
    const target = new EventTarget();
    queueMicrotask(() => target.dispatchEvent(new Event("x")));
    assertEquals((await once(target, "x"))[0].type, "x");

    queueMicrotask(() => {
      emitter.emit("n", 1);
      emitter.emit("n", 2);
    });
    const seen: unknown[] = [];
    for await (const [value] of on(emitter, "n")) {
      seen.push(value);
      if (value === 2) break;
    }
    assertEquals(seen, [1, 2]);
  },
};

export const limits = {
  test() {
    const emitter = new EventEmitter();
    assertEquals([emitter.getMaxListeners(), EventEmitter.defaultMaxListeners], [10, 10]);
    setMaxListeners(3, emitter);
    assertEquals(getMaxListeners(emitter), 3);
    const controller = new AbortController();
    let aborted = 0;
    const disposable = addAbortListener(controller.signal, () => aborted++);
    controller.abort();
    disposable[Symbol.dispose]();
    assertEquals(aborted, 1);
  },
};

export const oldInheritance = {
  test() {
    function Old(this: any) {
      (EventEmitter as any).call(this);
    }
    Old.prototype = Object.create(EventEmitter.prototype);
    const old = new (Old as any)();
    let seen = 0;
    old.on("a", () => seen++);
    old.emit("a");
    assertEquals([seen, EventEmitter.EventEmitter === EventEmitter, EventEmitter.once === once], [1, true, true]);
  },
};

export const resources = {
  test() {
    const storage = new AsyncLocalStorage();
    const emitter = storage.run("then", () => new EventEmitterAsyncResource({ name: "Q" }));
    let seen: unknown;
    emitter.on("a", () => (seen = storage.getStore()));
    storage.run("now", () => emitter.emit("a"));
    assertEquals(seen, "then");
  },
};

export const channels = {
  test() {
    const channel = diagnostics.channel("test");
    assertEquals([channel.hasSubscribers, diagnostics.channel("test") === channel], [false, true]);
    const seen: unknown[] = [];
    const listener = (message: unknown, name: string) => seen.push([message, name]);
    diagnostics.subscribe("test", listener);
    assert(diagnostics.hasSubscribers("test"));
    channel.publish({ a: 1 });
    diagnostics.unsubscribe("test", listener);
    channel.publish({ a: 2 });
    assertEquals(seen, [[{ a: 1 }, "test"]]);
    const store = new AsyncLocalStorage();
    channel.bindStore(store, (data: { a: number }) => data.a);
    assertEquals(channel.runStores({ a: 3 }, () => store.getStore()), 3);
    channel.unbindStore(store);
  },
};

export const tracing = {
  async test() {
    const traced = diagnostics.tracingChannel("work");
    const seen: string[] = [];
    const handlers: Record<string, () => void> = {};
    for (const name of ["start", "end", "asyncStart", "asyncEnd", "error"]) handlers[name] = () => void seen.push(name);
    traced.subscribe(handlers);
    assertEquals(traced.traceSync((n: number) => n + 1, {}, undefined, 1), 2);
    assertEquals(seen.splice(0), ["start", "end"]);
    assertEquals(await traced.tracePromise(async (n: number) => n + 1, {}, undefined, 2), 3);
    assertEquals(seen.splice(0), ["start", "end", "asyncStart", "asyncEnd"]);
    assertThrows(() => traced.traceSync(() => {
      throw new Error("boom");
    }, {}), "Error: boom");
    assertEquals(seen.splice(0), ["start", "error", "end"]);
    traced.traceCallback((callback: (error: unknown, value: number) => void) => callback(null, 4), 0, {}, undefined, () => {});
    assertEquals(seen, ["start", "asyncStart", "asyncEnd", "end"]);
  },
};
