//! One object's SQLite file: how it is opened, its implicit transaction, and
//! how it ends.
//!
//! Invariants:
//!
//! * A write happens inside a transaction that [`Database::begin_implicit`]
//!   opened; `dirty` says whether one is open. SQLite never commits by itself.
//! * After a transaction was lost, or after [`Database::abort`], nothing
//!   reaches SQLite any more.
//! * The connection is the only one to its file. It holds the file's lock for
//!   as long as it is open (`locking_mode=EXCLUSIVE`), which spares each read
//!   two system calls and each object a shared memory file. Who wants to look
//!   at a database of a running process copies the file with its `-wal`.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::ffi;

use crate::authorizer::Authority;
use crate::confirmation::Confirmation;
use crate::kv::KvState;
use crate::limits::KvLimits;
use crate::log::Log;
use crate::metadata::{AlarmChange, AlarmState};
use crate::pinned::Pinned;
use crate::statement::Handle;
use crate::statement_cache::StatementCache;
use crate::transaction::Transactions;
use crate::{Result, StorageError, cursor, limits, result_code};

/// Whether answers wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// What an object says waits until the commits it may depend on are on the
    /// disk. Nothing acknowledged is lost when the power fails.
    #[default]
    Strict,
    /// Nothing waits. A process that is killed loses nothing, since the system
    /// holds what was written; a machine that loses power may lose the last
    /// commits, but never part of a commit.
    Relaxed,
}

/// How a database behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether answers wait for the disk. The database itself behaves the same
    /// either way; who pushes to the gate asks.
    pub durability: Durability,
    /// Limits on keys and values.
    pub limits: KvLimits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::Strict,
            limits: KvLimits::Platform,
        }
    }
}

/// A commit that has reached SQLite's write-ahead log, but perhaps not the
/// disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Counts the commits of this [`Database`] from 1.
    pub sequence: u64,
    /// What became of the object's alarm, if the commit changed it.
    pub alarm: Option<AlarmChange>,
}

/// One object's SQLite. Lives on the thread of the object's shard, shared by
/// the cursors that read it.
pub struct Database {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    pub(crate) connection: RefCell<Option<Connection>>,
    pub(crate) handle: Rc<Handle>,
    state: RefCell<State>,
    /// Whether `state` is [`State::Open`], to be read at each call.
    open: Cell<bool>,
    pub(crate) dirty: Cell<bool>,
    sequence: Cell<u64>,
    page_bytes: u64,
    pub(crate) cache: StatementCache,
    pub(crate) kv: KvState,
    pub(crate) alarm: AlarmState,
    pub(crate) transactions: Transactions,
    pub(crate) log: Option<Log>,
    pub(crate) confirmation: Confirmation,
    own: Own,
}

enum State {
    Open,
    Broken(StorageError),
    Closed,
}

/// Our own statements of everyday use.
struct Own {
    begin: Pinned,
    commit: Pinned,
    page_count: Pinned,
    freelist_count: Pinned,
}

impl Database {
    /// Opens the file at `path` without a journal, creating it if need be; its
    /// directory exists. For tools and tests: a commit is durable when the
    /// system has written it, and when the database was closed.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the file is not a database, is held by
    /// another process, or cannot be read or written.
    pub fn open(path: &Path, options: &Options) -> Result<Database> {
        Database::open_with(path, options, None)
    }

