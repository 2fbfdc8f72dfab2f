// Members of the platform's own classes that no other script needs: each one alone.
import { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint, env as importedEnv, tracing as importedTracing } from "cloudflare:workers";
import * as workers from "cloudflare:workers";

import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

// The types do not have all of these.
const tracing = importedTracing as any;
const { RpcPromise, RpcProperty } = workers as any;

class Counter extends RpcTarget {
  #count = 0;

  get count() {
    return this.#count;
  }

  increment() {
    return ++this.#count;
  }
}

export class Room extends DurableObject {
  counter(): any {
    return new Counter();
  }

  fail(): any {
    throw new RangeError("in the object");
  }
}

export class Entry extends WorkerEntrypoint {
  context() {
    const { access, cache, props, exports, tracing } = this.ctx as any;
    return [access, cache, props, typeof exports.Entry, typeof tracing.enterSpan, typeof (this.ctx as any).mapVirtualHost];
  }

  passThrough() {
    return this.ctx.passThroughOnException();
  }
}

type Env = { Room: DurableObjectNamespace<Room> };

const TORN =
  "TypeError: Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

export const methodsOfObjectsNeedTheirObject = inside(async (ctx) => {
  const { blockConcurrencyWhile, waitUntil, getWebSockets, abort } = ctx as any;
  const { get, put, list, delete: remove, transaction, transactionSync, setAlarm } = ctx.storage as any;
  const torn = { blockConcurrencyWhile, waitUntil, getWebSockets, abort, get, put, list, remove, transaction, transactionSync, setAlarm };
  for (const [name, method] of Object.entries(torn)) {
    await assertRejects(async () => await method("a", "b"), TORN).catch((error) => assert(false, `${name}: ${error.message}`));
  }
});

export const methodsOfTheWorkersObjectsNeedTheirObject = {
  async test(_: unknown, env: Env, ctx: any) {
    const { get, idFromName, getByName } = env.Room as any;
    const { waitUntil, passThroughOnException } = ctx;
    const { match } = caches.default;
    const { on } = new HTMLRewriter() as any;
    const { wait } = scheduler;
    const { enterSpan } = ctx.tracing;
    const torn = { get, idFromName, getByName, waitUntil, passThroughOnException, match, on, wait, enterSpan };
    for (const [name, method] of Object.entries(torn)) {
      await assertRejects(async () => await (method as any)("a", "b"), TORN).catch((error) => assert(false, `${name}: ${error.message}`));
    }
  },
};

export const stubsAndTargetsAreNotStored = inside(async ({ storage }) => {
  const env = importedEnv as any;
  const stubs: [unknown, string][] = [
    [env.Room.getByName("a"), "DataCloneError: ServiceStub cannot be serialized in this context."],
    [new Counter(), "DataCloneError: Remote RPC references can only be serialized for RPC."],
    [new (RpcStub as any)(new Counter()), "DataCloneError: RpcStub cannot be serialized in this context."],
  ];
  for (const [value, words] of stubs) {
    await assertRejects(async () => await storage.put("key", value), words);
    assertThrows(() => storage.kv.put("key", value), words);
  }
});

export const whatIsClonedOfThePlatform = inside(async () => {
  const headers = structuredClone(new Headers({ a: "1" }));
  assertEquals([headers instanceof Headers, headers.get("a")], [true, "1"]);
  const request = structuredClone(new Request("http://a/b", { method: "PUT", headers: { a: "1" } }));
  assertEquals([request instanceof Request, request.url, request.method, request.headers.get("a")], [true, "http://a/b", "PUT", "1"]);
  const response = structuredClone(new Response(null, { status: 404, headers: { a: "1" } }));
  assertEquals([response instanceof Response, response.status, response.headers.get("a")], [true, 404, "1"]);
  assertEquals(await structuredClone(new Blob(["text"])).text(), "text");
  assertEquals(structuredClone({ inside: [new Headers({ b: "2" })] }).inside[0].get("b"), "2");
  assertThrows(() => structuredClone(new File(["x"], "y")), 'DataCloneError: Could not serialize object of type "File". This type does not support serialization.');
  assertThrows(() => structuredClone(new Counter()), "DataCloneError: Remote RPC references can only be serialized for RPC.");
  assertThrows(() => structuredClone((importedEnv as any).Room.getByName("a")), "DataCloneError: ServiceStub cannot be serialized in this context.");
});

export const headersHoldAnyText = inside(async () => {
  const headers = new Headers({ a: "n\u00e9" });
  headers.append("a", "\u65e5\u672c");
  assertEquals([headers.get("a"), [...headers]], ["n\u00e9, \u65e5\u672c", [["a", "n\u00e9, \u65e5\u672c"]]]);
  assertEquals(new Request("http://a/", { headers }).headers.get("a"), "n\u00e9, \u65e5\u672c");
  assertEquals(new Response("", { headers: [["a", "\u65e5"]] }).headers.get("a"), "\u65e5");
});

