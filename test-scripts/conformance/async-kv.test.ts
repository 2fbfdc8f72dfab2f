// ctx.storage: get, put, delete, list, deleteAll.
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const PUT_FORMS =
  "TypeError: put() may only be called with a single key-value pair and optional options as put(key, value, options) " +
  "or with multiple key-value pairs and optional options as put(entries, options)";

export const getReturnsWhatWasPut = inside(async ({ storage }) => {
  await storage.put("key", { a: 1 });
  assertEquals(await storage.get("key"), { a: 1 });
});

export const aMissingKeyIsUndefined = inside(async ({ storage }) => {
  assertEquals(await storage.get("key"), undefined);
});

export const aValueIsThereBeforeItsPutIsAwaited = inside(async ({ storage }) => {
  const put = storage.put("key", 1);
  assertEquals(await storage.get("key"), 1);
  await put;
});

export const putResolvesToUndefined = inside(async ({ storage }) => {
  assertEquals(await storage.put("key", 1), undefined);
  assertEquals(await storage.put({ a: 1 }), undefined);
});

export const severalKeysAreReadAtOnce = inside(async ({ storage }) => {
  await storage.put({ a: 1, b: 2, c: 3 });
  assertEquals(await storage.get(["c", "a", "missing"]), new Map([["a", 1], ["c", 3]]));
  assertEquals(await storage.get([]), new Map());
});

export const severalKeysAreWrittenAtOnce = inside(async ({ storage }) => {
  await storage.put({ k1: "v1", k2: "v2" });
  assertEquals(await storage.list(), new Map([["k1", "v1"], ["k2", "v2"]]));
});

export const anUndefinedEntryIsLeftOut = inside(async ({ storage }) => {
  await storage.put({ a: 1, b: undefined });
  assertEquals(await storage.list(), new Map([["a", 1]]));
});

export const severalKeysAreWrittenOrNone = inside(async ({ storage }) => {
  await assertRejects(() => storage.put({ a: 1, b: () => 1 }), "DataCloneError: () => 1 could not be cloned.");
  assertEquals(await storage.list(), new Map());
});

export const deleteSaysWhetherThereWasAKey = inside(async ({ storage }) => {
  await storage.put("key", 1);
  assertEquals(await storage.delete("key"), true);
  assertEquals(await storage.delete("key"), false);
});

export const deleteCountsTheKeysOfAList = inside(async ({ storage }) => {
  await storage.put({ a: 1, b: 2, c: 3 });
  assertEquals(await storage.delete(["a", "c", "missing"]), 2);
  assertEquals(await storage.list(), new Map([["b", 2]]));
  assertEquals(await storage.delete([]), 0);
});

export const listIsAMapInTheOrderOfItsKeys = inside(async ({ storage }) => {
  await storage.put({ b: 2, a: 1, c: 3, B: 0 });
  const list = await storage.list();
  assert(list instanceof Map);
  assertEquals([...list.keys()], ["B", "a", "b", "c"]);
});

export const listTakesOptions = inside(async ({ storage }) => {
  await storage.put({ a: 1, "a:1": 2, "a:2": 3, "a:3": 4, b: 5 });
  const keys = async (options: DurableObjectListOptions) => [...(await storage.list(options)).keys()];
  assertEquals(await keys({ prefix: "a:" }), ["a:1", "a:2", "a:3"]);
  assertEquals(await keys({ prefix: "a:", start: "a:2" }), ["a:2", "a:3"]);
  assertEquals(await keys({ prefix: "a:", startAfter: "a:2" }), ["a:3"]);
  assertEquals(await keys({ prefix: "a:", end: "a:2" }), ["a:1"]);
  assertEquals(await keys({ prefix: "a:", start: "a:2", limit: 1 }), ["a:2"]);
  assertEquals(await keys({ prefix: "a:", reverse: true, limit: 2 }), ["a:3", "a:2"]);
  assertEquals(await keys({ start: "a:2", end: "b" }), ["a:2", "a:3"]);
  assertEquals(await keys({ start: "b", end: "a" }), []);
  assertEquals(await keys({ limit: 1000 }), ["a", "a:1", "a:2", "a:3", "b"]);
});

export const listRefusesWrongOptions = inside(async ({ storage }) => {
  await assertRejects(() => storage.list({ limit: 0 }), "TypeError: List limit must be positive.");
  await assertRejects(
    () => storage.list({ start: "a", startAfter: "a" }),
    "TypeError: list() cannot be called with both start and startAfter values.",
  );
});

