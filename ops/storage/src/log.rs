//! A database's side of the journal: which frames of SQLite's write-ahead log
//! are commits that the journal has not been given yet.
//!
//! The write-ahead log lives between two checkpoints only. It is where the
//! journal reads the pages of a commit, and where this database reads what is
//! not in its file yet; after a crash it counts for nothing.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

use crate::checkpoint::LARGE_WAL_BYTES;
use crate::database::Database;
use crate::disk::{DiskFile, OpenMode};
use crate::journal::{
    Append, Checkpoint, Content, LocalJournal, Notify, ObjectLog, ObjectName, Point,
};
use crate::{Options, Result, StorageError};

/// Bytes on their way to the disk from one thread, at which its objects keep
/// their commits back.
const LANE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes of a frame's header.
const FRAME_HEADER_BYTES: u64 = 24;

/// The commits of one thread's objects that are on their way to the disk.
#[derive(Clone, Default)]
pub struct Lane(Arc<AtomicU64>);

/// A database's place in the journal.
pub(crate) struct Log {
    journal: LocalJournal,
    name: ObjectName,
    /// Until the database is closed: it holds the file open.
    object: RefCell<Option<Arc<ObjectLog>>>,
    /// Frames in the write-ahead log that are commits. SQLite's hook writes it.
    frames: Box<Cell<u32>>,
    /// Frames that the journal was given.
    given: Cell<u32>,
    frame_bytes: u64,
    wal: RefCell<Option<Arc<dyn DiskFile>>>,
    lane: Lane,
    /// Whether anything was committed, or changed in opening.
    is_changed: Cell<bool>,
    was_restored: bool,
    /// The last commit that the thread was told is durable.
    noted: Cell<Point>,
}

impl Database {
    /// Opens an object's database in a journal: its file is made complete
    /// first, and everything that it commits goes there. What becomes of the
    /// commits is told to `notify`, from any thread.
    ///
    /// May wait for the disk.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the file is not a database or cannot be used,
    /// and an error that says so when something of the object is damaged.
    pub fn open_in(
        journal: &LocalJournal,
        name: &ObjectName,
        options: &Options,
        lane: &Lane,
        notify: Notify,
    ) -> Result<Database> {
        let opened = journal.open_object(name, lane.0.clone(), notify)?;
        let path = opened.log.files.path.clone();
        let log = Log {
            journal: journal.clone(),
            noted: Cell::new(opened.log.durable()),
            name: name.clone(),
            object: RefCell::new(Some(opened.log)),
            frames: Box::default(),
            given: Cell::new(0),
            frame_bytes: 0,
            wal: RefCell::default(),
            lane: lane.clone(),
            is_changed: Cell::new(opened.is_changed),
            was_restored: opened.was_restored,
        };
        Database::open_with(&path, options, Some(log))
    }

    /// Whether opening took the object to another state, so that its alarm may
    /// be another one.
    pub fn was_restored(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.was_restored)
    }

    /// Gives the journal what was committed since the last call; it tells when
    /// that is durable. Never waits.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when the write-ahead log cannot be opened, or
    /// the object's own error when it is broken or closed.
    pub fn submit(&self, time_ms: i64) -> Result<()> {
        self.check_open()?;
        let Some(log) = &self.log else {
            return Ok(());
        };
        let (first, last) = (log.given.get() + 1, log.frames.get());
        let content = match first > last {
            true => Content::Nothing,
            false => Content::Frames {
                wal: log
                    .wal()
                    .map_err(|error| self.break_with(error.to_string()))?,
                first,
                last,
            },
        };
        log.given.set(last);
        log.is_changed.set(true);
        let object = log.object();
        let journal = object.journal.clone();
        journal.append(Append {
            log: object,
            number: self.sequence(),
            time_ms,
            flags: 0,
            content,
            bytes: u64::from((last + 1).saturating_sub(first)) * log.frame_bytes,
        });
        Ok(())
    }

    /// Whether a commit should be kept back for now, so that what is on its way
    /// to the disk stays bounded. The writes stay in the open transaction, and
    /// outputs wait for it. It is over when commits of this thread have become
    /// durable.
    pub fn is_held_back(&self) -> bool {
        let Some(log) = &self.log else { return false };
        log.lane.0.load(Ordering::Relaxed) > LANE_BYTES_MAX
    }

    /// Whether the object should get no further event for now: its write-ahead
    /// log has grown, and can be emptied when all of its commits are durable.
    pub fn wants_pause(&self) -> bool {
        let Some(log) = &self.log else { return false };
        log.wal_bytes() > LARGE_WAL_BYTES && !log.is_settled()
    }

    /// Empties a write-ahead log that has grown sixteen times too large because
    /// the object never paused for as long as a sync takes. This is the one
    /// call in an object's everyday life that waits for the disk.
    ///
    /// # Errors
    /// As [`Database::checkpoint_if_due`].
    pub fn checkpoint_if_overdue(&self) -> Result<()> {
        self.check_open()?;
        if let Some(log) = &self.log
            && log.wal_bytes() > 16 * LARGE_WAL_BYTES
            && !self.is_dirty()
            && !log.is_settled()
        {
            log.wait()
                .map_err(|error| self.break_with(error.to_string()))?;
            self.checkpoint_if_due()?;
        }
        Ok(())
    }

    /// The commits that were submitted, for a thread that may wait for them; none without a
    /// journal.
    pub fn settlement(&self) -> Option<Settlement> {
        let log = self.log.as_ref()?;
        log.object.borrow().clone().map(Settlement)
    }

    /// Has everything that the object says from here on wait for a commit, though nothing was
    /// written.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn hold_outputs(&self) -> Result<()> {
        self.check_open()?;
        self.begin_implicit()
    }

    /// Notes the last commit that the object's thread was told is durable.
    pub fn note_durable(&self, point: Point) {
        if let Some(log) = &self.log {
            log.noted.set(point);
        }
    }

    /// The last commit of which the object's thread was told; `None` without a
    /// journal.
    pub fn durable_point(&self) -> Option<Point> {
        self.log.as_ref().map(|log| log.noted.get())
    }

    /// The journal it is in, and the name it has there.
    pub fn journal(&self) -> Option<(&LocalJournal, &ObjectName)> {
        let log = self.log.as_ref()?;
        Some((&log.journal, &log.name))
    }
}