    /// Opens the file at `path`, in a journal if it has a `log`.
    pub(crate) fn open_with(path: &Path, options: &Options, log: Option<Log>) -> Result<Database> {
        let mut unopened = Unopened(log);
        let context = |error| StorageError::sqlite(path, error);
        crate::memory::configure();
        let mut connection = Connection::open(path).map_err(context)?;
        configure(&connection, unopened.0.is_some()).map_err(context)?;
        let page_bytes = connection
            .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))
            .map_err(context)?;
        let authority = Authority::install(&mut connection).map_err(context)?;
        let mut log = unopened.0.take();
        if let Some(log) = &mut log {
            log.hook(&connection, page_bytes);
        }
        // SAFETY: `shut` closes the handle before the connection.
        let handle = unsafe { Handle::new(connection.handle(), authority) };
        Ok(Database {
            path: path.to_owned(),
            options: options.clone(),
            connection: RefCell::new(Some(connection)),
            handle,
            state: RefCell::new(State::Open),
            open: Cell::new(true),
            dirty: Cell::new(false),
            sequence: Cell::new(0),
            page_bytes: page_bytes.into(),
            cache: StatementCache::default(),
            kv: KvState::new(),
            alarm: AlarmState::new(),
            transactions: Transactions::new(),
            log,
            confirmation: Confirmation::default(),
            own: Own {
                begin: Pinned::new("BEGIN TRANSACTION"),
                commit: Pinned::new("COMMIT TRANSACTION"),
                page_count: Pinned::new("PRAGMA page_count"),
                freelist_count: Pinned::new("PRAGMA freelist_count"),
            },
        })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The options it was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Bytes in use: free pages do not count, as in
    /// <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#databasesize>.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn size(&self) -> Result<u64> {
        self.check_open()?;
        let pages = self.pinned_integer(&self.own.page_count)?
            - self.pinned_integer(&self.own.freelist_count)?;
        Ok(pages as u64 * self.page_bytes)
    }

    /// Bounds the file from now on: what would make it larger fails with
    /// `database or disk is full: SQLITE_FULL`. A file that is larger already stays.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn bound_size(&self, bytes: u64) -> Result<()> {
        let pages = (bytes / self.page_bytes).max(1);
        self.run_once(&format!("PRAGMA max_page_count = {pages}"))
    }

    /// Whether a transaction is open, so that a commit is due.
    pub fn is_dirty(&self) -> bool {
        self.dirty.get()
    }

    /// Number of the last commit, 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.sequence.get()
    }

    /// The commit with which all that was written so far is durable: the one
    /// that is due, or else the last one.
    pub fn wait_point(&self) -> u64 {
        self.sequence.get() + u64::from(self.dirty.get())
    }

    /// Ends a turn: commits the implicit transaction, if there is one and no
    /// explicit transaction is open. The commit is durable when the journal
    /// says so that [`Database::submit`] gave it to; this call waits for no
    /// disk.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when the commit failed. The transaction was
    /// rolled back, and the object must be reset.
    pub fn commit(&self) -> Result<Option<Commit>> {
        self.check_open()?;
        if !self.dirty.get() || self.transactions.is_open() {
            return Ok(None);
        }
        let alarm = self.pending_alarm()?;
        let committed = self.with(&self.own.commit, |statement| {
            statement
                .step()
                .map_err(|code| self.commit_failed(code))
                .map(drop)
        });
        committed?;
        self.dirty.set(false);
        self.alarm.committed();
        self.sequence.set(self.sequence.get() + 1);
        self.confirmation.committed(self.sequence.get());
        Ok(Some(Commit {
            sequence: self.sequence.get(),
            alarm,
        }))
    }

    /// Rolls back what is not committed and closes the database at once.
    /// Everything asked of it later fails with `Durable Object storage is no
    /// longer accessible.`, or with the error that had broken the object.
    ///
    /// Commits that were submitted stay, unless they cannot be made durable.
    pub fn abort(&self) {
        self.shut(false);
    }

    /// Stops cleanly: commits, waits until everything is durable in the
    /// journal, moves the write-ahead log into the file and closes it, so that
    /// other tools find one complete file. That the file itself is durable
    /// nobody waits for. An explicit transaction that is still open is rolled
    /// back.
    ///
    /// Does not wait when all commits are known to be durable.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when a commit failed, [`StorageError::Io`]
    /// when the last checkpoint did. The database is closed all the same.
    pub fn close(&self, time_ms: i64) -> Result<()> {
        self.check_open()?;
        let committed = match self.transactions.is_open() {
            true => Ok(None),
            false => self.commit(),
        };
        let durable = committed.and_then(|commit| match &self.log {
            None => Ok(()),
            Some(log) => {
                if commit.is_some() {
                    self.submit(time_ms)?;
                }
                log.wait()
            }
        });
        self.handle.finalize_statements();
        let closed = durable.and_then(|()| self.checkpoint_fully());
        self.shut(closed.is_ok());
        closed
    }

    /// Opens the implicit transaction unless it is open.
    pub(crate) fn begin_implicit(&self) -> Result<()> {
        self.confirmation.wrote();
        if !self.dirty.get() {
            self.run(&self.own.begin)?;
            self.dirty.set(true);
        }
        Ok(())
    }

    /// # Errors
    /// The object's own error when it is broken or closed.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.open.get() {
            Ok(())
        } else {
            Err(self.gone())
        }
    }

    /// What a caller gets whose statement is gone.
    pub(crate) fn gone(&self) -> StorageError {
        match &*self.state.borrow() {
            State::Open => cursor::deleted(),
            State::Broken(error) => error.clone(),
            State::Closed => StorageError::Closed,
        }
    }

    /// The error of a step that failed with `code`. If SQLite has rolled the
    /// transaction back, the object is broken from now on.
    pub(crate) fn failed(&self, code: i32) -> StorageError {
        // SAFETY: the connection is open, and its last call failed.
        let text = unsafe { result_code::describe(self.handle.db()) };
        let lost = self.dirty.get() && self.handle.is_autocommit();
        if lost || (code & 0xff) == ffi::SQLITE_IOERR {
            return self.break_with(text);
        }
        StorageError::Sql(text)
    }

    /// Forgets what was known about the tables that exist.
    pub(crate) fn schema_changed(&self) {
        self.kv.forget();
        self.alarm.forget();
    }

    /// The error of a failed commit, after which the object is broken.
    fn commit_failed(&self, code: i32) -> StorageError {
        // SAFETY: the connection is open, and its last call failed.
        let text = unsafe { result_code::describe(self.handle.db()) };
        if code & 0xff == ffi::SQLITE_CONSTRAINT {
            return self.break_with(format!(
                "Durable Object was reset and rolled back to its last known good state because the application left \
                 the database in a state where constraints were violated: {text}"
            ));
        }
        self.break_with(text)
    }

    /// Makes the object answer everything with this error.
    pub(crate) fn break_with(&self, text: String) -> StorageError {
        let error = StorageError::Broken(text);
        *self.state.borrow_mut() = State::Broken(error.clone());
        self.open.set(false);
        self.dirty.set(false);
        self.cache.clear();
        self.handle.finalize_statements();
        error
    }

    /// Closes the connection; SQLite rolls back what is not committed.
    fn shut(&self, is_complete: bool) {
        if self.handle.is_closed() {
            return;
        }
        if self.open.replace(false) {
            *self.state.borrow_mut() = State::Closed;
        }
        self.dirty.set(false);
        self.cache.clear();
        self.handle.close();
        drop(self.connection.take());
        if let Some(log) = &self.log {
            log.closed(is_complete);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.shut(false);
    }
}

