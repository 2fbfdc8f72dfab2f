//! The state directory of the process, and which folder in it holds the objects of each class.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::RwLock;
use tokio::sync::RwLockReadGuard;
use tokio::sync::RwLockWriteGuard;

use super::classes;
use super::classes::Classes;
use crate::cli::dev_args::DevArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::clock::SystemClock;
use crate::config::Project;
use crate::process::Process;

/// Where the objects of a project are if nobody says otherwise, by its configuration file.
pub fn state_dir(configuration: &Path) -> PathBuf {
    let beside = configuration.parent().unwrap_or(Path::new("."));
    beside.join(".stead").join("state")
}

/// The state directory that all projects of the process share.
pub struct State {
    path: PathBuf,
    args: Arc<DevArgs>,
    logger: Logger,
    opened: Mutex<Opened>,
    /// Held by those who need the directory to stay open, and alone by whoever has it closed to open it again.
    use_of: RwLock<()>,
}

#[derive(Default)]
struct Opened {
    /// None while no worker runs.
    process: Option<Arc<Process>>,
    /// The folders of each worker's classes.
    classes: BTreeMap<String, Classes>,
}

impl State {
    /// A state directory that is opened when the first worker needs it.
    pub fn new(path: PathBuf, args: Arc<DevArgs>, logger: Logger) -> State {
        State {
            path,
            args,
            logger,
            opened: Mutex::default(),
            use_of: RwLock::default(),
        }
    }

    /// Keeps the directory from being closed until the guard goes.
    pub async fn used(&self) -> RwLockReadGuard<'_, ()> {
        self.use_of.read().await
    }

    /// Waits until nobody else needs the directory, and keeps others from it until the guard goes.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.use_of.write().await
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process for one more worker.
    ///
    /// # Errors
    /// The directory is in use or cannot be written.
    pub fn process(&self) -> Result<Arc<Process>, Problem> {
        let mut opened = self.lock();
        // A closed one goes before the directory is opened again, and its lock with it.
        let running = opened.process.take().filter(|process| !process.is_closed());
        if let Some(process) = running {
            opened.process = Some(process.clone());
            return Ok(process);
        }
        let journal = crate::commands::journal_options(
            &self.args.history,
            self.args.durability,
            Arc::new(SystemClock),
            &self.logger,
        );
        let (state, journal) = crate::commands::open_state(&self.path, journal, &self.logger)?;
        let process = Process::new(state, journal);
        opened.process = Some(process.clone());
        Ok(process)
    }

    /// Applies a project's migrations.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn apply(&self, project: &Project) -> Result<(), Problem> {
        let applied = classes::apply(&self.path, &project.name, &project.lifecycle);
        let (classes, notes) =
            applied.map_err(|error| Problem::state_not_writable(&self.path, &error))?;
        for note in notes {
            self.logger.note(note);
        }
        self.lock().classes.insert(project.name.clone(), classes);
        Ok(())
    }

    /// The folder of the objects of a worker's class.
    pub fn folder(&self, worker: &str, class: &str) -> String {
        match self.lock().classes.get(worker) {
            Some(classes) => classes.folder(worker, class),
            None => Classes::default().folder(worker, class),
        }
    }

    /// The folders of all workers' classes, as they are now.
    pub fn all_classes(&self) -> BTreeMap<String, Classes> {
        self.lock().classes.clone()
    }

    /// The folders of a worker's classes, as they are now.
    pub fn classes(&self, worker: &str) -> Classes {
        self.lock().classes.get(worker).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
