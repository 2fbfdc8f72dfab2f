//! Copying objects into a state directory that another program stored.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::journal::{ObjectName, copy_database};
use crate::state_dir::{StateDir, put_alarm_of, sync_directory};
use crate::{AlarmIndex, Result, StorageError};

/// The copy while it is not complete.
const TEMPORARY: &str = "importing";

impl StateDir {
    /// Copies an object's database, with what its write-ahead log holds, and its alarm. Durable
    /// when this returns; a crash before that leaves nothing of the object. The source is only
    /// read. False if the object is there already: it stays as it is.
    ///
    /// Nobody may have the directory's objects open.
    ///
    /// # Errors
    /// [`StorageError::Io`] for a file that is no whole database, or that another process has
    /// locked.
    pub fn bring_object(&self, name: &ObjectName, source: &Path) -> Result<bool> {
        let directory = self.namespace_dir(&name.unique_key)?;
        let target = self.object_path(&name.unique_key, &name.id);
        if target.exists() {
            return Ok(false);
        }
        let copy = directory.join(TEMPORARY);
        copy_database(source, &copy)?;
        let place = || {
            File::open(&copy)?.sync_all()?;
            // The copy's own log is empty, and named after the copy.
            for suffix in ["-wal", "-shm"] {
                remove(&directory.join(format!("{TEMPORARY}{suffix}")))?;
            }
            fs::rename(&copy, &target)
        };
        place().map_err(|error| StorageError::io(&target, error))?;
        sync_directory(&directory)?;
        put_alarm_of(&target, &name.id, &AlarmIndex::open(&directory)?)?;
        Ok(true)
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdKey;

    fn name() -> ObjectName {
        ObjectName {
            unique_key: "w-Room".into(),
            id: IdKey::new("w-Room").from_name("a"),
        }
    }

    #[test]
    fn an_object_comes_with_its_log_and_its_alarm_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.sqlite");
        let writer = rusqlite::Connection::open(&source).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        let written = writer.execute_batch(
            "CREATE TABLE t (x); INSERT INTO t VALUES (1);
             CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
             INSERT INTO _cf_METADATA VALUES (1, 7000000)",
        );
        written.unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        // The writer still has the file open, and all of it is in the log.
        assert!(state.bring_object(&name(), &source).unwrap());
        writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert!(!state.bring_object(&name(), &source).unwrap());
        let target = state.object_path("w-Room", &name().id);
        let copy = rusqlite::Connection::open(target).unwrap();
        let count = copy.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(count.unwrap(), 1);
        let index = AlarmIndex::open(&state.path().join("w-Room")).unwrap();
        assert_eq!(index.get(&name().id).unwrap(), Some(7));
    }

    #[test]
    fn what_is_no_whole_database_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.sqlite");
        fs::write(&source, "no database at all, by any means").unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        assert!(state.bring_object(&name(), &source).is_err());
        assert!(!state.object_path("w-Room", &name().id).exists());
    }
}
