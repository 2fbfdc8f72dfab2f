//! Time for tests: it stands still while anything is ready to run, and then moves at once to
//! whatever is due next.
//!
//! Each shard says when it is idle and when its earliest timer is due; the thread of the alarms,
//! which knows when the next alarm is due, moves the clock when all of them are. Nothing sleeps.
//!
//! Invariants: time moves only in [`VirtualTime::step`] and in the two setters; `in_flight` counts the
//! messages that are sent to shards and not taken; `activity` changes whenever a shard begins or
//! ends being idle and whenever a message is sent, so that equal values before and after a look
//! at all shards mean that nothing happened in between.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::Notify;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::placement::ShardIndex;

/// When the clock of tests starts: 2026-01-01T00:00:00Z. It is the same for every run, so that a
/// test that passes today passes tomorrow.
pub const START_MS: i64 = 1_767_225_600_000;

/// No time at all, in the atomics that hold one.
const NEVER: i64 = i64::MAX;

/// The clock of one worker under test.
pub struct VirtualTime {
    elapsed_ms: AtomicI64,
    /// What is added to the elapsed time to get the wall clock's.
    offset_ms: AtomicI64,
    /// The earliest that `offset_ms` was set to since somebody asked; `NEVER` if it was not set.
    back_to_ms: AtomicI64,
    activity: AtomicU64,
    in_flight: AtomicUsize,
    held: AtomicBool,
    /// Whether somebody wants to hear that nothing will ever happen again.
    watched: AtomicBool,
    shards: Vec<ShardTime>,
    goals: Mutex<VecDeque<Goal>>,
    /// Wakes the thread that moves the clock.
    pub changed: Notify,
}

struct ShardTime {
    idle: AtomicBool,
    /// Elapsed time at which the earliest timer is due.
    next_ms: AtomicI64,
}

/// Something that a test wants time to reach.
enum Goal {
    /// An elapsed time.
    Until(i64, oneshot::Sender<()>),
    /// The end of the next alarm's run.
    NextAlarm(oneshot::Sender<bool>),
    /// That nothing is ready to run, after an alarm was started.
    AlarmRan(oneshot::Sender<bool>),
}

/// What those wait for who know of more than timers. Times are the wall clock's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due {
    /// The earliest alarm that does not run.
    pub alarm_ms: Option<i64>,
    /// Whether others do.
    pub alarms_run: bool,
    /// The earliest cron trigger. Time does not move for its sake alone: there is always another one.
    pub cron_ms: Option<i64>,
}

/// What a look at the clock came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is ready to run, so time stands still.
    Busy,
    /// The clock was moved, or somebody was answered: look again.
    Moved,
    /// Nothing is ready to run, nothing is due, and nobody asked for anything.
    Still,
}

impl Clock for VirtualTime {
    fn now_ms(&self) -> i64 {
        self.elapsed_ms() + self.offset_ms.load(SeqCst)
    }

    fn virtual_time(&self) -> Option<&VirtualTime> {
        Some(self)
    }
}

impl VirtualTime {
    /// A clock for a number of shards, at [`START_MS`].
    pub fn new(shards: usize) -> VirtualTime {
        let shard = |_| ShardTime {
            idle: AtomicBool::new(false),
            next_ms: AtomicI64::new(NEVER),
        };
        VirtualTime {
            elapsed_ms: AtomicI64::new(0),
            offset_ms: AtomicI64::new(START_MS),
            back_to_ms: AtomicI64::new(NEVER),
            activity: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            shards: (0..shards).map(shard).collect(),
            goals: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Milliseconds since the clock was made.
    pub fn elapsed_ms(&self) -> i64 {
        self.elapsed_ms.load(SeqCst)
    }

    /// Sets the wall clock and leaves timers where they are.
    pub fn set_wall(&self, now_ms: i64) {
        self.back_to_ms.fetch_min(now_ms, SeqCst);
        self.offset_ms.store(now_ms - self.elapsed_ms(), SeqCst);
        self.stir();
    }

    /// The earliest time that the wall clock was set to since the last call, whatever it shows by now.
    pub fn take_set(&self) -> Option<i64> {
        let back_to_ms = self.back_to_ms.swap(NEVER, SeqCst);
        (back_to_ms != NEVER).then_some(back_to_ms)
    }

    /// Sets the clock: forward, timers come along; backward, the wall clock goes alone.
    pub fn set(&self, now_ms: i64) {
        let ahead = now_ms - self.now_ms();
        if ahead < 0 {
            return self.set_wall(now_ms);
        }
        self.elapsed_ms.fetch_add(ahead, SeqCst);
        self.stir();
    }

    /// Sets the wall clock back to where a test began, and lets it go.
    pub fn restart(&self, now_ms: i64) {
        self.held.store(false, SeqCst);
        self.watched.store(false, SeqCst);
        self.set_wall(now_ms);
    }

    /// Whether time moves by commands alone.
    pub fn hold(&self, held: bool) {
        self.held.store(held, SeqCst);
        self.stir();
    }

    /// Asks to be told once when nothing will ever happen again by itself.
    #[allow(dead_code, reason = "for runs of several tests")]
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, SeqCst);
        self.stir();
    }

