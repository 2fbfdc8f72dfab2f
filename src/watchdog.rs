//! Ends turns of JavaScript that take too long: one thread for all shards.
//!
//! The thread looks at each shard some times in the time that a turn may take, and
//! sleeps while none of them runs anything. What it measures is the processor's
//! time that the shard's thread has used, so a turn is not blamed for a busy machine.
//! <https://developers.cloudflare.com/durable-objects/platform/limits/>

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::thread_clock::ThreadClock;

/// The longest and the shortest time between two looks while something runs.
const PERIOD_MAX: Duration = Duration::from_millis(10);
const PERIOD_MIN: Duration = Duration::from_millis(1);
/// Looks at a turn that is just within its limit.
const LOOKS: u32 = 20;
/// Time that a turn has taken since the last look, from which it counts as long.
const METERED_MIN: Duration = Duration::from_millis(1);
/// Looks that find nothing new before the thread sleeps.
const IDLE_LOOKS: u32 = 20;

/// A shard, as the watchdog sees it.
pub struct Watched {
    /// The count of `Turns`: odd while JavaScript runs.
    pub count: Arc<AtomicU64>,
    /// The clock of the shard's thread.
    pub clock: ThreadClock,
    /// How many debuggers are attached. The code of one who looks at it may take its time.
    pub debuggers: Arc<AtomicUsize>,
    /// Has the turn of that number ended; called from the watchdog's thread, until it has.
    pub condemn: Box<dyn Fn(u64) + Send + Sync>,
    /// Has somebody look whose turn of that number it is, as it is long; from the same thread.
    pub meter: Box<dyn Fn(u64) + Send + Sync>,
}

/// The way to the watchdog's thread.
#[derive(Clone, Default)]
pub struct Watchdog {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    shards: Mutex<Vec<Weak<Watched>>>,
    thread: Mutex<Option<std::thread::Thread>>,
    asleep: AtomicBool,
    stopping: AtomicBool,
}

/// What was seen of a shard when it was last looked at.
#[derive(Clone, Copy)]
struct Seen {
    turn: u64,
    /// The thread's time when the turn was first seen, and when it was last told of.
    used: Duration,
    metered: Duration,
}

impl Watchdog {
    /// Starts the thread: no turn may take more than `limit` of the processor's time.
    pub fn start(&self, limit: Duration) -> JoinHandle<()> {
        let watchdog = self.clone();
        std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                *lock(&watchdog.inner.thread) = Some(std::thread::current());
                watchdog.watch_all(limit);
            })
            .expect("a process that cannot start a thread cannot serve")
    }

    /// Watches a shard for as long as it is held.
    pub fn watch(&self, shard: &Arc<Watched>) {
        lock(&self.inner.shards).push(Arc::downgrade(shard));
    }

    /// Must be called when a turn has begun.
    pub fn wake(&self) {
        if self.inner.asleep.load(Ordering::SeqCst) {
            self.unpark();
        }
    }

    /// Has the thread end.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.unpark();
    }

    fn unpark(&self) {
        if let Some(thread) = &*lock(&self.inner.thread) {
            thread.unpark();
        }
    }

    fn watch_all(&self, limit: Duration) {
        let period = (limit / LOOKS).clamp(PERIOD_MIN, PERIOD_MAX);
        let mut seen: Vec<Option<Seen>> = Vec::new();
        let mut idle = 0;
        while !self.inner.stopping.load(Ordering::SeqCst) {
            let shards = self.shards();
            seen.resize(shards.len(), None);
            let mut busy = false;
            for (shard, seen) in shards.iter().zip(&mut seen) {
                let before = seen.map(|seen| seen.turn);
                *seen = look(shard, *seen, limit);
                busy |= seen.is_some() || before.is_some();
            }
            drop(shards);
            idle = if busy { 0 } else { idle + 1 };
            if idle < IDLE_LOOKS {
                std::thread::park_timeout(period);
                continue;
            }
            self.inner.asleep.store(true, Ordering::SeqCst);
            // A turn that began before it could see that is seen here.
            if !self.any_running() && !self.inner.stopping.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.inner.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }

    fn shards(&self) -> Vec<Arc<Watched>> {
        let mut shards = lock(&self.inner.shards);
        shards.retain(|shard| shard.strong_count() > 0);
        shards.iter().filter_map(Weak::upgrade).collect()
    }

    fn any_running(&self) -> bool {
        let shards = self.shards();
        let mut counts = shards.iter().map(|shard| &shard.count);
        counts.any(|count| count.load(Ordering::SeqCst) % 2 == 1)
    }
}

