//! Exceptions that no user code caught. None of them ends the runtime: each is reported once.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::error::JsError;
use deno_core::op2;
use deno_core::v8;

use crate::instance::ObjectHandle;

deno_core::extension!(
    stead_exception,
    ops = [op_report_exception],
    state = |state| state.put(ExceptionSink::default()),
);

/// How an exception escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionKind {
    /// Thrown by a timer, a microtask or an event listener, or given to `reportError`.
    Uncaught,
    /// The reason of a promise that nobody handled.
    UnhandledRejection,
}

/// One exception that nobody caught, and whose event was not cancelled.
#[derive(Clone, Debug)]
pub struct ExceptionReport {
    /// The object whose code let it escape, as it is shown to people, if that is known.
    pub object: Option<String>,
    /// How it escaped.
    pub kind: ExceptionKind,
    /// The error, its causes and its stack frames, in terms of the user's own files.
    pub error: Box<JsError>,
}

/// Receives uncaught exceptions. Put another one into the state to redirect them.
#[derive(Clone)]
pub struct ExceptionSink(pub Rc<dyn Fn(ExceptionReport)>);

impl Default for ExceptionSink {
    /// Prints to standard error.
    fn default() -> Self {
        Self(Rc::new(|report| {
            let prefix = match report.kind {
                ExceptionKind::Uncaught => "Uncaught",
                ExceptionKind::UnhandledRejection => "Uncaught (in promise)",
            };
            let error = &report.error;
            let text = error.stack.as_ref().unwrap_or(&error.exception_message);
            // A closed output must not end the process.
            let _ = writeln!(std::io::stderr(), "{prefix} {text}");
        }))
    }
}

/// Hands an exception to the sink. Reentrant: reading a stack may run user code.
#[op2(fast, reentrant)]
fn op_report_exception<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    state: Rc<RefCell<OpState>>,
    #[cppgc] object: Option<&ObjectHandle>,
    rejection: bool,
    exception: v8::Local<'s, v8::Value>,
) {
    let object = object.map(|handle| handle.0.label());
    let error = JsError::from_v8_exception(scope, exception);
    let kind = if rejection {
        ExceptionKind::UnhandledRejection
    } else {
        ExceptionKind::Uncaught
    };
    let sink = state.borrow().borrow::<ExceptionSink>().clone();
    (sink.0)(ExceptionReport { object, kind, error });
}
