//! Every way in which storage can fail, by cause.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of a storage call.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Why a storage call failed. `Display` is the text the user's code sees, so
/// the texts of the platform's own errors are copied letter for letter.
///
/// The error can be cloned because a broken object answers every later call
/// with the error that broke it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The application's mistake, such as a statement that SQLite refuses. A
    /// JavaScript `Error`.
    #[error("{0}")]
    Sql(String),
    /// The application passed a value of the wrong kind. A JavaScript
    /// `TypeError`.
    #[error("{0}")]
    Type(String),
    /// The application passed a value outside of a limit. A JavaScript
    /// `RangeError`.
    #[error("{0}")]
    Range(String),
    /// The transaction was lost: the disk is full or failing, memory ran out,
    /// or the application left constraints violated at the commit. The object
    /// must be reset; until then each of its storage calls fails with this.
    #[error("{0}")]
    Broken(String),
    /// The object was aborted or its storage was closed.
    #[error("Durable Object storage is no longer accessible.")]
    Closed,
    /// A file could not be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory in question.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process holds the state directory.
    #[error(
        "state directory `{}` is in use by another process ({}); stop that process, or choose another directory",
        path.display(), Holder(*pid)
    )]
    InUse {
        /// The state directory.
        path: PathBuf,
        /// The process named in the lock file, if it could be read.
        pid: Option<u32>,
    },
    /// The state directory cannot be written.
    #[error(
        "state directory `{}` is not writable: {source}; give this user write access to it, or choose another directory",
        path.display()
    )]
    NotWritable {
        /// The state directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// How the error of a held state directory names the holder.
struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("pid unknown"),
        }
    }
}

impl StorageError {
    /// The JavaScript class the error is thrown as: `"Error"`, `"TypeError"`
    /// or `"RangeError"`.
    pub fn js_class(&self) -> &'static str {
        match self {
            StorageError::Type(_) => "TypeError",
            StorageError::Range(_) => "RangeError",
            _ => "Error",
        }
    }

    /// Whether the object lost its transaction and must be reset.
    pub fn is_critical(&self) -> bool {
        matches!(self, StorageError::Broken(_))
    }

    /// An I/O failure at `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> StorageError {
        StorageError::Io {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    /// What SQLite said about one of our own files. The application cannot
    /// cause these, so they carry the path instead of a statement.
    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> StorageError {
        StorageError::io(path, io::Error::other(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_javascript_class() {
        assert_eq!(StorageError::Sql(String::new()).js_class(), "Error");
        assert_eq!(StorageError::Type(String::new()).js_class(), "TypeError");
        assert_eq!(StorageError::Range(String::new()).js_class(), "RangeError");
        assert_eq!(StorageError::Closed.js_class(), "Error");
    }

    #[test]
    fn only_a_lost_transaction_is_critical() {
        assert!(StorageError::Broken(String::new()).is_critical());
        assert!(!StorageError::Sql(String::new()).is_critical());
        assert!(!StorageError::Closed.is_critical());
    }

    #[test]
    fn a_held_directory_is_named_with_its_holder() {
        let error = StorageError::InUse {
            path: "/s".into(),
            pid: Some(7),
        };
        assert!(
            error
                .to_string()
                .starts_with("state directory `/s` is in use by another process (pid 7)")
        );
    }
}
