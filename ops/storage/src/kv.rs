//! Keys and values: the table `_cf_KV`, which `storage.kv` and the
//! asynchronous methods of `storage` share. Values are bytes here; what they
//! encode is the caller's matter.
//!
//! Keys are ordered by their UTF-8 bytes. The table is made by the first put,
//! with the columns workerd gives it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::database::Database;
use crate::metadata::Table;
use crate::pinned::Pinned;
use crate::statement::{Statement, Step};
use crate::{Result, StorageError, ValueRef};

/// Which keys [`Database::kv_list`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvRange {
    /// First key, itself included.
    pub start: Option<String>,
    /// The key before the first. Not together with `start`.
    pub start_after: Option<String>,
    /// The key after the last.
    pub end: Option<String>,
    /// What all keys begin with.
    pub prefix: Option<String>,
    /// Whether the last key comes first. The bounds keep their meaning.
    pub reverse: bool,
    /// How many pairs, at most. Applied after `reverse`.
    pub limit: Option<i64>,
}

/// The statements of `_cf_KV` and what is known of the table.
pub(crate) struct KvState {
    table: Cell<Table>,
    get: Pinned,
    put: Pinned,
    delete: Pinned,
    /// Lists without and with an upper bound, upwards and downwards.
    lists: [Pinned; 4],
    savepoint: Pinned,
    release: Pinned,
    roll_back: Pinned,
    /// The list that is being read, and how many lists there were: a cursor
    /// that remembers another number has been replaced.
    live: RefCell<Option<(Rc<Statement>, usize)>>,
    list_count: Cell<u64>,
}

impl KvState {
    pub(crate) fn new() -> KvState {
        let list = |upper: &str, order: &str| {
            Pinned::new(format!(
                "SELECT key, value FROM _cf_KV WHERE key >= ?1{upper} ORDER BY key{order} LIMIT ?2"
            ))
        };
        let upper = " AND key < ?3";
        KvState {
            table: Cell::new(Table::Unknown),
            get: Pinned::new("SELECT value FROM _cf_KV WHERE key = ?"),
            // Of a table with one key and nothing else SQLite replaces a row where it finds it;
            // an upsert looks for it twice.
            put: Pinned::new("REPLACE INTO _cf_KV VALUES (?, ?)"),
            delete: Pinned::new("DELETE FROM _cf_KV WHERE key = ?"),
            lists: [
                list("", ""),
                list(upper, ""),
                list("", " DESC"),
                list(upper, " DESC"),
            ],
            savepoint: Pinned::new("SAVEPOINT _cf_put_multiple_savepoint"),
            release: Pinned::new("RELEASE _cf_put_multiple_savepoint"),
            roll_back: Pinned::new("ROLLBACK TO _cf_put_multiple_savepoint"),
            live: RefCell::default(),
            list_count: Cell::new(0),
        }
    }

    pub(crate) fn forget(&self) {
        self.table.set(Table::Unknown);
    }
}

impl Database {
    /// Reads the value of `key` where SQLite has it, without copying. `read`
    /// must not use this database.
    ///
    /// # Errors
    /// `RangeError` for a key over 2048 bytes; the object's own error when it
    /// is broken or closed.
    pub fn kv_get<T>(&self, key: &str, read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        self.check_open()?;
        self.options.limits.check_key(key)?;
        if !self.has_table(&self.kv.table, "_cf_KV")? {
            return Ok(None);
        }
        self.with(&self.kv.get, |statement| {
            bind_key(statement, key)?;
            match self.step(statement)? {
                Step::Row => Ok(Some(read(bytes(statement.column(0))))),
                Step::Done => Ok(None),
            }
        })
    }

