//! What the last process left in the journal: reading it, and making the
//! database files complete that it tells of.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::index::{Entry, Index, Known, Point};
use super::local::Shared;
use super::object_log::ObjectFiles;
use super::rebuild::rebuild;
use super::record::ObjectName;
use super::segment::{self, Place};
use super::{Mark, last, lock};
use crate::disk::OpenMode;
use crate::history::{Catalog, Row};
use crate::{Result, StorageError};

/// What was found and done at the start after an unclean stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Objects whose database files were made complete.
    pub objects: usize,
    /// Alarms that were put right in a namespace's index.
    pub alarms: usize,
    /// Bytes at the journal's end of commits that nobody was told of, and the
    /// file in which they are.
    pub torn: Option<(PathBuf, u64)>,
    /// Files in which something is damaged or missing, and what that means.
    /// Opening an object that it concerns fails.
    pub failed: Vec<(PathBuf, String)>,
}

/// Where the journal goes on.
pub(crate) struct Resume {
    pub(crate) place: Place,
    pub(crate) last: u64,
}

/// Reads all segments into the index.
pub(crate) fn read(shared: &Shared, recovery: &mut Recovery) -> Result<Resume> {
    let mut numbers: Vec<u64> = list(&shared.directory)?
        .iter()
        .filter_map(|name| segment::number_of(name))
        .collect();
    numbers.sort_unstable();
    let last = numbers.last().copied().unwrap_or(0);
    let was_clean = shared.options.after_clean_stop;
    last::check(&*shared.disk, &shared.directory, last, was_clean)?;
    let catalog = Catalog::exists(&shared.history_dir())
        .then(|| Catalog::open(&shared.history_dir()))
        .transpose()?;
    // Numbers begin anew where no segment is left, so what is void must not outlive them.
    let first = numbers.first().map_or(i64::MAX as u64, |first| *first);
    let mut forgotten = HashMap::new();
    if let Some(catalog) = &catalog {
        catalog.change(|change| change.end_forgetting(first))?;
        forgotten = catalog.forgotten()?;
    }
    let headers = numbers
        .iter()
        .map(|number| header(shared, *number))
        .collect::<Result<Vec<_>>>()?;
    let mut index = lock(&shared.index);
    index.segments = numbers.iter().copied().collect();
    let mut resume = Resume {
        place: Place {
            segment: 0,
            offset: 0,
        },
        last,
    };
    for (at, number) in numbers.iter().enumerate() {
        let path = segment::path(&shared.directory, *number);
        if at > 0 && *number != numbers[at - 1] + 1 {
            let missing = segment::path(&shared.directory, number - 1);
            recovery.failed.push((
                missing,
                "this segment of the journal is missing: objects that have commits in it cannot be opened".to_owned(),
            ));
        }
        // What a later segment says of this one; the least counts.
        let limit = headers[at + 1..]
            .iter()
            .flatten()
            .filter_map(|resume| match resume.segment.cmp(number) {
                std::cmp::Ordering::Less => Some(0),
                std::cmp::Ordering::Equal => Some(resume.offset),
                std::cmp::Ordering::Greater => None,
            })
            .min();
        if limit.is_some_and(|limit| limit <= segment::HEADER_BYTES) {
            // Nothing in it counts; its header may never have been whole.
            continue;
        }
        let past = (&catalog, &forgotten);
        let end = read_segment(shared, past, &mut index, *number, limit, recovery)?;
        resume.place = Place {
            segment: *number,
            offset: end,
        };
        if limit.is_none() {
            // What is relied on from here on may be in the system's memory only.
            let sync = || shared.disk.open(&path, OpenMode::Existing)?.sync();
            sync().map_err(|error| StorageError::io(&path, error))?;
        }
        // One without records was never used: the process ended while it made it.
        if headers[at].is_none() && end > segment::HEADER_BYTES && at + 1 < numbers.len() {
            let text = "the header of this segment of the journal is damaged".to_owned();
            recovery.failed.push((path, text));
        }
    }
    for known in index.objects.values_mut() {
        known.drop_parts();
    }
    Ok(resume)
}

