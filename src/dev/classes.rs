//! Which folder holds the objects of each class, as the project's migrations have it.
//!
//! A class's folder is named `<worker>-<Class>`, as wrangler names it, and an object's id follows
//! from that name. So a class that is renamed keeps its old folder's name: its objects keep their ids. What was
//! applied is noted in the state directory, so that each migration happens once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::config::Lifecycle;
use crate::config::Step;

/// The file in the state directory.
const FILE_NAME: &str = "stead.classes.json";

/// What is known of the classes of all workers of a state directory.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    workers: BTreeMap<String, Classes>,
}

/// The classes of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Classes {
    /// Tags of the migrations that were applied.
    applied: Vec<String>,
    /// The folder of each class whose folder is known.
    folders: BTreeMap<String, String>,
}

/// What was done, for the person at the terminal.
pub type Notes = Vec<String>;

impl Classes {
    /// The folder of a class that a migration named.
    pub fn known(&self, class: &str) -> Option<&str> {
        self.folders.get(class).map(String::as_str)
    }

    /// The class whose objects are in a folder, if a migration named it.
    pub fn class_in(&self, folder: &str) -> Option<&str> {
        let mut known = self.folders.iter();
        let (class, _) = known.find(|(_, known)| *known == folder)?;
        Some(class)
    }

    /// The folder of a class's objects.
    pub fn folder(&self, worker: &str, class: &str) -> String {
        match self.folders.get(class) {
            Some(folder) => folder.clone(),
            None => format!("{worker}-{class}"),
        }
    }
}

/// The folders of the classes of every worker whose migrations were applied in a state directory.
///
/// # Errors
/// What was noted cannot be read.
pub fn recorded(state: &Path) -> io::Result<BTreeMap<String, Classes>> {
    Ok(read(&state.join(FILE_NAME))?.workers)
}

fn read(file: &Path) -> io::Result<Record> {
    match fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
        Err(error) => Err(error),
    }
}

/// Applies what the project's migrations ask for and what was not applied yet.
///
/// # Errors
/// The state directory cannot be read or written.
pub fn apply(state: &Path, worker: &str, lifecycle: &Lifecycle) -> io::Result<(Classes, Notes)> {
    let file = state.join(FILE_NAME);
    let mut record = read(&file)?;
    let before = record.workers.get(worker).cloned().unwrap_or_default();
    let mut work = Work {
        state,
        worker,
        classes: before.clone(),
        notes: Vec::new(),
    };
    for migration in &lifecycle.migrations {
        match &migration.tag {
            Some(tag) if work.classes.applied.contains(tag) => continue,
            Some(tag) => work.classes.applied.push(tag.clone()),
            None => {}
        }
        for step in &migration.steps {
            work.step(step)?;
        }
    }
    if work.classes != before {
        record
            .workers
            .insert(worker.to_owned(), work.classes.clone());
        let text = serde_json::to_string_pretty(&record)? + "\n";
        let new = state.join(format!("{FILE_NAME}.new"));
        fs::write(&new, text)?;
        fs::rename(&new, &file)?;
    }
    Ok((work.classes, work.notes))
}

struct Work<'a> {
    state: &'a Path,
    worker: &'a str,
    classes: Classes,
    notes: Notes,
}

impl Work<'_> {
    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::New(class) => {
                if !self.classes.folders.contains_key(class) {
                    let folder = self.unused(class);
                    self.classes.folders.insert(class.clone(), folder);
                }
            }
            Step::Rename { from, to } => {
                if from != to && !self.classes.folders.contains_key(to) {
                    let folder = self.classes.folder(self.worker, from);
                    self.classes.folders.remove(from);
                    self.adopt(folder, from, to);
                }
            }
            Step::Transfer { worker, from, to } => {
                if !self.classes.folders.contains_key(to) {
                    self.adopt(format!("{worker}-{from}"), &format!("{worker}/{from}"), to);
                }
            }
            Step::Delete(class) => {
                let folder = self.classes.folder(self.worker, class);
                self.classes.folders.remove(class);
                self.remove(class, &folder)?;
            }
        }
        Ok(())
    }

    /// The class's usual folder, or one beside it if another class has that.
    fn unused(&self, class: &str) -> String {
        let usual = format!("{}-{class}", self.worker);
        let taken = |folder: &String| self.classes.folders.values().any(|other| other == folder);
        let numbered = (2..).map(|number| format!("{usual}~{number}"));
        std::iter::once(usual.clone())
            .chain(numbered)
            .find(|folder| !taken(folder))
            .unwrap_or(usual)
    }

    /// Gives the objects in `folder` to the class `to`.
    fn adopt(&mut self, folder: String, from: &str, to: &str) {
        let usual = format!("{}-{to}", self.worker);
        let taken = self.classes.folders.values().any(|other| *other == folder);
        let has_old = !taken && has_objects(&self.state.join(&folder));
        // Another tool may have stored objects under the new name meanwhile.
        let has_new = has_objects(&self.state.join(&usual));
        let folder = match (has_old, has_new) {
            (true, false) => {
                self.notes.push(format!(
                    "the objects of `{from}` are now those of `{to}`, in `{folder}`"
                ));
                folder
            }
            (true, true) => {
                self.notes.push(format!(
                    "`{to}` has objects of its own in `{usual}`: those of `{from}` stay in `{folder}`, unused"
                ));
                usual
            }
            (false, _) => usual,
        };
        self.classes.folders.insert(to.to_owned(), folder);
    }

    /// Moves a class's objects out of the way. They are the user's data, so they are not destroyed.
    fn remove(&mut self, class: &str, folder: &str) -> io::Result<()> {
        let path = self.state.join(folder);
        if self.classes.folders.values().any(|other| other == folder) || !path.is_dir() {
            return Ok(());
        }
        let removed = self.state.join("deleted");
        fs::create_dir_all(&removed)?;
        let target = (1..)
            .map(|number| removed.join(format!("{folder}.{number}")))
            .find(|target| !target.exists())
            .unwrap_or_else(|| removed.join(folder));
        fs::rename(&path, &target)?;
        self.notes.push(format!(
            "the class `{class}` was deleted: its objects are in `{}`, to be removed by hand",
            target.display()
        ));
        Ok(())
    }
}

