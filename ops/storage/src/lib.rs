//! One object's storage, without any V8: its SQLite database with SQL, keys and
//! values, alarm and transactions; its gates; and what all objects share, the
//! committer, the index of alarms and the state directory.
//!
//! ```text
//! state_dir        where files lie, and whose they are
//! alarm_index      when a namespace's objects want to be woken
//! database         one object's file: opening, implicit transaction, commit, end
//!   checkpoint     its log goes into its file
//!   deletion       everything goes
//!   sql, cursor    statements of the application      (authorizer, limits, statement_cache, counts)
//!   kv             keys and values
//!   metadata       the alarm
//!   confirmation   writes for which nobody waits
//!   transaction    explicit transactions
//!   log            its side of the journal
//! journal          where commits become durable, and what a crash left is recovered from
//! history          what the journal no longer holds: every state of each object
//! bookmark         a moment in an object's life, as text
//! disk             the door to files, for tests to stand in
//! gate             what waits for that, and what waits for a critical section
//! id               object ids
//! facet_index      the names and numbers of an object's facets
//! ```
//!
//! Nothing here knows the time, makes randomness or starts a thread, except the
//! journal, which has two threads of its own.

mod alarm_index;
mod authorizer;
mod bookmark;
mod bring;
mod checkpoint;
mod confirmation;
pub mod counts;
mod cursor;
mod database;
mod deletion;
mod disk;
mod error;
mod facet_index;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod history;
mod id;
mod interrupt;
mod journal;
mod kv;
mod limits;
mod log;
mod memory;
mod metadata;
mod pinned;
mod result_code;
mod sql;
mod state_dir;
mod statement;
mod statement_cache;
mod transaction;

pub use alarm_index::{AlarmEntry, AlarmIndex, AlarmUpdate};
pub use bookmark::Bookmark;
pub use counts::Tally;
pub use cursor::Cursor;
pub use database::{Commit, Database, Durability, Options};
pub use disk::{Disk, DiskFile, OpenMode, Stat, SystemDisk};
pub use error::{Result, StorageError};
pub use facet_index::FacetIndex;
pub use gate::{
    GateBroken, InputGate, MAX_EVENTS, MAX_OUTPUTS, MAX_SECTIONS, Output, OutputGate, Overloaded,
    SectionId,
};
pub use history::{Moment, Retention};
pub use id::{IdKey, JURISDICTIONS, ObjectId};
pub use journal::{
    Append, At, Checkpoint, Difference, Journal, JournalOptions, LocalJournal, LogEvent, Notify,
    ObjectInfo, ObjectLog, ObjectName, Point, Recovery,
};
pub use kv::{KvCursor, KvRange};
pub use limits::{
    KEY_BYTES_MAX, KvLimits, PAIRS_MAX, SQL_TEXT_BYTES_MAX, SQL_VALUE_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use log::{Lane, Settlement};
pub use metadata::AlarmChange;
pub use sql::{Binding, Executed, ValueRef};
pub use state_dir::StateDir;
pub use transaction::{TransactionDepth, TransactionKind};
