//! The directory that holds everything durable:
//!
//! ```text
//! <state>/stead.lock                      locked by the process that uses it; holds its pid
//! <state>/stead.clean                     exists while nobody uses it and the last one stopped cleanly
//! <state>/<unique key>/metadata.sqlite    the namespace's alarms
//! <state>/<unique key>/<id>.sqlite        one object
//! ```
//!
//! Namespaces and objects lie where workerd and wrangler put them, so that a
//! directory of theirs can be used as it is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{AlarmIndex, Database, ObjectId, Options, Result, StorageError};

const LOCK_NAME: &str = "stead.lock";
const CLEAN_NAME: &str = "stead.clean";

/// A state directory, locked for this process until the value is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    was_clean: bool,
    /// Holds the lock.
    _lock: File,
}

/// What [`StateDir::recover`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Objects whose write-ahead log was moved into their file.
    pub objects: usize,
    /// Alarms that were put right in a namespace's index.
    pub alarms: usize,
    /// Files that could not be recovered, and why. They are left as they are;
    /// opening such an object fails.
    pub failed: Vec<(PathBuf, String)>,
}

impl StateDir {
    /// Opens and locks the directory, creating it if need be.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while another process holds it, and
    /// [`StorageError::NotWritable`].
    pub fn open(path: impl AsRef<Path>) -> Result<StateDir> {
        let path = path.as_ref();
        let not_writable = |source| StorageError::NotWritable {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        fs::create_dir_all(path).map_err(not_writable)?;
        let was_empty = fs::read_dir(path).map_err(not_writable)?.next().is_none();
        let lock = lock(path)?;
        let was_clean = take_mark(path).map_err(not_writable)? || was_empty;
        Ok(StateDir {
            path: path.to_owned(),
            was_clean,
            _lock: lock,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the process before this one stopped cleanly, or there was none.
    /// Otherwise call [`StateDir::recover`] before alarms are scheduled.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// The directory of a namespace, created if need be.
    ///
    /// # Errors
    /// [`StorageError::Type`] for a key that does not name a directory, and
    /// [`StorageError::Io`].
    pub fn namespace_dir(&self, unique_key: &str) -> Result<PathBuf> {
        check_unique_key(unique_key)?;
        let directory = self.path.join(unique_key);
        match fs::create_dir(&directory) {
            // The new directory is named by this one.
            Ok(()) => sync_directory(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            Err(error) => return Err(StorageError::io(&directory, error)),
        }
        Ok(directory)
    }

    /// The database file of an object.
    pub fn object_path(&self, unique_key: &str, id: &ObjectId) -> PathBuf {
        self.path.join(unique_key).join(format!("{id}.sqlite"))
    }

    /// Puts things right after a process that did not stop cleanly. Each
    /// object that has a write-ahead log, which are those that were open, is
    /// opened, its alarm compared with the namespace's index, and its log
    /// moved into its file. Other objects are not looked at.
    ///
    /// # Errors
    /// [`StorageError::Io`] when a directory cannot be read or an index not
    /// be written. An object that cannot be opened is reported instead.
    pub fn recover(&self) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        for directory in entries(&self.path)? {
            if directory.is_dir() {
                recover_namespace(&directory, &mut recovery)?;
            }
        }
        Ok(recovery)
    }

    /// Notes that everything is closed. Call it last.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn mark_clean(&self) -> Result<()> {
        let mark = self.path.join(CLEAN_NAME);
        let write = || File::create(&mark)?.sync_all();
        write().map_err(|error| StorageError::io(&mark, error))?;
        sync_directory(&self.path)
    }
}

/// Locks the directory and writes the process's number into the lock file.
fn lock(path: &Path) -> Result<File> {
    let not_writable = |source| StorageError::NotWritable {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    let file = path.join(LOCK_NAME);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file);
    let mut file = file.map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Without the number the error is still true.
            let _ = file.read_to_string(&mut pid);
            return Err(StorageError::InUse {
                path: path.to_owned(),
                pid: pid.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(not_writable(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(not_writable)?;
    Ok(file)
}

/// Removes the mark of a clean stop, durably: it must not come back after a
/// power failure. Returns whether it was there.
fn take_mark(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path.join(CLEAN_NAME)) {
        Ok(()) => File::open(path)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A unique key names a directory directly inside the state directory.
fn check_unique_key(unique_key: &str) -> Result<()> {
    let plain = !unique_key.is_empty()
        && unique_key != "."
        && unique_key != ".."
        && unique_key != LOCK_NAME
        && unique_key != CLEAN_NAME
        && !unique_key.contains(['/', '\\', '\0']);
    match plain {
        true => Ok(()),
        false => Err(StorageError::Type(format!(
            "unique key `{unique_key}` cannot name a directory; use letters, digits, `-` and `_`"
        ))),
    }
}

fn recover_namespace(directory: &Path, recovery: &mut Recovery) -> Result<()> {
    let mut index = None;
    for wal in entries(directory)? {
        let Some(id) = object_of_wal(&wal) else {
            continue;
        };
        let index = match &mut index {
            Some(index) => index,
            none => none.insert(AlarmIndex::open(directory)?),
        };
        let path = directory.join(format!("{id}.sqlite"));
        match recover_object(&path, &id, index) {
            Ok(alarms) => {
                recovery.objects += 1;
                recovery.alarms += alarms;
            }
            Err(error) => recovery.failed.push((path, error.to_string())),
        }
    }
    Ok(())
}

/// The object whose log, with something in it, this file is.
fn object_of_wal(path: &Path) -> Option<ObjectId> {
    let id = path.file_name()?.to_str()?.strip_suffix(".sqlite-wal")?;
    let id = ObjectId::from_hex(id)?;
    (fs::metadata(path).ok()?.len() > 0).then_some(id)
}

/// Returns how many alarms the index had wrong: 0 or 1.
fn recover_object(path: &Path, id: &ObjectId, index: &AlarmIndex) -> Result<usize> {
    let database = Database::open(path, &Options::default())?;
    let alarm = database.alarm()?;
    let wrong = index.get(id)? != alarm;
    if wrong {
        index.set(id, database.name()?.as_deref(), alarm)?;
    }
    database.close()?;
    Ok(usize::from(wrong))
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || {
        fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
    };
    read().map_err(|error| StorageError::io(directory, error))
}

fn sync_directory(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| StorageError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdKey;

    #[test]
    fn a_directory_has_one_holder() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateDir::open(directory.path()).unwrap();
        let error = StateDir::open(directory.path()).unwrap_err();
        let holder = format!("is in use by another process (pid {})", std::process::id());
        assert!(error.to_string().contains(&holder), "{error}");
        drop(first);
        StateDir::open(directory.path()).unwrap();
    }

    #[test]
    fn a_clean_stop_is_remembered_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = StateDir::open(&path).unwrap();
        assert!(state.was_clean(), "a new directory is clean");
        state.mark_clean().unwrap();
        drop(state);
        assert!(StateDir::open(&path).unwrap().was_clean());
        assert!(!StateDir::open(&path).unwrap().was_clean());
    }

    #[test]
    fn a_path_that_is_no_directory_is_not_writable() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = StateDir::open(&file).unwrap_err();
        assert!(error.to_string().contains("is not writable"), "{error}");
    }

    #[test]
    fn keys_stay_inside_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        for key in [
            "", ".", "..", "a/b", "../x", "a\\b", "a\0", LOCK_NAME, CLEAN_NAME,
        ] {
            assert_eq!(
                state.namespace_dir(key).unwrap_err().js_class(),
                "TypeError",
                "{key}"
            );
        }
        assert_eq!(
            state.namespace_dir("worker-Room").unwrap(),
            directory.path().join("worker-Room")
        );
        assert!(state.namespace_dir("worker-Room").unwrap().is_dir());
    }

    #[test]
    fn recovery_puts_alarms_right_and_empties_logs() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let namespace = state.namespace_dir("ns").unwrap();
        let key = IdKey::new("ns");
        let alarms = [
            ("moved", Some(5), Some(9)),
            ("gone", Some(5), None),
            ("new", None, Some(7)),
            ("same", Some(5), Some(5)),
        ];
        let index = AlarmIndex::open(&namespace).unwrap();
        for (name, indexed, stored) in alarms {
            let id = key.from_name(name);
            index.set(&id, Some(name), indexed).unwrap();
            let database =
                Database::open(&state.object_path("ns", &id), &Options::default()).unwrap();
            database.kv_put("k", b"v").unwrap();
            database.set_name(Some(name));
            database.set_alarm(stored).unwrap();
            database.commit().unwrap();
            database.abort();
        }
        drop(index);
        fs::write(
            namespace.join(format!("{}.sqlite", key.from_name("bad"))),
            [7; 4096],
        )
        .unwrap();
        fs::write(
            namespace.join(format!("{}.sqlite-wal", key.from_name("bad"))),
            [7; 64],
        )
        .unwrap();

        let recovery = state.recover().unwrap();
        assert_eq!(
            (recovery.objects, recovery.alarms, recovery.failed.len()),
            (4, 3, 1)
        );
        let index = AlarmIndex::open(&namespace).unwrap();
        for (name, _, stored) in alarms {
            assert_eq!(index.get(&key.from_name(name)).unwrap(), stored, "{name}");
        }
        let due = index.due(i64::MAX / 1_000_000, 10).unwrap();
        let names: Vec<_> = due.iter().map(|entry| entry.name.as_deref()).collect();
        assert_eq!(names, [Some("same"), Some("new"), Some("moved")]);
        assert_eq!(
            state.recover().unwrap().objects,
            0,
            "nothing is left to recover"
        );
    }
}
