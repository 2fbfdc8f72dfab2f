//! Starting and ending the threads of a worker's shards.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::blank::Settings;
use crate::blank::Waiting;
use crate::exports::Export;
use crate::handover::Inheritance;
use crate::inspector::Brake;
use crate::placement::ShardIndex;
use crate::shard;
use crate::shard::StartError;
use crate::shard::Started;
use crate::shared::Code;
use crate::shared::Message;
use crate::shared::Shared;
use crate::stopping::Stop;

/// What the thread of a shard is started for: its number, what it is told, and the shard whose
/// place it takes.
pub type Slot = (ShardIndex, mpsc::Receiver<Message>, Option<Inheritance>);

/// Shards that evaluate the worker's module.
pub struct Starting(Vec<oneshot::Receiver<Started>>);

impl Starting {
    /// Waits until all are ready.
    ///
    /// # Errors
    /// Why one of them never will be.
    pub async fn ready(self) -> Result<(Arc<[Export]>, Vec<Brake>), StartError> {
        let mut exports: Arc<[Export]> = Arc::new([]);
        let mut isolates = Vec::new();
        let mut failure = None;
        for started in self.0 {
            match started.await {
                Ok(Ok(ready)) => {
                    exports = ready.exports.into();
                    isolates.push(ready.isolate);
                }
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(StartError::Module("the shard's thread ended".into())),
            }
        }
        failure.map_or(Ok((exports, isolates)), Err)
    }
}

/// Starts the threads of shards, those first that have begun already.
pub fn start_shards(
    shared: &Arc<Shared>,
    code: &Arc<Code>,
    slots: Vec<Slot>,
    waiting: Vec<Waiting>,
) -> (Vec<JoinHandle<()>>, Starting) {
    let mut threads = Vec::new();
    let mut starting = Vec::new();
    let mut waiting = waiting.into_iter();
    for (index, messages, inheritance) in slots {
        let (started, ready) = oneshot::channel();
        let thread = waiting
            .next()
            .unwrap_or_else(|| Waiting::begin(index, Settings::of(shared)));
        threads.push(thread.start(shard::Start {
            index,
            shared: shared.clone(),
            code: code.clone(),
            messages,
            inheritance,
            started,
        }));
        starting.push(ready);
    }
    (threads, Starting(starting))
}

/// Has shards finish what runs, and waits for that.
pub async fn end_shards(shared: &Shared, senders: Vec<mpsc::Sender<Message>>) {
    let stops = Stop::for_shards(senders.len());
    let mut endings = Vec::new();
    for (shard, (stop, ended)) in senders.into_iter().zip(stops) {
        shared.message_by(&shard, Message::Stop(stop)).await;
        endings.push(ended);
    }
    for ended in endings {
        // A shard that never started has nothing to close.
        drop(ended.await);
    }
}

/// Waits for all threads, and closes what they shared with other workers if those have ended.
pub async fn end_process(shared: Arc<Shared>, threads: Vec<JoinHandle<()>>) {
    shared.stopping.store(true, Ordering::Release);
    shared.watchdog.stop();
    let joined = tokio::task::spawn_blocking(move || {
        join(&shared, threads);
        if shared.process.leave(shared.worker)
            && let Err(error) = shared.process.close()
        {
            shared.logger.error(None, error.to_string());
        }
    });
    drop(joined.await);
}

/// Waits for threads to end.
pub fn join(shared: &Shared, threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            shared.logger.error(None, "a thread of the worker panicked");
        }
    }
}
