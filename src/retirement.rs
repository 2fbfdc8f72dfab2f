//! Shards that were replaced, until they have ended.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::handover::SHORT_DRAIN;
use crate::inspector::Brake;
use crate::shared::Message;
use crate::shared::Shared;

/// How long after the time that was given to it a replaced shard's code may run.
const TERMINATE_AFTER: Duration = Duration::from_secs(1);

/// The outcome of a replacement.
pub struct Replaced {
    /// Each fails once a shard has ended.
    pub endings: Vec<watch::Receiver<()>>,
}

impl Replaced {
    /// Waits until everything that was replaced has ended and is freed.
    pub async fn ended(self) {
        for ending in self.endings {
            until_closed(ending).await;
        }
    }
}

/// A shard that was replaced and has not ended yet.
#[derive(Clone)]
pub struct Retirement {
    /// The way to it.
    pub sender: mpsc::Sender<Message>,
    /// Ends what it runs.
    pub isolate: Brake,
    /// Fails once the shard has ended.
    pub ending: watch::Receiver<()>,
}

impl Retirement {
    /// Ends it soon.
    pub async fn cut_off(self, shared: &Shared) {
        shared.message_by(&self.sender, Message::CutOff).await;
        self.enforce(Instant::now() + SHORT_DRAIN).await;
    }

    /// Waits for its end. Code that still runs some time after `deadline` is
    /// terminated: it would keep its objects from starting again.
    pub async fn enforce(self, deadline: Instant) {
        let mut at = deadline + TERMINATE_AFTER;
        loop {
            let ended = until_closed(self.ending.clone());
            if tokio::time::timeout_at(at, ended).await.is_ok() {
                return;
            }
            self.isolate.terminate();
            at += TERMINATE_AFTER;
        }
    }
}

async fn until_closed(mut ending: watch::Receiver<()>) {
    while ending.changed().await.is_ok() {}
}
