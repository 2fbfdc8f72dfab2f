// ctx.storage.sql: statements, rows, cursors.
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

// The types of the platform promise an iterator only, its documentation more.
type RawCursor = IterableIterator<SqlStorageValue[]> & { toArray(): SqlStorageValue[][] };

function people(sql: SqlStorage) {
  sql.exec(`
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
    INSERT INTO people (id, name, age) VALUES (1, 'Ann', 31), (2, 'Bob', 42), (3, 'Cid', 53);
  `);
  return () => sql.exec("SELECT id, name, age FROM people ORDER BY id");
}

export const toArrayReturnsAnObjectPerRow = inside(({ storage: { sql } }) => {
  assertEquals(people(sql)().toArray(), [
    { id: 1, name: "Ann", age: 31 },
    { id: 2, name: "Bob", age: 42 },
    { id: 3, name: "Cid", age: 53 },
  ]);
});

export const anEmptyResultIsAnEmptyArray = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT 1 WHERE 0").toArray(), []);
});

export const aStatementWithoutRowsRunsWhenExecIsCalled = inside(({ storage: { sql } }) => {
  const all = people(sql);
  sql.exec("DELETE FROM people WHERE id = 1");
  assertEquals(all().toArray().length, 2);
});

export const aCursorIsIterable = inside(({ storage: { sql } }) => {
  const names = [];
  for (const row of people(sql)()) names.push(row.name);
  assertEquals(names, ["Ann", "Bob", "Cid"]);
});

export const aCursorCanBeSpread = inside(({ storage: { sql } }) => {
  assertEquals([...people(sql)()].map((row) => row.id), [1, 2, 3]);
});

export const nextReturnsOneRowAtATime = inside(({ storage: { sql } }) => {
  const cursor = sql.exec("SELECT 'only' AS row");
  const first = cursor.next();
  assertEquals([first.done, first.value], [false, { row: "only" }]);
  assertEquals(cursor.next().done, true);
  assertEquals(cursor.next().done, true);
});

export const toArrayReturnsWhatIsLeft = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  cursor.next();
  assertEquals(cursor.toArray().map((row) => row.id), [2, 3]);
  assertEquals(cursor.toArray(), []);
});

export const aLoopThatBreaksLeavesTheRest = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  for (const _ of cursor) break;
  assertEquals(cursor.toArray().map((row) => row.id), [2, 3]);
});

export const oneReturnsTheOnlyRow = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT 1 AS a, 'x' AS b").one(), { a: 1, b: "x" });
});

export const oneThrowsWhenThereIsNoRow = inside(({ storage: { sql } }) => {
  assertThrows(
    () => sql.exec("SELECT 1 WHERE 0").one(),
    "Error: Expected exactly one result from SQL query, but got no results.",
  );
});

export const oneThrowsWhenThereAreMoreRows = inside(({ storage: { sql } }) => {
  assertThrows(
    () => people(sql)().one(),
    "Error: Expected exactly one result from SQL query, but got multiple results.",
  );
});

export const rawReturnsAnArrayPerRow = inside(({ storage: { sql } }) => {
  const raw = people(sql)().raw() as RawCursor;
  assertEquals(raw.toArray(), [
    [1, "Ann", 31],
    [2, "Bob", 42],
    [3, "Cid", 53],
  ]);
});

export const rawIsIterable = inside(({ storage: { sql } }) => {
  const ages = [];
  for (const [, , age] of people(sql)().raw()) ages.push(age);
  assertEquals(ages, [31, 42, 53]);
});

export const rawSharesItsPositionWithTheCursor = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  const raw = cursor.raw() as RawCursor;
  assertEquals(raw.next().value, [1, "Ann", 31]);
  assertEquals(cursor.next().value!.name, "Bob");
  assertEquals(raw.toArray(), [[3, "Cid", 53]]);
  assertEquals(cursor.next().done, true);
});

export const rawKeepsColumnsOfTheSameName = inside(({ storage: { sql } }) => {
  const query = "SELECT 1 AS a, 2 AS b, 3 AS a";
  assertEquals([...sql.exec(query).raw()], [[1, 2, 3]]);
  assertEquals(sql.exec(query).columnNames, ["a", "b", "a"]);
});

export const theLastColumnOfANameWinsInARowObject = inside(({ storage: { sql } }) => {
  const row = sql.exec("SELECT 1 AS a, 2 AS b, 3 AS a").one();
  assertEquals(row, { a: 3, b: 2 });
  assertEquals(Object.keys(row), ["a", "b"]);
});

