//! Ends JavaScript that may not go on, on the shard's own thread.
//!
//! V8 knows one way to end code: it unwinds the whole turn, and nothing can catch
//! that. Microtasks that are queued then are lost, which is why no two objects ever
//! share a turn (js/event_loop.js). Before the code is ended it is noted on whose
//! behalf it spoke, as only then it can still be told.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deno_core::JsRuntime;
use deno_core::v8;
use stead_ops::meter;
use stead_ops::turn::Turns;
use stead_ops::turn::Watcher;

use crate::accounts::Accounts;
use crate::accounts::Sample;
use crate::inspector::Registration;
use crate::memory::BufferBudget;
use crate::thread_clock::ThreadClock;
use crate::watchdog::Watchdog;
use crate::watchdog::Watched;

/// How far V8's limit on its heap is raised while code that reached it is ended.
const HEAP_SLACK_BYTES: usize = 64 * 1024 * 1024;

/// Code that has taken too much time and may still be called, at most.
const CONDEMNED_MAX: usize = 64;

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
    /// The turn that was last to be looked at, and whether that is because it is long.
    watched_turn: AtomicU64,
    is_long: AtomicBool,
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
    /// Set when the memory came near its limit, whether or not code was ended for it.
    memory_full: Cell<bool>,
    buffers: Arc<BufferBudget>,
    /// What turns take, and on whose behalf they are seen to run.
    accounts: Accounts,
    /// Whose code is ended as soon as it is seen to run.
    condemned: RefCell<VecDeque<v8::Global<v8::Value>>>,
    /// Kept for the watchdog, which holds it weakly.
    watched: RefCell<Option<Arc<Watched>>>,
}

impl Guard {
    /// Guards the isolate of a runtime, to which debuggers may attach. The guard must be kept
    /// until the runtime is gone.
    pub fn install(
        runtime: &mut JsRuntime,
        watchdog: &Watchdog,
        buffers: &Arc<BufferBudget>,
        debugged: Option<&Registration>,
    ) -> Rc<Guard> {
        let turns = runtime.op_state().borrow().borrow::<Rc<Turns>>().clone();
        let context = runtime.main_context();
        let isolate = runtime.v8_isolate();
        let sentence = Arc::new(Sentence {
            turn: AtomicU64::new(0),
            memory: AtomicBool::new(false),
            sql_turn: AtomicU64::new(0),
            watched_turn: AtomicU64::new(0),
            is_long: AtomicBool::new(false),
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
            memory_full: Cell::new(false),
            buffers: buffers.clone(),
            accounts: Accounts::of_this_thread(),
            condemned: RefCell::default(),
            watched: RefCell::default(),
        });
        let address = Rc::as_ptr(&guard) as usize;
        isolate.add_near_heap_limit_callback(heap_is_full, address as *mut c_void);
        let (condemned, metered) = (sentence.clone(), sentence.clone());
        let watched = Arc::new(Watched {
            count: guard.turns.count(),
            clock: ThreadClock::of_this_thread(),
            debuggers: debugged.map_or_else(Arc::default, |debugged| debugged.target.attached()),
            condemn: Box::new(move |turn| condemned.pass(turn, false, address)),
            meter: Box::new(move |turn| metered.look_at(turn, true, address)),
        });
        let watcher = TurnWatcher(Rc::downgrade(&guard));
        guard.turns.set_watcher(Box::new(watcher));
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
        self.turns.set_watched(self.accounts.begin());
        self.watchdog.wake();
    }

    /// Whoever ends the turn that is about to begin knows whose it is, and takes what it took.
    pub fn claim(&self) {
        self.accounts.claim();
    }

    /// What the turn took that was claimed.
    pub fn take_claimed(&self) -> Duration {
        self.accounts.take_claimed()
    }

