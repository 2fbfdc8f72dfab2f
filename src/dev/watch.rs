//! Watching the files that a worker is made of, and no others.
//!
//! Editors replace a file as often as they write it, so it is its folder that is watched, and the
//! events are sifted for the files that count.

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::inotify;
use rustix::fs::inotify::ReadFlags;
use rustix::fs::inotify::WatchFlags;
use tokio::io::unix::AsyncFd;

/// A save is several events: emptied, written, renamed. So long it must be quiet to be over.
const QUIET: Duration = Duration::from_millis(6);
/// The system's events as they are read: some dozens at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// Tells which of a set of files changed.
pub struct Watch {
    events: AsyncFd<OwnedFd>,
    folders: HashMap<PathBuf, i32>,
    files: HashSet<PathBuf>,
    /// Whether a file that comes into being in a watched folder counts, too: an import that found
    /// nothing may find it.
    new_files: bool,
    /// Changes of a save that is not over.
    changed: HashSet<PathBuf>,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system has no more watches to give.
    pub fn new() -> io::Result<Watch> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let events = inotify::init(flags)?;
        // SAFETY: the `AsyncFd` owns the descriptor, which nobody else closes or replaces.
        let events = unsafe { AsyncFd::register(events)? };
        Ok(Watch {
            events,
            folders: HashMap::new(),
            files: HashSet::new(),
            new_files: false,
            changed: HashSet::new(),
        })
    }

    /// Watches these files from now on, and no others. With `new_files`, also those that come into
    /// being beside them.
    pub fn set(&mut self, files: impl IntoIterator<Item = PathBuf>, new_files: bool) {
        self.files = files.into_iter().collect();
        self.new_files = new_files;
        let wanted: HashSet<&Path> = self.files.iter().filter_map(|file| file.parent()).collect();
        let events = self.events.get_ref();
        self.folders.retain(|folder, watch| {
            let keep = wanted.contains(folder.as_path());
            if !keep {
                // The system has forgotten a folder that was removed.
                let _ = inotify::remove_watch(events, *watch);
            }
            keep
        });
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO;
        for folder in wanted {
            if self.folders.contains_key(folder) {
                continue;
            }
            // A folder that cannot be watched cannot be read either, which the bundler reports.
            if let Ok(watch) = inotify::add_watch(events, folder, flags) {
                self.folders.insert(folder.to_owned(), watch);
            }
        }
    }

    /// Waits for a change, and for the end of the save that it is part of. The files. Nothing is
    /// lost when the wait is given up.
    pub async fn changed(&mut self) -> HashSet<PathBuf> {
        while self.changed.is_empty() {
            if self.read().await.is_err() {
                return std::future::pending().await;
            }
        }
        while let Ok(Ok(())) = tokio::time::timeout(QUIET, self.read()).await {}
        std::mem::take(&mut self.changed)
    }

    /// Waits until there are events, and notes the files that count.
    async fn read(&mut self) -> io::Result<()> {
        let mut ready = self.events.readable().await?;
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(self.events.get_ref(), &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            let folder = self.folders.iter().find(|(_, watch)| **watch == event.wd());
            let (Some((folder, _)), Some(name)) = (folder, event.file_name()) else {
                continue;
            };
            let path = folder.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            // A file that was only created is empty: the end of its writing follows.
            let complete = !event.events().contains(ReadFlags::CREATE);
            if complete && (self.files.contains(&path) || self.new_files) {
                self.changed.insert(path);
            }
        }
        ready.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_of_watched_files_and_of_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let [a, b, other] = ["a.ts", "b.ts", "c.ts"].map(|name| folder.join(name));
        for file in [&a, &b] {
            std::fs::write(file, "1").unwrap();
        }
        let mut watch = Watch::new().unwrap();
        watch.set([a.clone(), b.clone()], false);
        std::fs::write(&other, "1").unwrap();
        std::fs::write(&a, "2").unwrap();
        assert_eq!(watch.changed().await, HashSet::from([a.clone()]));
        // As editors save: a new file takes the old one's place.
        std::fs::write(&other, "3").unwrap();
        std::fs::rename(&other, &b).unwrap();
        assert_eq!(watch.changed().await, HashSet::from([b.clone()]));
        watch.set([a], true);
        std::fs::write(&other, "4").unwrap();
        assert_eq!(watch.changed().await, HashSet::from([other]));
    }
}
