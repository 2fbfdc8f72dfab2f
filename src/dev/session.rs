//! One project on its way from files to a running worker, as often as the files change.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::OnceCell;

use super::classes;
use super::classes::Classes;
use super::current::Current;
use super::pages::Pages;
use crate::assets::Assets;
use crate::bindings::Bindings;
use crate::bindings::MissingBinding;
use crate::bindings::ObjectBindings;
use crate::bindings::OtherBindings;
use crate::bundle::Bundle;
use crate::bundle::BundleOptions;
use crate::cli::dev_args::DevArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Random;
use crate::clock::SystemClock;
use crate::compatibility::Compatibility;
use crate::config;
use crate::config::Project;
use crate::diagnostic::Diagnostic;
use crate::eviction::Evict;
use crate::front::Front;
use crate::inspector::Inspector;
use crate::shard::StartError;
use crate::shared::Code;
use crate::worker::Config;
use crate::worker::Worker;

/// How long what the old code was running may take to end.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the worker of the files as they are cannot run.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The configuration or the code: what is wrong, with its places.
    Diagnosed(Vec<Diagnostic>),
    /// Anything else, such as an exception while the module is evaluated.
    Problem(Problem),
}

impl Failure {
    /// The failure as one that ends the process.
    pub fn into_problem(self) -> Problem {
        match self {
            Failure::Diagnosed(diagnostics) => {
                crate::commands::diagnosed(&diagnostics, Style::of(&std::io::stderr()))
            }
            Failure::Problem(problem) => problem,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Problem(problem)
    }
}

/// What is running.
struct Running {
    project: Arc<Project>,
    bundle: Arc<Bundle>,
}

/// Where debuggers attach, once the configuration has said on which port.
pub type SharedInspector = Arc<OnceCell<Option<Arc<Inspector>>>>;

/// One project.
pub struct Session {
    args: Arc<DevArgs>,
    /// The configuration file.
    file: PathBuf,
    /// Where its objects are; fixed at the start.
    state: Option<PathBuf>,
    /// The configuration as it was last read.
    project: Option<Arc<Project>>,
    /// What to go back to when the next code does not start.
    running: Option<Running>,
    /// The folders of its classes.
    classes: Classes,
    /// Every file whose change means something.
    files: Vec<PathBuf>,
    /// Whether the last update failed.
    broken: bool,
    current: Arc<Current>,
    /// Where debuggers attach; the same for all sessions.
    inspector: SharedInspector,
    /// What browsers are shown when there is no answer.
    pages: Arc<Pages>,
    logger: Logger,
}

impl Session {
    /// A session that has read nothing yet. `state` is its state directory, if it was asked for.
    pub fn new(
        args: Arc<DevArgs>,
        file: PathBuf,
        state: Option<PathBuf>,
        inspector: SharedInspector,
        logger: Logger,
    ) -> Session {
        Session {
            args,
            files: vec![file.clone()],
            file,
            state,
            project: None,
            running: None,
            classes: Classes::default(),
            broken: false,
            current: Arc::new(Current::new()),
            inspector,
            pages: Arc::new(Pages::new()),
            logger,
        }
    }

    /// What browsers are shown when there is no answer.
    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// Where debuggers attach.
    pub fn inspector(&self) -> Option<SocketAddr> {
        let inspector = self.inspector.get()?.as_ref()?;
        Some(inspector.address())
    }

    /// What answers now.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// The configuration as it was last read without an error.
    pub fn project(&self) -> Option<&Arc<Project>> {
        self.project.as_ref()
    }

    /// The files to watch, and whether new ones beside them may help.
    pub fn watched(&self) -> (&[PathBuf], bool) {
        (&self.files, self.broken)
    }

    /// The state directory.
    pub fn state_dir(&self) -> PathBuf {
        match &self.state {
            Some(state) => state.clone(),
            None => self.root().join(".stead").join("state"),
        }
    }

    /// The folder of a class's objects.
    pub fn folder(&self, class: &str) -> String {
        let name = self
            .project
            .as_ref()
            .map_or("", |project| project.name.as_str());
        self.classes.folder(name, class)
    }

