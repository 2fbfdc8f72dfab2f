//! Where the console and uncaught exceptions of a worker go: to the log.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::OpState;
use stead_ops::console::ConsoleLevel;
use stead_ops::console::ConsoleSink;
use stead_ops::exception::ExceptionKind;
use stead_ops::exception::ExceptionSink;

use crate::cli::logger::Level;
use crate::cli::logger::Logger;
use crate::shared::Shared;

/// An exception that nobody caught: the object whose code threw it, and its text.
type Uncaught = (Option<String>, String);

/// Where one isolate prints.
///
/// Every shard evaluates the worker's modules, so what they print while they load is
/// taken from the first shard alone. What nobody caught meanwhile waits until the
/// worker runs: if it does not come to that, the failure that ends the start says it.
pub struct Output {
    logger: Logger,
    /// Set under test: what is printed belongs to the test that runs.
    testing: Option<Arc<Shared>>,
    first: bool,
    /// Uncaught exceptions so far, while the modules load.
    held: RefCell<Option<Vec<Uncaught>>>,
}

impl Output {
    /// The output of a shard that is about to load the worker's modules.
    pub fn new(shared: &Arc<Shared>, first: bool) -> Rc<Output> {
        Rc::new(Output {
            logger: shared.logger.clone(),
            testing: shared.testing.is_some().then(|| shared.clone()),
            first,
            held: RefCell::new(Some(Vec::new())),
        })
    }

    /// Hands the sinks to the ops.
    pub fn put_into(self: Rc<Self>, state: &mut OpState) {
        let console = self.clone();
        state.put(ConsoleSink(Rc::new(move |line| {
            if console.first || console.held.borrow().is_none() {
                let object = line.object.map(str::to_owned);
                let level = level(line.level);
                match &console.testing {
                    None => console
                        .logger
                        .console_at(line.place, level, object, line.text),
                    Some(shared) => shared.print(object, level, line.text, false),
                }
            }
        })));
        state.put(ExceptionSink(Rc::new(move |report| {
            let prefix = match report.kind {
                ExceptionKind::Uncaught => "Uncaught",
                ExceptionKind::UnhandledRejection => "Uncaught (in promise)",
            };
            let error = &report.error;
            let text = error.stack.as_ref().unwrap_or(&error.exception_message);
            let text = format!("{prefix} {text}");
            match self.held.borrow_mut().as_mut() {
                Some(held) => held.push((report.object, text)),
                None => match &self.testing {
                    None => self.logger.error(report.object, text),
                    Some(shared) => shared.print(report.object, Level::Error, &text, true),
                },
            }
        })));
    }

    /// The modules are loaded: from here on everything is printed at once.
    pub fn loaded(&self) {
        let held = self.held.borrow_mut().take().unwrap_or_default();
        for (object, text) in held.into_iter().filter(|_| self.first) {
            self.logger.error(object, text);
        }
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
