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
pub(crate) fn examine(files: &ObjectFiles, row: Option<&Row>) -> Result<Found> {
    let failed = |error| StorageError::io(&files.path, error);
    let stat = files.file.stat().map_err(failed)?;
    let length = |suffix| {
        let path = with_suffix(&files.path, suffix);
        std::fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    let has_log = length("-wal") > 0 || length("-journal") > 0;
    let Some(row) = row.filter(|row| row.head.sequence > 0) else {
        // One page is a database that nobody has written to.
        let is_new = stat.bytes <= 4096 && !has_log && is_empty(&files.path, stat.bytes);
        return Ok(if is_new { Found::Known } else { Found::Foreign });
    };
    if stat.bytes == 0 {
        return Err(gone(&files.path, row.head));
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

/// Whether a file of at most a page holds nothing.
fn is_empty(path: &Path, bytes: u64) -> bool {
    if bytes == 0 {
        return true;
    }
    let Ok(content) = std::fs::read(path) else {
        return false;
    };
    // The page type of a leaf, and no cell in it: the schema is empty.
    content.len() > 105 && content[100] == 13 && content[103..105] == [0, 0]
}

/// Lets SQLite finish what another process began, and leaves one complete
/// file in WAL mode. Returns the point at which the object goes on.
///
/// # Errors
/// [`StorageError::Io`] when it is no database, or a damaged one.
pub(crate) fn adopt(files: &ObjectFiles, before: Point, now_ms: i64) -> Result<Point> {
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
    files.file.sync().map_err(failed)?;
    Ok(Point {
        sequence: before.sequence + 1,
        chain: chain(files, before).map_err(failed)?,
        time_ms: now_ms.max(before.time_ms),
    })
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
