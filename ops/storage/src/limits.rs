//! The platform's limits on what an object may store and ask.
//!
//! <https://developers.cloudflare.com/durable-objects/platform/limits/>

use rusqlite::Connection;
use rusqlite::limits::Limit;

use crate::{Result, StorageError};

/// Bytes of a key, at most.
pub const KEY_BYTES_MAX: usize = 2048;
/// Bytes of a key and its value together, at most.
pub const VALUE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pairs of one call, at most.
pub const PAIRS_MAX: usize = 128;
/// Bytes of a string, a blob or a row in SQL, at most. The platform documents
/// 2 MB; its local runtime allows 8 MiB and 34 bytes (measured on workerd
/// 2026-11-17), and so do we, so that nothing stored there fails here.
pub const SQL_VALUE_BYTES_MAX: i32 = 8 * 1024 * 1024 + 34;
/// Bytes of the text of one SQL statement, at most.
pub const SQL_TEXT_BYTES_MAX: i32 = 100_000;

/// The limits on keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvLimits {
    /// Those of the hosted platform.
    Platform,
    /// Those of workerd's local runtime: only SQLite's own 8 MiB.
    Local,
}

impl KvLimits {
    /// # Errors
    /// A `RangeError` when the key is too large.
    pub(crate) fn check_key(self, key: &str) -> Result<()> {
        if self == KvLimits::Platform && key.len() > KEY_BYTES_MAX {
            return Err(StorageError::Range(format!(
                "Keys cannot be larger than {KEY_BYTES_MAX} bytes. A key of size {} was provided.",
                key.len()
            )));
        }
        Ok(())
    }

    /// # Errors
    /// A `RangeError` when the key, or key and value together, are too large.
    pub(crate) fn check_pair(self, key: &str, value: &[u8]) -> Result<()> {
        self.check_key(key)?;
        let size = key.len() + value.len();
        if self == KvLimits::Platform && size > VALUE_BYTES_MAX {
            return Err(StorageError::Range(format!(
                "Values cannot be larger than {VALUE_BYTES_MAX} bytes. A value of size {size} was provided."
            )));
        }
        Ok(())
    }

    /// # Errors
    /// A `RangeError` when one call names more than 128 keys.
    pub(crate) fn check_count(self, count: usize) -> Result<()> {
        if self == KvLimits::Platform && count > PAIRS_MAX {
            return Err(StorageError::Range(format!(
                "Maximum number of key value pairs is {PAIRS_MAX}. {count} pairs were provided."
            )));
        }
        Ok(())
    }
}

/// Gives a connection the platform's limits on SQL.
pub(crate) fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    let limits = [
        (Limit::SQLITE_LIMIT_LENGTH, SQL_VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_TEXT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ];
    for (limit, value) in limits {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}
