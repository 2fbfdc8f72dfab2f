//! The two gates of an object, as state machines without a runtime.
//!
//! The **output gate** holds what an object says until the commits it may
//! depend on are durable. The **input gate** holds events while a critical
//! section (`blockConcurrencyWhile()`) runs.
//!
//! <https://blog.cloudflare.com/durable-objects-easy-fast-correct-choose-three/>

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::{Result, StorageError};

/// Outputs one gate holds, at most.
pub const MAX_OUTPUTS: usize = 65_536;

/// Events one gate holds, at most.
pub const MAX_EVENTS: usize = 65_536;

/// Critical sections nested in one another, at most.
pub const MAX_SECTIONS: usize = 64;

/// A deed that is done when the commits it depends on are durable, or that
/// learns that they never will be.
pub type Output = Box<dyn FnOnce(Result<(), GateBroken>)>;

/// Why an output gate will not open any more: the text for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GateBroken {
    /// What the waiting caller is told.
    pub message: String,
}

/// Holds outputs, in the order they were pushed.
///
/// Invariants: the points of waiting outputs do not matter for their order, an
/// output runs only after all that were pushed before it; nothing waits in a
/// broken gate; outputs run while nothing of the gate is borrowed, so they may
/// use it.
#[derive(Default)]
pub struct OutputGate {
    durable: Cell<u64>,
    waiting: RefCell<VecDeque<(u64, Output)>>,
    broken: RefCell<Option<GateBroken>>,
    /// Whether somebody further up the stack is running outputs; it will also
    /// run those that become ready meanwhile, so that order is kept.
    running: Cell<bool>,
}

impl OutputGate {
    /// An open gate at sequence 0.
    pub fn new() -> OutputGate {
        OutputGate::default()
    }

    /// Runs `output` at once if the commit `point` is durable and nothing
    /// waits, and keeps it otherwise. In a broken gate it runs at once with
    /// the reason.
    ///
    /// # Errors
    /// [`Overloaded`] with the output when [`MAX_OUTPUTS`] wait already.
    pub fn push(&self, point: u64, output: Output) -> Result<(), Overloaded<Output>> {
        let broken = self.broken.borrow().clone();
        if let Some(broken) = broken {
            output(Err(broken));
            return Ok(());
        }
        if self.is_open(point) && !self.running.get() {
            output(Ok(()));
            return Ok(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= MAX_OUTPUTS {
            return Err(Overloaded(output));
        }
        waiting.push_back((point, output));
        Ok(())
    }

    /// Tells that all commits up to `sequence` are durable.
    pub fn durable(&self, sequence: u64) {
        self.durable.set(self.durable.get().max(sequence));
        self.run_ready();
    }

    /// Tells that the commits which are not durable yet never will be. All
    /// that waits learns the reason, and so does all that is pushed later.
    /// The first reason stays.
    pub fn break_with(&self, broken: GateBroken) {
        let broken = self.broken.borrow_mut().get_or_insert(broken).clone();
        while let Some((_, output)) = self.pop() {
            output(Err(broken.clone()));
        }
    }

    /// Whether an output that depends on `point` would run now.
    pub fn is_open(&self, point: u64) -> bool {
        point <= self.durable.get()
            && self.waiting.borrow().is_empty()
            && self.broken.borrow().is_none()
    }

    /// The last commit known to be durable.
    pub fn durable_sequence(&self) -> u64 {
        self.durable.get()
    }

    /// How many outputs wait.
    pub fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Why the gate is broken, if it is.
    pub fn broken(&self) -> Option<GateBroken> {
        self.broken.borrow().clone()
    }

    fn run_ready(&self) {
        if self.running.replace(true) {
            return;
        }
        // Also after a panic of an output the gate must go on.
        let _running = ResetOnDrop(&self.running);
        while self
            .front()
            .is_some_and(|point| point <= self.durable.get())
        {
            let Some((_, output)) = self.pop() else { break };
            output(Ok(()));
        }
    }

    fn front(&self) -> Option<u64> {
        self.waiting.borrow().front().map(|(point, _)| *point)
    }

    fn pop(&self) -> Option<(u64, Output)> {
        self.waiting.borrow_mut().pop_front()
    }
}

struct ResetOnDrop<'a>(&'a Cell<bool>);

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A queue is full; what did not fit comes back.
#[derive(Debug)]
pub struct Overloaded<T>(pub T);

/// A critical section that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionId(usize);

impl SectionId {
    /// The same as a number, for callers that cannot hold the value itself.
    pub fn to_number(self) -> u32 {
        self.0 as u32
    }

