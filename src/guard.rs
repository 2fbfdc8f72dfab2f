//! Ends JavaScript that may not go on, on the shard's own thread.
//!
//! V8 knows one way to end code: it unwinds the whole turn, and nothing can catch
//! that. Microtasks that are queued then are lost, which is why no two objects ever
//! share a turn (js/event_loop.js). Before the code is ended it is noted on whose
//! behalf it spoke, as only then it can still be told.

use std::cell::Cell;
use std::cell::RefCell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use deno_core::JsRuntime;
use deno_core::v8;
use stead_ops::meter;
use stead_ops::turn::Turns;

use crate::memory::BufferBudget;
use crate::thread_clock::ThreadClock;
use crate::watchdog::Watchdog;
use crate::watchdog::Watched;

/// How far V8's limit on its heap is raised while code that reached it is ended.
const HEAP_SLACK_BYTES: usize = 64 * 1024 * 1024;

/// Why code was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It took more of the processor's time than a turn may.
    Cpu,
    /// It used up the isolate's memory.
    Memory,
    /// It asked for it, with `ctx.abort()`.
    Abort,
}

/// Code that was ended.
pub struct Kill {
    /// Why.
    pub cause: Cause,
    /// What V8 kept for the code: on whose behalf it spoke.
    pub mapping: v8::Global<v8::Value>,
}

/// What other threads, and V8, ask of the guard.
struct Sentence {
    /// The turn that is to end; 0 for none.
    turn: AtomicU64,
    /// Whether that is for memory.
    memory: AtomicBool,
    /// The turn whose SQL is to stop, which V8 cannot; 0 for none.
    sql_turn: AtomicU64,
    handle: v8::IsolateHandle,
}

/// The end of turns on one isolate. Stays at one address while the isolate lives,
/// as V8 is given it; see [`Guard::install`].
pub struct Guard {
    turns: Rc<Turns>,
    watchdog: Watchdog,
    sentence: Arc<Sentence>,
    isolate: v8::UnsafeRawIsolatePtr,
    context: v8::Global<v8::Context>,
    killed: RefCell<Option<Kill>>,
    is_killed: Cell<bool>,
    /// Set when the heap came near its limit, whether or not code was ended for it.
    heap_full: Cell<bool>,
    /// Kept for the watchdog, which holds it weakly.
    watched: RefCell<Option<Arc<Watched>>>,
}

impl Guard {
    /// Guards the isolate of a runtime. The guard must be kept until the runtime is gone.
    pub fn install(
        runtime: &mut JsRuntime,
        watchdog: &Watchdog,
        buffers: &Arc<BufferBudget>,
    ) -> Rc<Guard> {
        let turns = runtime.op_state().borrow().borrow::<Rc<Turns>>().clone();
        let context = runtime.main_context();
        let isolate = runtime.v8_isolate();
        let sentence = Arc::new(Sentence {
            turn: AtomicU64::new(0),
            memory: AtomicBool::new(false),
            sql_turn: AtomicU64::new(0),
            handle: isolate.thread_safe_handle(),
        });
        let guard = Rc::new(Guard {
            turns,
            watchdog: watchdog.clone(),
            sentence: sentence.clone(),
            // SAFETY: used on this thread while the runtime lives.
            isolate: unsafe { isolate.as_raw_isolate_ptr() },
            context,
            killed: RefCell::default(),
            is_killed: Cell::new(false),
            heap_full: Cell::new(false),
            watched: RefCell::default(),
        });
        let address = Rc::as_ptr(&guard) as usize;
        isolate.add_near_heap_limit_callback(heap_is_full, address as *mut c_void);
        let condemned = sentence.clone();
        let watched = Arc::new(Watched {
            count: guard.turns.count(),
            clock: ThreadClock::of_this_thread(),
            condemn: Box::new(move |turn| condemned.pass(turn, false, address)),
        });
        watchdog.watch(&watched);
        guard.watched.replace(Some(watched));
        let count = guard.turns.count();
        buffers.on_refusal(Box::new(move || {
            sentence.pass(count.load(Ordering::Relaxed), true, address);
        }));
        guard
    }

    /// JavaScript is entered.
    pub fn begin(&self) {
        self.turns.begin();
        meter::turn_begins();
        self.watchdog.wake();
    }

    /// JavaScript has returned, and its microtasks have run.
    pub fn end(&self) {
        self.turns.end();
        meter::turn_ends();
        self.clear();
    }

