//! The end of a namespace: what its folder holds may be moved away, and objects that are stored
//! under the same names afterwards begin anew.
//!
//! Records cannot be taken out of a segment. So the catalog says up to which segment those of a
//! namespace are void; what is written later counts.

use std::sync::mpsc;

use super::keeper::Keeper;
use super::local::{LocalJournal, Message};
use super::{Entry, lock};
use crate::{Result, StorageError};

impl LocalJournal {
    /// Forgets all objects of a namespace, after their files were made complete. Durable when it
    /// returns; the files stay. False, and nothing is done, while one of the objects is open.
    /// Nobody may open one before it returns.
    ///
    /// # Errors
    /// [`StorageError::Io`], when a file cannot be made complete, or the catalog not be written.
    pub fn forget(&self, unique_key: &str) -> Result<bool> {
        let key = unique_key.to_owned();
        if !self.ask(move |keeper| keeper.complete_all(&key))? {
            return Ok(false);
        }
        let (sender, sealed) = mpsc::channel();
        let stopped = || StorageError::Sql("the journal has stopped".to_owned());
        let sent = self.tell_committer(Message::Seal(sender));
        sent.map_err(|()| stopped())?;
        self.drive();
        let last = sealed.recv().map_err(|_| stopped())?;
        let key = unique_key.to_owned();
        self.ask(move |keeper| keeper.forget(&key, last))?;
        Ok(true)
    }
}

impl Keeper {
    /// Makes the files of a namespace's objects complete; false if one of them is open.
    fn complete_all(&mut self, unique_key: &str) -> Result<bool> {
        let index = lock(&self.shared.index);
        let objects = index.objects.iter();
        let mut incomplete = Vec::new();
        for (name, known) in objects.filter(|(name, _)| &*name.unique_key == unique_key) {
            let log = known.log.upgrade();
            if known.is_open || log.is_some_and(|log| !log.is_settled() && log.failure().is_none())
            {
                return Ok(false);
            }
            let entries: Vec<Entry> = known.unmarked().cloned().collect();
            if !entries.is_empty() && known.damage.is_none() {
                incomplete.push((name.clone(), entries));
            }
        }
        drop(index);
        for (name, entries) in incomplete {
            let path = self.shared.object_path(&name);
            self.complete(&name, &entries)
                .map_err(|error| StorageError::io(&path, error))?;
        }
        Ok(true)
    }

    fn forget(&mut self, unique_key: &str, last: u64) -> Result<()> {
        self.history()?
            .catalog
            .change(|change| change.forget(unique_key, last))?;
        let mut index = lock(&self.shared.index);
        index
            .objects
            .retain(|name, _| &*name.unique_key != unique_key);
        Ok(())
    }
}
