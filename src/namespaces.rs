//! The numbers by which the object classes of all workers of a process are known.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use stead_ops::entrypoint::WorkerIndex;
use stead_ops::host::Namespace;
use stead_ops::message::NamespaceIndex;
use stead_storage::IdKey;

use crate::bindings::ForeignObjects;

/// The number of each namespace. It stays the same when a worker's code is updated: a
/// namespace is named by the folder of its objects, and one whose class the code has no
/// more keeps its number.
#[derive(Default)]
pub struct NamespaceNumbers(Mutex<Vec<Numbered>>);

/// A namespace that has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The class's name.
    pub class: String,
    /// The folder of its objects.
    pub unique_key: String,
    /// The worker whose objects they are.
    pub worker: WorkerIndex,
}

impl NamespaceNumbers {
    /// Numbers a namespace that has no number yet, and notes its worker and its class.
    pub fn assign(&self, namespace: Numbered) -> NamespaceIndex {
        let mut known = self.lock();
        let found = known
            .iter()
            .position(|known| known.unique_key == namespace.unique_key);
        let at = match found {
            Some(at) => {
                known[at] = namespace;
                at
            }
            None => {
                known.push(namespace);
                known.len() - 1
            }
        };
        NamespaceIndex::try_from(at).expect("workers have fewer classes")
    }

    /// Numbers a namespace that has no number yet. What is known of one that has stays.
    pub fn reserve(&self, namespace: Numbered) {
        let mut known = self.lock();
        if !known
            .iter()
            .any(|known| known.unique_key == namespace.unique_key)
        {
            known.push(namespace);
        }
    }

    /// The number of the namespace with that folder, if it has one.
    pub fn find(&self, unique_key: &str) -> Option<NamespaceIndex> {
        let known = self.lock();
        let at = known
            .iter()
            .position(|known| known.unique_key == unique_key)?;
        NamespaceIndex::try_from(at).ok()
    }

    /// The worker whose objects they are.
    pub fn owner(&self, index: NamespaceIndex) -> WorkerIndex {
        self.lock()[usize::from(index)].worker
    }

    /// The name of its class.
    pub fn class(&self, index: NamespaceIndex) -> String {
        self.lock()[usize::from(index)].class.clone()
    }

    /// All namespaces but the first `known`, in the order of their numbers.
    pub fn after(&self, known: usize) -> Vec<Numbered> {
        self.lock().iter().skip(known).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Numbered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All namespaces as one shard knows them. Those of workers that started after it are learned when
/// they are asked for.
pub struct Namespaces {
    known: RefCell<Vec<Rc<Namespace>>>,
    numbers: Arc<NamespaceNumbers>,
}

impl Namespaces {
    /// Numbers the classes that a worker's code exports, and knows them and all others by their
    /// numbers.
    pub fn new(exported: Vec<Namespace>, numbers: &Arc<NamespaceNumbers>) -> Namespaces {
        let mut exported: Vec<(NamespaceIndex, Namespace)> = exported
            .into_iter()
            .map(|namespace| (numbers.assign(Numbered::of(&namespace)), namespace))
            .collect();
        let known = numbers.after(0).into_iter().zip(0..);
        let known = known.map(|(numbered, number)| {
            let own = exported.iter().position(|(own, _)| *own == number);
            Rc::new(own.map_or_else(|| numbered.foreign(), |at| exported.swap_remove(at).1))
        });
        Namespaces {
            known: RefCell::new(known.collect()),
            numbers: numbers.clone(),
        }
    }

    /// One of them. Whoever has a number got it from [`NamespaceNumbers::assign`].
    pub fn get(&self, index: NamespaceIndex) -> Rc<Namespace> {
        if let Some(known) = self.known.borrow().get(usize::from(index)) {
            return known.clone();
        }
        let mut known = self.known.borrow_mut();
        let new = self.numbers.after(known.len());
        known.extend(new.into_iter().map(|new| Rc::new(new.foreign())));
        known[usize::from(index)].clone()
    }

    /// All that are known by now, by their numbers.
    pub fn all(&self) -> Vec<Rc<Namespace>> {
        self.known.borrow().clone()
    }
}

impl Numbered {
    /// What a binding of another worker's class leads to.
    pub fn bound(binding: &ForeignObjects) -> Numbered {
        Numbered {
            class: binding.class.clone(),
            unique_key: binding.unique_key.clone(),
            worker: binding.worker,
        }
    }

    fn of(namespace: &Namespace) -> Numbered {
        Numbered {
            class: namespace.class.clone(),
            unique_key: namespace.unique_key.clone(),
            worker: namespace.worker,
        }
    }

    /// As a namespace whose class is not this code's.
    fn foreign(self) -> Namespace {
        Namespace {
            ids: IdKey::new(&self.unique_key),
            class: self.class,
            unique_key: self.unique_key,
            worker: self.worker,
            exported: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(class: &str, worker: WorkerIndex) -> Numbered {
        Numbered {
            class: class.to_owned(),
            unique_key: format!("w-{class}"),
            worker,
        }
    }

    fn exported(class: &str, worker: WorkerIndex) -> Namespace {
        Namespace {
            exported: true,
            ..numbered(class, worker).foreign()
        }
    }

    #[test]
    fn a_number_stays_with_its_folder() {
        let numbers = NamespaceNumbers::default();
        assert_eq!(numbers.assign(numbered("A", 0)), 0);
        numbers.reserve(numbered("B", 1));
        assert_eq!(numbers.assign(numbered("C", 0)), 2);
        // Who has the class is known to be its owner; who is only bound to it is not.
        assert_eq!(numbers.assign(numbered("B", 2)), 1);
        numbers.reserve(numbered("B", 1));
        assert_eq!(numbers.after(1), [numbered("B", 2), numbered("C", 0)]);
        assert_eq!(numbers.find("w-C"), Some(2));
    }

    #[test]
    fn a_shard_learns_of_namespaces_that_were_numbered_later() {
        let numbers = Arc::new(NamespaceNumbers::default());
        numbers.reserve(numbered("B", 1));
        let namespaces = Namespaces::new(vec![exported("A", 0)], &numbers);
        let exported: Vec<bool> = namespaces.all().iter().map(|n| n.exported).collect();
        assert_eq!(exported, [false, true]);
        numbers.assign(numbered("C", 1));
        assert_eq!(namespaces.all().len(), 2);
        assert_eq!(namespaces.get(2).class, "C");
        assert!(!namespaces.get(2).exported);
    }
}
