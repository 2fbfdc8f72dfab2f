//! Facets on a shard: their instances, and what becomes of them and of what they store
//! when they or their parents end. What a facet is says `stead_ops::facet`.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use deno_core::v8;
use stead_ops::facet::Facet;
use stead_ops::facet::Nest;
use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_storage::At;
use stead_storage::Database;
use stead_storage::FacetIndex;
use stead_storage::ObjectId;
use stead_storage::StorageError;

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

    fn construct_facet(
        &self,
        facet: &Rc<Facet>,
        start: Rc<[u8]>,
    ) -> Result<(Rc<Instance>, v8::Global<v8::Value>), Failure> {
        let parent = facet.parent().filter(|parent| !parent.is_broken());
        let parent = parent.ok_or_else(Failure::lost)?;
        let failed = |error: StorageError| Failure::reset(error.to_string());
        let index = self.facet_index(&parent).map_err(failed)?;
        let number = index
            .borrow_mut()
            .find_or_add(parent.nest.number(), facet.name());
        facet.number.set(number.map_err(failed)?);
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
    fn facet_index(
        &self,
        instance: &Rc<Instance>,
    ) -> Result<Rc<RefCell<FacetIndex>>, StorageError> {
        if let Some(index) = &*instance.nest.index.borrow() {
            return Ok(index.clone());
        }
        let key = instance.key;
        let unique_key = &self.namespaces.get(key.namespace).unique_key;
        let name = format!("{}.facets", key.id);
        self.shared.bring_index(unique_key, &name)?;
        let unique_key = self.shared.storage_key(unique_key);
        let directory = self.shared.state.namespace_dir(&unique_key)?;
        let index = FacetIndex::open(&directory.join(name))?;
        let index = Rc::new(RefCell::new(index));
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
        let number = parent.nest.number();
        let top = match name {
            None => Some(number),
            Some(name) => index.borrow().find(number, name),
        };
        let Some(top) = top else { return Ok(()) };
        let mut numbers = index.borrow().subtree(top);
        numbers.retain(|found| *found != number);
        for number in numbers {
            self.delete_stored(parent.key, number)?;
        }
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

    fn delete_stored(&self, key: ObjectKey, number: u16) -> Result<(), StorageError> {
        match self.open_stored(key, number)? {
            None => Ok(()),
            Some(database) => {
                database.delete_all(true)?;
                database.close(self.shared.clock.now_ms())
            }
        }
    }

    /// Opens what a facet that does not run has stored, if it has.
    fn open_stored(
        &self,
        key: ObjectKey,
        number: u16,
    ) -> Result<Option<Rc<Database>>, StorageError> {
        let id = key.id.with_facet(number);
        let unique_key = &self.namespaces.get(key.namespace).unique_key;
        self.shared.bring(unique_key, &id)?;
        let path = self.stored_path(key, &id);
        match path.exists() {
            true => self.open_database(key, &id, NOBODY).map(Some),
            false => Ok(None),
        }
    }

    fn stored_path(&self, key: ObjectKey, id: &ObjectId) -> std::path::PathBuf {
        let name = self.stored_name(key, id);
        self.shared.state.object_path(&name.unique_key, &name.id)
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
        self.delete_stored_facets(parent, Some(to))?;
        let index = self.facet_index(parent)?;
        let number = parent.nest.number();
        let source = index.borrow().find(number, from);
        let Some(source) = source else { return Ok(()) };
        let target = index.borrow_mut().find_or_add(number, to)?;
        let folder = self.shared.state.path();
        let file = folder.join(format!("clone-{}.sqlite", self.index));
        let cloned = self.clone_tree(parent, &index, (source, target), &file);
        // A file that was never made is not there.
        drop(std::fs::remove_file(&file));
        cloned
    }

    fn clone_tree(
        &self,
        of: &Rc<Instance>,
        index: &Rc<RefCell<FacetIndex>>,
        (source, target): (u16, u16),
        file: &Path,
    ) -> Result<(), StorageError> {
        self.clone_stored(of.key, source, target, file)?;
        let children = index.borrow().children(source);
        for (child, name) in children {
            let copy = index.borrow_mut().find_or_add(target, &name)?;
            self.clone_tree(of, index, (child, copy), file)?;
        }
        Ok(())
    }

    /// Copies one database by way of a file.
    fn clone_stored(
        &self,
        key: ObjectKey,
        source: u16,
        target: u16,
        file: &Path,
    ) -> Result<(), StorageError> {
        let source = key.id.with_facet(source);
        let running = self.running_facet(key, &source);
        match running {
            // Its commits are copied from the journal.
            Some(instance) => {
                self.commit(&instance);
                instance.database.wait_durable()?;
            }
            None => match self.open_stored(key, source.facet())? {
                Some(database) => database.close(self.shared.clock.now_ms())?,
                None => return Ok(()),
            },
        }
        let journal = &self.shared.journal;
        journal.export(&self.stored_name(key, &source), At::Now, file)?;
        if std::fs::metadata(file).is_ok_and(|file| file.len() == 0) {
            return Ok(());
        }
        let target = key.id.with_facet(target);
        journal.import_at_next_open(&self.stored_name(key, &target), file)?;
        let database = self.open_database(key, &target, NOBODY)?;
        database.close(self.shared.clock.now_ms())
    }

    /// The instance that uses a facet's database.
    fn running_facet(&self, key: ObjectKey, id: &ObjectId) -> Option<Rc<Instance>> {
        let objects = self.objects.borrow();
        let mut facets = objects.values().filter(|resident| {
            let instance = &resident.instance;
            instance.key.root() == key.root() && instance.nest.number() == id.facet()
        });
        facets.next().map(|resident| resident.instance.clone())
    }
}

fn failure(message: &str) -> Failure {
    Failure {
        message: message.into(),
        ..Failure::default()
    }
}