    /// What SQLite asks while it works: whether it is to stop.
    pub fn sql_interrupt(&self) -> impl Fn() -> bool + Send + 'static {
        let (sentence, count) = (self.sentence.clone(), self.turns.count());
        move || sentence.sql_turn.load(Ordering::Acquire) == count.load(Ordering::Relaxed)
    }

    /// Ends the code that runs, which asked for it. It returns to V8 once more.
    pub fn abort(&self) {
        self.kill(Cause::Abort);
    }

    /// Whether code was ended that nobody has answered for yet.
    pub fn is_killed(&self) -> bool {
        self.is_killed.get()
    }

    /// Takes the code that was ended.
    pub fn take_kill(&self) -> Option<Kill> {
        self.is_killed.set(false);
        self.killed.borrow_mut().take()
    }

    /// Whether the heap came near its limit since this was last asked.
    pub fn take_heap_full(&self) -> bool {
        self.heap_full.take()
    }

    /// Collects all garbage; the bytes that are left on the heap.
    pub fn collect_garbage(&self) -> usize {
        // SAFETY: see `isolate`; called outside of JavaScript.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        isolate.low_memory_notification();
        isolate.get_heap_statistics().used_heap_size()
    }

    /// Gives V8 its limit back after the heap was near it and has been cleared.
    pub fn restore_heap_limit(&self, limit: usize) {
        // SAFETY: as above.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        isolate.remove_near_heap_limit_callback(heap_is_full, limit);
        isolate.add_near_heap_limit_callback(heap_is_full, std::ptr::from_ref(self) as *mut c_void);
    }

    /// Lets V8 run code again after it was told to end some, in nobody's name: the
    /// code that was ended has not put back what it spoke with.
    pub fn clear(&self) {
        if !self.is_killed.get() {
            return;
        }
        self.sentence.handle.cancel_terminate_execution();
        // SAFETY: as in `kill`.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        v8::scope!(let scope, &mut isolate);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let nobody = v8::undefined(scope).into();
        scope.set_continuation_preserved_embedder_data(nobody);
    }

    fn kill(&self, cause: Cause) {
        if !self.turns.is_running() {
            return;
        }
        if !self.is_killed.replace(true) {
            // SAFETY: V8 calls this on the isolate's own thread, with no scope of ours in use.
            let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
            v8::scope!(let scope, &mut isolate);
            let context = v8::Local::new(scope, &self.context);
            let scope = &mut v8::ContextScope::new(scope, context);
            let mapping = scope.get_continuation_preserved_embedder_data();
            let mapping = v8::Global::new(scope, mapping);
            self.killed.replace(Some(Kill { cause, mapping }));
        }
        self.sentence.handle.terminate_execution();
    }
}

impl Sentence {
    /// Has the turn ended when V8 next looks up from its work. From any thread.
    fn pass(&self, turn: u64, memory: bool, guard: usize) {
        self.memory.store(memory, Ordering::Relaxed);
        self.turn.store(turn, Ordering::Release);
        self.handle
            .request_interrupt(carry_out, guard as *mut c_void);
        // Only then: code that is told of it must not come to an answer.
        self.sql_turn.store(turn, Ordering::Release);
    }
}

/// What V8 calls in the middle of a turn that somebody wants ended.
unsafe extern "C" fn carry_out(_isolate: v8::UnsafeRawIsolatePtr, guard: *mut c_void) {
    // SAFETY: the guard lives as long as the isolate, and this is its thread.
    let guard = unsafe { &*guard.cast::<Guard>() };
    let sentence = &guard.sentence;
    if sentence.turn.load(Ordering::Acquire) != guard.turns.now() {
        // The turn has ended by itself meanwhile.
        return;
    }
    guard.kill(if sentence.memory.load(Ordering::Relaxed) {
        Cause::Memory
    } else {
        Cause::Cpu
    });
}

/// What V8 calls when its heap is nearly full; returns the limit from here on. V8
/// ends the process when that is not higher, so it always is: the code that runs ends
/// at the next place where V8 can end it.
unsafe extern "C" fn heap_is_full(
    guard: *mut c_void,
    limit: usize,
    _initial_limit: usize,
) -> usize {
    // SAFETY: as above.
    let guard = unsafe { &*guard.cast::<Guard>() };
    guard.heap_full.set(true);
    guard.kill(Cause::Memory);
    limit + HEAP_SLACK_BYTES.max(limit / 4)
}