export const timeoutsTakeAnyNumber = inside(async () => {
  assertEquals([AbortSignal.timeout(Infinity).aborted, AbortSignal.timeout("x" as any).aborted], [false, false]);
  const signal = AbortSignal.timeout(-1);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assertEquals(signal.reason.name, "TimeoutError");
});

export const anObjectHasNoContainer = inside((ctx) => {
  assertEquals(ctx.container, undefined);
});

export const anObjectHasOneStorageWithItsParts = inside((ctx) => {
  const { storage } = ctx;
  assert(ctx.storage === storage);
  assert(storage.sql === storage.sql);
  assert(storage.kv === storage.kv);
  assertEquals([storage.constructor.name, storage.sql.constructor.name, (storage.kv as any).constructor.name], ["DurableObjectStorage", "SqlStorage", "SyncKvStorage"]);
});

export const aTransactionReadsAndWrites = inside(async ({ storage }) => {
  await storage.put({ a: 1, b: 2, c: 3 });
  const seen = await storage.transaction(async (txn) => {
    await txn.put("d", 4);
    await txn.put({ e: 5 });
    const deleted = [await txn.delete("a"), await txn.delete(["b", "missing"])];
    return [await txn.get("a"), await txn.get(["c", "d"]), [...(await txn.list({ prefix: "e" }))], deleted];
  });
  assertEquals(seen, [undefined, new Map([["c", 3], ["d", 4]]), [["e", 5]], [true, 1]]);
  assertEquals([...(await storage.list()).keys()], ["c", "d", "e"]);
});

export const aTransactionHasTheAlarm = inside(async ({ storage }) => {
  const time = Date.now() + 3_600_000;
  const seen = await storage.transaction(async (txn) => {
    const before = await txn.getAlarm();
    await txn.setAlarm(time);
    return [before, await txn.getAlarm()];
  });
  assertEquals([seen, await storage.getAlarm()], [[null, time], time]);
  await storage.transaction((txn) => txn.deleteAlarm());
  assertEquals(await storage.getAlarm(), null);
});

export const aSocketOfAPairHasNoAddress = inside(() => {
  const [socket] = Object.values(new WebSocketPair());
  assertEquals([socket.url, socket.protocol, socket.extensions, (socket as any).bufferedAmount], [null, "", "", 0]);
  socket.accept();
  assertEquals((socket as any).bufferedAmount, 0);
});

export const theStatesOfSocketsAreConstants = inside(() => {
  const [socket] = Object.values(new WebSocketPair()) as any[];
  for (const owner of [WebSocket as any, socket]) {
    assertEquals([owner.CONNECTING, owner.OPEN, owner.CLOSING, owner.CLOSED], [0, 1, 2, 3]);
    assertEquals([owner.READY_STATE_CONNECTING, owner.READY_STATE_OPEN, owner.READY_STATE_CLOSING, owner.READY_STATE_CLOSED], [0, 1, 2, 3]);
  }
});

export const aSocketIsATargetOfEvents = inside(async () => {
  const [client, server] = Object.values(new WebSocketPair());
  const heard: unknown[] = [];
  const ignored = () => void heard.push("removed");
  client.addEventListener("message", ignored);
  client.removeEventListener("message", ignored);
  client.addEventListener("message", (event) => void heard.push([event.type, event.data, event instanceof MessageEvent]), { once: true });
  const closed = new Promise<CloseEvent>((resolve) => client.addEventListener("close", resolve));
  client.accept();
  server.accept();
  server.send("first");
  server.send("second");
  server.close(4000, "done");
  const { code, reason, wasClean } = await closed;
  assertEquals([heard, code, reason, wasClean], [[["message", "first", true]], 4000, "done", true]);
  (client as EventTarget).addEventListener("own", (event) => void heard.push(event.type));
  assertEquals([client.dispatchEvent(new Event("own")), heard.length], [true, 2]);
});

export const anAttachmentIsNullAtFirst = inside(() => {
  const [socket] = Object.values(new WebSocketPair());
  assertEquals(socket.deserializeAttachment(), null);
  socket.serializeAttachment({ seat: 7 });
  assertEquals(socket.deserializeAttachment(), { seat: 7 });
});

export const aPairIsAnObjectAndIterable = inside(() => {
  const pair = new WebSocketPair() as any;
  assertEquals(Object.keys(pair), ["0", "1"]);
  const [first, second] = pair;
  assert(first === pair[0] && second === pair[1] && first instanceof WebSocket);
});

export const anAutomaticAnswerIsAPairOfTexts = inside(() => {
  const pair = new WebSocketRequestResponsePair("ping", "pong");
  assertEquals([pair.request, pair.response], ["ping", "pong"]);
  assertThrows(() => new (WebSocketRequestResponsePair as any)("ping"), "TypeError: Failed to construct 'WebSocketRequestResponsePair': constructor parameter 2 is not of type 'string'.");
});

