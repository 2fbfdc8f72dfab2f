//! How much a worker may use, with the defaults: see `--help` for each.

use std::time::Duration;

/// What turns, isolates and objects may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The processor's time that one event may take.
    pub cpu: Duration,
    /// The bytes of each shard's JavaScript heap; its array buffers may have as many
    /// again.
    pub heap_bytes: usize,
    /// The bytes that one object may store.
    pub storage_bytes: u64,
    /// The bytes that all responses in the worker's caches may take together.
    pub cache_bytes: usize,
}
