//! `allowUnconfirmed`: writes for which nobody waits.
//!
//! What an object says waits for the commits that it may depend on, except for
//! those in which every write was made with `allowUnconfirmed`. They become
//! durable like all others, and break the object like all others if they do
//! not.
//!
//! <https://developers.cloudflare.com/durable-objects/api/legacy-kv-storage-api/#put>

use std::cell::Cell;

use crate::database::Database;

/// Which commits somebody waits for.
#[derive(Default)]
pub(crate) struct Confirmation {
    /// Whether the write that is being made is one that nobody waits for.
    unconfirmed: Cell<bool>,
    /// Whether the open transaction holds a write that somebody waits for.
    open: Cell<bool>,
    /// The last commit with such a write.
    last: Cell<u64>,
}

impl Confirmation {
    /// Notes a write, before it is made.
    pub(crate) fn wrote(&self) {
        if !self.unconfirmed.get() {
            self.open.set(true);
        }
    }

    /// Notes that the open transaction has become commit `sequence`.
    pub(crate) fn committed(&self, sequence: u64) {
        if self.open.replace(false) {
            self.last.set(sequence);
        }
    }
}

impl Database {
    /// Runs one write; what the object says later does not wait for it, unless
    /// another write of the same commit is waited for.
    pub fn unconfirmed<T>(&self, write: impl FnOnce() -> T) -> T {
        let outer = self.confirmation.unconfirmed.replace(true);
        let result = write();
        self.confirmation.unconfirmed.set(outer);
        result
    }

    /// The commit that must be durable before a message that leaves now may be
    /// seen: the one that is due, or the last one, as far as anybody waits for
    /// them. [`Database::wait_point`] is that of all writes.
    pub fn confirmed_point(&self) -> u64 {
        if self.confirmation.open.get() {
            self.wait_point()
        } else {
            self.confirmation.last.get()
        }
    }
}
