// ctx.storage.kv: keys and values without await.
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

// Keys whose order shows how keys are compared.
function fill(kv: SyncKvStorage) {
  for (const key of ["b", "a", "a:2", "a:1", "c", "B"]) kv.put(key, key);
}

const keys = (kv: SyncKvStorage, options?: SyncKvListOptions) => [...kv.list(options)].map(([key]) => key);

export const getReturnsWhatWasPut = inside(({ storage: { kv } }) => {
  kv.put("key", { a: [1, "two", null] });
  assertEquals(kv.get("key"), { a: [1, "two", null] });
});

export const aMissingKeyIsUndefined = inside(({ storage: { kv } }) => {
  assertEquals(kv.get("key"), undefined);
});

export const putReplaces = inside(({ storage: { kv } }) => {
  kv.put("key", 1);
  kv.put("key", 2);
  assertEquals(kv.get("key"), 2);
});

export const deleteSaysWhetherThereWasAKey = inside(({ storage: { kv } }) => {
  kv.put("key", 1);
  assertEquals(kv.delete("key"), true);
  assertEquals(kv.delete("key"), false);
  assertEquals(kv.get("key"), undefined);
});

export const aFalsyValueIsAValue = inside(({ storage: { kv } }) => {
  for (const value of [null, 0, "", false]) {
    kv.put("key", value);
    assertEquals(kv.get("key"), value);
  }
});

export const undefinedIsAValueToo = inside(({ storage: { kv } }) => {
  kv.put("key", undefined);
  assertEquals(kv.get("key"), undefined);
  assertEquals([...kv.list()], [["key", undefined]]);
  assertEquals(kv.delete("key"), true);
});

export const eachGetReturnsItsOwnCopy = inside(({ storage: { kv } }) => {
  const value = { list: [1] };
  kv.put("key", value);
  value.list.push(2);
  const first = kv.get<typeof value>("key")!;
  first.list.push(3);
  assertEquals(kv.get("key"), { list: [1] });
});

export const listReturnsPairsInTheOrderOfTheirKeys = inside(({ storage: { kv } }) => {
  kv.put("b", 2);
  kv.put("a", { one: 1 });
  assertEquals([...kv.list()], [["a", { one: 1 }], ["b", 2]]);
});

export const keysAreComparedByTheirBytes = inside(({ storage: { kv } }) => {
  fill(kv);
  for (const key of ["é", "🦀", "ｱ"]) kv.put(key, 1);
  assertEquals(keys(kv), ["B", "a", "a:1", "a:2", "b", "c", "é", "ｱ", "🦀"]);
});

export const listTakesAPrefix = inside(({ storage: { kv } }) => {
  fill(kv);
  assertEquals(keys(kv, { prefix: "a" }), ["a", "a:1", "a:2"]);
  assertEquals(keys(kv, { prefix: "a:" }), ["a:1", "a:2"]);
  assertEquals(keys(kv, { prefix: "" }), ["B", "a", "a:1", "a:2", "b", "c"]);
  assertEquals(keys(kv, { prefix: "x" }), []);
});

export const listTakesStartAndEnd = inside(({ storage: { kv } }) => {
  fill(kv);
  assertEquals(keys(kv, { start: "a:1" }), ["a:1", "a:2", "b", "c"]);
  assertEquals(keys(kv, { end: "a:2" }), ["B", "a", "a:1"]);
  assertEquals(keys(kv, { start: "a", end: "b" }), ["a", "a:1", "a:2"]);
  assertEquals(keys(kv, { start: "b", end: "a" }), []);
});

export const listTakesStartAfter = inside(({ storage: { kv } }) => {
  fill(kv);
  assertEquals(keys(kv, { startAfter: "a" }), ["a:1", "a:2", "b", "c"]);
  assertEquals(keys(kv, { startAfter: "aa" }), ["b", "c"]);
});

export const aPrefixNarrowsTheRange = inside(({ storage: { kv } }) => {
  fill(kv);
  assertEquals(keys(kv, { prefix: "a", start: "a:1" }), ["a:1", "a:2"]);
  assertEquals(keys(kv, { prefix: "a", end: "a:2" }), ["a", "a:1"]);
  assertEquals(keys(kv, { prefix: "a:", start: "B", end: "z" }), ["a:1", "a:2"]);
});

export const listTakesReverseAndLimit = inside(({ storage: { kv } }) => {
  fill(kv);
  assertEquals(keys(kv, { reverse: true }), ["c", "b", "a:2", "a:1", "a", "B"]);
  assertEquals(keys(kv, { limit: 2 }), ["B", "a"]);
  assertEquals(keys(kv, { reverse: true, limit: 2 }), ["c", "b"]);
  assertEquals(keys(kv, { prefix: "a", reverse: true, limit: 1 }), ["a:2"]);
});

