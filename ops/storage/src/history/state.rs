//! The moments of an object's past, and the database at any of them: from the
//! archive and from the journal's segments together.

use std::path::Path;

use super::archive::Block;
use super::catalog::Generation;
use super::file::History;
use crate::bookmark::Bookmark;
use crate::disk::DiskFile;
use crate::journal::record::Record;
use crate::journal::{Chain, Entry, ObjectName, Point, Reader, apply};
use crate::{Result, StorageError};

/// A commit in an object's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The commit.
    pub point: Point,
    /// Pages that it changed.
    pub pages: u32,
    /// Whether it took the object back to an earlier state.
    pub is_restore: bool,
}

/// Applies records to a file, and refuses one that does not follow.
pub(crate) struct Replay<'f> {
    target: &'f dyn DiskFile,
    /// The last whole commit that was applied.
    pub(crate) point: Point,
    part: Option<Chain>,
}

impl<'f> Replay<'f> {
    /// Goes on after `point`, whose database `target` holds.
    pub(crate) fn new(target: &'f dyn DiskFile, point: Point) -> Replay<'f> {
        Replay {
            target,
            point,
            part: None,
        }
    }

    /// Applies the next record. One that was applied before is left out.
    pub(crate) fn apply(&mut self, name: &ObjectName, record: &Record<'_>) -> Result<()> {
        let head = &record.head;
        if head.sequence <= self.point.sequence {
            return Ok(());
        }
        let follows = head.sequence == self.point.sequence + 1
            && (Some(head.previous) == self.part || head.previous == self.point.chain)
            // A copy of an object's file has the records of the original.
            && head.name.id == name.id;
        if !follows {
            return Err(StorageError::Sql(format!(
                "the history of object {name} is broken after its commit {}",
                self.point.sequence
            )));
        }
        apply(self.target, record)
            .map_err(|error| StorageError::io(Path::new("history"), error))?;
        if head.is_part() {
            self.part = Some(record.chain);
            return Ok(());
        }
        self.part = None;
        self.point = Point {
            sequence: head.sequence,
            chain: record.chain,
            time_ms: head.time_ms,
        };
        Ok(())
    }
}

/// What an object's past is read from.
pub(crate) struct Past<'a> {
    pub(crate) history: &'a History,
    pub(crate) name: &'a ObjectName,
    /// Its records in the journal's segments.
    pub(crate) live: &'a [Entry],
    /// The journal's directory.
    pub(crate) journal: &'a Path,
    pub(crate) generations: Vec<Generation>,
    /// The last commit.
    pub(crate) head: Point,
}

