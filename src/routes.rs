//! The way to each shard. A shard that is replaced keeps its number: what is sent
//! to it from then on reaches its successor.

use std::sync::RwLock;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::placement::ShardIndex;
use crate::shared::Message;

/// The senders of all shards, by number.
pub struct Routes {
    senders: RwLock<Vec<mpsc::Sender<Message>>>,
    len: usize,
}

impl Routes {
    /// The way to a number of shards, which does not change.
    pub fn new(senders: Vec<mpsc::Sender<Message>>) -> Routes {
        Routes {
            len: senders.len(),
            senders: RwLock::new(senders),
        }
    }

    /// The number of shards.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The way to the shard that has the number at the moment.
    pub fn sender(&self, shard: ShardIndex) -> mpsc::Sender<Message> {
        self.read()[shard].clone()
    }

    /// The ways to all shards.
    pub fn all(&self) -> Vec<mpsc::Sender<Message>> {
        self.read().clone()
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// The shard has `MESSAGES_MAX` messages to read, or is gone; the message
    /// comes back.
    #[allow(
        clippy::result_large_err,
        reason = "the message that could not be sent comes back"
    )]
    pub fn try_send(
        &self,
        shard: ShardIndex,
        message: Message,
    ) -> Result<(), TrySendError<Message>> {
        self.read()[shard].try_send(message)
    }

    /// Puts successors in the place of some shards, at one moment for all of
    /// them; the ways to the old ones come back, in the same order.
    pub fn replace(
        &self,
        successors: Vec<(ShardIndex, mpsc::Sender<Message>)>,
    ) -> Vec<mpsc::Sender<Message>> {
        let senders = self.senders.write();
        let mut senders = senders.unwrap_or_else(|poisoned| poisoned.into_inner());
        let swap = |(shard, sender)| std::mem::replace(&mut senders[shard], sender);
        successors.into_iter().map(swap).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<mpsc::Sender<Message>>> {
        let senders = self.senders.read();
        senders.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
