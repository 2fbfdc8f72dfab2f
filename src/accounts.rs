//! Whose the turns of a thread are, and what they take.
//!
//! Who delivers an event knows whose turn it is, and claims it. In the turns of the event loop that
//! is known only while the code runs, and asking costs too much for each of them. So one of
//! [`ODDS`] is looked at, chosen by chance, and counts for the others; a turn that is long is
//! always looked at, by the watchdog, and counts for itself. Over time everybody is counted what
//! they took, however short their turns are.

use std::cell::Cell;
use std::cell::RefCell;
use std::time::Duration;

use deno_core::v8;

use crate::turn_time::TurnTime;

/// One turn of so many is looked at.
const ODDS: u32 = 8;
/// Those on whose behalf turns ran that are kept apart until they are counted.
const SAMPLES_MAX: usize = 16;
/// What they have taken together when they are counted.
const WORTH_COUNTING: Duration = Duration::from_millis(5);
/// How often a turn is looked at in which nobody speaks yet.
const LOOKS_MAX: u32 = 8;

/// Processor time that some code has taken.
pub struct Sample {
    /// What V8 kept for the code: on whose behalf it spoke.
    pub mapping: v8::Global<v8::Value>,
    /// How much.
    pub used: Duration,
}

/// The turns of one thread.
pub struct Accounts {
    time: TurnTime,
    is_claimed: Cell<bool>,
    claimed: Cell<Duration>,
    /// Whose the running turn is, and whether that was seen because it is long.
    seen: RefCell<Option<(v8::Global<v8::Value>, bool)>>,
    looks: Cell<u32>,
    samples: RefCell<Vec<Sample>>,
    /// What the samples are together.
    sum: Cell<Duration>,
    /// Chooses turns. It needs no secret and no seed: nobody's turns follow its order.
    chance: Cell<u32>,
}

impl Accounts {
    /// Nothing so far.
    pub fn of_this_thread() -> Accounts {
        Accounts {
            time: TurnTime::of_this_thread(),
            is_claimed: Cell::new(false),
            claimed: Cell::default(),
            seen: RefCell::default(),
            looks: Cell::new(0),
            samples: RefCell::default(),
            sum: Cell::default(),
            chance: Cell::new(1),
        }
    }

    /// The turn that is about to begin is somebody's who asks for it with `take_claimed`.
    pub fn claim(&self) {
        self.is_claimed.set(true);
    }

    /// What the turn took that was claimed.
    pub fn take_claimed(&self) -> Duration {
        self.claimed.take()
    }

    /// A turn begins. Whether it is to be looked at.
    pub fn begin(&self) -> bool {
        self.time.begin();
        self.looks.set(LOOKS_MAX);
        !self.is_claimed.get() && self.is_chosen()
    }

    /// It has ended.
    pub fn end(&self) {
        self.note(self.time.end());
    }

    /// It has ended, and the next one begins. Whether that is to be looked at.
    pub fn turn(&self) -> bool {
        self.note(self.time.next());
        self.looks.set(LOOKS_MAX);
        self.is_chosen()
    }

    /// It was seen whose turn it is.
    pub fn see(&self, mapping: v8::Global<v8::Value>, is_long: bool) {
        let mut seen = self.seen.borrow_mut();
        let was_long = seen.as_ref().is_some_and(|(_, is_long)| *is_long);
        *seen = Some((mapping, is_long || was_long));
    }

    /// Whether it is worth to look again in which nobody spoke.
    pub fn may_look_again(&self) -> bool {
        let left = self.looks.get();
        self.looks.set(left.saturating_sub(1));
        left > 0
    }

    /// Takes what is to be counted, once it is worth the while.
    pub fn take(&self) -> Vec<Sample> {
        let many = self.samples.borrow().len() >= SAMPLES_MAX;
        if !many && self.sum.get() < WORTH_COUNTING {
            return Vec::new();
        }
        self.sum.take();
        self.samples.take()
    }

    fn note(&self, used: Duration) {
        let seen = self.seen.take();
        if self.is_claimed.take() {
            self.claimed.set(used);
            return;
        }
        let Some((mapping, is_long)) = seen else {
            return;
        };
        let used = if is_long { used } else { used * ODDS };
        self.sum.set(self.sum.get() + used);
        let mut samples = self.samples.borrow_mut();
        match samples.iter_mut().find(|sample| sample.mapping == mapping) {
            Some(sample) => sample.used += used,
            None => samples.push(Sample { mapping, used }),
        }
    }

    fn is_chosen(&self) -> bool {
        // A linear congruential generator, of which the upper bits are used.
        let next = self
            .chance
            .get()
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.chance.set(next);
        next < u32::MAX / ODDS
    }
}
