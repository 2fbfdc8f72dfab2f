//! Where the console and uncaught exceptions of a worker go: to the log.

use std::rc::Rc;

use deno_core::OpState;
use stead_ops::console::ConsoleLevel;
use stead_ops::console::ConsoleSink;
use stead_ops::exception::ExceptionKind;
use stead_ops::exception::ExceptionSink;

use crate::cli::logger::Level;
use crate::cli::logger::Logger;

/// The sinks of one isolate.
pub struct Sinks {
    console: ConsoleSink,
    exceptions: ExceptionSink,
}

impl Sinks {
    /// Hands the sinks to the ops.
    pub fn put_into(self, state: &mut OpState) {
        state.put(self.console);
        state.put(self.exceptions);
    }
}

/// Sinks that print through the logger.
pub fn sinks(logger: &Logger) -> Sinks {
    let console = logger.clone();
    let exceptions = logger.clone();
    Sinks {
        console: ConsoleSink(Rc::new(move |line| {
            console.console(level(line.level), line.object.map(str::to_owned), line.text);
        })),
        exceptions: ExceptionSink(Rc::new(move |report| {
            let prefix = match report.kind {
                ExceptionKind::Uncaught => "Uncaught",
                ExceptionKind::UnhandledRejection => "Uncaught (in promise)",
            };
            let error = &report.error;
            let text = error.stack.as_ref().unwrap_or(&error.exception_message);
            exceptions.error(report.object, format!("{prefix} {text}"));
        })),
    }
}

fn level(level: ConsoleLevel) -> Level {
    match level {
        ConsoleLevel::Debug => Level::Debug,
        ConsoleLevel::Log => Level::Log,
        ConsoleLevel::Info => Level::Info,
        ConsoleLevel::Warn => Level::Warn,
        ConsoleLevel::Error => Level::Error,
    }
}
