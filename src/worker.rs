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

use serde_json::Value;
use stead_ops::message::ObjectKey;
use stead_storage::LocalJournal;
use stead_storage::ObjectName;
use stead_storage::Options;
use stead_storage::StateDir;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::alarms::Alarms;
use crate::bindings::Bindings;
use crate::bundle::Bundle;
use crate::cli::logger::Logger;
use crate::clock::Clock;
use crate::clock::Random;
use crate::compatibility::Compatibility;
use crate::exports::Export;
use crate::exports::ExportKind;
use crate::front::Front;
use crate::kills::Kills;
use crate::limits::Limits;
use crate::placement::Placement;
use crate::shard;
use crate::shard::StartError;
use crate::shared::HandlerEvent;
use crate::shared::JsonCall;
use crate::shared::MESSAGES_MAX;
use crate::shared::Message;
use crate::shared::Shared;
use crate::stored::answer;
use crate::stored::question::Answer;
use crate::stored::question::Question;
use crate::stored::question::Refused;
use crate::testing::Testing;
use crate::testing::coverage::ScriptCoverage;
use crate::testing::lock;
use crate::watchdog::Watchdog;

/// What a worker is started with.
pub struct Config {
    /// The code.
    pub bundle: Arc<Bundle>,
    /// Number of shards.
    pub shards: usize,
    /// The state directory, already locked for this process.
    pub state: StateDir,
    /// Its journal.
    pub journal: LocalJournal,
    /// How each object's storage is opened.
    pub storage: Options,
    /// The variables in `env`.
    pub vars: BTreeMap<String, Value>,
    /// What `env` holds besides.
    pub bindings: Bindings,
    /// What answers in front of the worker.
    pub front: Arc<Front>,
    /// What the code may use.
    pub limits: Limits,
    /// Which of the platform's behaviours it was written for.
    pub compatibility: Compatibility,
    /// The folder of each class's objects.
    pub unique_key: Box<dyn Fn(&str) -> String + Send + Sync>,
    /// Where everything is printed.
    pub logger: Logger,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub random: Random,
    /// What `stead test` adds.
    pub testing: Option<Testing>,
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
            bindings: config.bindings,
            front: config.front,
            unique_key: config.unique_key,
            state: config.state,
            storage: config.storage,
            journal: config.journal,
            limits: config.limits,
            compatibility: config.compatibility,
            watchdog: Watchdog::default(),
            kills: Kills::default(),
            alarms: Alarms::default(),
            clock: config.clock,
            random: config.random,
            testing: config.testing,
            logger: config.logger,
            incarnations: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let mut threads = vec![shared.watchdog.start(shared.limits.cpu)];
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
        let shard = shard % self.shared.shards.len();
        self.shared
            .message(shard, Message::Connection(stream))
            .await;
    }

    /// Runs the module's tests on the first shard, which tells the news of them.
    pub async fn run_tests(&self) {
        self.shared.message(0, Message::Tests).await;
    }

    /// What was counted of the tests' code. The worker has stopped.
    pub fn counted(&self) -> Vec<ScriptCoverage> {
        let testing = self.shared.testing.as_ref();
        testing.map_or_else(Vec::new, |testing| {
            std::mem::take(&mut *lock(&testing.counted))
        })
    }

    /// Calls a method of an object; the result as JSON.
    ///
    /// # Errors
    /// What it threw, as text.
    pub async fn call(&self, call: JsonCall) -> Result<String, String> {
        let (sender, outcome) = oneshot::channel();
        self.shared.message(0, Message::Call(call, sender)).await;
        outcome
            .await
            .unwrap_or_else(|_| Err("the server is stopping".to_owned()))
    }

    /// Answers a question about stored objects. An object that it takes to another state starts anew.
    ///
    /// # Errors
    /// What [`answer::prepare`] refuses.
    pub async fn answer(&self, question: Question) -> Result<Answer, Refused> {
        let shared = self.shared.clone();
        let prepare = move || answer::prepare(&shared.journal, shared.state.path(), &question);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let (answer, reopen) = prepared.map_err(|error| Refused {
            what: error.to_string(),
            is_usage: false,
        })??;
        if let Some(name) = reopen {
            self.reopen(name).await?;
        }
        Ok(answer)
    }

    async fn reopen(&self, name: ObjectName) -> Result<(), Refused> {
        let shared = self.shared.clone();
        let is_its = |class: &&str| *(shared.unique_key)(class) == *name.unique_key;
        let Some(namespace) = self.classes().iter().position(is_its) else {
            // None of the classes that are served, so nobody holds the object.
            let reopen = move || crate::stored::reopen_here(&shared.journal, &shared.state, &name);
            let reopened = tokio::task::spawn_blocking(reopen).await;
            return match reopened {
                Ok(result) => result.map_err(Refused::from),
                Err(error) => Err(Refused {
                    what: error.to_string(),
                    is_usage: false,
                }),
            };
        };
        let key = ObjectKey {
            namespace: namespace as u16,
            id: name.id,
        };
        let placement = &self.shared.placement;
        let shard = placement.place(key, placement.least_busy());
        let (sender, done) = oneshot::channel();
        self.shared
            .message(shard, Message::Reopen(key, sender))
            .await;
        // Without a word the shard is stopping: the object is restored when it is opened the next time.
        drop(done.await);
        Ok(())
    }

    /// Runs a handler of the worker. The answer is JSON: for a cron trigger `{ outcome,
    /// noRetry }`, for a queue what became of the messages, with the fields of the
    /// platform's `FetcherQueueResult`.
    ///
    /// # Errors
    /// What it threw, as text.
    pub async fn handle(&self, event: HandlerEvent) -> Result<String, String> {
        let (sender, outcome) = oneshot::channel();
        self.shared
            .message(0, Message::Handler(event, sender))
            .await;
        let lost = || Err("the server is stopping".to_owned());
        outcome.await.unwrap_or_else(|_| lost())
    }

    /// Lets requests finish, closes the sockets with 1001 and every object's
    /// storage, and ends all threads.
    pub async fn stop(&self) {
        let shared = self.shared.clone();
        shared.stopping.store(true, Ordering::Release);
        let mut stopped = Vec::new();
        for shard in 0..shared.shards.len() {
            let (sender, done) = oneshot::channel();
            if shared.message(shard, Message::Stop(sender)).await {
                stopped.push(done);
            }
        }
        for done in stopped {
            // A shard that never started has nothing to close.
            drop(done.await);
        }
        shared.alarms.wake();
        shared.watchdog.stop();
        let threads = std::mem::take(&mut *self.threads());
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    shared.logger.error(None, "a thread of the worker panicked");
                }
            }
            let stopped = shared.journal.stop();
            if let Err(error) = stopped.and_then(|()| shared.state.mark_clean()) {
                shared.logger.error(None, error.to_string());
            }
        });
        drop(joined.await);
    }
}