/// A place in the journal, which is given back if the file cannot be opened.
struct Unopened(Option<Log>);

impl Drop for Unopened {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.closed(false);
        }
    }
}

/// Pages that a transaction may change before some of them are written to the log ahead of its
/// end: 16 MiB. A page that is written early is often written again.
const DIRTY_PAGES_MAX: u32 = 4096;

/// Settings of a new connection.
///
/// In a journal SQLite never syncs: the journal's records are what survives,
/// and it has the file synced itself before it lets go of them.
fn configure(connection: &Connection, is_journalled: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // First of all: a setting that makes SQLite look into the file would have it
    // share the file's log with others, through a shared memory file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let synchronous = if is_journalled { "OFF" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_spill", DIRTY_PAGES_MAX)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    limits::restrict(connection)?;
    drop_modules(connection)
}

/// Leaves only the virtual table modules that the application may use, so that
/// the others do not exist, as on the platform.
fn drop_modules(connection: &Connection) -> rusqlite::Result<()> {
    let mut keep = [
        c"fts5".as_ptr(),
        c"fts5vocab".as_ptr(),
        c"rtree".as_ptr(),
        c"rtree_i32".as_ptr(),
        std::ptr::null(),
    ];
    // SAFETY: the connection is open, and the list ends with a null pointer.
    let code = unsafe { ffi::sqlite3_drop_modules(connection.handle(), keep.as_mut_ptr()) };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}
