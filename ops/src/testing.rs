//! What the code of tests may ask of the process that runs them.
//!
//! Only a runtime of `stead test` has a [`TestControl`] in its state, and only modules that are
//! handed to tests call these ops.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::headers::headers_from_js;
use crate::message::FetchRequest;
use crate::message::FetchResponse;
use crate::message::Reply;
use crate::stub::PendingFetch;
use crate::stub::body_from_js;
use crate::stub::note_length;

deno_core::extension!(
    stead_testing,
    ops = [op_test_ask, op_test_tell, op_test_fetch]
);

/// Something that takes time to answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TestCommand {
    /// Moves the clock forward, running what becomes due on the way, in its order.
    Advance { ms: f64 },
    /// Answers when nothing is ready to run; with the machine's time, at once.
    Settle {},
    /// Moves the clock to the earliest alarm and runs it; answers whether there was one.
    RunNextAlarm {},
    /// The pending alarms: `{ class, id, name, time }`, earliest first.
    Alarms {},
    /// The objects in memory of which a gate is closed, or that owe an answer: `{ class, id, name, input, output, owes }`.
    Gates {},
    /// Objects hear what they have not heard while storage was stalled.
    ResumeStorage {},
    /// Starts an HTTP server for the worker; answers with its port.
    Listen {},
    /// What is waited for at the moment, as text; one line each.
    Waits {},
    /// Begins a level: what is written from here on is gone when it ends.
    Push {},
    /// Ends the level that began last. `failed` and `name` are those of the test that it was for.
    Pop { failed: bool, name: String },
    /// Takes an object out of memory; `close` says what becomes of its sockets.
    Evict {
        namespace: u16,
        id: String,
        close: bool,
    },
    /// The same for all objects.
    EvictAll { close: bool },
    /// Resets an object.
    Abort {
        namespace: u16,
        id: String,
        reason: Option<String>,
    },
    /// The same for all objects.
    AbortAll {},
    /// The ids of the objects of a namespace that exist.
    Ids { namespace: u16 },
    /// Resets all objects and deletes what they have stored.
    Reset {},
    /// The text of a file, or null if there is none.
    ReadFile { path: String },
    /// Writes a file, and the folders that it is in.
    WriteFile { path: String, text: String },
    /// Removes a file, if it is there.
    RemoveFile { path: String },
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
    /// Whether a test waits, and is to hear when nothing is left that could end it.
    Watch { watched: bool },
    /// What became of tests, as JSON: see `src/testing/events.rs`.
    Event { event: String },
    /// Ends the HTTP server of a port.
    CloseServer { port: u16 },
    /// Objects do not hear any more that their commits are durable.
    StallStorage {},
    /// The next commits fail as on a full or broken disk.
    FailStorage { code: String, times: u32 },
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

    /// Has the worker answer a request.
    fn fetch(&self, request: FetchRequest, reply: Reply<FetchResponse>);
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
    // The code that asks has its turn first: what it wrote counts.
    tokio::task::yield_now().await;
    control.ask(command).await.map_err(JsErrorBox::generic)
}

#[op2]
fn op_test_tell(state: &mut OpState, #[serde] note: TestNote) -> Result<(), JsErrorBox> {
    let control = state.borrow::<TestControlRef>().clone();
    control.tell(note).map_err(JsErrorBox::generic)
}

/// A request for the worker under test. The answer is read as that of an object.
#[op2]
#[cppgc]
fn op_test_fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[string] method: String,
    #[string] url: String,
    headers: v8::Local<'s, v8::Array>,
    body: v8::Local<'s, v8::Value>,
    #[string] cf: Option<String>,
) -> Result<PendingFetch, JsErrorBox> {
    let mut headers = headers_from_js(scope, headers)?;
    let body = body_from_js(scope, state, body)?;
    note_length(&mut headers, &body);
    let (reply, receiver) = oneshot::channel();
    let control = state.borrow::<TestControlRef>().clone();
    let request = FetchRequest {
        measured: None,
        method,
        url,
        headers,
        body,
        cf,
    };
    control.fetch(request, reply);
    Ok(PendingFetch::new(receiver))
}
