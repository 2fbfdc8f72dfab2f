//! A bookmark: a moment in the life of one object, as text.
//!
//! The platform's form, four groups of 8, 8, 8 and 32 hexadecimal digits, which
//! sort in the order of time. The first two are the commit's number, the third
//! tells the two kinds apart, and the last is the checksum that stands for all
//! that the object wrote until then: so a bookmark of another object, or one
//! with a wrong digit, is told.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#pitr-point-in-time-recovery-api>

use std::fmt;
use std::str::FromStr;

use crate::StorageError;
use crate::journal::{Chain, Point};

/// A moment in the life of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bookmark {
    /// The number of the commit after which it is.
    pub sequence: u64,
    /// Whether it is the last moment before the next restore, rather than the
    /// one right after the commit.
    pub before_restore: bool,
    /// The checksum of the object's commits until then.
    pub chain: Chain,
}

/// The third group of a bookmark that means the moment before a restore.
const BEFORE_RESTORE: u32 = u32::MAX;

impl Bookmark {
    /// The moment right after a commit.
    pub fn after(point: Point) -> Bookmark {
        Bookmark {
            sequence: point.sequence,
            before_restore: false,
            chain: point.chain,
        }
    }

    /// The last moment before the first restore that follows a commit: what
    /// undoes that restore.
    pub fn before_restore_after(point: Point) -> Bookmark {
        Bookmark {
            before_restore: true,
            ..Bookmark::after(point)
        }
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.before_restore {
            BEFORE_RESTORE
        } else {
            0
        };
        let (high, low) = (self.sequence >> 32, self.sequence & 0xffff_ffff);
        write!(
            f,
            "{high:08x}-{low:08x}-{kind:08x}-{}",
            hex::encode(self.chain)
        )
    }
}

impl FromStr for Bookmark {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Bookmark, StorageError> {
        parse(text).ok_or_else(|| {
            StorageError::Type(format!(
                "`{text}` is not a bookmark: 8, 8, 8 and 32 lower-case hexadecimal digits with hyphens between are needed"
            ))
        })
    }
}

fn parse(text: &str) -> Option<Bookmark> {
    let groups: Vec<&str> = text.split('-').collect();
    let [high, low, kind, chain] = groups[..] else {
        return None;
    };
    let number = |group: &str| {
        let digits = group.len() == 8 && group.bytes().all(is_digit);
        digits
            .then(|| u32::from_str_radix(group, 16).ok())
            .flatten()
    };
    let (high, low, kind) = (number(high)?, number(low)?, number(kind)?);
    if !chain.bytes().all(is_digit) || !(kind == 0 || kind == BEFORE_RESTORE) {
        return None;
    }
    let mut checksum = [0; 16];
    hex::decode_to_slice(chain, &mut checksum).ok()?;
    Some(Bookmark {
        sequence: u64::from(high) << 32 | u64::from(low),
        before_restore: kind == BEFORE_RESTORE,
        chain: checksum,
    })
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(sequence: u64, byte: u8) -> Point {
        Point {
            sequence,
            chain: [byte; 16],
            time_ms: 0,
        }
    }

    #[test]
    fn a_bookmark_survives_its_text_and_sorts_by_time() {
        let mut texts = Vec::new();
        for (sequence, byte) in [(0, 0), (1, 0xff), (2, 0xab), (0xffff_ffff, 9), (1 << 40, 3)] {
            for bookmark in [
                Bookmark::after(point(sequence, byte)),
                Bookmark::before_restore_after(point(sequence, byte)),
            ] {
                let text = bookmark.to_string();
                assert_eq!(text.parse::<Bookmark>().unwrap(), bookmark);
                assert_eq!(text.len(), 59);
                texts.push(text);
            }
        }
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn what_is_no_bookmark_is_refused() {
        let good = Bookmark::after(point(7, 7)).to_string();
        let upper = Bookmark::after(point(7, 0xab)).to_string().to_uppercase();
        for wrong in [
            "",
            "-",
            &good[1..],
            &format!("{good}0"),
            &format!("{good}-"),
            &good.replace("-00000000-", "-00000001-"),
            &good.replace('7', "g"),
            &good.replacen('0', "+", 1),
            &upper,
        ] {
            let error = wrong.parse::<Bookmark>().unwrap_err();
            assert!(error.to_string().contains("is not a bookmark"), "{error}");
        }
    }
}