/// Commits on their way to the disk.
pub struct Settlement(Arc<ObjectLog>);

impl Settlement {
    /// Waits until they are durable.
    ///
    /// # Errors
    /// [`StorageError::Broken`] when they cannot be.
    pub fn wait(&self) -> Result<()> {
        self.0.wait();
        match self.0.failure() {
            Some(error) => Err(StorageError::Broken(error)),
            None => Ok(()),
        }
    }
}

impl Log {
    /// Has SQLite tell how many frames each commit makes.
    ///
    /// Must be called again after anything that sets another hook, such as
    /// `PRAGMA wal_autocheckpoint`.
    pub(crate) fn hook(&mut self, connection: &Connection, page_bytes: u32) {
        self.frame_bytes = FRAME_HEADER_BYTES + u64::from(page_bytes);
        self.object()
            .page_bytes
            .store(page_bytes, Ordering::Relaxed);
        let frames: *const Cell<u32> = &raw const *self.frames;
        // SAFETY: the connection is open; the cell is boxed, and lives until
        // the connection is closed (`Database::shut`). Both are used on one
        // thread.
        unsafe {
            ffi::sqlite3_wal_hook(connection.handle(), Some(committed), frames as *mut c_void);
        }
    }

    /// Whether everything that was committed is durable, and nothing failed.
    pub(crate) fn is_settled(&self) -> bool {
        self.given.get() == self.frames.get() && self.ask(|object| object.is_settled())
    }

    pub(crate) fn is_checkpoint_wanted(&self) -> bool {
        self.ask(|object| object.is_checkpoint_wanted.load(Ordering::Relaxed))
    }

    pub(crate) fn wal_bytes(&self) -> u64 {
        u64::from(self.frames.get()) * self.frame_bytes
    }

    /// Waits until everything that was given is durable, or has failed.
    pub(crate) fn wait(&self) -> Result<()> {
        Settlement(self.object()).wait()
    }

    /// The write-ahead log was copied into the file and is empty.
    pub(crate) fn emptied(&self) {
        self.frames.set(0);
        self.given.set(0);
        let object = self.object();
        object.is_checkpoint_wanted.store(false, Ordering::Relaxed);
        checkpointed(object, false);
    }

    /// The object in the journal.
    ///
    /// # Panics
    /// When the database is closed.
    fn object(&self) -> Arc<ObjectLog> {
        let object = self.object.borrow();
        object.clone().expect("nobody asks after the end")
    }

    /// Asks the object in the journal; false once the database is closed.
    fn ask(&self, question: impl FnOnce(&ObjectLog) -> bool) -> bool {
        self.object.borrow().as_deref().is_some_and(question)
    }

    /// The connection is closed. `is_complete` says whether everything is in
    /// the file and nothing beside it.
    pub(crate) fn closed(&self, is_complete: bool) {
        self.wal.take();
        // Others may hold the database for longer, but not its file.
        let Some(object) = self.object.take() else {
            return;
        };
        let is_changed = self.is_changed.get() || !is_complete;
        self.journal.closed(&self.name, is_changed);
        if is_complete && is_changed && object.durable().sequence > 0 {
            checkpointed(object, true);
        }
    }

    /// The write-ahead log, opened beside SQLite's own handle, which holds no
    /// locks on it.
    fn wal(&self) -> Result<Arc<dyn DiskFile>> {
        let mut wal = self.wal.borrow_mut();
        if let Some(wal) = &*wal {
            return Ok(wal.clone());
        }
        let path = self.object().files.wal_path();
        let opened = self.journal.disk().open(&path, OpenMode::Read);
        let opened = opened.map_err(|error| StorageError::io(&path, error))?;
        Ok(wal.insert(opened).clone())
    }
}

fn checkpointed(log: Arc<ObjectLog>, is_closed: bool) {
    let journal = log.journal.clone();
    journal.checkpointed(Checkpoint {
        sequence: log.durable().sequence,
        log,
        is_closed,
    });
}

/// SQLite has committed; its log holds so many frames now.
extern "C" fn committed(
    frames: *mut c_void,
    _db: *mut ffi::sqlite3,
    _name: *const c_char,
    count: c_int,
) -> c_int {
    // SAFETY: the cell that `Log::hook` gave, on the same thread.
    let frames = unsafe { &*(frames as *const Cell<u32>) };
    frames.set(count as u32);
    ffi::SQLITE_OK
}