/// Looks at one shard, and condemns its turn if that has lasted too long.
fn look(shard: &Watched, seen: Option<Seen>, limit: Duration) -> Option<Seen> {
    let turn = shard.count.load(Ordering::SeqCst);
    if turn.is_multiple_of(2) {
        return None;
    }
    match seen {
        Some(mut seen) if seen.turn == turn && shard.debuggers.load(Ordering::SeqCst) == 0 => {
            let now = shard.clock.now();
            let more = now.saturating_sub(seen.metered);
            if more >= METERED_MIN {
                seen.metered = now;
                (shard.meter)(turn);
            }
            if now.saturating_sub(seen.used) >= limit {
                // Again and again: an error that is made at that moment swallows V8's end.
                (shard.condemn)(turn);
            }
            Some(seen)
        }
        _ => {
            let now = shard.clock.now();
            Some(Seen {
                turn,
                used: now,
                metered: now,
            })
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A watched thread that is this one, and where the turns arrive that are condemned.
    fn watched(watchdog: &Watchdog) -> (Arc<Watched>, Arc<AtomicU64>, mpsc::Receiver<u64>) {
        let (sender, condemned) = mpsc::channel();
        let count = Arc::new(AtomicU64::new(0));
        let shard = Arc::new(Watched {
            count: count.clone(),
            clock: ThreadClock::of_this_thread(),
            debuggers: Arc::default(),
            condemn: Box::new(move |turn| {
                // The test may have heard enough.
                let _ = sender.send(turn);
            }),
            meter: Box::new(|_| ()),
        });
        watchdog.watch(&shard);
        (shard, count, condemned)
    }

    #[test]
    fn a_turn_that_works_on_is_condemned_until_it_ends() {
        let watchdog = Watchdog::default();
        let (_shard, count, condemned) = watched(&watchdog);
        let thread = watchdog.start(Duration::from_millis(20));
        count.store(7, Ordering::SeqCst);
        watchdog.wake();
        let mut turns = Vec::new();
        while turns.len() < 2 {
            turns.extend(condemned.try_recv());
        }
        assert_eq!(turns, [7, 7]);
        watchdog.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_turn_that_a_debugger_looks_at_begins_anew() {
        let watchdog = Watchdog::default();
        let (shard, count, condemned) = watched(&watchdog);
        let burn = || {
            let begun = ThreadClock::of_this_thread().now();
            while ThreadClock::of_this_thread().now() - begun < Duration::from_millis(60) {}
        };
        let look = |seen| look(&shard, seen, Duration::from_millis(20));
        count.store(7, Ordering::SeqCst);
        let seen = look(None);
        shard.debuggers.store(1, Ordering::SeqCst);
        burn();
        let seen = look(seen);
        shard.debuggers.store(0, Ordering::SeqCst);
        let seen = look(seen);
        assert!(condemned.try_recv().is_err());
        burn();
        look(seen);
        assert_eq!(condemned.try_recv(), Ok(7));
    }

    #[test]
    fn turns_that_end_are_left_alone() {
        let watchdog = Watchdog::default();
        let (_shard, count, condemned) = watched(&watchdog);
        let thread = watchdog.start(Duration::from_millis(20));
        let begun = ThreadClock::of_this_thread().now();
        while ThreadClock::of_this_thread().now() - begun < Duration::from_millis(60) {
            count.fetch_add(2, Ordering::SeqCst);
            watchdog.wake();
        }
        watchdog.stop();
        thread.join().unwrap();
        assert!(condemned.try_recv().is_err());
    }
}