    /// Whether that was asked for; the caller tells.
    pub fn take_watch(&self) -> bool {
        self.watched.swap(false, SeqCst)
    }

    /// Reaches a time `ms` from now; answers when it is reached and nothing is ready to run. Whoever
    /// gets the answer calls [`VirtualTime::taken`].
    pub fn advance(&self, ms: i64) -> oneshot::Receiver<()> {
        let (sender, reached) = oneshot::channel();
        let target = self.elapsed_ms().saturating_add(ms.max(0));
        self.goals().push_back(Goal::Until(target, sender));
        self.stir();
        reached
    }

    /// Reaches the next alarm and runs it; answers whether there was one. Whoever gets the answer
    /// calls [`VirtualTime::taken`].
    pub fn run_next_alarm(&self) -> oneshot::Receiver<bool> {
        let (sender, ran) = oneshot::channel();
        self.goals().push_back(Goal::NextAlarm(sender));
        self.stir();
        ran
    }

    /// A message is on its way to a shard.
    pub fn sent(&self) {
        self.in_flight.fetch_add(1, SeqCst);
        self.activity.fetch_add(1, SeqCst);
    }

    /// It was taken, or could not be sent.
    pub fn taken(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }

    /// A shard has something to do, or not any more.
    pub fn set_idle(&self, shard: ShardIndex, idle: bool) {
        if self.shards[shard].idle.swap(idle, SeqCst) != idle {
            self.stir();
        }
    }

    /// When a shard's earliest timer is due, in elapsed milliseconds.
    pub fn set_next(&self, shard: ShardIndex, at_ms: Option<i64>) {
        self.shards[shard]
            .next_ms
            .store(at_ms.unwrap_or(NEVER), SeqCst);
    }

    /// Whether the shard has a timer that is due.
    pub fn is_due(&self, shard: ShardIndex) -> bool {
        self.shards[shard].next_ms.load(SeqCst) <= self.elapsed_ms()
    }

    /// The shards that have a timer that is due.
    pub fn due_shards(&self) -> Vec<ShardIndex> {
        (0..self.shards.len())
            .filter(|shard| self.is_due(*shard))
            .collect()
    }

    /// A number that differs when anything happened since it was last read.
    pub fn activity(&self) -> u64 {
        self.activity.load(SeqCst)
    }

    /// Moves the clock if nothing is ready to run and something is due or wanted. `seen` is the
    /// activity from before the caller looked for alarms, `due` what they wait for.
    pub fn step(&self, seen: u64, due: Due) -> Step {
        if !self.is_quiet(seen) {
            return Step::Busy;
        }
        let offset_ms = self.offset_ms.load(SeqCst);
        let alarm = due.alarm_ms.map(|at_ms| at_ms - offset_ms);
        let cron = due.cron_ms.map_or(NEVER, |at_ms| at_ms - offset_ms);
        let timers = self.shards.iter().map(|shard| shard.next_ms.load(SeqCst));
        let timer = timers.min().filter(|at_ms| *at_ms != NEVER);
        let next = [alarm, timer].into_iter().flatten().min();
        let mut goals = self.goals();
        let Some(goal) = goals.pop_front() else {
            return match next {
                Some(next) if !self.held.load(SeqCst) => self.move_to(next.min(cron)),
                _ => Step::Still,
            };
        };
        match goal {
            Goal::Until(target, reply) => match next.unwrap_or(NEVER).min(cron) {
                next if next <= target => {
                    goals.push_front(Goal::Until(target, reply));
                    self.move_to(next)
                }
                _ => {
                    self.move_to(target);
                    self.answer(|| reply.send(()).is_ok())
                }
            },
            Goal::NextAlarm(reply) => match (alarm, next) {
                (Some(alarm), Some(next)) => {
                    let next = next.min(cron);
                    let goal = if next < alarm {
                        Goal::NextAlarm(reply)
                    } else {
                        Goal::AlarmRan(reply)
                    };
                    goals.push_front(goal);
                    self.move_to(next)
                }
                _ => self.answer(|| reply.send(false).is_ok()),
            },
            Goal::AlarmRan(reply) => match next {
                // The handler waits for a timer.
                Some(next) if due.alarms_run => {
                    goals.push_front(Goal::AlarmRan(reply));
                    self.move_to(next.min(cron))
                }
                _ => self.answer(|| reply.send(true).is_ok()),
            },
        }
    }

    fn move_to(&self, elapsed_ms: i64) -> Step {
        self.elapsed_ms.fetch_max(elapsed_ms, SeqCst);
        self.activity.fetch_add(1, SeqCst);
        Step::Moved
    }

