//! How SQLite takes memory, set once for the process, before its first use.
//!
//! SQLite's own settings suit a program with one database. Here a process has
//! thousands, most of them small and idle: what each takes when it is opened is
//! what an object costs.

use std::sync::Once;

use rusqlite::ffi;

/// Bytes and number of the slots that a connection keeps for small allocations
/// (SQLite's own: 1,200 and 40 or more).
const LOOKASIDE_BYTES: i32 = 512;
const LOOKASIDE_SLOTS: i32 = 32;

/// Call it before a connection is opened.
pub(crate) fn configure() {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        // SAFETY: no other thread uses SQLite yet: every connection of this crate is
        // opened after this call has returned. Settings that come too late are
        // refused with SQLITE_MISUSE and change nothing.
        unsafe {
            // Counting every allocation takes a lock that all shards share.
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0_i32);
            ffi::sqlite3_config(
                ffi::SQLITE_CONFIG_LOOKASIDE,
                LOOKASIDE_BYTES,
                LOOKASIDE_SLOTS,
            );
            // Pages are taken one by one, instead of twenty when a cache is made.
            ffi::sqlite3_config(
                ffi::SQLITE_CONFIG_PAGECACHE,
                std::ptr::null_mut::<std::ffi::c_void>(),
                0_i32,
                0_i32,
            );
        }
    });
}
