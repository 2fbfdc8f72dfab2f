//! Levels of state: what a test writes is gone when it ends.
//!
//! A level has folders of its own for the namespaces, `<unique key>@<number>`. An object that is
//! opened for the first time on a level is copied from the level below that has it: so a level costs
//! what is touched on it, and nothing is ever put back. The ground is the state directory as any
//! process would leave it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;

use stead_storage::LocalJournal;
use stead_storage::ObjectId;
use stead_storage::ObjectName;
use stead_storage::StateDir;
use stead_storage::StorageError;

/// The file of a namespace's alarms.
const ALARMS: &str = "metadata.sqlite";

/// The levels, the one in use last. There is always the ground.
pub struct Levels {
    stack: Mutex<Vec<Level>>,
    made: Mutex<u32>,
}

#[derive(Clone)]
struct Level {
    /// What is added to unique keys; empty for the ground.
    suffix: String,
    /// Nothing below shows through.
    opaque: bool,
}

impl Level {
    fn folder(&self, state: &Path, unique_key: &str) -> PathBuf {
        state.join(format!("{unique_key}{}", self.suffix))
    }
}

impl Levels {
    /// The ground alone.
    pub fn new() -> Levels {
        let ground = Level {
            suffix: String::new(),
            opaque: true,
        };
        Levels {
            stack: Mutex::new(vec![ground]),
            made: Mutex::new(0),
        }
    }

    /// Begins a level. No object is in memory, and the index of the alarms is closed.
    ///
    /// # Errors
    /// The system's, for alarms that cannot be copied.
    pub fn push(&self, state: &StateDir, unique_keys: &[String]) -> io::Result<()> {
        self.add(state, unique_keys, false)
    }

    /// Ends the level that began last.
    pub fn pop(&self) {
        let mut stack = self.stack();
        assert!(stack.len() > 1, "the ground does not end");
        stack.pop();
    }

    /// Deletes everything, for the rest of the current level.
    ///
    /// # Errors
    /// The system's.
    pub fn clear(&self, state: &StateDir) -> io::Result<()> {
        self.add(state, &[], true)?;
        let mut stack = self.stack();
        let cleared = stack.pop().expect("it was just added");
        *stack.last_mut().expect("there is always the ground") = cleared;
        Ok(())
    }

    fn add(&self, state: &StateDir, unique_keys: &[String], opaque: bool) -> io::Result<()> {
        let number = {
            let mut made = self
                .made
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            *made += 1;
            *made
        };
        let level = Level {
            suffix: format!("@{number}"),
            opaque,
        };
        let mut stack = self.stack();
        let below = stack.last().expect("there is always the ground");
        for unique_key in unique_keys {
            let alarms = below.folder(state.path(), unique_key).join(ALARMS);
            if alarms.exists() {
                let folder = level.folder(state.path(), unique_key);
                fs::create_dir_all(&folder)?;
                fs::copy(&alarms, folder.join(ALARMS))?;
            }
        }
        stack.push(level);
        Ok(())
    }

    /// The unique key under which the current level keeps a namespace.
    pub fn key(&self, unique_key: &str) -> String {
        let stack = self.stack();
        let top = stack.last().expect("there is always the ground");
        format!("{unique_key}{}", top.suffix)
    }

    /// Brings an object that is about to be opened to the current level, with its past.
    ///
    /// # Errors
    /// The journal's, and the system's for a file that cannot be copied.
    pub fn bring(
        &self,
        state: &StateDir,
        journal: &LocalJournal,
        unique_key: &str,
        id: &ObjectId,
    ) -> Result<(), StorageError> {
        let object = |level: &Level| ObjectName {
            unique_key: format!("{unique_key}{}", level.suffix).into(),
            id: *id,
        };
        let name = format!("{id}.sqlite");
        let Some((from, to)) = self.missing(state, unique_key, &name) else {
            return Ok(());
        };
        let (source, target) = (
            from.folder(state.path(), unique_key),
            to.folder(state.path(), unique_key),
        );
        journal.inherit(&object(&from), &object(&to), || {
            copy_object(&source, &target, &name)
        })
    }

    /// Brings a file of a namespace that belongs to no journal.
    ///
    /// # Errors
    /// The system's, for a file that cannot be copied.
    pub fn bring_file(&self, state: &StateDir, unique_key: &str, name: &str) -> io::Result<()> {
        let Some((from, to)) = self.missing(state, unique_key, name) else {
            return Ok(());
        };
        let target = to.folder(state.path(), unique_key);
        copy_object(&from.folder(state.path(), unique_key), &target, name)
    }