    /// An answer is on its way to the test until [`VirtualTime::taken`] says that it has arrived.
    fn answer(&self, reply: impl FnOnce() -> bool) -> Step {
        self.sent();
        if !reply() {
            self.taken();
        }
        Step::Moved
    }

    fn is_quiet(&self, seen: u64) -> bool {
        self.in_flight.load(SeqCst) == 0
            && self.shards.iter().all(|shard| shard.idle.load(SeqCst))
            && self.activity.load(SeqCst) == seen
    }

    fn stir(&self) {
        self.activity.fetch_add(1, SeqCst);
        self.changed.notify_one();
    }

    fn goals(&self) -> MutexGuard<'_, VecDeque<Goal>> {
        self.goals
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(shards: usize) -> VirtualTime {
        let time = VirtualTime::new(shards);
        for shard in 0..shards {
            time.set_idle(shard, true);
        }
        time
    }

    fn step(time: &VirtualTime, alarm: Option<i64>) -> Step {
        let due = Due {
            alarm_ms: alarm,
            ..Due::default()
        };
        time.step(time.activity(), due)
    }

    #[test]
    fn time_stands_still_while_a_shard_is_busy() {
        let time = idle(2);
        time.set_next(0, Some(5));
        time.set_idle(1, false);
        assert_eq!(step(&time, None), Step::Busy);
        time.set_idle(1, true);
        assert_eq!(step(&time, None), Step::Moved);
        assert_eq!(time.elapsed_ms(), 5);
        assert_eq!(time.due_shards(), [0]);
    }

    #[test]
    fn a_message_on_its_way_counts_as_something_to_do() {
        let time = idle(1);
        time.set_next(0, Some(5));
        time.sent();
        assert_eq!(step(&time, None), Step::Busy);
        time.taken();
        assert_eq!(step(&time, None), Step::Moved);
    }

    #[test]
    fn what_happened_since_the_look_at_the_alarms_makes_the_step_void() {
        let time = idle(1);
        time.set_next(0, Some(5));
        let seen = time.activity();
        time.set_idle(0, false);
        time.set_idle(0, true);
        assert_eq!(time.step(seen, Due::default()), Step::Busy);
    }

    #[test]
    fn an_advance_stops_at_everything_on_its_way() {
        let time = idle(1);
        let mut reached = time.advance(100);
        assert_eq!(step(&time, Some(START_MS + 40)), Step::Moved);
        assert_eq!(time.now_ms(), START_MS + 40);
        assert!(reached.try_recv().is_err());
        assert_eq!(step(&time, Some(START_MS + 101)), Step::Moved);
        assert_eq!(time.now_ms(), START_MS + 100);
        assert!(reached.try_recv().is_ok());
        assert_eq!(step(&time, None), Step::Busy, "the test goes on first");
    }

    #[test]
    fn a_held_clock_moves_by_commands_alone() {
        let time = idle(1);
        time.set_next(0, Some(5));
        time.hold(true);
        assert_eq!(step(&time, None), Step::Still);
        let mut reached = time.advance(3);
        assert_eq!(step(&time, None), Step::Moved);
        assert!(reached.try_recv().is_ok());
        assert_eq!(time.elapsed_ms(), 3);
    }

    #[test]
    fn the_next_alarm_is_answered_when_it_has_run() {
        let time = idle(1);
        time.set_next(0, Some(2));
        let mut ran = time.run_next_alarm();
        assert_eq!(step(&time, Some(START_MS + 9)), Step::Moved);
        assert_eq!(time.elapsed_ms(), 2, "a timer comes first");
        time.set_next(0, None);
        assert_eq!(step(&time, Some(START_MS + 9)), Step::Moved);
        assert_eq!(time.elapsed_ms(), 9);
        assert!(ran.try_recv().is_err());
        assert_eq!(step(&time, None), Step::Moved);
        assert_eq!(ran.try_recv(), Ok(true));
    }

    #[test]
    fn cron_triggers_fire_on_the_way_and_do_not_move_the_clock_alone() {
        let time = idle(1);
        let due = Due {
            cron_ms: Some(START_MS + 60),
            ..Due::default()
        };
        assert_eq!(time.step(time.activity(), due), Step::Still);
        time.set_next(0, Some(100));
        assert_eq!(time.step(time.activity(), due), Step::Moved);
        assert_eq!(time.elapsed_ms(), 60);
        assert_eq!(time.step(time.activity(), Due::default()), Step::Moved);
        assert_eq!(time.elapsed_ms(), 100);
    }

    #[test]
    fn setting_the_clock_back_leaves_timers_alone() {
        let time = idle(1);
        time.set(START_MS + 50);
        assert_eq!((time.elapsed_ms(), time.now_ms()), (50, START_MS + 50));
        time.set(START_MS);
        assert_eq!((time.elapsed_ms(), time.now_ms()), (50, START_MS));
        time.restart(START_MS);
        assert_eq!(time.now_ms(), START_MS);
    }
}