impl Past<'_> {
    /// The first moment to which the object can go back; `None` if there is
    /// none.
    pub(crate) fn first(&self) -> Option<Point> {
        match (self.generations.first(), self.live.first()) {
            (Some(generation), _) => Some(generation.base),
            (None, Some(entry)) if entry.point.sequence == 1 => Some(Point::default()),
            (None, None) if self.head.sequence == 0 => Some(Point::default()),
            _ => None,
        }
    }

    /// Hands every moment from `from` on to `visit`, in order, until it answers
    /// `false`.
    pub(crate) fn each(&self, from: u64, mut visit: impl FnMut(Moment) -> bool) -> Result<()> {
        let mut last = 0;
        let mut pages = 0;
        let mut step = |point: Point, count: u32, is_part: bool, is_restore: bool| {
            if point.sequence <= last || point.sequence < from {
                return true;
            }
            pages += count;
            if is_part {
                return true;
            }
            last = point.sequence;
            visit(Moment {
                point,
                pages: std::mem::take(&mut pages),
                is_restore,
            })
        };
        for (at, generation) in self.generations.iter().enumerate() {
            let next = self.generations.get(at + 1);
            if next.is_some_and(|next| next.base.sequence < from) {
                continue;
            }
            let base = generation.base;
            if base.sequence > 0 && !step(base, 0, false, false) {
                return Ok(());
            }
            for block in self.history.blocks(self.name, generation)? {
                if block.last.0 < from {
                    continue;
                }
                let mut goes_on = true;
                self.history
                    .read_block(self.name, generation, &block, |record| {
                        let point = point_of(record);
                        let count = record.page_count() as u32;
                        let head = &record.head;
                        goes_on = goes_on && step(point, count, head.is_part(), head.is_restore());
                        Ok(())
                    })?;
                if !goes_on {
                    return Ok(());
                }
            }
        }
        for entry in self.live {
            if !step(entry.point, entry.pages, entry.is_part, entry.is_restore) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The last moment not after a time.
    ///
    /// # Errors
    /// [`StorageError::Range`] for a time of which nothing is kept.
    pub(crate) fn at_time(&self, time_ms: i64) -> Result<Point> {
        if let Some(entry) = self
            .live
            .iter()
            .rfind(|e| !e.is_part && e.point.time_ms <= time_ms)
        {
            return Ok(entry.point);
        }
        for generation in self.generations.iter().rev() {
            if generation.base.time_ms > time_ms && generation.base.sequence > 0 {
                continue;
            }
            let blocks = self.history.blocks(self.name, generation)?;
            let before = |block: &Block| block.first.1 <= time_ms;
            for block in blocks.iter().rev().filter(|block| before(block)) {
                let mut found = None;
                self.history
                    .read_block(self.name, generation, block, |record| {
                        if !record.head.is_part() && record.head.time_ms <= time_ms {
                            found = Some(point_of(record));
                        }
                        Ok(())
                    })?;
                if let Some(point) = found {
                    return Ok(point);
                }
            }
            return Ok(generation.base);
        }
        match self.first() {
            Some(first) if first.sequence == 0 => Ok(first),
            first => Err(outside(self.name, first)),
        }
    }

    /// The commit that a bookmark means.
    ///
    /// # Errors
    /// [`StorageError::Range`] for one of which nothing is kept, and
    /// [`StorageError::Type`] for one that is not the object's.
    pub(crate) fn resolve(&self, bookmark: &Bookmark) -> Result<Point> {
        let not_ours = || {
            StorageError::Type(format!(
                "bookmark `{bookmark}` is not one of this object, or one of its digits is wrong"
            ))
        };
        let first = self.first();
        let Some(first) = first.filter(|first| first.sequence <= bookmark.sequence) else {
            return Err(outside(self.name, first));
        };
        let mut named = (first.sequence == bookmark.sequence).then_some(first);
        let mut before_restore = None;
        let mut last = first;
        self.each(bookmark.sequence, |moment| {
            if moment.point.sequence == bookmark.sequence {
                named = Some(moment.point);
            } else if moment.is_restore {
                before_restore = Some(last);
                return false;
            }
            last = moment.point;
            bookmark.before_restore
        })?;
        let named = named.filter(|point| point.chain == bookmark.chain);
        let named = named.ok_or_else(not_ours)?;
        Ok(match bookmark.before_restore {
            true => before_restore.unwrap_or(last),
            false => named,
        })
    }

    /// Writes the database as it was after a commit into `target`.
    ///
    /// # Errors
    /// When it is not kept, or what is kept is damaged.
    pub(crate) fn materialize(&self, sequence: u64, target: &dyn DiskFile) -> Result<Point> {
        let from = self
            .generations
            .iter()
            .rposition(|generation| generation.base.sequence <= sequence);
        let mut replay = match from {
            Some(from) => {
                let generation = &self.generations[from];
                self.history.read_base(self.name, generation, target)?;
                let mut replay = Replay::new(target, generation.base);
                for block in self.history.blocks(self.name, generation)? {
                    if block.first.0 > sequence {
                        break;
                    }
                    self.history
                        .read_block(self.name, generation, &block, |record| {
                            if record.head.sequence > sequence {
                                return Ok(());
                            }
                            replay.apply(self.name, record)
                        })?;
                }
                replay
            }
            None if self.first().is_some_and(|first| first.sequence == 0) => {
                target
                    .set_len(0)
                    .map_err(|error| StorageError::io(Path::new("history"), error))?;
                Replay::new(target, Point::default())
            }
            None => return Err(outside(self.name, self.first())),
        };
        let mut reader = Reader::new(&*self.history.disk, self.journal);
        for entry in self.live {
            if entry.point.sequence > sequence {
                break;
            }
            let record = reader.read(entry);
            let record = record.map_err(|error| StorageError::io(self.journal, error))?;
            replay.apply(self.name, &record)?;
        }
        if replay.point.sequence != sequence {
            return Err(StorageError::Sql(format!(
                "the history of object {} ends at its commit {}, before commit {sequence}",
                self.name, replay.point.sequence
            )));
        }
        Ok(replay.point)
    }
}

fn point_of(record: &Record<'_>) -> Point {
    Point {
        sequence: record.head.sequence,
        chain: record.chain,
        time_ms: record.head.time_ms,
    }
}

fn outside(name: &ObjectName, first: Option<Point>) -> StorageError {
    let kept = match first {
        Some(first) => format!("its first bookmark is `{}`", Bookmark::after(first)),
        None => "nothing of it is kept".to_owned(),
    };
    StorageError::Range(format!(
        "the history of object {} does not go back that far: {kept}",
        name.id
    ))
}
