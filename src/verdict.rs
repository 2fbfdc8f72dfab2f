//! What becomes of those whose code was ended: the object is reset and its callers
//! are told why, or the worker's request is answered with the reason.
//!
//! The texts are the platform's.
//! <https://developers.cloudflare.com/durable-objects/observability/troubleshooting/>

use std::rc::Rc;

use deno_core::cppgc::try_unwrap_cppgc_object;
use deno_core::v8;
use stead_ops::Owed;
use stead_ops::event::IncomingCall;
use stead_ops::event::IncomingRequest;
use stead_ops::host::Host;
use stead_ops::instance::AlarmRun;
use stead_ops::instance::Instance;
use stead_ops::instance::ObjectHandle;
use stead_ops::message::AlarmOutcome;
use stead_ops::message::CallError;
use stead_ops::message::Failure;
use stead_ops::message::FetchResponse;
use stead_ops::message::Message;
use stead_ops::message::ObjectKey;

use crate::guard::Cause;
use crate::guard::Kill;
use crate::isolate::call;
use crate::shard::Shard;

/// What is said of those that took too much time.
pub const OBJECT_CPU: &str = "Durable Object exceeded its CPU time limit and was reset.";
const OBJECT_MEMORY: &str = "Durable Object's isolate exceeded its memory limit and was reset.";
const ALARM_TIME: &str = "Alarm exceeded its allowed execution time";
pub const WORKER_CPU: &str = "Worker exceeded CPU time limit.";
const WORKER_MEMORY: &str = "Worker exceeded memory limit.";

/// What is said of a module whose evaluation was ended.
pub fn startup_text(cause: Cause) -> String {
    let what = match cause {
        Cause::Memory => "memory limit",
        Cause::Cpu | Cause::Abort => "CPU time limit",
    };
    format!("Script startup exceeded {what}.")
}

/// On whose behalf code spoke.
pub enum Speaker {
    Object(Rc<Instance>),
    Request(Rc<Owed<FetchResponse>>),
    Call(Rc<Owed<Message>>),
    Nobody,
}

impl Shard {
    /// Answers for code that was ended in the turn that is over. True if there was any.
    pub fn settle_kills(&self) -> bool {
        let guard = &self.isolate.guard;
        let mut any = false;
        // Finding out whose code it was runs some of ours, which may be ended, too.
        while let Some(kill) = guard.take_kill() {
            any = true;
            self.settle(&kill);
        }
        self.settle_samples();
        any
    }

    fn settle(&self, kill: &Kill) {
        let (object_text, worker_text) = match kill.cause {
            // The object has been reset already, by what it called.
            Cause::Abort => return,
            Cause::Cpu => (OBJECT_CPU, WORKER_CPU),
            Cause::Memory => (OBJECT_MEMORY, WORKER_MEMORY),
        };
        match self.speaker(&kill.mapping) {
            Speaker::Object(instance) => {
                self.report(Some(instance.label()), object_text);
                self.shared
                    .kills
                    .note(instance.key.root(), self.shared.clock.now_ms());
                self.reset(&instance, exceeded(object_text));
            }
            Speaker::Request(owed) => self.fail_owed(&owed, Some(&kill.mapping), worker_text),
            Speaker::Call(owed) => self.fail_owed(&owed, Some(&kill.mapping), worker_text),
            Speaker::Nobody => {
                self.report(None, worker_text);
                self.fail_calls(&kill.mapping, worker_text);
                if let Some(testing) = &self.shared.testing {
                    testing.tell_ended(worker_text);
                }
            }
        }
    }