export const columnNamesAreKnownBeforeAndAfterReading = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  assertEquals(cursor.columnNames, ["id", "name", "age"]);
  cursor.toArray();
  assertEquals(cursor.columnNames, ["id", "name", "age"]);
});

export const columnNamesAreKnownWithoutRows = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT 1 AS a, 2 AS b WHERE 0").columnNames, ["a", "b"]);
  assertEquals(sql.exec("CREATE TABLE t (a)").columnNames, []);
});

export const aRowIsAPlainObject = inside(({ storage: { sql } }) => {
  const row = sql.exec("SELECT 1 AS a").one();
  assertEquals(Object.getPrototypeOf(row), Object.prototype);
  row.a = 2;
  assertEquals(row, { a: 2 });
});

export const severalCursorsOfOneStatementLiveAtOnce = inside(({ storage: { sql } }) => {
  const all = people(sql);
  const one = all();
  const other = all();
  assertEquals(one.next().value!.id, 1);
  assertEquals(other.next().value!.id, 1);
  assertEquals(one.next().value!.id, 2);
  assertEquals(other.toArray().length, 2);
  assertEquals(one.toArray().length, 1);
});

export const aStatementCanRunInsideALoopOverItself = inside(({ storage: { sql } }) => {
  const all = people(sql);
  let pairs = 0;
  for (const _ of all()) for (const _ of all()) pairs++;
  assertEquals(pairs, 9);
});

export const aRowCanBeChangedWhileItsTableIsRead = inside(({ storage: { sql } }) => {
  for (const { id } of people(sql)()) sql.exec("UPDATE people SET age = age + 1 WHERE id = ?", id);
  assertEquals([...sql.exec("SELECT age FROM people ORDER BY id").raw()].flat(), [32, 43, 54]);
});

export const returningYieldsRows = inside(({ storage: { sql } }) => {
  people(sql);
  const cursor = sql.exec("INSERT INTO people (name) VALUES (?), (?) RETURNING id, name", "Dee", "Eve");
  assertEquals(cursor.toArray(), [
    { id: 4, name: "Dee" },
    { id: 5, name: "Eve" },
  ]);
});

export const rowsReadCountsTheRowsOfAScan = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  cursor.toArray();
  assertEquals(cursor.rowsRead, 3);
  assertEquals(cursor.rowsWritten, 0);
});

export const rowsReadGrowsWhileACursorIsRead = inside(({ storage: { sql } }) => {
  const cursor = people(sql)();
  const counts = [cursor.rowsRead];
  for (const _ of cursor) counts.push(cursor.rowsRead);
  assert(counts[0] < counts[3], `${counts}`);
  assertEquals(cursor.rowsRead, 3);
});

export const aLookupByKeyReadsOneRow = inside(({ storage: { sql } }) => {
  people(sql);
  const cursor = sql.exec("SELECT * FROM people WHERE id = ?", 2);
  cursor.toArray();
  assertEquals(cursor.rowsRead, 1);
});

export const rowsWrittenCountsInsertedRows = inside(({ storage: { sql } }) => {
  people(sql);
  assertEquals(sql.exec("INSERT INTO people (name) VALUES ('Dee')").rowsWritten, 1);
  assertEquals(sql.exec("INSERT INTO people (name) VALUES ('Eve'), ('Fay')").rowsWritten, 2);
});

export const rowsWrittenCountsUpdatedRows = inside(({ storage: { sql } }) => {
  people(sql);
  assertEquals(sql.exec("UPDATE people SET age = 1 WHERE id > 1").rowsWritten, 2);
  assertEquals(sql.exec("UPDATE people SET age = 1 WHERE id > 9").rowsWritten, 0);
});

export const rowsWrittenCountsDeletedRows = inside(({ storage: { sql } }) => {
  people(sql);
  assertEquals(sql.exec("DELETE FROM people WHERE id > 1").rowsWritten, 2);
});

export const anIndexIsWrittenToo = inside(({ storage: { sql } }) => {
  people(sql);
  sql.exec("CREATE INDEX people_name ON people (name)");
  assertEquals(sql.exec("INSERT INTO people (name) VALUES ('Dee')").rowsWritten, 2);
});

export const databaseSizeGrowsByPages = inside(({ storage: { sql } }) => {
  const before = sql.databaseSize;
  assertEquals(before % 4096, 0);
  sql.exec("CREATE TABLE t (data BLOB); INSERT INTO t VALUES (zeroblob(100000))");
  assert(sql.databaseSize >= before + 100_000);
  assertEquals(sql.databaseSize % 4096, 0);
});

