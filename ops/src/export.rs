//! Values of JavaScript that others can call: functions, `RpcTarget`s, plain
//! objects. Each has a number on its shard, and lives as long as somebody holds
//! an [`Export`] of it, in a stub, in a message or in a call that is under way.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/rpc/lifecycle/>

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Waker;

use deno_core::futures::task::AtomicWaker;

use crate::instance::Instance;

/// Values that one object, or the worker's own code on one shard, may have
/// exported at a time.
pub const EXPORTS_MAX: usize = 256 * 1024;

/// A hold on an exported value. When the last one is dropped, on whichever
/// thread, the shard of the value hears of it and lets the value go.
pub struct Export {
    shard: usize,
    number: u64,
    releases: Arc<Releases>,
}

impl Export {
    /// The shard on which the value lives.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// The value's number on its shard; never used again.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.releases.push(self.number);
    }
}

/// The values of a shard that nobody holds any more. It is bounded by the number
/// of exports, each of which enters it once.
#[derive(Default)]
struct Releases {
    numbers: Mutex<Vec<u64>>,
    waker: AtomicWaker,
}

impl Releases {
    fn push(&self, number: u64) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.push(number);
        drop(numbers);
        self.waker.wake();
    }

    fn take(&self) -> Vec<u64> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *numbers)
    }
}

/// Whose code a call of an exported value enters.
pub enum Owner {
    /// The worker's own.
    Worker,
    /// An object's. The value died with the instance when that is gone or broken.
    Object(Weak<Instance>),
}

/// Everything that one shard exports. `owners` has an entry for each number from
/// `add` until `released` has returned it.
pub struct Exports {
    shard: usize,
    next: Cell<u64>,
    of_worker: Cell<usize>,
    owners: RefCell<HashMap<u64, Owner>>,
    releases: Arc<Releases>,
}

impl Exports {
    /// No exports yet.
    pub fn new(shard: usize) -> Exports {
        Exports {
            shard,
            next: Cell::new(0),
            of_worker: Cell::new(0),
            owners: RefCell::default(),
            releases: Arc::default(),
        }
    }

    /// A number for one more value of `owner`; None when it exports too many already.
    pub fn add(&self, owner: Option<&Rc<Instance>>) -> Option<Arc<Export>> {
        let count = owner.map_or(&self.of_worker, |instance| &instance.exports);
        if count.get() >= EXPORTS_MAX {
            return None;
        }
        count.set(count.get() + 1);
        let number = self.next.get();
        self.next.set(number + 1);
        let owner = owner.map_or(Owner::Worker, |i| Owner::Object(Rc::downgrade(i)));
        self.owners.borrow_mut().insert(number, owner);
        Some(Arc::new(Export {
            shard: self.shard,
            number,
            releases: self.releases.clone(),
        }))
    }

    /// The living instance whose value this is; Err if the value's owner is gone.
    pub fn instance_of(&self, number: u64) -> Result<Option<Rc<Instance>>, OwnerGone> {
        match self.owners.borrow().get(&number) {
            None => Err(OwnerGone),
            Some(Owner::Worker) => Ok(None),
            Some(Owner::Object(instance)) => match instance.upgrade() {
                Some(instance) if !instance.is_broken() => Ok(Some(instance)),
                _ => Err(OwnerGone),
            },
        }
    }

    /// The values of one instance.
    pub fn of(&self, instance: &Rc<Instance>) -> Vec<u64> {
        let owners = self.owners.borrow();
        let its = owners.iter().filter(|(_, owner)| match owner {
            Owner::Object(owner) => std::ptr::eq(owner.as_ptr(), Rc::as_ptr(instance)),
            Owner::Worker => false,
        });
        its.map(|(number, _)| *number).collect()
    }

    /// The values that nobody holds any more, each with the instance in whose name
    /// it is told so: none if it was the worker's, `Err` if the owner is gone.
    pub fn released(&self) -> Vec<(u64, Result<Option<Rc<Instance>>, OwnerGone>)> {
        let numbers = self.releases.take();
        let released = numbers.into_iter().map(|number| {
            let owner = self.instance_of(number);
            let count = match self.owners.borrow_mut().remove(&number) {
                Some(Owner::Worker) => Some(&self.of_worker),
                _ => owner
                    .as_ref()
                    .ok()
                    .and_then(Option::as_ref)
                    .map(|i| &i.exports),
            };
            if let Some(count) = count {
                count.set(count.get() - 1);
            }
            (number, owner)
        });
        released.collect()
    }

    /// Has `waker` woken when a value is released.
    pub fn register(&self, waker: &Waker) {
        self.releases.waker.register(waker);
    }

    /// Whether nothing is exported.
    pub fn is_empty(&self) -> bool {
        self.owners.borrow().is_empty()
    }
}

/// The code that exported a value runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerGone;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_released_when_its_last_hold_is_dropped() {
        let exports = Exports::new(3);
        let first = exports.add(None).expect("below the bound");
        let second = exports.add(None).expect("below the bound");
        assert_eq!((first.shard(), first.number(), second.number()), (3, 0, 1));
        let copy = first.clone();
        drop(first);
        assert!(exports.released().is_empty());
        std::thread::spawn(move || drop(copy))
            .join()
            .expect("it only drops");
        let released: Vec<u64> = exports.released().iter().map(|r| r.0).collect();
        assert_eq!(released, [0]);
        assert!(!exports.is_empty());
        drop(second);
        assert_eq!(exports.released().len(), 1);
        assert!(exports.is_empty());
    }

    #[test]
    fn a_released_value_has_no_owner() {
        let exports = Exports::new(0);
        let export = exports.add(None).expect("below the bound");
        assert!(exports.instance_of(0).is_ok());
        drop(export);
        exports.released();
        assert!(exports.instance_of(0).is_err());
    }

    #[test]
    fn at_the_bound_nothing_more_is_exported() {
        let exports = Exports::new(0);
        let all: Vec<_> = (0..EXPORTS_MAX).map(|_| exports.add(None)).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(exports.add(None).is_none());
        drop(all);
        exports.released();
        assert!(exports.add(None).is_some());
    }
}
