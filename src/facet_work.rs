//! What facets need of the disk: names for new ones, and the deletion and the copies of what they
//! have stored. It is done on other threads, so that the shard's waits for none.
//!
//! Invariants: the works of one object are done one after the other, in the order in which they
//! were asked for. While there are any, no facet of the object starts, its events wait; and nothing
//! that the object or one of its facets writes is committed, so that what they say, and what they
//! store, comes after it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use stead_ops::activity::Activity;
use stead_ops::host::Host;
use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_storage::At;
use stead_storage::Database;
use stead_storage::FacetIndex;
use stead_storage::Lane;
use stead_storage::ObjectId;
use stead_storage::ObjectName;
use stead_storage::Settlement;
use stead_storage::StorageError;

use crate::shard::Shard;
use crate::shared::Shared;

/// Events of one object's facets that may wait for it.
const WAITING_MAX: usize = 16 * 1024;

/// The names and numbers of an object's facets, as its shard and its works share them.
pub type Index = Arc<Mutex<FacetIndex>>;

/// What is to be done for the facets of one parent.
pub enum Deed {
    /// A facet is used for the first time, and gets a number.
    Name(String),
    /// A facet loses what it has stored; all of them, if none is named.
    Delete(Option<String>),
    /// A facet becomes what another one is.
    Clone {
        from: String,
        to: String,
        /// What is on its way to the disk for those that run.
        settlements: Vec<Settlement>,
        /// Their numbers.
        running: Vec<u16>,
    },
}

/// A deed, and for whom it is done.
struct Work {
    deed: Deed,
    index: Index,
    parent: Rc<Instance>,
    /// Keeps the parent in memory.
    _activity: Activity,
}

/// The works of one object, the first of which is being done, and the events that wait for all.
#[derive(Default)]
struct Queue {
    works: VecDeque<Work>,
    events: Vec<(ObjectKey, ObjectEvent)>,
}

/// The works of a shard's objects.
#[derive(Default)]
pub struct FacetWorks(RefCell<HashMap<ObjectKey, Queue>>);

impl FacetWorks {
    /// Whether an object has any.
    pub fn has(&self, key: ObjectKey) -> bool {
        let queues = self.0.borrow();
        !queues.is_empty() && queues.contains_key(&key.root())
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// The objects that have some.
    pub fn objects(&self) -> Vec<ObjectKey> {
        self.0.borrow().keys().copied().collect()
    }

    /// Has an event of a facet wait while its object has works; else it comes back.
    pub fn hold_back(&self, facet: ObjectKey, event: ObjectEvent) -> Option<ObjectEvent> {
        let mut queues = self.0.borrow_mut();
        let Some(queue) = queues.get_mut(&facet.root()) else {
            return Some(event);
        };
        if queue.events.len() >= WAITING_MAX {
            event.fail(Failure::overloaded());
        } else {
            queue.events.push((facet, event));
        }
        None
    }

    /// The names that the works of an object are about: no other value is made of them.
    pub fn index(&self, key: ObjectKey) -> Option<Index> {
        let queues = self.0.borrow();
        let queue = queues.get(&key.root())?;
        queue.works.front().map(|work| work.index.clone())
    }

    /// Adds a work; whether it is the only one.
    fn add(&self, key: ObjectKey, work: Work) -> bool {
        let mut queues = self.0.borrow_mut();
        let queue = queues.entry(key.root()).or_default();
        queue.works.push_back(work);
        queue.works.len() == 1
    }

    /// Drops the work that was done, and has `begin` take the next one; if there is none, what
    /// waited comes back.
    fn next(&self, key: ObjectKey, begin: impl FnOnce(&mut Work)) -> Vec<(ObjectKey, ObjectEvent)> {
        let mut queues = self.0.borrow_mut();
        let queue = queues.get_mut(&key).expect("one of its works was done");
        let done = queue.works.pop_front();
        let mut waited = Vec::new();
        match queue.works.front_mut() {
            Some(next) => begin(next),
            None => waited = queues.remove(&key).expect("it was just there").events,
        }
        drop(queues);
        // Ends an activity, of which the shard is told.
        drop(done);
        waited
    }
}

impl Shard {
    /// Has something done for the facets of an instance.
    pub fn do_for_facets(&self, parent: &Rc<Instance>, index: &Index, deed: Deed) {
        let key = parent.key.root();
        let work = Work {
            deed,
            index: index.clone(),
            parent: parent.clone(),
            _activity: parent.activity(),
        };
        if self.facet_works.add(key, work) {
            let mut queues = self.facet_works.0.borrow_mut();
            let queue = queues.get_mut(&key).expect("it was just added to");
            self.begin_facet_work(key, &mut queue.works[0]);
        }
    }