    fn root(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    /// Reads what `changed` may have changed (everything, if None) and puts it to work. How long
    /// bundling took.
    ///
    /// # Errors
    /// Why it does not work; what ran before goes on.
    pub async fn update(&mut self, changed: Option<&[PathBuf]>) -> Result<Duration, Failure> {
        let result = self.try_update(changed).await;
        if self.running.is_none() && result.is_err() {
            self.current.put(None);
        }
        self.broken = result.is_err();
        self.pages.updated(result.as_ref().err().cloned());
        result
    }

    async fn try_update(&mut self, changed: Option<&[PathBuf]>) -> Result<Duration, Failure> {
        let reread = match (&self.project, changed) {
            (Some(project), Some(changed)) => changed
                .iter()
                .any(|file| is_of_configuration(project, file)),
            _ => true,
        };
        if reread {
            self.read_project()?;
        }
        let project = self.project.clone().expect("read above, or before");
        let bundling = Instant::now();
        let bundle = Arc::new(self.bundle(&project).await?);
        let bundled = bundling.elapsed();
        self.start(&project, &bundle).await?;
        self.running = Some(Running { project, bundle });
        Ok(bundled)
    }

    fn read_project(&mut self) -> Result<(), Failure> {
        let project = config::load(&self.file, self.args.env.as_deref());
        let mut project = project.map_err(Failure::Diagnosed)?;
        for warning in &project.warnings {
            self.logger.diagnostic(warning.clone());
        }
        for variable in &self.args.vars {
            let value = Value::String(variable.value.clone());
            project.vars.insert(variable.name.clone(), value);
        }
        self.project = Some(Arc::new(project));
        Ok(())
    }

    /// Bundles the code, and notes which files it is made of.
    async fn bundle(&mut self, project: &Arc<Project>) -> Result<Bundle, Failure> {
        let Some(main) = project.main.clone() else {
            self.files.clone_from(&project.files);
            return Ok(Bundle::without_code(&project.root));
        };
        let mut options = bundle_options(project);
        options.verbatim = self.args.inspect.is_on();
        let work = move || crate::bundle::bundle_and_files(&main, &options);
        let joined = tokio::task::spawn_blocking(work).await;
        let (result, mut files) = joined.map_err(|error| Problem::internal(error.to_string()))?;
        files.extend(project.files.iter().cloned());
        files.extend(env_files(project));
        if result.is_err() {
            // What made the last good bundle may be what puts this one right.
            files.append(&mut self.files);
        }
        files.sort();
        files.dedup();
        self.files = files;
        result.map_err(Failure::Diagnosed)
    }

    /// Puts the code to work: in the worker that runs, or in a new one where the
    /// folders of its objects may change.
    async fn start(&mut self, project: &Project, bundle: &Arc<Bundle>) -> Result<(), Failure> {
        let keeps_folders = self.running.as_ref().is_some_and(|running| {
            let before = &running.project;
            before.name == project.name && before.lifecycle == project.lifecycle
        });
        if keeps_folders && let Some(worker) = self.current.running() {
            let code = self.code(project, bundle, self.classes.clone());
            let replaced = worker.replace(code, DRAIN).await;
            return replaced
                .map(drop)
                .map_err(|error| Failure::from(start_problem(project, bundle, error)));
        }
        if let Some(before) = self.current.take() {
            before.stop().await;
        }
        let failure = match self.try_start(project, bundle).await {
            Ok((worker, classes)) => {
                self.classes = classes;
                self.current.put(Some(worker));
                return Ok(());
            }
            Err(failure) => failure,
        };
        if let Some(running) = &self.running {
            let again = self.try_start(&running.project, &running.bundle).await;
            self.current.put(again.ok().map(|(worker, _)| worker));
        } else {
            self.current.put(None);
        }
        Err(failure)
    }

    async fn try_start(
        &self,
        project: &Project,
        bundle: &Arc<Bundle>,
    ) -> Result<(Arc<Worker>, Classes), Failure> {
        let inspect = &self.args.inspect;
        let port = project.dev.inspector_port;
        let inspector = || Inspector::start(inspect, port);
        let inspector = self.inspector.get_or_try_init(inspector).await?.clone();
        let path = self.state_dir();
        let journal = crate::commands::journal_options(
            &self.args.history,
            self.args.durability,
            Arc::new(SystemClock),
            &self.logger,
        );
        let (state, journal) = crate::commands::open_state(&path, journal, &self.logger)?;
        let classes = classes::apply(&path, &project.name, &project.lifecycle);
        // Its threads would outlive the failure.
        let classes = classes.inspect_err(|_| drop(journal.stop()));
        let (classes, notes) =
            classes.map_err(|error| Problem::state_not_writable(&path, &error))?;
        for note in notes {
            self.logger.note(note);
        }
        let compatibility = self.compatibility(project)?;
        let code = self.code(project, bundle, classes.clone());
        let config = Config {
            bundle: code.bundle,
            shards: crate::commands::shard_count(self.args.shards),
            state,
            journal,
            storage: crate::commands::storage_options(self.args.durability, self.args.kv_limits),
            evict: Evict::default(),
            limits: self.args.limits.limits(),
            compatibility,
            vars: code.vars,
            bindings: code.bindings,
            front: code.front,
            unique_key: code.unique_key,
            logger: self.logger.clone(),
            clock: Arc::new(SystemClock),
            random: Random::from_system(),
            inspector,
            testing: None,
        };
        let started = Worker::start(config).await;
        let worker = started.map_err(|error| start_problem(project, bundle, error))?;
        Ok((Arc::new(worker), classes))
    }

    fn code(&self, project: &Project, bundle: &Arc<Bundle>, folders: Classes) -> Code {
        let name = project.name.clone();
        Code {
            bundle: bundle.clone(),
            vars: vars(project),
            bindings: bindings(project),
            front: Arc::new(Front {
                assets: assets(project).map(Arc::new),
                pages: Some(self.pages.clone()),
                is_https: self.args.https.is_on() || project.dev.https,
            }),
            unique_key: Box::new(move |class| folders.folder(&name, class)),
        }
    }

    /// What the project's date and flags mean; says what of it is not there yet.
    fn compatibility(&self, project: &Project) -> Result<Compatibility, Problem> {
        let (date, flags) = (
            project.compatibility_date.as_deref(),
            &project.compatibility_flags,
        );
        let meant = Compatibility::of_project(date, flags);
        let (compatibility, missing) =
            meant.map_err(|error| Problem::does_not_load(error.to_string()))?;
        if !missing.is_empty() {
            self.logger.note(format!(
                "compatibility flags that are not implemented in Stead yet: {}",
                missing.join(", ")
            ));
        }
        Ok(compatibility)
    }

    /// Stops what runs.
    pub async fn stop(&self) {
        if let Some(worker) = self.current.take() {
            worker.stop().await;
        }
    }
}

fn start_problem(project: &Project, bundle: &Bundle, error: StartError) -> Problem {
    let main = project.main.as_deref().unwrap_or(&project.file);
    let style = Style::of(&std::io::stdout());
    crate::commands::start_problem(bundle, main, error, style)
}

/// Whether a file is one that the configuration is read from, or could be.
fn is_of_configuration(project: &Project, file: &Path) -> bool {
    project.files.iter().any(|known| known == file) || env_files(project).any(|known| known == file)
}

/// The files of variables that the project has, or could have.
fn env_files(project: &Project) -> impl Iterator<Item = PathBuf> + use<'_> {
    let names = [".dev.vars", ".env", ".env.local"].map(str::to_owned);
    let own = project.environment.iter().flat_map(|name| {
        [
            format!(".dev.vars.{name}"),
            format!(".env.{name}"),
            format!(".env.{name}.local"),
        ]
    });
    names
        .into_iter()
        .chain(own)
        .map(|name| project.root.join(name))
}

/// How a project's code is bundled.
pub fn bundle_options(project: &Project) -> BundleOptions {
    let mut options = BundleOptions {
        root: Some(project.root.clone()),
        rules: project.rules.clone(),
        alias: project.alias.clone(),
        tsconfig: project.tsconfig.clone(),
        jsx_factory: project.jsx_factory.clone(),
        jsx_fragment: project.jsx_fragment.clone(),
        ..BundleOptions::default()
    };
    options.define.extend(project.define.iter().cloned());
    options
}

/// The flag's default date.
const NAVIGATION_PREFERS_FILES: (&str, &str, &str) = (
    "assets_navigation_prefers_asset_serving",
    "assets_navigation_has_no_effect",
    "2025-04-01",
);

/// The static files of a project.
pub fn assets(project: &Project) -> Option<Assets> {
    let (on, off, since) = NAVIGATION_PREFERS_FILES;
    let set = |flag: &str| project.compatibility_flags.iter().any(|set| set == flag);
    let dated = project
        .compatibility_date
        .as_deref()
        .is_some_and(|date| date >= since);
    let prefers = set(on) || dated && !set(off);
    let config = project.assets.clone()?;
    Some(Assets::new(config, project.main.is_some(), prefers))
}

/// The variables of a project.
pub fn vars(project: &Project) -> BTreeMap<String, Value> {
    let mut vars = project.vars.clone();
    if let Some(binding) = &project.version_metadata {
        let version = serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000000",
            "tag": "",
            "timestamp": "1970-01-01T00:00:00.000Z",
        });
        vars.insert(binding.clone(), version);
    }
    vars
}

/// The bindings of a project.
pub fn bindings(project: &Project) -> Bindings {
    let own = project
        .objects
        .iter()
        .filter(|object| object.worker.is_none());
    let objects = own.map(|object| (object.binding.clone(), object.class.clone()));
    let mut missing: Vec<MissingBinding> = project
        .missing
        .iter()
        .map(|missing| MissingBinding {
            binding: missing.binding.clone(),
            kind: missing.kind.to_owned(),
        })
        .collect();
    for service in &project.services {
        missing.push(MissingBinding {
            binding: service.binding.clone(),
            kind: "service binding".to_owned(),
        });
    }
    for object in project
        .objects
        .iter()
        .filter(|object| object.worker.is_some())
    {
        missing.push(MissingBinding {
            binding: object.binding.clone(),
            kind: "objects of another worker".to_owned(),
        });
    }
    Bindings {
        objects: ObjectBindings::Declared(objects.collect()),
        others: OtherBindings {
            missing,
            assets: project
                .assets
                .as_ref()
                .and_then(|assets| assets.binding.clone()),
        },
    }
}
