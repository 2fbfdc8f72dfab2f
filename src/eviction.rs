//! When objects leave memory: after ten seconds in which nothing was under way.
//!
//! What keeps an object is in `stead_ops::activity`. An object that leaves has
//! committed everything, and all of it is durable; its sockets stay with the
//! shard, and so does the object, as far as `placement` knows, while it has any.
//! The next event makes a new instance.
//! <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/>

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectKey;
use stead_ops::socket_set::SocketSet;
use stead_storage::Durability;

use crate::shard::Shard;

/// How long an object stays in memory with nothing to do.
const IDLE_MS: i64 = 10_000;

/// When to look again at an object of which others hold values.
const LOOK_AGAIN_MS: i64 = 1_000;

/// What old code gets that still holds an object which left memory.
const EVICTED: &str = "This Durable Object left memory because it was idle.";

/// When idle objects leave memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evict {
    /// After every event that leaves the object idle, for those who hunt bugs.
    Aggressive,
    /// After ten seconds, as on the platform.
    #[default]
    Prod,
    /// When the process ends.
    Never,
}

impl Evict {
    fn idle_ms(self) -> Option<i64> {
        match self {
            Evict::Aggressive => Some(0),
            Evict::Prod => Some(IDLE_MS),
            Evict::Never => None,
        }
    }
}

/// The idle objects of a shard by the time at which to look at them.
///
/// Invariant: each instance with `idle_listed` has one entry, and no other one has.
#[derive(Default)]
pub struct IdleObjects(RefCell<BTreeMap<(i64, u64), ObjectKey>>);

impl IdleObjects {
    /// Takes the first one: when to look at it, its incarnation and its key.
    pub fn take_first(&self) -> Option<(i64, u64, ObjectKey)> {
        let ((at_ms, incarnation), key) = self.0.borrow_mut().pop_first()?;
        Some((at_ms, incarnation, key))
    }
}

impl Shard {
    /// Notes that nothing is under way in an object.
    pub fn note_idle(&self, instance: &Rc<Instance>) {
        let Some(idle_ms) = self.shared.evict.idle_ms() else {
            return;
        };
        let now_ms = self.shared.clock.now_ms();
        instance.idle_since_ms.set(now_ms);
        if !instance.idle_listed.replace(true) {
            self.list_idle(instance, now_ms + idle_ms);
            if idle_ms == 0 {
                self.wake();
            }
        }
        if !self.waiting.is_empty() {
            // It may have to leave for another one.
            self.wake();
        }
    }

    /// Looks again at an object whose commits have become durable.
    pub fn note_settled(&self, instance: &Rc<Instance>) {
        let Some(idle_ms) = self.shared.evict.idle_ms() else {
            return;
        };
        if !instance.is_active() && !instance.idle_listed.replace(true) {
            self.list_idle(instance, instance.idle_since_ms.get() + idle_ms);
        }
    }

    fn list_idle(&self, instance: &Instance, at_ms: i64) {
        let mut idle = self.idle.0.borrow_mut();
        idle.insert((at_ms, instance.incarnation), instance.key);
    }

    /// When to look for objects that are to leave, in milliseconds. A clock of tests
    /// does not move for that: what is idle for long enough leaves before the next
    /// event.
    pub fn next_eviction_ms(&self) -> Option<i64> {
        if self.shared.clock.virtual_time().is_some() {
            return None;
        }
        let idle = self.idle.0.borrow();
        let due_ms = idle.first_key_value().map(|((at_ms, _), _)| *at_ms);
        due_ms.into_iter().chain(self.next_look_for_room_ms()).min()
    }

    /// Lets the objects go that have been idle for long enough. Called between
    /// turns, never while JavaScript runs.
    pub fn evict_idle(&self) {
        if self.idle.0.borrow().is_empty() {
            return;
        }
        let now_ms = self.shared.clock.now_ms();
        while let Some((incarnation, key)) = self.take_due(now_ms) {
            let found = self.objects.borrow().get(&key).map(|r| r.instance.clone());
            let Some(instance) = found.filter(|found| found.incarnation == incarnation) else {
                continue;
            };
            if self.look_at_idle(&instance, now_ms) {
                self.evict(&instance);
            }
        }
    }

