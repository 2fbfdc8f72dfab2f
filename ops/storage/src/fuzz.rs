//! What reads bytes that nobody vouches for, as fuzz targets and the tests of
//! their corpora call it. Each of these returns, whatever it is given, or
//! panics when what it read contradicts itself.

use crate::Bookmark;
use crate::journal::{record, segment};

/// Where a segment's header has its number.
const NUMBER_AT: usize = 8;

/// Reads a segment of the journal, as the last one and as one that another
/// follows; how many records it holds.
pub fn journal(bytes: &[u8]) -> usize {
    if bytes.len() < segment::HEADER_BYTES as usize {
        return 0;
    }
    let number = record::u64_at(bytes, NUMBER_AT);
    // Whether there is a header is said at the start; records are looked for all the same.
    let _ = segment::decode_header(bytes, number);
    let read = |limit: Option<u64>| {
        let mut records = 0;
        let mut end = segment::HEADER_BYTES;
        let scanned = segment::scan(bytes, number, limit, |at, record| {
            assert!(at >= end && at + record.bytes.len() as u64 <= bytes.len() as u64);
            end = at + record.bytes.len() as u64;
            let pages = record.pages().filter(|(_, image)| !image.is_empty());
            assert!(pages.count() <= record.page_count());
            records += 1;
        });
        assert!(
            scanned.end + scanned.torn <= bytes.len().max(segment::HEADER_BYTES as usize) as u64
        );
        records
    };
    let as_last = read(None);
    let as_other = read(Some(bytes.len() as u64));
    assert!(
        as_last <= as_other,
        "a torn end hides records, damage does not"
    );
    as_other
}

/// Reads a bookmark; whether it is one. One that is read is written as it was.
pub fn bookmark(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(bookmark) = text.parse::<Bookmark>() else {
        return false;
    };
    assert_eq!(bookmark.to_string(), text);
    true
}
