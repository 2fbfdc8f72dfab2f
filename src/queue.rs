//! The events that wait on one shard to be delivered, with a bound for each object,
//! so that one that is called without end does not fill the queue of all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;

use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::parcel::Parcel;

use crate::clock::Random;

/// Events that may wait on one shard.
const QUEUE_MAX: usize = 256 * 1024;
/// Events that may wait for one object.
const OBJECT_MAX: usize = 16 * 1024;

/// The queue of a shard.
///
/// Invariant: `counts` holds how many of `events` and `calls` are for each object, and
/// nothing for objects without any. Calls of exported values are not among them: they
/// count once they have reached their object.
#[derive(Default)]
pub struct EventQueue {
    events: RefCell<VecDeque<Parcel>>,
    /// Calls that JavaScript made in the current round. They are queued when the
    /// next one begins, behind what the sockets of this thread brought meanwhile:
    /// a frame that was sent before a call was made arrives before it.
    calls: RefCell<Vec<Parcel>>,
    counts: RefCell<HashMap<ObjectKey, usize>>,
}

impl EventQueue {
    /// Queues an event; its caller is told if there is no room.
    pub fn push(&self, waiting: Parcel) {
        if let Some(waiting) = self.admit(waiting) {
            self.events.borrow_mut().push_back(waiting);
        }
    }

    /// Queues a call that JavaScript made, for the next round.
    pub fn push_call(&self, waiting: Parcel) {
        if let Some(waiting) = self.admit(waiting) {
            self.calls.borrow_mut().push(waiting);
        }
    }

    /// Queues events that have waited already ahead of all others, in their order.
    pub fn push_first(&self, waiting: impl DoubleEndedIterator<Item = Parcel>) {
        for waiting in waiting.rev() {
            if let Some(key) = object_of(&waiting) {
                *self.counts.borrow_mut().entry(key).or_default() += 1;
            }
            self.events.borrow_mut().push_front(waiting);
        }
    }

    /// Begins a round: the calls of the last one are events from now on.
    pub fn queue_calls(&self) {
        let mut calls = self.calls.borrow_mut();
        self.events.borrow_mut().extend(calls.drain(..));
    }

    /// The next event.
    pub fn pop(&self) -> Option<Parcel> {
        self.take(0)
    }

    /// The first event of any object that has one: those of one object keep their order.
    pub fn pop_any(&self, chance: &Random) -> Option<Parcel> {
        let at = {
            let events = self.events.borrow();
            let any = chance.below(events.len() as u64) as usize;
            let key = object_of(events.get(any)?);
            events.iter().position(|other| object_of(other) == key)?
        };
        self.take(at)
    }

    fn take(&self, at: usize) -> Option<Parcel> {
        let waiting = self.events.borrow_mut().remove(at)?;
        if let Some(key) = object_of(&waiting) {
            let mut counts = self.counts.borrow_mut();
            if let Some(count) = counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&key);
                }
            }
        }
        Some(waiting)
    }

    /// Whether an event waits for an object.
    pub fn waits_for(&self, key: &ObjectKey) -> bool {
        self.counts.borrow().contains_key(key)
    }

    /// Takes the events of some objects out, in their order.
    pub fn take_of(
        &self,
        wanted: impl Fn(&ObjectKey) -> bool,
    ) -> Vec<(ObjectKey, Option<String>, ObjectEvent)> {
        self.queue_calls();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for waiting in self.events.take() {
            match waiting {
                Parcel::Object(key, name, event) if wanted(&key) => taken.push((key, name, event)),
                other => left.push_back(other),
            }
        }
        self.events.replace(left);
        self.counts.borrow_mut().retain(|key, _| !wanted(key));
        taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.borrow().is_empty() && self.calls.borrow().is_empty()
    }

    /// Counts an event in, if there is room for it.
    fn admit(&self, waiting: Parcel) -> Option<Parcel> {
        let total = self.events.borrow().len() + self.calls.borrow().len();
        let Some(key) = object_of(&waiting) else {
            if total < QUEUE_MAX {
                return Some(waiting);
            }
            waiting.fail(Failure::overloaded());
            return None;
        };
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(key).or_default();
        if total < QUEUE_MAX && *count < OBJECT_MAX {
            *count += 1;
            return Some(waiting);
        }
        if *count == 0 {
            counts.remove(&key);
        }
        // Whoever is told may queue something else.
        drop(counts);
        waiting.fail(Failure::overloaded());
        None
    }
}

/// The object that an event is counted for.
fn object_of(waiting: &Parcel) -> Option<ObjectKey> {
    match waiting {
        Parcel::Object(key, ..) => Some(*key),
        Parcel::Export(_) | Parcel::Worker(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use stead_ops::message::AlarmOutcome;
    use stead_storage::IdKey;
    use tokio::sync::oneshot;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(0, IdKey::new("test").from_name(name))
    }

    fn event(name: &str) -> (Parcel, oneshot::Receiver<AlarmOutcome>) {
        let (reply, outcome) = oneshot::channel();
        let event = ObjectEvent::Alarm {
            scheduled_ms: 0,
            retry_count: 0,
            give_up: false,
            reply,
        };
        (Parcel::Object(key(name), None, event), outcome)
    }

    #[test]
    fn an_object_that_is_called_without_end_leaves_room_for_others() {
        let queue = EventQueue::default();
        let waiting: Vec<_> = (0..OBJECT_MAX)
            .map(|number| {
                let (waiting, outcome) = event("a");
                if number % 2 == 0 {
                    queue.push(waiting);
                } else {
                    queue.push_call(waiting);
                }
                outcome
            })
            .collect();
        let (one_more, mut refused) = event("a");
        queue.push_call(one_more);
        assert_eq!(refused.try_recv(), Ok(AlarmOutcome::Failed));
        let (other, mut accepted) = event("b");
        queue.push(other);
        assert!(accepted.try_recv().is_err());
        queue.queue_calls();
        while queue.pop().is_some() {}
        assert!(queue.counts.borrow().is_empty());
        drop(waiting);
    }

    #[test]
    fn what_waited_already_comes_first_and_in_its_order() {
        let queue = EventQueue::default();
        queue.push(event("c").0);
        queue.push_first([event("a").0, event("b").0].into_iter());
        let order: Vec<ObjectKey> =
            std::iter::from_fn(|| queue.pop().as_ref().and_then(object_of)).collect();
        assert_eq!(order, [key("a"), key("b"), key("c")]);
    }
    #[test]
    fn chance_chooses_among_objects_and_keeps_the_order_of_each() {
        let queue = EventQueue::default();
        let mut orders = std::collections::HashSet::new();
        for seed in 0..32 {
            for (number, name) in ["a", "b", "a", "c"].iter().enumerate() {
                let (mut waiting, _) = event(name);
                if let Parcel::Object(_, name, _) = &mut waiting {
                    *name = Some(number.to_string());
                }
                queue.push(waiting);
            }
            let chance = Random::from_seed(seed);
            let order: Vec<String> = std::iter::from_fn(|| match queue.pop_any(&chance)? {
                Parcel::Object(_, name, _) => name,
                _ => None,
            })
            .collect();
            let place = |number: &str| order.iter().position(|other| other == number);
            assert_eq!(order.len(), 4);
            assert!(place("0") < place("2"), "{order:?}");
            orders.insert(order);
        }
        assert!(orders.len() > 3, "{orders:?}");
    }
}
