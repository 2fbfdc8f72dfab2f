//! One object in memory: its storage, its gates and its sockets.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deno_core::GarbageCollected;
use deno_core::v8;
use deno_error::JsErrorBox;
use stead_storage::Database;
use stead_storage::GateBroken;
use stead_storage::InputGate;
use stead_storage::OutputGate;
use stead_storage::StorageError;

use crate::answer::Owes;
use crate::callee::Held;
use crate::facet::Nest;
use crate::feed::Feeds;
use crate::host::HostRef;
use crate::host::object_label;
use crate::message::Failure;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;
use crate::socket_set::SocketSet;

/// The objects that were written to in the current turn of a shard.
#[derive(Default)]
pub struct Turn {
    dirty: RefCell<Vec<Rc<Instance>>>,
}

impl Turn {
    /// Takes the list; the caller commits each of them.
    pub fn take(&self) -> Vec<Rc<Instance>> {
        let mut dirty = self.dirty.borrow_mut();
        if dirty.is_empty() {
            return Vec::new();
        }
        for instance in dirty.iter() {
            instance.listed.set(false);
        }
        std::mem::take(&mut *dirty)
    }
}

/// How a run of the alarm stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AlarmRun {
    /// No handler is running.
    Idle,
    /// The handler runs, and the alarm that woke it counts as gone.
    Running,
    /// The handler runs and has set or deleted the alarm itself.
    Changed,
}

/// One object in memory. At any time there is at most one per object.
///
/// Invariants: an instance with `failure` set never touches storage again and
/// gets no further event; `listed` is true exactly while the instance is in its
/// shard's `Turn`.
pub struct Instance {
    /// Which object this is.
    pub key: ObjectKey,
    /// Tells this instance from earlier ones of the same object.
    pub incarnation: u64,
    /// The name from which the id was derived, once known.
    pub name: RefCell<Option<String>>,
    /// The object's durable state.
    pub database: Rc<Database>,
    /// Holds back what the object says until what it may show is durable.
    pub output: OutputGate,
    /// Holds back events while a critical section runs.
    pub input: InputGate<ObjectEvent>,
    /// The answers that running handlers have not given yet.
    pub owes: Owes,
    /// The object's hibernatable sockets, which outlive the instance.
    pub sockets: Rc<SocketSet>,
    /// How a run of the alarm stands.
    pub alarm_run: Cell<AlarmRun>,
    /// How many things are under way: see activity.rs.
    pub(crate) activities: Cell<usize>,
    /// How many of them may last.
    pub(crate) lasting: Cell<usize>,
    /// Since when nothing has been, in milliseconds; set while nothing is.
    pub idle_since_ms: Cell<i64>,
    /// Whether the process has noted when to look whether the object may leave.
    pub idle_listed: Cell<bool>,
    /// The processor's time that its code has taken since the last event.
    pub cpu_used: Cell<Duration>,
    /// Values that the object's code exported and others still hold.
    pub exports: Cell<usize>,
    /// The stubs that the object's code holds.
    pub held: Held,
    /// The bodies that the object's code streams.
    pub feeds: Feeds,
    /// Its place among the facets of the object.
    pub nest: Nest,
    host: HostRef,
    turn: Rc<Turn>,
    listed: Cell<bool>,
    failure: RefCell<Option<Failure>>,
}

