//! What lies where in the segments that exist: for each object its last
//! commit, its records, and how far its database file is known to be complete.
//!
//! Bounded by the journal: an object is in it while it is open or has a record
//! in a segment that exists.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Weak;

use super::object_log::ObjectLog;
use super::record::{Chain, Kind, ObjectName, Record};
use super::segment::Place;
use crate::disk::Stat;
use crate::journal::record::Head;

/// A moment in the life of an object: its state after a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Counts the object's commits, for ever. 0 is the object that nobody
    /// wrote to.
    pub sequence: u64,
    /// Stands for everything the object wrote until then.
    pub chain: Chain,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// A record of a commit, or of part of one, in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) bytes: usize,
    pub(crate) point: Point,
    pub(crate) pages: u32,
    pub(crate) is_part: bool,
    pub(crate) is_restore: bool,
}

/// What is known of one object.
#[derive(Default)]
pub(crate) struct Known {
    /// The last whole commit.
    pub(crate) head: Point,
    /// The commit up to which the database file is complete.
    pub(crate) mark: u64,
    /// The segment of the last mark.
    pub(crate) mark_segment: u64,
    /// The state of the database file, if it was closed after the last commit.
    pub(crate) closed: Option<Stat>,
    /// The records in segments that exist, in order.
    pub(crate) records: Vec<Entry>,
    /// Records of a commit whose end is still to come.
    parts: Vec<Entry>,
    /// The checksum of a record that was archived while the end of its commit
    /// was not.
    pub(crate) tail: Option<Chain>,
    /// Why the object cannot be opened.
    pub(crate) damage: Option<String>,
    /// The same, while the end of a restore that makes it good is still to come.
    set_aside: Option<String>,
    /// Whether SQLite may have left something beside the file, or a page in it,
    /// that no mark covers.
    pub(crate) is_dirty: bool,
    /// Whether a database has the file open.
    pub(crate) is_open: bool,
    /// The object, while it is open.
    pub(crate) log: Weak<ObjectLog>,
}

impl Known {
    pub(crate) fn new(head: Point) -> Known {
        Known {
            head,
            mark: head.sequence,
            ..Known::default()
        }
    }

    /// The same past for a copy of the file, if all of it is in the journal.
    pub(crate) fn inherited(&self) -> Option<Known> {
        let is_whole = self
            .records
            .first()
            .is_some_and(|entry| entry.point.sequence == 1);
        if !is_whole || self.damage.is_some() {
            return None;
        }
        Some(Known {
            head: self.head,
            mark: self.mark,
            mark_segment: self.mark_segment,
            records: self.records.clone(),
            // Pages of the copy that no mark covers are written again.
            is_dirty: true,
            ..Known::default()
        })
    }

    /// The records that the database file may lack, in order.
    pub(crate) fn unmarked(&self) -> impl Iterator<Item = &Entry> {
        let mark = self.mark;
        self.records
            .iter()
            .filter(move |entry| entry.point.sequence > mark)
    }

    /// Takes a record in its turn. `file` names where it was read.
    pub(crate) fn note(
        &mut self,
        head: &Head,
        chain: Chain,
        entry: Entry,
        file: &dyn Fn() -> String,
    ) {
        if self.damage.is_some() {
            if !self.is_made_good_by(head) {
                return;
            }
            self.set_aside = self.damage.take();
        }
        let sequence = head.sequence;
        if let Kind::Mark(closed) = head.kind {
            if sequence > self.head.sequence {
                return self.broken(sequence, &head.name, file);
            }
            self.mark = self.mark.max(sequence);
            self.mark_segment = head.segment;
            // A file that was opened again meanwhile is not closed.
            self.closed = closed.filter(|_| sequence == self.head.sequence && !self.is_open);
            self.is_dirty &= self.closed.is_none();
            return;
        }
        if sequence <= self.head.sequence {
            // It was archived, and the segment not removed yet.
            if self.records.is_empty() && sequence <= self.mark {
                return;
            }
            return self.broken(sequence, &head.name, file);
        }
        let expected = self.parts.last().map(|part| part.point.chain);
        let expected = expected.or(self.tail);
        if sequence != self.head.sequence + 1 {
            return self.broken(sequence, &head.name, file);
        }
        if Some(head.previous) != expected {
            if head.previous != self.head.chain {
                return self.broken(sequence, &head.name, file);
            }
            // The parts before are of a commit that failed.
            self.parts.clear();
        }
        self.parts.push(entry);
        if !head.is_part() {
            self.head = Point {
                sequence,
                chain,
                time_ms: head.time_ms,
            };
            self.records.append(&mut self.parts);
            self.closed = None;
            self.tail = None;
            self.set_aside = None;
            self.is_dirty = true;
        }
    }

