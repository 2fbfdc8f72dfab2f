//! The limits, as the command line takes them.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;

use crate::limits::Limits;

/// What the worker's code may use before its object is reset.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitArgs {
    /// Processor time that an event may take; then its object is reset
    #[arg(long, value_name = "MS", default_value_t = NonZeroU64::new(30_000).expect("not zero"))]
    pub cpu_ms: NonZeroU64,

    /// Memory for the JavaScript objects of each shard, and as much again for their buffers
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(32..=65536))]
    pub heap_mb: u32,

    /// Storage that one object may use; then its writes fail with SQLITE_FULL
    #[arg(long, value_name = "MB", default_value_t = 10_240, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub storage_mb: u32,

    /// Memory for the responses in the Cache API; one may take a quarter of it
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(0..=65536))]
    pub cache_mb: u32,
}

impl LimitArgs {
    /// The same in the units of the process.
    pub fn limits(&self) -> Limits {
        Limits {
            cpu: Duration::from_millis(self.cpu_ms.get()),
            heap_bytes: self.heap_mb as usize * 1024 * 1024,
            storage_bytes: u64::from(self.storage_mb) * 1024 * 1024,
            cache_bytes: self.cache_mb as usize * 1024 * 1024,
        }
    }
}
