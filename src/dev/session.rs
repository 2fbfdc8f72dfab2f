//! One project on its way from files to a running worker, as often as the files change.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use super::bindings::bindings;
use super::current::Current;
use super::pages::Pages;
use super::state::State;
use crate::assets::Assets;
use crate::blank::Waiting;
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
use crate::front::Front;
use crate::inspector::Inspector;
use crate::process::Process;
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

/// One project.
pub struct Session {
    args: Arc<DevArgs>,
    /// The configuration file.
    file: PathBuf,
    /// Where its objects are, and those of the other workers.
    state: Arc<State>,
    /// The configuration as it was last read.
    project: Option<Arc<Project>>,
    /// What to go back to when the next code does not start.
    running: Option<Running>,
    /// Every file whose change means something.
    files: Vec<PathBuf>,
    /// Whether the last update failed.
    broken: bool,
    current: Arc<Current>,
    /// Where debuggers attach.
    pub inspector: Option<Arc<Inspector>>,
    /// What browsers are shown when there is no answer.
    pages: Arc<Pages>,
    logger: Logger,
}

impl Session {
    /// A session that has read nothing yet.
    pub fn new(args: Arc<DevArgs>, file: PathBuf, state: Arc<State>, logger: Logger) -> Session {
        Session {
            args,
            files: vec![file.clone()],
            file,
            state,
            project: None,
            running: None,
            broken: false,
            current: Arc::new(Current::new()),
            inspector: None,
            pages: Arc::new(Pages::new()),
            logger,
        }
    }

    /// What browsers are shown when there is no answer.
    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
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

    /// The folder of a class's objects.
    pub fn folder(&self, class: &str) -> String {
        let name = self.project.as_ref().map_or("", |project| &project.name);
        self.state.folder(name, class)
    }

    /// Applies the migrations before any worker starts: other workers' bindings need to know the
    /// folders.
    ///
    /// # Errors
    /// Why the state directory cannot be used.
    pub fn prepare(&self) -> Result<(), Failure> {
        self.state.process()?;
        if let Some(project) = &self.project {
            self.state.apply(project)?;
        }
        Ok(())
    }

    /// Has the code that runs learn where the objects of other workers are now.
    ///
    /// # Errors
    /// The module threw this time.
    pub async fn relink(&self) -> Result<(), Failure> {
        let (Some(running), Some(worker)) = (&self.running, self.current.running()) else {
            return Ok(());
        };
        let code = self.code(&running.project, &running.bundle, &*self.state.process()?);
        let replaced = worker.replace(code, DRAIN).await;
        let failure = |error| start_problem(&running.project, &running.bundle, error);
        Ok(replaced.map(drop).map_err(failure)?)
    }

