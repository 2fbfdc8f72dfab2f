// What SQL may not do in an object.
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const NOT_AUTHORIZED = "Error: not authorized: SQLITE_AUTH";

export const transactionsBelongToTheStorageApi = inside(({ storage: { sql } }) => {
  const statements = ["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s"];
  for (const statement of statements) {
    assertThrows(
      () => sql.exec(statement),
      "Error: To execute a transaction, please use the state.storage.transaction() or " +
        "state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. " +
        "The JavaScript API is safer because it will automatically roll back on exceptions, and because it " +
        "interacts correctly with Durable Objects' automatic atomic write coalescing.",
    );
  }
});

export const tablesOfTheRuntimeCannotBeRead = inside(({ storage }) => {
  storage.kv.put("key", "value");
  assertThrows(() => storage.sql.exec("SELECT * FROM _cf_KV"), "Error: access to _cf_KV.key is prohibited: SQLITE_AUTH");
  assertThrows(() => storage.sql.exec("SELECT count(*) FROM _CF_kv"), /prohibited: SQLITE_AUTH|not authorized: SQLITE_AUTH/);
});

export const tablesOfTheRuntimeCannotBeWritten = inside(({ storage }) => {
  storage.kv.put("key", "value");
  for (const statement of [
    "INSERT INTO _cf_KV VALUES ('a', x'00')",
    "UPDATE _cf_KV SET value = x'00'",
    "DELETE FROM _cf_KV",
    "DROP TABLE _cf_KV",
  ]) {
    assertThrows(() => storage.sql.exec(statement), /SQLITE_AUTH$/);
  }
  assertEquals(storage.kv.get("key"), "value");
});

export const namesOfTheRuntimeCannotBeTaken = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (a)");
  for (const statement of [
    "CREATE TABLE _cf_mine (a)",
    "CREATE TABLE _CF_MINE (a)",
    "CREATE VIEW _cf_view AS SELECT 1",
    "CREATE INDEX _cf_index ON t (a)",
    "ALTER TABLE t RENAME TO _cf_t",
  ]) {
    assertThrows(() => sql.exec(statement), NOT_AUTHORIZED);
  }
});

export const otherDatabasesCannotBeReached = inside(({ storage: { sql } }) => {
  assertThrows(() => sql.exec("ATTACH DATABASE ':memory:' AS other"), NOT_AUTHORIZED);
  assertThrows(() => sql.exec("DETACH DATABASE main"), NOT_AUTHORIZED);
  assertThrows(() => sql.exec("VACUUM INTO 'copy'"), /^Error: (cannot VACUUM from within a transaction: SQLITE_ERROR|not authorized: SQLITE_AUTH)$/);
});

export const temporaryTablesAreRefused = inside(({ storage: { sql } }) => {
  assertThrows(() => sql.exec("CREATE TEMP TABLE t (a)"), NOT_AUTHORIZED);
  assertThrows(() => sql.exec("CREATE TEMP VIEW v AS SELECT 1"), NOT_AUTHORIZED);
});

export const mostPragmasAreRefused = inside(({ storage: { sql } }) => {
  for (const pragma of ["journal_mode", "synchronous = OFF", "user_version", "cache_size", "page_count", "integrity_check"]) {
    assertThrows(() => sql.exec(`PRAGMA ${pragma}`), NOT_AUTHORIZED);
  }
});

export const pragmasThatDescribeTheSchemaAreAllowed = inside(({ storage: { sql } }) => {
  sql.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)");
  assertEquals(sql.exec("PRAGMA table_info(t)").toArray().map((column) => column.name), ["a", "b"]);
  assert(sql.exec("PRAGMA table_list").toArray().some((table) => table.name === "t"));
  assertEquals(sql.exec("SELECT name FROM pragma_table_info('t')").toArray(), [{ name: "a" }, { name: "b" }]);
  assertThrows(() => sql.exec("PRAGMA table_info(_cf_KV)"), NOT_AUTHORIZED);
});

export const foreignKeysCanBeDeferred = inside(({ storage: { sql } }) => {
  sql.exec("PRAGMA defer_foreign_keys = ON; CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id))");
  sql.exec("PRAGMA defer_foreign_keys = ON");
  sql.exec("INSERT INTO b VALUES (1)");
  sql.exec("INSERT INTO a VALUES (1)");
  assertEquals(sql.exec("PRAGMA foreign_keys").one(), { foreign_keys: 1 });
});

export const functionsOutsideTheListAreRefused = inside(({ storage: { sql } }) => {
  for (const call of ["sqlite_version()", "sqlite_source_id()", "sqlite_compileoption_get(1)"]) {
    assertThrows(() => sql.exec(`SELECT ${call}`), /^Error: not authorized to use function: sqlite_\w+( at offset \d+)?: SQLITE_ERROR$/);
  }
});

export const functionsOfTheListWork = inside(({ storage: { sql } }) => {
  const row = sql.exec("SELECT abs(-1), upper('a'), round(1.25, 1), sqrt(9), date(0, 'unixepoch'), hex(x'0a'), iif(1, 2, 3)");
  assertEquals([...row.raw()], [[1, "A", 1.3, 3, "1970-01-01", "0A", 2]]);
});

export const limitsAreThePlatforms = inside(({ storage: { sql } }) => {
  const columns = Array.from({ length: 101 }, (_, i) => `c${i}`).join(", ");
  assertThrows(() => sql.exec(`CREATE TABLE t (${columns})`), "Error: too many columns on t: SQLITE_ERROR");
  assertThrows(() => sql.exec("SELECT 'a' LIKE ?", "a".repeat(51)), "Error: LIKE or GLOB pattern too complex: SQLITE_ERROR");
  assertThrows(
    () => sql.exec(Array(6).fill("SELECT 1").join(" UNION ALL ")),
    /^Error: too many terms in compound SELECT( at offset \d+)?: SQLITE_ERROR$/,
  );
  assertThrows(() => sql.exec(`SELECT '${"x".repeat(100_000)}'`), "Error: statement too long: SQLITE_TOOBIG");
  assertThrows(() => sql.exec("SELECT zeroblob(17000000)"), "Error: string or blob too big: SQLITE_TOOBIG");
});
