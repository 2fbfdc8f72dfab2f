//! Taking an object to another state: that of an earlier moment, or that of a
//! database file. It is a commit like any other: the pages that differ are its
//! record, so it is whole after a crash and can be undone.
//!
//! What is asked for is written down first and done when the object is opened
//! the next time, before SQLite sees the file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::local::LocalJournal;
use super::object_log::ObjectLog;
use super::record::{ObjectName, RESTORE};
use super::{Append, Content};
use crate::bookmark::Bookmark;
use crate::disk::{DiskFile, OpenMode};
use crate::{Result, StorageError};

/// What is written down instead of a bookmark when the state is that of a file.
const IMPORT: &str = "import";
/// Bytes of a page where there is none to tell.
const PAGE_BYTES: u32 = 4096;

impl LocalJournal {
    /// Writes down that an object is to go back to a bookmark when it is opened
    /// the next time; in place of what was written down before. Tells the
    /// outcome from another thread: the bookmark that undoes it.
    ///
    /// # Errors
    /// Told, not returned: [`StorageError::Range`] for a bookmark of which
    /// nothing is kept, [`StorageError::Type`] for one of another object.
    pub fn restore_at_next_open(
        &self,
        name: &ObjectName,
        bookmark: Bookmark,
        done: impl FnOnce(Result<Bookmark>) + Send + 'static,
    ) {
        let name = name.clone();
        self.ask_later(move |keeper| {
            let written = keeper.with_past(&name, |past| {
                past.resolve(&bookmark)?;
                let text = bookmark.to_string();
                past.history
                    .catalog
                    .change(|change| change.set_restore(&name, Some(&text)))?;
                Ok(Bookmark::before_restore_after(past.head))
            });
            done(written);
        });
    }

    /// Writes down that an object is to become what a SQLite file holds when it
    /// is opened the next time. The file is checked and copied at once.
    ///
    /// # Errors
    /// [`StorageError::Io`] for a file that is no whole database.
    pub fn import_at_next_open(&self, name: &ObjectName, file: &Path) -> Result<()> {
        let (name, file) = (name.clone(), file.to_owned());
        self.ask(move |keeper| {
            let history = keeper.history()?;
            let copy = history.temporary(&name, IMPORT);
            copy_database(&file, &copy)?;
            let failed = |error| StorageError::io(&copy, error);
            let copied = history
                .disk
                .open(&copy, OpenMode::Existing)
                .map_err(failed)?;
            copied.sync().map_err(failed)?;
            history.disk.sync_dir(&history.directory).map_err(failed)?;
            history
                .catalog
                .change(|change| change.set_restore(&name, Some(IMPORT)))
        })
    }

    /// Does what was written down for an object that is being opened. Returns
    /// whether there was anything.
    pub(crate) fn restore_if_asked(&self, log: &Arc<ObjectLog>) -> Result<bool> {
        let Some(asked) = self.asked_restore(&log.name)? else {
            return Ok(false);
        };
        let name = log.name.clone();
        let target = self.ask(move |keeper| {
            if asked == IMPORT {
                return Ok(keeper.history()?.temporary(&name, IMPORT));
            }
            let bookmark: Bookmark = asked.parse()?;
            keeper.with_past(&name, |past| {
                let point = past.resolve(&bookmark)?;
                let path = past.history.temporary(&name, "restore");
                let file = past.history.disk.open(&path, OpenMode::Empty);
                let file = file.map_err(|error| StorageError::io(&path, error))?;
                past.materialize(point.sequence, &*file)?;
                let stat = file
                    .stat()
                    .map_err(|error| StorageError::io(&path, error))?;
                if stat.bytes == 0 {
                    make_empty(&path)?;
                }
                Ok(path)
            })
        })?;
        let disk = self.shared().disk.clone();
        let failed = |error| StorageError::io(&target, error);
        let source = disk.open(&target, OpenMode::Existing).map_err(failed)?;
        self.become_file(log, source)?;
        let name = log.name.clone();
        self.ask(move |keeper| {
            let history = keeper.history()?;
            history
                .catalog
                .change(|change| change.set_restore(&name, None))
        })?;
        disk.remove(&target).map_err(failed)?;
        Ok(true)
    }

