//! Facets: objects inside an object, each with a database of its own beside its
//! parent's, which live and end with it.
//!
//! <https://developers.cloudflare.com/durable-objects/api/state/#facets>
//!
//! A facet is started when a stub of it is used for the first time: the parent's code
//! tells its class, and what was said to it meanwhile waits. That start lasts until the
//! facet or its parent fails; a stub that was used knows it for good, so it never
//! reaches a later one. In between, the facet's instance may leave memory and come back
//! as that of any object does.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::Mutex;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use stead_storage::FacetIndex;

use crate::activity::Activity;
use crate::callee::Callee;
use crate::callee::StubHandle;
use crate::host::running_host;
use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::message::Failure;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;

deno_core::extension!(
    stead_facet,
    ops = [
        op_facet_check,
        op_facet_find,
        op_facet_begin,
        op_callee_facet,
        op_facet_start,
        op_facet_fail,
        op_facet_abort,
        op_facet_delete,
        op_facet_clone,
    ],
);

/// Bytes of a facet's name.
const NAME_BYTES_MAX: usize = 256;
/// Facets inside each other, the object itself included.
const DEPTH_MAX: usize = 4;
/// Events that may wait for the start of one facet.
const WAITING_MAX: usize = 16 * 1024;

/// One start of a facet.
pub struct Facet {
    /// Its key, which no other start has.
    pub key: ObjectKey,
    /// The names that lead to it from the object.
    pub path: Vec<String>,
    /// The number under which its database lies, once that is known.
    pub number: Cell<u16>,
    parent: Weak<Instance>,
    state: RefCell<State>,
}

enum State {
    /// Its class is being asked for, or will be; what waits for it.
    Starting {
        asked: bool,
        waiting: Vec<ObjectEvent>,
    },
    /// What its instances are made with, as JavaScript wrote it.
    Started(Rc<[u8]>),
    Broken(Failure),
}

impl Facet {
    /// The facet's name.
    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// The instance whose facet it is, while there is that.
    pub fn parent(&self) -> Option<Rc<Instance>> {
        self.parent.upgrade()
    }

    /// Whether this start has failed.
    pub fn is_broken(&self) -> bool {
        matches!(&*self.state.borrow(), State::Broken(_))
    }

    /// Takes an event while there is no instance. It comes back if one is to be made for it, with
    /// what the parent's code told; else it waits, or was answered.
    pub fn admit(&self, event: ObjectEvent) -> Option<(ObjectEvent, Rc<[u8]>)> {
        match &mut *self.state.borrow_mut() {
            State::Starting { waiting, .. } if waiting.len() >= WAITING_MAX => {
                event.fail(Failure::overloaded());
            }
            State::Starting { waiting, .. } => waiting.push(event),
            State::Started(start) => return Some((event, start.clone())),
            State::Broken(failure) => event.fail(failure.clone()),
        }
        None
    }

    /// Ends this start: what waits for it, and whoever calls it later, gets `failure`.
    /// False if it had ended before.
    pub fn fail(&self, failure: &Failure) -> bool {
        if self.is_broken() {
            return false;
        }
        let state = self.state.replace(State::Broken(failure.clone()));
        if let State::Starting { waiting, .. } = state {
            for event in waiting {
                event.fail(failure.clone());
            }
        }
        true
    }
}

/// Where an instance stands among the facets of its object.
#[derive(Default)]
pub struct Nest {
    /// The facet that it is; none for the object itself.
    pub facet: Option<Rc<Facet>>,
    /// Keeps its parent in memory.
    pub parent: RefCell<Option<Activity>>,
    /// The facets that it has started, by name.
    pub facets: RefCell<HashMap<String, Rc<Facet>>>,
    /// The names and numbers of all facets of the object, once they were needed.
    pub index: RefCell<Option<Arc<Mutex<FacetIndex>>>>,
}

impl Nest {
    /// The names that lead here from the object.
    pub fn path(&self) -> &[String] {
        self.facet.as_ref().map_or(&[], |facet| &facet.path)
    }

    /// The number under which the instance's database lies: 0 is the object's.
    pub fn number(&self) -> u16 {
        self.facet.as_ref().map_or(0, |facet| facet.number.get())
    }
}

/// The starts of facets on one shard. Each is there for as long as its parent or a stub
/// knows it.
#[derive(Default)]
pub struct Facets(RefCell<HashMap<u64, Weak<Facet>>>);

impl Facets {
    /// Below this size the list is not searched for what is gone.
    const PRUNE_ABOVE: usize = 64;

    /// The facet with a key.
    pub fn get(&self, key: ObjectKey) -> Option<Rc<Facet>> {
        self.0.borrow().get(&key.facet)?.upgrade()
    }

    fn add(&self, facet: &Rc<Facet>) {
        let mut all = self.0.borrow_mut();
        // Pruned only when it is about to grow, so that the cost per facet is constant.
        if all.len() == all.capacity() && all.len() > Self::PRUNE_ABOVE {
            all.retain(|_, facet| facet.strong_count() > 0);
        }
        all.insert(facet.key.facet, Rc::downgrade(facet));
    }
}

