//! What is kept of the past, and for how long.

use std::sync::Arc;

use super::catalog::Generation;
use super::file::History;
use super::state::Past;
use crate::disk::{DiskFile, OpenMode};
use crate::journal::{ObjectName, Point};
use crate::{Result, StorageError};

/// Bytes of a log before its generation is ended.
const LOG_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// How many times larger than its base a log becomes.
const LOG_PER_BASE: u64 = 4;
/// Generations that one look removes, at most.
const PRUNED_MAX: usize = 1000;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds for which a state of an object can be restored. 0 keeps no
    /// history at all.
    pub keep_ms: i64,
    /// Bytes of history, at most. What ended first goes first; the newest
    /// generation of each object stays.
    pub bytes_max: u64,
}

impl Default for Retention {
    /// 30 days, as on the platform, and 10 GiB.
    fn default() -> Retention {
        Retention {
            keep_ms: 30 * 24 * 60 * 60 * 1000,
            bytes_max: 10 * 1024 * 1024 * 1024,
        }
    }
}

impl History {
    /// Ends a generation whose log has grown: a new base is made from it, so
    /// that a restore reads a bounded log and the past can be forgotten in
    /// pieces.
    pub(crate) fn end_generation_if_grown(
        &self,
        name: &ObjectName,
        generation: &Generation,
        retention: &Retention,
        now_ms: i64,
    ) -> Result<()> {
        let grown = generation.log_bytes > LOG_BYTES_MIN.max(LOG_PER_BASE * generation.base_bytes);
        let aged = generation.base.time_ms < now_ms - retention.keep_ms / 4
            && generation.base.sequence > 0;
        let old = generation.base.sequence == 0
            && generation.log_bytes > 64 * 1024
            && generation.last_time_ms < now_ms - retention.keep_ms / 4;
        if !(grown || aged || old) || generation.log_bytes == 0 {
            return Ok(());
        }
        let Some(head) = self.catalog.get(name)?.map(|row| row.head) else {
            return Ok(());
        };
        self.new_base(name, head)
    }

    /// Makes a base of the last archived commit.
    fn new_base(&self, name: &ObjectName, head: Point) -> Result<()> {
        let path = self.temporary(name, "base");
        let past = Past {
            history: self,
            name,
            live: &[],
            journal: &self.directory,
            generations: self.catalog.generations(name)?,
            head,
        };
        let failed = |error| StorageError::io(&path, error);
        let file = self.disk.open(&path, OpenMode::Empty).map_err(failed)?;
        let made = past
            .materialize(head.sequence, &*file)
            .and_then(|point| self.write_base(name, point, &*file as &dyn DiskFile));
        drop::<Arc<dyn DiskFile>>(file);
        self.disk.remove(&path).map_err(failed)?;
        let made = made?;
        self.catalog
            .change(|change| change.put_generation(name, &made))
    }

    /// Forgets what is older than the retention says, and what is too much.
    /// Returns how many generations went.
    pub(crate) fn prune(&self, retention: &Retention, now_ms: i64) -> Result<usize> {
        let mut total = self.catalog.total_bytes()?;
        let mut pruned = 0;
        for (name, generation, ended_ms) in self.catalog.oldest(PRUNED_MAX)? {
            let is_old = ended_ms <= now_ms - retention.keep_ms;
            if !is_old && total <= retention.bytes_max {
                break;
            }
            self.catalog
                .change(|change| change.remove_generation(&name, generation.base.sequence))?;
            self.remove_files(&name, &generation)?;
            total -= (generation.base_bytes + generation.log_bytes).min(total);
            pruned += 1;
        }
        Ok(pruned)
    }
}
