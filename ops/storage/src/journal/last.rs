//! Which segment is the last one, noted beside the journal: that one of them is missing shows by
//! the numbers of those around it, except for the last.
//!
//! The note follows the segment when one is made, and goes before it when it is archived. So it
//! never names one that need not be there.

use std::io;
use std::path::{Path, PathBuf};

use super::segment;
use crate::disk::{Disk, OpenMode};
use crate::{Result, StorageError};

/// The note's name in the state directory.
pub(crate) const NAME: &str = "stead.segment";
const DIGITS: usize = 16;

fn path(journal: &Path) -> PathBuf {
    journal.with_file_name(NAME)
}

/// Notes a segment that is durable.
pub(super) fn note(disk: &dyn Disk, journal: &Path, number: u64) -> io::Result<()> {
    let path = path(journal);
    let file = disk.open(&path, OpenMode::Create)?;
    let text = format!("{number:0DIGITS$} {number:0DIGITS$}\n");
    file.write_all_at(text.as_bytes(), 0)?;
    file.sync()?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Takes the note away, durably: the last segment is about to go.
pub(super) fn forget(disk: &dyn Disk, journal: &Path) -> io::Result<()> {
    let path = path(journal);
    disk.remove(&path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Compares the note with the last segment that exists; 0 if there is none.
///
/// # Errors
/// [`StorageError::Io`] that says what is missing, and what can be done.
pub(super) fn check(
    disk: &dyn Disk,
    journal: &Path,
    last: u64,
    after_clean_stop: bool,
) -> Result<()> {
    let note = path(journal);
    let failed = |error| StorageError::io(&note, error);
    let Some(noted) = read(disk, &note).map_err(failed)? else {
        return Ok(());
    };
    if noted <= last {
        return Ok(());
    }
    if after_clean_stop {
        // A Stead that knew of no notes has moved everything into the history.
        return forget(disk, journal).map_err(failed);
    }
    let text = format!(
        "the last segment of the journal is missing, and with it commits that were acknowledged: put the file back \
         where it was; or remove `{}` to go on without them",
        note.display()
    );
    let missing = io::Error::new(io::ErrorKind::NotFound, text);
    Err(StorageError::io(&segment::path(journal, noted), missing))
}

/// The number that is noted, twice. What is not was never whole: nothing relied on it.
fn read(disk: &dyn Disk, note: &Path) -> io::Result<Option<u64>> {
    let file = match disk.open(note, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = [0; 2 * DIGITS + 1];
    file.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text).ok();
    let (number, again) = text.and_then(|text| text.split_once(' ')).unzip();
    Ok(number
        .filter(|_| number == again)
        .and_then(|number| number.parse().ok()))
}
