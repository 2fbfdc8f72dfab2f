//! The journal of a state directory: how it starts, opens objects and stops.
//! Two threads work for it, the committer and the keeper.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

use super::adopt::{Found, adopt, examine};
use super::index::{Entry, Index, Known, Point};
use super::keeper::{Job, Keeper};
use super::object_log::{Notify, ObjectFiles, ObjectLog};
use super::rebuild::rebuild;
use super::record::ObjectName;
use super::writer::Writer;
use super::{Append, Checkpoint, Journal, LogEvent, Mark, Recovery, lock, recovery};
use crate::disk::{Disk, SystemDisk};
use crate::history::{Catalog, Retention, Row};
use crate::{Result, StorageError};

/// Bytes of commits that one batch takes, about.
const BATCH_BYTES: u64 = 32 * 1024 * 1024;

/// How the journal behaves.
#[derive(Clone)]
pub struct JournalOptions {
    /// Bytes of a segment, about.
    pub segment_bytes: u64,
    /// Segments that exist before the oldest goes into the history.
    pub segments_max: usize,
    /// What is kept of the past.
    pub retention: Retention,
    /// The time, in milliseconds since 1970.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Tells a person of what went wrong while nobody waited for it.
    pub report: Arc<dyn Fn(String) + Send + Sync>,
    /// Whether the last process that used the directory stopped cleanly.
    pub after_clean_stop: bool,
    /// Whether the journal has threads of its own. Without them it works when
    /// it is driven ([`LocalJournal::drive`]), for tests and tools.
    pub has_threads: bool,
}

impl JournalOptions {
    /// Segments of 64 MiB, of which four exist.
    pub fn new(now_ms: Arc<dyn Fn() -> i64 + Send + Sync>) -> JournalOptions {
        JournalOptions {
            segment_bytes: 64 * 1024 * 1024,
            segments_max: 4,
            retention: Retention::default(),
            now_ms,
            report: Arc::new(|_| ()),
            after_clean_stop: true,
            has_threads: true,
        }
    }
}

/// What the committer is told.
pub(crate) enum Message {
    Append(Append),
    Mark(Mark),
    /// End the segment and tell its number.
    Seal(Sender<u64>),
    Stop,
}

/// What the journal's parts share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// The segments' directory.
    pub(crate) directory: PathBuf,
    pub(crate) options: JournalOptions,
    pub(crate) index: Arc<Mutex<Index>>,
    /// Tells that an object of `Index::busy` is no longer.
    pub(crate) idle: Condvar,
}

impl Shared {
    pub(crate) fn history_dir(&self) -> PathBuf {
        self.state.join("history")
    }

    pub(crate) fn object_path(&self, name: &ObjectName) -> PathBuf {
        let namespace = self.state.join(&*name.unique_key);
        namespace.join(format!("{}.sqlite", name.id))
    }
}

/// The journal of a state directory. Cheap to clone.
#[derive(Clone)]
pub struct LocalJournal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    commits: Sender<Message>,
    jobs: Sender<Job>,
    writer: Mutex<(Writer, Receiver<Message>)>,
    keeper: Mutex<(Keeper, Receiver<Job>)>,
    /// For looking objects up while the keeper is at work.
    catalog: OnceLock<Mutex<Catalog>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    me: std::sync::Weak<Inner>,
}

/// What opening an object in the journal came to.
pub(crate) struct Opened {
    pub(crate) log: Arc<ObjectLog>,
    /// Whether the object was taken back to an earlier state.
    pub(crate) was_restored: bool,
    /// Whether the file was changed in opening it.
    pub(crate) is_changed: bool,
}

impl LocalJournal {
    /// Starts the journal of a state directory, after making complete what the
    /// last process left. Returns also which objects that concerned.
    ///
    /// # Errors
    /// [`StorageError::Io`]. What is wrong with single objects is reported in
    /// the [`Recovery`] instead.
    pub fn open(
        state: &Path,
        options: JournalOptions,
    ) -> Result<(LocalJournal, Recovery, Vec<ObjectName>)> {
        LocalJournal::open_on(Arc::new(SystemDisk), state, options)
    }

