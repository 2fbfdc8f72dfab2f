//! The thread that makes commits durable, one for the process.
//!
//! Threads that run JavaScript never wait for a disk: they submit the files to
//! sync and what to do afterwards. Whatever was submitted while the thread was
//! syncing is its next batch, in which each file is synced once, however many
//! commits it holds.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::SyncTarget;

/// What runs after the sync, on the committer's thread: it passes the outcome
/// on to the object's own thread and does nothing else.
pub type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

enum Message {
    Sync(SyncTarget, Done),
    Stop,
}

/// A handle to the committer's thread. The thread ends with its last handle,
/// after everything that was submitted.
#[derive(Clone)]
pub struct Committer {
    sender: Sender<Message>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Panics
    /// When the system has no thread to give.
    pub fn start() -> Committer {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || run(receiver));
        let thread = thread.expect("the process may have one more thread");
        Committer {
            sender,
            thread: Arc::new(Mutex::new(Some(thread))),
        }
    }

    /// Has `target` synced and then runs `done`, with the system's words if
    /// the sync failed. Every commit made before this call is covered.
    ///
    /// A caller has at most one submission outstanding per object: commits
    /// that follow meanwhile are covered by the next one. So the queue never
    /// holds more than the number of open objects.
    pub fn submit(&self, target: SyncTarget, done: Done) {
        if let Err(mpsc::SendError(Message::Sync(_, done))) =
            self.sender.send(Message::Sync(target, done))
        {
            done(Err("the committer has stopped".to_owned()));
        }
    }

    /// Finishes what was submitted and ends the thread; later submissions
    /// fail. Waits for the thread, unless called on it.
    pub fn shutdown(&self) {
        // Failing means that the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            thread.join().expect("the committer does not panic");
        }
    }
}

fn run(receiver: Receiver<Message>) {
    while let Ok(first) = receiver.recv() {
        let mut batch = Vec::new();
        let mut stop = false;
        for message in std::iter::once(first).chain(receiver.try_iter()) {
            match message {
                Message::Sync(target, done) => batch.push((target, done)),
                Message::Stop => {
                    stop = true;
                    break;
                }
            }
        }
        sync_batch(batch);
        if stop {
            return;
        }
    }
}

/// Syncs each file of a batch once, and runs what waited for it at once, not
/// after the whole batch.
fn sync_batch(mut batch: Vec<(SyncTarget, Done)>) {
    while let Some((target, _)) = batch.first() {
        let target = target.clone();
        let outcome = target.sync().map_err(|error| error.to_string());
        let (same, rest) = batch
            .into_iter()
            .partition::<Vec<_>, _>(|(other, _)| other.is_same(&target));
        for (_, done) in same {
            done(outcome.clone());
        }
        batch = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::{Database, Options};

    fn database(directory: &tempfile::TempDir, name: &str) -> Rc<Database> {
        let database = Database::open(&directory.path().join(name), &Options::default()).unwrap();
        database.kv_put("k", b"v").unwrap();
        database.commit().unwrap();
        Rc::new(database)
    }

    #[test]
    fn what_was_submitted_is_done_before_the_thread_ends() {
        let directory = tempfile::tempdir().unwrap();
        let databases = [database(&directory, "a"), database(&directory, "b")];
        let committer = Committer::start();
        let (sender, receiver) = mpsc::channel();
        for round in 0..3 {
            for (index, database) in databases.iter().enumerate() {
                let sender = sender.clone();
                let done = move |outcome| sender.send((round, index, outcome)).unwrap();
                committer.submit(database.sync_target().unwrap(), Box::new(done));
            }
        }
        committer.shutdown();
        let mut done: Vec<_> = receiver.try_iter().collect();
        done.sort();
        assert_eq!(done.len(), 6);
        assert!(done.iter().all(|(.., outcome)| outcome.is_ok()));
    }

    #[test]
    fn a_stopped_committer_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let committer = Committer::start();
        committer.clone().shutdown();
        let (sender, receiver) = mpsc::channel();
        let target = database(&directory, "a").sync_target().unwrap();
        committer.submit(
            target,
            Box::new(move |outcome| sender.send(outcome).unwrap()),
        );
        assert_eq!(
            receiver.recv().unwrap(),
            Err("the committer has stopped".to_owned())
        );
        committer.shutdown();
    }

    #[test]
    fn the_thread_ends_with_the_last_handle() {
        let committer = Committer::start();
        let thread = committer.thread.lock().unwrap().take().unwrap();
        drop(committer);
        thread.join().unwrap();
    }
}
