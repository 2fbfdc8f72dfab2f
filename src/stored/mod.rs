//! Stored objects seen from outside: which there are, what happened to them, how they were, and how to bring that back.
//!
//! The same questions are answered by a running server, through its control socket, and by a command that has a stopped
//! state directory to itself.
//!
//! | file | what |
//! |---|---|
//! | `question` | what can be asked and answered, as data |
//! | `answer` | answers from a journal |
//! | `reopen` | having an object start anew on its shard |
//! | `place` | which state directory and which object the command line means |

pub mod answer;
pub mod place;
pub mod question;
mod reopen;

use std::path::Path;
use std::sync::Arc;

use stead_ops::message::ObjectKey;
use stead_storage::AlarmIndex;
use stead_storage::Database;
use stead_storage::JournalOptions;
use stead_storage::Lane;
use stead_storage::LocalJournal;
use stead_storage::ObjectName;
use stead_storage::Options;
use stead_storage::Result;
use stead_storage::Retention;
use stead_storage::StateDir;
use stead_storage::StorageError;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::process::Process;
use crate::shared::Message;
use question::Answer;
use question::Question;
use question::Refused;

/// Answers a question about a state directory that no process uses. Waits for the disk.
///
/// # Errors
/// The directory cannot be used, or what [`answer::prepare`] refuses.
pub fn answer_stopped(path: &Path, question: &Question) -> std::result::Result<Answer, Refused> {
    let state = StateDir::open(path).map_err(Refused::from)?;
    let started = state.start(keeping_everything());
    let (journal, recovery) = started.map_err(Refused::from)?;
    let answered = answer::prepare(&journal, path, question).and_then(|(answer, reopen)| {
        if let Some(name) = reopen {
            reopen_here(&journal, &state, &name)?;
        }
        Ok(answer)
    });
    let stopped = journal.stop();
    if recovery.failed.is_empty() && stopped.is_ok() {
        state.mark_clean().map_err(Refused::from)?;
    }
    stopped.map_err(Refused::from)?;
    answered
}

/// Answers a question about the state directory of this process. An object that it takes to another state starts anew.
///
/// # Errors
/// What [`answer::prepare`] refuses.
pub async fn answer_running(
    process: &Arc<Process>,
    question: Question,
) -> std::result::Result<Answer, Refused> {
    let holder = process.clone();
    let prepare = move || answer::prepare(&holder.journal, holder.state.path(), &question);
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let (answer, reopen) = prepared.map_err(Refused::internal)??;
    if let Some(name) = reopen {
        reopen_running(process, name).await?;
    }
    Ok(answer)
}

async fn reopen_running(
    process: &Arc<Process>,
    name: ObjectName,
) -> std::result::Result<(), Refused> {
    let namespace = process.numbers.find(&name.unique_key);
    let owner = namespace.and_then(|namespace| Some((namespace, process.owner(namespace)?)));
    let Some((namespace, owner)) = owner else {
        // None of the classes that are served, so nobody holds the object.
        let process = process.clone();
        let reopen = move || reopen_here(&process.journal, &process.state, &name);
        let reopened = tokio::task::spawn_blocking(reopen).await;
        return Ok(reopened.map_err(Refused::internal)??);
    };
    let key = ObjectKey::new(namespace, name.id.root());
    let shard = owner.placement.place(key, owner.placement.least_busy());
    let (sender, done) = oneshot::channel();
    let message = Message::Reopen(key, name.id.facet(), sender);
    owner.message(shard, message).await;
    // Without a word the shard is stopping: the object is restored when it is opened the next time.
    drop(done.await);
    Ok(())
}

/// How a command opens a journal: how long the past is kept is the server's to say.
pub fn keeping_everything() -> JournalOptions {
    JournalOptions {
        retention: Retention {
            keep_ms: i64::MAX / 2,
            bytes_max: u64::MAX,
        },
        ..JournalOptions::new(Arc::new(|| SystemClock.now_ms()))
    }
}

/// Opens and closes an object that nobody holds, so that what was written down for its next opening happens.
///
/// # Errors
/// The object cannot be opened.
pub fn reopen_here(journal: &LocalJournal, state: &StateDir, name: &ObjectName) -> Result<()> {
    let namespace = state.namespace_dir(&name.unique_key)?;
    let nobody = Box::new(|_| ());
    let database = Database::open_in(journal, name, &Options::default(), &Lane::default(), nobody)?;
    let alarm = database.alarm().and_then(|at_ms| {
        let index = AlarmIndex::open(&namespace)?;
        index.set(&name.id, database.name()?.as_deref(), at_ms)
    });
    let closed = database.close(SystemClock.now_ms());
    alarm.and(closed)
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Refused {
        let is_usage = matches!(error, StorageError::Range(_) | StorageError::Type(_));
        Refused {
            what: error.to_string(),
            is_usage,
        }
    }
}
