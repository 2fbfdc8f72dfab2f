//! `faults.stall()` of `stead:test`: a disk that neither finishes nor fails. Commits reach it as ever; their objects
//! hear of it later.

use std::rc::Rc;

use stead_ops::message::ObjectKey;
use stead_storage::LogEvent;

use super::lock;
use crate::placement::ShardIndex;
use crate::shard::Shard;

/// What an instance of an object, known by its number, was not told.
pub type Unheard = (ShardIndex, ObjectKey, u64, LogEvent);

impl Shard {
    /// Whether storage is stalled for a test.
    pub fn is_storage_stalled(&self) -> bool {
        let testing = self.shared.testing.as_ref();
        testing.is_some_and(|testing| lock(&testing.unheard).is_some())
    }

    /// Keeps what an object was to hear of its commits, while storage is stalled; comes back otherwise.
    pub fn keep_unheard(
        &self,
        key: ObjectKey,
        incarnation: u64,
        event: LogEvent,
    ) -> Option<LogEvent> {
        let Some(testing) = &self.shared.testing else {
            return Some(event);
        };
        match &mut *lock(&testing.unheard) {
            None => Some(event),
            Some(unheard) => {
                unheard.push((self.index, key, incarnation, event));
                None
            }
        }
    }

    /// Stalls storage.
    pub(super) fn stall_storage(&self) {
        lock(&self.testing().unheard).get_or_insert_default();
    }

    /// Has objects hear what they have missed.
    pub(super) async fn resume_storage(self: &Rc<Self>) {
        let unheard = lock(&self.testing().unheard).take();
        for (shard, key, incarnation, event) in unheard.unwrap_or_default() {
            let heard = self.on_shard(shard, move |shard, done| {
                shard.hear(key, incarnation, event);
                let _ = done.send(());
            });
            heard.await;
        }
    }
}