    fn begin_facet_work(&self, key: ObjectKey, work: &mut Work) {
        let store = self.facet_store(key);
        let (index, number) = (work.index.clone(), work.parent.nest.number());
        let deed = std::mem::replace(&mut work.deed, Deed::Delete(None));
        let named = match &deed {
            Deed::Name(name) => Some(name.clone()),
            _ => None,
        };
        let parent = work.parent.clone();
        let me = self.me.clone();
        let done = tokio::task::spawn_blocking(move || store.perform(&index, number, deed));
        deno_core::unsync::spawn(async move {
            let done = done.await;
            // Without a shard the process ends.
            let Some(shard) = me.upgrade() else { return };
            let failed = match done {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(failed) = failed {
                let failure = Failure::reset(failed);
                let facet = named.and_then(|name| parent.nest.facets.borrow().get(&name).cloned());
                match facet {
                    Some(facet) => shard.end_facet(&facet, &failure),
                    None => shard.reset(&parent, failure),
                }
            }
            shard.end_facet_work(key);
        });
    }

    fn end_facet_work(&self, key: ObjectKey) {
        let begin = |work: &mut Work| self.begin_facet_work(key, work);
        let waited = self.facet_works.next(key, begin);
        for (facet, event) in waited.into_iter().rev() {
            self.enqueue_first(facet, None, vec![event]);
        }
        if !self.facet_works.has(key) && !self.is_unreleased(key) {
            // The object may have been reset meanwhile.
            self.release_unused(key);
        }
        // What was kept back is committed.
        self.wake();
    }

    fn facet_store(&self, key: ObjectKey) -> FacetStore {
        let unique_key = self.namespaces.get(key.namespace).unique_key.clone();
        let number = self.new_facet();
        let file = format!("clone-{}-{number}.sqlite", self.index);
        FacetStore {
            file: self.shared.state.path().join(file),
            stored_key: self.shared.storage_key(&unique_key).into(),
            unique_key,
            id: key.id,
            shared: self.shared.clone(),
        }
    }
}

/// The databases of one object's facets, on a thread that may wait for the disk.
struct FacetStore {
    shared: Arc<Shared>,
    unique_key: String,
    stored_key: Arc<str>,
    id: ObjectId,
    /// By way of which copies are made.
    file: PathBuf,
}

impl FacetStore {
    fn perform(&self, index: &Index, parent: u16, deed: Deed) -> Result<(), StorageError> {
        let mut index = lock(index);
        match deed {
            Deed::Name(name) => index.find_or_add(parent, &name).map(drop),
            Deed::Delete(name) => self.delete(&index, parent, name.as_deref()),
            Deed::Clone {
                from,
                to,
                settlements,
                running,
            } => {
                for settlement in settlements {
                    settlement.wait()?;
                }
                self.delete(&index, parent, Some(&to))?;
                let Some(source) = index.find(parent, &from) else {
                    return Ok(());
                };
                let target = index.find_or_add(parent, &to)?;
                let cloned = self.clone_tree(&mut index, (source, target), &running);
                // A file that was never made is not there.
                drop(std::fs::remove_file(&self.file));
                cloned
            }
        }
    }

    fn delete(
        &self,
        index: &FacetIndex,
        parent: u16,
        name: Option<&str>,
    ) -> Result<(), StorageError> {
        let top = match name {
            None => Some(parent),
            Some(name) => index.find(parent, name),
        };
        let Some(top) = top else { return Ok(()) };
        for number in index.subtree(top) {
            if number != parent
                && let Some(database) = self.open_stored(number)?
            {
                database.delete_all(true)?;
                database.close(self.shared.clock.now_ms())?;
            }
        }
        Ok(())
    }

    fn clone_tree(
        &self,
        index: &mut FacetIndex,
        (source, target): (u16, u16),
        running: &[u16],
    ) -> Result<(), StorageError> {
        self.clone_one(source, target, running.contains(&source))?;
        for (child, name) in index.children(source) {
            let copy = index.find_or_add(target, &name)?;
            self.clone_tree(index, (child, copy), running)?;
        }
        Ok(())
    }

    /// Copies one database by way of a file. What a facet that runs has committed is in the journal.
    fn clone_one(&self, source: u16, target: u16, is_running: bool) -> Result<(), StorageError> {
        if !is_running {
            match self.open_stored(source)? {
                Some(database) => database.close(self.shared.clock.now_ms())?,
                None => return Ok(()),
            }
        }
        let journal = &self.shared.journal;
        journal.export(&self.name(source), At::Now, &self.file)?;
        if is_empty(&self.file) {
            return Ok(());
        }
        journal.import_at_next_open(&self.name(target), &self.file)?;
        self.open(target)?.close(self.shared.clock.now_ms())
    }

    /// Opens what a facet that does not run has stored, if it has.
    fn open_stored(&self, number: u16) -> Result<Option<Database>, StorageError> {
        self.shared
            .bring(&self.unique_key, &self.id.with_facet(number))?;
        let name = self.name(number);
        let path = self.shared.state.object_path(&name.unique_key, &name.id);
        match path.exists() {
            true => self.open(number).map(Some),
            false => Ok(None),
        }
    }

    fn open(&self, number: u16) -> Result<Database, StorageError> {
        let (journal, options) = (&self.shared.journal, &self.shared.storage);
        let nobody = Box::new(|_| ());
        Database::open_in(
            journal,
            &self.name(number),
            options,
            &Lane::default(),
            nobody,
        )
    }

    fn name(&self, number: u16) -> ObjectName {
        ObjectName {
            unique_key: self.stored_key.clone(),
            id: self.id.with_facet(number),
        }
    }
}

/// Whether there is nothing in a file.
fn is_empty(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.len() == 0)
}

/// What a thread that panicked left is what the file holds.
pub fn lock(index: &Index) -> MutexGuard<'_, FacetIndex> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}
