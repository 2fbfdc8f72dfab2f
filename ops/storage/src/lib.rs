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
//!   sync           which files make its commits durable
//! committer        the thread that syncs them
//! gate             what waits for that, and what waits for a critical section
//! id               object ids
//! ```
//!
//! Nothing here knows the time, makes randomness or starts a thread, except
//! the [`Committer`], which is one.

mod alarm_index;
mod authorizer;
mod checkpoint;
mod committer;
mod confirmation;
pub mod counts;
mod cursor;
mod database;
mod deletion;
mod error;
mod gate;
mod id;
mod interrupt;
mod kv;
mod limits;
mod memory;
mod metadata;
mod pinned;
mod result_code;
mod sql;
mod state_dir;
mod statement;
mod statement_cache;
mod sync;
mod transaction;

pub use alarm_index::{AlarmEntry, AlarmIndex, AlarmUpdate};
pub use committer::{Committer, Done};
pub use cursor::Cursor;
pub use database::{Commit, Database, Durability, Options};
pub use error::{Result, StorageError};
pub use gate::{
    GateBroken, InputGate, MAX_EVENTS, MAX_OUTPUTS, MAX_SECTIONS, Output, OutputGate, Overloaded,
    SectionId,
};
pub use id::{IdKey, ObjectId};
pub use kv::{KvCursor, KvRange};
pub use limits::{
    KEY_BYTES_MAX, KvLimits, PAIRS_MAX, SQL_TEXT_BYTES_MAX, SQL_VALUE_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use metadata::AlarmChange;
pub use sql::{Binding, ValueRef};
pub use state_dir::{Recovery, StateDir};
pub use sync::SyncTarget;
pub use transaction::{TransactionDepth, TransactionKind};
