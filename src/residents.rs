//! How many objects are in memory at once. Each holds files open, of which the system
//! allows a process so many: when there is no room for one more, those that have been
//! idle for longest leave early, and if all are at work the newcomer's events wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;

use crate::shard::Shard;
use crate::shared::Message;

/// The events that wait for an object, each with the object's name if it is known.
type Events = VecDeque<(Option<String>, ObjectEvent)>;

/// Files of an object in memory, besides that which the journal counts: the database, its
/// write-ahead log, and the journal's own handle of that.
const FILES_BESIDE: usize = 3;
/// Objects that make room for one more, at most: the files of one that leaves may stay
/// open until they are durable.
const LEAVE_FOR_ONE: usize = 2;
/// Objects that are looked at to find one that can leave.
const LOOKS_MAX: usize = 256;
/// Objects that leave when another shard asks for room.
const LEAVE_WHEN_ASKED: usize = 16;
/// Events of objects for which there is no room that may wait on one shard.
const WAITING_MAX: usize = 64 * 1024;
/// How long they wait.
const WAIT_MS: i64 = 10_000;
/// When to look for room again, in milliseconds.
const LOOK_AGAIN_MS: i64 = 10;

/// The objects in memory of all shards.
pub struct Residents {
    files_max: usize,
    count: AtomicUsize,
}

/// One object's place in memory, until it is dropped.
pub struct Seat(Arc<Residents>);

impl Residents {
    /// Nobody, and room for as many as may hold `files_max` files open together.
    pub fn new(files_max: usize) -> Arc<Residents> {
        Arc::new(Residents {
            files_max,
            count: AtomicUsize::new(0),
        })
    }

    /// As many as the process may open files for; a quarter of what it may open is for
    /// connections and the files of the process itself.
    pub fn of_process() -> Arc<Residents> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = limit.and_then(|limit| usize::try_from(limit).ok());
        Residents::new(files.map_or(usize::MAX, |files| files / 4 * 3))
    }

    /// Takes a place for an object that is about to be opened.
    pub fn seat(self: &Arc<Residents>) -> Seat {
        self.count.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }

    /// Whether there is room for so many more, while the journal has `files_open`.
    fn has_room(&self, more: usize, files_open: usize) -> bool {
        let beside = FILES_BESIDE * (self.count.load(Ordering::Relaxed) + more);
        files_open + more + beside <= self.files_max
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The events that wait for room to make an instance.
///
/// Invariant: `order` names each object of `events` once, and since when it has waited;
/// `count` is how many events there are.
#[derive(Default)]
struct Waiting {
    order: VecDeque<(ObjectKey, i64)>,
    events: HashMap<ObjectKey, Events>,
    count: usize,
}

/// The events of a shard that wait for room.
#[derive(Default)]
pub struct WaitingRoom(RefCell<Waiting>);

impl WaitingRoom {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().count == 0
    }

    /// Has an event wait; it comes back if there are too many.
    fn add(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
        now_ms: i64,
    ) -> Option<ObjectEvent> {
        let mut waiting = self.0.borrow_mut();
        if waiting.count >= WAITING_MAX {
            return Some(event);
        }
        waiting.count += 1;
        let events = waiting.events.entry(key).or_default();
        let is_new = events.is_empty();
        events.push_back((name, event));
        if is_new {
            waiting.order.push_back((key, now_ms));
        }
        None
    }

    fn has(&self, key: &ObjectKey) -> bool {
        self.0.borrow().events.contains_key(key)
    }

    /// Since when the one has waited that waits for longest.
    fn since_ms(&self) -> Option<i64> {
        self.0.borrow().order.front().map(|(_, since_ms)| *since_ms)
    }

    /// Takes out who waits for longest.
    fn take(&self) -> Option<(ObjectKey, Events)> {
        let mut waiting = self.0.borrow_mut();
        let (key, _) = waiting.order.pop_front()?;
        let events = waiting.events.remove(&key).unwrap_or_default();
        waiting.count -= events.len();
        Some((key, events))
    }
}

impl Shard {
    /// Finds room for an object that is not in memory. If there is none the event waits,
    /// or is refused, and nothing comes back.
    pub fn find_room(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) -> Option<(Option<String>, ObjectEvent)> {
        // Those who have waited for the same object come first.
        if !self.waiting.has(&key) && self.make_room(1) {
            return Some((name, event));
        }
        let now_ms = self.shared.clock.now_ms();
        match self.waiting.add(key, name, event, now_ms) {
            Some(refused) => refused.fail(Failure::overloaded()),
            None => self.wake(),
        }
        None
    }