    /// JavaScript has returned, and its microtasks have run.
    pub fn end(&self) {
        self.turns.end();
        meter::turn_ends();
        self.accounts.end();
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

    /// Whether the memory came near its limit since this was last asked.
    pub fn take_memory_full(&self) -> bool {
        self.memory_full.take()
    }

    /// Collects all garbage; the bytes that are left on the heap or in buffers, whichever
    /// are more.
    pub fn collect_garbage(&self) -> usize {
        // SAFETY: see `isolate`; called outside of JavaScript.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        isolate.low_memory_notification();
        let heap = isolate.get_heap_statistics().used_heap_size();
        heap.max(self.buffers.used())
    }

    /// Takes what turns have taken that nobody claimed, once it is worth the while.
    pub fn take_samples(&self) -> Vec<Sample> {
        self.accounts.take()
    }

    /// From now on code that V8 keeps this for is ended when it runs.
    pub fn condemn(&self, mapping: &v8::Global<v8::Value>) {
        let mut condemned = self.condemned.borrow_mut();
        if condemned.iter().any(|other| other == mapping) {
            return;
        }
        if condemned.len() == CONDEMNED_MAX {
            condemned.pop_front();
        }
        condemned.push_back(mapping.clone());
    }

    /// Notes on whose behalf the code of the turn speaks. False if it is not known yet.
    fn see(&self, is_long: bool) -> bool {
        let mapping = self.mapping();
        if self.condemned.borrow().contains(&mapping) {
            self.kill(Cause::Cpu);
        }
        let is_known = !self.is_nobody(&mapping);
        if is_known {
            self.accounts.see(mapping, is_long);
        }
        is_known
    }

    fn is_nobody(&self, mapping: &v8::Global<v8::Value>) -> bool {
        // SAFETY: as in `mapping`.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        v8::scope!(let scope, &mut isolate);
        v8::Local::new(scope, mapping).is_undefined()
    }

    /// What V8 keeps for the code that runs.
    fn mapping(&self) -> v8::Global<v8::Value> {
        // SAFETY: V8 calls this on the isolate's own thread, with no scope of ours in use.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(self.isolate) };
        v8::scope!(let scope, &mut isolate);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let mapping = scope.get_continuation_preserved_embedder_data();
        v8::Global::new(scope, mapping)
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
        if cause == Cause::Memory {
            self.memory_full.set(true);
        }
        if !self.is_killed.replace(true) {
            let mapping = self.mapping();
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

impl Sentence {
    /// Has the turn looked at when V8 next looks up from its work. From any thread.
    fn look_at(&self, turn: u64, is_long: bool, guard: usize) {
        self.is_long.store(is_long, Ordering::Relaxed);
        self.watched_turn.store(turn, Ordering::Release);
        self.handle.request_interrupt(look, guard as *mut c_void);
    }
}

/// Has turns looked at that JavaScript divides.
struct TurnWatcher(Weak<Guard>);

impl Watcher for TurnWatcher {
    fn turned(&self) -> bool {
        let guard = self.0.upgrade();
        guard.is_some_and(|guard| guard.accounts.turn())
    }

    fn look(&self) {
        if let Some(guard) = self.0.upgrade() {
            let address = Rc::as_ptr(&guard) as usize;
            guard.sentence.look_at(guard.turns.now(), false, address);
        }
    }
}

/// What V8 calls in the middle of a turn that is looked at.
unsafe extern "C" fn look(_isolate: v8::UnsafeRawIsolatePtr, guard: *mut c_void) {
    // SAFETY: the guard lives as long as the isolate, and this is its thread.
    let guard = unsafe { &*guard.cast::<Guard>() };
    let sentence = &guard.sentence;
    let turn = sentence.watched_turn.load(Ordering::Acquire);
    // Of a turn that has ended by itself nobody knows any more whose it was.
    if turn != guard.turns.now() {
        return;
    }
    let is_long = sentence.is_long.load(Ordering::Relaxed);
    if !guard.see(is_long) && guard.accounts.may_look_again() {
        sentence.look_at(turn, is_long, std::ptr::from_ref(guard) as usize);
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
    guard.memory_full.set(true);
    guard.kill(Cause::Memory);
    limit + HEAP_SLACK_BYTES.max(limit / 4)
}
