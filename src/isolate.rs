//! Entering a shard's isolate from the tasks of its thread.
//!
//! A task that has something for JavaScript enters the isolate itself: there is no
//! channel to a task that owns the runtime, and no promise that Rust watches.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use deno_core::JsRuntime;
use deno_core::futures::task::AtomicWaker;
use deno_core::v8;
use stead_ops::engine::DispatchTable;

use crate::clock::Clock;
use crate::guard::Guard;
use crate::placement::ShardIndex;

/// The functions of `js/dispatch.js`.
pub struct Dispatch {
    /// Puts variables into `env`.
    pub set_vars: v8::Global<v8::Function>,
    /// Describes what a module exports.
    pub describe: v8::Global<v8::Function>,
    /// Takes the worker's module and makes its bindings.
    pub configure: v8::Global<v8::Function>,
    /// Answers a request with the worker's `fetch`.
    pub worker_fetch: v8::Global<v8::Function>,
    /// Prepares what the modules of tests import.
    pub prepare_tests: v8::Global<v8::Function>,
    /// Runs the tests of the module.
    pub run_tests: v8::Global<v8::Function>,
    /// Ends tests that wait for nothing that could still happen.
    pub tests_stalled: v8::Global<v8::Function>,
    /// Runs the earliest timer of a virtual clock if it is due.
    pub run_timer: v8::Global<v8::Function>,
    /// Calls a method of an object, with JSON on both sides.
    pub call_for_json: v8::Global<v8::Function>,
    /// Makes an instance of an object.
    pub construct: v8::Global<v8::Function>,
    /// Clones what was thrown.
    pub clone_thrown: v8::Global<v8::Function>,
    /// Delivers a request to an object.
    pub object_fetch: v8::Global<v8::Function>,
    /// Delivers a call to an object.
    pub object_call: v8::Global<v8::Function>,
    /// Runs an object's alarm.
    pub object_alarm: v8::Global<v8::Function>,
    /// Delivers a frame to an object.
    pub object_socket: v8::Global<v8::Function>,
    /// Delivers a request to an entrypoint.
    pub entrypoint_fetch: v8::Global<v8::Function>,
    /// Delivers a call to an entrypoint or to a value of the worker's code.
    pub worker_call: v8::Global<v8::Function>,
    /// Runs `scheduled()` or `queue()` of an entrypoint.
    pub run_handler: v8::Global<v8::Function>,
    /// Lets exported values go.
    pub release: v8::Global<v8::Function>,
    /// Fires one timer that is due.
    pub fire_timer: v8::Global<v8::Function>,
    /// On whose behalf code spoke.
    pub speaker: v8::Global<v8::Function>,
    /// The calls that code has not answered.
    pub calls_under_way: v8::Global<v8::Function>,
    /// Goes on after code was ended.
    pub resume: v8::Global<v8::Function>,
}

/// A shard's isolate as its tasks enter it. Must stay on the shard's thread and
/// be used only while the runtime lives.
pub struct Isolate {
    isolate: v8::UnsafeRawIsolatePtr,
    context: v8::Global<v8::Context>,
    waker: Arc<AtomicWaker>,
    /// The clock that stands still while the isolate runs, if it is one of tests.
    clock: Option<(Arc<dyn Clock>, ShardIndex)>,
    /// Ends code that may not go on.
    pub guard: Rc<Guard>,
    /// What can be called.
    pub dispatch: Dispatch,
}