impl Instance {
    /// A fresh instance on an open database.
    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of an instance, each of another owner"
    )]
    pub fn new(
        key: ObjectKey,
        incarnation: u64,
        name: Option<String>,
        database: Rc<Database>,
        sockets: Rc<SocketSet>,
        host: HostRef,
        turn: Rc<Turn>,
        nest: Nest,
    ) -> Rc<Instance> {
        Rc::new(Instance {
            key,
            incarnation,
            name: RefCell::new(name),
            database,
            output: OutputGate::new(),
            input: InputGate::new(),
            owes: Owes::default(),
            sockets,
            alarm_run: Cell::new(AlarmRun::Idle),
            cpu_used: Cell::default(),
            activities: Cell::new(0),
            lasting: Cell::new(0),
            idle_since_ms: Cell::new(0),
            idle_listed: Cell::new(false),
            exports: Cell::new(0),
            held: Held::default(),
            feeds: Feeds::default(),
            nest,
            host,
            turn,
            listed: Cell::new(false),
            failure: RefCell::new(None),
        })
    }

    /// The process.
    pub fn host(&self) -> &HostRef {
        &self.host
    }

    /// `Class/name` (or `Class/id`) as it is shown to people; a facet's names follow, each
    /// after a colon.
    pub fn label(&self) -> String {
        let (name, id) = (self.name.borrow(), self.key.id.to_string());
        let mut label = object_label(&*self.host, self.key.namespace, name.as_deref(), &id);
        for facet in self.nest.path() {
            label.push(':');
            label.push_str(facet);
        }
        label
    }

    /// Why the instance is broken, if it is.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Whether there is such a reason.
    pub fn is_broken(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Marks the instance broken; the first reason stays.
    pub fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    /// Must be called after every operation that may have written.
    pub fn touched(self: &Rc<Self>) {
        if self.database.is_dirty() && !self.listed.replace(true) {
            self.turn.dirty.borrow_mut().push(self.clone());
        }
    }

    /// Runs `output` once all that the object has written so far is durable, except
    /// for what it wrote with `allowUnconfirmed`; at once if it is. Outputs run in the
    /// order in which they were said.
    pub fn say(self: &Rc<Self>, output: impl FnOnce(Result<(), GateBroken>) + 'static) {
        if let Some(failure) = self.failure() {
            return output(Err(GateBroken {
                message: failure.message,
            }));
        }
        self.say_after(self.database.confirmed_point(), output);
    }

    /// Whether [`Instance::say`] would run its output at once.
    pub fn may_speak(&self) -> bool {
        !self.is_broken() && self.output.is_open(self.database.confirmed_point())
    }

    /// Runs `output` once all that the object has written so far is durable, also what
    /// was written with `allowUnconfirmed`.
    pub fn say_when_synced(self: &Rc<Self>, output: impl FnOnce(Result<(), GateBroken>) + 'static) {
        if let Some(failure) = self.failure() {
            return output(Err(GateBroken {
                message: failure.message,
            }));
        }
        self.say_after(self.database.wait_point(), output);
    }

    fn say_after(
        self: &Rc<Self>,
        point: u64,
        output: impl FnOnce(Result<(), GateBroken>) + 'static,
    ) {
        if self.output.push(point, Box::new(output)).is_err() {
            self.host.reset(self, Failure::overloaded());
        }
    }

    /// The same for an output that the object's end does not stop, and that leaves early
    /// rather than cost the object its life: a line of the console.
    pub fn print(self: &Rc<Self>, output: impl FnOnce() + 'static) {
        let point = self.database.confirmed_point();
        if let Err(full) = self.output.push(point, Box::new(|_| output())) {
            (full.0)(Ok(()));
        }
    }

    /// Passes the result of a storage operation to JavaScript. A failure that
    /// takes the storage down resets the object.
    ///
    /// # Errors
    /// The storage's error with its class and text.
    pub fn check<T>(self: &Rc<Self>, result: Result<T, StorageError>) -> Result<T, JsErrorBox> {
        self.touched();
        result.map_err(|error| {
            let text = error.to_string();
            if error.is_critical() && self.failure.borrow().is_none() {
                self.host.reset(self, Failure::reset(text.clone()));
            }
            JsErrorBox::new(error.js_class(), text)
        })
    }
}

/// An instance as JavaScript holds it: the authority over one object.
pub struct ObjectHandle(pub Rc<Instance>);

// SAFETY: the handle holds no references into the JavaScript heap.
unsafe impl GarbageCollected for ObjectHandle {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"ObjectHandle"
    }
}