    /// What [`SectionId::to_number`] was given.
    pub fn from_number(number: u32) -> SectionId {
        SectionId(number as usize)
    }
}

/// Holds events, in the order they came, while a critical section runs.
///
/// Sections nest: an inner one ends before its outer one. Events wait until
/// the outermost has ended. What belongs to the section itself does not go
/// through the gate; that is the caller's to know.
pub struct InputGate<E> {
    depth: Cell<usize>,
    /// Whether events wait although no section runs.
    is_held: Cell<bool>,
    waiting: RefCell<VecDeque<E>>,
}

impl<E> Default for InputGate<E> {
    fn default() -> Self {
        InputGate {
            depth: Cell::new(0),
            is_held: Cell::new(false),
            waiting: RefCell::default(),
        }
    }
}

impl<E> InputGate<E> {
    /// An open gate.
    pub fn new() -> InputGate<E> {
        InputGate::default()
    }

    /// Brings an event to the gate. It comes back when it may enter now;
    /// otherwise it is kept.
    ///
    /// # Errors
    /// [`Overloaded`] with the event when [`MAX_EVENTS`] wait already.
    pub fn offer(&self, event: E) -> Result<Option<E>, Overloaded<E>> {
        let mut waiting = self.waiting.borrow_mut();
        if !self.is_locked() && waiting.is_empty() {
            return Ok(Some(event));
        }
        if waiting.len() >= MAX_EVENTS {
            return Err(Overloaded(event));
        }
        waiting.push_back(event);
        Ok(None)
    }

    /// Begins a critical section inside those that run.
    ///
    /// # Errors
    /// [`StorageError::Sql`] `blockConcurrencyWhile() calls are nested too
    /// deeply.`
    pub fn begin_section(&self) -> Result<SectionId> {
        let depth = self.depth.get();
        if depth >= MAX_SECTIONS {
            return Err(StorageError::Sql(
                "blockConcurrencyWhile() calls are nested too deeply.".to_owned(),
            ));
        }
        self.depth.set(depth + 1);
        Ok(SectionId(depth))
    }

    /// Ends a section. Returns the events that may enter now, in order: none
    /// unless it was the outermost.
    ///
    /// # Panics
    /// When a section inside it has not ended, or it has ended already.
    pub fn end_section(&self, section: SectionId) -> Vec<E> {
        assert_eq!(
            self.depth.get(),
            section.0 + 1,
            "sections end from the inside out, once"
        );
        self.depth.set(section.0);
        if self.is_locked() {
            Vec::new()
        } else {
            self.drain()
        }
    }

    /// Has events wait, although no section runs, until [`InputGate::release`].
    pub fn hold(&self) {
        self.is_held.set(true);
    }

    /// Ends a [`InputGate::hold`]. Returns the events that may enter now, in
    /// order.
    pub fn release(&self) -> Vec<E> {
        match self.is_held.replace(false) && !self.is_locked() {
            true => self.drain(),
            false => Vec::new(),
        }
    }

    /// Whether events have to wait: a critical section runs, or the gate is
    /// held.
    pub fn is_locked(&self) -> bool {
        self.depth.get() > 0 || self.is_held.get()
    }

    /// Whether a critical section runs.
    pub fn is_in_section(&self) -> bool {
        self.depth.get() > 0
    }

