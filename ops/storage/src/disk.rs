//! The door through which the journal and the history reach files, so that
//! tests can lose what was not synced, tear a write, or let a call fail.
//!
//! SQLite reaches its own files by itself. It never syncs them: every sync
//! that something depends on passes here.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Files from which on one sync of the whole file system is cheaper than one
/// of each file.
const SYNC_EACH_MAX: usize = 16;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It exists, and is only read.
    Read,
    /// It exists.
    Existing,
    /// It is created if need be.
    Create,
    /// It is emptied, or created.
    Empty,
}

/// Where files are.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and, unless it is only read, writing.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of the file that had it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Creates a directory and those above it. They are durable when the call
    /// returns.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which files a directory names.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes several files durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_many(&self, files: &[Arc<dyn DiskFile>]) -> io::Result<()> {
        files.iter().try_for_each(|file| file.sync())
    }
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads from `offset` until the buffer is full or the file ends. Returns
    /// the bytes read.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of it; after an error any part may have been written.
    ///
    /// # Errors
    /// The system's.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Bytes of the file, and when it was last written, in nanoseconds since
    /// 1970.
    ///
    /// # Errors
    /// The system's.
    fn stat(&self) -> io::Result<Stat>;

    /// Makes what was written durable, the file's size included.
    ///
    /// # Errors
    /// The system's. What was written is in doubt then, for good: a second
    /// call may succeed without having written it.
    fn sync(&self) -> io::Result<()>;

    /// Fills the buffer.
    ///
    /// # Errors
    /// The system's, and `UnexpectedEof` where the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buffer, offset)? {
            read if read == buffer.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    }
}

/// What tells whether a file was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its size.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// The machine's own files.
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options()
            .read(true)
            .write(mode != OpenMode::Read)
            .create(matches!(mode, OpenMode::Create | OpenMode::Empty))
            .truncate(mode == OpenMode::Empty)
            .open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        if let Some(parent) = parent {
            self.create_dir(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_many(&self, files: &[Arc<dyn DiskFile>]) -> io::Result<()> {
        files.iter().try_for_each(|file| file.sync())
    }
}

/// Makes all files of the file system that holds `path` durable, when they are
/// so many that syncing each would take longer.
///
/// # Errors
/// The system's.
pub(crate) fn sync_files(
    disk: &dyn Disk,
    path: &Path,
    files: &[Arc<dyn DiskFile>],
) -> io::Result<()> {
    if files.len() <= SYNC_EACH_MAX {
        return disk.sync_many(files);
    }
    // Writing everything back first makes the syncs that follow, which report
    // the failures of each file, short.
    rustix::fs::syncfs(File::open(path)?)?;
    disk.sync_many(files)
}

struct SystemFile(File);

impl DiskFile for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.0.metadata()?;
        Ok(Stat {
            bytes: metadata.len(),
            modified_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        })
    }

    fn sync(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        self.0.sync_data()?;
        // What is durable in a file that nobody can open any more is lost all the same.
        match self.0.metadata()?.nlink() {
            0 => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the file was deleted while it was in use",
            )),
            _ => Ok(()),
        }
    }
}
