//! Wakes objects at the time of their alarm, and again after a failure.
//!
//! One thread for the process. The object's own database says when its alarm is
//! due; what is kept here is an index of those times, which a run checks against.
//! <https://developers.cloudflare.com/durable-objects/api/alarms/>

mod now;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use deno_core::futures::FutureExt;
use deno_core::futures::StreamExt;
use deno_core::futures::stream::FuturesUnordered;
use stead_ops::message::AlarmOutcome;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_storage::AlarmEntry;
use stead_storage::AlarmIndex;
use stead_storage::AlarmUpdate;
use stead_storage::IdKey;
use tokio::sync::Notify;
use tokio::sync::oneshot;

use crate::shared::Message;
use crate::shared::Shared;
use crate::testing::crons::Crons;
use crate::told::AlarmRun;
use crate::virtual_time::Due;
use crate::virtual_time::Step;
use crate::virtual_time::VirtualTime;

/// Delay of the first retry; each further one doubles it.
const RETRY_START_MS: u64 = 2_000;
/// Retries that are counted before an alarm is given up.
const RETRIES_MAX: u32 = 6;
/// The delay doubles at most this often.
const BACKOFF_MAX: u32 = 9;
/// How long a handler may run, by the clock on the wall.
const RUN_MS_MAX: i64 = 15 * 60 * 1000;
/// Alarms that run at once.
const RUNNING_MAX: usize = 256;
/// How far ahead the index is read.
const HORIZON_MS: i64 = 60_000;
/// The same for a clock that does not move by itself: a hundred years.
const VIRTUAL_HORIZON_MS: i64 = 100 * 366 * 86_400_000;
/// Pending alarms of a namespace that are told to those who ask.
const PENDING_MAX: usize = 10_000;

/// The way to the alarm thread.
#[derive(Clone, Default)]
pub struct Alarms {
    inner: Arc<Inner>,
}

/// What is pending, and of which object.
pub type PendingAlarms = Vec<(ObjectKey, AlarmEntry)>;

#[derive(Default)]
struct Inner {
    /// The latest change of each object's alarm that the thread has not seen;
    /// bounded by the number of objects.
    changes: Mutex<HashMap<ObjectKey, Change>>,
    /// Who wants to know what is pending.
    asked: Mutex<Vec<oneshot::Sender<PendingAlarms>>>,
    /// Whose alarms are wanted before their time; bounded by the number of objects.
    wanted: Mutex<Vec<ObjectKey>>,
    /// Who wants the index closed, and told when it is.
    parking: Mutex<Option<oneshot::Sender<()>>>,
    /// Whether the thread leaves everything alone.
    parked: AtomicBool,
    wake: Notify,
}

struct Change {
    unique_key: String,
    name: Option<String>,
    at_ms: Option<i64>,
}

impl Alarms {
    /// Tells of an alarm that was committed; `None` for one that was removed.
    pub fn set(&self, key: ObjectKey, unique_key: &str, name: Option<String>, at_ms: Option<i64>) {
        let change = Change {
            unique_key: unique_key.to_owned(),
            name,
            at_ms,
        };
        self.changes().insert(key, change);
        self.inner.wake.notify_one();
    }

    /// The alarms that are pending, with the time of their next run, earliest first.
    pub fn pending(&self) -> oneshot::Receiver<Vec<(ObjectKey, AlarmEntry)>> {
        let (sender, answer) = oneshot::channel();
        let asked = self.inner.asked.lock();
        asked
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push(sender);
        self.inner.wake.notify_one();
        answer
    }

    /// Closes the index and forgets all runs, until [`Alarms::unpark`]: for tests that change what is
    /// stored underneath. No object is in memory meanwhile.
    pub async fn park(&self) {
        let (sender, parked) = oneshot::channel();
        let parking = self.inner.parking.lock();
        *parking.unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(sender);
        self.inner.wake.notify_one();
        // A thread that has ended has closed everything.
        drop(parked.await);
    }

