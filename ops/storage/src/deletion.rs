//! `deleteAll()`: everything an object stores, gone in one commit.

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use crate::database::Database;
use crate::{Result, StorageError};

impl Database {
    /// Deletes everything in the database: keys, the application's tables, and
    /// the alarm if `delete_alarm`. Uncommitted writes go too. Open cursors
    /// fail from now on with `SQLite query was canceled because the database
    /// was deleted.`
    ///
    /// The file stays, and SQLite empties it in one commit of its own, rather
    /// than the files being unlinked as in workerd: a crash leaves everything
    /// or nothing, the lock is held throughout, and the write-ahead log that
    /// is being synced stays the same file. The file shrinks at the next
    /// checkpoint; [`Database::size`] tells the new size at once. A
    /// transaction is open afterwards, so that the commit at the end of the
    /// turn covers the deletion. An alarm that is kept is written in that
    /// commit: a process killed between the two loses it, while nobody has
    /// been told of the deletion either.
    ///
    /// <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#deleteall>
    ///
    /// # Errors
    /// [`StorageError::Sql`] `Cannot call deleteAll() within a transaction`,
    /// or the object's own error when it is broken or closed.
    pub fn delete_all(&self, delete_alarm: bool) -> Result<()> {
        self.check_open()?;
        if self.transactions.is_open() {
            return Err(StorageError::Sql(
                "Cannot call deleteAll() within a transaction".to_owned(),
            ));
        }
        let kept = if delete_alarm { None } else { self.alarm()? };
        self.alarm.remember(self)?;
        self.cache.clear();
        self.handle.finalize_statements();
        if self.dirty.get() {
            self.run_once("ROLLBACK TRANSACTION")?;
            self.dirty.set(false);
        }
        self.schema_changed();
        // What was not committed is gone already, so a failure from here on is
        // not one that the application could go on after.
        self.replace_contents(kept)
            .map_err(|error| self.break_with(error.to_string()))
    }

    fn replace_contents(&self, alarm: Option<i64>) -> Result<()> {
        self.reset_file()?;
        self.begin_implicit()?;
        match alarm {
            Some(_) => self.set_alarm(alarm),
            None => Ok(()),
        }
    }

    /// SQLite's way to empty a file in one commit, whatever is in it:
    /// <https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigresetdatabase>
    fn reset_file(&self) -> Result<()> {
        let context = |error| StorageError::sqlite(&self.path, error);
        let connection = self.connection.borrow();
        let connection = connection
            .as_ref()
            .expect("an open database has a connection");
        // VACUUM attaches a database for its own use.
        connection
            .set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)
            .map_err(context)?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)
            .map_err(context)?;
        let emptied = self.run_once("VACUUM");
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)
            .map_err(context)?;
        connection
            .set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)
            .map_err(context)?;
        emptied
    }
}
