//! How a shard is replaced by another one with the same number: a code update, or
//! an isolate that is of no more use.
//!
//! The successor is ready before anybody hears of it. From one moment on all
//! messages go to it. The old shard lets what runs end, for a bounded time, and
//! hands over its objects one by one: an object that has nothing to answer leaves
//! memory, its sockets and the events that wait for it go to the successor. Until
//! the successor has been told that the old shard released an object it makes no
//! instance of it: an object has at most one instance, whatever happens.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::parcel::Parcel;
use stead_ops::socket_set::DetachedSockets;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::Client;
use crate::shard::Phase;
use crate::shard::Shard;
use crate::sockets::MovedConnection;

/// What the caller of an object gets that could not answer in time.
const CODE_UPDATED: &str = "Durable Object reset because its code was updated.";
/// What is left to a shard whose successor is to be replaced, too: requests as they usually are
/// end within that.
pub const SHORT_DRAIN: Duration = Duration::from_millis(500);
/// Events that may wait for an old shard.
const HELD_BACK_MAX: usize = 256 * 1024;
/// What clients hear whose class the new code does not have.
const SERVICE_RESTART: u16 = 1012;

/// What an old shard tells its successor, in order. When the old shard is gone the
/// channel is closed, which releases everything that is left.
pub enum Handover {
    /// The objects that the old shard holds. Comes first.
    Held(HashSet<ObjectKey>),
    /// An event for an object that the old shard does not hold any more, or is about
    /// to release.
    Event(ObjectKey, Option<String>, ObjectEvent),
    /// A client's HTTP connection, to go on with.
    Client(Client),
    /// A client's WebSocket connection, to go on with.
    Connection(MovedConnection),
    /// The old shard holds the object no more. Its sockets, if it has any.
    Released(ObjectKey, Option<DetachedSockets>),
}

/// The end of a shard, as it is told.
pub struct Retire {
    /// The way to the successor.
    pub successor: mpsc::UnboundedSender<Handover>,
    /// When what still runs is cut off.
    pub deadline: Instant,
    /// Dropped when the shard has ended.
    pub ended: watch::Sender<()>,
}

/// What a shard that is replaced keeps until it has ended.
pub struct Retiring {
    successor: mpsc::UnboundedSender<Handover>,
    deadline: Cell<Instant>,
    told: Cell<bool>,
    /// Objects that have left, but whose facets are still worked on: another instance would open the
    /// same files. With the sockets that go to the successor.
    unreleased: RefCell<Vec<(ObjectKey, Option<DetachedSockets>)>>,
    _ended: watch::Sender<()>,
}

/// What a successor knows of the shard whose place it takes.
pub struct Inheritance {
    handover: mpsc::UnboundedReceiver<Handover>,
    /// The objects that the old shard holds; None while it has not told.
    held: Option<HashSet<ObjectKey>>,
    /// The events that wait for objects to be released.
    waiting: HashMap<ObjectKey, VecDeque<(Option<String>, ObjectEvent)>>,
    /// How many those are.
    count: usize,
}

impl Inheritance {
    /// Waits for what an old shard tells.
    pub fn new(handover: mpsc::UnboundedReceiver<Handover>) -> Inheritance {
        Inheritance {
            handover,
            held: None,
            waiting: HashMap::new(),
            count: 0,
        }
    }

    fn is_held(&self, key: ObjectKey) -> bool {
        self.held.as_ref().is_none_or(|held| held.contains(&key))
    }

    fn released(&mut self, key: ObjectKey) -> VecDeque<(Option<String>, ObjectEvent)> {
        let events = self.waiting.remove(&key).unwrap_or_default();
        self.count -= events.len();
        events
    }
}

/// The successor's side.
impl Shard {
    /// Hears what the old shard tells.
    pub fn poll_inheritance(&self, cx: &mut Context<'_>) {
        loop {
            let told = match self.inheritance.borrow_mut().as_mut() {
                None => return,
                Some(inheritance) => inheritance.handover.poll_recv(cx),
            };
            match told {
                Poll::Pending => return,
                Poll::Ready(Some(told)) => self.inherit(told),
                Poll::Ready(None) => {
                    let inheritance = self.inheritance.take();
                    let waiting = inheritance.map(|i| i.waiting).unwrap_or_default();
                    for (key, events) in waiting {
                        self.requeue(key, events);
                    }
                    return;
                }
            }
        }
    }