    /// Reads what `changed` may have changed (the code alone, if None) and puts it to work. How long
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
            (Some(_), None) => false,
            (None, _) => true,
        };
        if reread {
            self.read_project()?;
        }
        let project = self.project.clone().expect("read above, or before");
        let is_rules =
            |changed: &[PathBuf]| rule_files(&project).any(|file| changed.contains(&file));
        if changed.is_none_or(|changed| reread || is_rules(changed)) {
            let warnings = project.assets.iter().flat_map(Assets::warnings);
            warnings.for_each(|warning| self.logger.diagnostic(warning));
        }
        let waiting = self.begin_shards(&project);
        let bundling = Instant::now();
        let bundle = Arc::new(self.bundle(&project).await?);
        let bundled = bundling.elapsed();
        self.start(&project, &bundle, waiting).await?;
        self.running = Some(Running { project, bundle });
        Ok(bundled)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it; what was read before stays.
    pub fn read_project(&mut self) -> Result<(), Failure> {
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
            self.files.extend(rule_files(project));
            return Ok(Bundle::without_code(&project.root));
        };
        let mut options = bundle_options(project);
        options.verbatim = self.args.inspect.is_on();
        let work = move || crate::bundle::bundle_and_files(&main, &options);
        let joined = tokio::task::spawn_blocking(work).await;
        let (result, mut files) = joined.map_err(|error| Problem::internal(error.to_string()))?;
        files.extend(project.files.iter().cloned());
        files.extend(env_files(project));
        files.extend(rule_files(project));
        if result.is_err() {
            // What made the last good bundle may be what puts this one right.
            files.append(&mut self.files);
        }
        files.sort();
        files.dedup();
        self.files = files;
        result.map_err(Failure::Diagnosed)
    }

    /// The worker that runs, if it can go on with what the project says now: where the folders of
    /// its objects may change, or what its code means, there has to be a new one.
    fn replaceable(&self, project: &Project) -> Option<Arc<Worker>> {
        let before = &self.running.as_ref()?.project;
        let stays = before.name == project.name
            && before.lifecycle == project.lifecycle
            && before.compatibility_date == project.compatibility_date
            && before.compatibility_flags == project.compatibility_flags;
        stays.then(|| self.current.running()).flatten()
    }

    /// Has the shards begin that are to run what is about to be bundled.
    fn begin_shards(&self, project: &Project) -> Vec<Waiting> {
        if let Some(worker) = self.replaceable(project) {
            return worker.begin_shards();
        }
        let (date, flags) = (&project.compatibility_date, &project.compatibility_flags);
        let Ok((compatibility, _)) = Compatibility::of_project(date.as_deref(), flags) else {
            // Starting the worker says why.
            return Vec::new();
        };
        crate::commands::begin_shards(
            self.args.shard_count(),
            self.args.limits.limits().heap_bytes,
            &compatibility,
            self.inspector.is_some(),
        )
    }

    /// Puts the code to work: in the worker that runs, or in a new one.
    async fn start(
        &mut self,
        project: &Project,
        bundle: &Arc<Bundle>,
        waiting: Vec<Waiting>,
    ) -> Result<(), Failure> {
        if let Some(worker) = self.replaceable(project) {
            let code = self.code(project, bundle, &*self.state.process()?);
            let replaced = worker.replace_by(waiting, code, DRAIN).await;
            return replaced
                .map(drop)
                .map_err(|error| Failure::from(start_problem(project, bundle, error)));
        }
        if let Some(before) = self.current.take() {
            let alone = self.state.alone().await;
            before.stop().await;
            drop(alone);
        }
        let failure = match self.try_start(project, bundle, waiting).await {
            Ok(worker) => {
                self.current.put(Some(worker));
                return Ok(());
            }
            Err(failure) => failure,
        };
        if let Some(running) = &self.running {
            let (project, bundle) = (&running.project, &running.bundle);
            let again = self.try_start(project, bundle, Vec::new()).await;
            self.current.put(again.ok());
        } else {
            self.current.put(None);
        }
        Err(failure)
    }

    async fn try_start(
        &self,
        project: &Project,
        bundle: &Arc<Bundle>,
        waiting: Vec<Waiting>,
    ) -> Result<Arc<Worker>, Failure> {
        let compatibility = self.compatibility(project)?;
        let process = self.state.process()?;
        self.state.apply(project)?;
        let code = self.code(project, bundle, &process);
        let config = Config {
            waiting,
            bundle: code.bundle,
            shards: self.args.shard_count(),
            first_alone: false,
            process,
            name: project.name.clone(),
            storage: crate::commands::storage_options(self.args.durability, self.args.kv_limits),
            evict: crate::commands::eviction(self.args.evict),
            limits: self.args.limits.limits(),
            compatibility,
            vars: code.vars,
            bindings: code.bindings,
            front: code.front,
            unique_key: code.unique_key,
            logger: self.logger.clone(),
            is_watched: true,
            clock: Arc::new(SystemClock),
            random: Random::from_system(),
            inspector: self.inspector.clone(),
            testing: None,
        };
        let started = Worker::start(config).await;
        let worker = started.map_err(|error| start_problem(project, bundle, error))?;
        let worker = Arc::new(worker);
        crate::worn::replace_worn(&worker);
        Ok(worker)
    }

    fn code(&self, project: &Project, bundle: &Arc<Bundle>, process: &Process) -> Code {
        let name = project.name.clone();
        let folders = self.state.classes(&name);
        let folder = |worker: &str, class: &str| self.state.folder(worker, class);
        Code {
            bundle: bundle.clone(),
            vars: vars(project),
            bindings: bindings(project, process, &folder),
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
        let (compatibility, missing) = meant.map_err(|error| {
            let file = project.file.display();
            Problem::does_not_load(error.to_string()).help(format!(
                "`compatibility_date` and `compatibility_flags` are in `{file}`"
            ))
        })?;
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

/// The files of rules that the project's static files have, or could have.
fn rule_files(project: &Project) -> impl Iterator<Item = PathBuf> + use<'_> {
    project.assets.iter().flat_map(Assets::rule_files)
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
    let date = project.compatibility_date.as_deref();
    // What is wrong with the date or the flags is told when the project is served.
    if let Ok((compatibility, _)) = Compatibility::of_project(date, &project.compatibility_flags) {
        options.node =
            compatibility.is_on("nodejs_compat") && compatibility.is_on("nodejs_compat_v2");
    }
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
