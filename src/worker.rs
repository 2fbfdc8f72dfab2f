//! A running worker: its shards, its alarms and its state directory, from start to
//! clean stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use stead_storage::Committer;
use stead_storage::Options;
use stead_storage::StateDir;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::alarms::Alarms;
use crate::bundle::Bundle;
use crate::cli::logger::Logger;
use crate::clock::Random;
use crate::clock::SystemClock;
use crate::eviction::Evict;
use crate::exports::Export;
use crate::exports::ExportKind;
use crate::placement::Placement;
use crate::shard;
use crate::shard::StartError;
use crate::shared::JsonCall;
use crate::shared::MESSAGES_MAX;
use crate::shared::Message;
use crate::shared::Shared;

/// What a worker is started with.
pub struct Config {
    /// The code.
    pub bundle: Arc<Bundle>,
    /// Number of shards.
    pub shards: usize,
    /// The state directory, already locked for this process.
    pub state: StateDir,
    /// How each object's storage is opened.
    pub storage: Options,
    /// When idle objects leave memory.
    pub evict: Evict,
    /// What `env` holds besides namespaces.
    pub vars: BTreeMap<String, String>,
    /// The folder of each class's objects.
    pub unique_key: Box<dyn Fn(&str) -> String + Send + Sync>,
    /// Where everything is printed.
    pub logger: Logger,
}

/// A running worker. It must be stopped: dropping it leaves its threads running.
pub struct Worker {
    shared: Arc<Shared>,
    exports: Vec<Export>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Worker {
    /// Starts all shards and waits until each has evaluated the worker's module.
    ///
    /// # Errors
    /// What the module threw, or why it cannot be served; nothing runs then.
    pub async fn start(config: Config) -> Result<Worker, StartError> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..config.shards)
            .map(|_| mpsc::channel(MESSAGES_MAX))
            .unzip();
        let shared = Arc::new(Shared {
            placement: Placement::new(config.shards),
            shards: senders,
            bundle: config.bundle,
            vars: config.vars,
            unique_key: config.unique_key,
            state: config.state,
            storage: config.storage,
            evict: config.evict,
            committer: Committer::start(),
            alarms: Alarms::default(),
            clock: Arc::new(SystemClock),
            random: Random::from_system(),
            logger: config.logger,
            incarnations: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        let mut starting = Vec::new();
        for (index, receiver) in receivers.into_iter().enumerate() {
            let (sender, started) = oneshot::channel();
            threads.push(shard::start(index, shared.clone(), receiver, sender));
            starting.push(started);
        }
        let mut worker = Worker {
            shared,
            exports: Vec::new(),
            threads: Mutex::new(threads),
        };
        let mut failure = None;
        for started in starting {
            match started.await {
                Ok(Ok(exports)) => worker.exports = exports,
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(StartError::Module("the shard's thread ended".into())),
            }
        }
        if let Some(error) = failure {
            worker.stop().await;
            return Err(error);
        }
        let classes = worker.classes();
        let unique_keys = classes
            .iter()
            .map(|class| (worker.shared.unique_key)(class))
            .collect();
        let alarms = worker.shared.alarms.start(&worker.shared, unique_keys);
        worker.threads().push(alarms);
        Ok(worker)
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What the worker's module exports.
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }

    /// The object classes, sorted: the order of the namespaces.
    pub fn classes(&self) -> Vec<&str> {
        let objects = self
            .exports
            .iter()
            .filter(|export| export.kind == ExportKind::Object);
        let mut names: Vec<&str> = objects.map(|export| export.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The path of the state directory.
    pub fn state_path(&self) -> PathBuf {
        self.shared.state.path().to_owned()
    }

    /// Hands a client's connection to a shard.
    pub async fn connect(&self, shard: usize, stream: std::net::TcpStream) {
        let shard = &self.shared.shards[shard % self.shared.shards.len()];
        drop(shard.send(Message::Connection(stream)).await);
    }

    /// Runs an exported test on the first shard.
    ///
    /// # Errors
    /// What it threw, as text.
    pub async fn test(&self, name: &str) -> Result<(), String> {
        let (sender, outcome) = oneshot::channel();
        drop(
            self.shared.shards[0]
                .send(Message::Test(name.to_owned(), sender))
                .await,
        );
        let lost = || Err("the test's isolate ended".to_owned());
        outcome.await.unwrap_or_else(|_| lost()).map(drop)
    }

    /// Calls a method of an object; the result as JSON.
    ///
    /// # Errors
    /// What it threw, as text.
    pub async fn call(&self, call: JsonCall) -> Result<String, String> {
        let (sender, outcome) = oneshot::channel();
        drop(
            self.shared.shards[0]
                .send(Message::Call(call, sender))
                .await,
        );
        outcome
            .await
            .unwrap_or_else(|_| Err("the server is stopping".to_owned()))
    }

    /// Lets requests finish, closes the sockets with 1001 and every object's
    /// storage, and ends all threads.
    pub async fn stop(&self) {
        let shared = self.shared.clone();
        shared.stopping.store(true, Ordering::Release);
        let mut stopped = Vec::new();
        for shard in &shared.shards {
            let (sender, done) = oneshot::channel();
            if shard.send(Message::Stop(sender)).await.is_ok() {
                stopped.push(done);
            }
        }
        for done in stopped {
            // A shard that never started has nothing to close.
            drop(done.await);
        }
        shared.alarms.wake();
        let threads = std::mem::take(&mut *self.threads());
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    shared.logger.error(None, "a thread of the worker panicked");
                }
            }
            shared.committer.shutdown();
            if let Err(error) = shared.state.mark_clean() {
                shared.logger.error(None, error.to_string());
            }
        });
        drop(joined.await);
    }
}
