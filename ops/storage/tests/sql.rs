//! SQL as the application sees it: results, errors and what is not allowed.
//! The expected texts and counts were seen on workerd 2026-11-17.

use std::rc::Rc;

use stead_storage::{Binding, Cursor, Database, Options, StorageError, ValueRef};
use tempfile::TempDir;

/// A fresh object's database, deleted with its directory.
struct Fixture {
    database: Rc<Database>,
    _directory: TempDir,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let database =
        Database::open(&directory.path().join("object.sqlite"), &Options::default()).unwrap();
    Fixture {
        database: Rc::new(database),
        _directory: directory,
    }
}

impl Fixture {
    #[track_caller]
    fn exec(&self, sql: &str) -> Cursor {
        self.database
            .exec(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&mut self.exec(sql))
    }

    #[track_caller]
    fn error(&self, sql: &str) -> StorageError {
        match self.database.exec(sql, &[]) {
            Ok(_) => panic!("`{sql}` did not fail"),
            Err(error) => error,
        }
    }

    #[track_caller]
    fn check_error(&self, sql: &str, text: &str) {
        let error = self.error(sql);
        assert_eq!(
            (error.js_class(), error.to_string().as_str()),
            ("Error", text),
            "{sql}"
        );
    }
}

#[track_caller]
fn rows(cursor: &mut Cursor) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    while cursor.has_row() {
        cursor.check().unwrap();
        rows.push(
            (0..cursor.column_count())
                .map(|index| show(cursor.column(index)))
                .collect(),
        );
        cursor.advance().unwrap();
    }
    rows
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        ValueRef::Blob(blob) => format!("{blob:02x?}"),
    }
}

#[test]
fn values_come_back_as_they_were_bound() {
    let f = fixture();
    let bindings = [
        Binding::Null,
        Binding::Real(1.0),
        Binding::Text("é\0"),
        Binding::Blob(&[0, 255]),
        Binding::Blob(&[]),
    ];
    let mut cursor = f
        .database
        .exec("SELECT ?, ?, ?, ?, ?, typeof(?2)", &bindings)
        .unwrap();
    assert_eq!(
        rows(&mut cursor),
        [["null", "1.0", "é\0", "[00, ff]", "[]", "real"]]
    );
}

#[test]
fn mathematical_functions_are_compiled_in() {
    let f = fixture();
    assert_eq!(f.rows("SELECT sin(0), round(pow(2, 3))"), [["0.0", "8.0"]]);
}

#[test]
fn sqlite_extensions_are_there() {
    let f = fixture();
    f.exec("CREATE VIRTUAL TABLE words USING fts5(x)");
    f.exec("INSERT INTO words VALUES ('hello world')");
    assert_eq!(
        f.rows("SELECT highlight(words, 0, '<', '>') FROM words WHERE words MATCH 'hello'"),
        [["<hello> world"]]
    );
    f.exec("CREATE VIRTUAL TABLE boxes USING rtree(id, a, b)");
    f.exec("INSERT INTO boxes VALUES (1, 0, 5)");
    assert_eq!(f.rows("SELECT id FROM boxes WHERE a < 3"), [["1"]]);
    assert_eq!(
        f.rows("SELECT value FROM json_each('[1,2]')"),
        [["1"], ["2"]]
    );
    assert_eq!(f.rows("SELECT \"text\""), [["text"]]);
}

#[test]
fn a_statement_without_rows_has_run_when_exec_returns() {
    let f = fixture();
    f.exec("CREATE TABLE t (a)");
    let cursor = f.exec("INSERT INTO t VALUES (1)");
    assert!(!cursor.has_row());
    assert_eq!(f.rows("SELECT count(*) FROM t"), [["1"]]);
}

#[test]
fn names_of_columns_stay_after_the_last_row() {
    let f = fixture();
    let mut cursor = f.exec("SELECT 1 AS a, 2 AS a");
    rows(&mut cursor);
    assert_eq!(cursor.column_names(), ["a", "a"]);
}

#[test]
fn a_cached_statement_follows_the_schema() {
    let f = fixture();
    f.exec("CREATE TABLE t (a)");
    f.exec("INSERT INTO t VALUES (1)");
    assert_eq!(f.exec("SELECT * FROM t").column_names(), ["a"]);
    f.exec("ALTER TABLE t ADD COLUMN b");
    let mut cursor = f.exec("SELECT * FROM t");
    assert_eq!(cursor.column_names(), ["a", "b"]);
    assert_eq!(rows(&mut cursor), [["1", "null"]]);
    f.exec("ALTER TABLE t RENAME COLUMN b TO c");
    assert_eq!(f.exec("SELECT * FROM t").column_names(), ["a", "c"]);
}

