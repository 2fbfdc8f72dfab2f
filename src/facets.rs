//! Facets on a shard: their instances, and what becomes of them and of what they store
//! when they or their parents end. What a facet is says `stead_ops::facet`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;

use deno_core::v8;
use stead_ops::facet::Facet;
use stead_ops::facet::Nest;
use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_storage::FacetIndex;
use stead_storage::StorageError;

use crate::facet_work::Deed;
use crate::facet_work::Index;
use crate::facet_work::lock;
use crate::shard::Shard;

/// What callers of a facet get that was deleted, or replaced by a copy of another one.
const DELETED: &str = "Facet was deleted.";
const CLONED_OVER: &str = "Facet was cloned-over.";
/// The incarnation of a database that no instance uses.
const NOBODY: u64 = 0;

impl Shard {
    /// Makes an instance of a facet for an event, if the facet can have one.
    pub fn admit_to_facet(
        &self,
        key: ObjectKey,
        event: ObjectEvent,
    ) -> Option<(Rc<Instance>, v8::Global<v8::Value>, ObjectEvent)> {
        let Some(facet) = self.facets.get(key) else {
            event.fail(Failure::lost());
            return None;
        };
        let (event, start) = facet.admit(event)?;
        let event = self.facet_works.hold_back(key, event)?;
        let (_, event) = self.find_room(key, None, event)?;
        let event = self.hold_until_named(&facet, event)?;
        let now_ms = self.shared.clock.now_ms();
        if let Err(failure) = self.shared.kills.check(key.root(), now_ms) {
            event.fail(failure);
            return None;
        }
        match self.construct_facet(&facet, start) {
            Ok((instance, record)) => Some((instance, record, event)),
            Err(failure) => {
                self.end_facet(&facet, &failure);
                event.fail(failure);
                None
            }
        }
    }

    /// Has a number given to a facet that has none, while its event waits; else the event comes
    /// back.
    fn hold_until_named(&self, facet: &Rc<Facet>, event: ObjectEvent) -> Option<ObjectEvent> {
        let Some(parent) = facet.parent().filter(|parent| !parent.is_broken()) else {
            return Some(event);
        };
        let Ok(index) = self.facet_index(&parent) else {
            // Whoever makes the instance hears of it.
            return Some(event);
        };
        let known = lock(&index).find(parent.nest.number(), facet.name());
        if let Some(number) = known {
            facet.number.set(number);
            return Some(event);
        }
        self.do_for_facets(&parent, &index, Deed::Name(facet.name().to_owned()));
        self.facet_works.hold_back(facet.key, event)
    }

    fn construct_facet(
        &self,
        facet: &Rc<Facet>,
        start: Rc<[u8]>,
    ) -> Result<(Rc<Instance>, v8::Global<v8::Value>), Failure> {
        let parent = facet.parent().filter(|parent| !parent.is_broken());
        let parent = parent.ok_or_else(Failure::lost)?;
        let failed = |error: StorageError| Failure::reset(error.to_string());
        let index = self.facet_index(&parent).map_err(failed)?;
        let nest = Nest {
            facet: Some(facet.clone()),
            parent: RefCell::new(Some(parent.lasting_activity())),
            index: RefCell::new(Some(index)),
            ..Nest::default()
        };
        self.shared.placement.hold(facet.key, self.index);
        let name = parent.name.borrow().clone();
        let made = self.construct(facet.key, name, Some((nest, start)));
        if made.is_err() {
            self.objects.borrow_mut().remove(&facet.key);
            self.shared.placement.release(facet.key, self.index);
        }
        made
    }

    /// The names of all facets of the object to which an instance belongs.
    fn facet_index(&self, instance: &Rc<Instance>) -> Result<Index, StorageError> {
        if let Some(index) = &*instance.nest.index.borrow() {
            return Ok(index.clone());
        }
        let key = instance.key;
        if let Some(index) = self.facet_works.index(key) {
            *instance.nest.index.borrow_mut() = Some(index.clone());
            return Ok(index);
        }
        let unique_key = &self.namespaces.get(key.namespace).unique_key;
        let name = format!("{}.facets", key.id);
        self.shared.bring_index(unique_key, &name)?;
        let unique_key = self.shared.storage_key(unique_key);
        let directory = self.shared.state.namespace_dir(&unique_key)?;
        let index = FacetIndex::open(&directory.join(name))?;
        let index = Arc::new(Mutex::new(index));
        *instance.nest.index.borrow_mut() = Some(index.clone());
        Ok(index)
    }

    /// Ends a start of a facet: its instance is dropped, its callers get `failure`.
    pub fn end_facet(&self, facet: &Rc<Facet>, failure: &Failure) {
        if !self.retire_facet(facet, failure) {
            return;
        }
        let found = self
            .objects
            .borrow()
            .get(&facet.key)
            .map(|r| r.instance.clone());
        if let Some(instance) = found {
            self.leave(&instance, failure);
        }
    }

