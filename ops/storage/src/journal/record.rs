//! One record of the journal, as bytes.
//!
//! ```text
//!   0 magic u32 · length u32 (all of it) · first offset of its batch u32 · kind u8 · flags u8 · key length u16
//!  16 segment u64 · sequence u64 · time in ms i64
//!  40 pages of the database u32 · pages here u32 · bytes of a page u32 · facet u16 · 0 u16
//!  56 checksum of the object's record before [16] · object id [32]
//! 104 unique key, padded to 8 · page numbers u32, padded to 8 · pages, or a mark's 24 bytes
//! end checksum of everything before [16]
//! ```
//!
//! Numbers are little-endian. The checksum covers the checksum of the record
//! before, so it stands for all of the object's past.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::ObjectId;
use crate::disk::Stat;

const MAGIC: u32 = u32::from_le_bytes(*b"SJR1");
const HEADER_BYTES: usize = 104;
const CHECKSUM_BYTES: usize = 16;
const MARK_BYTES: usize = 24;
/// Bytes of a record, at most; a larger commit is several records.
pub(crate) const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;

/// A checksum that stands for an object's records up to one of them.
pub type Chain = [u8; CHECKSUM_BYTES];

/// Which object of which namespace: what its files are named after.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The namespace's unique key.
    pub unique_key: Arc<str>,
    /// The object's id.
    pub id: ObjectId,
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.unique_key, self.id)
    }
}

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pages that a commit changed.
    Commit,
    /// The database file holds everything up to the sequence, durably. With
    /// the file's state if it was closed.
    Mark(Option<Stat>),
}

/// A commit that takes an object back to an earlier state.
pub(crate) const RESTORE: u8 = 1;
/// More records of the same commit follow.
pub(crate) const PART: u8 = 2;
const CLOSED: u8 = 4;

/// A record without its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: ObjectName,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) segment: u64,
    pub(crate) batch_start: u32,
    pub(crate) sequence: u64,
    pub(crate) time_ms: i64,
    /// Pages of the database after the commit.
    pub(crate) db_pages: u32,
    pub(crate) page_bytes: u32,
    pub(crate) previous: Chain,
}

impl Head {
    pub(crate) fn is_part(&self) -> bool {
        self.flags & PART != 0
    }

    pub(crate) fn is_restore(&self) -> bool {
        self.flags & RESTORE != 0
    }
}

/// Appends a record to `out`; returns its checksum. `pages` are the numbers
/// and, for each, its image.
pub(crate) fn encode<'p>(
    out: &mut Vec<u8>,
    head: &Head,
    pages: impl ExactSizeIterator<Item = (u32, &'p [u8])> + Clone,
) -> Chain {
    let start = out.len();
    debug_assert_eq!(start % ALIGNMENT, 0);
    let key = head.name.unique_key.as_bytes();
    let count = pages.len();
    let (kind, flags, mark) = match head.kind {
        Kind::Commit => (1u8, head.flags, None),
        Kind::Mark(None) => (2, 0, Some((0, 0))),
        Kind::Mark(Some(stat)) => (2, CLOSED, Some((stat.bytes, stat.modified_ns))),
    };
    let body = match mark {
        Some(_) => MARK_BYTES,
        None => pad(count * 4) + count * head.page_bytes as usize,
    };
    let length = HEADER_BYTES + pad(key.len()) + body + CHECKSUM_BYTES;
    assert!(
        length <= RECORD_BYTES_MAX,
        "a large commit is several records"
    );
    out.reserve(length);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&head.batch_start.to_le_bytes());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(&head.segment.to_le_bytes());
    out.extend_from_slice(&head.sequence.to_le_bytes());
    out.extend_from_slice(&head.time_ms.to_le_bytes());
    out.extend_from_slice(&head.db_pages.to_le_bytes());
    out.extend_from_slice(&(count as u32).to_le_bytes());
    out.extend_from_slice(&head.page_bytes.to_le_bytes());
    out.extend_from_slice(&head.name.id.facet().to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&head.previous);
    out.extend_from_slice(head.name.id.as_bytes());
    out.extend_from_slice(key);
    out.resize(start + HEADER_BYTES + pad(key.len()), 0);
    if let Some((bytes, modified)) = mark {
        out.extend_from_slice(&bytes.to_le_bytes());
        out.extend_from_slice(&modified.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    } else {
        let numbers = out.len();
        for (number, _) in pages.clone() {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(numbers + pad(count * 4), 0);
        for (_, image) in pages {
            debug_assert_eq!(image.len(), head.page_bytes as usize);
            out.extend_from_slice(image);
        }
    }
    let chain = xxh3_128(&out[start..]).to_le_bytes();
    out.extend_from_slice(&chain);
    debug_assert_eq!(out.len() - start, length);
    chain
}

/// Bytes of a record with so many pages of that size, at most.
pub(crate) fn encoded_bytes(name: &ObjectName, pages: usize, page_bytes: usize) -> usize {
    HEADER_BYTES
        + pad(name.unique_key.len())
        + pad(pages * 4)
        + pages * page_bytes
        + MARK_BYTES
        + CHECKSUM_BYTES
}

/// A record whose checksum is right, where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Record<'b> {
    pub(crate) head: Head,
    /// Its own checksum.
    pub(crate) chain: Chain,
    /// All of its bytes.
    pub(crate) bytes: &'b [u8],
    count: usize,
    numbers: usize,
}

