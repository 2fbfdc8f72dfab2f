//! Isolates that are of no more use: the worker's own variables fill their memory, so
//! that whatever runs there next is ended. Each is replaced by a new one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;

use crate::placement::ShardIndex;
use crate::worker::Worker;

/// The time in which a second turn that is ended for memory counts together with a first.
const WINDOW_MS: i64 = 60_000;
/// A new isolate is not replaced before: code that fills its memory at once would have it
/// started again and again.
const LIFE_MIN_MS: i64 = 10_000;
/// How long what runs in a worn isolate may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The isolates of a worker that are to be replaced.
#[derive(Default)]
pub struct Worn {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    /// When the memory of a shard was full.
    full_ms: BTreeMap<ShardIndex, i64>,
    replaced_ms: BTreeMap<ShardIndex, i64>,
    waiting: BTreeSet<ShardIndex>,
    is_over: bool,
}

impl Worn {
    /// Notes that the memory of a shard was full. Whether it was within the last minute, too.
    pub fn was_full(&self, shard: ShardIndex, now_ms: i64) -> bool {
        let before = self.state().full_ms.insert(shard, now_ms);
        before.is_some_and(|before| now_ms - before < WINDOW_MS)
    }

    /// Asks for a shard to be replaced; false if that was done only just now.
    pub fn replace(&self, shard: ShardIndex, now_ms: i64) -> bool {
        let mut state = self.state();
        let last = state.replaced_ms.get(&shard);
        if last.is_some_and(|last| now_ms - last < LIFE_MIN_MS) {
            return false;
        }
        state.replaced_ms.insert(shard, now_ms);
        state.full_ms.remove(&shard);
        state.waiting.insert(shard);
        self.told.notify_one();
        true
    }

    /// Nothing is to be replaced any more.
    pub fn end(&self) {
        self.state().is_over = true;
        self.told.notify_one();
    }

    /// The next shard to replace; none at the end.
    async fn next(&self) -> Option<ShardIndex> {
        loop {
            {
                let mut state = self.state();
                if state.is_over {
                    return None;
                }
                if let Some(shard) = state.waiting.pop_first() {
                    return Some(shard);
                }
            }
            self.told.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the isolates of a worker that are worn, in a task of its own, until the worker
/// is stopped.
pub fn replace_worn(worker: &Arc<Worker>) {
    let (shared, worker) = (worker.shared().clone(), Arc::downgrade(worker));
    tokio::spawn(async move {
        while let Some(shard) = shared.worn.next().await {
            let Some(worker) = worker.upgrade() else {
                return;
            };
            if let Err(error) = worker.replace_shard(shard, DRAIN).await {
                let text = format!("the isolate of shard {shard} could not be replaced: {error:?}");
                shared.logger.error(None, text);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_time_counts_within_a_minute() {
        let worn = Worn::default();
        assert!(!worn.was_full(0, 0));
        assert!(!worn.was_full(1, 1000));
        assert!(worn.was_full(0, 59_999));
        assert!(!worn.was_full(0, 120_000));
    }

    #[tokio::test]
    async fn a_shard_is_replaced_once_and_not_again_at_once() {
        let worn = Worn::default();
        assert!(worn.replace(1, 0));
        assert!(!worn.replace(1, 9_999));
        assert_eq!(worn.next().await, Some(1));
        assert!(worn.replace(1, 10_000));
        assert_eq!(worn.next().await, Some(1));
        worn.end();
        assert_eq!(worn.next().await, None);
    }
}
