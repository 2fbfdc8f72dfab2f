//! How much of the processor's time each turn has taken, exactly over time, and at little cost.
//!
//! Reading the clock of a thread costs as much as a short turn. So turns are measured by the wall's
//! clock, which costs a twentieth of that; what lasts so long that the thread may have lost the
//! processor meanwhile is held against the thread's own clock.

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use crate::thread_clock::ThreadClock;

/// Turns that are shorter are taken as the wall's clock has them.
const SHORT: Duration = Duration::from_micros(200);
/// How old the last look at the thread's clock may be when a turn begins. A turn in which the
/// thread lost the processor is blamed for at most so much of what was before it.
const FRESH: Duration = Duration::from_millis(1);

/// Measures the turns of one thread.
pub struct TurnTime {
    clock: ThreadClock,
    /// When the thread's clock was last looked at, and what it showed.
    seen: Cell<(Instant, Duration)>,
    begun: Cell<Instant>,
}

impl TurnTime {
    /// For the calling thread.
    pub fn of_this_thread() -> TurnTime {
        let clock = ThreadClock::of_this_thread();
        let now = Instant::now();
        TurnTime {
            clock,
            seen: Cell::new((now, clock.now())),
            begun: Cell::new(now),
        }
    }

    /// A turn begins.
    pub fn begin(&self) {
        self.begin_at(Instant::now());
    }

    fn begin_at(&self, now: Instant) {
        if now.duration_since(self.seen.get().0) >= FRESH {
            self.seen.set((now, self.clock.now()));
        }
        self.begun.set(now);
    }

    /// It has ended; what it took.
    pub fn end(&self) -> Duration {
        self.end_at(Instant::now())
    }

    /// It has ended, and the next one begins.
    pub fn next(&self) -> Duration {
        let now = Instant::now();
        let used = self.end_at(now);
        self.begin_at(now);
        used
    }

    fn end_at(&self, now: Instant) -> Duration {
        let lasted = now.duration_since(self.begun.get());
        if lasted < SHORT {
            return lasted;
        }
        let shown = self.clock.now();
        let (_, before) = self.seen.replace((now, shown));
        lasted.min(shown.saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses so much of the processor's time, whoever else wants it.
    fn burn(time: Duration) {
        let clock = ThreadClock::of_this_thread();
        let begun = clock.now();
        while clock.now() - begun < time {}
    }

    #[test]
    fn many_short_turns_are_counted_together() {
        let (time, clock) = (TurnTime::of_this_thread(), ThreadClock::of_this_thread());
        let mut counted = Duration::ZERO;
        let begun = clock.now();
        for _ in 0..2_000 {
            time.begin();
            burn(Duration::from_micros(50));
            counted += time.end();
        }
        let used = clock.now() - begun;
        assert!(counted > used * 9 / 10, "{counted:?} of {used:?}");
    }

    #[test]
    fn time_without_the_processor_does_not_count() {
        let time = TurnTime::of_this_thread();
        time.begin();
        std::thread::park_timeout(Duration::from_millis(50));
        burn(Duration::from_millis(5));
        let used = time.next();
        assert!(
            used >= Duration::from_millis(5) && used < Duration::from_millis(20),
            "{used:?}"
        );
        burn(Duration::from_millis(5));
        let used = time.end();
        assert!(
            used >= Duration::from_millis(5) && used < Duration::from_millis(20),
            "{used:?}"
        );
    }
}