    /// As [`LocalJournal::open`], with files from elsewhere.
    ///
    /// # Errors
    /// As [`LocalJournal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        state: &Path,
        options: JournalOptions,
    ) -> Result<(LocalJournal, Recovery, Vec<ObjectName>)> {
        let directory = state.join("journal");
        disk.create_dir(&directory)
            .map_err(|error| StorageError::io(&directory, error))?;
        let shared = Arc::new(Shared {
            disk: disk.clone(),
            state: state.to_owned(),
            directory: directory.clone(),
            options,
            index: Arc::default(),
            idle: Condvar::new(),
        });
        let mut recovery = Recovery::default();
        let resume = recovery::read(&shared, &mut recovery)?;
        let (marks, recovered) = recovery::complete(&shared, &mut recovery);
        let mut writer = Writer::new(
            disk,
            directory,
            shared.options.segment_bytes,
            shared.index.clone(),
            resume.place,
            resume.last,
        );
        writer.write(Vec::new(), &marks);
        let (commits, messages) = mpsc::channel();
        let (jobs, waiting) = mpsc::channel();
        let keeper = Keeper::new(shared.clone(), commits.clone());
        let inner = Arc::new_cyclic(|me| Inner {
            shared,
            commits,
            jobs,
            writer: Mutex::new((writer, messages)),
            keeper: Mutex::new((keeper, waiting)),
            catalog: OnceLock::new(),
            threads: Mutex::default(),
            me: me.clone(),
        });
        if inner.shared.options.has_threads {
            inner.start();
        }
        // What was left may be more than the journal should hold.
        inner.tell(Job::Tend);
        Ok((LocalJournal { inner }, recovery, recovered))
    }

    /// Works through what was asked for, in a journal without threads.
    pub fn drive(&self) -> bool {
        self.inner.drive()
    }

    /// Works through at most what is written in one batch, in a journal
    /// without threads.
    pub fn drive_commits(&self) -> bool {
        let mut writer = lock(&self.inner.writer);
        let (writer, messages) = &mut *writer;
        match messages.try_recv() {
            Ok(first) => self.inner.batch(writer, messages, first) || true,
            Err(_) => false,
        }
    }

    /// Ends the journal after its objects were closed. What it holds goes into
    /// the history, so that the next start has nothing to read.
    ///
    /// # Errors
    /// When something could not be archived. It stays in the journal, and
    /// nothing is lost.
    pub fn stop(&self) -> Result<()> {
        let inner = &self.inner;
        inner.ask(|_| Ok(()))?;
        let (sender, sealed) = mpsc::channel();
        let _ = inner.commits.send(Message::Seal(sender));
        inner.drive();
        let last = sealed.recv().unwrap_or(0);
        let archived = inner.ask(move |keeper| keeper.archive_all(last));
        let _ = inner.commits.send(Message::Stop);
        inner.tell(Job::Stop);
        for thread in lock(&inner.threads).drain(..) {
            if thread.join().is_err() {
                (inner.shared.options.report)("a thread of the journal panicked".to_owned());
            }
        }
        archived
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Runs `body` on the keeper's thread and waits for it.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Keeper) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.inner.ask(body)
    }

    /// Runs `body` on the keeper's thread; never waits.
    pub(crate) fn ask_later(&self, body: impl FnOnce(&mut Keeper) + Send + 'static) {
        self.inner.tell(Job::Ask(Box::new(body)));
        self.inner.drive();
    }

    /// Opens an object: afterwards its database file holds everything durable,
    /// and nothing of SQLite lies beside it. May wait for the disk.
    ///
    /// # Errors
    /// [`StorageError::Io`]; also for an object of which something is damaged.
    pub(crate) fn open_object(
        &self,
        name: &ObjectName,
        lane: Arc<AtomicU64>,
        notify: Notify,
    ) -> Result<Opened> {
        let inner = &self.inner;
        let files = inner.take(name)?;
        let opened = inner.prepare(name, &files).and_then(|(head, is_changed)| {
            let journal: Arc<dyn Journal> = inner.me.upgrade().expect("the journal is in use");
            let log = ObjectLog::new(name.clone(), files, head, lane, journal, notify);
            let was_restored = self.restore_if_asked(&log)?;
            Ok(Opened {
                log,
                was_restored,
                is_changed: is_changed || was_restored,
            })
        });
        let mut index = lock(&inner.shared.index);
        match &opened {
            Ok(opened) => {
                let known = index.objects.get_mut(name).expect("it was taken");
                known.log = Arc::downgrade(&opened.log);
            }
            Err(_) => {
                if let Some(known) = index.objects.get_mut(name) {
                    known.is_open = false;
                    if known.records.is_empty() && known.mark_segment == 0 {
                        index.objects.remove(name);
                    }
                }
            }
        }
        opened
    }

    /// Tells that an object's database is closed, and whether anything may have
    /// changed since it was opened.
    pub(crate) fn closed(&self, name: &ObjectName, is_changed: bool) {
        let mut index = lock(&self.inner.shared.index);
        let Some(known) = index.objects.get_mut(name) else {
            return;
        };
        known.is_open = false;
        if !is_changed {
            known.is_dirty = false;
            if known.records.is_empty() && known.mark_segment == 0 {
                index.objects.remove(name);
            }
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.inner.shared.disk
    }

    /// What was written down for the object's next opening.
    pub(crate) fn asked_restore(&self, name: &ObjectName) -> Result<Option<String>> {
        self.inner.with_catalog(|catalog| catalog.restore(name))
    }
}

