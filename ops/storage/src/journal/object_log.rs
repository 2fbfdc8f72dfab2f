//! One open object as the journal sees it: its files, its last commits, and
//! who hears what became of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::index::Point;
use super::record::ObjectName;
use super::{Journal, LogEvent};
use crate::disk::{Disk, DiskFile, OpenMode};

/// The database file of an object, open for as long as anybody needs it:
/// closing a second handle would release the locks that SQLite holds.
pub(crate) struct ObjectFiles {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Whether the directory is known to name the file, durably.
    pub(crate) is_named: AtomicBool,
    /// How many of these exist; counted down at the end.
    count: Arc<AtomicUsize>,
}

impl Drop for ObjectFiles {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What tells the object's thread of its commits.
pub type Notify = Box<dyn Fn(LogEvent) + Send + Sync>;

/// An open object in the journal.
pub struct ObjectLog {
    pub(crate) name: ObjectName,
    pub(crate) files: Arc<ObjectFiles>,
    pub(crate) page_bytes: AtomicU32,
    /// Whether the next commit must hold all pages: there is no file to which
    /// some could be added.
    pub(crate) is_first: AtomicBool,
    /// Set when the journal wants to be rid of the object's records.
    pub(crate) is_checkpoint_wanted: AtomicBool,
    /// Bytes on their way to the disk of all objects of the same thread.
    pub(crate) lane: Arc<AtomicU64>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) notify: Notify,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// The last commit that is durable.
    durable: Point,
    /// The last commit that was written into the current batch.
    written: Point,
    in_flight: usize,
    failed: Option<String>,
}

impl ObjectLog {
    pub(crate) fn new(
        name: ObjectName,
        files: Arc<ObjectFiles>,
        head: Point,
        lane: Arc<AtomicU64>,
        journal: Arc<dyn Journal>,
        notify: Notify,
    ) -> Arc<ObjectLog> {
        // One page may be a database that SQLite has just made.
        let bytes = files.file.stat().map_or(0, |stat| stat.bytes);
        let is_first = head.sequence == 0 || bytes <= 4096;
        Arc::new(ObjectLog {
            name,
            files,
            page_bytes: AtomicU32::new(0),
            is_first: AtomicBool::new(is_first),
            is_checkpoint_wanted: AtomicBool::new(false),
            lane,
            journal,
            notify,
            state: Mutex::new(State {
                durable: head,
                written: head,
                ..State::default()
            }),
            settled: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The object's last durable commit.
    pub(crate) fn durable(&self) -> Point {
        self.state().durable
    }

    /// The last commit written, durable or not.
    pub(crate) fn written(&self) -> Point {
        self.state().written
    }

    pub(crate) fn set_written(&self, point: Point) {
        self.state().written = point;
    }

    /// Whether every commit is durable, and none failed.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.failed.is_none()
    }

    /// Why a commit of the object failed, if one did. None after it can
    /// succeed.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    pub(crate) fn began(&self, bytes: u64) {
        self.lane.fetch_add(bytes, Ordering::Relaxed);
        self.state().in_flight += 1;
    }

    /// Ends a submission that was begun.
    pub(crate) fn ended(&self, bytes: u64, outcome: Result<Point, String>) {
        self.lane.fetch_sub(bytes, Ordering::Relaxed);
        let mut state = self.state();
        state.in_flight -= 1;
        match outcome {
            Ok(point) => state.durable = point,
            Err(error) => drop(state.failed.get_or_insert(error)),
        }
        drop(state);
        self.settled.notify_all();
    }

    /// Makes this and every later commit fail, without telling anybody yet.
    pub(crate) fn refuse(&self, error: &str) {
        self.state().failed.get_or_insert_with(|| error.to_owned());
    }

    /// Makes every later commit fail.
    pub(crate) fn fail(&self, error: &str) {
        self.refuse(error);
        (self.notify)(LogEvent::Failed(error.to_owned()));
    }

    /// Waits until nothing is on its way.
    pub(crate) fn wait(&self) {
        if self.journal.drive() {
            assert_eq!(self.state().in_flight, 0, "driving the journal ends all");
            return;
        }
        let mut state = self.state();
        while state.in_flight > 0 {
            state = self
                .settled
                .wait(state)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

impl ObjectFiles {
    /// Opens the database file of an object. `count` is that of the files which are open.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        count: &Arc<AtomicUsize>,
    ) -> std::io::Result<Arc<ObjectFiles>> {
        let file = disk.open(path, OpenMode::Create)?;
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(ObjectFiles {
            path: path.to_owned(),
            file,
            is_named: AtomicBool::new(false),
            count: count.clone(),
        }))
    }

    /// The write-ahead log of the database.
    pub(crate) fn wal_path(&self) -> PathBuf {
        with_suffix(&self.path, "-wal")
    }
}

/// The file beside a database with this at the end of its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
