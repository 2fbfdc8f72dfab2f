//! What can be asked about objects from outside, open or not: which there are,
//! what happened to them, how they were at a moment, and whether all of it is
//! whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::index::Point;
use super::keeper::Keeper;
use super::local::LocalJournal;
use super::lock;
use super::rebuild::{Reader, apply};
use super::record::ObjectName;
use super::restore::{Difference, difference, page_bytes};
use crate::bookmark::Bookmark;
use crate::disk::{DiskFile, OpenMode};
use crate::history::Moment;
use crate::{ObjectId, Result, StorageError};

/// An object as [`LocalJournal::objects`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object.
    pub name: ObjectName,
    /// Bytes of its database file.
    pub bytes: u64,
    /// Its last commit; `None` for one that was stored by another tool and was
    /// not opened here yet.
    pub last: Option<Point>,
    /// Bytes of its history, without what is still in the journal.
    pub history_bytes: u64,
    /// Why it cannot be opened.
    pub damage: Option<String>,
}

/// A moment that somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The last durable commit.
    Now,
    /// Milliseconds since 1970: the last commit until then.
    Time(i64),
    /// What a bookmark means.
    Bookmark(Bookmark),
}

impl LocalJournal {
    /// All objects of the state directory, in the order of their names. Reads
    /// every directory.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.ask(Keeper::objects)
    }

    /// The moments of an object's past that are kept, in order.
    ///
    /// # Errors
    /// [`StorageError::Io`]; also when a file of the history is damaged.
    pub fn history(&self, name: &ObjectName) -> Result<Vec<Moment>> {
        let name = name.clone();
        self.ask(move |keeper| {
            keeper.with_past(&name, |past| {
                let mut moments = Vec::new();
                past.each(0, |moment| {
                    moments.push(moment);
                    true
                })?;
                Ok(moments)
            })
        })
    }

    /// The commit that a moment means.
    ///
    /// # Errors
    /// [`StorageError::Range`] when nothing of it is kept, and
    /// [`StorageError::Type`] for a bookmark of another object.
    pub fn find(&self, name: &ObjectName, at: At) -> Result<Point> {
        let name = name.clone();
        self.ask(move |keeper| keeper.find(&name, at))
    }

    /// As [`LocalJournal::find`] for a time, but tells it from another thread.
    pub fn find_later(
        &self,
        name: &ObjectName,
        time_ms: i64,
        done: impl FnOnce(Result<Bookmark>) + Send + 'static,
    ) {
        let name = name.clone();
        self.ask_later(move |keeper| {
            let found = keeper.find(&name, At::Time(time_ms));
            done(found.map(Bookmark::after));
        });
    }

    /// Writes an object's database as it was at a moment into `file`, which any
    /// SQLite opens. Returns which commit it is.
    ///
    /// # Errors
    /// As [`LocalJournal::find`], and [`StorageError::Io`].
    pub fn export(&self, name: &ObjectName, at: At, file: &Path) -> Result<Point> {
        let (name, file) = (name.clone(), file.to_owned());
        self.ask(move |keeper| keeper.export(&name, at, &file))
    }

    /// How an object would change if it went to a moment, in pages.
    ///
    /// # Errors
    /// As [`LocalJournal::export`].
    pub fn compare(&self, name: &ObjectName, at: At) -> Result<Difference> {
        let name = name.clone();
        self.ask(move |keeper| {
            let directory = keeper.history()?.directory.clone();
            let (now, then) = (
                directory.join("compare-now"),
                directory.join("compare-then"),
            );
            let disk = keeper.disk();
            let compared = keeper.export(&name, At::Now, &now).and_then(|_| {
                keeper.export(&name, at, &then)?;
                let compare = || {
                    let now = disk.open(&now, OpenMode::Read)?;
                    let then = disk.open(&then, OpenMode::Read)?;
                    difference(&*now, &*then, page_bytes(&*then)?)
                };
                compare().map_err(|error| StorageError::io(&directory, error))
            });
            for path in [now, then] {
                disk.remove(&path)
                    .map_err(|error| StorageError::io(&path, error))?;
            }
            compared
        })
    }

    /// Reads everything that is kept of an object and compares it with its
    /// database file: every checksum, every link from one commit to the next,
    /// and SQLite's own integrity check. Returns what is wrong.
    ///
    /// # Errors
    /// [`StorageError::Io`] when it cannot be found out.
    pub fn verify(&self, name: &ObjectName) -> Result<Vec<String>> {
        let name = name.clone();
        self.ask(move |keeper| keeper.verify(&name))
    }
}