#[test]
fn the_same_text_may_run_several_times_at_once() {
    let f = fixture();
    let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT x FROM c";
    let (mut one, mut two) = (f.exec(sql), f.exec(sql));
    one.advance().unwrap();
    assert_eq!(rows(&mut two), [["1"], ["2"], ["3"]]);
    assert_eq!(rows(&mut one), [["2"], ["3"]]);
    assert_eq!(f.rows(sql).len(), 3);
}

#[test]
fn of_several_statements_the_last_answers() {
    let f = fixture();
    let mut cursor = f
        .database
        .exec(
            "CREATE TABLE t (a); INSERT INTO t VALUES (1); SELECT a + ? FROM t; ",
            &[Binding::Real(1.0)],
        )
        .unwrap();
    assert_eq!(rows(&mut cursor), [["2.0"]]);
    f.check_error(
        "INSERT INTO t VALUES (?); SELECT 2",
        "When executing multiple SQL statements in a single call, only the last statement can have parameters.",
    );
    f.check_error(
        "INSERT INTO t VALUES (2); SELECT nope",
        "no such column: nope at offset 8: SQLITE_ERROR",
    );
    assert_eq!(
        f.rows("SELECT count(*) FROM t"),
        [["2"]],
        "the statement before the mistake stays"
    );
}

#[test]
fn text_without_a_statement_is_a_mistake() {
    let f = fixture();
    for sql in ["", ";", "-- c", "SELECT 1; -- c", "SELECT 1;;;", " \n"] {
        f.check_error(sql, "SQL code did not contain a statement.");
    }
}

#[test]
fn the_number_of_bindings_must_be_right() {
    let f = fixture();
    f.check_error(
        "SELECT ?",
        "Wrong number of parameter bindings for SQL query.",
    );
    let error = f.database.exec("SELECT 1", &[Binding::Null]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "Wrong number of parameter bindings for SQL query."
    );
    assert!(f.database.exec("SELECT ?3", &[Binding::Null; 3]).is_ok());
}

#[test]
fn errors_are_in_the_words_of_the_platform() {
    let f = fixture();
    f.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, c UNIQUE)");
    f.exec("INSERT INTO t VALUES (1, 1)");
    for (sql, text) in [
        (
            "bunk",
            "near \"bunk\": syntax error at offset 0: SQLITE_ERROR",
        ),
        ("SELECT bunk FROM", "incomplete input: SQLITE_ERROR"),
        ("SELECT * FROM nope", "no such table: nope: SQLITE_ERROR"),
        (
            "INSERT INTO t VALUES (2, 1)",
            "UNIQUE constraint failed: t.c: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        ),
        (
            "INSERT INTO t VALUES (1, 2)",
            "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)",
        ),
        (
            "INSERT INTO t VALUES ('x', 2)",
            "datatype mismatch: SQLITE_MISMATCH",
        ),
        (
            "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6",
            "too many terms in compound SELECT: SQLITE_ERROR",
        ),
        (
            "SELECT json_pretty('1')",
            "not authorized to use function: json_pretty at offset 7: SQLITE_ERROR",
        ),
        (
            "SELECT sqlite_version()",
            "not authorized to use function: sqlite_version at offset 7: SQLITE_ERROR",
        ),
        ("SELECT load_extension('x')", "not authorized: SQLITE_ERROR"),
        (
            "SELECT * FROM generate_series(1, 2)",
            "no such table: generate_series: SQLITE_ERROR",
        ),
        (
            "SELECT * FROM dbstat",
            "no such table: dbstat: SQLITE_ERROR",
        ),
        (
            "VACUUM",
            "cannot VACUUM from within a transaction: SQLITE_ERROR",
        ),
    ] {
        f.check_error(sql, text);
    }
}

