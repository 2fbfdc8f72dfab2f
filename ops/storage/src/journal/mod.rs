//! The journal: the append-only log of the pages that commits changed, from
//! which durability, recovery and the history of objects follow.
//!
//! ```text
//! record      one commit of one object, or part of a large one, as bytes
//! segment     a file of records
//! last        which segment is the last one
//! object_log  an open object, as the journal sees it
//! writer      batches of commits become durable records
//! index       which records exist, and which the database files still need
//! local       the journal of a state directory: start, objects, stop
//! opening     an object's file is made complete before SQLite sees it
//! rebuild     a database file from its records
//! adopt       a database file that another tool wrote
//! inherit     a copy of a file goes on with its past
//! keeper      checkpoints, archiving, pruning: what takes its time
//! recovery    what an unclean stop left
//! restore     an object becomes what it was, or what a file holds
//! forget      the end of a namespace
//! tools       what can be asked from outside
//! ```
//!
//! Rules:
//!
//! 1. A database file never holds a page of a commit whose record is not
//!    durable.
//! 2. A commit whose append or sync failed is refused for good: the segment is
//!    left at its last durable batch, and the next one says so.
//! 3. Records that a database file may lack are never removed.
//! 4. Write-ahead logs of SQLite count for nothing once the process has ended,
//!    or the object was reset.

mod adopt;
mod forget;
mod index;
mod inherit;
mod keeper;
pub(crate) mod last;
mod local;
mod object_log;
mod opening;
mod rebuild;
pub(crate) mod record;
mod recovery;
mod restore;
pub(crate) mod segment;
mod tools;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{DiskFile, Stat};

pub(crate) use index::Entry;
pub use index::Point;
pub use local::{JournalOptions, LocalJournal};
pub(crate) use object_log::with_suffix;
pub use object_log::{Notify, ObjectLog};
pub(crate) use rebuild::{Reader, apply};
pub use record::{Chain, ObjectName};
pub use recovery::Recovery;
pub use restore::Difference;
pub(crate) use restore::copy_database;
pub use tools::{At, ObjectInfo};

/// Where commits become durable. Today's only one is a local file
/// ([`LocalJournal`]); a replicated log would be another.
pub trait Journal: Send + Sync {
    /// Takes over a commit of SQLite; its outcome is told to the object's
    /// [`Notify`]. Never waits.
    fn append(&self, append: Append);

    /// Has an object's database file, into which everything durable was
    /// copied, made durable. Never waits.
    fn checkpointed(&self, checkpoint: Checkpoint);

    /// Does at once what was asked for, in a journal without threads; `false`
    /// in one that has them.
    fn drive(&self) -> bool;
}

/// What an object's thread hears of its commits. May come on any thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// The object's commits up to this number, as its database counts them,
    /// are durable; the last one is this point of its history.
    Durable(u64, Point),
    /// The object's commits up to this number are written, so that the end of
    /// the process does not lose them; a power failure may. Only told by a
    /// relaxed journal.
    Written(u64),
    /// A commit, or the database file, could not be made durable. The object
    /// must be reset; no later commit of this instance will succeed.
    Failed(String),
    /// The journal wants to let go of old records: the object's
    /// [`crate::Database::checkpoint_if_due`] should be called.
    CheckpointWanted,
}

/// One commit on its way.
pub struct Append {
    pub(crate) log: Arc<ObjectLog>,
    /// What [`LogEvent::Durable`] will say.
    pub(crate) number: u64,
    pub(crate) time_ms: i64,
    pub(crate) flags: u8,
    pub(crate) content: Content,
    /// Bytes it counts for while it is on its way.
    pub(crate) bytes: u64,
}

/// Where the pages of a commit are.
pub(crate) enum Content {
    /// There are none: the commit is durable when those before it are.
    Nothing,
    /// In frames of SQLite's write-ahead log, counted from 1. They stay there
    /// until the commit is durable.
    Frames {
        wal: Arc<dyn DiskFile>,
        first: u32,
        last: u32,
    },
    /// In another database file: these pages of it.
    Pages {
        source: Arc<dyn DiskFile>,
        numbers: Vec<u32>,
        db_pages: u32,
    },
}

/// A database file into which everything durable was copied.
pub struct Checkpoint {
    pub(crate) log: Arc<ObjectLog>,
    /// The last commit in it.
    pub(crate) sequence: u64,
    /// Whether the database was closed: the file will not change by itself.
    pub(crate) is_closed: bool,
}

/// A mark that a checkpoint is durable.
pub(crate) struct Mark {
    pub(crate) name: ObjectName,
    pub(crate) sequence: u64,
    pub(crate) closed: Option<Stat>,
}

/// Locks; what a panicking thread left is whole, since no change is in parts.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
