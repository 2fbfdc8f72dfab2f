//! A copy of an object's file goes on with the original's past: for state that
//! is set aside and brought back, as between tests.

use std::io;

use super::index::Known;
use super::local::LocalJournal;
use super::lock;
use super::record::ObjectName;
use crate::{Result, StorageError};

impl LocalJournal {
    /// Has `copy` bring the file of `from`, which is closed, to where `to` lies,
    /// an object of the same id that was never opened. The bookmarks of the one
    /// are then those of the other, and so is a restore that was asked for.
    /// What went into the history already does not come along: the copy's past
    /// begins with what its file holds then.
    ///
    /// # Errors
    /// Those of `copy`, and [`StorageError::Io`].
    pub fn inherit(
        &self,
        from: &ObjectName,
        to: &ObjectName,
        copy: impl FnOnce() -> io::Result<()>,
    ) -> Result<()> {
        assert_eq!(from.id, to.id, "the records of one are those of the other");
        let path = self.shared().object_path(to);
        let log = {
            let index = lock(&self.shared().index);
            let known = index.objects.get(from);
            known.and_then(|known| known.log.upgrade())
        };
        log.inspect(|log| log.wait());
        copy().map_err(|error| StorageError::io(&path, error))?;
        let asked = self.asked_restore(from)?;
        let mut index = lock(&self.shared().index);
        let inherited = index.objects.get(from).and_then(Known::inherited);
        let Some(inherited) = inherited else {
            return Ok(());
        };
        index.objects.insert(to.clone(), inherited);
        drop(index);
        let Some(bookmark) = asked else {
            return Ok(());
        };
        let to = to.clone();
        self.ask(move |keeper| {
            let catalog = &keeper.history()?.catalog;
            catalog.change(|change| change.set_restore(&to, Some(&bookmark)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::{At, JournalOptions};
    use super::*;
    use crate::{Bookmark, Database, IdKey, Lane, Options};

    fn name(unique_key: &str) -> ObjectName {
        ObjectName {
            unique_key: unique_key.into(),
            id: IdKey::new("ns").from_name("a"),
        }
    }

    fn open(journal: &LocalJournal, state: &Path, name: &ObjectName) -> Database {
        std::fs::create_dir_all(state.join(&*name.unique_key)).unwrap();
        let notify = Box::new(|_| ());
        Database::open_in(journal, name, &Options::default(), &Lane::default(), notify).unwrap()
    }

    fn put(journal: &LocalJournal, database: &Database, value: &[u8]) -> Bookmark {
        database.kv_put("k", value).unwrap();
        database.commit().unwrap();
        database.submit(0).unwrap();
        journal.drive();
        let (_, name) = database.journal().unwrap();
        Bookmark::after(journal.find(name, At::Now).unwrap())
    }

    #[track_caller]
    fn check(database: &Database, value: &[u8]) {
        let found = database.kv_get("k", <[u8]>::to_vec).unwrap();
        assert_eq!(found.as_deref(), Some(value));
    }

    #[test]
    fn a_copy_goes_back_to_the_originals_bookmarks_and_leaves_it_alone() {
        let state = tempfile::tempdir().unwrap();
        let options = JournalOptions {
            has_threads: false,
            ..JournalOptions::new(Arc::new(|| 0))
        };
        let opened = LocalJournal::open(state.path(), options, |_, _| Ok(()));
        let (journal, _) = opened.unwrap();
        let (ground, level) = (name("ns"), name("ns@1"));
        let database = open(&journal, state.path(), &ground);
        let first = put(&journal, &database, b"1");
        put(&journal, &database, b"2");
        database.close(0).unwrap();
        drop(database);
        // A restore that was asked for comes along.
        journal.restore_at_next_open(&ground, first, |result| assert!(result.is_ok()));
        let copy = || {
            std::fs::create_dir_all(state.path().join("ns@1"))?;
            let (from, to) = (
                journal.shared().object_path(&ground),
                journal.shared().object_path(&level),
            );
            std::fs::copy(from, to).map(drop)
        };
        journal.inherit(&ground, &level, copy).unwrap();
        let database = open(&journal, state.path(), &level);
        check(&database, b"1");
        put(&journal, &database, b"3");
        database.close(0).unwrap();
        drop(database);
        journal.restore_at_next_open(&level, first, |result| assert!(result.is_ok()));
        check(&open(&journal, state.path(), &level), b"1");
        assert_eq!(journal.verify(&level).unwrap(), Vec::<String>::new());
        assert_eq!(journal.history(&ground).unwrap().len(), 2);
        check(&open(&journal, state.path(), &ground), b"1");
        assert_eq!(journal.verify(&ground).unwrap(), Vec::<String>::new());
    }
}
