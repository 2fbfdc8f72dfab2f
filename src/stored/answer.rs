//! Answers from a journal, be it that of a running server or of a stopped state directory.

use std::collections::HashMap;
use std::path::Path;

use stead_storage::AlarmIndex;
use stead_storage::Bookmark;
use stead_storage::FacetIndex;
use stead_storage::LocalJournal;
use stead_storage::ObjectId;
use stead_storage::ObjectName;
use stead_storage::Point;

use super::question::Answer;
use super::question::At;
use super::question::History;
use super::question::Imported;
use super::question::Listed;
use super::question::Moment;
use super::question::ObjectRef;
use super::question::Past;
use super::question::Question;
use super::question::Refused;
use super::question::Restored;
use super::question::Verified;

/// The object that has to be opened anew for the answer to become true.
pub type Reopen = Option<ObjectName>;

/// Answers a question about the objects of a state directory. Waits for the disk.
///
/// # Errors
/// There is no such object or moment, or a file cannot be read or written.
pub fn prepare(
    journal: &LocalJournal,
    state: &Path,
    question: &Question,
) -> Result<(Answer, Reopen), Refused> {
    match question {
        Question::List => Ok((Answer::Objects(list(journal, state)?), None)),
        Question::History { object, limit } => {
            let name = existing(state, object)?;
            Ok((Answer::History(history(journal, &name, *limit)?), None))
        }
        Question::Restore {
            object,
            to,
            dry_run,
        } => {
            let name = existing(state, object)?;
            let (restored, reopen) = restore(journal, &name, to, *dry_run)?;
            Ok((Answer::Restored(restored), reopen.then_some(name)))
        }
        Question::Export { object, at, file } => {
            let name = existing(state, object)?;
            let at = match at {
                Some(moment) => {
                    stead_storage::At::Bookmark(Bookmark::after(find(journal, &name, moment)?))
                }
                None => stead_storage::At::Now,
            };
            let point = journal.export(&name, at, file)?;
            Ok((Answer::Exported(at_of(point)), None))
        }
        Question::Import { object, file } => {
            let name = name_of(object)?;
            let undo = match path_of(state, object).exists() {
                true => {
                    let head = journal.find(&name, stead_storage::At::Now)?;
                    Some(Bookmark::before_restore_after(head).to_string())
                }
                false => None,
            };
            journal.import_at_next_open(&name, file)?;
            Ok((Answer::Imported(Imported { undo }), Some(name)))
        }
        Question::Verify { object } => {
            Ok((Answer::Verified(verify(journal, state, object)?), None))
        }
    }
}

fn list(journal: &LocalJournal, state: &Path) -> Result<Vec<Listed>, Refused> {
    let mut names: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut listed = Vec::new();
    for info in journal.objects()? {
        let key = info.name.unique_key.to_string();
        let known = names
            .entry(key.clone())
            .or_insert_with(|| known_names(&state.join(&key)));
        let (id, root) = (info.name.id, info.name.id.root().to_string());
        let facet = match id.facet() {
            0 => None,
            number => {
                let index = FacetIndex::open(&state.join(&key).join(format!("{root}.facets")));
                // An index that cannot be read is told of when the object uses it.
                let index = index.ok();
                let names = index.as_ref().and_then(|index| index.names_of(number));
                Some(names.into_iter().flatten().map(str::to_owned).collect())
            }
        };
        let id = id.to_string();
        listed.push(Listed {
            name: known.get(&root).cloned(),
            facet,
            object: ObjectRef {
                unique_key: key,
                id,
            },
            bytes: info.bytes,
            history_bytes: info.history_bytes,
            last_ms: info.last.map(|point| point.time_ms),
            damage: info.damage,
        });
    }
    Ok(listed)
}

/// The names that a namespace's index of alarms knows. A list without them is a list all the same.
fn known_names(namespace: &Path) -> HashMap<String, String> {
    let alarms = AlarmIndex::open(namespace).and_then(|index| index.due(i64::MAX, usize::MAX));
    let named = alarms.into_iter().flatten();
    named
        .filter_map(|entry| Some((entry.id_hex, entry.name?)))
        .collect()
}

