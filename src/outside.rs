//! What the process itself asks of a worker: calls from the command line.

use std::cell::RefCell;

use deno_core::cppgc::make_cppgc_object;
use deno_core::v8;
use stead_ops::event::Outcome;

use crate::isolate::call;
use crate::isolate::string;
use crate::shard::Shard;
use crate::shared::HandlerEvent;
use crate::shared::JsonCall;
use crate::shared::OutcomeSender;

impl Shard {
    /// Calls a method of an object, with JSON on both sides.
    pub fn call_for_json(&self, request: &JsonCall, outcome: OutcomeSender) {
        self.ask(outcome, |scope, outcome| {
            let arguments = [
                string(scope, &request.class),
                string(scope, &request.name),
                string(scope, &request.method),
                string(scope, &request.arguments),
                outcome,
            ];
            call(scope, &self.isolate.dispatch.call_for_json, &arguments).is_ok()
        });
    }

    /// Runs `scheduled()` or `queue()` of an entrypoint.
    pub fn run_handler(&self, event: &HandlerEvent, outcome: OutcomeSender) {
        let event = serde_json::to_string(event).expect("plain data");
        self.ask(outcome, |scope, outcome| {
            let event = string(scope, &event);
            let function = &self.isolate.dispatch.run_handler;
            call(scope, function, &[event, outcome]).is_ok()
        });
    }

    fn ask(
        &self,
        outcome: OutcomeSender,
        ask: impl for<'s> FnOnce(&mut v8::PinScope<'s, '_>, v8::Local<'s, v8::Value>) -> bool,
    ) {
        let asked = self.isolate.enter(|scope| {
            let outcome = Outcome(RefCell::new(Some(outcome)));
            let outcome = make_cppgc_object(scope, outcome).into();
            ask(scope, outcome)
        });
        if !asked && !self.isolate.guard.is_killed() {
            self.shared
                .logger
                .error(None, "internal error: the call was not made");
        }
        self.end_turn();
        self.wake();
    }
}