impl Inner {
    fn start(&self) {
        let (me, keeper) = (self.me.clone(), self.me.clone());
        let committer = spawn("committer", move || {
            // The strong reference is the thread's own until it is told to stop.
            if let Some(inner) = me.upgrade() {
                inner.commit();
            }
        });
        let keeper = spawn("keeper", move || {
            if let Some(inner) = keeper.upgrade() {
                let mut keeper = lock(&inner.keeper);
                let (keeper, jobs) = &mut *keeper;
                keeper.run(jobs);
            }
        });
        lock(&self.threads).extend([committer, keeper]);
    }

    fn commit(&self) {
        let mut writer = lock(&self.writer);
        let (writer, messages) = &mut *writer;
        while let Ok(first) = messages.recv() {
            if !self.batch(writer, messages, first) {
                return;
            }
        }
    }

    /// Makes one batch durable; false when the committer is to stop.
    fn batch(&self, writer: &mut Writer, messages: &Receiver<Message>, first: Message) -> bool {
        let (mut appends, mut marks) = (Vec::new(), Vec::new());
        let (mut seal, mut stop, mut bytes) = (None, false, 0);
        for message in std::iter::once(first).chain(messages.try_iter()) {
            match message {
                Message::Append(append) => {
                    bytes += append.bytes;
                    appends.push(append);
                }
                Message::Mark(mark) => marks.push(mark),
                Message::Seal(sender) => seal = Some(sender),
                Message::Stop => stop = true,
            }
            if bytes >= BATCH_BYTES || seal.is_some() || stop {
                break;
            }
        }
        let marked = !marks.is_empty();
        writer.write(appends, &marks);
        if let Some(sender) = seal {
            let _ = sender.send(writer.seal());
        }
        let is_large =
            || lock(&self.shared.index).segments.len() > self.shared.options.segments_max;
        if writer.take_sealed() || marked && is_large() {
            self.tell(Job::Tend);
        }
        !stop
    }

    fn drive(&self) -> bool {
        if self.shared.options.has_threads {
            return false;
        }
        loop {
            let mut did = false;
            {
                let mut writer = lock(&self.writer);
                let (writer, messages) = &mut *writer;
                while let Ok(first) = messages.try_recv() {
                    self.batch(writer, messages, first);
                    did = true;
                }
            }
            let mut keeper = lock(&self.keeper);
            let (keeper, jobs) = &mut *keeper;
            did |= keeper.run_waiting(jobs);
            if !did {
                return true;
            }
        }
    }

    fn tell(&self, job: Job) {
        // Without a keeper the journal has stopped.
        let _ = self.jobs.send(job);
    }

