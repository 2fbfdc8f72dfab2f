//! A shard: one thread, one isolate of the worker, and the objects placed on it.
//!
//! The thread's root task takes messages, delivers events, lets deno_core's event
//! loop run, commits what the turn wrote and hears what became durable. HTTP
//! connections are tasks of their own, which enter the isolate directly.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

use deno_core::JsRuntime;
use deno_core::OpState;
use deno_core::PollEventLoopOptions;
use deno_core::v8;
use stead_ops::activity::Activity;
use stead_ops::engine::EngineOptions;
use stead_ops::host::HostRef;
use stead_ops::host::Namespace;
use stead_ops::instance::Instance;
use stead_ops::instance::Turn;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::socket_set::SocketSet;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bundle::loader::BundleLoader;
use crate::eviction::IdleObjects;
use crate::exports::Export;
use crate::isolate::Isolate;
use crate::objects::Resident;
use crate::output::Output;
use crate::placement::ShardIndex;
use crate::shared::Message;
use crate::shared::Shared;
use crate::shared::adopt;

/// Stack of a shard's thread. V8 uses about one megabyte of it, bundled
/// JavaScript parsers and SQLite the rest.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// Events that are delivered before the event loop runs again.
const EVENTS_PER_ROUND: usize = 256;
/// How long requests may take to end once the process is to stop.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Events that may wait to be delivered on one shard.
const QUEUE_MAX: usize = 256 * 1024;

/// What a commit's sync came to: which object, which instance, up to where.
pub type Synced = (ObjectKey, u64, u64, Result<(), String>);

/// A shard, as the tasks of its thread share it.
pub struct Shard {
    /// Its number.
    pub index: ShardIndex,
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// The way into JavaScript.
    pub isolate: Isolate,
    /// The worker's module.
    pub module: v8::Global<v8::Object>,
    /// The worker's object classes.
    pub namespaces: Vec<Namespace>,
    /// The objects in memory.
    pub objects: RefCell<HashMap<ObjectKey, Resident>>,
    /// The sockets of objects that are not in memory at the moment.
    pub sleeping: RefCell<HashMap<ObjectKey, Rc<SocketSet>>>,
    /// The objects that may leave memory.
    pub idle: IdleObjects,
    /// Objects that were written to in the current turn.
    pub turn: Rc<Turn>,
    /// Hears of finished syncs.
    pub synced: mpsc::UnboundedSender<Synced>,
    /// Turns true when connections are to end.
    pub stopping: watch::Sender<bool>,
    /// This shard, for tasks that outlive a call.
    pub me: Weak<Shard>,
    queue: RefCell<VecDeque<Queued>>,
    /// Calls that JavaScript made in the current round. They are queued when the
    /// next one begins, behind what the sockets of this thread brought meanwhile:
    /// a frame that was sent before a call was made arrives before it.
    calls: RefCell<Vec<(ObjectKey, Option<String>, ObjectEvent)>>,
    root: RefCell<Waker>,
    /// Connections that are being served.
    pub connections: Cell<usize>,
}

/// An event that waits to be delivered.
struct Queued {
    key: ObjectKey,
    name: Option<String>,
    event: ObjectEvent,
    /// Keeps the instance that the event has waited for already.
    activity: Option<Activity>,
}

/// Why a shard could not start.
#[derive(Debug)]
pub enum StartError {
    /// The worker's module threw, or does not load: the error with its stack.
    Module(String),
    /// The module exports something that cannot be served.
    Exports(crate::exports::ExportsError),
}

/// What a shard says when it is ready.
pub type Started = Result<Vec<Export>, StartError>;

/// Starts a shard's thread.
pub fn start(
    index: ShardIndex,
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    started: oneshot::Sender<Started>,
) -> JoinHandle<()> {
    let thread = std::thread::Builder::new()
        .name(format!("shard-{index}"))
        .stack_size(STACK_BYTES);
    thread
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a process that cannot make an epoll instance cannot serve");
            // A task wakes itself without asking the system, which the root future cannot.
            runtime.block_on(async {
                let served = deno_core::unsync::spawn(serve(index, shared, messages, started));
                if let Err(error) = served.await {
                    std::panic::resume_unwind(error.into_panic());
                }
            });
        })
        .expect("a process that cannot start a thread cannot serve")
}