impl Keeper {
    fn disk(&self) -> Arc<dyn crate::disk::Disk> {
        self.shared.disk.clone()
    }

    fn objects(&mut self) -> Result<Vec<ObjectInfo>> {
        let shared = self.shared.clone();
        let mut found: BTreeMap<ObjectName, ObjectInfo> = BTreeMap::new();
        let info = |name: &ObjectName| ObjectInfo {
            name: name.clone(),
            bytes: std::fs::metadata(shared.object_path(name)).map_or(0, |m| m.len()),
            last: None,
            history_bytes: 0,
            damage: None,
        };
        for name in object_files(&shared.state)? {
            found.insert(name.clone(), info(&name));
        }
        let history = self.history()?;
        for name in history.catalog.all()? {
            let entry = found.entry(name.clone()).or_insert_with(|| info(&name));
            if let Some(row) = history.catalog.get(&name)? {
                entry.last = Some(row.head);
                entry.damage = row.damage;
            }
            let generations = history.catalog.generations(&name)?;
            entry.history_bytes = generations.iter().map(|g| g.base_bytes + g.log_bytes).sum();
        }
        for (name, known) in &lock(&shared.index).objects {
            // An object may be known only because its first record is damaged.
            if known.head.sequence == 0 && known.damage.is_none() {
                continue;
            }
            let entry = found.entry(name.clone()).or_insert_with(|| info(name));
            if known.head.sequence > 0 {
                entry.last = Some(known.head);
            }
            entry.damage.clone_from(&known.damage);
        }
        Ok(found.into_values().collect())
    }

    fn find(&mut self, name: &ObjectName, at: At) -> Result<Point> {
        self.with_past(name, |past| match at {
            At::Now => Ok(past.head),
            At::Time(time_ms) => past.at_time(time_ms),
            At::Bookmark(bookmark) => past.resolve(&bookmark),
        })
    }

    fn export(&mut self, name: &ObjectName, at: At, path: &Path) -> Result<Point> {
        let failed = |error| StorageError::io(path, error);
        let file = self.disk().open(path, OpenMode::Empty).map_err(failed)?;
        let point = match at {
            At::Now => self.current(name, &*file)?,
            at => {
                let point = self.find(name, at)?;
                self.with_past(name, |past| past.materialize(point.sequence, &*file))?
            }
        };
        file.sync().map_err(failed)?;
        Ok(point)
    }

    /// Writes an object's database as it is into `target`: the file, and what
    /// the journal has beyond it. The object may be open and go on meanwhile:
    /// pages that a checkpoint writes while they are copied are in the journal.
    fn current(&mut self, name: &ObjectName, target: &dyn DiskFile) -> Result<Point> {
        let shared = self.shared.clone();
        let path = shared.object_path(name);
        let failed = |error| StorageError::io(&path, error);
        let (open, mark) = match lock(&shared.index).objects.get(name) {
            Some(known) => (known.log.upgrade(), known.mark),
            None => (None, u64::MAX),
        };
        // A second handle would, when closed, release SQLite's locks.
        let file = match &open {
            Some(log) => log.files.file.clone(),
            None => shared.disk.open(&path, OpenMode::Read).map_err(failed)?,
        };
        copy(&*file, target).map_err(failed)?;
        let (entries, head) = match lock(&shared.index).objects.get(name) {
            Some(known) => {
                let after = known.records.iter().filter(|e| e.point.sequence > mark);
                (after.cloned().collect(), Some(known.head))
            }
            None => (Vec::new(), None),
        };
        let mut reader = Reader::new(&*shared.disk, &shared.directory);
        for entry in entries {
            let record = reader.read(&entry).map_err(failed)?;
            apply(target, &record).map_err(failed)?;
        }
        match head {
            Some(head) => Ok(head),
            None => Ok(self.history()?.catalog.get(name)?.unwrap_or_default().head),
        }
    }