    /// The level from which a file is to be brought to the current one, which lacks it, and that one.
    fn missing(&self, state: &StateDir, unique_key: &str, name: &str) -> Option<(Level, Level)> {
        let stack = self.stack();
        let top = stack.last().expect("there is always the ground");
        let has = |level: &Level| level.folder(state.path(), unique_key).join(name).exists();
        if has(top) {
            return None;
        }
        let mut opaque = top.opaque;
        for level in stack.iter().rev().skip(1) {
            if opaque {
                break;
            }
            if has(level) {
                return Some((level.clone(), top.clone()));
            }
            opaque = level.opaque;
        }
        None
    }

    /// The ids of the objects that the current level has or shows.
    pub fn ids(&self, state: &StateDir, unique_key: &str) -> BTreeSet<String> {
        let stack = self.stack();
        let mut ids = BTreeSet::new();
        for level in stack.iter().rev() {
            let folder = level.folder(state.path(), unique_key);
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
                ids.extend(id.filter(|id| id.len() == 64).map(str::to_owned));
            }
            if level.opaque {
                break;
            }
        }
        ids
    }

    /// Writes what the current level has or shows into another directory, as a state directory.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&self, state: &StateDir, unique_keys: &[String], to: &Path) -> io::Result<()> {
        let stack = self.stack();
        for unique_key in unique_keys {
            let target = to.join(unique_key);
            for level in stack.iter().rev() {
                let folder = level.folder(state.path(), unique_key);
                for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                    fs::create_dir_all(&target)?;
                    let file = target.join(entry.file_name());
                    if !file.exists() && entry.path().is_file() {
                        fs::copy(entry.path(), file)?;
                    }
                }
                if level.opaque {
                    break;
                }
            }
        }
        Ok(())
    }

    fn stack(&self) -> MutexGuard<'_, Vec<Level>> {
        self.stack
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Copies an object's file with those beside it. The file system shares the blocks if it can.
fn copy_object(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let file = entry.file_name();
        let is_part = file
            .to_str()
            .is_some_and(|file| file.starts_with(name) && !file.ends_with("-shm"));
        if is_part && entry.path().is_file() {
            fs::copy(entry.path(), to.join(file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use stead_storage::IdKey;
    use stead_storage::JournalOptions;

    fn write(state: &StateDir, key: &str, name: &str, text: &str) {
        let folder = state.namespace_dir(key).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    fn journal(state: &StateDir) -> LocalJournal {
        let options = JournalOptions {
            has_threads: false,
            ..JournalOptions::new(Arc::new(|| 0))
        };
        let opened = LocalJournal::open(state.path(), options, |_, _| Ok(()));
        opened.unwrap().0
    }

    fn read(state: &StateDir, key: &str, name: &str) -> Option<String> {
        fs::read_to_string(state.path().join(key).join(name)).ok()
    }

    #[test]
    fn what_is_written_on_a_level_is_gone_when_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let id = IdKey::new("ns").from_name("a");
        let file = format!("{id}.sqlite");
        let (levels, journal) = (Levels::new(), journal(&state));
        assert_eq!(levels.key("ns"), "ns");
        write(&state, "ns", &file, "ground");
        write(&state, "ns", ALARMS, "alarms");
        levels.push(&state, &["ns".to_owned()]).unwrap();
        let key = levels.key("ns");
        levels.bring(&state, &journal, "ns", &id).unwrap();
        assert_eq!(read(&state, &key, &file).as_deref(), Some("ground"));
        assert_eq!(read(&state, &key, ALARMS).as_deref(), Some("alarms"));
        write(&state, &key, &file, "test");
        levels.bring(&state, &journal, "ns", &id).unwrap();
        assert_eq!(read(&state, &key, &file).as_deref(), Some("test"));
        levels.pop();
        assert_eq!(
            read(&state, &levels.key("ns"), &file).as_deref(),
            Some("ground")
        );
    }

    #[test]
    fn a_level_shows_what_is_below_and_not_what_was_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let id = IdKey::new("ns").from_name("a");
        let file = format!("{id}.sqlite");
        let (levels, journal) = (Levels::new(), journal(&state));
        write(&state, "ns", &file, "ground");
        levels.push(&state, &[]).unwrap();
        levels.push(&state, &[]).unwrap();
        assert_eq!(levels.ids(&state, "ns").len(), 1);
        let kept = directory.path().join("kept");
        levels.keep(&state, &["ns".to_owned()], &kept).unwrap();
        assert_eq!(
            fs::read_to_string(kept.join("ns").join(&file)).unwrap(),
            "ground"
        );
        levels.clear(&state).unwrap();
        assert_eq!(levels.ids(&state, "ns").len(), 0);
        levels.bring(&state, &journal, "ns", &id).unwrap();
        assert_eq!(read(&state, &levels.key("ns"), &file), None);
        levels.pop();
        assert_eq!(
            levels.ids(&state, "ns").len(),
            1,
            "one level below it is there"
        );
    }
}