fn header(shared: &Shared, number: u64) -> Result<Option<Place>> {
    let path = segment::path(&shared.directory, number);
    let read = || {
        let file = shared.disk.open(&path, OpenMode::Read)?;
        let mut bytes = vec![0; segment::HEADER_BYTES as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(segment::decode_header(&bytes, number))
    };
    read().map_err(|error| StorageError::io(&path, error))
}

/// Notes a segment's records. Returns where the last whole one ends.
fn read_segment(
    shared: &Shared,
    (catalog, forgotten): (&Option<Catalog>, &HashMap<String, u64>),
    index: &mut Index,
    number: u64,
    limit: Option<u64>,
    recovery: &mut Recovery,
) -> Result<u64> {
    let path = segment::path(&shared.directory, number);
    let bytes = read_file(shared, &path).map_err(|error| StorageError::io(&path, error))?;
    let mut failed = None;
    let is_void = |name: &ObjectName| {
        let last = forgotten.get(&*name.unique_key);
        last.is_some_and(|last| number <= *last)
    };
    let scanned = segment::scan(&bytes, number, limit, |offset, record| {
        let name = &record.head.name;
        if is_void(name) {
            return;
        }
        if !index.objects.contains_key(name) {
            match archived(catalog, name) {
                Ok(row) => drop(index.objects.insert(name.clone(), known(row))),
                Err(error) => {
                    failed.get_or_insert(error);
                    return;
                }
            }
        }
        let known = index.objects.get_mut(name).expect("it was just put there");
        let file = || path.display().to_string();
        known.note(&record.head, record.chain, Entry::of(record, offset), &file);
    });
    if let Some(error) = failed {
        return Err(error);
    }
    for damage in scanned.damage {
        index.damaged.insert(number);
        let (from, to) = (damage.from, damage.to);
        let text = match damage.name {
            Some(name) if is_void(&name) => continue,
            Some(name) => {
                let text = format!(
                    "{}: bytes {from} to {to} are damaged, which are of object {name}; `stead verify` tells more, and \
                     `stead restore` takes the object back to a state from before",
                    path.display()
                );
                let row = archived(catalog, &name)?;
                let known = index.objects.entry(name).or_insert_with(|| known(row));
                if known.goes_on_after(number, from) {
                    continue;
                }
                known.damage.get_or_insert_with(|| text.clone());
                text
            }
            None => format!(
                "bytes {from} to {to} are damaged: commits of some object are lost, which cannot be opened if others \
                 followed; `stead verify` tells more"
            ),
        };
        recovery.failed.push((path.clone(), text));
    }
    if scanned.torn > 0 {
        recovery.torn = Some((path, scanned.torn));
    }
    Ok(scanned.end)
}

fn archived(catalog: &Option<Catalog>, name: &ObjectName) -> Result<Option<Row>> {
    match catalog {
        Some(catalog) => catalog.get(name),
        None => Ok(None),
    }
}

/// An object of which no segment has told yet.
pub(crate) fn known(row: Option<Row>) -> Known {
    let row = row.unwrap_or_default();
    let mut known = Known::new(row.head);
    known.tail = row.tail;
    known.closed = row.closed;
    known.damage = row.damage;
    known
}

/// Makes every database file that the journal tells of complete and durable.
/// Returns the marks to write, and the objects whose alarms the index may have
/// wrong.
pub(crate) fn complete(shared: &Shared, recovery: &mut Recovery) -> (Vec<Mark>, Vec<ObjectName>) {
    let mut objects: Vec<_> = lock(&shared.index)
        .objects
        .iter()
        .map(|(name, known)| {
            let entries: Vec<Entry> = known.unmarked().cloned().collect();
            (
                name.clone(),
                (known.head, known.mark),
                entries,
                known.damage.clone(),
            )
        })
        .collect();
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut marks, mut names) = (Vec::new(), Vec::new());
    for (name, (head, mark), entries, damage) in objects {
        let path = shared.object_path(&name);
        if let Some(damage) = damage {
            recovery.failed.push((path, damage));
            continue;
        }
        let has_log = std::fs::metadata(super::with_suffix(&path, "-wal")).is_ok();
        if entries.is_empty() && !has_log {
            // The index of alarms may lag behind a file that is complete.
            if head.sequence > 0 {
                names.push(name);
            }
            continue;
        }
        match complete_one(shared, &path, head, mark, &entries) {
            Ok(closed) => {
                recovery.objects += 1;
                marks.push(Mark {
                    name: name.clone(),
                    sequence: head.sequence,
                    closed: Some(closed),
                });
                names.push(name);
            }
            Err(error) => {
                let text = error.to_string();
                let mut index = lock(&shared.index);
                if let Some(known) = index.objects.get_mut(&name) {
                    known.damage = Some(text.clone());
                }
                recovery.failed.push((path, text));
            }
        }
    }
    (marks, names)
}

fn complete_one(
    shared: &Shared,
    path: &Path,
    head: Point,
    mark: u64,
    entries: &[Entry],
) -> io::Result<crate::disk::Stat> {
    let parent = path.parent().unwrap_or(Path::new("."));
    shared.disk.create_dir(parent)?;
    let files = ObjectFiles::open(&*shared.disk, path, &shared.files_open)?;
    if mark > 0 && files.file.stat()?.bytes == 0 {
        return Err(io::Error::other(super::adopt::gone(path, head)));
    }
    rebuild(&*shared.disk, &shared.directory, &files, entries)?;
    files.file.sync()?;
    shared.disk.sync_dir(parent)?;
    files.file.stat()
}

fn read_file(shared: &Shared, path: &Path) -> io::Result<Vec<u8>> {
    let file = shared.disk.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; file.stat()?.bytes as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn list(directory: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries,
    };
    let names = entries.and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect()
    });
    names.map_err(|error| StorageError::io(directory, error))
}
