//! What answers at this moment: read by whoever accepts connections, written by the one loop that
//! reloads.

use std::sync::Arc;

use tokio::sync::watch;

use crate::worker::Worker;

/// The worker that connections are handed to.
pub struct Current(watch::Sender<State>);

enum State {
    /// One is being started, perhaps in place of another: whoever wants it waits.
    Changing,
    /// This one; None if the first code that was loaded does not run.
    Settled(Option<Arc<Worker>>),
}

impl Current {
    /// No worker yet.
    pub fn new() -> Current {
        Current(watch::Sender::new(State::Changing))
    }

    /// The worker, as soon as it is known; None if there is none that runs.
    pub async fn ready(&self) -> Option<Arc<Worker>> {
        let mut states = self.0.subscribe();
        let settled = states.wait_for(|state| matches!(state, State::Settled(_)));
        match settled.await.as_deref() {
            Ok(State::Settled(worker)) => worker.clone(),
            _ => None,
        }
    }

    /// Whether a worker runs.
    pub fn is_running(&self) -> bool {
        matches!(&*self.0.borrow(), State::Settled(Some(_)))
    }

    /// The worker, if one runs.
    pub fn running(&self) -> Option<Arc<Worker>> {
        match &*self.0.borrow() {
            State::Settled(worker) => worker.clone(),
            State::Changing => None,
        }
    }

    /// Takes the worker away, to put another one in its place.
    pub fn take(&self) -> Option<Arc<Worker>> {
        match self.0.send_replace(State::Changing) {
            State::Settled(worker) => worker,
            State::Changing => None,
        }
    }

    /// Puts a worker, or the knowledge that there is none, in its place.
    pub fn put(&self, worker: Option<Arc<Worker>>) {
        self.0.send_replace(State::Settled(worker));
    }
}