/// Whether a folder holds the file of an object.
fn has_objects(folder: &Path) -> bool {
    object_files(folder).next().is_some()
}

fn object_files(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.ends_with(".sqlite") && name != "metadata.sqlite"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Migration;

    fn store(state: &Path, folder: &str) {
        fs::create_dir_all(state.join(folder)).unwrap();
        fs::write(state.join(folder).join("ab.sqlite"), "x").unwrap();
    }

    fn migrations(steps: &[(&str, Step)]) -> Lifecycle {
        let migrations = steps.iter().map(|(tag, step)| Migration {
            tag: (!tag.is_empty()).then(|| (*tag).to_owned()),
            steps: vec![step.clone()],
        });
        Lifecycle {
            migrations: migrations.collect(),
            declared: Vec::new(),
        }
    }

    fn rename(from: &str, to: &str) -> Step {
        Step::Rename {
            from: from.into(),
            to: to.into(),
        }
    }

    #[track_caller]
    fn check(state: &Path, steps: &[(&str, Step)], class: &str, expect: &str) -> Notes {
        let (classes, notes) = apply(state, "w", &migrations(steps)).unwrap();
        assert_eq!(classes.folder("w", class), expect);
        notes
    }

    #[test]
    fn a_renamed_class_keeps_its_objects_and_their_folder() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let first = ("v1", Step::New("Room".into()));
        check(state, std::slice::from_ref(&first), "Room", "w-Room");
        store(state, "w-Room");
        let both = [first, ("v2", rename("Room", "Hall"))];
        assert_eq!(check(state, &both, "Hall", "w-Room").len(), 1);
        // Once is enough.
        assert!(check(state, &both, "Hall", "w-Room").is_empty());
        // The old name may come back, and has no objects then.
        let again = [both.as_slice(), &[("v3", Step::New("Room".into()))]].concat();
        check(state, &again, "Room", "w-Room~2");
        check(state, &again, "Hall", "w-Room");
    }

    #[test]
    fn a_history_without_state_leads_to_the_usual_folders() {
        let state = tempfile::tempdir().unwrap();
        let steps = [
            ("v1", Step::New("A".into())),
            ("v2", rename("A", "B")),
            ("v3", Step::Delete("C".into())),
        ];
        assert!(check(state.path(), &steps, "B", "w-B").is_empty());
    }

    #[test]
    fn objects_of_a_deleted_class_are_moved_away() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        store(state, "w-A");
        let notes = check(state, &[("v1", Step::Delete("A".into()))], "A", "w-A");
        assert_eq!(notes.len(), 1);
        assert!(!state.join("w-A").exists());
        assert!(state.join("deleted/w-A.1/ab.sqlite").exists());
    }

    #[test]
    fn objects_of_another_worker_are_taken_over() {
        let state = tempfile::tempdir().unwrap();
        store(state.path(), "old-Room");
        let transfer = Step::Transfer {
            worker: "old".into(),
            from: "Room".into(),
            to: "Hall".into(),
        };
        check(state.path(), &[("", transfer)], "Hall", "old-Room");
    }

    #[test]
    fn what_another_tool_stored_under_the_new_name_wins() {
        let state = tempfile::tempdir().unwrap();
        store(state.path(), "w-A");
        store(state.path(), "w-B");
        let notes = check(state.path(), &[("v1", rename("A", "B"))], "B", "w-B");
        assert!(notes[0].contains("stay in `w-A`"), "{notes:?}");
    }
}
