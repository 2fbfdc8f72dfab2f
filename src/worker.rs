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
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use stead_ops::cache::Caches;
use stead_storage::Options;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alarms::Alarms;
use crate::bindings::Bindings;
use crate::blank::Settings;
use crate::blank::Waiting;
use crate::bundle::Bundle;
use crate::cli::logger::Logger;
use crate::client::Client;
use crate::clock::Clock;
use crate::clock::Random;
use crate::compatibility::Compatibility;
use crate::eviction::Evict;
use crate::exports::Export;
use crate::exports::ExportKind;
use crate::front::Front;
use crate::handover::Handover;
use crate::handover::Inheritance;
use crate::handover::Retire;
use crate::inspector::Brake;
use crate::inspector::Inspector;
use crate::kills::Kills;
use crate::limits::Limits;
use crate::placement::Placement;
use crate::placement::ShardIndex;
use crate::process::Process;
use crate::retirement::Replaced;
use crate::retirement::Retirement;
use crate::routes::Routes;
use crate::shard::StartError;
use crate::shards::Slot;
use crate::shards::end_process;
use crate::shards::end_shards;
use crate::shards::join;
use crate::shards::start_shards;
use crate::shared::Code;
use crate::shared::HandlerEvent;
use crate::shared::JsonCall;
use crate::shared::MESSAGES_MAX;
use crate::shared::Message;
use crate::shared::Shared;
use crate::stored::question::Answer;
use crate::stored::question::Question;
use crate::stored::question::Refused;
use crate::testing::Testing;
use crate::testing::coverage::ScriptCoverage;
use crate::testing::lock;
use crate::watchdog::Watchdog;
use crate::worn::Worn;

/// How long after the first shard the others begin that nobody waits for: making isolates keeps the
/// lock of the process's address space busy, which the first answers need as well.
const LATE_BY: Duration = Duration::from_millis(50);

/// The connections of a new worker that need not wait for their shard.
const EARLY_MAX: usize = 4;

/// What a worker is started with.
pub struct Config {
    /// Shards that have begun already, at most as many as there are to be.
    pub waiting: Vec<Waiting>,
    /// The code.
    pub bundle: Arc<Bundle>,
    /// Number of shards.
    pub shards: usize,
    /// Whether the worker is ready as soon as its first shard is. The others begin after it, and
    /// [`Worker::failed`] says if one of them cannot.
    pub first_alone: bool,
    /// The process that it joins, with its state directory.
    pub process: Arc<Process>,
    /// Its name among the workers of the process.
    pub name: String,
    /// How each object's storage is opened.
    pub storage: Options,
    /// When idle objects leave memory.
    pub evict: Evict,
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
    /// Whether a person wants to see where time goes and which line prints.
    pub is_watched: bool,
    /// Where everything is printed.
    pub logger: Logger,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub random: Random,
    /// Where debuggers attach, if they may.
    pub inspector: Option<Arc<Inspector>>,
    /// What `stead test` adds.
    pub testing: Option<Testing>,
}

/// A running worker. It must be stopped: dropping it leaves its threads running.
pub struct Worker {
    shared: Arc<Shared>,
    generation: Arc<Mutex<Generation>>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Held while shards start or are replaced: one replacement at a time.
    replacing: Arc<tokio::sync::Mutex<Vec<Retirement>>>,
    /// Tells why a shard that began after the first one cannot serve.
    failed: watch::Receiver<Option<StartError>>,
}

/// What all shards run at the moment.
struct Generation {
    code: Arc<Code>,
    exports: Arc<[Export]>,
    /// The way to end what each shard's isolate runs: as many as there are shards, but fewer until
    /// those that nobody waits for have begun, or if one of them failed.
    isolates: Vec<Brake>,
}