export const deletingShrinksDatabaseSize = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (data BLOB); INSERT INTO t VALUES (zeroblob(100000))");
  const before = sql.databaseSize;
  sql.exec("DELETE FROM t");
  assert(sql.databaseSize < before);
});

export const severalStatementsRunInOrder = inside(({ storage: { sql } }) => {
  const cursor = sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT a FROM t");
  assertEquals(cursor.toArray(), [{ a: 1 }, { a: 2 }]);
});

export const onlyTheLastStatementMayHaveParameters = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (?)", 7);
  assertEquals(sql.exec("SELECT a FROM t").one(), { a: 7 });
  assertThrows(
    () => sql.exec("INSERT INTO t VALUES (?); INSERT INTO t VALUES (2)", 1),
    "Error: When executing multiple SQL statements in a single call, only the last statement can have parameters.",
  );
});

export const earlierStatementsStayWhenALaterOneFails = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (a)");
  assertThrows(() => sql.exec("INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (2)"), /no such table: nowhere/);
  assertEquals(sql.exec("SELECT a FROM t").toArray(), [{ a: 1 }]);
});

export const aTextWithoutAStatementIsRefused = inside(({ storage: { sql } }) => {
  for (const text of ["", "  ", ";", "-- nothing", "SELECT 1; -- done"]) {
    assertThrows(() => sql.exec(text), "Error: SQL code did not contain a statement.");
  }
});

export const whitespaceAndSemicolonMayFollowTheLastStatement = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec(" SELECT 1 AS a ; \n ").one(), { a: 1 });
});

export const theNumberOfBindingsMustMatch = inside(({ storage: { sql } }) => {
  const message = "Error: Wrong number of parameter bindings for SQL query.";
  assertThrows(() => sql.exec("SELECT ?"), message);
  assertThrows(() => sql.exec("SELECT ?", 1, 2), message);
  assertThrows(() => sql.exec("SELECT 1", 1), message);
});

export const numberedParametersCanBeUsedTwice = inside(({ storage: { sql } }) => {
  assertEquals([...sql.exec("SELECT ?1, ?2, ?1", "a", "b").raw()], [["a", "b", "a"]]);
});

export const aSyntaxErrorSaysWhere = inside(({ storage: { sql } }) => {
  assertThrows(() => sql.exec("SELECT * bunk"), 'Error: near "bunk": syntax error at offset 9: SQLITE_ERROR');
  assertThrows(() => sql.exec("SELECT * FROM"), "Error: incomplete input: SQLITE_ERROR");
});

export const aMissingTableIsNamed = inside(({ storage: { sql } }) => {
  assertThrows(() => sql.exec("SELECT * FROM nowhere"), "Error: no such table: nowhere: SQLITE_ERROR");
});

export const aMissingColumnIsNamed = inside(({ storage: { sql } }) => {
  people(sql);
  assertThrows(() => sql.exec("SELECT height FROM people"), "Error: no such column: height at offset 7: SQLITE_ERROR");
});

export const aConstraintFailureHasItsExtendedCode = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (a TEXT UNIQUE NOT NULL CHECK (a <> 'bad')); INSERT INTO t VALUES ('x')");
  assertThrows(
    () => sql.exec("INSERT INTO t VALUES ('x')"),
    "Error: UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
  );
  assertThrows(
    () => sql.exec("INSERT INTO t VALUES (NULL)"),
    "Error: NOT NULL constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)",
  );
  assertThrows(
    () => sql.exec("INSERT INTO t VALUES ('bad')"),
    "Error: CHECK constraint failed: a <> 'bad': SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)",
  );
});

export const foreignKeysAreEnforced = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id))");
  assertThrows(
    () => sql.exec("INSERT INTO b VALUES (1)"),
    "Error: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)",
  );
});

export const aFailedStatementLeavesTheObjectWorking = inside(({ storage: { sql } }) => {
  assertThrows(() => sql.exec("INSERT INTO nowhere VALUES (1)"), /no such table/);
  sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
  assertEquals(sql.exec("SELECT a FROM t").one(), { a: 1 });
});

export const fullTextSearchIsThere = inside(({ storage: { sql } }) => {
  sql.exec("CREATE VIRTUAL TABLE notes USING fts5 (body); INSERT INTO notes VALUES ('red apples'), ('green pears')");
  assertEquals(sql.exec("SELECT body FROM notes WHERE notes MATCH ?", "pears").one(), { body: "green pears" });
});

