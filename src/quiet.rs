//! Finding out that a shard has nothing to do, for a clock that moves only then.
//!
//! The shard's root task is polled with a waker that remembers being woken. When it has not been
//! woken for a few rounds, in each of which the system was asked for events of sockets, everything
//! that was under way inside the process has arrived. What is under way outside of it (a sync, a
//! request to another machine) is asked for by name.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Wake;
use std::task::Waker;

use deno_core::JsRuntime;
use deno_core::stats::RuntimeActivity;
use deno_core::stats::RuntimeActivityStatsFilter;

use crate::clock::Clock;
use crate::isolate::call;
use crate::placement::ShardIndex;
use crate::shard::Shard;
use crate::testing::Testing;

/// Rounds without anything new after which a shard is idle. A request to the own server needs two:
/// its bytes arrive, then its answer's.
const ROUNDS: u32 = 4;

/// Beginnings of the names of ops whose end comes from outside of the process, or from its other
/// threads.
const WORLDLY_OPS: [&str; 10] = [
    "op_fetch",
    "op_crypto",
    "op_socket_connect",
    "op_tcp_open",
    "op_tcp_secure",
    "op_tcp_write",
    "op_dns",
    "op_bookmark",
    "op_node",
    "op_assets",
];

/// What the names of ops begin with. Those that do not are methods of deno_crypto, whose work is
/// done by other threads.
const OPS: &str = "op_";

/// Those of them that are requests by HTTP.
const REQUEST_OPS: [&str; 2] = ["op_fetch_send", "op_socket_connect"];

/// Resources that are answers of other machines, of which more may arrive.
const WORLDLY_RESOURCES: [&str; 2] = ["fetchResponse", "fetchUpgradedStream"];

fn is_request(op: &str) -> bool {
    REQUEST_OPS.contains(&op)
}

/// Watches one shard.
pub struct Quiet {
    clock: Arc<dyn Clock>,
    shard: ShardIndex,
    woken: Arc<Woken>,
    waker: Waker,
    rounds: u32,
}

struct Woken {
    flag: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        let task = self.task.lock();
        task.unwrap_or_else(|poisoned| poisoned.into_inner())
            .wake_by_ref();
    }
}

impl Quiet {
    /// A watch for a shard whose clock needs one.
    pub fn of(shard: &Rc<Shard>) -> Option<Quiet> {
        shard.shared.clock.virtual_time()?;
        let woken = Arc::new(Woken {
            flag: AtomicBool::new(false),
            task: Mutex::new(Waker::noop().clone()),
        });
        Some(Quiet {
            clock: shard.shared.clock.clone(),
            shard: shard.index,
            waker: woken.clone().into(),
            woken,
            rounds: 0,
        })
    }

    /// Begins a poll of the root task: the waker to poll everything with.
    pub fn begin(&mut self, task: &Context<'_>) -> Waker {
        let stored = self.woken.task.lock();
        let mut stored = stored.unwrap_or_else(|poisoned| poisoned.into_inner());
        if !stored.will_wake(task.waker()) {
            stored.clone_from(task.waker());
        }
        drop(stored);
        if self.woken.flag.swap(false, Ordering::SeqCst) {
            self.rounds = 0;
            self.set_idle(false);
        }
        self.waker.clone()
    }

    /// Ends a poll. `waits_for_world` is asked when nothing inside of the process is left.
    pub fn end(&mut self, task: &mut Context<'_>, waits_for_world: impl FnOnce() -> bool) {
        if self.woken.flag.load(Ordering::SeqCst) {
            return;
        }
        if self.rounds < ROUNDS {
            self.rounds += 1;
            // Wakes this task after the system was asked for events, behind all others.
            let _ = pin!(tokio::task::yield_now()).poll(task);
        } else if !waits_for_world() {
            self.set_idle(true);
        }
    }

    fn set_idle(&self, idle: bool) {
        if let Some(time) = self.clock.virtual_time() {
            time.set_idle(self.shard, idle);
        }
    }
}

impl Shard {
    /// Runs the earliest timer of a virtual clock, if one is due. One at a time: what it makes
    /// ready comes first.
    pub fn run_due_timer(&self) {
        let Some(time) = self.shared.clock.virtual_time() else {
            return;
        };
        if !time.is_due(self.index) {
            return;
        }
        self.isolate
            .enter(|scope| drop(call(scope, &self.isolate.dispatch.run_timer, &[])));
        self.end_turn();
        self.wake();
    }

    /// Whether something is under way that the process cannot hurry: a commit on its way to the
    /// disk, an answer of another machine.
    pub fn waits_for_world(&self, runtime: &JsRuntime) -> bool {
        if self.facet_works.any() {
            return true;
        }
        let objects = self.objects.borrow();
        let is_late = objects.values().any(|resident| !resident.is_durable());
        if is_late && !self.is_storage_stalled() {
            return true;
        }
        drop(objects);
        let filter = RuntimeActivityStatsFilter::default()
            .with_ops()
            .with_resources();
        let stats = runtime.runtime_activity_stats_factory().capture(&filter);
        let answering = self.shared.testing.as_ref().and_then(Testing::answering);
        let mut requests = 0;
        let waits = stats.dump().active.iter().any(|activity| match activity {
            RuntimeActivity::AsyncOp(_, _, name) if answering.is_some() && is_request(name) => {
                requests += 1;
                false
            }
            RuntimeActivity::AsyncOp(_, _, name) => {
                !name.starts_with(OPS)
                    || WORLDLY_OPS.iter().any(|worldly| name.starts_with(worldly))
            }
            // What a server of this process has sent has arrived by now.
            RuntimeActivity::Resource(_, _, name) => {
                answering.is_none() && WORLDLY_RESOURCES.contains(&name.as_str())
            }
            _ => false,
        });
        // The others are on their way to the server, or from it.
        waits || requests > answering.unwrap_or(0)
    }
}
