// node:util, node:util/types and node:assert.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import assert, { AssertionError, deepStrictEqual, rejects, strict, throws } from "node:assert";
// @ts-ignore: the same
import util, { callbackify, deprecate, format, inherits, inspect, isDeepStrictEqual, promisify, stripVTControlCharacters, styleText, types } from "node:util";
// @ts-ignore: the same
import * as typesModule from "node:util/types";

import { assertEquals, assertRejects, assertThrows } from "./assert";

export const inspecting = {
  test() {
    assertEquals(inspect({ a: 1, b: "x", c: [1, 2, { d: { e: { f: 1 } } }] }), "{ a: 1, b: 'x', c: [ 1, 2, { d: [Object] } ] }");
    assertEquals(inspect(new Map([["a", new Set([1])]])), "Map(1) { 'a' => Set(1) { 1 } }");
    assertEquals(inspect("it's"), '"it\'s"');
    assertEquals(inspect([undefined, null, 1n, -0, Symbol("s"), /x/g, () => {}]), "[ undefined, null, 1n, -0, Symbol(s), /x/g, [Function (anonymous)] ]");
    class Point {
      x = 1;
    }
    assertEquals(inspect(new Point()), "Point { x: 1 }");
    const circle: any = { name: "c" };
    circle.self = circle;
    assertEquals(inspect(circle), "<ref *1> { name: 'c', self: [Circular *1] }");
    assertEquals(inspect({ [inspect.custom]: () => "own" }), "own");
    assertEquals(inspect({ a: { b: 1 } }, { depth: 0 }), "{ a: [Object] }");
    assertEquals(inspect({ a: 1, b: "x" }, { colors: true }), "{ a: \u001b[33m1\u001b[39m, b: \u001b[32m'x'\u001b[39m }");
    assertEquals(inspect(new Uint8Array([1, 2])), "Uint8Array(2) [ 1, 2 ]");
    assertEquals(inspect(Buffer.from("ab")), "<Buffer 61 62>");
    assertEquals(inspect(Promise.resolve(1)).startsWith("Promise {"), true);
  },
};

export const formatting = {
  test() {
    assertEquals(format("%s %d %i %f %j %o %%", "a", 1.5, 1.5, "2.5", { a: 1 }, [1]), "a 1.5 1 2.5 {\"a\":1} [ 1, [length]: 1 ] %");
    assertEquals(format("a", "b", 1, { c: 2 }), "a b 1 { c: 2 }");
    assertEquals(format("%s", null, undefined), "null undefined");
    assertEquals(util.formatWithOptions({ colors: true }, "%O", 1), "\u001b[33m1\u001b[39m");
    assertEquals(stripVTControlCharacters("\u001b[31mred\u001b[39m"), "red");
    assertEquals([styleText("red", "x"), styleText("red", "x", { validateStream: false })], ["x", "\u001b[31mx\u001b[39m"]);
  },
};

export const functions = {
  async test() {
    const add = (a: number, b: number, callback: (error: unknown, sum?: number) => void) => (a < 0 ? callback(new Error("negative")) : callback(null, a + b));
    assertEquals(await promisify(add)(1, 2), 3);
    await assertRejects(promisify(add)(-1, 2), "Error: negative");
    const own: any = () => {};
    own[promisify.custom] = async () => "own";
    assertEquals(await promisify(own)(), "own");
    const called = new Promise((resolve) => callbackify(async (x: number) => x * 2)(4, (...args: unknown[]) => resolve(args)));
    assertEquals(await called, [null, 8]);
    const failed = new Promise((resolve) => callbackify(async () => Promise.reject(new Error("no")))((error: unknown) => resolve(String(error))));
    assertEquals(await failed, "Error: no");
    function Base(this: any) {}
    Base.prototype.hello = () => "hello";
    function Derived(this: any) {}
    inherits(Derived, Base);
    assertEquals([new (Derived as any)().hello(), (Derived as any).super_ === Base], ["hello", true]);
    assertEquals(deprecate((x: number) => x + 1, "old")(1), 2);
    assertThrows(() => promisify(1), 'TypeError [ERR_INVALID_ARG_TYPE]: The "original" argument must be of type function. Received type number (1)');
  },
};