export const jsonFunctionsAreThere = inside(({ storage: { sql } }) => {
  assertEquals(sql.exec("SELECT json_extract(?, '$.a[1]') AS b", '{"a":[1,2]}').one(), { b: 2 });
  assertEquals([...sql.exec("SELECT value FROM json_each('[3,4]')").raw()], [[3], [4]]);
});

export const upsertAndWindowFunctionsAndCommonTableExpressionsWork = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER)");
  for (const _ of "abc") sql.exec("INSERT INTO t VALUES ('k', 1) ON CONFLICT (k) DO UPDATE SET n = n + 1");
  assertEquals(sql.exec("SELECT n FROM t").one(), { n: 3 });
  const numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3)";
  assertEquals([...sql.exec(`${numbers} SELECT x, sum(x) OVER (ORDER BY x) FROM c`).raw()], [[1, 1], [2, 3], [3, 6]]);
});

export const cursorAndStatementAreClassesOfTheDatabase = inside(({ storage: { sql } }) => {
  assert(sql.exec("SELECT 1") instanceof (sql as any).Cursor);
});

export const theSameDatabaseIsReturnedEachTime = inside(({ storage }) => {
  assert(storage.sql === storage.sql);
});

export const deleteAllEndsTheCursorsBefore = inside(async ({ storage }) => {
  const canceled = "Error: SQLite query was canceled because the database was deleted.";
  people(storage.sql);
  const cursors = [1, 2, 3].map(() => storage.sql.exec("SELECT id FROM people ORDER BY id"));
  await storage.deleteAll();
  assertThrows(() => cursors[0].next(), canceled);
  assertThrows(() => cursors[1].toArray(), canceled);
  assertThrows(() => [...cursors[2].raw()], canceled);
  assertEquals(cursors[0].columnNames, ["id"]);
});

export const rTreesFindWhatOverlaps = inside(({ storage }) => {
  const { sql } = storage;
  sql.exec("CREATE VIRTUAL TABLE places USING rtree (id, left, right, bottom, top)");
  sql.exec("CREATE VIRTUAL TABLE tiles USING rtree_i32 (id, left, right)");
  sql.exec("INSERT INTO places VALUES (1, 0, 1, 0, 1), (2, 5, 6, 5, 6), (3, 0.5, 5.5, 0.5, 5.5)");
  sql.exec("INSERT INTO tiles VALUES (1, 0, 10), (2, 20, 30)");
  const near = "SELECT id FROM places WHERE left <= ? AND right >= ? AND bottom <= ? AND top >= ? ORDER BY id";
  assertEquals(sql.exec(near, 1, 1, 1, 1).toArray(), [{ id: 1 }, { id: 3 }]);
  assertEquals(sql.exec("SELECT id FROM tiles WHERE left > 10").toArray(), [{ id: 2 }]);
  assertEquals(sql.exec("SELECT rtreecheck('places') AS found").one(), { found: "ok" });
});

export const aWriteThatRunsAgainSaysWhatItDid = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE again (id INTEGER PRIMARY KEY, text TEXT)");
  for (let i = 0; i < 3; i++) {
    const cursor = sql.exec("INSERT INTO again (text) VALUES (?), (?)", "a", "b");
    assertEquals(cursor.columnNames, []);
    assertEquals(cursor.rowsWritten, 2);
    assertEquals(cursor.rowsRead, 0);
    assertEquals(cursor.next(), { done: true, value: undefined } as any);
    assertEquals(cursor.toArray(), []);
    assertEquals([...cursor], []);
    assertEquals([...cursor.raw()], []);
    assertThrows(() => cursor.one(), "Error: Expected exactly one result from SQL query, but got no results.");
  }
  for (let i = 0; i < 3; i++) {
    const cursor = sql.exec("UPDATE again SET text = ? WHERE id > ?", `${i}`, 3);
    assertEquals(cursor.rowsWritten, 3);
    assertEquals(cursor.rowsRead, 3);
  }
});

export const whatAWriteDidCanBeAskedAfterItsTableIsGone = inside(({ storage: { sql } }) => {
  const insert = () => sql.exec("INSERT INTO gone VALUES (?)", 1);
  sql.exec("CREATE TABLE gone (i)");
  insert();
  const cursor = insert();
  assertEquals(cursor.rowsWritten, 1);
  sql.exec("DROP TABLE gone");
  assertEquals(cursor.toArray(), []);
});