    /// Whether an instance can leave memory that was taken from the list of the idle ones, and
    /// by `at_ms` has been idle for long enough. One that cannot is listed again, now or when
    /// that may have changed.
    pub fn look_at_idle(&self, instance: &Rc<Instance>, at_ms: i64) -> bool {
        let idle_ms = self.shared.evict.idle_ms().unwrap_or_default();
        let due_ms = instance.idle_since_ms.get() + idle_ms;
        if instance.is_active() {
            // Listed again when it is idle again.
            instance.idle_listed.set(false);
        } else if instance.exports.get() > 0 {
            // Others may call what it exported.
            let now_ms = self.shared.clock.now_ms();
            self.list_idle(instance, now_ms + LOOK_AGAIN_MS);
        } else if instance.key.is_facet() && !instance.sockets.is_empty() {
            // Only its parent's code could wake it.
            let now_ms = self.shared.clock.now_ms();
            self.list_idle(instance, now_ms + LOOK_AGAIN_MS);
        } else if self.queue.waits_for(&instance.key) {
            // What is to be delivered finds it here.
            self.list_idle(instance, self.shared.clock.now_ms() + 1);
        } else if due_ms > at_ms {
            self.list_idle(instance, due_ms);
        } else if !self.is_settled(instance) {
            // Listed again when its commits are durable.
            instance.idle_listed.set(false);
        } else {
            return true;
        }
        false
    }

    fn take_due(&self, now_ms: i64) -> Option<(u64, ObjectKey)> {
        let mut idle = self.idle.0.borrow_mut();
        let first = idle.first_entry()?;
        let (at_ms, incarnation) = *first.key();
        (at_ms <= now_ms).then(|| (incarnation, first.remove()))
    }

    /// Whether everything that the object wrote is durable and said.
    pub fn is_settled(&self, instance: &Instance) -> bool {
        !instance.database.is_dirty() && instance.output.is_open(instance.database.wait_point())
    }

    /// Takes an idle and settled instance out of memory. Its commits are durable in
    /// the journal, so closing its file waits for no disk.
    pub fn evict(&self, instance: &Rc<Instance>) {
        let key = instance.key;
        let resident = self.objects.borrow_mut().remove(&key);
        let left = Failure::reset(EVICTED);
        instance.fail(left.clone());
        self.end_nest(instance, &left);
        self.end_sharing(instance);
        self.close_storage(instance);
        if key.is_facet() {
            // Its start knows how to make it anew.
        } else if instance.sockets.is_empty() {
            self.shared.placement.release(key, self.index);
        } else {
            let sockets = instance.sockets.clone();
            self.sleeping.borrow_mut().insert(key, sockets);
        }
        drop(resident);
    }

    /// Closes the storage of a settled instance.
    pub fn close_storage(&self, instance: &Instance) {
        if self.shared.storage.durability == Durability::Relaxed {
            // Its commits are submitted, and nobody waits until they are durable.
            return instance.database.abort();
        }
        if let Err(error) = instance.database.close(self.shared.clock.now_ms()) {
            self.shared
                .logger
                .error(Some(instance.label()), error.to_string());
        }
    }

    /// Has `placement` forget an object that it has just placed here for nothing.
    pub fn release_unused(&self, key: ObjectKey) {
        let used = self.objects.borrow().contains_key(&key);
        if !used && !self.sleeping.borrow().contains_key(&key) {
            self.shared.placement.release(key, self.index);
        }
    }

    /// The sockets that wait for the object's next instance, or an empty set.
    pub fn wake_sockets(&self, key: ObjectKey, name: Option<&str>) -> Rc<SocketSet> {
        if let Some(sockets) = self.sleeping.borrow_mut().remove(&key) {
            return sockets;
        }
        let id = self.shared.incarnations.fetch_add(1, Ordering::Relaxed);
        let host = self.me.upgrade().expect("a shard runs its own methods");
        SocketSet::new(key, name.map(str::to_owned), id, host)
    }

    /// Whether a set of sockets still belongs to an object of this shard.
    pub fn holds_sockets(&self, key: ObjectKey, set: u64) -> bool {
        match self.objects.borrow().get(&key) {
            Some(resident) => resident.instance.sockets.id == set,
            None => {
                let sleeping = self.sleeping.borrow();
                sleeping.get(&key).is_some_and(|sockets| sockets.id == set)
            }
        }
    }
}