async fn serve(
    index: ShardIndex,
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    started: oneshot::Sender<Started>,
) {
    let (synced, done) = mpsc::unbounded_channel();
    match bring_up(index, shared, synced).await {
        Ok((mut runtime, shard, exports)) => {
            drop(started.send(Ok(exports)));
            let stopped = run(&mut runtime, &shard, messages, done).await;
            // The records and functions of JavaScript go before the isolate.
            shard.objects.borrow_mut().clear();
            drop(runtime);
            // Nobody waits any more when the process ends at once.
            let _ = stopped.send(());
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

/// Starts the isolate and evaluates the worker's module.
async fn bring_up(
    index: ShardIndex,
    shared: Arc<Shared>,
    synced: mpsc::UnboundedSender<Synced>,
) -> Result<(JsRuntime, Rc<Shard>, Vec<Export>), StartError> {
    let loader = Rc::new(BundleLoader::new(shared.bundle.clone()));
    let specifier = loader.specifier().clone();
    let mut options = EngineOptions::new(crate::SNAPSHOT, loader);
    let output = Output::new(&shared.logger, index == 0);
    let sinks = output.clone();
    options.state = Box::new(move |state: &mut OpState| sinks.put_into(state));
    let mut runtime = stead_ops::engine::new_runtime(options);
    let isolate = Isolate::new(&mut runtime);
    crate::exports::set_vars(&isolate, &shared.vars);
    let module = crate::exports::evaluate(&mut runtime, &specifier).await?;
    output.loaded();
    let exports = crate::exports::describe(&isolate, &module);
    let namespaces =
        crate::exports::namespaces(&exports, &shared.unique_key).map_err(StartError::Exports)?;
    crate::exports::configure(&isolate, &module, &namespaces);
    // From here on `eval` and `new Function` throw, as on the platform.
    isolate.enter(|scope| {
        scope
            .get_current_context()
            .set_allow_generation_from_strings(false)
    });
    let shard = Rc::new_cyclic(|me| Shard {
        index,
        shared,
        isolate,
        namespaces,
        objects: RefCell::default(),
        sleeping: RefCell::default(),
        idle: IdleObjects::default(),
        turn: Rc::default(),
        synced,
        stopping: watch::Sender::new(false),
        me: me.clone(),
        queue: RefCell::default(),
        calls: RefCell::default(),
        root: RefCell::new(Waker::noop().clone()),
        connections: Cell::new(0),
        module,
    });
    let host: HostRef = shard.clone();
    runtime.op_state().borrow_mut().put::<HostRef>(host);
    Ok((runtime, shard, exports))
}

/// Runs the shard until it is told to stop; the sender says that it has.
async fn run(
    runtime: &mut JsRuntime,
    shard: &Rc<Shard>,
    mut messages: mpsc::Receiver<Message>,
    mut done: mpsc::UnboundedReceiver<Synced>,
) -> oneshot::Sender<()> {
    let mut stop: Option<oneshot::Sender<()>> = None;
    let mut drained = std::pin::pin!(tokio::time::sleep(DRAIN_MAX));
    let mut eviction = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
    let mut eviction_ms = None;
    poll_fn(|cx| {
        shard.root.borrow_mut().clone_from(cx.waker());
        while let Poll::Ready(Some((key, incarnation, sequence, result))) = done.poll_recv(cx) {
            shard.synced(key, incarnation, sequence, result);
        }
        while let Poll::Ready(Some(message)) = messages.poll_recv(cx) {
            if let Some(sender) = shard.receive(message) {
                stop = Some(sender);
                drained.as_mut().reset(Instant::now() + DRAIN_MAX);
            }
        }
        shard.queue_calls();
        shard.deliver_queued();
        poll_javascript(runtime, shard, cx);
        shard.evict_idle();
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
        if shard.has_more() {
            // The tasks of connections and sockets have their turn first.
            cx.waker().wake_by_ref();
        }
        if stop.is_some() && (shard.has_stopped() || drained.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    shard.close_all();
    stop.expect("the loop ends only when it was told to")
}

/// Lets timers, ops and microtasks run, and ends their turn.
fn poll_javascript(runtime: &mut JsRuntime, shard: &Rc<Shard>, cx: &mut Context<'_>) {
    let options = PollEventLoopOptions::default();
    if let Poll::Ready(Err(error)) = runtime.poll_event_loop(cx, options) {
        shard.shared.logger.error(None, error.to_string());
    }
    shard.end_turn();
}

impl Shard {
    /// Queues an event for an object of this shard.
    pub fn enqueue(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent) {
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= QUEUE_MAX {
            drop(queue);
            return event.fail(Failure::overloaded());
        }
        queue.push_back(Queued {
            key,
            name,
            event,
            activity: None,
        });
        drop(queue);
        self.wake();
    }

    /// Queues a call that JavaScript made, for the next round.
    pub fn enqueue_call(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent) {
        self.calls.borrow_mut().push((key, name, event));
        self.wake();
    }

    fn queue_calls(&self) {
        for (key, name, event) in self.calls.take() {
            self.enqueue(key, name, event);
        }
    }

    fn has_more(&self) -> bool {
        !self.queue.borrow().is_empty() || !self.calls.borrow().is_empty()
    }

    /// Queues events of one object ahead of all others, in their order.
    pub fn enqueue_first(&self, instance: &Rc<Instance>, events: Vec<ObjectEvent>) {
        let mut queue = self.queue.borrow_mut();
        for event in events.into_iter().rev() {
            queue.push_front(Queued {
                key: instance.key,
                name: instance.name.borrow().clone(),
                event,
                activity: Some(instance.activity()),
            });
        }
        drop(queue);
        self.wake();
    }

    /// Has the root task run again.
    pub fn wake(&self) {
        self.root.borrow().wake_by_ref();
    }

    fn deliver_queued(&self) {
        for _ in 0..EVENTS_PER_ROUND {
            let Some(queued) = self.queue.borrow_mut().pop_front() else {
                return;
            };
            self.deliver(queued.key, queued.name, queued.event);
            drop(queued.activity);
        }
    }

    /// Takes a message; a stop comes back as what to tell when it is done.
    fn receive(&self, message: Message) -> Option<oneshot::Sender<()>> {
        match message {
            Message::Connection(stream) => self.serve_connection(stream),
            Message::Event(key, name, event) => self.enqueue(key, name, event),
            Message::Socket(stream, rest, end) => match adopt(stream) {
                Ok(stream) => self.serve_socket(stream, rest, end),
                Err(error) => {
                    end.sender
                        .send(stead_ops::socket::Frame::Failed(error.to_string()));
                }
            },
            Message::Test(name, outcome) => self.run_test(&name, outcome),
            Message::Call(call, outcome) => self.call_for_json(&call, outcome),
            Message::Stop(done) => {
                self.stopping.send_replace(true);
                return Some(done);
            }
        }
        None
    }

    /// Whether everything that a stop waits for has ended.
    fn has_stopped(&self) -> bool {
        self.connections.get() == 0
            && !self.has_more()
            && !self.objects.borrow().values().any(Resident::is_busy)
    }
}
