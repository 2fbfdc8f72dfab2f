//! What happens before an object's database is opened: its file is made to hold
//! everything durable, and nothing else.

use std::sync::{Arc, mpsc};

use super::adopt::{Found, PAGE_BYTES, adopt, discard, examine, remove_logs};
use super::index::{Entry, Known, Point};
use super::local::{Inner, Message, Shared};
use super::object_log::ObjectFiles;
use super::rebuild::rebuild;
use super::record::ObjectName;
use super::{lock, recovery};
use crate::history::Row;
use crate::{Result, StorageError};

/// An object whose file was looked after before SQLite sees it.
pub(super) struct Prepared {
    pub(super) head: Point,
    /// Whether the file was changed.
    pub(super) is_changed: bool,
    /// Why its file holds nothing that could be used, though it will be restored.
    pub(super) wrong: Option<StorageError>,
}

impl Inner {
    /// Takes an object for whoever opens it: waits for what its last instance
    /// and the keeper do.
    pub(super) fn take(&self, name: &ObjectName) -> Result<Arc<ObjectFiles>> {
        let path = self.shared.object_path(name);
        loop {
            let mut index = lock(&self.shared.index);
            while index.busy.contains(name) {
                index = self
                    .shared
                    .idle
                    .wait(index)
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            let last = index
                .objects
                .get(name)
                .and_then(|known| known.log.upgrade());
            if let Some(last) = &last
                && !(last.is_settled() || last.failure().is_some())
            {
                drop(index);
                last.wait();
                continue;
            }
            if let Some(last) = &last
                && last.failure().is_some()
            {
                drop(index);
                last.wait();
                index = lock(&self.shared.index);
            }
            if index.objects.get(name).is_some_and(|known| known.is_open) {
                return Err(StorageError::Sql(format!("object {name} is open already")));
            }
            if !index.objects.contains_key(name) {
                drop(index);
                let row = self.with_catalog(|catalog| catalog.get(name))?;
                let mut index = lock(&self.shared.index);
                let mut known = recovery::known(row);
                known.is_open = true;
                index.objects.entry(name.clone()).or_insert(known).is_open = true;
            } else if let Some(known) = index.objects.get_mut(name) {
                known.is_open = true;
            }
            return match last {
                // A second handle would, when closed, release SQLite's locks.
                Some(last) => Ok(last.files.clone()),
                None => ObjectFiles::open(&*self.shared.disk, &path, &self.shared.files_open)
                    .map_err(|error| StorageError::io(&path, error)),
            };
        }
    }

    /// Makes the database file of an object that was taken complete. If that cannot be
    /// done, but the object is to go back to an earlier state, it goes with what is wrong.
    pub(super) fn prepare(&self, name: &ObjectName, files: &Arc<ObjectFiles>) -> Result<Prepared> {
        let error = match self.complete(name, files) {
            Ok((head, is_changed)) => {
                return Ok(Prepared {
                    head,
                    is_changed,
                    wrong: None,
                });
            }
            Err(error) => error,
        };
        if self
            .with_catalog(|catalog| catalog.restore(name))?
            .is_none()
        {
            return Err(error);
        }
        remove_logs(files).map_err(|error| StorageError::io(&files.path, error))?;
        let mut index = lock(&self.shared.index);
        let known = index.objects.get_mut(name).expect("it was taken");
        known.is_dirty = true;
        Ok(Prepared {
            head: known.head,
            is_changed: true,
            wrong: Some(error),
        })
    }

    /// Returns the object's last commit, and whether the file was changed.
    fn complete(&self, name: &ObjectName, files: &Arc<ObjectFiles>) -> Result<(Point, bool)> {
        self.fence()?;
        let (head, entries, is_known) = {
            let mut index = lock(&self.shared.index);
            let known = index.objects.get_mut(name).expect("it was taken");
            if let Some(damage) = &known.damage {
                return Err(StorageError::Sql(damage.clone()));
            }
            let stat = files.file.stat();
            let stat = stat.map_err(|error| StorageError::io(&files.path, error))?;
            if known.mark > 0 && stat.bytes == 0 {
                return Err(super::adopt::gone(&files.path, known.head));
            }
            let entries: Vec<Entry> = known.unmarked().cloned().collect();
            let has_log = std::fs::metadata(files.wal_path()).is_ok_and(|wal| wal.len() > 0);
            // What SQLite left beside an object of the journal does not count.
            let in_journal = !known.records.is_empty() || known.is_dirty || known.mark_segment > 0;
            let needs = in_journal && (known.is_dirty || !entries.is_empty() || has_log);
            known.is_dirty = true;
            (known.head, needs.then_some(entries), in_journal)
        };
        if let Some(entries) = entries {
            rebuild(&*self.shared.disk, &self.shared.directory, files, &entries)
                .map_err(|error| StorageError::io(&files.path, error))?;
            return Ok((head, true));
        }
        if is_known {
            return Ok((head, false));
        }
        let row = self.with_catalog(|catalog| catalog.get(name))?;
        if examine(files, row.as_ref(), self.shared.options.after_clean_stop)? == Found::Known {
            return Ok((head, false));
        }
        let now_ms = (self.shared.options.now_ms)();
        let adopted = match adopt(files, head, now_ms) {
            // Whatever it was, the power failed before anything in it counted.
            Err(_) if row.is_none() && is_leftover(files, &self.shared) => {
                discard(files).map_err(|error| StorageError::io(&files.path, error))?;
                None
            }
            adopted => adopted?,
        };
        let Some(head) = adopted else {
            return Ok((head, false));
        };
        self.enter(name, files, head, row)?;
        Ok((head, true))
    }

    /// Waits until nothing of a batch that failed counts.
    fn fence(&self) -> Result<()> {
        if !lock(&self.shared.index).is_unfenced {
            return Ok(());
        }
        let (sender, fenced) = mpsc::channel();
        let _ = self.commits.send(Message::Fence(sender));
        self.drive();
        match fenced.recv() {
            Ok(fenced) => fenced.map_err(|error| StorageError::io(&self.shared.directory, error)),
            Err(_) => Err(StorageError::Sql("the journal has stopped".to_owned())),
        }
    }

    /// Puts a database file into the history as it is.
    fn enter(
        &self,
        name: &ObjectName,
        files: &Arc<ObjectFiles>,
        head: Point,
        row: Option<Row>,
    ) -> Result<()> {
        let (of, file) = (name.clone(), files.file.clone());
        self.ask(move |keeper| {
            let history = keeper.history()?;
            let generation = match history.is_kept {
                true => Some(history.write_base(&of, head, &*file)?),
                false => None,
            };
            let row = Row {
                head,
                tail: None,
                closed: None,
                ..row.unwrap_or_default()
            };
            history.catalog.change(|change| {
                change.put(&of, &row)?;
                match &generation {
                    Some(generation) => change.put_generation(&of, generation),
                    None => Ok(()),
                }
            })
        })?;
        let mut index = lock(&self.shared.index);
        let mut known = Known::new(head);
        known.is_open = true;
        known.is_dirty = true;
        index.objects.insert(name.clone(), known);
        Ok(())
    }
}

/// Whether a file that nothing is known of can be what a power failure left of
/// one that was just being made.
fn is_leftover(files: &ObjectFiles, shared: &Shared) -> bool {
    let bytes = files.file.stat().map_or(u64::MAX, |stat| stat.bytes);
    !shared.options.after_clean_stop && bytes <= PAGE_BYTES
}