    /// Takes all events that wait, for an object that is being reset.
    pub fn drain(&self) -> Vec<E> {
        self.waiting.borrow_mut().drain(..).collect()
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// An output gate and what its outputs said, in order.
    #[derive(Default)]
    struct Fixture {
        gate: OutputGate,
        said: Rc<RefCell<Vec<String>>>,
    }

    impl Fixture {
        fn push(&self, point: u64, text: &'static str) {
            let said = Rc::clone(&self.said);
            let output = move |open: Result<(), GateBroken>| {
                said.borrow_mut().push(match open {
                    Ok(()) => text.to_owned(),
                    Err(broken) => format!("{text}: {broken}"),
                })
            };
            assert!(self.gate.push(point, Box::new(output)).is_ok());
        }

        #[track_caller]
        fn check(&self, expect: &[&str]) {
            assert_eq!(*self.said.borrow(), expect);
        }
    }

    #[test]
    fn outputs_wait_for_their_commit_and_keep_their_order() {
        let f = Fixture::default();
        f.push(0, "at once");
        f.push(2, "second");
        f.push(0, "behind the second");
        f.check(&["at once"]);
        assert!(!f.gate.is_open(0));
        f.gate.durable(1);
        f.check(&["at once"]);
        f.gate.durable(2);
        f.check(&["at once", "second", "behind the second"]);
        assert_eq!(
            (
                f.gate.durable_sequence(),
                f.gate.is_open(2),
                f.gate.is_open(3)
            ),
            (2, true, false)
        );
    }

    #[test]
    fn an_older_report_does_not_close_the_gate() {
        let f = Fixture::default();
        f.gate.durable(5);
        f.gate.durable(3);
        f.push(5, "a");
        f.check(&["a"]);
    }

    #[test]
    fn a_broken_gate_rejects_what_waits_and_what_comes() {
        let f = Fixture::default();
        f.push(1, "waits");
        f.gate.break_with(GateBroken {
            message: "disk".to_owned(),
        });
        f.push(0, "comes");
        f.gate.break_with(GateBroken {
            message: "other".to_owned(),
        });
        f.gate.durable(1);
        f.check(&["waits: disk", "comes: disk"]);
    }

    #[test]
    fn an_output_may_push_and_comes_before_what_it_pushes() {
        let f = Rc::new(Fixture::default());
        let inner = Rc::clone(&f);
        let output = move |_| {
            inner.push(0, "pushed");
            inner.gate.durable(9);
            inner.said.borrow_mut().push("pusher".to_owned());
        };
        assert!(f.gate.push(1, Box::new(output)).is_ok());
        f.push(1, "next");
        f.gate.durable(1);
        f.check(&["pusher", "next", "pushed"]);
    }

    #[test]
    fn what_an_output_pushes_comes_after_it_also_when_nothing_waits() {
        let f = Rc::new(Fixture::default());
        let inner = Rc::clone(&f);
        let output = move |_| {
            inner.push(0, "pushed");
            inner.said.borrow_mut().push("pusher".to_owned());
        };
        assert!(f.gate.push(1, Box::new(output)).is_ok());
        f.gate.durable(1);
        f.check(&["pusher", "pushed"]);
    }

    #[test]
    fn a_full_gate_gives_the_output_back() {
        let gate = OutputGate::new();
        for _ in 0..MAX_OUTPUTS {
            assert!(gate.push(1, Box::new(|_| ())).is_ok());
        }
        assert!(gate.push(1, Box::new(|_| ())).is_err());
    }

    #[test]
    fn events_wait_for_the_outermost_section() {
        let gate = InputGate::new();
        assert_eq!(gate.offer("free").unwrap(), Some("free"));
        let outer = gate.begin_section().unwrap();
        let inner = gate.begin_section().unwrap();
        assert_eq!(gate.offer("a").unwrap(), None);
        assert_eq!(gate.end_section(inner), Vec::<&str>::new());
        assert_eq!(gate.offer("b").unwrap(), None);
        assert!(gate.is_locked());
        assert_eq!(gate.end_section(outer), ["a", "b"]);
        assert!(!gate.is_locked());
    }

    #[test]
    fn sections_nest_64_deep() {
        let gate = InputGate::<()>::new();
        for _ in 0..MAX_SECTIONS {
            gate.begin_section().unwrap();
        }
        let error = gate.begin_section().unwrap_err();
        assert_eq!(
            error.to_string(),
            "blockConcurrencyWhile() calls are nested too deeply."
        );
    }

    #[test]
    fn a_full_input_gate_gives_the_event_back() {
        let gate = InputGate::new();
        gate.begin_section().unwrap();
        for event in 0..MAX_EVENTS {
            assert!(gate.offer(event).unwrap().is_none());
        }
        assert_eq!(gate.offer(7).unwrap_err().0, 7);
        assert_eq!(gate.drain().len(), MAX_EVENTS);
    }
}