    fn inherit(&self, told: Handover) {
        let mut inheritance = self.inheritance.borrow_mut();
        let inheritance = inheritance.as_mut().expect("somebody told");
        match told {
            Handover::Held(held) => {
                let free: Vec<ObjectKey> = inheritance
                    .waiting
                    .keys()
                    .filter(|key| !held.contains(key))
                    .copied()
                    .collect();
                inheritance.held = Some(held);
                for key in free {
                    let events = inheritance.released(key);
                    self.requeue(key, events);
                }
            }
            Handover::Event(key, name, event) => self.enqueue(Parcel::Object(key, name, event)),
            Handover::Client(client) => self.serve_client(client),
            Handover::Connection(moved) => self.adopt_connection(moved),
            Handover::Released(key, sockets) => {
                if let Some(held) = inheritance.held.as_mut() {
                    held.remove(&key);
                }
                if let Some(sockets) = sockets {
                    self.adopt_sockets(sockets);
                }
                let events = inheritance.released(key);
                self.requeue(key, events);
            }
        }
    }

    /// Keeps sockets for the next instance of their object.
    fn adopt_sockets(&self, sockets: DetachedSockets) {
        let key = sockets.key();
        if !self.exports_class(key.namespace) {
            sockets.close(SERVICE_RESTART, CODE_UPDATED);
            self.shared.placement.release(key, self.index);
            return;
        }
        let host = self.me.upgrade().expect("a shard runs its own methods");
        self.sleeping.borrow_mut().insert(key, sockets.attach(host));
    }

    /// Queues events of an object that have waited ahead of all others.
    pub fn requeue(&self, key: ObjectKey, events: VecDeque<(Option<String>, ObjectEvent)>) {
        let events = events.into_iter();
        self.queue
            .push_first(events.map(|(name, event)| Parcel::Object(key, name, event)));
        self.wake();
    }

    /// Whether events wait for the old shard.
    pub fn holds_back(&self) -> bool {
        let inheritance = self.inheritance.borrow();
        inheritance.as_ref().is_some_and(|i| i.count > 0)
    }

    /// Keeps an event back whose object the old shard may still hold; it comes back
    /// if that is not so.
    pub fn hold_back(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) -> Option<(Option<String>, ObjectEvent)> {
        let mut inheritance = self.inheritance.borrow_mut();
        let Some(inheritance) = inheritance.as_mut().filter(|i| i.is_held(key)) else {
            return Some((name, event));
        };
        if inheritance.count >= HELD_BACK_MAX {
            event.fail(Failure::overloaded());
            return None;
        }
        inheritance.count += 1;
        let waiting = inheritance.waiting.entry(key).or_default();
        waiting.push_back((name, event));
        None
    }
}

