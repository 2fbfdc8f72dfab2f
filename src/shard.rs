//! A shard: one thread, one isolate of the worker, and the objects placed on it.
//!
//! The thread's root task takes messages, delivers events, lets deno_core's event
//! loop run, commits what the turn wrote and hears what became durable. HTTP
//! connections are tasks of their own, which enter the isolate directly.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use deno_core::JsRuntime;
use deno_core::PollEventLoopOptions;
use stead_ops::Owes;
use stead_ops::export::Exports;
use stead_ops::facet::Facets;
use stead_ops::host::HostRef;
use stead_ops::instance::Instance;
use stead_ops::instance::Turn;
use stead_ops::message::NamespaceIndex;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::parcel::Parcel;
use stead_ops::socket_set::SocketSet;
use stead_ops::turn::Turns;
use stead_storage::Lane;
use stead_storage::LogEvent;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::blank::Blank;
use crate::clock::Random;
use crate::eviction::IdleObjects;
use crate::exports::Export;
use crate::facet_work::FacetWorks;
use crate::guard::Guard;
use crate::handover::Inheritance;
use crate::handover::Retiring;
use crate::hang::OpenRequests;
use crate::inspector::Brake;
use crate::inspector::Registration;
use crate::isolate::Isolate;
use crate::isolate::call;
use crate::linger::Linger;
use crate::namespaces::Namespaces;
use crate::namespaces::Numbered;
use crate::objects::Resident;
use crate::output::Output;
use crate::patience::Patience;
use crate::patience::Step;
use crate::placement::ShardIndex;
use crate::queue::EventQueue;
use crate::quiet::Quiet;
use crate::residents::WaitingRoom;
use crate::shared::Code;
use crate::shared::Message;
use crate::shared::Shared;
use crate::shared::adopt;
use crate::stopping::Stop;
use crate::testing::coverage::Counting;

/// Events that are delivered before the event loop runs again.
const EVENTS_PER_ROUND: usize = 256;
/// How long requests may take to end once the process is to stop.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Whether a shard's connections go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They do.
    Running,
    /// Another shard takes this one's place: requests that run are finished.
    Retiring,
    /// The process ends.
    Stopping,
}

/// What the journal tells: of which object, of which instance, and what.
pub type Synced = (ObjectKey, u64, LogEvent);

/// A shard, as the tasks of its thread share it.
pub struct Shard {
    /// Its number.
    pub index: ShardIndex,
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// What it runs.
    pub code: Arc<Code>,
    /// The way into JavaScript.
    pub isolate: Isolate,
    /// The object classes of this worker and of all others.
    pub namespaces: Namespaces,
    /// The objects in memory.
    pub objects: RefCell<HashMap<ObjectKey, Resident>>,
    /// The sockets of objects that are not in memory at the moment.
    pub sleeping: RefCell<HashMap<ObjectKey, Rc<SocketSet>>>,
    /// The objects that may leave memory.
    pub idle: IdleObjects,
    /// The events of objects for which there is no room in memory.
    pub waiting: WaitingRoom,
    /// Objects that were written to in the current turn.
    pub turn: Rc<Turn>,
    /// What the objects of this shard have on its way to the disk.
    pub lane: Lane,
    /// Objects whose commits are kept back because that is too much already.
    pub held: RefCell<HashMap<ObjectKey, Rc<Instance>>>,
    /// Hears from the journal.
    pub synced: mpsc::UnboundedSender<Synced>,
    /// Whether connections are to end.
    pub phase: watch::Sender<Phase>,
    /// What is left to do of a shard whose place another one takes.
    pub retiring: RefCell<Option<Retiring>>,
    /// What is known of the shard whose place this one takes.
    pub inheritance: RefCell<Option<Inheritance>>,
    /// This shard, for tasks that outlive a call.
    pub me: Weak<Shard>,
    /// The events that wait to be delivered.
    pub queue: EventQueue,
    /// Whether the thread stays awake for what other shards may send.
    pub linger: Linger,
    /// Requests that the worker's own code is answering.
    pub requests: OpenRequests,
    root: RefCell<Waker>,
    /// Counts which code tests reach.
    counting: RefCell<Option<Counting>>,
    /// Whether the clock of tests has stopped for good.
    stalled: Cell<bool>,
    /// What this shard's code exported.
    pub exports: Exports,
    /// Values whose instances have left memory, to be let go of.
    pub forgotten: RefCell<Vec<u64>>,
    /// The starts of facets.
    pub facets: Facets,
    /// What is being done for them on other threads.
    pub facet_works: FacetWorks,
    /// The answers that entrypoints have not given yet.
    pub worker_owes: Owes,
    /// Connections that are being served.
    pub connections: Cell<usize>,
    /// The way in for debuggers, if there is one.
    debugged: Option<Registration>,
}