#[test]
fn what_the_platform_denies_is_denied() {
    let f = fixture();
    f.exec("CREATE TABLE q (a PRIMARY KEY)");
    for sql in [
        "CREATE TABLE _cf_x (a)",
        "ALTER TABLE q RENAME TO _cf_q",
        "ALTER TABLE q RENAME TO _CF_q",
        "ATTACH 'x' AS y",
        "PRAGMA journal_mode",
        "PRAGMA table_info",
        "PRAGMA table_info(_cf_KV)",
        "SELECT * FROM pragma_table_info('_cf_KV')",
        "SELECT * FROM pragma_journal_mode",
        "PRAGMA foreign_keys = maybe",
        "PRAGMA user_version",
        "PRAGMA page_size = 8192",
        "PRAGMA integrity_check",
        "CREATE TEMP TABLE z (a)",
        "CREATE VIRTUAL TABLE ff USING fts3(x)",
        "CREATE INDEX _cf_i ON q (a)",
        "CREATE TRIGGER _cf_t AFTER INSERT ON q BEGIN SELECT 1; END",
    ] {
        f.check_error(sql, "not authorized: SQLITE_AUTH");
    }
    assert_eq!(
        f.rows("SELECT name FROM sqlite_schema WHERE type = 'table'"),
        [["q"]],
        "nothing was renamed"
    );
    f.exec("ALTER TABLE q RENAME TO r");
    assert_eq!(f.rows("SELECT count(*) FROM r"), [["0"]]);
}

#[test]
fn our_tables_are_out_of_reach() {
    let f = fixture();
    f.database.kv_put("k", b"v").unwrap();
    f.check_error(
        "SELECT * FROM _cf_KV",
        "access to _cf_KV.key is prohibited: SQLITE_AUTH",
    );
    f.check_error("DELETE FROM _cf_KV", "not authorized: SQLITE_AUTH");
    f.check_error("DROP TABLE _CF_kv", "not authorized: SQLITE_AUTH");
    f.exec("CREATE VIEW v AS SELECT * FROM _cf_KV");
    f.check_error(
        "SELECT * FROM v",
        "access to _cf_KV.key is prohibited: SQLITE_AUTH",
    );
    assert_eq!(
        f.database.kv_get("k", <[u8]>::to_vec).unwrap().unwrap(),
        b"v"
    );
}

#[test]
fn transactions_are_not_for_sql() {
    let f = fixture();
    for sql in [
        "BEGIN",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT x",
        "RELEASE x",
        "ROLLBACK TO x",
    ] {
        let error = f.error(sql).to_string();
        assert!(error.starts_with("To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of"), "{error}");
        assert!(error.ends_with("and because it interacts correctly with Durable Objects' automatic atomic write coalescing."), "{error}");
    }
}

#[test]
fn allowed_pragmas_work() {
    let f = fixture();
    f.exec("CREATE TABLE q (a PRIMARY KEY)");
    assert_eq!(f.rows("PRAGMA foreign_keys"), [["1"]]);
    assert_eq!(f.rows("SELECT name FROM pragma_table_info('q')"), [["a"]]);
    assert_eq!(f.rows("PRAGMA page_size"), [["4096"]]);
    assert_eq!(f.rows("PRAGMA quick_check"), [["ok"]]);
    f.exec("PRAGMA optimize");
    f.exec("ANALYZE");
    f.exec("REINDEX");
}

#[test]
fn limits_are_those_of_the_platform() {
    let f = fixture();
    let columns = (0..101)
        .map(|index| format!("c{index}"))
        .collect::<Vec<_>>()
        .join(",");
    f.check_error(
        &format!("CREATE TABLE t ({columns})"),
        "too many columns on t: SQLITE_ERROR",
    );
    f.check_error(
        "SELECT ?101",
        "variable number must be between ?1 and ?100 at offset 7: SQLITE_ERROR",
    );
    f.check_error(
        &format!("SELECT 'a' LIKE '{}'", "a".repeat(51)),
        "LIKE or GLOB pattern too complex: SQLITE_ERROR",
    );
    f.check_error(
        "SELECT length(randomblob(8388643))",
        "string or blob too big: SQLITE_TOOBIG",
    );
    f.check_error(
        &format!("SELECT 1{}", " ".repeat(100_000)),
        "statement too long: SQLITE_TOOBIG",
    );
}