/// The old shard's side.
impl Shard {
    /// Begins to end: no connection is accepted and no object is made any more.
    pub fn begin_retirement(&self, retire: Retire) {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Retiring;
            }
            running
        });
        *self.retiring.borrow_mut() = Some(Retiring {
            successor: retire.successor,
            deadline: Cell::new(retire.deadline),
            told: Cell::new(false),
            unreleased: RefCell::default(),
            _ended: retire.ended,
        });
        self.let_all_in();
        self.wake();
    }

    /// When the shard is cut off, if it is being replaced.
    pub fn retirement_deadline(&self) -> Option<Instant> {
        let retiring = self.retiring.borrow();
        retiring.as_ref().map(|retiring| retiring.deadline.get())
    }

    /// Has a shard that is being replaced end soon.
    pub fn cut_off(&self) {
        if let Some(retiring) = self.retiring.borrow().as_ref() {
            let soon = Instant::now() + SHORT_DRAIN;
            retiring.deadline.set(retiring.deadline.get().min(soon));
        }
        self.wake();
    }

    /// Passes an event on whose object is not here; it comes back if this shard is
    /// not being replaced.
    pub fn pass_on(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) -> Option<(Option<String>, ObjectEvent)> {
        let retiring = self.retiring.borrow();
        let Some(retiring) = retiring.as_ref() else {
            return Some((name, event));
        };
        retiring.tell(Handover::Event(key, name, event));
        None
    }

    /// Passes a client's connection on that the successor is to serve.
    pub fn pass_client(&self, client: Client) {
        if let Some(retiring) = self.retiring.borrow().as_ref() {
            retiring.tell(Handover::Client(client));
        }
    }

    /// The same for one that speaks WebSocket.
    pub fn pass_connection(&self, moved: MovedConnection) {
        if let Some(retiring) = self.retiring.borrow().as_ref() {
            retiring.tell(Handover::Connection(moved));
        }
    }

    /// Hands over what can be: called in each round of a shard that is being
    /// replaced, between turns. After the deadline everything can be.
    pub fn hand_over(&self) {
        let retiring = self.retiring.borrow();
        let Some(retiring) = retiring.as_ref() else {
            return;
        };
        if !retiring.told.replace(true) {
            let objects = self.objects.borrow();
            let sleeping = self.sleeping.borrow();
            let held = objects.keys().chain(sleeping.keys()).copied();
            let mut held: HashSet<ObjectKey> = held.filter(|key| !key.is_facet()).collect();
            for key in self.facet_works.objects() {
                if held.insert(key) {
                    // It was reset while its facets were worked on.
                    retiring.unreleased.borrow_mut().push((key, None));
                }
            }
            retiring.tell(Handover::Held(held));
        }
        self.release_left(retiring);
        let late = Instant::now() >= retiring.deadline.get();
        let leaving: Vec<Rc<Instance>> = self
            .objects
            .borrow()
            .values()
            .map(|resident| &resident.instance)
            // Facets leave with their objects.
            .filter(|instance| !instance.key.is_facet())
            .filter(|instance| late || self.is_at_rest(instance))
            .cloned()
            .collect();
        let asleep = std::mem::take(&mut *self.sleeping.borrow_mut());
        if leaving.is_empty() && asleep.is_empty() {
            return;
        }
        let mut released: Vec<(ObjectKey, Option<DetachedSockets>)> = Vec::new();
        for (key, sockets) in asleep {
            released.push((key, Some(sockets.detach())));
        }
        for instance in leaving {
            let sockets = &instance.sockets;
            let sockets = (!sockets.is_empty()).then(|| sockets.detach());
            // What has waited at the gate has not begun: it may still be handled.
            for event in instance.input.drain() {
                let name = instance.name.borrow().clone();
                retiring.tell(Handover::Event(instance.key, name, event));
            }
            if !late {
                self.close_storage(&instance);
            }
            self.leave(&instance, &code_updated());
            released.push((instance.key, sockets));
        }
        // What is for a facet is for this shard, or for nobody.
        let left = |key: &ObjectKey| !key.is_facet() && !self.objects.borrow().contains_key(key);
        for (key, name, event) in self.queue.take_of(left) {
            retiring.tell(Handover::Event(key, name, event));
        }
        retiring.unreleased.borrow_mut().extend(released);
        self.release_left(retiring);
    }

    /// Releases the objects that have left and whose facets nobody works on any more.
    fn release_left(&self, retiring: &Retiring) {
        let mut unreleased = retiring.unreleased.borrow_mut();
        let free = |(key, _): &mut (ObjectKey, _)| !self.facet_works.has(*key);
        for (key, sockets) in unreleased.extract_if(.., free) {
            if sockets.is_none() {
                self.shared.placement.release(key, self.index);
            }
            retiring.tell(Handover::Released(key, sockets));
        }
    }

    /// Whether an object has left that the successor is still to be told of.
    pub fn is_unreleased(&self, key: ObjectKey) -> bool {
        let retiring = self.retiring.borrow();
        retiring.as_ref().is_some_and(|retiring| {
            let unreleased = retiring.unreleased.borrow();
            unreleased.iter().any(|(left, _)| *left == key)
        })
    }

    /// Whether the successor has everything.
    pub fn has_handed_over(&self) -> bool {
        !self.has_more()
            && self.waiting.is_empty()
            && !self.facet_works.any()
            && self.objects.borrow().is_empty()
            && self.sleeping.borrow().is_empty()
    }
}

impl Retiring {
    fn tell(&self, told: Handover) {
        // A successor that is gone has no use for it: the process ends.
        drop(self.successor.send(told));
    }
}

fn code_updated() -> Failure {
    Failure {
        retryable: true,
        ..Failure::reset(CODE_UPDATED)
    }
}
