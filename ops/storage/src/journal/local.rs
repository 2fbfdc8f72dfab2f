//! The journal of a state directory: how it starts, opens objects and stops.
//! Two threads work for it, the committer and the keeper.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

use super::index::Index;
use super::keeper::{Job, Keeper};
use super::object_log::{Notify, ObjectLog};
use super::record::ObjectName;
use super::writer::Writer;
use super::{Append, Checkpoint, Journal, LogEvent, Mark, Recovery, lock, recovery};
use crate::disk::{Disk, SystemDisk};
use crate::history::{Catalog, Retention};
use crate::{Result, StorageError};

/// Bytes of commits that one batch takes, about.
const BATCH_BYTES: u64 = 32 * 1024 * 1024;
/// How long relaxed commits wait for further ones before they are synced.
const SYNC_DELAY: std::time::Duration = std::time::Duration::from_millis(10);

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
    /// Whether objects are told of commits that are written and not yet synced
    /// ([`LogEvent::Written`]), and syncs are made less often.
    pub is_relaxed: bool,
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
            is_relaxed: false,
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
    /// Make sure that nothing of a batch which failed counts.
    Fence(Sender<std::io::Result<()>>),
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
    /// Objects whose database file is open.
    pub(crate) files_open: Arc<AtomicUsize>,
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

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) commits: Sender<Message>,
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
    /// last process left. `before_marks` is told which objects the journal was
    /// about, so that it can put right what follows from their files; until it
    /// returns, another start would do all of this again.
    ///
    /// # Errors
    /// [`StorageError::Io`]. What is wrong with single objects is reported in
    /// the [`Recovery`] instead.
    pub fn open(
        state: &Path,
        options: JournalOptions,
        before_marks: impl FnOnce(&[ObjectName], &mut Recovery) -> Result<()>,
    ) -> Result<(LocalJournal, Recovery)> {
        LocalJournal::open_on(Arc::new(SystemDisk), state, options, before_marks)
    }

    /// As [`LocalJournal::open`], with files from elsewhere.
    ///
    /// # Errors
    /// As [`LocalJournal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        state: &Path,
        options: JournalOptions,
        before_marks: impl FnOnce(&[ObjectName], &mut Recovery) -> Result<()>,
    ) -> Result<(LocalJournal, Recovery)> {
        crate::memory::configure();
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
            files_open: Arc::default(),
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
        // Until the marks are durable the next start finds the same objects.
        before_marks(&recovered, &mut recovery)?;
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
        Ok((LocalJournal { inner }, recovery))
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
            Ok(first) => {
                self.inner.batch(writer, messages, first);
                true
            }
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

    /// Tells the committer something.
    ///
    /// # Errors
    /// The journal has stopped.
    pub(super) fn tell_committer(&self, message: Message) -> std::result::Result<(), ()> {
        self.inner.commits.send(message).map_err(drop)
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
        let opened = inner.prepare(name, &files).and_then(|prepared| {
            let journal: Arc<dyn Journal> = inner.me.upgrade().expect("the journal is in use");
            let log = ObjectLog::new(name.clone(), files, prepared.head, lane, journal, notify);
            if prepared.wrong.is_some() {
                // No page of the file can be relied on.
                log.is_first.store(true, Ordering::Relaxed);
            }
            let was_restored = self.restore_if_asked(&log)?;
            match prepared.wrong {
                Some(wrong) if !was_restored => Err(wrong),
                _ => Ok(Opened {
                    log,
                    was_restored,
                    is_changed: prepared.is_changed || was_restored,
                }),
            }
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
                    let is_plain = known.records.is_empty() && known.mark_segment == 0;
                    // What is damaged stays damaged, however often it is asked for.
                    if is_plain && known.damage.is_none() {
                        index.objects.remove(name);
                    }
                }
            }
        }
        opened
    }

    /// How many objects have their database file open in the journal: those that are open, and
    /// those that were closed and are not durable in their file yet.
    pub fn files_open(&self) -> usize {
        self.inner.shared.files_open.load(Ordering::Relaxed)
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
        let (mut appends, mut marks, mut fences) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seal, mut stop, mut bytes) = (None, false, 0);
        for message in std::iter::once(first).chain(messages.try_iter()) {
            match message {
                Message::Append(append) => {
                    bytes += append.bytes;
                    appends.push(append);
                }
                Message::Mark(mark) => marks.push(mark),
                Message::Seal(sender) => seal = Some(sender),
                Message::Fence(sender) => fences.push(sender),
                Message::Stop => stop = true,
            }
            if bytes >= BATCH_BYTES || seal.is_some() || stop {
                break;
            }
        }
        let marked = !marks.is_empty();
        writer.add(appends, &marks);
        if self.shared.options.is_relaxed && seal.is_none() && fences.is_empty() && !stop {
            // The system has it: a later sync is soon enough.
            if writer.tell_written() < BATCH_BYTES
                && let Ok(next) = messages.recv_timeout(SYNC_DELAY)
            {
                return self.batch(writer, messages, next);
            }
        }
        writer.finish();
        for sender in fences {
            let _ = sender.send(writer.fence());
        }
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

    pub(super) fn drive(&self) -> bool {
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

    pub(super) fn ask<T: Send + 'static>(
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

    pub(super) fn with_catalog<T>(
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
