//! Turns: what one entry into JavaScript is, so that a turn that takes too long can
//! be told from many short ones.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use deno_core::OpState;
use deno_core::op2;

deno_core::extension!(
    stead_turn,
    ops = [op_turn_next, op_timer_due],
    state = |state| state.put(Rc::<Turns>::default()),
);

/// The turns of one isolate.
///
/// Invariant: the count is odd exactly while JavaScript runs, and differs from turn
/// to turn, so that another thread can see from two looks at it whether one turn
/// has lasted all the while.
#[derive(Default)]
pub struct Turns {
    count: Arc<AtomicU64>,
    due_timers: Cell<usize>,
    driven: Cell<bool>,
}

impl Turns {
    /// The count, for whoever watches from another thread.
    pub fn count(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// The number of the turn that runs, or of none.
    pub fn now(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether JavaScript runs.
    pub fn is_running(&self) -> bool {
        self.now() % 2 == 1
    }

    /// JavaScript is entered.
    pub fn begin(&self) {
        // Ordered before the look at whether the watchdog sleeps.
        self.count.store((self.now() + 1) | 1, Ordering::SeqCst);
    }

    /// JavaScript has returned.
    pub fn end(&self) {
        self.count.store((self.now() | 1) + 1, Ordering::Relaxed);
    }

    /// From now on the host fires timers that are due, each in a turn of its own.
    pub fn drive_timers(&self) {
        self.driven.set(true);
    }

    /// The number of timers that became due since this was last asked.
    pub fn take_due_timers(&self) -> usize {
        self.due_timers.take()
    }
}

/// The code that runs from here on is a turn of its own.
#[op2(fast)]
fn op_turn_next(state: &OpState) {
    let turns = state.borrow::<Rc<Turns>>();
    turns.count.fetch_add(2, Ordering::Relaxed);
}

/// A timer is due; true if the host will have it fired.
#[op2(fast)]
fn op_timer_due(state: &OpState) -> bool {
    let turns = state.borrow::<Rc<Turns>>();
    if turns.driven.get() {
        turns.due_timers.set(turns.due_timers.get() + 1);
    }
    turns.driven.get()
}
