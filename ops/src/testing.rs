//! What the code of tests may ask of the process that runs them.
//!
//! Only a runtime of `stead test` has a [`TestControl`] in its state, and only modules that are
//! handed to tests call these ops.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::op2;
use deno_error::JsErrorBox;
use serde::Deserialize;

deno_core::extension!(stead_testing, ops = [op_test_ask, op_test_tell]);

/// Something that takes time to answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TestCommand {
    /// Moves the clock forward, running what becomes due on the way, in its order.
    Advance { ms: f64 },
    /// Moves the clock to the earliest alarm and runs it; answers whether there was one.
    RunNextAlarm {},
    /// The pending alarms: `{ class, id, name, time }`, earliest first.
    Alarms {},
}

/// Something that is done at once.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "tell",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum TestNote {
    /// Sets the wall clock, forward together with all timers, backward by itself.
    SetClock { now_ms: f64 },
    /// Sets the wall clock and leaves timers where they are.
    SetWall { now_ms: f64 },
    /// Time moves by commands alone, or again by itself when nothing is ready to run.
    Hold { held: bool },
}

/// The answer to a command as JSON, or what went wrong.
pub type TestAnswer = Pin<Box<dyn Future<Output = Result<String, String>>>>;

/// The process as tests see it.
pub trait TestControl {
    /// Begins something and answers when it is done.
    fn ask(&self, command: TestCommand) -> TestAnswer;

    /// Does something at once.
    ///
    /// # Errors
    /// Why it cannot be done, as text.
    fn tell(&self, note: TestNote) -> Result<(), String>;
}

/// How the ops find the control in `OpState`.
pub type TestControlRef = Rc<dyn TestControl>;

#[op2]
#[string]
async fn op_test_ask(
    state: Rc<RefCell<OpState>>,
    #[serde] command: TestCommand,
) -> Result<String, JsErrorBox> {
    let control = state.borrow().borrow::<TestControlRef>().clone();
    control.ask(command).await.map_err(JsErrorBox::generic)
}

#[op2]
fn op_test_tell(state: &mut OpState, #[serde] note: TestNote) -> Result<(), JsErrorBox> {
    let control = state.borrow::<TestControlRef>().clone();
    control.tell(note).map_err(JsErrorBox::generic)
}
