//! The names of SQLite's result codes, and errors as the platform words them.

use std::ffi::{CStr, c_int};

use rusqlite::ffi;

use crate::StorageError;

/// The connection's last error, as `<message>[ at offset N]: SQLITE_X[
/// (extended: SQLITE_X_Y)]`.
///
/// # Safety
/// `db` is an open connection whose last call failed.
pub(crate) unsafe fn describe(db: *mut ffi::sqlite3) -> String {
    // SAFETY: the caller guarantees the connection; the message lives until
    // the next call on it, and is copied before.
    let (message, offset, code) = unsafe {
        let message = CStr::from_ptr(ffi::sqlite3_errmsg(db))
            .to_string_lossy()
            .into_owned();
        (
            message,
            ffi::sqlite3_error_offset(db),
            ffi::sqlite3_extended_errcode(db),
        )
    };
    compose(message, offset, code)
}

/// The text of a failure from its parts.
fn compose(mut text: String, offset: c_int, code: c_int) -> String {
    use std::fmt::Write;
    if offset >= 0 {
        write!(text, " at offset {offset}").expect("a String takes any text");
    }
    write!(text, ": {}", primary_name(code)).expect("a String takes any text");
    if let Some(extended) = extended_name(code) {
        write!(text, " (extended: {extended})").expect("a String takes any text");
    }
    text
}

/// The error of a statement that is not the application's, on `db`.
///
/// # Safety
/// As for [`describe`].
pub(crate) unsafe fn error(db: *mut ffi::sqlite3) -> StorageError {
    // SAFETY: passed on.
    StorageError::Sql(unsafe { describe(db) })
}

macro_rules! names {
    ($code:expr; $($name:ident)*) => {
        match $code { $(ffi::$name => Some(stringify!($name)),)* _ => None }
    };
}

fn primary_name(code: c_int) -> &'static str {
    let name = names!(code & 0xff;
        SQLITE_OK SQLITE_ERROR SQLITE_INTERNAL SQLITE_PERM SQLITE_ABORT SQLITE_BUSY SQLITE_LOCKED SQLITE_NOMEM
        SQLITE_READONLY SQLITE_INTERRUPT SQLITE_IOERR SQLITE_CORRUPT SQLITE_NOTFOUND SQLITE_FULL SQLITE_CANTOPEN
        SQLITE_PROTOCOL SQLITE_EMPTY SQLITE_SCHEMA SQLITE_TOOBIG SQLITE_CONSTRAINT SQLITE_MISMATCH SQLITE_MISUSE
        SQLITE_NOLFS SQLITE_AUTH SQLITE_FORMAT SQLITE_RANGE SQLITE_NOTADB SQLITE_NOTICE SQLITE_WARNING
        SQLITE_ROW SQLITE_DONE);
    name.unwrap_or("SQLITE_UNKNOWN")
}

fn extended_name(code: c_int) -> Option<&'static str> {
    names!(code;
        SQLITE_ERROR_MISSING_COLLSEQ SQLITE_ERROR_RETRY SQLITE_ERROR_SNAPSHOT
        SQLITE_IOERR_READ SQLITE_IOERR_SHORT_READ SQLITE_IOERR_WRITE SQLITE_IOERR_FSYNC SQLITE_IOERR_DIR_FSYNC
        SQLITE_IOERR_TRUNCATE SQLITE_IOERR_FSTAT SQLITE_IOERR_UNLOCK SQLITE_IOERR_RDLOCK SQLITE_IOERR_DELETE
        SQLITE_IOERR_BLOCKED SQLITE_IOERR_NOMEM SQLITE_IOERR_ACCESS SQLITE_IOERR_CHECKRESERVEDLOCK
        SQLITE_IOERR_LOCK SQLITE_IOERR_CLOSE SQLITE_IOERR_DIR_CLOSE SQLITE_IOERR_SHMOPEN SQLITE_IOERR_SHMSIZE
        SQLITE_IOERR_SHMLOCK SQLITE_IOERR_SHMMAP SQLITE_IOERR_SEEK SQLITE_IOERR_DELETE_NOENT SQLITE_IOERR_MMAP
        SQLITE_IOERR_GETTEMPPATH SQLITE_IOERR_CONVPATH SQLITE_IOERR_VNODE SQLITE_IOERR_AUTH
        SQLITE_IOERR_BEGIN_ATOMIC SQLITE_IOERR_COMMIT_ATOMIC SQLITE_IOERR_ROLLBACK_ATOMIC SQLITE_IOERR_DATA
        SQLITE_IOERR_CORRUPTFS
        SQLITE_LOCKED_SHAREDCACHE SQLITE_LOCKED_VTAB
        SQLITE_BUSY_RECOVERY SQLITE_BUSY_SNAPSHOT SQLITE_BUSY_TIMEOUT
        SQLITE_CANTOPEN_NOTEMPDIR SQLITE_CANTOPEN_ISDIR SQLITE_CANTOPEN_FULLPATH SQLITE_CANTOPEN_CONVPATH
        SQLITE_CANTOPEN_SYMLINK
        SQLITE_CORRUPT_VTAB SQLITE_CORRUPT_SEQUENCE SQLITE_CORRUPT_INDEX
        SQLITE_READONLY_RECOVERY SQLITE_READONLY_CANTLOCK SQLITE_READONLY_ROLLBACK SQLITE_READONLY_DBMOVED
        SQLITE_READONLY_CANTINIT SQLITE_READONLY_DIRECTORY
        SQLITE_ABORT_ROLLBACK
        SQLITE_CONSTRAINT_CHECK SQLITE_CONSTRAINT_COMMITHOOK SQLITE_CONSTRAINT_FOREIGNKEY
        SQLITE_CONSTRAINT_FUNCTION SQLITE_CONSTRAINT_NOTNULL SQLITE_CONSTRAINT_PRIMARYKEY
        SQLITE_CONSTRAINT_TRIGGER SQLITE_CONSTRAINT_UNIQUE SQLITE_CONSTRAINT_VTAB SQLITE_CONSTRAINT_ROWID
        SQLITE_CONSTRAINT_PINNED SQLITE_CONSTRAINT_DATATYPE
        SQLITE_AUTH_USER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offset: c_int, code: c_int, expect: &str) {
        assert_eq!(compose("m".to_owned(), offset, code), expect);
    }

    #[test]
    fn errors_are_worded_as_on_the_platform() {
        check(-1, ffi::SQLITE_ERROR, "m: SQLITE_ERROR");
        check(9, ffi::SQLITE_ERROR, "m at offset 9: SQLITE_ERROR");
        let unique = "m: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)";
        check(-1, ffi::SQLITE_CONSTRAINT_UNIQUE, unique);
    }
}