impl Worker {
    /// Starts all shards and waits until each has evaluated the worker's module, or only the
    /// first one if that is enough.
    ///
    /// # Errors
    /// What the module threw, or why it cannot be served; nothing runs then.
    pub async fn start(config: Config) -> Result<Worker, StartError> {
        let code = Arc::new(Code {
            bundle: config.bundle,
            vars: config.vars,
            bindings: config.bindings,
            front: config.front,
            unique_key: config.unique_key,
        });
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..config.shards)
            .map(|_| mpsc::channel(MESSAGES_MAX))
            .unzip();
        let process = config.process;
        let shared = Arc::new(Shared {
            worker: process.index(&config.name),
            placement: Placement::new(config.shards),
            routes: Routes::new(senders.clone()),
            numbers: process.numbers.clone(),
            state: process.state.clone(),
            storage: config.storage,
            evict: config.evict,
            journal: process.journal.clone(),
            process,
            caches: Caches::new(config.limits.cache_bytes),
            limits: config.limits,
            compatibility: config.compatibility,
            watchdog: Watchdog::default(),
            kills: Kills::default(),
            worn: Worn::default(),
            alarms: Alarms::default(),
            clock: config.clock,
            random: config.random,
            inspector: config.inspector,
            testing: config.testing,
            is_watched: config.is_watched,
            logger: config.logger,
            incarnations: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stop_asked: Notify::new(),
        });
        shared.process.join(shared.worker, &shared);
        let watchdog = shared.watchdog.start(shared.limits.cpu);
        let slots = receivers.into_iter().enumerate();
        let slots = slots.map(|(index, receiver)| (index, receiver, None));
        let mut slots: Vec<Slot> = slots.collect();
        let late = if config.first_alone {
            slots.split_off(1)
        } else {
            Vec::new()
        };
        let (mut threads, starting) = start_shards(&shared, &code, slots, config.waiting);
        threads.push(watchdog);
        let (exports, isolates) = match starting.ready().await {
            Ok(started) => started,
            Err(error) => {
                drop(late);
                end_shards(&shared, senders).await;
                end_process(shared, threads).await;
                return Err(error);
            }
        };
        let (failure, failed) = watch::channel(None);
        let worker = Worker {
            generation: Arc::new(Mutex::new(Generation {
                code,
                exports,
                isolates,
            })),
            threads: Arc::new(Mutex::new(threads)),
            replacing: Arc::default(),
            failed,
            shared,
        };
        worker.start_late(late, failure).await;
        if worker.shared.testing.is_none() {
            crate::memory::give_back_soon();
        }
        let alarms = worker.shared.alarms.start(&worker.shared);
        worker.threads().push(alarms);
        Ok(worker)
    }

    /// Starts shards that nobody waits for, a moment later. What they are told waits for them.
    async fn start_late(&self, slots: Vec<Slot>, failure: watch::Sender<Option<StartError>>) {
        if slots.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let generation = self.generation.clone();
        let threads = self.threads.clone();
        // Who replaces shards, or ends them, waits until there are all.
        let starting = self.replacing.clone().lock_owned().await;
        tokio::spawn(async move {
            let stopped = tokio::time::timeout(LATE_BY, shared.stop_asked.notified());
            if stopped.await.is_ok() {
                return;
            }
            let code = lock(&generation).code.clone();
            let (started, shards) = start_shards(&shared, &code, slots, Vec::new());
            lock(&threads).extend(started);
            match shards.ready().await {
                Ok((_, isolates)) => lock(&generation).isolates.extend(isolates),
                Err(error) => drop(failure.send(Some(error))),
            }
            drop(starting);
        });
    }

    /// Waits until a shard that began after the first one could not start; says why. The
    /// worker is to be stopped then.
    pub async fn failed(&self) -> StartError {
        let mut failed = self.failed.clone();
        let failure = failed.wait_for(Option::is_some).await;
        match failure.ok().and_then(|failure| failure.clone()) {
            Some(error) => error,
            // All have started.
            None => std::future::pending().await,
        }
    }

    /// The code that runs now.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.generation().code.bundle.clone()
    }

    /// Puts new code in the place of what runs.
    ///
    /// When this returns, every new request and event meets the new code. What the
    /// old code was running goes on, for at most `drain`: requests that were being
    /// answered are answered by it, an object that is handling something is
    /// finished with that first. Then each object leaves the old code, and the next
    /// event makes a new instance of it with the new code; its events wait
    /// meanwhile. Callers whose answer does not come in time get `Durable Object
    /// reset because its code was updated.` Storage and alarms stay. The sockets
    /// that objects accepted with `ctx.acceptWebSocket()` stay connected if the new
    /// code has the class, and are closed with 1012 if it does not. Sockets and
    /// timers that only the old isolate knew end with it.
    ///
    /// A replacement that is under way is cut short first, to half a second. The old threads end and
    /// free their isolates without anybody waiting for them; who wants to,
    /// waits for [`Replaced::ended`].
    ///
    /// # Errors
    /// What the new module threw, or why it cannot be served: the old code goes on
    /// serving as if nothing had happened.
    pub async fn replace(&self, code: Code, drain: Duration) -> Result<Replaced, StartError> {
        self.replace_by(Vec::new(), code, drain).await
    }

    /// Has shards begin that [`Worker::replace_by`] is to put in the place of all of these.
    pub fn begin_shards(&self) -> Vec<Waiting> {
        Waiting::begin_all(self.shared.routes.len(), &Settings::of(&self.shared))
    }

    /// [`Worker::replace`] by shards that have begun already.
    ///
    /// # Errors
    /// As [`Worker::replace`].
    pub async fn replace_by(
        &self,
        waiting: Vec<Waiting>,
        code: Code,
        drain: Duration,
    ) -> Result<Replaced, StartError> {
        let every = (0..self.shared.routes.len()).collect();
        let code = Arc::new(code);
        self.replace_shards(every, waiting, code, drain).await
    }

    /// Puts a new isolate, with the same code, in the place of one shard's, on the
    /// terms of [`Worker::replace`].
    ///
    /// # Errors
    /// The module threw this time; the old isolate goes on.
    pub async fn replace_shard(
        &self,
        shard: ShardIndex,
        drain: Duration,
    ) -> Result<Replaced, StartError> {
        let code = self.generation().code.clone();
        self.replace_shards(vec![shard], Vec::new(), code, drain)
            .await
    }

    async fn replace_shards(
        &self,
        shards: Vec<ShardIndex>,
        waiting: Vec<Waiting>,
        code: Arc<Code>,
        drain: Duration,
    ) -> Result<Replaced, StartError> {
        let mut replacing = self.replacing.lock().await;
        if self.shared.is_stopping() {
            return Err(StartError::Module("the worker is stopping".into()));
        }
        if self.generation().isolates.len() < self.shared.routes.len() {
            // A shard never began: the worker is about to be stopped.
            let failure = self.failed.borrow().clone();
            let unknown = || StartError::Module("not every shard could start".into());
            return Err(failure.unwrap_or_else(unknown));
        }
        let mut successors = Vec::new();
        let mut retiring = Vec::new();
        let mut slots = Vec::new();
        for shard in shards {
            let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
            let (handover, inheritance) = mpsc::unbounded_channel();
            successors.push((shard, sender));
            retiring.push((shard, handover));
            slots.push((shard, receiver, Some(Inheritance::new(inheritance))));
        }
        let (threads, starting) = start_shards(&self.shared, &code, slots, waiting);
        self.keep_threads(threads);
        let (exports, isolates) = match starting.ready().await {
            Ok(started) => started,
            Err(error) => {
                let senders = successors.into_iter().map(|(_, sender)| sender);
                end_shards(&self.shared, senders.collect()).await;
                return Err(error);
            }
        };
        // What an earlier replacement left is over before its successor is replaced.
        for retirement in replacing.drain(..) {
            retirement.cut_off(&self.shared).await;
        }
        let old = self.shared.routes.replace(successors);
        let deadline = Instant::now() + drain;
        let isolates = self.renew(code, exports, isolates, &retiring);
        for ((sender, isolate), (_, successor)) in old.into_iter().zip(isolates).zip(retiring) {
            isolate.release();
            let (ended, ending) = watch::channel(());
            let retire = Retire {
                successor,
                deadline,
                ended,
            };
            // A shard that is gone hands nothing over; its successor hears of that.
            self.shared
                .message_by(&sender, Message::Retire(retire))
                .await;
            replacing.push(Retirement {
                sender,
                isolate,
                ending,
            });
        }
        let endings = replacing.iter().map(|r| r.ending.clone()).collect();
        for retirement in replacing.iter() {
            let ended = retirement.clone().enforce(deadline);
            tokio::spawn(async move {
                ended.await;
                drop(tokio::task::spawn_blocking(crate::memory::give_back).await);
            });
        }
        Ok(Replaced { endings })
    }

    /// Notes what runs now; the isolates that were replaced come back.
    fn renew(
        &self,
        code: Arc<Code>,
        exports: Arc<[Export]>,
        isolates: Vec<Brake>,
        replaced: &[(ShardIndex, mpsc::UnboundedSender<Handover>)],
    ) -> Vec<Brake> {
        let mut generation = self.generation();
        generation.code = code;
        generation.exports = exports;
        let shards = replaced.iter().map(|(shard, _)| *shard);
        shards
            .zip(isolates)
            .map(|(shard, isolate)| std::mem::replace(&mut generation.isolates[shard], isolate))
            .collect()
    }

    fn generation(&self) -> std::sync::MutexGuard<'_, Generation> {
        lock(&self.generation)
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        lock(&self.threads)
    }

    /// Keeps threads to wait for at the end, and forgets those that have ended.
    fn keep_threads(&self, new: Vec<JoinHandle<()>>) {
        let mut threads = self.threads();
        let kept = std::mem::take(&mut *threads);
        let (ended, running): (Vec<_>, Vec<_>) = kept.into_iter().partition(|t| t.is_finished());
        threads.extend(running);
        threads.extend(new);
        drop(threads);
        join(&self.shared, ended);
    }

    /// What its shards share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the worker's module exports.
    pub fn exports(&self) -> Arc<[Export]> {
        self.generation().exports.clone()
    }

    /// The object classes, sorted.
    pub fn classes(&self) -> Vec<String> {
        let exports = self.exports();
        let objects = exports
            .iter()
            .filter(|export| export.kind == ExportKind::Object);
        let mut names: Vec<String> = objects.map(|export| export.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Whether debuggers may attach.
    pub fn may_be_debugged(&self) -> bool {
        self.shared.inspector.is_some()
    }

    /// The worker's name.
    pub fn name(&self) -> String {
        self.shared.process.name(self.shared.worker)
    }

    /// The path of the state directory.
    pub fn state_path(&self) -> PathBuf {
        self.shared.state.path().to_owned()
    }

    /// Hands a client's connection to a shard: all of them in turn, but the first few to one that is
    /// ready. More of them would find that shard busy for as long as they last.
    pub async fn connect(&self, number: usize, stream: std::net::TcpStream) {
        let ready = self.generation().isolates.len();
        let mut shard = number % self.shared.routes.len();
        if shard >= ready && number < EARLY_MAX {
            shard = number % ready;
        }
        let client = Client {
            stream,
            read: Bytes::new(),
        };
        self.shared
            .message(shard, Message::Connection(client))
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
    ///
    /// [`answer::prepare`]: crate::stored::answer::prepare
    pub async fn answer(&self, question: Question) -> Result<Answer, Refused> {
        crate::stored::answer_running(&self.shared.process, question).await
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
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop_asked.notify_one();
        self.generation().isolates.iter().for_each(Brake::release);
        self.shared.worn.end();
        let replacing = self.replacing.lock().await;
        let mut senders = self.shared.routes.all();
        senders.extend(replacing.iter().map(|retirement| retirement.sender.clone()));
        end_shards(&self.shared, senders).await;
        self.shared.alarms.wake();
        let threads = std::mem::take(&mut *self.threads());
        end_process(self.shared.clone(), threads).await;
    }
}