export const kinds = {
  test() {
    assertEquals([types.isDate(new Date()), types.isRegExp(/x/), types.isPromise(Promise.resolve()), types.isMap(new Map()), types.isNativeError(new TypeError())], [true, true, true, true, true]);
    assertEquals([types.isUint8Array(new Uint8Array()), types.isTypedArray(new DataView(new ArrayBuffer(1))), types.isArrayBufferView(new Uint8Array()), types.isAnyArrayBuffer(new ArrayBuffer(1))], [true, false, true, true]);
    assertEquals([types.isProxy(new Proxy({}, {})), types.isAsyncFunction(async () => {}), types.isGeneratorFunction(function* () {}), types.isBoxedPrimitive(Object(1))], [true, true, true, true]);
    assertEquals([types.isDate({}), types.isProxy({}), typesModule.isSet(new Set())], [false, false, true]);
    assertEquals([util.isArray([]), util.types === types, util.TextEncoder === TextEncoder], [true, true, true]);
  },
};

export const deepEquality = {
  test() {
    const same: [unknown, unknown][] = [
      [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
      [new Map([["a", { x: 1 }]]), new Map([["a", { x: 1 }]])],
      [new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])],
      [new Date(1), new Date(1)],
      [NaN, NaN],
      [Buffer.from("a"), Buffer.from("a")],
      [new Error("a"), new Error("a")],
    ];
    for (const [a, b] of same) assertEquals([inspect(a), isDeepStrictEqual(a, b)], [inspect(a), true]);
    for (const [a, b] of [[{ a: 1 }, { a: "1" }], [0, -0], [[1], [1, 2]], [new Date(1), new Date(2)], [{ a: undefined }, {}], [/a/g, /a/i]]) {
      assertEquals([inspect(a), isDeepStrictEqual(a, b)], [inspect(a), false]);
    }
    assertThrows(() => assert.deepEqual({ a: 1 }, { a: "1" }), /strictly deep-equal/);
    assertThrows(() => deepStrictEqual({ a: 1 }, { a: 2 }), /Expected values to be strictly deep-equal/);
  },
};

export const assertions = {
  async test() {
    assert(true);
    assert.ok(1);
    assertThrows(() => assert.equal(1, "1"), /strictly equal/);
    assert.strictEqual(1, 1);
    assert.notStrictEqual(1, 2);
    assert.match("abc", /b/);
    assert.doesNotMatch("abc", /x/);
    assert.ifError(null);
    throws(() => {
      throw new TypeError("boom");
    }, TypeError);
    throws(() => {
      throw new TypeError("boom");
    }, { message: "boom", name: "TypeError" });
    throws(() => {
      throw new TypeError("boom");
    }, /boom/);
    await rejects(Promise.reject(new Error("late")), /late/);
    await assert.doesNotReject(async () => 1);
    assert.doesNotThrow(() => 1);
    strict.equal(1, 1);
    assertThrows(() => strict.equal(1, "1"), /strictly equal/);
    try {
      assert.strictEqual(1, 2, "mine");
      throw new Error("nothing was thrown");
    } catch (error) {
      const { name, code, actual, expected, operator, message, generatedMessage } = error as any;
      assertEquals([error instanceof AssertionError, error instanceof Error], [true, true]);
      assertEquals([name, code, actual, expected, operator, message, generatedMessage], ["AssertionError", "ERR_ASSERTION", 1, 2, "strictEqual", "mine", false]);
    }
    assertThrows(() => assert.fail("why"), /why/);
    assertThrows(() => assert.throws(() => {}), /Missing expected exception/);
  },
};
