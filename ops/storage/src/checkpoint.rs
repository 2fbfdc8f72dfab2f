//! When the write-ahead log is moved into the database file: never by SQLite
//! itself, but by its shard once it has grown, and at a clean end.

use rusqlite::config::DbConfig;
use rusqlite::ffi;

use crate::database::Database;
use crate::{Result, StorageError, ValueRef};

/// Bytes of write-ahead log from which a checkpoint is due.
pub(crate) const LARGE_WAL_BYTES: u64 = 4 * 1024 * 1024;

impl Database {
    /// Moves the write-ahead log into the database file when it has grown over
    /// 4 MiB, or when the journal wants to let go of old records. Returns
    /// whether it did.
    ///
    /// Nothing is synced here: the pages go to the system, and the journal has
    /// the file made durable on a thread of its own. Until that is done its
    /// records stay. Nothing happens while a commit is not durable, since the
    /// file must never be ahead of the journal, inside a transaction, or while
    /// a cursor holds on to an older state.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when the disk fails, or the object's own error
    /// when it is broken or closed.
    pub fn checkpoint_if_due(&self) -> Result<bool> {
        self.check_open()?;
        let Some(log) = &self.log else {
            return Ok(false);
        };
        let is_due = log.wal_bytes() > LARGE_WAL_BYTES || log.is_checkpoint_wanted();
        if !is_due || self.dirty.get() || !log.is_settled() {
            return Ok(false);
        }
        let checkpoint = self.prepare_own("PRAGMA wal_checkpoint(TRUNCATE)")?;
        match checkpoint.step() {
            Ok(_) if checkpoint.column(0) == ValueRef::Integer(0) => (),
            Ok(_) | Err(ffi::SQLITE_LOCKED) => return Ok(false),
            Err(code) => return Err(self.failed(code)),
        }
        drop(checkpoint);
        log.emptied();
        Ok(true)
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
        self.run_once("PRAGMA wal_checkpoint(TRUNCATE)")?;
        // Closing now removes the log, which is empty.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(context)?;
        Ok(())
    }
}
