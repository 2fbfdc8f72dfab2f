//! What takes its time, on a thread of its own: making database files durable
//! after a checkpoint, moving old segments into the history, pruning it, and
//! answering questions about it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use super::index::{Entry, Known};
use super::local::{Message, Shared};
use super::object_log::ObjectFiles;
use super::rebuild::{Reader, rebuild};
use super::record::ObjectName;
use super::{Checkpoint, LogEvent, Mark, last, lock, segment};
use crate::disk::{DiskFile, sync_files};
use crate::history::{Archived, Catalog, Generation, History, Past, Row};
use crate::{Result, StorageError};

/// Objects whose records are archived together.
const ARCHIVED_TOGETHER: usize = 256;
/// Marks that become durable together are written at least this often.
const CHECKPOINTS_TOGETHER: usize = 4096;

/// What the keeper is asked to do.
pub(crate) enum Job {
    /// Make a database file durable, and mark it.
    Checkpoint(Checkpoint),
    /// See whether the journal has grown too large.
    Tend,
    /// Answer something.
    Ask(Box<dyn FnOnce(&mut Keeper) + Send>),
    /// End.
    Stop,
}

pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    commits: Sender<Message>,
    history: Option<History>,
    reported: bool,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, commits: Sender<Message>) -> Keeper {
        Keeper {
            shared,
            commits,
            history: None,
            reported: false,
        }
    }

    /// Does what is asked until it is told to stop.
    pub(crate) fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            if !self.take(first, jobs) {
                return;
            }
        }
    }

    /// Does what was asked already. Returns whether there was anything.
    pub(crate) fn run_waiting(&mut self, jobs: &Receiver<Job>) -> bool {
        let mut did = false;
        while let Ok(first) = jobs.try_recv() {
            self.take(first, jobs);
            did = true;
        }
        did
    }

    /// Does a job and those that wait behind it; false when it was to stop.
    fn take(&mut self, first: Job, jobs: &Receiver<Job>) -> bool {
        let mut checkpoints = Vec::new();
        let mut tend = false;
        let mut goes_on = true;
        let waiting = std::iter::once(first).chain(jobs.try_iter());
        for job in waiting.take(CHECKPOINTS_TOGETHER) {
            match job {
                Job::Checkpoint(checkpoint) => checkpoints.push(checkpoint),
                Job::Tend => tend = true,
                Job::Ask(ask) => {
                    self.sync_checkpoints(std::mem::take(&mut checkpoints));
                    ask(self);
                }
                Job::Stop => goes_on = false,
            }
        }
        self.sync_checkpoints(checkpoints);
        if tend {
            self.tend();
        }
        goes_on
    }

    fn sync_checkpoints(&self, checkpoints: Vec<Checkpoint>) {
        if checkpoints.is_empty() {
            return;
        }
        let files: Vec<_> = checkpoints
            .iter()
            .map(|checkpoint| checkpoint.log.files.file.clone())
            .collect();
        let together = sync_files(&*self.shared.disk, &self.shared.state, &files);
        let mut synced_dirs = BTreeSet::new();
        for checkpoint in checkpoints {
            let log = &checkpoint.log;
            let alone = match &together {
                Ok(()) => Ok(()),
                // Some of them failed: each one tells.
                Err(error) if files.len() == 1 => {
                    Err(io::Error::new(error.kind(), error.to_string()))
                }
                Err(_) => log.files.file.sync(),
            };
            let durable = alone.and_then(|()| self.sync_beside(&checkpoint, &mut synced_dirs));
            match durable {
                Ok(()) => {
                    let closed = checkpoint.is_closed.then(|| log.files.file.stat().ok());
                    let mark = Mark {
                        name: log.name.clone(),
                        sequence: checkpoint.sequence,
                        closed: closed.flatten(),
                    };
                    // Without a writer the records stay, which is right too.
                    let _ = self.commits.send(Message::Mark(mark));
                }
                Err(error) => log.fail(&super::writer::context(&log.files.path, error).to_string()),
            }
        }
    }

    /// What must be durable besides the file, lest an old log of SQLite come
    /// back: that it was emptied, or is gone, and what the directory names.
    fn sync_beside(&self, checkpoint: &Checkpoint, dirs: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let files = &checkpoint.log.files;
        if !checkpoint.is_closed {
            let wal = self
                .shared
                .disk
                .open(&files.wal_path(), crate::disk::OpenMode::Read);
            match wal {
                Ok(wal) => wal.sync()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if checkpoint.is_closed || !files.is_named.load(Ordering::Relaxed) {
            let directory = files.path.parent().unwrap_or(Path::new("."));
            if !dirs.contains(directory) {
                self.shared.disk.sync_dir(directory)?;
                dirs.insert(directory.to_owned());
            }
            files.is_named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps the journal to its size: the objects that hold the oldest segment
    /// are made to let go of it, and then it goes into the history.
    fn tend(&mut self) {
        let segments_max = self.shared.options.segments_max;
        let excess = |index: &super::index::Index| {
            let too_many = index.segments.len() > segments_max;
            too_many.then(|| index.segments.first().copied()).flatten()
        };
        loop {
            let oldest = excess(&lock(&self.shared.index));
            let Some(oldest) = oldest else { return };
            let needing = lock(&self.shared.index).needing(oldest);
            if !needing.is_empty() {
                for name in needing {
                    self.ask_for_checkpoint(&name);
                }
                return;
            }
            if let Err(error) = self.archive(oldest) {
                if !std::mem::replace(&mut self.reported, true) {
                    (self.shared.options.report)(format!(
                        "the journal cannot be archived: {error}"
                    ));
                }
                return;
            }
            self.reported = false;
        }
    }

    /// Asks an open object for a checkpoint; does it for one that is closed.
    fn ask_for_checkpoint(&self, name: &ObjectName) {
        let mut index = lock(&self.shared.index);
        let Some(known) = index.objects.get_mut(name) else {
            return;
        };
        if known.is_open {
            let log = known.log.upgrade();
            drop(index);
            if let Some(log) = log
                && !log.is_checkpoint_wanted.swap(true, Ordering::Relaxed)
            {
                (log.notify)(LogEvent::CheckpointWanted);
            }
            return;
        }
        let entries: Vec<Entry> = known.unmarked().cloned().collect();
        let sequence = known.head.sequence;
        index.busy.insert(name.clone());
        drop(index);
        let done = self.complete(name, &entries);
        lock(&self.shared.index).busy.remove(name);
        self.shared.idle.notify_all();
        match done {
            Ok(stat) => {
                let mark = Mark {
                    name: name.clone(),
                    sequence,
                    closed: Some(stat),
                };
                let _ = self.commits.send(Message::Mark(mark));
            }
            Err(error) => (self.shared.options.report)(error.to_string()),
        }
    }

    /// Makes the database file of a closed object complete and durable.
    pub(super) fn complete(
        &self,
        name: &ObjectName,
        entries: &[Entry],
    ) -> io::Result<crate::disk::Stat> {
        let files = ObjectFiles::open(
            &*self.shared.disk,
            &self.shared.object_path(name),
            &self.shared.files_open,
        )?;
        rebuild(&*self.shared.disk, &self.shared.directory, &files, entries)?;
        files.file.sync()?;
        if let Some(directory) = files.path.parent() {
            self.shared.disk.sync_dir(directory)?;
        }
        files.file.stat()
    }

    /// The history, opened at its first use.
    pub(crate) fn history(&mut self) -> Result<&History> {
        if self.history.is_none() {
            let history = History::open(
                self.shared.disk.clone(),
                self.shared.history_dir(),
                self.shared.options.retention.keep_ms > 0,
            )?;
            self.history = Some(history);
        }
        Ok(self.history.as_ref().expect("it was just opened"))
    }

    /// Moves a segment that no database file needs into the history, and
    /// removes it.
    ///
    /// # Errors
    /// The segment stays then, and can be archived again.
    pub(crate) fn archive(&mut self, number: u64) -> Result<()> {
        let path = segment::path(&self.shared.directory, number);
        let objects = self.objects_of(number);
        if !objects.is_empty() {
            let shared = self.shared.clone();
            let history = self.history()?;
            let mut reader = Reader::new(&*shared.disk, &shared.directory);
            let file = reader
                .segment(number)
                .map_err(|error| StorageError::io(&path, error))?;
            for together in objects.chunks(ARCHIVED_TOGETHER) {
                archive_objects(history, &shared, &*file, together)?;
            }
        }
        let is_last = lock(&self.shared.index).segments.last() == Some(&number);
        if is_last {
            last::forget(&*self.shared.disk, &self.shared.directory)
                .map_err(|error| StorageError::io(&path, error))?;
        }
        let was_damaged = lock(&self.shared.index).damaged.contains(&number);
        let removed = if was_damaged {
            let kept = super::with_suffix(&path, ".damaged");
            self.shared.disk.rename(&path, &kept)
        } else {
            self.shared.disk.remove(&path)
        };
        removed.map_err(|error| StorageError::io(&path, error))?;
        lock(&self.shared.index).retire(number);
        self.prune()
    }

    /// The objects that a segment tells of: what is to be archived of each, and
    /// what the catalog will say.
    fn objects_of(&self, number: u64) -> Vec<(ObjectName, Vec<Entry>, KnownNow)> {
        let index = lock(&self.shared.index);
        let mut objects: Vec<_> = index
            .objects
            .iter()
            .filter_map(|(name, known)| {
                let entries: Vec<Entry> = known
                    .records
                    .iter()
                    .filter(|entry| entry.place.segment == number)
                    .cloned()
                    .collect();
                let told = !entries.is_empty() || known.mark_segment == number;
                told.then(|| (name.clone(), entries, KnownNow::of(known)))
            })
            .collect();
        objects.sort_by(|a, b| a.0.cmp(&b.0));
        objects
    }

    fn prune(&mut self) -> Result<()> {
        let shared = self.shared.clone();
        if !Catalog::exists(&shared.history_dir()) {
            return Ok(());
        }
        let now_ms = (shared.options.now_ms)();
        self.history()?
            .prune(&shared.options.retention, now_ms)
            .map(drop)
    }

    /// Archives all segments, up to and with `last`, after a clean end.
    ///
    /// # Errors
    /// What could not be archived stays, and is read at the next start.
    pub(crate) fn archive_all(&mut self, last: u64) -> Result<()> {
        let segments: Vec<u64> = lock(&self.shared.index).segments.iter().copied().collect();
        for number in segments.into_iter().take_while(|number| *number <= last) {
            if !lock(&self.shared.index).needing(number).is_empty() {
                return Ok(());
            }
            self.archive(number)?;
        }
        Ok(())
    }

    /// Runs `body` with the past of an object.
    pub(crate) fn with_past<T>(
        &mut self,
        name: &ObjectName,
        body: impl FnOnce(&Past<'_>) -> Result<T>,
    ) -> Result<T> {
        let shared = self.shared.clone();
        let history = self.history()?;
        let row = history.catalog.get(name)?;
        let (live, head) = match lock(&shared.index).objects.get(name) {
            Some(known) => (known.records.clone(), known.head),
            None => (Vec::new(), row.map(|row| row.head).unwrap_or_default()),
        };
        body(&Past {
            history,
            name,
            live: &live,
            journal: &shared.directory,
            generations: history.catalog.generations(name)?,
            head,
        })
    }
}

/// What the index says of an object at the moment of archiving.
#[derive(Clone)]
struct KnownNow {
    head: u64,
    closed: Option<crate::disk::Stat>,
    damage: Option<String>,
}

impl KnownNow {
    fn of(known: &Known) -> KnownNow {
        KnownNow {
            head: known.head.sequence,
            closed: known.closed,
            damage: known.damage.clone(),
        }
    }
}

/// Archives the records of some objects with one change of the catalog.
fn archive_objects(
    history: &History,
    shared: &Shared,
    segment: &dyn DiskFile,
    objects: &[(ObjectName, Vec<Entry>, KnownNow)],
) -> Result<()> {
    let mut files = Vec::new();
    let mut rows: Vec<(&ObjectName, Row, Option<Generation>)> = Vec::new();
    for (name, entries, known) in objects {
        let mut row = history.catalog.get(name)?.unwrap_or_default();
        let new = entries.partition_point(|entry| entry.point.sequence <= row.head.sequence);
        let entries = &entries[new..];
        let mut generation = None;
        if !entries.is_empty() {
            if history.is_kept {
                let archived = Archived {
                    name,
                    entries,
                    segment,
                };
                let (file, grown) = history.append(&archived)?;
                files.push(file);
                generation = Some(grown);
            }
            if let Some(last) = entries.iter().rfind(|entry| !entry.is_part) {
                row.head = last.point;
            }
            let last = &entries[entries.len() - 1];
            row.tail = last.is_part.then_some(last.point.chain);
        }
        row.closed = known.closed.filter(|_| known.head == row.head.sequence);
        row.damage.clone_from(&known.damage);
        rows.push((name, row, generation));
    }
    sync_files(&*shared.disk, &shared.state, &files)
        .map_err(|error| StorageError::io(&history.directory, error))?;
    history.catalog.change(|change| {
        for (name, row, generation) in &rows {
            change.put(name, row)?;
            if let Some(generation) = generation {
                change.put_generation(name, generation)?;
            }
        }
        Ok(())
    })?;
    let now_ms = (shared.options.now_ms)();
    for (name, _, generation) in &rows {
        if let Some(generation) = generation {
            history.end_generation_if_grown(name, generation, &shared.options.retention, now_ms)?;
        }
    }
    Ok(())
}