    /// Ends a start of a facet; false if it had ended before.
    fn retire_facet(&self, facet: &Rc<Facet>, failure: &Failure) -> bool {
        if !facet.fail(failure) {
            return false;
        }
        if let Some(parent) = facet.parent() {
            let mut facets = parent.nest.facets.borrow_mut();
            if facets
                .get(facet.name())
                .is_some_and(|known| Rc::ptr_eq(known, facet))
            {
                facets.remove(facet.name());
            }
        }
        self.shared.placement.release(facet.key, self.index);
        true
    }

    /// Ends what an instance that failed has to do with facets.
    pub fn break_nest(&self, instance: &Rc<Instance>, failure: &Failure) {
        if let Some(facet) = &instance.nest.facet {
            self.retire_facet(facet, failure);
        }
        self.end_nest(instance, failure);
    }

    /// Ends the facets of an instance that leaves memory; its parent may do so, too.
    pub fn end_nest(&self, instance: &Rc<Instance>, failure: &Failure) {
        for facet in instance.nest.facets.take().into_values() {
            self.end_facet(&facet, failure);
        }
        instance.nest.parent.take();
    }

    /// Whether nothing runs in an object, and all that it wrote is durable and said; the
    /// same goes for its facets.
    pub fn is_at_rest(&self, instance: &Rc<Instance>) -> bool {
        let facets = instance.nest.facets.borrow();
        let objects = self.objects.borrow();
        let mut running = facets.values().filter_map(|facet| objects.get(&facet.key));
        !instance.is_handling()
            && self.is_settled(instance)
            && running.all(|resident| self.is_at_rest(&resident.instance))
    }

    /// Deletes what a facet has stored, or all facets of an instance if none is named.
    pub fn delete_stored_facets(
        &self,
        parent: &Rc<Instance>,
        name: Option<&str>,
    ) -> Result<(), StorageError> {
        let deleted = failure(DELETED);
        let running: Vec<Rc<Facet>> = {
            let facets = parent.nest.facets.borrow();
            let meant = facets
                .values()
                .filter(|facet| name.is_none_or(|name| facet.name() == name));
            meant.cloned().collect()
        };
        for facet in running {
            self.end_facet(&facet, &deleted);
        }
        let index = self.facet_index(parent)?;
        if !self.facet_works.has(parent.key) && lock(&index).is_empty() {
            return Ok(());
        }
        parent.database.hold_outputs()?;
        let deed = Deed::Delete(name.map(str::to_owned));
        self.do_for_facets(parent, &index, deed);
        Ok(())
    }

    /// Opens the database of a facet that does not run, so that what was written down for
    /// that happens.
    pub fn reopen_facet(&self, key: ObjectKey, number: u16) -> Result<(), StorageError> {
        match number {
            0 => Ok(()),
            number => {
                let id = key.id.with_facet(number);
                let database = self.open_database(key, &id, NOBODY)?;
                database.close(self.shared.clock.now_ms())
            }
        }
    }

    /// Makes a facet what another one has stored, with their own facets.
    pub fn clone_stored_facet(
        &self,
        parent: &Rc<Instance>,
        from: &str,
        to: &str,
    ) -> Result<(), StorageError> {
        let running = parent.nest.facets.borrow().get(to).cloned();
        if let Some(facet) = running {
            self.end_facet(&facet, &failure(CLONED_OVER));
        }
        if from == to {
            return Ok(());
        }
        let index = self.facet_index(parent)?;
        let (mut settlements, mut running) = (Vec::new(), Vec::new());
        for instance in self.running_below(parent, from) {
            self.commit(&instance);
            settlements.extend(instance.database.settlement());
            running.push(instance.nest.number());
        }
        parent.database.hold_outputs()?;
        let deed = Deed::Clone {
            from: from.to_owned(),
            to: to.to_owned(),
            settlements,
            running,
        };
        self.do_for_facets(parent, &index, deed);
        Ok(())
    }

    /// The instances of a facet and of those inside it.
    fn running_below(&self, parent: &Rc<Instance>, name: &str) -> Vec<Rc<Instance>> {
        let mut path = parent.nest.path().to_vec();
        path.push(name.to_owned());
        let objects = self.objects.borrow();
        let instances = objects.values().map(|resident| &resident.instance);
        instances
            .filter(|instance| instance.key.root() == parent.key.root())
            .filter(|instance| instance.nest.path().starts_with(&path))
            .cloned()
            .collect()
    }
}

fn failure(message: &str) -> Failure {
    Failure {
        message: message.into(),
        ..Failure::default()
    }
}
