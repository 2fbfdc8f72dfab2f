// How JavaScript values become SQL values, and back.
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

// The type of a binding, and the value that comes back.
function bound(sql: SqlStorage, value: unknown) {
  return sql.exec("SELECT typeof(?1) AS type, ?1 AS value", value as SqlStorageValue).one();
}

export const aNumberIsBoundAsReal = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, 1), { type: "real", value: 1 });
  assertEquals(bound(sql, 1.5), { type: "real", value: 1.5 });
  assertEquals(bound(sql, -0), { type: "real", value: -0 });
  assertEquals(bound(sql, Infinity), { type: "real", value: Infinity });
});

export const notANumberIsBoundAsNull = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, NaN), { type: "null", value: null });
});

export const aStringIsBoundAsText = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, "háčky 🦀"), { type: "text", value: "háčky 🦀" });
  assertEquals(bound(sql, ""), { type: "text", value: "" });
});

export const aStringMayHoldAZeroCharacter = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, "a\0b"), { type: "text", value: "a\0b" });
});

export const nullAndUndefinedAreBoundAsNull = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, null), { type: "null", value: null });
  assertEquals(bound(sql, undefined), { type: "null", value: null });
});

export const anArrayBufferIsBoundAsBlob = inside(({ storage: { sql } }) => {
  const bytes = new Uint8Array([1, 2, 3]).buffer;
  const { type, value } = bound(sql, bytes);
  assertEquals(type, "blob");
  assert(value instanceof ArrayBuffer);
  assertEquals(value, bytes);
});

export const aViewIsBoundByItsWindow = inside(({ storage: { sql } }) => {
  const bytes = new Uint8Array([1, 2, 3, 4, 5]);
  assertEquals(bound(sql, bytes.subarray(1, 4)), { type: "blob", value: new Uint8Array([2, 3, 4]).buffer });
  assertEquals(bound(sql, new DataView(bytes.buffer, 3)), { type: "blob", value: new Uint8Array([4, 5]).buffer });
});

export const anEmptyBlobStaysABlob = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, new ArrayBuffer(0)), { type: "blob", value: new ArrayBuffer(0) });
});

export const aBooleanIsBoundAsText = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, true), { type: "text", value: "true" });
  assertEquals(bound(sql, false), { type: "text", value: "false" });
});

export const anObjectIsBoundAsItsString = inside(({ storage: { sql } }) => {
  assertEquals(bound(sql, {}), { type: "text", value: "[object Object]" });
  assertEquals(bound(sql, [1, 2]), { type: "text", value: "1,2" });
  const date = new Date(0);
  assertEquals(bound(sql, date), { type: "text", value: String(date) });
});

export const aBigIntIsRefused = inside(({ storage: { sql } }) => {
  assertThrows(() => bound(sql, 1n), "TypeError: Cannot convert a BigInt value to a number");
});

export const aSymbolIsRefused = inside(({ storage: { sql } }) => {
  assertThrows(() => bound(sql, Symbol("s")), "TypeError: Cannot convert a Symbol value to a string");
});

export const anIntegerColumnTurnsANumberIntoAnInteger = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (i INTEGER, t TEXT, x)");
  sql.exec("INSERT INTO t VALUES (?1, ?1, ?1)", 1);
  assertEquals(sql.exec("SELECT typeof(i) AS i, t, typeof(x) AS x FROM t").one(), { i: "integer", t: "1.0", x: "real" });
});

export const anIntegerComesBackAsANumber = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT 42 AS n").one(), { n: 42 });
  assertEquals(sql.exec("SELECT 9007199254740993 AS n").one(), { n: 9007199254740992 });
  assertEquals(sql.exec("SELECT -9223372036854775808 AS n").one(), { n: -9223372036854775808 });
});

export const aBlobComesBackAsAnArrayBuffer = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT x'00ff' AS b").one(), { b: new Uint8Array([0, 255]).buffer });
});

export const nullComesBackAsNull = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT NULL AS n").one(), { n: null });
});

export const aHundredParametersAreTheMost = inside(({ storage: { sql } }) => {
  const sum = (n: number) => sql.exec(`SELECT max(${Array(n).fill("?").join(", ")}) AS n`, ...Array(n).keys()).one();
  assertEquals(sum(100), { n: 99 });
  assertThrows(() => sum(101), /^Error: too many SQL variables at offset \d+: SQLITE_ERROR$/);
});