    /// Goes on, with what is stored now.
    pub fn unpark(&self) {
        self.inner.parked.store(false, Ordering::SeqCst);
        self.inner.wake.notify_one();
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, Change>> {
        self.inner
            .changes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts the thread. It ends when the worker is stopping or gone.
    pub fn start(&self, shared: &Arc<Shared>) -> JoinHandle<()> {
        let alarms = self.clone();
        let weak = Arc::downgrade(shared);
        std::thread::Builder::new()
            .name("alarms".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .expect("a runtime with a timer alone needs nothing of the system");
                runtime.block_on(Scheduler::new(alarms, weak).run());
            })
            .expect("a process that cannot start a thread cannot serve")
    }

    /// Has the thread look again, also at whether it is to end.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }
}

/// An alarm that is not simply waiting for its time.
enum Busy {
    Running {
        counted: u32,
        backoff: u32,
        /// When the run counts as hanging.
        until_ms: i64,
    },
    Retry {
        at_ms: i64,
        counted: u32,
        backoff: u32,
        entry: AlarmEntry,
    },
}

struct Scheduler {
    alarms: Alarms,
    shared: Weak<Shared>,
    namespaces: Vec<NamespaceAlarms>,
    busy: HashMap<ObjectKey, Busy>,
    /// The cron triggers of a project that is tested, once the clock runs.
    crons: Option<Crons>,
}

struct NamespaceAlarms {
    unique_key: String,
    ids: IdKey,
    /// Whether the objects are this worker's.
    own: bool,
    /// Opened at the first use: most namespaces have no alarms.
    index: Option<AlarmIndex>,
}

type Finished = (ObjectKey, AlarmEntry, AlarmOutcome);

impl Scheduler {
    fn new(alarms: Alarms, shared: Weak<Shared>) -> Scheduler {
        Scheduler {
            alarms,
            shared,
            namespaces: Vec::new(),
            busy: HashMap::new(),
            crons: None,
        }
    }

    /// Learns of namespaces, in the order of their numbers. Those of other workers are kept by
    /// the threads of those.
    fn know(&mut self, shared: &Shared) {
        for (at, numbered) in shared.numbers.after(0).into_iter().enumerate() {
            let own = numbered.worker == shared.worker;
            match self.namespaces.get_mut(at) {
                Some(known) if known.own != own => {
                    known.own = own;
                    known.index = None;
                }
                Some(_) => {}
                None => self.namespaces.push(NamespaceAlarms {
                    ids: IdKey::new(&numbered.unique_key),
                    unique_key: numbered.unique_key,
                    own,
                    index: None,
                }),
            }
        }
    }

