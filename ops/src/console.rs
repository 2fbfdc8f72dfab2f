//! Where `console` prints: JavaScript formats, the process decides where the line goes.

use std::io::Write;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::error::JsError;
use deno_core::error::JsStackFrame;
use deno_core::op2;
use deno_core::v8;

use crate::instance::ObjectHandle;

deno_core::extension!(
    stead_console,
    ops = [op_console_place, op_console_print],
    state = |state| state.put(ConsoleSink::default()),
);

/// How urgent a line is, from the method that printed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsoleLevel {
    Debug,
    Log,
    Info,
    Warn,
    Error,
}

impl ConsoleLevel {
    fn from_method(method: &str) -> Self {
        match method {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Log,
        }
    }
}

/// What one call of a `console` method printed.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleLine<'a> {
    /// The object whose code called it, as it is shown to people; None in the worker's own code.
    pub object: Option<&'a str>,
    /// The level of the method.
    pub level: ConsoleLevel,
    /// Where the call is in the user's files, `file:///a/b.ts:1:2`; empty if nobody wants to know.
    pub place: &'a str,
    /// The formatted arguments. May hold several lines; the last one has no line end.
    pub text: &'a str,
}

/// Receives what the console prints. Put another one into the state to redirect it.
#[derive(Clone)]
pub struct ConsoleSink(pub Rc<dyn Fn(ConsoleLine<'_>)>);

impl Default for ConsoleSink {
    /// Warnings and errors go to standard error, the rest to standard output.
    fn default() -> Self {
        // A closed output must not end the process, so failures to write are ignored.
        Self(Rc::new(|line| {
            let _ = match line.level {
                ConsoleLevel::Warn | ConsoleLevel::Error => {
                    writeln!(std::io::stderr(), "{}", line.text)
                }
                _ => writeln!(std::io::stdout(), "{}", line.text),
            };
        }))
    }
}

/// Where the running code was called from, in terms of the user's own files; empty if from nowhere.
/// Reentrant: reading a stack may run user code.
#[op2(reentrant)]
#[string]
fn op_console_place(scope: &mut v8::PinScope<'_, '_>) -> String {
    let message = v8::String::empty(scope);
    let here = v8::Exception::error(scope, message);
    let here = JsError::from_v8_exception(scope, here);
    let users = |frame: &&JsStackFrame| {
        let file = frame.file_name.as_deref();
        file.is_some_and(|file| !file.starts_with("ext:"))
    };
    let Some(frame) = here.frames.iter().find(users) else {
        return String::new();
    };
    let file = frame.file_name.as_deref().unwrap_or_default();
    let number = |number: Option<i64>| number.unwrap_or_default();
    format!(
        "{file}:{}:{}",
        number(frame.line_number),
        number(frame.column_number)
    )
}

/// Hands one formatted line to the sink. A line of an object tells what it knows, so it waits for
/// the output gate like everything that the object says. If the gate breaks, the line is printed
/// all the same: it may be what explains why.
#[op2(fast)]
fn op_console_print(
    state: &mut OpState,
    #[cppgc] object: Option<&ObjectHandle>,
    #[string] text: &str,
    #[string] method: &str,
    #[string] place: &str,
) {
    let sink = state.borrow::<ConsoleSink>().clone();
    let level = ConsoleLevel::from_method(method);
    let Some(ObjectHandle(instance)) = object else {
        return (sink.0)(ConsoleLine {
            object: None,
            level,
            place,
            text,
        });
    };
    let label = instance.label();
    if instance.may_speak() || instance.is_broken() {
        return (sink.0)(ConsoleLine {
            object: Some(&label),
            level,
            place,
            text,
        });
    }
    let (text, place) = (text.to_owned(), place.to_owned());
    instance.print(move || {
        (sink.0)(ConsoleLine {
            object: Some(&label),
            level,
            place: &place,
            text: &text,
        });
    });
}
