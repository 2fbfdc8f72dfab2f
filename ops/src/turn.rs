//! Turns: what one entry into JavaScript is, so that a turn that takes too long can
//! be told from many short ones.

use std::cell::Cell;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use deno_core::OpState;
use deno_core::op2;

deno_core::extension!(
    stead_turn,
    ops = [op_turn_is_watched, op_turn_next, op_turn_look, op_timer_due],
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
    watched: Cell<bool>,
    watcher: OnceCell<Box<dyn Watcher>>,
}

/// Who wants to know on whose behalf turns run: as they begin, nobody does.
pub trait Watcher {
    /// A turn has ended, and the next one has begun. Whether JavaScript is to have that one
    /// looked at.
    fn turned(&self) -> bool;
    /// Looks at the code that runs next.
    fn look(&self);
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

    /// Who watches; once for each isolate.
    pub fn set_watcher(&self, watcher: Box<dyn Watcher>) {
        assert!(self.watcher.set(watcher).is_ok(), "there is one watcher");
    }

    /// Whether JavaScript is to have the turn that begins looked at.
    pub fn set_watched(&self, watched: bool) {
        self.watched.set(watched);
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

/// Whether somebody is to look at the turn that runs, once the code of its event does.
#[op2(fast)]
fn op_turn_is_watched(state: &OpState) -> bool {
    state.borrow::<Rc<Turns>>().watched.take()
}

/// The code that runs from here on is a turn of its own. Whether somebody is to look at it.
#[op2(fast)]
fn op_turn_next(state: &OpState) -> bool {
    let turns = state.borrow::<Rc<Turns>>();
    turns.count.fetch_add(2, Ordering::Relaxed);
    turns.watcher.get().is_some_and(|watcher| watcher.turned())
}

/// Has the code looked at that runs next.
#[op2(fast)]
fn op_turn_look(state: &OpState) {
    let turns = state.borrow::<Rc<Turns>>();
    if let Some(watcher) = turns.watcher.get() {
        watcher.look();
    }
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