/// Why a shard could not start.
#[derive(Clone, Debug)]
pub enum StartError {
    /// The worker's module threw, or does not load: the error with its stack.
    Module(String),
    /// The module exports something that cannot be served.
    Exports(crate::exports::ExportsError),
}

/// A shard that is ready.
pub struct Ready {
    /// What the worker's module exports.
    pub exports: Vec<Export>,
    /// The way to end what its isolate runs.
    pub isolate: Brake,
}

/// What a shard says when it is ready, or why it never will be.
pub type Started = Result<Ready, StartError>;

/// What a shard is started with.
pub struct Start {
    /// Its number.
    pub index: ShardIndex,
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// What it runs.
    pub code: Arc<Code>,
    /// What it is told.
    pub messages: mpsc::Receiver<Message>,
    /// What it hears from the shard whose place it takes, if there is one.
    pub inheritance: Option<Inheritance>,
    /// Where it says that it is ready.
    pub started: oneshot::Sender<Started>,
}

/// Serves as a shard on the calling thread, until it is told to stop or has been replaced.
pub async fn serve(start: Start, blank: Blank) {
    let (synced, done) = mpsc::unbounded_channel();
    let (messages, started) = (start.messages, start.started);
    let Start {
        index,
        shared,
        code,
        inheritance,
        ..
    } = start;
    match bring_up(index, shared, code, inheritance, synced, blank).await {
        Ok((mut runtime, shard, exports)) => {
            let isolate = Brake::of(&mut runtime, shard.debugged.as_ref());
            drop(started.send(Ok(Ready { exports, isolate })));
            let stopped = run(&mut runtime, &shard, messages, done).await;
            // The records and functions of JavaScript go before the isolate.
            shard.objects.borrow_mut().clear();
            shard.end_counting();
            drop(runtime);
            // Who waited for the end of a shard that was replaced hears of it.
            drop(shard.retiring.take());
            if let Some(stopped) = stopped {
                stopped.end();
            }
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

/// Gives the isolate its code and evaluates the worker's module.
async fn bring_up(
    index: ShardIndex,
    shared: Arc<Shared>,
    code: Arc<Code>,
    inheritance: Option<Inheritance>,
    synced: mpsc::UnboundedSender<Synced>,
    blank: Blank,
) -> Result<(JsRuntime, Rc<Shard>, Vec<Export>), StartError> {
    let Blank {
        mut runtime,
        loader,
        buffers,
    } = blank;
    let specifier = loader.give(code.bundle.clone(), shared.inspector.is_some());
    if !shared.compatibility.is_on("nodejs_compat") {
        loader.leave_out_node();
    }
    let output = Output::new(&shared, index == 0);
    output
        .clone()
        .put_into(&mut runtime.op_state().borrow_mut());
    if shared.is_watched {
        stead_ops::meter::switch_on();
    }
    let counts = shared
        .testing
        .as_ref()
        .is_some_and(|testing| testing.counts);
    let counting = counts.then(|| Counting::start(&runtime));
    let debugged = shared.inspector.as_ref();
    let debugged = debugged.map(|i| i.register(&runtime, &code.bundle.entry, &specifier, index));
    let watchdog = &shared.watchdog;
    let guard = Guard::install(&mut runtime, watchdog, &buffers, debugged.as_ref());
    let mut isolate = Isolate::new(&mut runtime, guard);
    isolate.follow(&shared.clock, index);
    crate::exports::set_vars(&isolate, &code.vars, shared.is_watched);
    if let Some(testing) = &shared.testing {
        crate::testing::prepare(&mut runtime, &isolate, testing).await?;
    }
    if !shared.compatibility.is_on("allow_eval_during_startup") {
        isolate.forbid_eval();
    }
    if let Some(debugged) = &debugged {
        debugged.wait(&mut runtime, &shared.logger).await?;
    }
    isolate.guard.begin();
    let evaluated = crate::exports::evaluate(&mut runtime, &specifier).await;
    isolate.guard.end();
    if let Some(kill) = isolate.guard.take_kill() {
        return Err(StartError::Module(crate::verdict::startup_text(kill.cause)));
    }
    let module = evaluated?;
    output.loaded();
    let exports = crate::exports::describe(&isolate, &module);
    // Tests need nothing to serve.
    let may_be_empty = shared.testing.is_some();
    let worker = shared.worker;
    let own = crate::exports::namespaces(&exports, &code, worker, may_be_empty);
    let own = own.map_err(StartError::Exports)?;
    for bound in &code.bindings.foreign {
        shared.numbers.reserve(Numbered::bound(bound));
    }
    let namespaces = Namespaces::new(own, &shared.numbers);
    crate::exports::configure(&isolate, &module, &namespaces.all(), &code.bindings, worker);
    if !shared
        .compatibility
        .is_on("allow_insecure_inefficient_logged_eval")
    {
        isolate.forbid_eval();
    }
    let shard = Rc::new_cyclic(|me| Shard {
        index,
        shared,
        code,
        isolate,
        namespaces,
        objects: RefCell::default(),
        sleeping: RefCell::default(),
        idle: IdleObjects::default(),
        waiting: WaitingRoom::default(),
        turn: Rc::default(),
        lane: Lane::default(),
        held: RefCell::default(),
        synced,
        phase: watch::Sender::new(Phase::Running),
        retiring: RefCell::default(),
        inheritance: RefCell::new(inheritance),
        me: me.clone(),
        queue: EventQueue::default(),
        linger: Linger::default(),
        requests: OpenRequests::default(),
        root: RefCell::new(Waker::noop().clone()),
        stalled: Cell::new(false),
        counting: RefCell::new(counting),
        exports: Exports::default(),
        forgotten: RefCell::default(),
        facets: Facets::default(),
        facet_works: FacetWorks::default(),
        worker_owes: Owes::default(),
        connections: Cell::new(0),
        debugged,
    });
    if shard.shared.testing.is_some() {
        crate::testing::put_control(&mut runtime.op_state().borrow_mut(), &shard);
    }
    let host: HostRef = shard.clone();
    let op_state = runtime.op_state();
    op_state.borrow_mut().put::<HostRef>(host);
    op_state.borrow().borrow::<Rc<Turns>>().drive_timers();
    deno_core::unsync::spawn(crate::stalled::reset_stalled(Rc::downgrade(&shard)));
    Ok((runtime, shard, exports))
}

/// Runs the shard until it is told to stop, or has been replaced; the sender, if
/// there is one, says that it has stopped.
async fn run(
    runtime: &mut JsRuntime,
    shard: &Rc<Shard>,
    mut messages: mpsc::Receiver<Message>,
    mut done: mpsc::UnboundedReceiver<Synced>,
) -> Option<Stop> {
    let mut stop: Option<Stop> = None;
    let mut quiet = Quiet::of(shard);
    let mut stop_by = None;
    let mut eviction = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
    let mut eviction_ms = None;
    let mut patience = Patience::default();
    poll_fn(|task| {
        let waker = quiet.as_mut().map(|quiet| quiet.begin(task));
        let cx = &mut Context::from_waker(waker.as_ref().unwrap_or(task.waker()));
        shard.root.borrow_mut().clone_from(cx.waker());
        while let Poll::Ready(Some((key, incarnation, event))) = done.poll_recv(cx) {
            shard.hear(key, incarnation, event);
        }
        shard.commit_held();
        while let Poll::Ready(Some(message)) = messages.poll_recv(cx) {
            let time = shard.shared.clock.virtual_time();
            time.inspect(|time| time.taken());
            if let Some(told) = shard.receive(message) {
                shard.wake_for(told.everywhere());
                stop = Some(told);
                stop_by = Some(Instant::now() + DRAIN_MAX);
            }
        }
        shard.poll_inheritance(cx);
        shard.take_mail(cx.waker());
        shard.queue.queue_calls();
        // Before the events that might find an object which was to have left.
        shard.evict_idle();
        shard.let_in();
        shard.deliver_queued();
        shard.run_due_timer();
        poll_javascript(runtime, shard, cx);
        if shard.stalled.take() {
            shard.tell_stalled(runtime);
        }
        if let Some(at_ms) = shard.next_eviction_ms() {
            if eviction_ms.replace(at_ms) != Some(at_ms) || eviction.is_elapsed() {
                let wait_ms = at_ms.saturating_sub(shard.shared.clock.now_ms()).max(1);
                let wait = Duration::from_millis(wait_ms as u64);
                eviction.as_mut().reset(Instant::now() + wait);
            }
            if eviction.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        if shard.has_more() || (quiet.is_none() && shard.linger.goes_on()) {
            // The tasks of connections and sockets have their turn first.
            cx.waker().wake_by_ref();
        }
        let retire_by = shard.retirement_deadline();
        if retire_by.is_some() {
            shard.hand_over();
        }
        if let Some(deadline) = retire_by.or(stop_by) {
            let step = patience.poll(cx, deadline);
            if step >= Step::Refusing {
                shard.refuse_open();
            }
            let is_empty = retire_by.is_none() || shard.has_handed_over();
            let has_rest = shard.has_stopped();
            let mut may_end = true;
            if let Some(stop) = stop.as_mut().filter(|_| has_rest) {
                stop.note_rest();
                may_end = stop.is_everywhere();
            }
            if is_empty && (step == Step::Over || (has_rest && may_end)) {
                if messages.is_closed() && messages.is_empty() {
                    return Poll::Ready(());
                }
                // What has come meanwhile is somebody's, and what comes now goes elsewhere.
                messages.close();
                cx.waker().wake_by_ref();
            }
        }
        if let Some(quiet) = &mut quiet {
            quiet.end(task, || shard.waits_for_world(runtime));
        }
        Poll::Pending
    })
    .await;
    shard.close_all();
    stop
}

/// Lets timers, ops and microtasks run, and ends their turn.
fn poll_javascript(runtime: &mut JsRuntime, shard: &Rc<Shard>, cx: &mut Context<'_>) {
    let options = PollEventLoopOptions::default();
    shard.relieve_memory();
    let guard = &shard.isolate.guard;
    guard.begin();
    let polled = runtime.poll_event_loop(cx, options);
    guard.end();
    let idle = matches!(polled, Poll::Ready(Ok(())));
    if let Poll::Ready(Err(error)) = polled
        && !guard.is_killed()
    {
        shard.shared.logger.error(None, error.to_string());
    }
    while shard.settle_kills() {
        // What was behind the code that was ended goes on.
        let resume = &shard.isolate.dispatch.resume;
        shard.isolate.enter(|scope| drop(call(scope, resume, &[])));
    }
    shard.end_turn();
    let turns = runtime.op_state().borrow().borrow::<Rc<Turns>>().clone();
    let due = turns.take_due_timers();
    shard.fire_timers(due);
    if idle && due == 0 && !shard.has_more() && shard.shared.clock.virtual_time().is_none() {
        shard.cancel_hung();
    }
}

impl Shard {
    /// Queues an event for this shard.
    pub fn enqueue(&self, parcel: Parcel) {
        self.queue.push(parcel);
        self.wake();
    }

    /// Queues a call that JavaScript made, for the next round.
    pub fn enqueue_call(&self, call: Parcel) {
        self.queue.push_call(call);
        self.wake();
    }

    /// Whether events wait to be delivered.
    pub fn has_more(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether the code has the class of a namespace.
    pub fn exports_class(&self, namespace: NamespaceIndex) -> bool {
        self.namespaces.get(namespace).exported
    }

    /// Queues events of one object ahead of all others, in their order.
    pub fn enqueue_first(&self, key: ObjectKey, name: Option<&str>, events: Vec<ObjectEvent>) {
        let events = events.into_iter();
        let name = |event| Parcel::Object(key, name.map(str::to_owned), event);
        self.queue.push_first(events.map(name));
        self.wake();
    }

    /// Has the root task run again.
    pub fn wake(&self) {
        self.root.borrow().wake_by_ref();
    }

    fn wake_for(&self, what: impl Future<Output = ()> + 'static) {
        let me = self.me.clone();
        deno_core::unsync::spawn(async move {
            what.await;
            me.upgrade().inspect(|shard| shard.wake());
        });
    }

    fn deliver_queued(&self) {
        for _ in 0..EVENTS_PER_ROUND {
            let next = match self.chance() {
                None => self.queue.pop(),
                Some(chance) => self.queue.pop_any(chance),
            };
            let Some(parcel) = next else {
                return;
            };
            match parcel {
                Parcel::Object(key, name, event) => self.deliver(key, name, event),
                Parcel::Export(call) => self.deliver_export_call(call),
                Parcel::Worker(entrypoint, event) => self.deliver_to_entrypoint(entrypoint, event),
            }
            self.relieve_memory();
            if self.chance().is_some_and(|chance| chance.below(2) == 0) {
                // What the event made ready has its turn.
                return;
            }
        }
    }

    /// Fires timers that are due, each in a turn of its own.
    fn fire_timers(&self, count: usize) {
        for _ in 0..count {
            let fire = &self.isolate.dispatch.fire_timer;
            // What a timer throws is reported where it is still known whose it is.
            self.isolate.enter(|scope| drop(call(scope, fire, &[])));
            self.end_turn();
        }
    }

    /// Chooses among the events that are ready, if a test leaves their order to chance.
    fn end_counting(&self) {
        let counting = self.counting.take();
        if let (Some(mut counting), Some(testing)) = (counting, &self.shared.testing) {
            let url = self.code.bundle.specifier();
            crate::testing::lock(&testing.counted).extend(counting.take(url.as_str()));
        }
    }

    fn chance(&self) -> Option<&Random> {
        self.shared.testing.as_ref()?.order.as_ref()
    }

    /// Takes a message; a stop comes back.
    fn receive(&self, message: Message) -> Option<Stop> {
        match message {
            Message::Connection(client) if self.retirement_deadline().is_some() => {
                self.pass_client(client);
            }
            Message::Connection(client) => self.serve_client(client),
            Message::Retire(retire) => self.begin_retirement(retire),
            Message::CutOff => self.cut_off(),
            Message::Event(key, name, event) => {
                self.linger.begin();
                self.enqueue(Parcel::Object(key, name, event));
            }
            Message::Entrypoint(entrypoint, event) => {
                self.receive_for_entrypoint(entrypoint, event)
            }
            Message::Socket(stream, rest, end) => match adopt(stream) {
                Ok(stream) => self.serve_socket(stream, rest, end),
                Err(error) => {
                    end.sender
                        .send(stead_ops::socket::Frame::Failed(error.to_string()));
                }
            },
            Message::Tests => self.run_tests(),
            // Nobody wants to know any more if that fails.
            Message::Look(answer) => drop(answer.send(self.held_objects())),
            Message::Test(deed) => deed(&self.me.upgrade().expect("a shard runs its own methods")),
            Message::Call(call, outcome) => self.call_for_json(&call, outcome),
            Message::Reopen(key, facet, done) => self.reopen(key, facet, done),
            Message::Handler(event, outcome) => self.run_handler(&event, outcome),
            Message::Tick => {}
            Message::MakeRoom => self.leave_for_others(),
            Message::AlarmOverdue(key) => self.end_alarm(key),
            Message::Stalled => self.stalled.set(true),
            Message::Stop(stop) => {
                self.phase.send_replace(Phase::Stopping);
                return Some(stop);
            }
        }
        None
    }

    /// Whether everything that a stop waits for has ended.
    fn has_stopped(&self) -> bool {
        self.connections.get() == 0
            && !self.has_more()
            && !self.holds_back()
            && self.waiting.is_empty()
            && !self.facet_works.any()
            && !self.worker_owes.any()
            && !self.objects.borrow().values().any(Resident::is_busy)
    }
}
