// What survives being stored.
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

function stored<T>(storage: DurableObjectStorage, value: T): T {
  storage.kv.put("value", value);
  return storage.kv.get<T>("value")!;
}

export const primitivesSurvive = inside(({ storage }) => {
  for (const value of [null, true, false, 0, -0, 1.5, NaN, Infinity, 2 ** 53, "", "text", "🦀", "\ud800", 10n ** 30n, -1n]) {
    assertEquals(stored(storage, value), value);
  }
});

export const objectsAndArraysSurvive = inside(({ storage }) => {
  assertEquals(stored(storage, { a: { b: [1, { c: null }] }, d: undefined }), { a: { b: [1, { c: null }] }, d: undefined });
  assertEquals(stored(storage, []), []);
  const sparse = stored(storage, [1, , 3]);
  assertEquals([sparse.length, 1 in sparse], [3, false]);
});

export const datesSurvive = inside(({ storage }) => {
  assertEquals(stored(storage, new Date(1234567890123)), new Date(1234567890123));
  assertEquals(stored(storage, new Date(NaN)), new Date(NaN));
});

export const mapsAndSetsSurvive = inside(({ storage }) => {
  const map = new Map<unknown, unknown>([["a", new Set([1, "2"])], [{ key: 1 }, new Map()]]);
  assertEquals(stored(storage, map), map);
});

export const regularExpressionsSurvive = inside(({ storage }) => {
  assertEquals(stored(storage, /a+[b/]\n/giu), /a+[b/]\n/giu);
});

export const bytesSurvive = inside(({ storage }) => {
  assertEquals(stored(storage, new Uint8Array([1, 2, 255]).buffer), new Uint8Array([1, 2, 255]).buffer);
  assertEquals(stored(storage, new Uint8Array([1, 2, 255])), new Uint8Array([1, 2, 255]));
  assertEquals(stored(storage, new Float64Array([1.5, NaN])), new Float64Array([1.5, NaN]));
  assertEquals(stored(storage, new BigInt64Array([-1n])), new BigInt64Array([-1n]));
  assertEquals(stored(storage, new DataView(new ArrayBuffer(4), 1, 2)).byteLength, 2);
});

export const wrappersSurvive = inside(({ storage }) => {
  assertEquals(stored(storage, Object("text")).valueOf(), "text");
  assertEquals(stored(storage, Object(5)).valueOf(), 5);
});

export const cyclesAndSharedReferencesSurvive = inside(({ storage }) => {
  const shared = { a: 1 };
  const value: any = { one: shared, two: shared };
  value.self = value;
  const copy = stored(storage, value);
  assert(copy.self === copy);
  assert(copy.one === copy.two);
  assert(copy !== value);
});

export const errorsSurviveWithClassMessageAndCause = inside(({ storage }) => {
  const error = stored(storage, new TypeError("wrong", { cause: { a: 1 } }));
  assert(error instanceof TypeError);
  assertEquals([error.name, error.message, error.cause], ["TypeError", "wrong", { a: 1 }]);
});

export const domExceptionsSurvive = inside(({ storage }) => {
  const error = stored(storage, new DOMException("stopped", "AbortError"));
  assert(error instanceof DOMException);
  assertEquals([error.name, error.message], ["AbortError", "stopped"]);
});

export const anInstanceBecomesAPlainObject = inside(({ storage }) => {
  class Point {
    x = 1;
    get double() {
      return this.x * 2;
    }
  }
  const copy = stored(storage, new Point());
  assertEquals(Object.getPrototypeOf(copy), Object.prototype);
  assertEquals(copy as object, { x: 1 });
});

export const anObjectWithoutAPrototypeGetsOne = inside(({ storage }) => {
  assertEquals(stored(storage, Object.assign(Object.create(null), { a: 1 })), { a: 1 });
});

export const gettersAreRead = inside(({ storage }) => {
  assertEquals(stored(storage, { get a() { return 1; } }), { a: 1 });
});