export const copyingAStubOfAnObjectIsLeftToTheObject = {
  async test(_: unknown, { Room }: Env) {
    await assertRejects(() => (Room.getByName("copied") as any).dup(), "TypeError: 'dup' is a reserved method and cannot be called over RPC.");
  },
};

export const aStubOfATargetIsCopiedAndDisposedOf = {
  async test(_: unknown, { Room }: Env) {
    const counter = await (Room.getByName("a") as any).counter();
    const copy = counter.dup();
    assertEquals([await counter.increment(), await copy.increment(), await copy.count], [1, 2, 2]);
    counter[Symbol.dispose]();
    await assertRejects(() => counter.increment(), "Error: RPC stub used after being disposed.");
    assertEquals(await copy.increment(), 3);
    copy[Symbol.dispose]();
  },
};

export const aPromiseHasThenCatchAndFinally = {
  async test(_: unknown, { Room }: Env) {
    const stub = Room.getByName("a") as any;
    const promise = stub.counter().increment();
    assert(promise instanceof RpcPromise);
    assertEquals(await promise.then((count: number) => count + 1), 2);
    assertEquals(await stub.fail().catch((error: Error) => error.message), "in the object");
    let ended = 0;
    assertEquals(await stub.counter().increment().finally(() => void ended++), 1);
    await assertRejects(stub.fail().finally(() => void ended++), "RangeError: in the object");
    assertEquals(ended, 2);
  },
};

export const aPropertyHasThenCatchAndFinally = {
  async test(_: unknown, { Room }: Env) {
    using counter = await (Room.getByName("a") as any).counter();
    const property = counter.count;
    assert(property instanceof RpcProperty);
    assertEquals(await property.then((count: number) => count + 1), 1);
    assertEquals(await counter.count.finally(() => {}), 0);
    assertEquals(await counter.missing.catch((error: Error) => error.constructor), TypeError);
  },
};

export const aPromiseCanBeDisposedOf = {
  async test(_: unknown, { Room }: Env) {
    const promise = (Room.getByName("a") as any).counter();
    assertEquals(typeof promise[Symbol.dispose], "function");
    promise[Symbol.dispose]();
  },
};

export const anEntrypointsContext = {
  async test(_: unknown, __: Env, ctx: any) {
    assertEquals(await ctx.exports.Entry.context(), [undefined, undefined, {}, "function", "function", "function"]);
    assertEquals(await ctx.exports.Entry.passThrough(), undefined);
  },
};

export const waitUntilTakesAPromise = {
  test(_: unknown, __: Env, ctx: any) {
    assertEquals(ctx.waitUntil(Promise.resolve(1)), undefined);
    assertEquals(workers.waitUntil(Promise.resolve(1)), undefined);
  },
};

export const codeRunsInsideSpans = {
  async test() {
    assertEquals(tracing.enterSpan("a", (span: any, more: number) => [span.isTraced, more], 5), [false, 5]);
    assertEquals(tracing.startActiveSpan("a", (span: any, more: number) => [tracing.getActiveSpan() === span, more], 5), [true, 5]);
    const inside = async (span: unknown) => {
      await null;
      return tracing.getActiveSpan() === span;
    };
    assertEquals(await tracing.enterSpan("a", inside), true);
    assertThrows(() => tracing.enterSpan("a"), "TypeError: Failed to execute 'enterSpan' on 'Tracing': parameter 2 is not of type 'Function'.");
  },
};

export const aSpanIsStartedAndBecomesTheActiveOne = {
  test() {
    const outer = tracing.getActiveSpan();
    assert(outer instanceof tracing.Span && outer === tracing.getActiveSpan());
    const span = tracing.startSpan("a");
    assertEquals([span.isTraced, span instanceof tracing.Span, span === outer], [false, true, false]);
    assertEquals(tracing.withActiveSpan(span, (more: number) => [tracing.getActiveSpan() === span, more], 5), [true, 5]);
    assert(tracing.getActiveSpan() === outer);
    assertThrows(() => tracing.withActiveSpan({}, () => {}), "TypeError: Failed to execute 'withActiveSpan' on 'Tracing': parameter 1 is not of type 'Span'.");
    assertThrows(() => new tracing.Span(), "TypeError: Illegal constructor");
  },
};

export const classesAreMadeWithWhatTheyNeed = {
  test() {
    assert(new Counter() instanceof RpcTarget);
    assertThrows(() => new (DurableObject as any)(), "TypeError: Failed to construct 'DurableObjectBase': constructor parameter 1 is not of type 'DurableObjectState'.");
    assertThrows(() => new (WorkerEntrypoint as any)({}), "TypeError: Failed to construct 'WorkerEntrypoint': constructor parameter 2 is not of type 'Object'.");
    assertThrows(() => new (WorkerEntrypoint as any)(), "TypeError: Failed to construct 'WorkerEntrypoint': constructor parameter 1 is not of type 'Object'.");
  },
};