export const undefinedCannotBePut = inside(async ({ storage }) => {
  await assertRejects(() => storage.put("key", undefined), "TypeError: put() called with undefined value.");
});

export const putNeedsAKeyAndAValueOrEntries = inside(async ({ storage }) => {
  await assertRejects(() => (storage as any).put("key"), "TypeError: put() called with undefined value.");
  await assertRejects(() => (storage as any).put({ a: 1 }, 2), PUT_FORMS);
});

export const optionsAreAccepted = inside(async ({ storage }) => {
  await storage.put("a", 1, { allowUnconfirmed: true, noCache: true, allowConcurrency: true });
  await storage.put({ b: 2 }, { allowUnconfirmed: true });
  assertEquals(await storage.get("a", { noCache: true, allowConcurrency: true }), 1);
  assertEquals(await storage.get(["b"], { noCache: true }), new Map([["b", 2]]));
  assertEquals(await storage.list({ noCache: true, allowConcurrency: true }), new Map([["a", 1], ["b", 2]]));
  assertEquals(await storage.delete("a", { allowUnconfirmed: true }), true);
});

export const manyKeysAreWrittenAtOnce = inside(async ({ storage }) => {
  const entries = Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`key:${String(i).padStart(3, "0")}`, i]));
  await storage.put(entries);
  assertEquals((await storage.list({ prefix: "key:" })).size, 128);
  assertEquals((await storage.get(Object.keys(entries))).size, 128);
  assertEquals(await storage.delete(Object.keys(entries)), 128);
});

export const aWriteEarlierInTheTurnIsSeen = inside(async ({ storage }) => {
  const results = await Promise.all([
    storage.put("key", 1),
    storage.get("key"),
    storage.put("key", 2),
    storage.get("key"),
    storage.delete("key"),
    storage.get("key"),
  ]);
  assertEquals(results, [undefined, 1, undefined, 2, true, undefined]);
});

export const deleteAllForgetsEverything = inside(async ({ storage }) => {
  await storage.put({ a: 1, b: 2 });
  storage.sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
  await storage.setAlarm(Date.now() + 60_000);
  await storage.deleteAll();
  assertEquals(await storage.list(), new Map());
  assertEquals(storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 't'").toArray(), []);
  assertEquals(await storage.getAlarm(), null);
});

export const storageWorksAfterDeleteAll = inside(async ({ storage }) => {
  await storage.put("a", 1);
  await storage.deleteAll();
  await storage.put("b", 2);
  storage.sql.exec("CREATE TABLE t (a)");
  assertEquals(await storage.list(), new Map([["b", 2]]));
});

export const syncWaitsForTheWritesBefore = inside(async ({ storage }) => {
  storage.put("key", 1);
  assertEquals(await storage.sync(), undefined);
  assertEquals(await storage.get("key"), 1);
});

export const getSpeaksOfAMissingKey = inside(async ({ storage }) => {
  await assertRejects(() => (storage as any).get(), /^TypeError: Failed to execute 'get' on 'DurableObjectStorage'/);
});

export const argumentsOfTheWrongKindAreRefused = inside(async ({ storage }) => {
  const any = storage as any;
  const refused = (method: string, position: number, type: string) =>
    `TypeError: Failed to execute '${method}' on 'DurableObjectStorage': parameter ${position} is not of type '${type}'.`;
  await assertRejects(() => any.put(), refused("put", 1, "string or object"));
  await assertRejects(() => any.put("a", 1, 2), refused("put", 3, "PutOptions"));
  await assertRejects(() => any.put(5), "TypeError: put() called with undefined value.");
  await assertRejects(() => any.get("a", 5), refused("get", 2, "GetOptions"));
  await assertRejects(() => any.delete(), refused("delete", 1, "string or Array"));
  await assertRejects(() => any.list(5), refused("list", 1, "ListOptions"));
  await assertRejects(
    () => any.list({ limit: 2 ** 40 }),
    "TypeError: Value out of range. Must be between -2147483648 and 2147483647 (inclusive).",
  );
  assertEquals(await storage.list(), new Map());
});

export const keysBecomeStrings = inside(async ({ storage }) => {
  const any = storage as any;
  await any.put(5, "five");
  await any.put(null, "null");
  assertEquals(await any.get(5), "five");
  assertEquals(await any.get([null, "5"]), new Map([["5", "five"], ["null", "null"]]));
  assertEquals(await any.list({ start: null }), new Map([["null", "null"]]));
});
