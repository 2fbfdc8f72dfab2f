//! The life of a database: commits, deletion, failure and the end.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use stead_storage::{
    AlarmChange, Binding, Cursor, Database, KvRange, Options, StorageError, TransactionKind,
    ValueRef,
};
use tempfile::TempDir;

struct Fixture {
    database: Rc<Database>,
    path: PathBuf,
    directory: TempDir,
}

fn open(path: &Path) -> Rc<Database> {
    Rc::new(Database::open(path, &Options::default()).unwrap())
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object.sqlite");
    Fixture {
        database: open(&path),
        path,
        directory,
    }
}

impl Fixture {
    #[track_caller]
    fn exec(&self, sql: &str) -> Cursor {
        self.database
            .exec(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn commit(&self) {
        self.database
            .commit()
            .unwrap()
            .expect("something to commit");
    }

    fn reopen(&mut self) {
        self.database.abort();
        self.database = open(&self.path);
    }

    fn number(&self, sql: &str) -> i64 {
        match self.exec(sql).column(0) {
            ValueRef::Integer(value) => value,
            other => panic!("{other:?}"),
        }
    }
}

#[track_caller]
fn check_closed<T>(result: Result<T, StorageError>) {
    let error = result.err().expect("an error");
    assert_eq!(
        error.to_string(),
        "Durable Object storage is no longer accessible."
    );
}

#[test]
fn what_was_committed_stays_and_the_rest_goes() {
    let mut f = fixture();
    f.database.kv_put("a", b"1").unwrap();
    f.commit();
    f.database.kv_put("b", b"2").unwrap();
    f.reopen();
    assert_eq!(
        f.database.kv_get("a", <[u8]>::to_vec).unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(f.database.kv_get("b", <[u8]>::to_vec).unwrap(), None);
    assert_eq!(f.database.sequence(), 0);
}

#[test]
fn no_memory_is_shared_with_other_processes() {
    let mut f = fixture();
    f.database.kv_put("a", b"1").unwrap();
    f.commit();
    f.reopen();
    f.database.kv_put("a", b"2").unwrap();
    f.commit();
    assert!(!f.path.with_extension("sqlite-shm").exists());
}

#[test]
fn an_aborted_database_answers_nothing() {
    let f = fixture();
    f.exec("CREATE TABLE t (a)");
    f.exec("INSERT INTO t VALUES (1), (2)");
    f.database.kv_put("k", b"v").unwrap();
    let mut cursor = f.exec("SELECT a FROM t");
    let mut list = f.database.kv_list(&KvRange::default()).unwrap();
    f.database.abort();
    check_closed(f.database.kv_get("k", |_| ()));
    check_closed(f.database.kv_put("k", b""));
    check_closed(f.database.exec("SELECT 1", &[]));
    check_closed(f.database.commit());
    check_closed(f.database.alarm());
    check_closed(f.database.transaction_begin(TransactionKind::Sync));
    check_closed(list.next(|_, _| ()));
    check_closed(cursor.check());
    assert_eq!(cursor.column(0), ValueRef::Null);
    check_closed(cursor.advance());
    assert!(!f.database.is_dirty());
    open(&f.path);
}

#[test]
fn a_closed_database_is_one_complete_file() {
    let f = fixture();
    f.database.kv_put("a", b"1").unwrap();
    f.database.close(0).unwrap();
    check_closed(f.database.close(0));
    let names: Vec<_> = std::fs::read_dir(f.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["object.sqlite"]);
    let plain = rusqlite::Connection::open(&f.path).unwrap();
    let value: Vec<u8> = plain
        .query_row("SELECT value FROM _cf_KV WHERE key = 'a'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(value, b"1");
}

#[test]
fn delete_all_deletes_everything_at_once() {
    let mut f = fixture();
    f.exec("CREATE TABLE parent (id PRIMARY KEY)");
    f.exec("CREATE TABLE child (id REFERENCES parent (id))");
    f.exec("CREATE VIRTUAL TABLE words USING fts5(x)");
    f.exec("CREATE VIEW v AS SELECT * FROM child");
    f.exec("INSERT INTO parent VALUES (1), (2)");
    f.exec("INSERT INTO child VALUES (1)");
    f.exec("INSERT INTO words VALUES ('hello')");
    f.database.kv_put("k", &vec![1; 1 << 20]).unwrap();
    f.database.set_alarm(Some(5)).unwrap();
    f.commit();
    f.database.kv_put("uncommitted", b"").unwrap();
    let mut cursor = f.exec("SELECT * FROM parent");
    let mut list = f.database.kv_list(&KvRange::default()).unwrap();

    f.database.delete_all(true).unwrap();

    let canceled = "SQLite query was canceled because the database was deleted.";
    assert_eq!(cursor.check().unwrap_err().to_string(), canceled);
    assert_eq!(cursor.advance().unwrap_err().to_string(), canceled);
    assert_eq!(list.next(|_, _| ()).unwrap_err().to_string(), canceled);
    assert!(f.database.is_dirty(), "the deletion is covered by a commit");
    assert_eq!(f.database.size().unwrap(), 4096);
    assert_eq!(f.number("SELECT count(*) FROM sqlite_schema"), 0);
    f.database.kv_put("new", b"1").unwrap();
    let commit = f.database.commit().unwrap().unwrap();
    assert_eq!(
        commit.alarm,
        Some(AlarmChange {
            from_ms: Some(5),
            to_ms: None
        })
    );
    f.reopen();
    assert_eq!(
        f.database.kv_get("new", <[u8]>::to_vec).unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(f.database.kv_get("k", |_| ()).unwrap(), None);
    assert_eq!(f.number("PRAGMA foreign_keys"), 1);
    f.exec("CREATE TABLE parent (id PRIMARY KEY)");
}

#[test]
fn delete_all_may_keep_the_alarm() {
    let mut f = fixture();
    f.database.set_alarm(Some(5)).unwrap();
    f.commit();
    f.database.set_alarm(Some(6)).unwrap();
    f.database.delete_all(false).unwrap();
    assert_eq!(f.database.alarm().unwrap(), Some(6));
    assert_eq!(
        f.database.commit().unwrap().unwrap().alarm,
        Some(AlarmChange {
            from_ms: Some(5),
            to_ms: Some(6)
        })
    );
    f.reopen();
    assert_eq!(f.database.alarm().unwrap(), Some(6));
}

#[test]
fn delete_all_is_not_for_transactions() {
    let f = fixture();
    let transaction = f
        .database
        .transaction_begin(TransactionKind::Async)
        .unwrap();
    let error = f.database.delete_all(true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cannot call deleteAll() within a transaction"
    );
    f.database.transaction_commit(transaction).unwrap();
    f.database.delete_all(true).unwrap();
}

#[test]
fn violated_constraints_at_the_commit_break_the_object() {
    let mut f = fixture();
    f.exec("CREATE TABLE p (id PRIMARY KEY)");
    f.exec("CREATE TABLE c (p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)");
    f.commit();
    f.exec("INSERT INTO c VALUES (1)");
    let error = f.database.commit().unwrap_err();
    assert!(error.is_critical());
    let text = "Durable Object was reset and rolled back to its last known good state because the application left the \
                database in a state where constraints were violated: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT \
                (extended: SQLITE_CONSTRAINT_FOREIGNKEY)";
    assert_eq!(error.to_string(), text);
    assert_eq!(
        f.database.kv_get("k", |_| ()).unwrap_err().to_string(),
        text,
        "it stays broken"
    );
    f.reopen();
    assert_eq!(f.number("SELECT count(*) FROM c"), 0);
}

#[test]
fn a_statement_that_loses_the_transaction_breaks_the_object() {
    let mut f = fixture();
    f.exec("CREATE TABLE t (a PRIMARY KEY)");
    f.exec("INSERT INTO t VALUES (1)");
    f.commit();
    f.database.kv_put("k", b"v").unwrap();
    let error = f
        .database
        .exec("INSERT OR ROLLBACK INTO t VALUES (1)", &[])
        .err()
        .unwrap();
    assert!(error.is_critical());
    assert_eq!(
        f.database.commit().unwrap_err().to_string(),
        error.to_string()
    );
    f.reopen();
    assert_eq!(f.database.kv_get("k", |_| ()).unwrap(), None);
}

#[test]
fn a_mistaken_statement_leaves_the_transaction() {
    let f = fixture();
    f.exec("CREATE TABLE t (a PRIMARY KEY)");
    f.exec("INSERT INTO t VALUES (1)");
    let error = f
        .database
        .exec("INSERT INTO t VALUES (2), (1)", &[])
        .err()
        .unwrap();
    assert!(!error.is_critical());
    f.commit();
    assert_eq!(f.number("SELECT count(*) FROM t"), 1);
}

#[test]
fn a_commit_tells_what_became_of_the_alarm() {
    let f = fixture();
    f.database.set_alarm(Some(10)).unwrap();
    assert_eq!(
        f.database.pending_alarm().unwrap(),
        Some(AlarmChange {
            from_ms: None,
            to_ms: Some(10)
        })
    );
    assert_eq!(
        f.database.commit().unwrap().unwrap().alarm,
        Some(AlarmChange {
            from_ms: None,
            to_ms: Some(10)
        })
    );
    f.database.set_alarm(Some(10)).unwrap();
    assert_eq!(f.database.commit().unwrap().unwrap().alarm, None);
    let transaction = f
        .database
        .transaction_begin(TransactionKind::Async)
        .unwrap();
    f.database.set_alarm(None).unwrap();
    f.database.transaction_rollback(transaction).unwrap();
    assert_eq!(f.database.commit().unwrap().unwrap().alarm, None);
    for wrong in [0, -1] {
        let error = f.database.set_alarm(Some(wrong)).unwrap_err();
        assert_eq!(error.js_class(), "TypeError");
        assert_eq!(
            error.to_string(),
            "setAlarm() cannot be called with an alarm time <= 0"
        );
    }
}

#[test]
fn an_async_transaction_holds_the_commit_back() {
    let f = fixture();
    f.database.kv_put("before", b"").unwrap();
    f.commit();
    let transaction = f
        .database
        .transaction_begin(TransactionKind::Async)
        .unwrap();
    f.database.kv_put("inside", b"").unwrap();
    assert_eq!(f.database.commit().unwrap(), None);
    assert_eq!((f.database.is_dirty(), f.database.wait_point()), (true, 2));
    f.database.transaction_commit(transaction).unwrap();
    assert_eq!(f.database.commit().unwrap().unwrap().sequence, 2);
}

#[test]
fn tables_made_in_a_transaction_go_with_it() {
    let f = fixture();
    let transaction = f.database.transaction_begin(TransactionKind::Sync).unwrap();
    f.database.kv_put("k", b"v").unwrap();
    f.database.set_alarm(Some(1)).unwrap();
    f.database.transaction_rollback(transaction).unwrap();
    assert_eq!(f.database.kv_get("k", |_| ()).unwrap(), None);
    assert_eq!(f.database.alarm().unwrap(), None);
    f.database.kv_put("k", b"v").unwrap();
    f.database.set_alarm(Some(1)).unwrap();
    f.commit();
    assert_eq!(f.database.kv_get("k", |_| ()).unwrap(), Some(()));
}

#[test]
fn only_one_list_is_read_at_a_time() {
    let f = fixture();
    f.database.kv_put_many(&[("a", b"1"), ("b", b"2")]).unwrap();
    let mut one = f.database.kv_list(&KvRange::default()).unwrap();
    one.next(|_, _| ()).unwrap();
    let mut two = f.database.kv_list(&KvRange::default()).unwrap();
    assert_eq!(
        one.next(|_, _| ()).unwrap_err().to_string(),
        "kv.list() iterator was invalidated because a new call to kv.list() was started. Only one kv.list() iterator can exist at a time."
    );
    drop(one);
    assert_eq!(
        two.next(|key, _| key.to_owned()).unwrap().as_deref(),
        Some("a")
    );
}

#[test]
fn a_list_sees_what_is_put_ahead_of_it() {
    let f = fixture();
    f.database.kv_put_many(&[("a", b"1"), ("c", b"3")]).unwrap();
    let mut list = f.database.kv_list(&KvRange::default()).unwrap();
    list.next(|_, _| ()).unwrap();
    f.database.kv_put("b", b"2").unwrap();
    f.commit();
    assert_eq!(
        list.next(|key, _| key.to_owned()).unwrap().as_deref(),
        Some("b")
    );
}

#[track_caller]
fn check_list(range: KvRange, text: &str) {
    let f = fixture();
    let error = f.database.kv_list(&range).err().unwrap();
    assert_eq!(
        (error.js_class(), error.to_string().as_str()),
        ("TypeError", text)
    );
}

#[test]
fn wrong_ranges_are_refused() {
    let both = KvRange {
        start: Some(String::new()),
        start_after: Some(String::new()),
        ..KvRange::default()
    };
    check_list(
        both,
        "list() cannot be called with both start and startAfter values.",
    );
    for limit in [0, -1] {
        check_list(
            KvRange {
                limit: Some(limit),
                ..KvRange::default()
            },
            "List limit must be positive.",
        );
    }
}

#[track_caller]
fn check_put(entries: &[(&str, &[u8])], text: &str) {
    let f = fixture();
    let error = f.database.kv_put_many(entries).unwrap_err();
    assert_eq!(
        (error.js_class(), error.to_string().as_str()),
        ("RangeError", text)
    );
    assert!(!f.database.is_dirty());
}

#[test]
fn what_is_too_large_is_refused() {
    let key = "k".repeat(2049);
    check_put(
        &[(&key, b"")],
        "Keys cannot be larger than 2048 bytes. A key of size 2049 was provided.",
    );
    let value = vec![0; 2 << 20];
    check_put(
        &[("k", &value)],
        "Values cannot be larger than 2097152 bytes. A value of size 2097153 was provided.",
    );
    check_put(
        &[("k", b"".as_slice()); 129],
        "Maximum number of key value pairs is 128. 129 pairs were provided.",
    );
}

#[test]
fn a_database_of_workerd_opens_as_it_is() {
    let f = fixture();
    f.database.close(0).unwrap();
    let plain = rusqlite::Connection::open(&f.path).unwrap();
    plain
        .execute_batch(
            "CREATE TABLE _cf_KV (\n        key TEXT PRIMARY KEY,\n        value BLOB\n      ) WITHOUT ROWID;
             INSERT INTO _cf_KV VALUES ('a', x'ff0f220131');
             CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
             INSERT INTO _cf_METADATA VALUES (1, 1700000000123000000), (2, 7);",
        )
        .unwrap();
    drop(plain);
    let database = open(&f.path);
    assert_eq!(
        database.kv_get("a", <[u8]>::to_vec).unwrap().unwrap(),
        b"\xff\x0f\"\x011"
    );
    assert_eq!(database.alarm().unwrap(), Some(1700000000123));
    database.set_alarm(None).unwrap();
    database.close(0).unwrap();
    let plain = rusqlite::Connection::open(&f.path).unwrap();
    let rest: i64 = plain
        .query_row("SELECT value FROM _cf_METADATA", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rest, 7, "the count of bookmarks is left alone");
}

#[test]
fn statements_may_outlive_their_database() {
    let f = fixture();
    let cursor = f
        .database
        .exec("SELECT ? UNION ALL SELECT 2", &[Binding::Real(1.0)])
        .unwrap();
    f.database.close(0).unwrap();
    drop(f);
    assert_eq!(cursor.column_count(), 1);
    assert_eq!(cursor.rows_read(), 0);
}

#[test]
fn one_more_than_the_cache_holds_still_runs() {
    let f = fixture();
    for index in 0..3000 {
        assert_eq!(f.number(&format!("SELECT {index}")), index);
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object.sqlite");
    std::fs::write(&path, [7; 8192]).unwrap();
    let error = Database::open(&path, &Options::default()).err().unwrap();
    assert!(matches!(error, StorageError::Io { .. }), "{error}");
}
