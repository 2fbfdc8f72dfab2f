//! Objects that leave memory because a test wants it, or because one begins or ends. What an object's code remembers
//! goes; its sockets that can sleep are there again in each test of the suite in which they were opened.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use stead_ops::host::Host;
use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::parcel::Parcel;
use stead_ops::socket_set::RememberedSet;
use tokio::sync::oneshot;

use crate::placement::ShardIndex;
use crate::shard::Shard;
use crate::shared::Message;

/// What callers are told whose object a test took along with it. Nobody is left to care: if it is not caught, that is no
/// mistake.
pub const TEST_ENDED: &str = "the test that this belonged to has ended";

/// Turns of the other tasks that an object is given to come to rest before it is evicted.
const EVICTION_TRIES: usize = 1_000;

/// Something that one shard does for a test that runs on another.
pub type TestDeed = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// The sockets of objects that slept when a level began, and how they were.
pub type Remembered = HashMap<ObjectKey, RememberedSet>;

/// How objects leave memory.
#[derive(Clone, Debug)]
pub enum Leave {
    /// What they have written is in their files.
    Close,
    /// They are reset, with this reason: what is not durable is gone.
    Abort(&'static str),
}

/// What becomes of the sockets that objects have accepted.
#[derive(Clone)]
pub enum Sockets {
    /// They are cut.
    Cut,
    /// They sleep.
    Keep,
    /// Those that slept when the level began sleep again as they did then; the others are cut.
    Restore(Arc<Remembered>),
}

impl Shard {
    /// Has a shard do something; none if it has ended.
    pub(super) async fn on_shard<T: Send + 'static>(
        self: &Rc<Self>,
        shard: ShardIndex,
        deed: impl FnOnce(&Rc<Shard>, oneshot::Sender<T>) + Send + 'static,
    ) -> Option<T> {
        let (sender, done) = oneshot::channel();
        if shard == self.index {
            deed(self, sender);
        } else {
            let deed: TestDeed = Box::new(move |shard| deed(shard, sender));
            self.shared.message(shard, Message::Test(deed)).await;
        }
        done.await.ok()
    }

    /// Takes all objects of all shards out of memory; the sockets that sleep then.
    pub(super) async fn empty_all(self: &Rc<Self>, leave: Leave, sockets: Sockets) -> Remembered {
        let mut remembered = Remembered::new();
        for shard in 0..self.shared.routes.len() {
            let (leave, sockets) = (leave.clone(), sockets.clone());
            let emptied = self.on_shard(shard, move |shard, done| {
                shard.empty(&leave, &sockets);
                // Nobody waits any more when the run is being ended.
                let _ = done.send(shard.asleep());
            });
            // A shard that has ended has no objects.
            remembered.extend(emptied.await.unwrap_or_default());
        }
        remembered
    }

    /// Takes all objects of this shard out of memory.
    fn empty(&self, leave: &Leave, sockets: &Sockets) {
        self.end_turn();
        self.fail_waiting(leave, matches!(sockets, Sockets::Keep));
        let residents: Vec<_> = {
            let objects = self.objects.borrow();
            let instances = objects.values().map(|resident| resident.instance.clone());
            instances.collect()
        };
        let reason = match leave {
            Leave::Close => {
                // All of them before the first one leaves, which its facets do not outlive.
                for instance in &residents {
                    if let Err(error) = instance.database.close(self.shared.clock.now_ms()) {
                        self.shared.logger.error(None, error.to_string());
                    }
                }
                TEST_ENDED
            }
            Leave::Abort(reason) => reason,
        };
        for instance in &residents {
            // Nothing could wake a facet for its sockets.
            if !matches!(sockets, Sockets::Cut) && !instance.key.is_facet() {
                self.put_to_sleep(instance);
            }
            self.leave(instance, &Failure::reset(reason));
        }
        let sleeping = std::mem::take(&mut *self.sleeping.borrow_mut());
        let slept: Vec<ObjectKey> = sleeping.keys().copied().collect();
        for (key, set) in sleeping {
            match sockets {
                Sockets::Cut => set.clear(),
                Sockets::Keep => {}
                Sockets::Restore(remembered) => match remembered.get(&key) {
                    Some(before) => set.restore(before),
                    None => set.clear(),
                },
            }
            if !set.is_empty() {
                self.sleeping.borrow_mut().insert(key, set);
            }
        }
        let gone = residents.iter().map(|instance| instance.key).chain(slept);
        gone.for_each(|key| self.release_unused(key));
    }