    async fn run(mut self) {
        let mut running = FuturesUnordered::new();
        loop {
            let Some(shared) = self.shared.upgrade().filter(|shared| !shared.is_stopping()) else {
                // What was committed last is told to the index before it closes.
                return self.apply_changes();
            };
            self.know(&shared);
            let clock = shared.clock.clone();
            let time = clock.virtual_time();
            let seen = time.map_or(0, VirtualTime::activity);
            while let Some(Some((key, entry, outcome))) = running.next().now_or_never() {
                self.finished(key, entry, outcome);
            }
            self.park_if_asked();
            if self.alarms.inner.parked.load(Ordering::SeqCst) {
                drop(shared);
                self.alarms.inner.clone().wake.notified().await;
                continue;
            }
            self.open_existing(&shared);
            self.apply_changes();
            let now_ms = clock.now_ms();
            self.answer_asked(now_ms);
            let horizon_ms = if time.is_some() {
                VIRTUAL_HORIZON_MS
            } else {
                HORIZON_MS
            };
            let (due, next_ms) = self.due(now_ms, horizon_ms, RUNNING_MAX - running.len());
            let next_ms = next_ms.min(self.end_overdue(&shared, now_ms));
            let wanted = self.take_wanted();
            for (key, entry) in wanted.into_iter().chain(due) {
                running.push(self.begin(&shared, key, entry));
            }
            if let Some(time) = time {
                let crons = self.crons.get_or_insert_with(|| match &shared.testing {
                    Some(testing) => Crons::new(&testing.crons, now_ms),
                    None => Crons::default(),
                });
                for event in crons.take_due(now_ms) {
                    crate::testing::crons::fire(&shared, event);
                }
                let next_ms = (next_ms < now_ms + horizon_ms).then_some(next_ms);
                let due = Due {
                    alarm_ms: next_ms,
                    alarms_run: !running.is_empty(),
                    cron_ms: crons.next_ms(),
                };
                match time.step(seen, due) {
                    Step::Moved => {
                        shared.nudge(&time.due_shards(), || Message::Tick);
                        continue;
                    }
                    Step::Still if time.take_watch() => shared.nudge(&[0], || Message::Stalled),
                    Step::Still | Step::Busy => {}
                }
                drop(shared);
                let inner = self.alarms.inner.clone();
                tokio::select! {
                    Some((key, entry, outcome)) = running.next() => self.finished(key, entry, outcome),
                    () = inner.wake.notified() => {}
                    () = time.changed.notified() => {}
                }
                continue;
            }
            drop(shared);
            let wait =
                Duration::from_millis(next_ms.saturating_sub(now_ms).clamp(0, HORIZON_MS) as u64);
            let inner = self.alarms.inner.clone();
            tokio::select! {
                Some((key, entry, outcome)) = running.next() => self.finished(key, entry, outcome),
                () = inner.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Closes the index if somebody wants it closed. What was committed last is told to it first.
    fn park_if_asked(&mut self) {
        let asked = {
            let parking = self.alarms.inner.parking.lock();
            parking
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take()
        };
        let Some(asked) = asked else { return };
        self.apply_changes();
        self.busy.clear();
        for namespace in &mut self.namespaces {
            namespace.index = None;
        }
        self.alarms.inner.parked.store(true, Ordering::SeqCst);
        // Whoever asked has ended if it does not listen.
        let _ = asked.send(());
    }

    /// Tells what is pending to those who asked.
    fn answer_asked(&mut self, now_ms: i64) {
        let asked = std::mem::take(
            &mut *self
                .alarms
                .inner
                .asked
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        if asked.is_empty() {
            return;
        }
        let mut pending = Vec::new();
        for (at, namespace) in self.namespaces.iter().enumerate() {
            let Some(index) = &namespace.index else {
                continue;
            };
            for entry in index
                .due(now_ms + VIRTUAL_HORIZON_MS, PENDING_MAX)
                .unwrap_or_default()
            {
                let Ok(id) = namespace.ids.parse(&entry.id_hex) else {
                    continue;
                };
                let key = ObjectKey::new(at as u16, id);
                match self.busy.get(&key) {
                    None => pending.push((key, entry)),
                    Some(Busy::Running { .. }) => {}
                    Some(Busy::Retry { at_ms, .. }) => {
                        pending.push((
                            key,
                            AlarmEntry {
                                at_ms: *at_ms,
                                ..entry
                            },
                        ));
                    }
                }
            }
        }
        pending.sort_by_key(|(_, entry)| entry.at_ms);
        for sender in asked {
            drop(sender.send(pending.clone()));
        }
    }

    fn report(&self, error: &dyn std::fmt::Display) {
        if let Some(shared) = self.shared.upgrade() {
            shared.logger.error(None, format!("alarms: {error}"));
        }
    }

    /// Opens the indexes that earlier processes left.
    fn open_existing(&mut self, shared: &Shared) {
        let mut failed = None;
        for namespace in self.namespaces.iter_mut().filter(|namespace| namespace.own) {
            let unique_key = shared.storage_key(&namespace.unique_key);
            let directory = shared.state.path().join(unique_key);
            if namespace.index.is_some() || !directory.join("metadata.sqlite").exists() {
                continue;
            }
            match AlarmIndex::open(&directory) {
                Ok(index) => namespace.index = Some(index),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.report(&error);
        }
    }

    fn apply_changes(&mut self) {
        let changes = std::mem::take(&mut *self.alarms.changes());
        let mut updates: HashMap<u16, Vec<AlarmUpdate>> = HashMap::new();
        for (key, change) in changes {
            // A new alarm takes the place of a retry; a run in progress ends first.
            if matches!(self.busy.get(&key), Some(Busy::Retry { .. })) {
                self.busy.remove(&key);
            }
            debug_assert_eq!(
                self.namespaces[key.namespace as usize].unique_key,
                change.unique_key
            );
            let update = AlarmUpdate {
                id: key.id,
                name: change.name,
                at_ms: change.at_ms,
            };
            updates.entry(key.namespace).or_default().push(update);
        }
        for (namespace, updates) in updates {
            if let Err(error) = self.update(namespace, &updates) {
                self.report(&error);
            }
        }
    }

    fn update(
        &mut self,
        namespace: u16,
        updates: &[AlarmUpdate],
    ) -> Result<(), stead_storage::StorageError> {
        let shared = self.shared.upgrade();
        let namespace = &mut self.namespaces[namespace as usize];
        if namespace.index.is_none() {
            let Some(shared) = shared else { return Ok(()) };
            let unique_key = shared.storage_key(&namespace.unique_key);
            let directory = shared.state.namespace_dir(&unique_key)?;
            namespace.index = Some(AlarmIndex::open(&directory)?);
        }
        match &namespace.index {
            Some(index) => index.set_many(updates),
            None => Ok(()),
        }
    }

    /// The alarms to run now, at most `room`, and when to look again.
    fn due(
        &mut self,
        now_ms: i64,
        horizon_ms: i64,
        room: usize,
    ) -> (Vec<(ObjectKey, AlarmEntry)>, i64) {
        let mut due = Vec::new();
        let mut next_ms = now_ms + horizon_ms;
        let mut failed = None;
        for (at, namespace) in self.namespaces.iter().enumerate() {
            let Some(index) = &namespace.index else {
                continue;
            };
            match index.due(now_ms + horizon_ms, RUNNING_MAX + self.busy.len()) {
                Ok(entries) => {
                    for entry in entries {
                        let Ok(id) = namespace.ids.parse(&entry.id_hex) else {
                            continue;
                        };
                        let key = ObjectKey::new(at as u16, id);
                        if self.busy.contains_key(&key) {
                            continue;
                        }
                        if entry.at_ms > now_ms {
                            next_ms = next_ms.min(entry.at_ms);
                        } else if due.len() < room {
                            due.push((key, entry));
                        }
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        for (key, busy) in &self.busy {
            let Busy::Retry { at_ms, entry, .. } = busy else {
                continue;
            };
            if *at_ms > now_ms {
                next_ms = next_ms.min(*at_ms);
            } else if due.len() < room {
                due.push((*key, entry.clone()));
            }
        }
        if let Some(error) = failed {
            self.report(&error);
        }
        (due, next_ms)
    }

    /// Has the objects reset whose handlers have run for too long; when the next one will have.
    fn end_overdue(&mut self, shared: &Shared, now_ms: i64) -> i64 {
        let mut next_ms = i64::MAX;
        for (key, busy) in &mut self.busy {
            let Busy::Running { until_ms, .. } = busy else {
                continue;
            };
            if *until_ms <= now_ms {
                if let Some(shard) = shared.placement.holder(*key) {
                    shared.nudge(&[shard], || Message::AlarmOverdue(*key));
                }
                // Told again if the message does not arrive.
                *until_ms = now_ms + HORIZON_MS;
            }
            next_ms = next_ms.min(*until_ms);
        }
        next_ms
    }

    fn begin(
        &mut self,
        shared: &Shared,
        key: ObjectKey,
        entry: AlarmEntry,
    ) -> impl Future<Output = Finished> + use<> {
        let (counted, backoff) = match self.busy.remove(&key) {
            Some(
                Busy::Retry {
                    counted, backoff, ..
                }
                | Busy::Running {
                    counted, backoff, ..
                },
            ) => (counted, backoff),
            None => (0, 0),
        };
        let running = Busy::Running {
            counted,
            backoff,
            until_ms: shared.clock.now_ms() + RUN_MS_MAX,
        };
        self.busy.insert(key, running);
        let (reply, outcome) = oneshot::channel();
        let event = ObjectEvent::Alarm {
            scheduled_ms: entry.at_ms,
            retry_count: counted,
            give_up: counted > RETRIES_MAX,
            reply,
        };
        let run = AlarmRun::begin(shared, key, &entry, counted, counted > RETRIES_MAX);
        shared.send(key, entry.name.clone(), event);
        async move {
            let outcome = outcome.await.unwrap_or(AlarmOutcome::Failed);
            run.end(&outcome);
            (key, entry, outcome)
        }
    }

    fn finished(&mut self, key: ObjectKey, entry: AlarmEntry, outcome: AlarmOutcome) {
        let Some(Busy::Running {
            counted, backoff, ..
        }) = self.busy.remove(&key)
        else {
            return;
        };
        let retry = match outcome {
            // The object's commit has told of its next alarm, if it has one.
            AlarmOutcome::Done(_) => None,
            AlarmOutcome::Stale(at_ms) => {
                if !self.alarms.changes().contains_key(&key) {
                    let update = AlarmUpdate {
                        id: key.id,
                        name: entry.name.clone(),
                        at_ms,
                    };
                    if let Err(error) = self.update(key.namespace, &[update]) {
                        self.report(&error);
                    }
                }
                None
            }
            // The first failure that counts starts the delays anew.
            AlarmOutcome::Threw(_) if counted == 0 => Some((1, 0)),
            AlarmOutcome::Threw(_) => Some((counted + 1, backoff)),
            AlarmOutcome::Failed => Some((counted, backoff)),
            AlarmOutcome::Abandoned => Some((RETRIES_MAX + 1, 0)),
        };
        let Some((counted, backoff)) = retry else {
            return;
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let delay = RETRY_START_MS << backoff.min(BACKOFF_MAX);
        // Past the last retry the object is told at once to give the alarm up.
        let delay = if counted > RETRIES_MAX {
            0
        } else {
            delay + shared.random.below(delay / 4 + 1)
        };
        let at_ms = shared.clock.now_ms() + delay as i64;
        self.busy.insert(
            key,
            Busy::Retry {
                at_ms,
                counted,
                backoff: backoff + 1,
                entry,
            },
        );
    }
}
