//! Time as JavaScript asks for it when it does not pass by itself: the clock of tests.
//!
//! Without a [`VirtualClock`] in the state none of these ops is ever called: `Date` and the timers
//! are then V8's and deno_core's own.

use std::rc::Rc;

use deno_core::OpState;
use deno_core::op2;

deno_core::extension!(
    stead_time,
    ops = [op_time_now, op_time_elapsed, op_time_next_timer],
);

/// A clock that others move. Times are whole milliseconds.
pub trait VirtualClock {
    /// Since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Since the clock was made. Setting the wall clock does not change it, so timers count by it.
    fn elapsed_ms(&self) -> i64;

    /// Hears at which elapsed time this isolate's earliest timer is due; `None` if it has none.
    fn next_timer(&self, at_ms: Option<i64>);
}

/// How the ops find the clock in `OpState`.
pub type VirtualClockRef = Rc<dyn VirtualClock>;

#[op2(fast)]
fn op_time_now(state: &mut OpState) -> f64 {
    state.borrow::<VirtualClockRef>().now_ms() as f64
}

#[op2(fast)]
fn op_time_elapsed(state: &mut OpState) -> f64 {
    state.borrow::<VirtualClockRef>().elapsed_ms() as f64
}

/// Tells when the earliest timer is due; a negative time means that there is none.
#[op2(fast)]
fn op_time_next_timer(state: &mut OpState, at_ms: f64) {
    let at_ms = (at_ms >= 0.0).then_some(at_ms as i64);
    state.borrow::<VirtualClockRef>().next_timer(at_ms);
}
