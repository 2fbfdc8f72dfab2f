//! Makes a database file complete from the journal, whole page by whole page:
//! doing it twice, or beginning in the middle of a checkpoint, comes to the
//! same.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::index::Entry;
use super::object_log::{ObjectFiles, with_suffix};
use super::record::Record;
use super::segment;
use super::writer::context;
use crate::disk::{Disk, DiskFile, OpenMode};

/// Reads records where the index says they are, one segment's file at a time.
pub(crate) struct Reader<'d> {
    disk: &'d dyn Disk,
    directory: &'d Path,
    open: Option<(u64, Arc<dyn DiskFile>)>,
    buffer: Vec<u8>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(disk: &'d dyn Disk, directory: &'d Path) -> Reader<'d> {
        Reader {
            disk,
            directory,
            open: None,
            buffer: Vec::new(),
        }
    }

    /// The file of a segment.
    pub(crate) fn segment(&mut self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        match &self.open {
            Some((open, file)) if *open == number => Ok(file.clone()),
            _ => {
                let path = segment::path(self.directory, number);
                let file = self.disk.open(&path, OpenMode::Read);
                let file = file.map_err(|error| context(&path, error))?;
                self.open = Some((number, file.clone()));
                Ok(file)
            }
        }
    }

    /// The record at an entry's place.
    ///
    /// # Errors
    /// The system's, and `InvalidData` for a record that is no longer what it
    /// was.
    pub(crate) fn read(&mut self, entry: &Entry) -> io::Result<Record<'_>> {
        let path = segment::path(self.directory, entry.place.segment);
        let file = self.segment(entry.place.segment)?;
        self.buffer.resize(entry.bytes, 0);
        file.read_exact_at(&mut self.buffer, entry.place.offset)
            .map_err(|error| context(&path, error))?;
        match Record::decode(&self.buffer) {
            Some(record) if record.chain == entry.point.chain => Ok(record),
            _ => Err(context(
                &path,
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the record at byte {} is damaged", entry.place.offset),
                ),
            )),
        }
    }
}

/// Applies records to the database file, in order, and discards what SQLite
/// left beside it. Nothing is durable yet.
///
/// # Errors
/// The system's, with the file's name.
pub(crate) fn rebuild(
    disk: &dyn Disk,
    directory: &Path,
    files: &ObjectFiles,
    entries: &[Entry],
) -> io::Result<()> {
    // The log of SQLite may hold commits that were never durable; a journal of
    // its older kind is of a file that was just being made.
    for suffix in ["-wal", "-shm", "-journal"] {
        let path = with_suffix(&files.path, suffix);
        disk.remove(&path).map_err(|error| context(&path, error))?;
    }
    let mut reader = Reader::new(disk, directory);
    for entry in entries {
        let record = reader.read(entry)?;
        apply(&*files.file, &record).map_err(|error| context(&files.path, error))?;
    }
    Ok(())
}

/// Writes a record's pages into a database file.
pub(crate) fn apply(file: &dyn DiskFile, record: &Record<'_>) -> io::Result<()> {
    let size = u64::from(record.head.page_bytes);
    for (number, image) in record.pages() {
        let number = u64::from(number.max(1));
        file.write_all_at(image, (number - 1) * size)?;
    }
    if !record.head.is_part() {
        file.set_len(u64::from(record.head.db_pages) * size)?;
    }
    Ok(())
}
