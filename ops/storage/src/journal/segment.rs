//! One file of the journal: its name, its header, and reading it from end to
//! end.
//!
//! The header names the place from which the segment goes on. Between that
//! place and the segment everything is void: it belonged to a batch that
//! failed, and whose commits were refused.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::record::{self, ALIGNMENT, ObjectName, Record, u64_at};

const MAGIC: &[u8; 8] = b"STEADJR1";
/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 64;

/// A position in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The file of a segment.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016}.log"))
}

/// The number of a segment, from its file's name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 16).then(|| digits.parse().ok()).flatten()
}

/// A header, as bytes.
pub(crate) fn encode_header(number: u64, resume: Place) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for value in [number, resume.segment, resume.offset, 0, 0] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let checksum = xxh3_128(&bytes).to_le_bytes();
    bytes.extend_from_slice(&checksum);
    debug_assert_eq!(bytes.len() as u64, HEADER_BYTES);
    bytes
}

/// The place from which the segment goes on, if the header is whole and the
/// segment's own.
pub(crate) fn decode_header(bytes: &[u8], number: u64) -> Option<Place> {
    let bytes = bytes.get(..HEADER_BYTES as usize)?;
    let (covered, checksum) = bytes.split_at(HEADER_BYTES as usize - 16);
    let whole = &bytes[..8] == MAGIC && xxh3_128(covered).to_le_bytes() == checksum;
    (whole && u64_at(bytes, 8) == number).then(|| Place {
        segment: u64_at(bytes, 16),
        offset: u64_at(bytes, 24),
    })
}

/// Bytes that should be whole records and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Whose record it seems to be.
    pub(crate) name: Option<ObjectName>,
}

/// What reading a segment found besides records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the last whole record ends.
    pub(crate) end: u64,
    /// Bytes after that which were not made durable before the process ended.
    pub(crate) torn: u64,
    pub(crate) damage: Vec<Damage>,
}

/// Reads the records of a segment in their order. `limit` is where the next
/// segment says that this one ends; in the last one, `None`, a batch that was
/// being written when the process ended may be there in part.
///
/// Part of an unfinished batch is told from damage by what follows: a batch is
/// written only when the one before is durable, and each record says where its
/// batch begins.
pub(crate) fn scan<'b>(
    bytes: &'b [u8],
    number: u64,
    limit: Option<u64>,
    mut visit: impl FnMut(u64, &Record<'b>),
) -> Scanned {
    let end = limit.map_or(bytes.len(), |limit| bytes.len().min(limit as usize));
    let bytes = &bytes[..end];
    let mut scanned = Scanned::default();
    let mut at = HEADER_BYTES as usize;
    scanned.end = at as u64;
    let whole = |at: usize| {
        let record = Record::decode(bytes.get(at..)?)?;
        (record.head.segment == number).then_some(record)
    };
    while at < bytes.len() {
        if let Some(record) = whole(at) {
            visit(at as u64, &record);
            at += record.bytes.len();
            scanned.end = at as u64;
            continue;
        }
        let mut next = None;
        let mut is_damage = limit.is_some();
        let mut ahead = at + ALIGNMENT;
        while ahead + ALIGNMENT <= bytes.len() && (next.is_none() || !is_damage) {
            match whole(ahead) {
                Some(record) => {
                    next.get_or_insert(ahead);
                    is_damage |= u64::from(record.head.batch_start) > at as u64;
                    ahead += record.bytes.len();
                }
                None => ahead += ALIGNMENT,
            }
        }
        if !is_damage {
            let rest = &bytes[at..];
            let written = rest.iter().rposition(|byte| *byte != 0);
            scanned.torn = written.map_or(0, |last| last as u64 + 1);
            break;
        }
        let to = next.unwrap_or(bytes.len());
        scanned.damage.push(Damage {
            from: at as u64,
            to: to as u64,
            name: record::claimed_name(&bytes[at..]),
        });
        at = to;
    }
    if let Some(limit) = limit.filter(|limit| (bytes.len() as u64) < *limit) {
        scanned.damage.push(Damage {
            from: bytes.len() as u64,
            to: limit,
            name: None,
        });
    }
    scanned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdKey;
    use crate::journal::record::{Head, Kind, encode};

    /// A segment of one-page records: (batch, sequence).
    fn segment(records: &[(u32, u64)]) -> (Vec<u8>, Vec<usize>) {
        let resume = Place {
            segment: 0,
            offset: 0,
        };
        let mut bytes = encode_header(1, resume);
        let mut starts = Vec::new();
        let (mut batch, mut batch_start) = (0, 0);
        for (of, sequence) in records {
            if *of != batch {
                (batch, batch_start) = (*of, bytes.len() as u32);
            }
            starts.push(bytes.len());
            let head = Head {
                name: ObjectName {
                    unique_key: "ns".into(),
                    id: IdKey::new("ns").from_name("a"),
                },
                kind: Kind::Commit,
                flags: 0,
                segment: 1,
                batch_start,
                sequence: *sequence,
                time_ms: 0,
                db_pages: 1,
                page_bytes: 512,
                previous: [0; 16],
            };
            encode(&mut bytes, &head, [(1, &[7u8; 512][..])].into_iter());
        }
        (bytes, starts)
    }

    #[track_caller]
    fn check(bytes: &[u8], limit: Option<u64>, found: &[u64], torn: bool, damage: usize) {
        let mut sequences = Vec::new();
        let scanned = scan(bytes, 1, limit, |_, record| {
            sequences.push(record.head.sequence)
        });
        assert_eq!(sequences, found);
        assert_eq!((scanned.torn > 0, scanned.damage.len()), (torn, damage));
    }

    #[test]
    fn a_torn_batch_is_cut_and_damage_before_it_is_not() {
        let (bytes, starts) = segment(&[(1, 1), (1, 2), (2, 3), (2, 4)]);
        check(&bytes, None, &[1, 2, 3, 4], false, 0);
        check(&bytes[..bytes.len() - 1], None, &[1, 2, 3], true, 0);
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at + 200] ^= 1;
            bytes
        };
        // The last batch may have reached the disk in any part.
        check(&flipped(starts[2]), None, &[1, 2], true, 0);
        check(&flipped(starts[3]), None, &[1, 2, 3], true, 0);
        // The one before was durable when the last one was written.
        check(&flipped(starts[0]), None, &[2, 3, 4], false, 1);
        check(&flipped(starts[1]), None, &[1, 3, 4], false, 1);
        // Where a later segment goes on, everything was durable.
        let limit = Some(bytes.len() as u64);
        check(&flipped(starts[3]), limit, &[1, 2, 3], false, 1);
        check(&bytes[..starts[3]], limit, &[1, 2, 3], false, 1);
        check(&bytes, Some(starts[2] as u64), &[1, 2], false, 0);
    }

    #[test]
    fn zeros_that_were_never_written_are_not_torn() {
        let (mut bytes, _) = segment(&[(1, 1)]);
        bytes.resize(4096, 0);
        check(&bytes, None, &[1], false, 0);
    }

    #[test]
    fn a_header_is_whole_and_of_its_own_segment() {
        let resume = Place {
            segment: 6,
            offset: 99,
        };
        let mut bytes = encode_header(7, resume);
        assert_eq!(decode_header(&bytes, 7), Some(resume));
        assert_eq!(decode_header(&bytes, 8), None);
        bytes[20] ^= 1;
        assert_eq!(decode_header(&bytes, 7), None);
        assert_eq!(number_of("0000000000000007.log"), Some(7));
        assert_eq!(number_of("7.log"), None);
    }
}
