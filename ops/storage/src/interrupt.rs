//! Stopping SQLite in the middle of a statement, for a thread that may not work on.

use std::ffi::c_int;

use crate::{Database, Result, StorageError};

/// Steps of SQLite's virtual machine between two questions: a fraction of a
/// millisecond.
const STEPS: c_int = 10_000;

impl Database {
    /// From now on a statement fails with `SQLITE_INTERRUPT` when `stop`, which is asked
    /// again and again while it runs, says so.
    ///
    /// # Errors
    /// [`StorageError::Closed`].
    pub fn stop_when(&self, stop: impl Fn() -> bool + Send + 'static) -> Result<()> {
        let mut connection = self.connection.borrow_mut();
        let connection = connection.as_mut().ok_or(StorageError::Closed)?;
        connection
            .progress_handler(STEPS, Some(stop))
            .map_err(|error| StorageError::sqlite(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::Options;

    #[test]
    fn a_statement_without_an_end_stops() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sqlite");
        let database = Database::open(&path, &Options::default()).unwrap();
        let stop = Arc::new(AtomicBool::new(true));
        let asked = stop.clone();
        database
            .stop_when(move || asked.load(Ordering::Relaxed))
            .unwrap();
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        let connection = database.connection.borrow();
        let connection = connection.as_ref().unwrap();
        let answer = connection.query_row(endless, [], |row| row.get::<_, i64>(0));
        assert_eq!(answer.unwrap_err().to_string(), "interrupted");
        stop.store(false, Ordering::Relaxed);
        let answer = connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
        assert_eq!(answer.unwrap(), 1);
    }
}