export const whatCannotBeClonedIsRefused = inside(({ storage }) => {
  assertThrows(() => stored(storage, () => 1), "DataCloneError: () => 1 could not be cloned.");
  assertThrows(() => stored(storage, { a: Symbol("s") }), "DataCloneError: Symbol(s) could not be cloned.");
  assertThrows(() => stored(storage, new WeakMap()), "DataCloneError: #<WeakMap> could not be cloned.");
  assertThrows(() => stored(storage, Promise.resolve()), "DataCloneError: #<Promise> could not be cloned.");
});

export const objectsOfThePlatformAreRefused = inside(({ storage }) => {
  const refused = (type: string) => `DataCloneError: Could not serialize object of type "${type}". This type does not support serialization.`;
  assertThrows(() => stored(storage, new URL("http://example.com/")), refused("URL"));
  assertThrows(() => stored(storage, { a: [new URLSearchParams()] }), refused("URLSearchParams"));
  assertThrows(() => stored(storage, new (class Bell extends EventTarget {})()), refused("Bell"));
  assertThrows(() => stored(storage, storage), refused("DurableObjectStorage"));
  assertThrows(() => stored(storage, new Response("text")), "DataCloneError: ReadableStream can only be serialized for RPC.");
  assertThrows(() => stored(storage, new ReadableStream()), "DataCloneError: ReadableStream can only be serialized for RPC.");
  assertEquals(storage.kv.get("value"), undefined);
});

export const anErrorThrownByAGetterPassesThrough = inside(({ storage }) => {
  assertThrows(() => stored(storage, { get a() { throw new RangeError("no"); } }), "RangeError: no");
});

export const aLargeValueSurvives = inside(({ storage }) => {
  const text = "0123456789".repeat(100_000);
  assertEquals(stored(storage, text), text);
});

export const headersSurvive = inside(({ storage }) => {
  const headers = new Headers([["Content-Type", "text/html"], ["X-Own", "1"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]);
  const copy = stored(storage, { headers }).headers;
  assert(copy instanceof Headers && copy !== headers);
  assertEquals(Array.from(copy), [["content-type", "text/html"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-own", "1"]]);
  copy.set("x-own", "2");
  assertEquals(headers.get("x-own"), "1");
});

export const blobsSurvive = inside(async ({ storage }) => {
  const blob = new Blob(["two ", new Blob(["parts, "]), new Uint8Array([0xc3, 0xa9])], { type: "text/plain" });
  for (const copy of stored(storage, [blob, blob.slice(4)])) {
    assert(copy instanceof Blob);
    assert("two parts, é".endsWith(await copy.text()));
  }
  const copy = stored(storage, blob);
  assertEquals([copy.type, copy.size], ["text/plain", 13]);
  assertEquals(stored(storage, new Blob([])).size, 0);
});

export const requestsAndResponsesWithoutABodySurvive = inside(({ storage }) => {
  const request = stored(storage, new Request("http://example.com/a?b", { method: "PUT", headers: { "x-own": "1" }, redirect: "manual" }));
  assert(request instanceof Request);
  assertEquals([request.url, request.method, request.redirect, request.body], ["http://example.com/a?b", "PUT", "manual", null]);
  assertEquals(Array.from(request.headers), [["x-own", "1"]]);
  const plain = stored(storage, new Request("http://example.com/"));
  assertEquals([plain.method, plain.redirect], ["GET", "follow"]);

  const response = stored(storage, new Response(null, { status: 404, statusText: "Nowhere", headers: { "x-own": "1" } }));
  assert(response instanceof Response);
  assertEquals([response.status, response.statusText, response.body], [404, "Nowhere", null]);
  assertEquals(Array.from(response.headers), [["x-own", "1"]]);
  assertEquals(stored(storage, new Response(null)).status, 200);
});

export const bodiesAndFilesAreRefused = inside(({ storage }) => {
  const request = new Request("http://example.com/", { method: "POST", body: "text" });
  assertThrows(() => stored(storage, request), "DataCloneError: ReadableStream can only be serialized for RPC.");
  assertThrows(
    () => stored(storage, new File(["text"], "name")),
    'DataCloneError: Could not serialize object of type "File". This type does not support serialization.',
  );
});