    /// Stores a value under a key, in the implicit transaction.
    ///
    /// # Errors
    /// `RangeError` for a key over 2048 bytes or a pair over 2 MiB; SQLite's
    /// own; the object's own error when it is broken or closed.
    pub fn kv_put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.check_open()?;
        self.options.limits.check_pair(key, value)?;
        self.begin_implicit()?;
        self.ensure_kv_table()?;
        self.put(key, value)
    }

    /// Stores several pairs, all or none.
    ///
    /// # Errors
    /// As [`Database::kv_put`], and `RangeError` for more than 128 pairs.
    pub fn kv_put_many(&self, entries: &[(&str, &[u8])]) -> Result<()> {
        self.check_open()?;
        self.kv_check_count(entries.len())?;
        for (key, value) in entries {
            self.options.limits.check_pair(key, value)?;
        }
        self.begin_implicit()?;
        self.ensure_kv_table()?;
        self.run(&self.kv.savepoint)?;
        let stored = entries
            .iter()
            .try_for_each(|(key, value)| self.put(key, value));
        if stored.is_err() && self.check_open().is_ok() {
            self.run(&self.kv.roll_back)?;
        }
        stored.and_then(|()| self.run(&self.kv.release))
    }

    /// Deletes a key. Returns whether it was there.
    ///
    /// # Errors
    /// As [`Database::kv_get`].
    pub fn kv_delete(&self, key: &str) -> Result<bool> {
        self.check_open()?;
        self.options.limits.check_key(key)?;
        if !self.has_table(&self.kv.table, "_cf_KV")? {
            return Ok(false);
        }
        self.begin_implicit()?;
        self.with(&self.kv.delete, |statement| {
            bind_key(statement, key)?;
            self.step(statement)?;
            Ok(self.handle.changes() > 0)
        })
    }

    /// Checks how many keys one call may name, for calls that this crate sees
    /// only key by key.
    ///
    /// # Errors
    /// `RangeError` `Maximum number of key value pairs is 128. N pairs were
    /// provided.`
    pub fn kv_check_count(&self, count: usize) -> Result<()> {
        self.options.limits.check_count(count)
    }

    /// Lists keys and values lazily. There is one list per object: a cursor
    /// of an earlier one fails from now on.
    ///
    /// <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#list>
    ///
    /// # Errors
    /// `TypeError` for `start` together with `start_after`, and for a limit
    /// that is not positive; the object's own error when it is broken or
    /// closed.
    pub fn kv_list(self: &Rc<Self>, range: &KvRange) -> Result<KvCursor> {
        self.check_open()?;
        range.check()?;
        self.end_list();
        let list = self.kv.list_count.get() + 1;
        self.kv.list_count.set(list);
        let cursor = |statement| KvCursor {
            database: Rc::clone(self),
            statement,
            list,
        };
        if !self.has_table(&self.kv.table, "_cf_KV")? {
            return Ok(cursor(None));
        }
        let (lower, upper) = range.bounds();
        let index = usize::from(upper.is_some()) + 2 * usize::from(range.reverse);
        let statement = self.kv.lists[index].take(self)?;
        statement.bind_key_bytes(1, &lower)?;
        statement.bind_integer(2, range.limit.unwrap_or(-1))?;
        if let Some(upper) = upper {
            statement.bind_key_bytes(3, &upper)?;
        }
        *self.kv.live.borrow_mut() = Some((Rc::clone(&statement), index));
        Ok(cursor(Some(statement)))
    }

    /// Ends the list that is being read, if any.
    fn end_list(&self) {
        let live = self.kv.live.borrow_mut().take();
        if let Some((statement, index)) = live {
            self.kv.lists[index].put(statement);
        }
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.with(&self.kv.put, |statement| {
            bind_key(statement, key)?;
            // SAFETY: the value outlives the step, after which it is released.
            unsafe { statement.bind_borrowed(2, crate::Binding::Blob(value))? };
            self.step(statement).map(drop)
        })
    }

    fn ensure_kv_table(&self) -> Result<()> {
        if !self.has_table(&self.kv.table, "_cf_KV")? {
            self.run_once("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")?;
            self.kv.table.set(Table::Present);
        }
        Ok(())
    }
}

/// The pairs of one [`Database::kv_list`], read one by one from the live
/// table: pairs that are put ahead of the cursor appear in it.
pub struct KvCursor {
    database: Rc<Database>,
    /// `None` when there are no keys at all.
    statement: Option<Rc<Statement>>,
    /// Which of the object's lists this is.
    list: u64,
}

impl KvCursor {
    /// Reads the next pair where SQLite has it; `None` at the end. `read` must
    /// not use the database.
    ///
    /// # Errors
    /// When another list was started since, when everything was deleted, and
    /// the object's own error when it is broken or closed.
    pub fn next<T>(&mut self, read: impl FnOnce(&str, &[u8]) -> T) -> Result<Option<T>> {
        self.database.check_open()?;
        if self.database.kv.list_count.get() != self.list {
            return Err(StorageError::Sql(
                "kv.list() iterator was invalidated because a new call to kv.list() was started. Only one kv.list() \
                 iterator can exist at a time."
                    .to_owned(),
            ));
        }
        let Some(statement) = &self.statement else {
            return Ok(None);
        };
        if statement.is_gone() {
            return Err(self.database.gone());
        }
        if self.database.step(statement)? == Step::Done {
            self.end();
            return Ok(None);
        }
        let (key, value) = (text(statement.column(0)), bytes(statement.column(1)));
        Ok(Some(read(&key, value)))
    }

    fn end(&mut self) {
        if self.statement.take().is_some() && self.database.kv.list_count.get() == self.list {
            self.database.end_list();
        }
    }
}

impl Drop for KvCursor {
    fn drop(&mut self) {
        self.end();
    }
}

impl KvRange {
    fn check(&self) -> Result<()> {
        if self.start.is_some() && self.start_after.is_some() {
            let text = "list() cannot be called with both start and startAfter values.";
            return Err(StorageError::Type(text.to_owned()));
        }
        if self.limit.is_some_and(|limit| limit <= 0) {
            return Err(StorageError::Type(
                "List limit must be positive.".to_owned(),
            ));
        }
        Ok(())
    }

    /// The lower bound, itself included, and the upper one, excluded.
    fn bounds(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut lower = self.start.clone().unwrap_or_default().into_bytes();
        if let Some(before) = &self.start_after {
            // The least key that is greater.
            lower = before.clone().into_bytes();
            lower.push(0);
        }
        let mut upper = self.end.clone().map(String::into_bytes);
        if let Some(prefix) = self.prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
            lower = lower.max(prefix.clone().into_bytes());
            let after = after_prefix(prefix);
            upper = Some(upper.map_or(after.clone(), |upper| upper.min(after)));
        }
        (lower, upper)
    }
}

/// The least byte string that is greater than all that begin with `prefix`.
fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    // UTF-8 has no byte 0xff, so this does not overflow. The result need not
    // be UTF-8; SQLite compares bytes.
    *bytes.last_mut().expect("a prefix that is not empty") += 1;
    bytes
}

fn bind_key(statement: &Statement, key: &str) -> Result<()> {
    // SAFETY: the key outlives the step, after which the statement is released.
    unsafe { statement.bind_borrowed(1, crate::Binding::Text(key)) }
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        _ => &[],
    }
}

fn text(value: ValueRef<'_>) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes(value))
}