impl Isolate {
    /// Takes the entry functions of a runtime that was just started.
    ///
    /// # Panics
    /// When called twice for one runtime.
    pub fn new(runtime: &mut JsRuntime, guard: Rc<Guard>) -> Isolate {
        let waker = runtime.op_state().borrow().waker.clone();
        let context = runtime.main_context();
        // SAFETY: the pointer is used on this thread while the runtime lives; see `enter`.
        let isolate = unsafe { runtime.v8_isolate().as_raw_isolate_ptr() };
        let table = runtime.op_state().borrow_mut().take::<DispatchTable>();
        deno_core::scope!(scope, runtime);
        let object = v8::Local::new(scope, &table.0);
        let function = |name: &str| {
            let key = v8::String::new(scope, name).expect("a short string");
            let value = object.get(scope, key.into()).expect("a plain object");
            let function = v8::Local::<v8::Function>::try_from(value).expect("set by dispatch.js");
            v8::Global::new(scope, function)
        };
        let dispatch = Dispatch {
            set_vars: function("setVars"),
            describe: function("describe"),
            configure: function("configure"),
            worker_fetch: function("workerFetch"),
            prepare_tests: function("prepareTests"),
            run_tests: function("runTests"),
            tests_stalled: function("testsStalled"),
            run_timer: function("runTimer"),
            call_for_json: function("callForJson"),
            construct: function("construct"),
            clone_thrown: function("cloneThrown"),
            object_fetch: function("objectFetch"),
            object_call: function("objectCall"),
            object_alarm: function("objectAlarm"),
            object_socket: function("objectSocket"),
            entrypoint_fetch: function("entrypointFetch"),
            worker_call: function("workerCall"),
            run_handler: function("runHandler"),
            release: function("release"),
            fire_timer: function("fireTimer"),
            speaker: function("speaker"),
            calls_under_way: function("callsUnderWay"),
            resume: function("resume"),
        };
        Isolate {
            isolate,
            context,
            waker,
            clock: None,
            guard,
            dispatch,
        }
    }

    /// Has a clock of tests stand still whenever the isolate of `shard` runs.
    pub fn follow(&mut self, clock: &Arc<dyn Clock>, shard: ShardIndex) {
        self.clock = clock.virtual_time().map(|_| (clock.clone(), shard));
    }

    /// From here on `eval` and `new Function` throw.
    pub fn forbid_eval(&self) {
        self.enter(|scope| {
            let context = scope.get_current_context();
            context.set_allow_generation_from_strings(false);
        });
    }

    /// Runs `work` in the isolate, then the microtasks that it left. Never called
    /// from inside JavaScript.
    pub fn enter<R>(&self, work: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        if let Some((clock, shard)) = &self.clock {
            clock
                .virtual_time()
                .inspect(|time| time.set_idle(*shard, false));
        }
        // SAFETY: tasks of the shard's thread run one at a time and never inside
        // JavaScript, and the shard ends them before it drops the runtime.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        v8::scope!(let handle_scope, &mut isolate);
        let context = v8::Local::new(handle_scope, &self.context);
        let scope = &mut v8::ContextScope::new(handle_scope, context);
        let scope: &mut v8::PinScope<'_, '_> = scope;
        self.guard.begin();
        let result = work(scope);
        self.guard.clear();
        scope.perform_microtask_checkpoint();
        self.guard.end();
        // The event loop has not seen what the microtasks began.
        self.waker.wake();
        result
    }

    /// The same for an event, of whom it is known whose it is: what its turn took of the
    /// processor's time comes back.
    pub fn enter_for<R>(&self, work: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> (R, Duration) {
        self.guard.claim();
        let result = self.enter(work);
        (result, self.guard.take_claimed())
    }
}

/// Calls a function of `dispatch.js`.
///
/// # Errors
/// What it threw.
pub fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    function: &v8::Global<v8::Function>,
    arguments: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Global<v8::Value>, v8::Global<v8::Value>> {
    v8::tc_scope!(let scope, scope);
    let function = v8::Local::new(scope, function);
    let receiver = v8::undefined(scope).into();
    match function.call(scope, receiver, arguments) {
        Some(value) => Ok(v8::Global::new(scope, value)),
        None => {
            if scope.has_terminated() {
                scope.cancel_terminate_execution();
            }
            let exception = scope
                .exception()
                .unwrap_or_else(|| v8::undefined(scope).into());
            scope.reset();
            Err(v8::Global::new(scope, exception))
        }
    }
}

/// A JavaScript string; empty for a text that is longer than V8 allows.
pub fn string<'s>(scope: &mut v8::PinScope<'s, '_>, text: &str) -> v8::Local<'s, v8::Value> {
    v8::String::new(scope, text)
        .unwrap_or_else(|| v8::String::empty(scope))
        .into()
}

/// Bytes for JavaScript, as an Uint8Array.
pub fn bytes_to_js<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::Value> {
    let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes.to_vec()).make_shared();
    let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
    let view = v8::Uint8Array::new(scope, buffer, 0, bytes.len());
    let null = v8::null(scope).into();
    view.map_or(null, Into::into)
}
