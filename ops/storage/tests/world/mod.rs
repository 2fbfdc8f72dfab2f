//! A state directory whose disk can lose what was not synced, tear writes and
//! let calls fail.
//!
//! The files are real, since SQLite writes its own. Beside each one the disk
//! remembers what is durable: the content at its last sync. A power failure
//! then leaves, of each database file, some pages of the one and some of the
//! other; of each write-ahead log anything; and of each segment of the journal
//! what was synced and any part of what came after.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use stead_storage::{
    Disk, DiskFile, JournalOptions, LocalJournal, OpenMode, Recovery, Stat, SystemDisk,
};

use crate::seeded::Random;

/// A failure that the disk is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Writes fail after a part of the bytes.
    Write,
    /// Syncs fail.
    Sync,
    /// Files cannot be made or opened for writing.
    Open,
    /// Nothing works any more.
    Power,
}

#[derive(Default)]
struct State {
    /// What is durable of each file that was reached through the disk.
    durable: BTreeMap<PathBuf, Vec<u8>>,
    /// Fails calls of this kind after so many.
    fault: Option<(Fault, u64)>,
    syncs: u64,
}

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets calls of a kind fail, after `calls` more of them, until it is told
    /// otherwise.
    pub fn fail(&self, fault: Fault, calls: u64) {
        self.state().fault = Some((fault, calls));
    }

    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// How many syncs there were.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn check(&self, kind: Fault) -> io::Result<()> {
        let mut state = self.state();
        match &mut state.fault {
            Some((Fault::Power, 0)) => Err(io::Error::from_raw_os_error(5)),
            Some((fault, 0)) if *fault == kind => Err(io::Error::from_raw_os_error(5)),
            Some((fault, calls)) if *fault == kind || *fault == Fault::Power => {
                *calls -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The files as a process that is killed leaves them, in another directory:
    /// the databases of the old one are still open here.
    pub fn copy(&self, from: &Path, to: &Path) -> SimDisk {
        let copy = SimDisk::default();
        copy_tree(from, to);
        let state = self.state();
        for (path, durable) in &state.durable {
            if let Ok(inside) = path.strip_prefix(from) {
                copy.state()
                    .durable
                    .insert(to.join(inside), durable.clone());
            }
        }
        copy
    }

    /// Leaves of every file what a power failure might.
    pub fn lose_power(&self, directory: &Path, random: &mut Random) {
        let mut files = Vec::new();
        collect(directory, &mut files);
        for path in files {
            let name = path.to_string_lossy().into_owned();
            let now = std::fs::read(&path).unwrap();
            if name.ends_with("-wal") || name.ends_with("-journal") {
                lose_wal(&path, &now, random);
            } else if name.contains("/journal/") || name.ends_with(".sqlite") && !is_ours(&name) {
                let durable = self.state().durable.get(&path).cloned();
                let durable = durable.unwrap_or_default();
                let left = mix(&durable, &now, random);
                std::fs::write(&path, &left).unwrap();
                self.state().durable.insert(path, left);
            }
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
            continue;
        }
        std::fs::copy(&path, &target).unwrap();
        // The time of the last change tells whether another tool wrote.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let file = std::fs::File::options().write(true).open(&target).unwrap();
        file.set_modified(modified).unwrap();
    }
}

/// Files of SQLite that sync themselves.
fn is_ours(name: &str) -> bool {
    name.ends_with("metadata.sqlite") || name.ends_with("catalog.sqlite")
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if !is_ours(path.to_string_lossy().trim_end_matches("-wal")) {
            files.push(path);
        }
    }
}

fn lose_wal(path: &Path, now: &[u8], random: &mut Random) {
    match random.below(4) {
        0 => std::fs::remove_file(path).unwrap(),
        1 => std::fs::write(path, &now[..random.below(now.len() as u64 + 1) as usize]).unwrap(),
        2 => std::fs::write(path, vec![0; now.len()]).unwrap(),
        _ => {}
    }
}

/// Some pieces as they were synced, some as they were written last.
fn mix(durable: &[u8], now: &[u8], random: &mut Random) -> Vec<u8> {
    if durable == now {
        return now.to_vec();
    }
    let longest = durable.len().max(now.len());
    let length = match random.below(3) {
        0 => durable.len(),
        1 => now.len(),
        _ => {
            let shortest = durable.len().min(now.len());
            shortest + random.below((longest - shortest) as u64 + 1) as usize
        }
    };
    let mut left = vec![0; length];
    // A sector is the least that a disk writes at once.
    let pieces = length.div_ceil(512);
    let percent = [0, 30, 70, 100][random.below(4) as usize];
    for piece in 0..pieces {
        let range = piece * 512..length.min(piece * 512 + 512);
        let source = if random.chance(percent) { now } else { durable };
        for at in range {
            left[at] = source.get(at).copied().unwrap_or(0);
        }
    }
    left
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if mode != OpenMode::Read {
            self.check(Fault::Open)?;
        }
        let file = SystemDisk.open(path, mode)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Fault::Power)?;
        self.state().durable.remove(path);
        SystemDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Fault::Power)?;
        SystemDisk.rename(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.check(Fault::Sync)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.disk.check(Fault::Write) {
            self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.check(Fault::Write)?;
        self.file.set_len(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check(Fault::Sync)?;
        let mut content = vec![0; self.file.stat()?.bytes as usize];
        self.file.read_at(&mut content, 0)?;
        let mut state = self.disk.state();
        state.syncs += 1;
        state.durable.insert(self.path.clone(), content);
        Ok(())
    }
}

/// Small segments, and no threads.
pub fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 128 * 1024,
        segments_max: 3,
        has_threads: false,
        ..JournalOptions::new(Arc::new(|| 1_000_000))
    }
}

/// Starts a journal on what is there.
pub fn start(
    disk: &SimDisk,
    state: &Path,
    after_clean_stop: bool,
) -> stead_storage::Result<(LocalJournal, Recovery)> {
    let options = JournalOptions {
        after_clean_stop,
        ..options()
    };
    LocalJournal::open_on(Arc::new(disk.clone()), state, options, |_, _| Ok(()))
}