/// One start of a facet as JavaScript holds it.
pub struct FacetHandle(Rc<Facet>);

// SAFETY: the handle holds no references into the JavaScript heap.
unsafe impl GarbageCollected for FacetHandle {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"FacetHandle"
    }
}

/// Whether an object may have a facet with that name.
#[op2(fast)]
fn op_facet_check(#[cppgc] parent: &ObjectHandle, #[string] name: &str) -> Result<(), JsErrorBox> {
    if name.is_empty() {
        return Err(JsErrorBox::type_error("Facet name cannot be empty."));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(JsErrorBox::type_error(
            "Facet name is too long (max 256 characters).",
        ));
    }
    if parent.0.nest.path().len() + 1 >= DEPTH_MAX {
        return Err(JsErrorBox::generic(
            "Facet nesting depth limit exceeded. The maximum depth including the root Durable Object is 4.",
        ));
    }
    Ok(())
}

/// The current start of a facet, or a new one.
#[op2]
#[cppgc]
fn op_facet_find(
    state: &mut OpState,
    #[cppgc] parent: &ObjectHandle,
    #[string] name: String,
) -> Result<FacetHandle, JsErrorBox> {
    let host = running_host(state)?;
    let parent = &parent.0;
    if let Some(facet) = parent.nest.facets.borrow().get(&name) {
        return Ok(FacetHandle(facet.clone()));
    }
    let mut path = parent.nest.path().to_vec();
    path.push(name.clone());
    let facet = Rc::new(Facet {
        key: ObjectKey {
            facet: host.new_facet(),
            ..parent.key
        },
        path,
        number: Cell::new(0),
        parent: Rc::downgrade(parent),
        state: RefCell::new(State::Starting {
            asked: false,
            waiting: Vec::new(),
        }),
    });
    if let Some(failure) = parent.failure() {
        facet.fail(&failure);
        return Ok(FacetHandle(facet));
    }
    host.facets().add(&facet);
    parent.nest.facets.borrow_mut().insert(name, facet.clone());
    Ok(FacetHandle(facet))
}

/// Whether it is for the asker to find out the facet's class: nobody did so before.
#[op2(fast)]
fn op_facet_begin(#[cppgc] facet: &FacetHandle) -> bool {
    match &mut *facet.0.state.borrow_mut() {
        State::Starting { asked, .. } => !std::mem::replace(asked, true),
        _ => false,
    }
}

/// The callee of a facet's stub.
#[op2]
#[cppgc]
fn op_callee_facet(#[cppgc] facet: &FacetHandle) -> StubHandle {
    StubHandle::new(Callee::Object(facet.0.key, None))
}

/// Tells what the facet's instances are made with; what waited is delivered.
#[op2(fast)]
fn op_facet_start(
    state: &mut OpState,
    #[cppgc] facet: &FacetHandle,
    #[buffer(copy)] start: Vec<u8>,
) -> Result<(), JsErrorBox> {
    let host = running_host(state)?;
    let facet = &facet.0;
    if facet.is_broken() {
        return Ok(());
    }
    let before = facet.state.replace(State::Started(start.into()));
    if let State::Starting { waiting, .. } = before {
        host.deliver_first(facet.key, waiting);
    }
    Ok(())
}

/// The facet's class cannot be found out, for the reason that was thrown.
#[op2(fast)]
fn op_facet_fail(
    state: &mut OpState,
    #[cppgc] facet: &FacetHandle,
    #[buffer(copy)] thrown: Vec<u8>,
) -> Result<(), JsErrorBox> {
    running_host(state)?.break_facet(&facet.0, &thrown_by_application(thrown));
    Ok(())
}

/// Ends a facet, if it runs, with a reason of the application's.
#[op2(fast)]
fn op_facet_abort(
    state: &mut OpState,
    #[cppgc] parent: &ObjectHandle,
    #[string] name: &str,
    #[buffer(copy)] thrown: Vec<u8>,
) -> Result<(), JsErrorBox> {
    let host = running_host(state)?;
    let facet = parent.0.nest.facets.borrow().get(name).cloned();
    if let Some(facet) = facet {
        host.break_facet(&facet, &thrown_by_application(thrown));
    }
    Ok(())
}

/// Ends a facet and deletes what it and its own facets have stored.
#[op2(fast)]
fn op_facet_delete(
    state: &mut OpState,
    #[cppgc] parent: &ObjectHandle,
    #[string] name: &str,
) -> Result<(), JsErrorBox> {
    let deleted = running_host(state)?.delete_facets(&parent.0, Some(name));
    parent.0.check(deleted)
}

/// Makes a facet, and its own facets, what another one has stored.
#[op2(fast)]
fn op_facet_clone(
    state: &mut OpState,
    #[cppgc] parent: &ObjectHandle,
    #[string] from: &str,
    #[string] to: &str,
) -> Result<(), JsErrorBox> {
    let cloned = running_host(state)?.clone_facet(&parent.0, from, to);
    parent.0.check(cloned)
}

fn thrown_by_application(thrown: Vec<u8>) -> Failure {
    Failure {
        message: "the facet was aborted".into(),
        thrown: Some(thrown.into()),
        ..Failure::default()
    }
}
