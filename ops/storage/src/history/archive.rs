//! The log of a generation: records as the journal had them, in compressed
//! blocks.
//!
//! ```text
//!  0 magic u32 · compressed bytes u32 · bytes u32 · records u32
//! 16 first sequence u64 · last sequence u64 · first time i64 · last time i64
//! 48 checksum of the above and the rest [16] · compressed records
//! ```

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::catalog::Generation;
use super::file::{History, damaged};
use crate::disk::{DiskFile, OpenMode};
use crate::journal::record::{Record, u32_at, u64_at};
use crate::journal::{Entry, ObjectName, Point};
use crate::{Result, StorageError};

const MAGIC: u32 = u32::from_le_bytes(*b"SJA1");
const HEADER_BYTES: usize = 64;
const LEVEL: i32 = 3;
/// Bytes of records that make a block, about.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Bytes that a block may unpack to: its records and one more.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + crate::journal::record::RECORD_BYTES_MAX;

/// The records of one object that are archived together, in order.
pub(crate) struct Archived<'a> {
    pub(crate) name: &'a ObjectName,
    pub(crate) entries: &'a [Entry],
    /// The file of the segment they are in.
    pub(crate) segment: &'a dyn DiskFile,
}

/// The header of a block.
pub(crate) struct Block {
    at: u64,
    compressed: usize,
    bytes: usize,
    pub(crate) first: (u64, i64),
    pub(crate) last: (u64, i64),
}

impl History {
    /// Adds records to the log of an object's last generation, which is made
    /// if there is none. Nothing is durable yet; the returned file is to be
    /// synced before the returned generation goes into the catalog.
    pub(crate) fn append(
        &self,
        archived: &Archived<'_>,
    ) -> Result<(Arc<dyn DiskFile>, Generation)> {
        let name = archived.name;
        let mut generation = match self.catalog.generations(name)?.pop() {
            Some(generation) => generation,
            None => Generation {
                base: Point::default(),
                base_bytes: 0,
                log_bytes: 0,
                last_sequence: 0,
                last_time_ms: archived.entries[0].point.time_ms,
            },
        };
        let path = self.log_path(name, generation.base.sequence);
        let append = |generation: &mut Generation| {
            self.disk.create_dir(&self.object_dir(name))?;
            let file = self.disk.open(&path, OpenMode::Create)?;
            // What was being added when a process ended does not count.
            file.set_len(generation.log_bytes)?;
            let mut block = Vec::new();
            let mut from = 0;
            for (at, entry) in archived.entries.iter().enumerate() {
                let start = block.len();
                block.resize(start + entry.bytes, 0);
                archived
                    .segment
                    .read_exact_at(&mut block[start..], entry.place.offset)?;
                if block.len() >= BLOCK_BYTES || at + 1 == archived.entries.len() {
                    let bytes = encode(&block, &archived.entries[from..=at])?;
                    file.write_all_at(&bytes, generation.log_bytes)?;
                    generation.log_bytes += bytes.len() as u64;
                    block.clear();
                    from = at + 1;
                }
                generation.last_sequence = entry.point.sequence;
                generation.last_time_ms = entry.point.time_ms;
            }
            self.disk.sync_dir(&self.object_dir(name))?;
            Ok(file)
        };
        let file = append(&mut generation).map_err(|error| StorageError::io(&path, error))?;
        Ok((file, generation))
    }

    /// The headers of a generation's blocks, in order.
    pub(crate) fn blocks(&self, name: &ObjectName, generation: &Generation) -> Result<Vec<Block>> {
        let path = self.log_path(name, generation.base.sequence);
        if generation.log_bytes == 0 {
            return Ok(Vec::new());
        }
        let failed = |error| StorageError::io(&path, error);
        let file = self.disk.open(&path, OpenMode::Read).map_err(failed)?;
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < generation.log_bytes {
            let mut header = [0; HEADER_BYTES];
            file.read_exact_at(&mut header, at).map_err(failed)?;
            let block = Block {
                at,
                compressed: u32_at(&header, 4) as usize,
                bytes: u32_at(&header, 8) as usize,
                first: (u64_at(&header, 16), u64_at(&header, 32) as i64),
                last: (u64_at(&header, 24), u64_at(&header, 40) as i64),
            };
            at += (HEADER_BYTES + block.compressed) as u64;
            if u32_at(&header, 0) != MAGIC
                || block.bytes > BLOCK_BYTES_MAX
                || at > generation.log_bytes
            {
                return Err(damaged(
                    &path,
                    &format!("the block at byte {} is damaged", block.at),
                ));
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Hands each record of a block to `visit`.
    pub(crate) fn read_block(
        &self,
        name: &ObjectName,
        generation: &Generation,
        block: &Block,
        mut visit: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let path = self.log_path(name, generation.base.sequence);
        let failed = |error| StorageError::io(&path, error);
        let wrong = || damaged(&path, &format!("the block at byte {} is damaged", block.at));
        let file = self.disk.open(&path, OpenMode::Read).map_err(failed)?;
        let mut bytes = vec![0; HEADER_BYTES + block.compressed];
        file.read_exact_at(&mut bytes, block.at).map_err(failed)?;
        if checksum(&bytes) != bytes[48..64] {
            return Err(wrong());
        }
        let records = zstd::bulk::decompress(&bytes[HEADER_BYTES..], block.bytes);
        let records = records.map_err(|_| wrong())?;
        let mut rest = &records[..];
        while !rest.is_empty() {
            let record = Record::decode(rest).ok_or_else(wrong)?;
            visit(&record)?;
            rest = &rest[record.bytes.len()..];
        }
        Ok(())
    }
}

fn encode(records: &[u8], entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let (first, last) = (&entries[0].point, &entries[entries.len() - 1].point);
    let compressed = zstd::bulk::compress(records, LEVEL)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + compressed.len());
    for value in [
        MAGIC,
        compressed.len() as u32,
        records.len() as u32,
        entries.len() as u32,
    ] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&first.sequence.to_le_bytes());
    bytes.extend_from_slice(&last.sequence.to_le_bytes());
    bytes.extend_from_slice(&first.time_ms.to_le_bytes());
    bytes.extend_from_slice(&last.time_ms.to_le_bytes());
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&compressed);
    let sum = checksum(&bytes);
    bytes[48..64].copy_from_slice(&sum);
    Ok(bytes)
}

fn checksum(block: &[u8]) -> [u8; 16] {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&xxh3_128(&block[..48]).to_le_bytes());
    hash.update(&block[HEADER_BYTES..]);
    hash.digest128().to_le_bytes()
}