impl<'b> Record<'b> {
    /// The record at the beginning of `bytes`; `None` when there is none or a
    /// bit of it is wrong.
    pub(crate) fn decode(bytes: &'b [u8]) -> Option<Record<'b>> {
        let length = length_of(bytes)?;
        let bytes = bytes.get(..length)?;
        let (covered, chain) = bytes.split_at(length - CHECKSUM_BYTES);
        if xxh3_128(covered).to_le_bytes() != chain {
            return None;
        }
        let chain = chain.try_into().ok()?;
        let (head, count) = parse_head(bytes)?;
        let numbers = HEADER_BYTES + pad(head.name.unique_key.len());
        let body = match head.kind {
            Kind::Mark(_) => MARK_BYTES,
            Kind::Commit => {
                let pages = count.checked_mul(head.page_bytes as usize)?;
                pad(count.checked_mul(4)?).checked_add(pages)?
            }
        };
        (numbers + body + CHECKSUM_BYTES == length).then_some(Record {
            head,
            chain,
            bytes,
            count,
            numbers,
        })
    }

    /// Each page's number, from 1, and its image.
    pub(crate) fn pages(&self) -> impl ExactSizeIterator<Item = (u32, &'b [u8])> + '_ {
        let size = self.head.page_bytes as usize;
        let images = self.numbers + pad(self.count * 4);
        (0..self.count).map(move |index| {
            let number = u32_at(self.bytes, self.numbers + index * 4);
            let at = images + index * size;
            (number, &self.bytes[at..at + size])
        })
    }

    /// How many pages it holds.
    pub(crate) fn page_count(&self) -> usize {
        self.count
    }
}

/// The length a record claims, if it may be one.
pub(crate) fn length_of(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER_BYTES || u32_at(bytes, 0) != MAGIC {
        return None;
    }
    let length = u32_at(bytes, 4) as usize;
    let fits = (HEADER_BYTES + CHECKSUM_BYTES + ALIGNMENT..=RECORD_BYTES_MAX).contains(&length);
    (fits && length.is_multiple_of(ALIGNMENT)).then_some(length)
}

/// Whose record this seems to be, though a bit of it is wrong.
pub(crate) fn claimed_name(bytes: &[u8]) -> Option<ObjectName> {
    length_of(bytes)?;
    parse_head(bytes).map(|(head, _)| head.name)
}

fn parse_head(bytes: &[u8]) -> Option<(Head, usize)> {
    let key_bytes = u16::from_le_bytes(bytes.get(14..16)?.try_into().ok()?) as usize;
    let key = bytes.get(HEADER_BYTES..HEADER_BYTES + key_bytes)?;
    let unique_key = std::str::from_utf8(key).ok()?;
    let flags = bytes[13];
    let kind = match bytes[12] {
        1 => Kind::Commit,
        2 if flags & CLOSED == 0 => Kind::Mark(None),
        2 => {
            let at = HEADER_BYTES + pad(key_bytes);
            let body = bytes.get(at..at + MARK_BYTES)?;
            Kind::Mark(Some(Stat {
                bytes: u64_at(body, 0),
                modified_ns: u64_at(body, 8) as i64,
            }))
        }
        _ => return None,
    };
    let page_bytes = u32_at(bytes, 48);
    if kind == Kind::Commit
        && !(page_bytes.is_power_of_two() && (512..=65536).contains(&page_bytes))
    {
        return None;
    }
    let head = Head {
        name: ObjectName {
            unique_key: unique_key.into(),
            id: ObjectId::from_bytes(bytes[72..104].try_into().ok()?)
                .with_facet(u16::from_le_bytes([bytes[52], bytes[53]])),
        },
        kind,
        flags: flags & (RESTORE | PART),
        batch_start: u32_at(bytes, 8),
        segment: u64_at(bytes, 16),
        sequence: u64_at(bytes, 24),
        time_ms: u64_at(bytes, 32) as i64,
        db_pages: u32_at(bytes, 40),
        page_bytes,
        previous: bytes[56..72].try_into().ok()?,
    };
    Some((head, u32_at(bytes, 44) as usize))
}

fn pad(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdKey;

    fn head(kind: Kind) -> Head {
        Head {
            name: ObjectName {
                unique_key: "ns-Room".into(),
                id: IdKey::new("ns").from_name("a"),
            },
            kind,
            flags: 0,
            segment: 3,
            batch_start: 64,
            sequence: 9,
            time_ms: 1_700_000_000_000,
            db_pages: 7,
            page_bytes: if kind == Kind::Commit { 512 } else { 0 },
            previous: [5; 16],
        }
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let pages = [(1u32, vec![1u8; 512]), (7, vec![2; 512]), (3, vec![3; 512])];
        let mut bytes = Vec::new();
        let head = head(Kind::Commit);
        let chain = encode(
            &mut bytes,
            &head,
            pages.iter().map(|(n, image)| (*n, &image[..])),
        );
        let record = Record::decode(&bytes).unwrap();
        assert_eq!((&record.head, record.chain), (&head, chain));
        let decoded: Vec<_> = record.pages().map(|(n, i)| (n, i.to_vec())).collect();
        assert_eq!(decoded, pages);
        assert_eq!(claimed_name(&bytes), Some(head.name));
    }

    #[test]
    fn marks_tell_the_state_of_the_file() {
        let stat = Stat {
            bytes: 8192,
            modified_ns: -5,
        };
        for kind in [Kind::Mark(None), Kind::Mark(Some(stat))] {
            let mut bytes = Vec::new();
            encode(&mut bytes, &head(kind), std::iter::empty());
            assert_eq!(Record::decode(&bytes).unwrap().head.kind, kind);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let image = [9u8; 512];
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            &head(Kind::Commit),
            [(1, &image[..])].into_iter(),
        );
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&bytes).is_none(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_none(), "{length} bytes");
        }
    }
}