    /// Whether a record takes a damaged object on from its last whole commit: a restore
    /// has all pages, so what came after that commit counts no more.
    fn is_made_good_by(&self, head: &Head) -> bool {
        let is_next = head.sequence == self.head.sequence + 1 && head.previous == self.head.chain;
        is_next && head.is_restore() && matches!(head.kind, Kind::Commit)
    }

    /// Forgets the parts of a commit whose end will not come.
    pub(crate) fn drop_parts(&mut self) {
        self.parts.clear();
        if self.set_aside.is_some() {
            self.damage = self.set_aside.take();
        }
    }

    /// Whether a commit is known that comes after that place of the journal, and goes on
    /// from what came before.
    pub(crate) fn goes_on_after(&self, segment: u64, offset: u64) -> bool {
        let last = self.records.last().map(|entry| entry.place);
        last.is_some_and(|place| (place.segment, place.offset) > (segment, offset))
    }

    fn broken(&mut self, sequence: u64, name: &ObjectName, file: &dyn Fn() -> String) {
        let last = self.head.sequence;
        self.damage.get_or_insert_with(|| {
            format!(
                "{}: a record of object {name} is missing or damaged between its commits {last} and {sequence}; \
                 `stead verify` tells more, and `stead restore` takes the object back to a state from before",
                file()
            )
        });
    }
}

/// All objects of the journal's segments.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) objects: HashMap<ObjectName, Known>,
    /// The segments that exist, the current one included.
    pub(crate) segments: BTreeSet<u64>,
    /// Those of them in which something is damaged.
    pub(crate) damaged: BTreeSet<u64>,
    /// Whether a batch failed, and no segment could say yet that nothing of it
    /// counts. No object is opened until one does.
    pub(crate) is_unfenced: bool,
    /// Objects whose database files are being made complete by the keeper.
    pub(crate) busy: HashSet<ObjectName>,
}

impl Index {
    /// Forgets a segment that is removed, its records, and objects of which nothing
    /// is left.
    pub(crate) fn retire(&mut self, segment: u64) {
        self.segments.remove(&segment);
        self.damaged.remove(&segment);
        self.objects.retain(|_, known| {
            known.records.retain(|e| e.place.segment > segment);
            !known.records.is_empty()
                || known.mark_segment > segment
                || known.damage.is_some()
                || known.is_open
                || known.is_dirty
        });
    }

    /// The objects whose database files still need a record of segments up to
    /// this one.
    pub(crate) fn needing(&self, segment: u64) -> Vec<ObjectName> {
        let needs = |known: &Known| {
            known
                .unmarked()
                .next()
                .is_some_and(|entry| entry.place.segment <= segment)
        };
        let mut names: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, known)| known.damage.is_none() && needs(known))
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }
}

impl Entry {
    /// Where a record was found.
    pub(crate) fn of(record: &Record<'_>, offset: u64) -> Entry {
        Entry {
            place: Place {
                segment: record.head.segment,
                offset,
            },
            bytes: record.bytes.len(),
            point: Point {
                sequence: record.head.sequence,
                chain: record.chain,
                time_ms: record.head.time_ms,
            },
            pages: record.page_count() as u32,
            is_part: record.head.is_part(),
            is_restore: record.head.is_restore(),
        }
    }
}
