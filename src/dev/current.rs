//! What answers at this moment: read by whoever accepts connections, written by the one loop that
//! reloads.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use crate::worker::Worker;

/// The worker that connections are handed to; none while the first load has failed.
#[derive(Default)]
pub struct Current {
    worker: RwLock<Option<Arc<Worker>>>,
    changed: tokio::sync::Notify,
}

impl Current {
    pub fn worker(&self) -> Option<Arc<Worker>> {
        let worker = self.worker.read();
        worker.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The worker, as soon as there is one: while one takes the place of another, there is none.
    pub async fn ready(&self) -> Arc<Worker> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change is missed in between.
            changed.as_mut().enable();
            if let Some(worker) = self.worker() {
                return worker;
            }
            changed.await;
        }
    }

    /// Puts another one in its place; the one before comes back.
    pub fn replace(&self, worker: Option<Arc<Worker>>) -> Option<Arc<Worker>> {
        let mut place = self.worker.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, worker);
        drop(place);
        self.changed.notify_waiters();
        before
    }
}
