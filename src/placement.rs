//! Which shard an object lives on. The only place that decides it.
//!
//! An object that nobody holds is placed on the shard that asks for it first,
//! so that its callers reach it without leaving their isolate, unless that shard
//! is clearly busier than the least busy one. From then on the directory answers,
//! until the object leaves memory.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use stead_ops::message::ObjectKey;

/// A shard's number.
pub type ShardIndex = usize;

/// Parts of the directory, each with a lock of its own, so that shards seldom meet.
const PARTS: usize = 32;
/// A shard is clearly busier than another when it holds more than twice as many
/// objects and this many more.
const BUSIER_BY: usize = 64;

/// The directory of resident objects.
///
/// Invariant: an object is in the directory exactly while a shard holds it or has
/// been told to; `load` counts the entries of each shard.
pub struct Placement {
    parts: Vec<Mutex<HashMap<ObjectKey, ShardIndex>>>,
    hasher: RandomState,
    load: Vec<AtomicUsize>,
}

impl Placement {
    /// An empty directory for a number of shards.
    pub fn new(shards: usize) -> Placement {
        Placement {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            load: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// The object's shard; one that nobody holds is placed now.
    pub fn place(&self, key: ObjectKey, asking: ShardIndex) -> ShardIndex {
        let mut part = self.part(&key);
        if let Some(shard) = part.get(&key) {
            return *shard;
        }
        let shard = self.choose(asking);
        part.insert(key, shard);
        self.load[shard].fetch_add(1, Ordering::Relaxed);
        shard
    }

    /// Notes that a facet lives on the shard of its parent.
    pub fn hold(&self, key: ObjectKey, shard: ShardIndex) {
        if self.part(&key).insert(key, shard).is_none() {
            self.load[shard].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The shard that holds an object, if one does.
    pub fn holder(&self, key: ObjectKey) -> Option<ShardIndex> {
        self.part(&key).get(&key).copied()
    }

    /// Forgets an object that left the memory of `shard`.
    pub fn release(&self, key: ObjectKey, shard: ShardIndex) {
        let mut part = self.part(&key);
        if part.get(&key) == Some(&shard) {
            part.remove(&key);
            self.load[shard].fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The shard with the fewest objects.
    pub fn least_busy(&self) -> ShardIndex {
        let loads = self.load.iter().map(|load| load.load(Ordering::Relaxed));
        loads
            .enumerate()
            .min_by_key(|(_, load)| *load)
            .map_or(0, |(shard, _)| shard)
    }

    fn choose(&self, asking: ShardIndex) -> ShardIndex {
        let least = self.least_busy();
        let load = |shard: ShardIndex| self.load[shard].load(Ordering::Relaxed);
        if load(asking) > 2 * load(least) + BUSIER_BY {
            least
        } else {
            asking
        }
    }

    fn part(&self, key: &ObjectKey) -> MutexGuard<'_, HashMap<ObjectKey, ShardIndex>> {
        let part = &self.parts[self.hasher.hash_one(key) as usize % PARTS];
        part.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use stead_storage::IdKey;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(0, IdKey::new("test").from_name(name))
    }

    #[test]
    fn an_object_lives_where_it_was_asked_for_first() {
        let placement = Placement::new(2);
        assert_eq!(placement.place(key("a"), 1), 1);
        assert_eq!(placement.place(key("a"), 0), 1);
    }

    #[test]
    fn an_object_that_left_is_placed_anew() {
        let placement = Placement::new(2);
        placement.place(key("a"), 1);
        placement.release(key("a"), 1);
        assert_eq!(placement.place(key("a"), 0), 0);
    }

    #[test]
    fn a_release_by_a_shard_that_does_not_hold_the_object_changes_nothing() {
        let placement = Placement::new(2);
        placement.place(key("a"), 1);
        placement.release(key("a"), 0);
        assert_eq!(placement.place(key("a"), 0), 1);
    }

    #[test]
    fn a_shard_that_is_clearly_busier_hands_objects_to_the_least_busy() {
        let placement = Placement::new(2);
        for number in 0..=BUSIER_BY {
            assert_eq!(placement.place(key(&format!("object {number}")), 0), 0);
        }
        assert_eq!(placement.place(key("one more"), 0), 1);
    }
}
