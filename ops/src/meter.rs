//! How long a shard's thread runs JavaScript and works on storage, for those who show it to a
//! person. Off unless [`switch_on`] was called on the thread: it costs some looks at the clock.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// What a thread has done since it was switched on.
struct Meter {
    on: Cell<bool>,
    /// All turns that have ended, storage included that was used in them.
    turns: Cell<Duration>,
    /// When the turn began that runs.
    turn: Cell<Option<Instant>>,
    storage: Cell<Duration>,
    /// The part of `storage` that was used by a turn.
    in_turns: Cell<Duration>,
    /// Whether work on storage runs.
    working: Cell<bool>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            on: Cell::new(false),
            turns: Cell::new(Duration::ZERO),
            turn: Cell::new(None),
            storage: Cell::new(Duration::ZERO),
            in_turns: Cell::new(Duration::ZERO),
            working: Cell::new(false),
        }
    };
}

/// Has this thread measured from here on.
pub fn switch_on() {
    METER.with(|meter| meter.on.set(true));
}

/// JavaScript is entered.
pub fn turn_begins() {
    METER.with(|meter| {
        if meter.on.get() {
            meter.turn.set(Some(Instant::now()));
        }
    });
}

/// JavaScript has returned.
pub fn turn_ends() {
    METER.with(|meter| {
        if let Some(began) = meter.turn.take() {
            meter.turns.set(meter.turns.get() + began.elapsed());
        }
    });
}

/// Works on storage.
pub fn storage<T>(work: impl FnOnce() -> T) -> T {
    METER.with(|meter| {
        if !meter.on.get() || meter.working.replace(true) {
            return work();
        }
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        meter.working.set(false);
        meter.storage.set(meter.storage.get() + took);
        if meter.turn.get().is_some() {
            meter.in_turns.set(meter.in_turns.get() + took);
        }
        result
    })
}

/// What a thread did in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// It ran JavaScript.
    pub javascript: Duration,
    /// It worked on storage.
    pub storage: Duration,
}

/// What this thread has done so far; None if it is not measured.
pub fn read() -> Option<Spent> {
    METER.with(|meter| {
        meter.on.get().then(|| {
            let running = meter.turn.get().map(|began| began.elapsed());
            let turns = meter.turns.get() + running.unwrap_or_default();
            Spent {
                javascript: turns.saturating_sub(meter.in_turns.get()),
                storage: meter.storage.get(),
            }
        })
    })
}

/// Tells this thread from all others that live: where its meter is.
fn here() -> usize {
    METER.with(|meter| std::ptr::from_ref(meter).addr())
}

/// What was done elsewhere for a request: by the objects and entrypoints that its handler called.
/// Travels with the calls, so that other threads can add what they did.
#[derive(Debug)]
pub struct Elsewhere {
    /// Whose thread answers the request: that one adds its own part itself.
    origin: usize,
    spent: Mutex<(Spent, Duration)>,
}

impl Default for Elsewhere {
    fn default() -> Elsewhere {
        Elsewhere {
            origin: here(),
            spent: Mutex::default(),
        }
    }
}

impl Elsewhere {
    /// What other threads did, and how long answers waited for output gates.
    pub fn total(&self) -> (Spent, Duration) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what this thread has done since `before`, if it is not the one that answers.
    pub fn add_since(&self, before: Option<Spent>) {
        if here() == self.origin {
            return;
        }
        if let (Some(before), Some(now)) = (before, read()) {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            let since = now.since(before);
            spent.0.javascript += since.javascript;
            spent.0.storage += since.storage;
        }
    }

    /// Adds a wait for an output gate.
    pub fn add_gate(&self, waited: Duration) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.1 += waited;
    }
}

impl Spent {
    /// What was done after `before`.
    pub fn since(self, before: Spent) -> Spent {
        Spent {
            javascript: self.javascript.saturating_sub(before.javascript),
            storage: self.storage.saturating_sub(before.storage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_inside_a_turn_is_no_time_of_javascript() {
        let spin = |ms| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(ms) {}
        };
        storage(|| spin(1));
        assert_eq!(read(), None);
        switch_on();
        let before = read().expect("switched on");
        turn_begins();
        storage(|| storage(|| spin(5)));
        turn_ends();
        storage(|| spin(5));
        let spent = read().expect("switched on").since(before);
        assert!(spent.storage >= Duration::from_millis(10), "{spent:?}");
        // What was nested counts once, and what is storage is not JavaScript.
        assert!(spent.javascript < spent.storage, "{spent:?}");
    }

    #[test]
    fn a_thread_adds_its_part_unless_it_is_the_one_that_answers() {
        switch_on();
        let elsewhere = Elsewhere::default();
        elsewhere.add_since(Some(Spent::default()));
        assert_eq!(elsewhere.total(), Default::default());
        let elsewhere = Elsewhere {
            origin: 0,
            ..Elsewhere::default()
        };
        let before = read();
        storage(|| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(2) {}
        });
        elsewhere.add_since(before);
        assert!(elsewhere.total().0.storage >= Duration::from_millis(2));
    }
}