fn history(journal: &LocalJournal, name: &ObjectName, limit: usize) -> Result<History, Refused> {
    let all = journal.history(name)?;
    let first = all.len().saturating_sub(limit);
    let moments = all[first..].iter().map(|moment| Past {
        at: at_of(moment.point),
        pages: moment.pages,
        is_restore: moment.is_restore,
    });
    Ok(History {
        moments: moments.collect(),
        count: all.len(),
    })
}

/// Restores, or tells what that would do; whether the object has to be opened anew.
fn restore(
    journal: &LocalJournal,
    name: &ObjectName,
    to: &Moment,
    dry_run: bool,
) -> Result<(Restored, bool), Refused> {
    let point = find(journal, name, to)?;
    let bookmark = Bookmark::after(point);
    let difference = journal.compare(name, stead_storage::At::Bookmark(bookmark))?;
    let mut restored = Restored {
        to: at_of(point),
        pages: difference.numbers.len(),
        pages_in_all: difference.db_pages,
        undo: None,
    };
    if dry_run {
        return Ok((restored, false));
    }
    let (sender, written) = std::sync::mpsc::channel();
    journal.restore_at_next_open(name, bookmark, move |result| drop(sender.send(result)));
    let undo = written.recv().map_err(|_| Refused {
        what: "the journal has stopped".to_owned(),
        is_usage: false,
    })??;
    restored.undo = Some(undo.to_string());
    Ok((restored, true))
}

/// The commit that a moment means.
fn find(journal: &LocalJournal, name: &ObjectName, moment: &Moment) -> Result<Point, Refused> {
    let at = match moment {
        Moment::Time(ms) => stead_storage::At::Time(*ms),
        Moment::Bookmark(text) => stead_storage::At::Bookmark(text.parse()?),
        Moment::BeforeRestore => {
            let all = journal.history(name)?;
            let last = all.iter().rposition(|moment| moment.is_restore);
            let before = last.and_then(|index| index.checked_sub(1));
            let before = before.ok_or_else(|| {
                Refused::usage("the object was not restored, so there is nothing to undo")
            })?;
            return Ok(all[before].point);
        }
    };
    Ok(journal.find(name, at)?)
}

fn verify(
    journal: &LocalJournal,
    state: &Path,
    object: &Option<ObjectRef>,
) -> Result<Vec<Verified>, Refused> {
    let names = match object {
        Some(object) => vec![existing(state, object)?],
        None => journal
            .objects()?
            .into_iter()
            .map(|info| info.name)
            .collect(),
    };
    let check = |name: ObjectName| {
        // What cannot be found out of one object is no reason not to look at the next.
        let problems = journal
            .verify(&name)
            .unwrap_or_else(|error| vec![error.to_string()]);
        Verified {
            object: ObjectRef {
                unique_key: name.unique_key.to_string(),
                id: name.id.to_string(),
            },
            problems,
        }
    };
    Ok(names.into_iter().map(check).collect())
}

fn at_of(point: Point) -> At {
    At {
        time_ms: point.time_ms,
        bookmark: Bookmark::after(point).to_string(),
    }
}

fn name_of(object: &ObjectRef) -> Result<ObjectName, Refused> {
    let id = ObjectId::from_file_name(&object.id)
        .ok_or_else(|| Refused::usage(format!("`{}` is not an object's id", object.id)))?;
    Ok(ObjectName {
        unique_key: object.unique_key.as_str().into(),
        id,
    })
}

/// The name of an object that is there.
fn existing(state: &Path, object: &ObjectRef) -> Result<ObjectName, Refused> {
    let name = name_of(object)?;
    match path_of(state, object).exists() {
        true => Ok(name),
        false => Err(Refused::usage(format!(
            "there is no object {} in `{}`: nothing was ever stored under this name or id",
            object.id, object.unique_key
        ))),
    }
}

fn path_of(state: &Path, object: &ObjectRef) -> std::path::PathBuf {
    state
        .join(&object.unique_key)
        .join(format!("{}.sqlite", object.id))
}