    /// Answers for an event of the worker's own code that exceeded a limit. It may have been answered
    /// already: by its handler, whose code goes on, or when the time that it took was counted.
    pub fn fail_owed<T: 'static>(
        &self,
        owed: &Rc<Owed<T>>,
        mapping: Option<&v8::Global<v8::Value>>,
        text: &str,
    ) {
        if !owed.is_exceeded.replace(true) {
            self.report(None, text);
        }
        if owed.is_open() {
            owed.give(Err(CallError::Failed(worker_exceeded(text))));
        }
        if let Some(mapping) = mapping {
            self.fail_calls(mapping, text);
        }
    }

    /// Answers the calls of values that an event's code exported: they end with it.
    fn fail_calls(&self, mapping: &v8::Global<v8::Value>, text: &str) {
        let calls = self.isolate.enter(|scope| {
            let mapping = v8::Local::new(scope, mapping);
            let function = &self.isolate.dispatch.calls_under_way;
            let Ok(found) = call(scope, function, &[mapping]) else {
                return Vec::new();
            };
            let Ok(found) = v8::Local::new(scope, found).try_cast::<v8::Array>() else {
                return Vec::new();
            };
            let native = |index| found.get_index(scope, index);
            let natives: Vec<_> = (0..found.length()).filter_map(native).collect();
            let owed = |native| try_unwrap_cppgc_object::<IncomingCall>(scope, native);
            let owed = natives.into_iter().filter_map(owed);
            owed.map(|call| call.owed()).collect()
        });
        for owed in calls {
            owed.give(Err(CallError::Failed(worker_exceeded(text))));
        }
    }

    /// Resets all objects, for a reason of the worker's own, and has the isolate replaced. What else
    /// runs in it is finished.
    pub fn end_isolate(&self, failure: &Failure) {
        let objects = self.objects.borrow();
        let all: Vec<Rc<Instance>> = objects.values().map(|r| r.instance.clone()).collect();
        drop(objects);
        for instance in &all {
            self.reset(instance, failure.clone());
        }
        let text = format!("the worker ends its isolate: {}", failure.message);
        self.report(None, &text);
        let now_ms = self.shared.clock.now_ms();
        if !self.shared.worn.replace(self.index, now_ms) {
            let text = "the isolate is not replaced, as that was done only just now";
            self.report(None, text);
        }
    }

    /// Ends an alarm that has run for too long, with its object.
    pub fn end_alarm(&self, key: ObjectKey) {
        let objects = self.objects.borrow();
        let Some(instance) = objects.get(&key).map(|resident| resident.instance.clone()) else {
            return;
        };
        drop(objects);
        if instance.alarm_run.get() != AlarmRun::Idle {
            self.report(Some(instance.label()), ALARM_TIME);
            self.reset(&instance, exceeded(ALARM_TIME));
        }
    }

    /// On whose behalf code spoke for which V8 kept that.
    pub fn speaker(&self, mapping: &v8::Global<v8::Value>) -> Speaker {
        self.isolate.enter(|scope| {
            let mapping = v8::Local::new(scope, mapping);
            let Ok(found) = call(scope, &self.isolate.dispatch.speaker, &[mapping]) else {
                return Speaker::Nobody;
            };
            let found = v8::Local::new(scope, found);
            if let Some(handle) = try_unwrap_cppgc_object::<ObjectHandle>(scope, found) {
                return Speaker::Object(handle.0.clone());
            }
            if let Some(call) = try_unwrap_cppgc_object::<IncomingCall>(scope, found) {
                return Speaker::Call(call.owed());
            }
            match try_unwrap_cppgc_object::<IncomingRequest>(scope, found) {
                Some(request) => Speaker::Request(request.owed()),
                None => Speaker::Nobody,
            }
        })
    }

    /// Makes room in memory that was nearly full: by collecting garbage or, if that does
    /// not help, by replacing the isolate, whose objects and sockets move to the new one.
    /// Where that was done only just now, all objects of the shard are reset. Called while
    /// nothing of the shard holds on to an object whose event it delivers.
    pub fn relieve_memory(&self) {
        if !self.isolate.guard.take_memory_full() {
            return;
        }
        let limit = self.shared.limits.heap_bytes;
        let left = self.isolate.guard.collect_garbage();
        let is_full = left > limit / 4 * 3;
        let (worn, now_ms) = (&self.shared.worn, self.shared.clock.now_ms());
        // So little room for each turn that what is ended need not be at fault.
        let again = worn.was_full(self.index, now_ms) && left > limit / 2;
        if (is_full || again) && self.retirement_deadline().is_none() {
            let is_replaced = worn.replace(self.index, now_ms);
            if is_full && !is_replaced {
                self.reset_all(OBJECT_MEMORY);
            }
            let end = match is_replaced {
                true => ": its isolate is replaced",
                false => "",
            };
            let text = format!("the worker's own variables fill its memory{end}; see --heap-mb");
            self.report(None, &text);
        }
        self.isolate.guard.restore_heap_limit(limit);
    }

    /// Resets all objects of the shard, and frees what they held.
    fn reset_all(&self, text: &str) {
        let objects = self.objects.borrow();
        let all: Vec<Rc<Instance>> = objects.values().map(|r| r.instance.clone()).collect();
        drop(objects);
        for instance in &all {
            self.reset(instance, exceeded(text));
        }
        self.isolate.guard.collect_garbage();
    }
}

/// An object that was reset for exceeding a limit: an alarm that ran is retried, and
/// the retry counts.
pub fn exceeded(text: &str) -> Failure {
    Failure {
        alarm: AlarmOutcome::Threw(text.to_owned()),
        ..Failure::reset(text)
    }
}

/// A request or a call whose own code in the worker exceeded a limit.
pub fn worker_exceeded(text: &str) -> Failure {
    Failure {
        message: text.into(),
        overloaded: true,
        ..Failure::default()
    }
}