    fn ask<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Keeper) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = mpsc::channel();
        self.tell(Job::Ask(Box::new(move |keeper| {
            let _ = sender.send(body(keeper));
        })));
        self.drive();
        answer
            .recv()
            .unwrap_or_else(|_| Err(StorageError::Sql("the journal has stopped".to_owned())))
    }

    fn with_catalog<T>(
        &self,
        body: impl FnOnce(&Catalog) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let directory = self.shared.history_dir();
        if self.catalog.get().is_none() {
            if !Catalog::exists(&directory) {
                return Ok(None);
            }
            let catalog = Catalog::open(&directory)?;
            // Another thread may have been faster.
            let _ = self.catalog.set(Mutex::new(catalog));
        }
        body(&lock(self.catalog.get().expect("it was just set")))
    }

    /// Takes an object for whoever opens it: waits for what its last instance
    /// and the keeper do.
    fn take(&self, name: &ObjectName) -> Result<Arc<ObjectFiles>> {
        let path = self.shared.object_path(name);
        loop {
            let mut index = lock(&self.shared.index);
            while index.busy.contains(name) {
                index = self
                    .shared
                    .idle
                    .wait(index)
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            let last = index
                .objects
                .get(name)
                .and_then(|known| known.log.upgrade());
            if let Some(last) = &last
                && !(last.is_settled() || last.failure().is_some())
            {
                drop(index);
                last.wait();
                continue;
            }
            if let Some(last) = &last
                && last.failure().is_some()
            {
                drop(index);
                last.wait();
                index = lock(&self.shared.index);
            }
            if index.objects.get(name).is_some_and(|known| known.is_open) {
                return Err(StorageError::Sql(format!("object {name} is open already")));
            }
            if !index.objects.contains_key(name) {
                drop(index);
                let row = self.with_catalog(|catalog| catalog.get(name))?;
                let mut index = lock(&self.shared.index);
                let mut known = recovery::known(row);
                known.is_open = true;
                index.objects.entry(name.clone()).or_insert(known).is_open = true;
            } else if let Some(known) = index.objects.get_mut(name) {
                known.is_open = true;
            }
            return match last {
                // A second handle would, when closed, release SQLite's locks.
                Some(last) => Ok(last.files.clone()),
                None => ObjectFiles::open(&*self.shared.disk, &path)
                    .map_err(|error| StorageError::io(&path, error)),
            };
        }
    }

    /// Makes the database file of an object that was taken complete. Returns
    /// its last commit, and whether the file was changed.
    fn prepare(&self, name: &ObjectName, files: &Arc<ObjectFiles>) -> Result<(Point, bool)> {
        let (head, entries, is_known) = {
            let mut index = lock(&self.shared.index);
            let known = index.objects.get_mut(name).expect("it was taken");
            if let Some(damage) = &known.damage {
                return Err(StorageError::Sql(damage.clone()));
            }
            let stat = files.file.stat();
            let stat = stat.map_err(|error| StorageError::io(&files.path, error))?;
            if known.mark > 0 && stat.bytes == 0 {
                return Err(super::adopt::gone(&files.path, known.head));
            }
            let entries: Vec<Entry> = known.unmarked().cloned().collect();
            let has_log = std::fs::metadata(files.wal_path()).is_ok_and(|wal| wal.len() > 0);
            // What SQLite left beside an object of the journal does not count.
            let in_journal = !known.records.is_empty() || known.is_dirty || known.mark_segment > 0;
            let needs = in_journal && (known.is_dirty || !entries.is_empty() || has_log);
            known.is_dirty = true;
            (known.head, needs.then_some(entries), in_journal)
        };
        if let Some(entries) = entries {
            rebuild(&*self.shared.disk, &self.shared.directory, files, &entries)
                .map_err(|error| StorageError::io(&files.path, error))?;
            return Ok((head, true));
        }
        if is_known {
            return Ok((head, false));
        }
        let row = self.with_catalog(|catalog| catalog.get(name))?;
        if examine(files, row.as_ref(), self.shared.options.after_clean_stop)? == Found::Known {
            return Ok((head, false));
        }
        let now_ms = (self.shared.options.now_ms)();
        let head = adopt(files, head, now_ms)?;
        self.enter(name, files, head, row)?;
        Ok((head, true))
    }

    /// Puts a database file into the history as it is.
    fn enter(
        &self,
        name: &ObjectName,
        files: &Arc<ObjectFiles>,
        head: Point,
        row: Option<Row>,
    ) -> Result<()> {
        let (of, file) = (name.clone(), files.file.clone());
        self.ask(move |keeper| {
            let history = keeper.history()?;
            let generation = match history.is_kept {
                true => Some(history.write_base(&of, head, &*file)?),
                false => None,
            };
            let row = Row {
                head,
                tail: None,
                closed: None,
                ..row.unwrap_or_default()
            };
            history.catalog.change(|change| {
                change.put(&of, &row)?;
                match &generation {
                    Some(generation) => change.put_generation(&of, generation),
                    None => Ok(()),
                }
            })
        })?;
        let mut index = lock(&self.shared.index);
        let mut known = Known::new(head);
        known.is_open = true;
        known.is_dirty = true;
        index.objects.insert(name.clone(), known);
        Ok(())
    }
}

impl Journal for Inner {
    fn append(&self, append: Append) {
        append.log.began(append.bytes);
        if let Err(mpsc::SendError(Message::Append(append))) =
            self.commits.send(Message::Append(append))
        {
            let error = "the journal has stopped".to_owned();
            append.log.ended(append.bytes, Err(error.clone()));
            (append.log.notify)(LogEvent::Failed(error));
        }
    }

    fn checkpointed(&self, checkpoint: Checkpoint) {
        self.tell(Job::Checkpoint(checkpoint));
    }

    fn drive(&self) -> bool {
        Inner::drive(self)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("the process may have one more thread")
}
