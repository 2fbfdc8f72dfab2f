//! When the write-ahead log is moved into the database file: never by SQLite
//! itself, but by its shard once it has grown, and at a clean end.

use rusqlite::config::DbConfig;
use rusqlite::ffi;

use crate::database::Database;
use crate::{Result, StorageError, ValueRef};

/// Bytes of write-ahead log from which [`Database::checkpoint_if_large`] acts.
pub(crate) const LARGE_WAL_BYTES: u64 = 4 * 1024 * 1024;

impl Database {
    /// Moves the write-ahead log into the database file when it has grown
    /// over 4 MiB. Returns whether it did.
    ///
    /// This waits for the disk (the log is synced before the file is written
    /// and the file after), so a shard calls it between two syncs of the object. Nothing else
    /// shrinks the log: it would otherwise grow with each commit. While a
    /// cursor holds on to an older state, the log stays.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when the disk fails, or the object's own error
    /// when it is broken or closed.
    pub fn checkpoint_if_large(&self) -> Result<bool> {
        self.check_open()?;
        if self.dirty.get() || self.sync.wal_bytes(&self.path) <= LARGE_WAL_BYTES {
            return Ok(false);
        }
        let checkpoint = self.prepare_own("PRAGMA wal_checkpoint(TRUNCATE)")?;
        match checkpoint.step() {
            Ok(_) if checkpoint.column(0) == ValueRef::Integer(0) => (),
            Ok(_) | Err(ffi::SQLITE_LOCKED) => return Ok(false),
            Err(code) => return Err(self.failed(code)),
        }
        drop(checkpoint);
        // The log is empty, for good once that is on the disk; so the next
        // commit need not wait for the header of the log.
        let synced = self.sync_target()?.sync();
        synced.map_err(|error| self.break_with(error.to_string()))?;
        self.run_once("PRAGMA synchronous = OFF")?;
        self.sync.wal_is_empty();
        Ok(true)
    }

    /// From the second commit on, SQLite syncs the header of a log that it
    /// starts over; the header of an empty log needs no sync, see `configure`.
    pub(crate) fn after_first_commit(&self) -> Result<()> {
        if self.sync.wal_is_unused() {
            self.run_once("PRAGMA synchronous = NORMAL")?;
            self.sync.wal_is_used();
        }
        Ok(())
    }

    /// Moves the whole log into the file, before a clean end.
    pub(crate) fn checkpoint_fully(&self) -> Result<()> {
        let context = |error| StorageError::sqlite(&self.path, error);
        let connection = self.connection.borrow();
        let connection = connection
            .as_ref()
            .expect("an open database has a connection");
        if self.transactions.is_open() {
            self.run_once("ROLLBACK TRANSACTION")?;
        }
        self.run_once("PRAGMA synchronous = NORMAL")?;
        self.run_once("PRAGMA wal_checkpoint(TRUNCATE)")?;
        // Closing now removes the log, which is empty.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(context)?;
        Ok(())
    }
}
