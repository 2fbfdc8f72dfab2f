//! Which files must be synced for a database's commits to be durable.
//!
//! A commit is in the `-wal` file, so `fdatasync` of that file makes it
//! durable. The file is opened a second time for this, beside SQLite's own
//! handle: a sync is of the file, not of the handle. That stays right when
//! SQLite starts the log over after a complete checkpoint, because it then
//! writes the same file from its beginning: no new file appears, what is
//! overwritten or cut off was synced into the database file first, and
//! `fdatasync` includes the file's new size. (SQLite holds no
//! POSIX locks on the log, so closing the second handle releases nothing.)
//!
//! When the database file or its log was just created, the first sync must
//! also cover the directory, which names them, and the database file, whose
//! first page must exist: SQLite discards the log of an empty file.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Result, StorageError};

/// What the committer syncs for one database. Cheap to clone, and may be sent
/// to the committer's thread.
#[derive(Clone, Debug)]
pub struct SyncTarget {
    wal: Arc<File>,
    created: Option<Arc<Created>>,
}

/// What exists only since this database was opened.
#[derive(Debug)]
struct Created {
    directory: PathBuf,
    /// The database file if it is new. Closing a handle of it would release
    /// SQLite's locks on the file, so it is kept open until SQLite has closed
    /// its own.
    file: Option<File>,
    synced: AtomicBool,
}

impl SyncTarget {
    /// Syncs. Every commit made before the call is durable when it returns.
    ///
    /// # Errors
    /// The system's; whether the commits are durable is unknown then, and
    /// stays so: a second sync may succeed without having written them.
    pub fn sync(&self) -> io::Result<()> {
        self.wal.sync_data()?;
        let Some(created) = &self.created else {
            return Ok(());
        };
        if created.synced.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(file) = &created.file {
            file.sync_all()?;
        }
        File::open(&created.directory)?.sync_all()?;
        created.synced.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether two targets are the same file, so that one sync serves both.
    pub(crate) fn is_same(&self, other: &SyncTarget) -> bool {
        Arc::ptr_eq(&self.wal, &other.wal)
    }
}

/// A database's side of syncing.
pub(crate) struct SyncState {
    target: RefCell<Option<SyncTarget>>,
    created: Option<Arc<Created>>,
    /// Whether the log is empty, on the disk too.
    wal_is_unused: Cell<bool>,
}

impl SyncState {
    /// Looks at the files before SQLite opens them, creating an empty database
    /// file if there is none.
    ///
    /// A log that holds commits is synced here: they may be those of an
    /// instance that was aborted before its last sync, and whoever reads them
    /// now counts from sequence 0, taking them for durable.
    pub(crate) fn before_open(path: &Path) -> Result<SyncState> {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let wal = wal_path(path);
        let wal_bytes = fs::metadata(&wal).map_or(0, |metadata| metadata.len());
        if wal_bytes > 0 {
            let file = File::options().read(true).write(true).open(&wal);
            file.and_then(|file| file.sync_data())
                .map_err(|error| StorageError::io(&wal, error))?;
        }
        let file = match File::create_new(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            Err(error) => return Err(StorageError::io(path, error)),
        };
        let created = (file.is_some() || wal_bytes == 0).then(|| {
            Arc::new(Created {
                directory,
                file,
                synced: AtomicBool::new(false),
            })
        });
        Ok(SyncState {
            target: RefCell::default(),
            created,
            wal_is_unused: Cell::new(wal_bytes == 0),
        })
    }

    pub(crate) fn target(&self, path: &Path) -> Result<SyncTarget> {
        let mut target = self.target.borrow_mut();
        if let Some(target) = &*target {
            return Ok(target.clone());
        }
        let wal = wal_path(path);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&wal);
        let file = file.map_err(|error| StorageError::io(&wal, error))?;
        let opened = SyncTarget {
            wal: Arc::new(file),
            created: self.created.clone(),
        };
        Ok(target.insert(opened).clone())
    }

    pub(crate) fn wal_bytes(&self, path: &Path) -> u64 {
        let target = self.target.borrow();
        let metadata = match &*target {
            Some(target) => target.wal.metadata(),
            None => fs::metadata(wal_path(path)),
        };
        metadata.map_or(0, |metadata| metadata.len())
    }

    pub(crate) fn wal_is_unused(&self) -> bool {
        self.wal_is_unused.get()
    }

    pub(crate) fn wal_is_used(&self) {
        self.wal_is_unused.set(false);
    }

    pub(crate) fn wal_is_empty(&self) {
        self.wal_is_unused.set(true);
    }

    /// Lets go of the files, after SQLite has.
    pub(crate) fn close(&self) {
        self.target.take();
    }
}

/// The write-ahead log of the database at `path`.
pub(crate) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