    fn verify(&mut self, name: &ObjectName) -> Result<Vec<String>> {
        let directory = self.history()?.directory.clone();
        let (now, then) = (directory.join("verify-now"), directory.join("verify-then"));
        let mut problems = Vec::new();
        if let Some(known) = lock(&self.shared.index).objects.get(name) {
            problems.extend(known.damage.clone());
        }
        let mut note = |what: &str, error: &StorageError| problems.push(format!("{what}: {error}"));
        let current = self.export(name, At::Now, &now);
        if let Err(error) = &current {
            note("the database", error);
        }
        let compared = self.with_past(name, |past| {
            // Every generation, not only the one that the last state is made of.
            past.each(0, |_| true)?;
            for generation in &past.generations {
                let file = past.history.disk.open(&then, OpenMode::Empty);
                let file = file.map_err(|error| StorageError::io(&then, error))?;
                past.materialize(generation.last_sequence, &*file)?;
            }
            if past.first().is_none() || past.head.sequence == 0 {
                return Ok(false);
            }
            let file = past.history.disk.open(&then, OpenMode::Empty);
            let file = file.map_err(|error| StorageError::io(&then, error))?;
            past.materialize(past.head.sequence, &*file)?;
            Ok(true)
        });
        match &compared {
            Err(error) => note("the history", error),
            Ok(has_past) if current.is_ok() => {
                let disk = self.disk();
                if *has_past && let Some(difference) = differs(&*disk, &now, &then)? {
                    problems.push(format!(
                        "the database file is not what its history says: {difference}"
                    ));
                }
                problems.extend(check(&now));
            }
            Ok(_) => {}
        }
        for path in [now, then] {
            for suffix in ["", "-wal", "-shm"] {
                let path = super::with_suffix(&path, suffix);
                self.disk()
                    .remove(&path)
                    .map_err(|error| StorageError::io(&path, error))?;
            }
        }
        Ok(problems)
    }
}

fn copy(from: &dyn DiskFile, to: &dyn DiskFile) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match from.read_at(&mut buffer, at)? {
            0 => return to.set_len(at),
            read => {
                to.write_all_at(&buffer[..read], at)?;
                at += read as u64;
            }
        }
    }
}

/// How a file is not the other one.
fn differs(disk: &dyn crate::disk::Disk, a: &Path, b: &Path) -> Result<Option<String>> {
    let compare = || {
        let (a, b) = (disk.open(a, OpenMode::Read)?, disk.open(b, OpenMode::Read)?);
        let size = page_bytes(&*b)?;
        let (have, want) = (a.stat()?.bytes, b.stat()?.bytes);
        let numbers = difference(&*a, &*b, size)?.numbers;
        Ok(match (have == want, &numbers[..]) {
            (false, _) => Some(format!("it has {have} bytes in place of {want}")),
            (true, []) => None,
            (true, [number]) => Some(format!("its page {number} was changed")),
            (true, [first, ..]) => Some(format!(
                "{} of its pages were changed, from page {first} on",
                numbers.len()
            )),
        })
    };
    compare().map_err(|error| StorageError::io(a, error))
}

/// What SQLite finds wrong.
fn check(path: &Path) -> Option<String> {
    let ask = || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        })
    };
    match ask() {
        Ok(answer) if answer == "ok" => None,
        Ok(answer) => Some(format!("the database: {answer}")),
        Err(error) => Some(format!("the database: {error}")),
    }
}

/// The database files of objects in a state directory.
fn object_files(state: &Path) -> Result<Vec<ObjectName>> {
    let read = |directory: &Path| {
        let entries = std::fs::read_dir(directory)?;
        entries.collect::<std::io::Result<Vec<_>>>()
    };
    let mut names = Vec::new();
    for namespace in read(state).map_err(|error| StorageError::io(state, error))? {
        let path = namespace.path();
        if !path.is_dir() {
            continue;
        }
        let unique_key: Arc<str> = namespace.file_name().to_string_lossy().into();
        for file in read(&path).map_err(|error| StorageError::io(&path, error))? {
            let file = file.file_name();
            let digits = file.to_str().and_then(|file| file.strip_suffix(".sqlite"));
            if let Some(id) = digits.and_then(ObjectId::from_file_name) {
                names.push(ObjectName {
                    unique_key: unique_key.clone(),
                    id,
                });
            }
        }
    }
    Ok(names)
}
