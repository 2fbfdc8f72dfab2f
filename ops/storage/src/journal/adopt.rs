//! A database file that another tool wrote: workerd, wrangler, an older Stead,
//! or a person with `sqlite3`. It is opened as plain SQLite once, so that its
//! own log goes into it, and its content is where its history goes on.

use std::path::Path;

use rusqlite::Connection;
use xxhash_rust::xxh3::Xxh3;

use super::Point;
use super::object_log::{ObjectFiles, with_suffix};
use crate::history::Row;
use crate::{Result, StorageError};

/// What lies at an object's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// What the row says, or nothing worth a word where there is none.
    Known,
    /// Something that the history does not know.
    Foreign,
}

/// Compares a database file with what is known of it.
///
/// # Errors
/// [`StorageError::Io`] when a file is gone whose content is known.
///
/// After an unclean stop the log of SQLite beside an object that the catalog
/// knows is our own: it holds nothing that anybody was told of.
pub(crate) fn examine(
    files: &ObjectFiles,
    row: Option<&Row>,
    after_clean_stop: bool,
) -> Result<Found> {
    let failed = |error| StorageError::io(&files.path, error);
    let stat = files.file.stat().map_err(failed)?;
    let length = |suffix| {
        let path = with_suffix(&files.path, suffix);
        std::fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    let mut has_log = length("-wal") > 0 || length("-journal") > 0;
    let Some(row) = row.filter(|row| row.head.sequence > 0) else {
        return match first_page(files, stat.bytes).map_err(failed)? {
            FirstPage::Torn => {
                discard(files).map_err(failed)?;
                Ok(Found::Known)
            }
            FirstPage::Empty if !has_log => Ok(Found::Known),
            _ => Ok(Found::Foreign),
        };
    };
    if stat.bytes == 0 {
        return Err(gone(&files.path, row.head));
    }
    if has_log && !after_clean_stop {
        remove_logs(files).map_err(failed)?;
        has_log = false;
    }
    let is_same = row.closed.is_none_or(|closed| closed == stat);
    Ok(if is_same && !has_log {
        Found::Known
    } else {
        Found::Foreign
    })
}

/// The error of an object whose database file was removed.
pub(crate) fn gone(path: &Path, head: Point) -> StorageError {
    let text = format!(
        "the object's file is gone, though it has {} commits; `stead restore` brings back what the history has of it",
        head.sequence
    );
    StorageError::io(
        path,
        std::io::Error::new(std::io::ErrorKind::NotFound, text),
    )
}

/// What a database file of which nothing is known begins with.
enum FirstPage {
    /// Part of the one page that SQLite gives a new database, because the power
    /// failed before anything was committed.
    Torn,
    /// No more than that page, or nothing at all.
    Empty,
    /// A database that somebody has written to.
    Used,
}

/// Bytes of the page that SQLite gives a new database.
pub(crate) const PAGE_BYTES: u64 = 4096;

fn first_page(files: &ObjectFiles, bytes: u64) -> std::io::Result<FirstPage> {
    if bytes == 0 {
        return Ok(FirstPage::Empty);
    }
    if bytes > PAGE_BYTES {
        return Ok(FirstPage::Used);
    }
    let mut page = vec![0; bytes as usize];
    files.file.read_exact_at(&mut page, 0)?;
    // The page type of a leaf, and no cell in it: the schema is empty.
    let is_empty = page.len() > 105 && page[100] == 13 && page[103..105] == [0, 0];
    let is_whole = bytes == PAGE_BYTES && page.starts_with(b"SQLite format 3\0");
    Ok(match (is_whole, is_empty) {
        (true, true) => FirstPage::Empty,
        (false, true) => FirstPage::Torn,
        (false, false) if page[..page.len().min(16)].iter().all(|byte| *byte == 0) => {
            FirstPage::Torn
        }
        (false, false) if bytes < 512 => FirstPage::Torn,
        _ => FirstPage::Used,
    })
}

/// Takes away what a new database left that no commit of it was durable in.
pub(crate) fn discard(files: &ObjectFiles) -> std::io::Result<()> {
    remove_logs(files)?;
    files.file.set_len(0)
}

/// Removes what SQLite has left beside a file.
pub(crate) fn remove_logs(files: &ObjectFiles) -> std::io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal"] {
        match std::fs::remove_file(with_suffix(&files.path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Lets SQLite finish what another process began, and leaves one complete
/// file in WAL mode. Returns the point at which the object goes on; `None` for
/// one that nobody has written to after all.
///
/// # Errors
/// [`StorageError::Io`] when it is no database, or a damaged one.
pub(crate) fn adopt(files: &ObjectFiles, before: Point, now_ms: i64) -> Result<Option<Point>> {
    let context = |error| StorageError::sqlite(&files.path, error);
    let connection = Connection::open(&files.path).map_err(context)?;
    let finish = || {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(check)
    };
    let check = finish().map_err(context)?;
    connection.close().map_err(|(_, error)| context(error))?;
    if check != "ok" {
        return Err(StorageError::io(
            &files.path,
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("the database is damaged: {check}"),
            ),
        ));
    }
    let failed = |error| StorageError::io(&files.path, error);
    let bytes = files.file.stat().map_err(failed)?.bytes;
    let first = first_page(files, bytes).map_err(failed)?;
    if before.sequence == 0 && matches!(first, FirstPage::Empty) {
        return Ok(None);
    }
    files.file.sync().map_err(failed)?;
    Ok(Some(Point {
        sequence: before.sequence + 1,
        chain: chain(files, before).map_err(failed)?,
        time_ms: now_ms.max(before.time_ms),
    }))
}

/// A checksum that stands for what was before and for the whole file.
fn chain(files: &ObjectFiles, before: Point) -> std::io::Result<super::Chain> {
    let mut hash = Xxh3::new();
    hash.update(&before.chain);
    let mut buffer = vec![0; 1024 * 1024];
    let mut at = 0;
    loop {
        match files.file.read_at(&mut buffer, at)? {
            0 => return Ok(hash.digest128().to_le_bytes()),
            read => {
                hash.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
}