    /// Commits the difference between an object's database file and another
    /// one, and waits until that is durable.
    fn become_file(&self, log: &Arc<ObjectLog>, source: Arc<dyn DiskFile>) -> Result<()> {
        let failed = |error| StorageError::io(&log.files.path, error);
        let page_bytes = page_bytes(&*source).map_err(failed)?;
        let mut difference = difference(&*log.files.file, &*source, page_bytes).map_err(failed)?;
        if log.is_first.swap(false, Ordering::Relaxed) {
            // No record has the page that SQLite gave the file.
            difference.numbers = (1..=difference.db_pages).collect();
        }
        log.page_bytes.store(page_bytes, Ordering::Relaxed);
        let db_pages = difference.db_pages;
        let append = Append {
            log: log.clone(),
            number: 0,
            time_ms: (self.shared().options.now_ms)(),
            flags: RESTORE,
            content: Content::Pages {
                source: source.clone(),
                numbers: difference.numbers.clone(),
                db_pages,
            },
            bytes: 0,
        };
        log.journal.append(append);
        log.wait();
        if let Some(error) = log.failure() {
            return Err(StorageError::Broken(error));
        }
        copy_pages(
            &*source,
            &*log.files.file,
            &difference.numbers,
            page_bytes,
            db_pages,
        )
        .map_err(failed)
    }
}

/// How two database files differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Pages of the second one that the first has not, or has otherwise.
    pub numbers: Vec<u32>,
    /// Pages of the second one.
    pub db_pages: u32,
}

pub(crate) fn difference(
    from: &dyn DiskFile,
    to: &dyn DiskFile,
    page_bytes: u32,
) -> io::Result<Difference> {
    let size = page_bytes as usize;
    let db_pages = (to.stat()?.bytes / u64::from(page_bytes)) as u32;
    let together = (1 << 20) / size;
    let (mut ours, mut theirs) = (vec![0; together * size], vec![0; together * size]);
    let mut numbers = Vec::new();
    for first in (0..db_pages).step_by(together) {
        let at = u64::from(first) * u64::from(page_bytes);
        let read = to.read_at(&mut theirs, at)?;
        let have = from.read_at(&mut ours, at)?;
        for (index, theirs) in theirs[..read].chunks_exact(size).enumerate() {
            let range = index * size..(index + 1) * size;
            if range.end > have || ours[range] != *theirs {
                numbers.push(first + index as u32 + 1);
            }
        }
    }
    Ok(Difference { numbers, db_pages })
}

fn copy_pages(
    from: &dyn DiskFile,
    to: &dyn DiskFile,
    numbers: &[u32],
    page_bytes: u32,
    db_pages: u32,
) -> io::Result<()> {
    let size = u64::from(page_bytes);
    let mut image = vec![0; page_bytes as usize];
    for number in numbers {
        let at = u64::from(number - 1) * size;
        from.read_exact_at(&mut image, at)?;
        to.write_all_at(&image, at)?;
    }
    to.set_len(u64::from(db_pages) * size)
}

/// Bytes of a page, as the head of a database file tells.
pub(crate) fn page_bytes(file: &dyn DiskFile) -> io::Result<u32> {
    let mut head = [0; 18];
    if file.read_at(&mut head, 0)? < head.len() {
        return Ok(PAGE_BYTES);
    }
    let told = u32::from(u16::from_be_bytes([head[16], head[17]]));
    let told = if told == 1 { 65536 } else { told };
    match told.is_power_of_two() && told >= 512 {
        true => Ok(told),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is not a SQLite database",
        )),
    }
}

/// Makes a database in which nothing is: the state before the first commit. A
/// file without any page would look like one that somebody removed.
fn make_empty(path: &Path) -> Result<()> {
    let make = || {
        let empty = rusqlite::Connection::open(path)?;
        empty.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        empty.pragma_update(None, "journal_mode", "WAL")?;
        empty.close().map_err(|(_, error)| error)
    };
    make().map_err(|error| StorageError::sqlite(path, error))
}

/// Copies what a SQLite file holds, its log included, into one whole file that
/// is in WAL mode as objects are.
pub(crate) fn copy_database(from: &Path, to: &PathBuf) -> Result<()> {
    let context = |error| StorageError::sqlite(from, error);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let source = rusqlite::Connection::open_with_flags(from, flags).map_err(context)?;
    let check: String = source
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(context)?;
    if check != "ok" {
        let text = format!("the database is damaged: {check}");
        return Err(StorageError::io(
            from,
            io::Error::new(io::ErrorKind::InvalidData, text),
        ));
    }
    for suffix in ["", "-wal", "-journal"] {
        drop(std::fs::remove_file(super::with_suffix(to, suffix)));
    }
    let copy = || {
        let mut target = rusqlite::Connection::open(to)?;
        rusqlite::backup::Backup::new(&source, &mut target)?.run_to_completion(
            4096,
            std::time::Duration::ZERO,
            None,
        )?;
        target.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        target.pragma_update(None, "journal_mode", "WAL")?;
        target.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        target.close().map_err(|(_, error)| error)
    };
    copy().map_err(context)
}