export const aListCanBeLeftEarly = inside(({ storage: { kv } }) => {
  fill(kv);
  for (const [key] of kv.list()) {
    assertEquals(key, "B");
    break;
  }
  assertEquals(keys(kv).length, 6);
});

export const aNewListEndsTheOneBefore = inside(({ storage: { kv } }) => {
  fill(kv);
  const list = kv.list();
  const iterator = list[Symbol.iterator]();
  iterator.next();
  keys(kv);
  assertThrows(
    () => iterator.next(),
    "Error: kv.list() iterator was invalidated because a new call to kv.list() was started. " +
      "Only one kv.list() iterator can exist at a time.",
  );
});

export const aLimitMustBePositive = inside(({ storage: { kv } }) => {
  assertThrows(() => kv.list({ limit: 0 }), "TypeError: List limit must be positive.");
  assertThrows(() => kv.list({ limit: -1 }), "TypeError: List limit must be positive.");
});

export const startAndStartAfterExcludeEachOther = inside(({ storage: { kv } }) => {
  assertThrows(
    () => kv.list({ start: "a", startAfter: "b" }),
    "TypeError: list() cannot be called with both start and startAfter values.",
  );
});

export const aFunctionCannotBeStored = inside(({ storage: { kv } }) => {
  assertThrows(() => kv.put("key", () => 1), "DataCloneError: () => 1 could not be cloned.");
  assertThrows(() => kv.put("key", Symbol("s")), "DataCloneError: Symbol(s) could not be cloned.");
  assertEquals(kv.get("key"), undefined);
});

export const putNeedsAValue = inside(({ storage: { kv } }) => {
  assertThrows(
    () => (kv as any).put("key"),
    "TypeError: Failed to execute 'put' on 'SyncKvStorage': parameter 2 is not of type 'Value'.",
  );
});

export const kvAndTheAsyncMethodsShareTheirKeys = inside(async ({ storage }) => {
  storage.kv.put("a", 1);
  await storage.put("b", 2);
  assertEquals(await storage.get("a"), 1);
  assertEquals(storage.kv.get("b"), 2);
  assertEquals(keys(storage.kv), ["a", "b"]);
});

export const aKeyMayHoldAnyCharacter = inside(({ storage: { kv } }) => {
  for (const key of ["", " ", "a\0b", "'; DROP TABLE x", "%_", "🦀"]) {
    kv.put(key, key);
    assertEquals(kv.get(key), key);
  }
  assert(keys(kv).includes("a\0b"));
});

// Of every shape, in an order in which shapes change from one value to the next.
const shapes: unknown[] = [
  { i: 1, text: "one" },
  { i: 2, text: "two" },
  { text: "three", i: 3 },
  { i: -1.5, text: "" },
  { a: null, b: undefined, c: true, d: false, e: NaN, f: -(2 ** 31), g: 2 ** 40, h: Infinity },
  {},
  { i: 4, text: "caf\u00e9" },
  { i: 5, text: "\u{1f600}" },
  { "caf\u00e9": 1, "\u{1f600}": 2 },
  { 0: "zero", 7: "seven", x: 1 },
  { "": 1, "1a": 2 },
  { inner: { i: 6 }, i: 6 },
  { list: [1, 2], i: 7 },
  [{ i: 8 }, { i: 9 }],
  { big: 10n, date: new Date(0), bytes: new Uint8Array([1, 2]) },
  Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key ${i}`, i])),
  { i: 1, text: "one" },
  "text",
  12,
];

export const listedValuesAreWhatWasPut = inside(({ storage: { kv } }) => {
  shapes.forEach((shape, i) => kv.put(`shape ${String(i).padStart(2, "0")}`, shape));
  const listed = [...kv.list({ prefix: "shape" })];
  assertEquals(listed.map(([, value]) => value), shapes);
  listed.forEach(([, value], i) => {
    assertEquals(Object.keys(value as object), Object.keys(shapes[i] as object));
  });
});

export const aListedValueKeepsMinusZero = inside(({ storage: { kv } }) => {
  kv.put("zero", { value: -0 });
  const [[, { value }]] = [...kv.list<{ value: number }>()];
  assert(Object.is(value, -0));
});

export const aListedValueMayHaveAPropertyNamedProto = inside(({ storage: { kv } }) => {
  kv.put("proto", JSON.parse('{"__proto__": {"polluted": true}, "i": 1}'));
  const [[, value]] = [...kv.list<any>()];
  assertEquals(Object.keys(value), ["__proto__", "i"]);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
});

export const settersOfAllObjectsDoNotSeeListedValues = inside(({ storage: { kv } }) => {
  kv.put("key", { watched: 1 });
  let seen = 0;
  Object.defineProperty(Object.prototype, "watched", { configurable: true, set: () => void seen++ });
  try {
    const [[, value]] = [...kv.list<any>()];
    assertEquals(Object.keys(value), ["watched"]);
    assertEquals(seen, 0);
  } finally {
    delete (Object.prototype as any).watched;
  }
});
