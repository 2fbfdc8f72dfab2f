//! Objects whose writes do not become durable: a disk that neither finishes nor fails. After half a minute without
//! progress the object is reset, as on the platform, so that its callers are told instead of waiting for ever.

use std::cell::Cell;
use std::rc::Weak;
use std::time::Duration;

use stead_ops::host::Host;
use stead_ops::message::Failure;

use crate::shard::Shard;

/// How often a shard looks at its objects.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often in a row it has to find an object without progress.
const LOOKS: u32 = 6;
/// <https://developers.cloudflare.com/durable-objects/observability/troubleshooting/>
const STALLED: &str =
    "Durable Object storage operation exceeded timeout which caused object to be reset.";

/// How an object's way to the disk looked at the last looks.
#[derive(Default)]
pub struct Progress {
    durable: Cell<u64>,
    looks: Cell<u32>,
}

impl Progress {
    /// Takes a look; whether the object has stalled. `waiting` says that something waits for the disk, `durable` how far
    /// the disk has come.
    pub fn has_stalled(&self, waiting: bool, durable: u64) -> bool {
        let moved = self.durable.replace(durable) != durable;
        self.looks.set(if waiting && !moved {
            self.looks.get() + 1
        } else {
            0
        });
        self.looks.get() >= LOOKS
    }
}

/// Resets objects that have stalled, until the shard ends.
pub async fn reset_stalled(shard: Weak<Shard>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(shard) = shard.upgrade() else { return };
        for instance in shard.stalled() {
            shard.report(Some(instance.label()), STALLED);
            shard.reset(&instance, Failure::reset(STALLED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_stalled_when_nothing_became_durable_for_half_a_minute() {
        let progress = Progress::default();
        let looks = [(true, 1), (true, 1), (true, 1), (true, 2), (false, 2)];
        assert!(
            !looks
                .iter()
                .any(|(waiting, durable)| progress.has_stalled(*waiting, *durable))
        );
        let stalled: Vec<_> = (0..7).map(|_| progress.has_stalled(true, 2)).collect();
        assert_eq!(stalled, [false, false, false, false, false, true, true]);
        assert_eq!(INTERVAL * LOOKS, Duration::from_secs(30));
    }
}
