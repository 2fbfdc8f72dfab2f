//! The directory that holds everything durable:
//!
//! ```text
//! <state>/stead.lock                      locked by the process that uses it; holds its pid
//! <state>/stead.clean                     exists while nobody uses it and the last one stopped cleanly
//! <state>/journal/<number>.log            commits since the last clean stop, or the last few hundred megabytes
//! <state>/history/…                       commits before that, see `history`
//! <state>/<unique key>/metadata.sqlite    the namespace's alarms
//! <state>/<unique key>/<id>.sqlite        one object
//! <state>/<unique key>/<id>.facets        the names of its facets
//! <state>/<unique key>/<id>.<n>.sqlite    one facet
//! ```
//!
//! Namespaces and objects lie where workerd and wrangler put them, so that a
//! directory of theirs can be used as it is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::journal::{JournalOptions, LocalJournal, ObjectName, Recovery};
use crate::metadata::{GET_NAME, NS_PER_MS};
use crate::{AlarmIndex, ObjectId, Result, StorageError};

const LOCK_NAME: &str = "stead.lock";
const CLEAN_NAME: &str = "stead.clean";
const JOURNAL_NAME: &str = "journal";
const HISTORY_NAME: &str = "history";

/// A state directory, locked for this process until the value is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    was_clean: bool,
    /// Holds the lock.
    _lock: File,
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
        remove_copies(path).map_err(not_writable)?;
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

    /// Starts the journal, after making complete what a process that did not
    /// stop cleanly left: the database files that the journal tells of, and
    /// their alarms in the index. Other objects are not looked at, unless the
    /// directory has no journal yet: then those that have a write-ahead log
    /// are.
    ///
    /// # Errors
    /// [`StorageError::Io`] when a directory cannot be read or the journal or
    /// an index not be written. What is wrong with single objects is reported
    /// instead.
    pub fn start(&self, options: JournalOptions) -> Result<(LocalJournal, Recovery)> {
        let had_journal = self.path.join(JOURNAL_NAME).is_dir();
        if !had_journal && self.path.join(HISTORY_NAME).is_dir() && !self.was_clean {
            return Err(StorageError::io(
                &self.path.join(JOURNAL_NAME),
                io::Error::new(
                    io::ErrorKind::NotFound,
                    "the journal is missing, and the last process did not stop cleanly: bring it back, or remove the \
                     `history` folder to go on with the files as they are, without what the journal held",
                ),
            ));
        }
        let options = JournalOptions {
            after_clean_stop: self.was_clean,
            ..options
        };
        LocalJournal::open(&self.path, options, |names, recovery| {
            self.put_alarms_right(names, recovery)?;
            match had_journal || self.was_clean {
                true => Ok(()),
                false => self.recover_logs(recovery),
            }
        })
    }

    /// Compares the alarms of objects with the index.
    fn put_alarms_right(&self, names: &[ObjectName], recovery: &mut Recovery) -> Result<()> {
        for together in names.chunk_by(|a, b| a.unique_key == b.unique_key) {
            let directory = self.namespace_dir(&together[0].unique_key)?;
            let index = AlarmIndex::open(&directory)?;
            // Facets have no alarms.
            for name in together.iter().filter(|name| name.id.facet() == 0) {
                let path = self.object_path(&name.unique_key, &name.id);
                match put_alarm_right(&path, &name.id, &index, OF_WHOLE_FILE) {
                    Ok(alarms) => recovery.alarms += alarms,
                    Err(error) => recovery.failed.push((path, error.to_string())),
                }
            }
        }
        Ok(())
    }

    /// Has SQLite replay the logs that a process without a journal left.
    fn recover_logs(&self, recovery: &mut Recovery) -> Result<()> {
        for directory in entries(&self.path)? {
            if directory.is_dir() {
                recover_namespace(&directory, recovery)?;
            }
        }
        Ok(())
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

/// Removes what the last process was copying facets by way of.
fn remove_copies(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let is_copy = entry.file_name().as_encoded_bytes().starts_with(b"clone-");
        if is_copy && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
        && ![CLEAN_NAME, JOURNAL_NAME, HISTORY_NAME].contains(&unique_key)
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
        match put_alarm_right(&path, &id, index, OF_FILE_AND_LOG) {
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
    let id = ObjectId::from_file_name(id)?;
    (fs::metadata(path).ok()?.len() > 0).then_some(id)
}

/// How a database file is opened whose log does not count, and which is left
/// as it is.
const OF_WHOLE_FILE: &str = "?immutable=1";
/// How one is opened whose log SQLite is to replay.
const OF_FILE_AND_LOG: &str = "";

/// Has the index say what a whole file says.
pub(crate) fn put_alarm_of(path: &Path, id: &ObjectId, index: &AlarmIndex) -> Result<()> {
    put_alarm_right(path, id, index, OF_WHOLE_FILE).map(drop)
}

/// Returns how many alarms the index had wrong: 0 or 1.
fn put_alarm_right(path: &Path, id: &ObjectId, index: &AlarmIndex, how: &str) -> Result<usize> {
    let stored = stored_alarm(path, how).map_err(|error| StorageError::sqlite(path, error))?;
    let (alarm, name) = stored;
    let wrong = index.get(id)? != alarm;
    if wrong {
        index.set(id, name.as_deref(), alarm)?;
    }
    Ok(usize::from(wrong))
}

/// The alarm that a database file holds, in milliseconds since 1970, and the
/// object's name.
fn stored_alarm(path: &Path, how: &str) -> rusqlite::Result<(Option<i64>, Option<String>)> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str(how);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    if !connection.table_exists(None, "_cf_METADATA")? {
        return Ok((None, None));
    }
    let ns = connection
        .query_row("SELECT value FROM _cf_METADATA WHERE key = 1", [], |row| {
            row.get::<_, i64>(0)
        })
        .optional()?;
    let name = connection
        .query_row(GET_NAME, [], |row| row.get(0))
        .optional()?;
    Ok((ns.map(|ns| ns.div_euclid(NS_PER_MS)), name))
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || {
        fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
    };
    read().map_err(|error| StorageError::io(directory, error))
}

pub(crate) fn sync_directory(path: &Path) -> Result<()> {
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

    /// As a process without a journal left it: an object with a live log.
    fn store(path: &Path, name: &str, alarm_ms: Option<i64>) {
        let connection = Connection::open(path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .execute_batch("CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)")
            .unwrap();
        connection
            .execute("INSERT INTO _cf_METADATA VALUES (-1, ?)", [name])
            .unwrap();
        if let Some(at) = alarm_ms {
            connection
                .execute("INSERT INTO _cf_METADATA VALUES (1, ?)", [at * NS_PER_MS])
                .unwrap();
        }
        // A handle that is never closed leaves the log, as a crash does.
        std::mem::forget(connection);
    }

    fn options() -> JournalOptions {
        JournalOptions {
            has_threads: false,
            ..JournalOptions::new(Arc::new(|| 1000))
        }
    }

    #[test]
    fn logs_of_a_process_without_a_journal_are_replayed_and_alarms_put_right() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("something"), "").unwrap();
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
            store(&state.object_path("ns", &id), name, stored);
        }
        drop(index);
        let bad = state.object_path("ns", &key.from_name("bad"));
        fs::write(&bad, [7; 4096]).unwrap();
        fs::write(bad.with_extension("sqlite-wal"), [7; 64]).unwrap();

        let (journal, recovery) = state.start(options()).unwrap();
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
        journal.stop().unwrap();
        let (journal, recovery) = state.start(options()).unwrap();
        assert_eq!(recovery, Recovery::default(), "the directory has a journal");
        journal.stop().unwrap();
    }

    #[test]
    fn a_journal_that_is_gone_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("history")).unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let error = state.start(options()).err().unwrap();
        assert!(
            error.to_string().contains("the journal is missing"),
            "{error}"
        );
    }
}