    /// Lets in who waited, as far as there is room by now. Called between turns.
    pub fn let_in(&self) {
        if self.waiting.is_empty() {
            return;
        }
        let now_ms = self.shared.clock.now_ms();
        while self
            .waiting
            .since_ms()
            .is_some_and(|since_ms| now_ms - since_ms > WAIT_MS)
        {
            let (_, events) = self.waiting.take().expect("one of them waits");
            for (_, event) in events {
                event.fail(Failure::queued_too_long());
            }
        }
        let mut let_in = 0;
        while !self.waiting.is_empty() {
            if !self.make_room(let_in + 1) {
                let shards = 0..self.shared.routes.len();
                let others: Vec<usize> = shards.filter(|shard| *shard != self.index).collect();
                self.shared.nudge(&others, || Message::MakeRoom);
                return;
            }
            let_in += 1;
            self.let_first_in();
        }
    }

    /// Sends all who wait on their way again: the shard they go to may be another one.
    pub fn let_all_in(&self) {
        while !self.waiting.is_empty() {
            self.let_first_in();
        }
    }

    fn let_first_in(&self) {
        if let Some((key, events)) = self.waiting.take() {
            self.requeue(key, events);
        }
    }

    /// When to look for room again, if anybody waits for it.
    pub fn next_look_for_room_ms(&self) -> Option<i64> {
        let waits = !self.waiting.is_empty();
        waits.then(|| self.shared.clock.now_ms() + LOOK_AGAIN_MS)
    }

    /// Lets some idle objects go: another shard has no room.
    pub fn leave_for_others(&self) {
        for _ in 0..LEAVE_WHEN_ASKED {
            if !self.evict_one() {
                return;
            }
        }
    }

    /// Whether there is room for so many more, after objects have left for it.
    fn make_room(&self, more: usize) -> bool {
        let has_room = || {
            let files_open = self.shared.journal.files_open();
            self.shared.process.residents.has_room(more, files_open)
        };
        for _ in 0..LEAVE_FOR_ONE {
            if has_room() {
                return true;
            }
            if !self.evict_one() {
                return false;
            }
        }
        has_room()
    }

    /// Takes the object out of memory that has been idle for longest, if one can leave.
    fn evict_one(&self) -> bool {
        let Some(instance) = self.idle_for_longest() else {
            return false;
        };
        self.evict(&instance);
        true
    }

    /// Takes the instance from the list of the idle ones.
    fn idle_for_longest(&self) -> Option<Rc<Instance>> {
        for _ in 0..LOOKS_MAX {
            let (at_ms, incarnation, key) = self.idle.take_first()?;
            let found = self.objects.borrow().get(&key).map(|r| r.instance.clone());
            let Some(instance) = found.filter(|found| found.incarnation == incarnation) else {
                continue;
            };
            if self.look_at_idle(&instance, at_ms) {
                return Some(instance);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use stead_ops::message::AlarmOutcome;
    use stead_storage::IdKey;
    use tokio::sync::oneshot;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            namespace: 0,
            id: IdKey::new("test").from_name(name),
            facet: 0,
        }
    }

    fn event() -> (ObjectEvent, oneshot::Receiver<AlarmOutcome>) {
        let (reply, outcome) = oneshot::channel();
        let event = ObjectEvent::Alarm {
            scheduled_ms: 0,
            retry_count: 0,
            give_up: false,
            reply,
        };
        (event, outcome)
    }

    #[test]
    fn room_is_counted_in_files() {
        let residents = Residents::new(9);
        assert!(residents.has_room(1, 0));
        let first = residents.seat();
        assert!(residents.has_room(1, 1));
        assert!(!residents.has_room(2, 1));
        // A file that is not closed yet takes its room.
        assert!(!residents.has_room(1, 3));
        let second = residents.seat();
        assert!(!residents.has_room(1, 2));
        drop((first, second));
        assert!(residents.has_room(2, 0));
    }

    #[test]
    fn who_waits_for_longest_comes_first_with_all_its_events() {
        let room = WaitingRoom::default();
        for (at_ms, name) in [(1, "a"), (2, "b"), (3, "a")] {
            let added = room.add(key(name), Some(at_ms.to_string()), event().0, at_ms);
            assert!(added.is_none());
        }
        assert!(room.has(&key("a")) && room.since_ms() == Some(1));
        let (first, events) = room.take().unwrap();
        let names: Vec<_> = events.into_iter().filter_map(|(name, _)| name).collect();
        assert_eq!((first, names), (key("a"), vec!["1".into(), "3".into()]));
        assert!(!room.has(&key("a")) && room.since_ms() == Some(2));
        assert_eq!(room.take().unwrap().0, key("b"));
        assert!(room.is_empty());
    }

    #[test]
    fn there_is_an_end_to_waiting() {
        let room = WaitingRoom::default();
        for number in 0..WAITING_MAX {
            let name = (number % 3).to_string();
            assert!(room.add(key(&name), None, event().0, 0).is_none());
        }
        assert!(room.add(key("one more"), None, event().0, 0).is_some());
    }
}