#[test]
fn reading_opens_no_transaction_and_writing_does() {
    let f = fixture();
    f.exec("CREATE TABLE t (a)");
    assert_eq!(f.database.commit().unwrap().unwrap().sequence, 1);
    f.rows("SELECT * FROM t");
    assert!(!f.database.is_dirty());
    assert_eq!(f.database.commit().unwrap(), None);
    f.exec("INSERT INTO t VALUES (1)");
    assert_eq!((f.database.is_dirty(), f.database.wait_point()), (true, 2));
    assert_eq!(f.database.commit().unwrap().unwrap().sequence, 2);
    assert_eq!((f.database.is_dirty(), f.database.wait_point()), (false, 2));
}

#[test]
fn a_commit_does_not_wait_for_cursors() {
    let f = fixture();
    f.exec("CREATE TABLE t (a)");
    let mut returning = f.exec("INSERT INTO t VALUES (1), (2), (3) RETURNING a");
    let mut reading = f.exec("SELECT a FROM t");
    f.database.commit().unwrap().unwrap();
    assert_eq!(rows(&mut returning), [["1"], ["2"], ["3"]]);
    assert_eq!(rows(&mut reading), [["1"], ["2"], ["3"]]);
}

/// What rowsRead and rowsWritten are for each statement, in this order.
#[test]
fn rows_are_counted_as_on_the_platform() {
    let f = fixture();
    for (sql, read, written) in [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", 1, 2),
        ("CREATE INDEX ta ON t (a)", 2, 1),
        ("INSERT INTO t VALUES (1, 1, 1)", 1, 2),
        ("INSERT INTO t (a, b) VALUES (2, 2)", 0, 2),
        ("INSERT INTO t (a, b) VALUES (3, 3), (4, 4)", 0, 4),
        ("SELECT * FROM t", 4, 0),
        ("SELECT * FROM t WHERE id = 2", 1, 0),
        ("SELECT * FROM t WHERE a = 2", 2, 0),
        ("SELECT count(*) FROM t", 4, 0),
        ("UPDATE t SET b = 9 WHERE id = 1", 1, 1),
        ("UPDATE t SET a = 9 WHERE id = 1", 1, 2),
        ("UPDATE t SET b = b + 1", 4, 4),
        ("DELETE FROM t WHERE id = 1", 1, 1),
        ("DELETE FROM t WHERE a = 3", 2, 1),
        ("DELETE FROM t", 0, 2),
        ("SELECT * FROM t", 1, 0),
        ("SELECT max(id) FROM t", 1, 0),
        // 2 on workerd: SQLite skips one of the writes it compiled.
        ("CREATE TABLE s (k TEXT PRIMARY KEY, v) WITHOUT ROWID", 1, 3),
        ("INSERT INTO s VALUES ('a', 1)", 0, 1),
        ("INSERT OR REPLACE INTO s VALUES ('a', 2)", 0, 1),
        (
            "INSERT INTO s VALUES ('a', 3) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            0,
            1,
        ),
        ("SELECT * FROM s WHERE k = 'a'", 1, 0),
        ("CREATE TABLE u (k TEXT PRIMARY KEY, v)", 1, 3),
        ("INSERT INTO u VALUES ('a', 1)", 0, 2),
        ("SELECT * FROM u", 1, 0),
        ("SELECT * FROM u ORDER BY v", 2, 0),
        ("SELECT 1", 0, 0),
        ("INSERT INTO u VALUES ('b1', 1), ('b2', 2), ('b3', 3)", 0, 6),
        ("SELECT u.k FROM u JOIN u u2 ON u.k = u2.k", 8, 0),
        (
            "INSERT INTO t (a, b) VALUES (1,1), (2,2), (3,3), (4,4), (5,5), (6,6), (7,7), (8,8), (9,9), (10,10)",
            0,
            20,
        ),
        ("SELECT * FROM t LIMIT 3", 3, 0),
        ("SELECT * FROM t LIMIT 3 OFFSET 2", 5, 0),
        ("SELECT * FROM t ORDER BY id DESC LIMIT 1", 1, 0),
        ("SELECT * FROM t WHERE a > 3 AND a < 6", 3, 0),
        ("SELECT * FROM t WHERE b = 5", 10, 0),
        ("SELECT sum(a) FROM t", 10, 0),
        ("SELECT a FROM t GROUP BY a", 10, 0),
    ] {
        let mut cursor = f.exec(sql);
        rows(&mut cursor);
        let counted = (cursor.rows_read(), cursor.rows_written());
        assert_eq!(counted, (read, written), "{sql}");
    }
}