    /// Lets the sockets of an instance that is about to go wait for the next one.
    fn put_to_sleep(&self, instance: &Rc<Instance>) {
        let sockets = instance.sockets.detach();
        let host = self.me.upgrade().expect("a shard runs its own methods");
        self.sleeping
            .borrow_mut()
            .insert(instance.key, sockets.attach(host));
    }

    /// Fails the events that wait to be delivered: they were meant for another state. With `spare_sockets`, those of
    /// sockets still come.
    fn fail_waiting(&self, leave: &Leave, spare_sockets: bool) {
        let reason = match leave {
            Leave::Close => TEST_ENDED,
            Leave::Abort(reason) => reason,
        };
        for (key, name, event) in self.queue.take_of(|_| true) {
            match event {
                event @ ObjectEvent::Socket { .. } if spare_sockets => {
                    self.enqueue(Parcel::Object(key, name, event));
                }
                event => event.fail(Failure::reset(reason)),
            }
        }
    }

    /// The sockets that sleep on this shard.
    fn asleep(&self) -> Remembered {
        let sleeping = self.sleeping.borrow();
        let sets = sleeping.iter().map(|(key, set)| (*key, set.remember()));
        sets.collect()
    }

    /// Resets an object, if it is in memory.
    pub(super) async fn abort(self: &Rc<Self>, key: ObjectKey, reason: String) {
        let Some(holder) = self.shared.placement.holder(key) else {
            return;
        };
        let aborted = self.on_shard(holder, move |shard, done| {
            let found = shard.objects.borrow().get(&key).map(|r| r.instance.clone());
            if let Some(instance) = found {
                shard.reset(&instance, Failure::reset(reason));
            }
            let _ = done.send(());
        });
        aborted.await;
    }

    /// Takes an object out of memory as if it had been idle for long enough, once what
    /// it has just done is durable. With `close` its sockets do not sleep, but go.
    ///
    /// # Errors
    /// The platform's texts, if it is not in memory, or does not come to rest.
    pub(super) async fn evict_resident(
        self: &Rc<Self>,
        key: ObjectKey,
        close: bool,
    ) -> Result<(), String> {
        let not_running = || "Cannot evict Durable Object: it is not currently running.".to_owned();
        let holder = self.shared.placement.holder(key).ok_or_else(not_running)?;
        let evicted = self.on_shard(holder, move |shard, done| {
            let shard = shard.clone();
            deno_core::unsync::spawn(async move {
                let _ = done.send(shard.evict_here(key, close).await);
            });
        });
        let evicted = evicted.await.unwrap_or(Some(false));
        match evicted {
            Some(true) => Ok(()),
            None => Err(not_running()),
            Some(false) => Err(
                "Timed out waiting to evict Durable Object: it still has active references."
                    .to_owned(),
            ),
        }
    }

    /// Whether an object of this shard came to rest and is gone; none if it is not in memory.
    async fn evict_here(&self, key: ObjectKey, close: bool) -> Option<bool> {
        for _ in 0..EVICTION_TRIES {
            let instance = self.objects.borrow().get(&key)?.instance.clone();
            let rests = !instance.is_active() && self.is_settled(&instance);
            if rests && !self.queue.waits_for(&key) {
                if close {
                    instance.sockets.clear();
                }
                self.evict(&instance);
                return Some(true);
            }
            tokio::task::yield_now().await;
        }
        Some(false)
    }

    /// The same for all objects that are in memory.
    ///
    /// # Errors
    /// As [`Shard::evict_resident`].
    pub(super) async fn evict_all(self: &Rc<Self>, close: bool) -> Result<(), String> {
        for shard in 0..self.shared.routes.len() {
            let keys = self.on_shard(shard, |shard, done| {
                let keys: Vec<ObjectKey> = shard.objects.borrow().keys().copied().collect();
                let _ = done.send(keys);
            });
            for key in keys.await.unwrap_or_default() {
                self.evict_resident(key, close).await?;
            }
        }
        Ok(())
    }
}
