//! A whole database after one commit, compressed.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::catalog::Generation;
use super::file::{History, damaged};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::journal::{ObjectName, Point};
use crate::{Result, StorageError};

const MAGIC: &[u8; 8] = b"STEADBS1";
const HEADER_BYTES: usize = 64;
const LEVEL: i32 = 3;
const STEP_BYTES: usize = 1024 * 1024;

impl History {
    /// Makes a base of the database file `source`, durably. The catalog does
    /// not know of it yet.
    pub(crate) fn write_base(
        &self,
        name: &ObjectName,
        point: Point,
        source: &dyn DiskFile,
    ) -> Result<Generation> {
        let path = self.base_path(name, point.sequence);
        let write = || {
            self.disk.create_dir(&self.object_dir(name))?;
            let bytes = write(&*self.disk, &path, point, source)?;
            self.disk.sync_dir(&self.object_dir(name))?;
            Ok(bytes)
        };
        let base_bytes = write().map_err(|error| StorageError::io(&path, error))?;
        Ok(Generation {
            base: point,
            base_bytes,
            log_bytes: 0,
            last_sequence: point.sequence,
            last_time_ms: point.time_ms,
        })
    }

    /// Unpacks a generation's base into `target`; nothing if it has none.
    pub(crate) fn read_base(
        &self,
        name: &ObjectName,
        generation: &Generation,
        target: &dyn DiskFile,
    ) -> Result<()> {
        let path = self.base_path(name, generation.base.sequence);
        let failed = |error| StorageError::io(&path, error);
        target.set_len(0).map_err(failed)?;
        if generation.base_bytes == 0 {
            return Ok(());
        }
        let file = self.disk.open(&path, OpenMode::Read).map_err(failed)?;
        match read(file, generation.base, target) {
            Ok(true) => Ok(()),
            Ok(false) => Err(damaged(&path, "the base is damaged")),
            Err(error) => Err(failed(error)),
        }
    }
}

fn write(disk: &dyn Disk, path: &Path, point: Point, source: &dyn DiskFile) -> io::Result<u64> {
    let file = disk.open(path, OpenMode::Empty)?;
    let output = Appending {
        file: file.clone(),
        at: HEADER_BYTES as u64,
    };
    let mut encoder = zstd::stream::write::Encoder::new(output, LEVEL)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; STEP_BYTES];
    let mut at = 0;
    loop {
        let read = source.read_at(&mut buffer, at)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        encoder.write_all(&buffer[..read])?;
        at += read as u64;
    }
    let output = encoder.finish()?;
    file.write_all_at(&header(point, hash.digest128().to_le_bytes()), 0)?;
    file.sync()?;
    Ok(output.at)
}

/// Whether the base was whole.
fn read(file: Arc<dyn DiskFile>, point: Point, target: &dyn DiskFile) -> io::Result<bool> {
    let mut found = [0; HEADER_BYTES];
    file.read_exact_at(&mut found, 0)?;
    let mut decoder = zstd::stream::read::Decoder::new(Reading {
        file,
        at: HEADER_BYTES as u64,
    })?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; STEP_BYTES];
    let mut at = 0;
    loop {
        let read = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(_) => return Ok(false),
        };
        hash.update(&buffer[..read]);
        target.write_all_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(found == header(point, hash.digest128().to_le_bytes()))
}

fn header(point: Point, content: [u8; 16]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&point.sequence.to_le_bytes());
    bytes[16..32].copy_from_slice(&point.chain);
    bytes[32..48].copy_from_slice(&content);
    let checksum = xxh3_128(&bytes[..48]).to_le_bytes();
    bytes[48..].copy_from_slice(&checksum);
    bytes
}

struct Appending {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Reading {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
