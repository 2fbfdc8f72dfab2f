//! The commands of the command line.

pub mod call;
pub mod check;
pub mod doctor;
pub mod init;
pub mod run;
pub mod stored;
pub mod test;
pub mod types;
pub mod wrangler;

use std::io::Write;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stead_storage::JournalOptions;
use stead_storage::KvLimits;
use stead_storage::LocalJournal;
use stead_storage::Options;
use stead_storage::StateDir;
use stead_storage::StorageError;

use crate::bindings::Bindings;
use crate::blank::Settings;
use crate::blank::Waiting;
use crate::bundle::Bundle;
use crate::bundle::BundleOptions;
use crate::cli::args::Durability;
use crate::cli::args::Evict;
use crate::cli::args::HistoryArgs;
use crate::cli::args::Limits;
use crate::cli::args::WorkerArgs;
use crate::cli::compatibility_args::CompatibilityArgs;
use crate::cli::exit::ExitCode;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::project_args::ProjectArgs;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::Random;
use crate::clock::SystemClock;
use crate::compatibility::Compatibility;
use crate::compatibility::CompatibilityError;
use crate::config::Project;
use crate::diagnostic::Diagnostic;
use crate::exports::ExportsError;
use crate::front::Front;
use crate::inspector::Inspector;
use crate::process::Process;
use crate::shard::StartError;
use crate::shared::Code;
use crate::worker::Config;
use crate::worker::Worker;

/// The number of shards: as many as were asked for, else one per core.
pub fn shard_count(asked: Option<NonZeroU16>) -> usize {
    match asked {
        Some(count) => usize::from(count.get()),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Bundles a file, or says with code frames why it does not load.
fn load_with(file: &Path, options: &BundleOptions, style: Style) -> Result<Arc<Bundle>, Problem> {
    if let Err(error) = std::fs::metadata(file) {
        return Err(Problem::file(file, &error));
    }
    match crate::bundle::bundle(file, options) {
        Ok(bundle) => Ok(Arc::new(bundle)),
        Err(diagnostics) => Err(diagnosed(&diagnostics, style)),
    }
}

/// The project that a command is about.
fn load_project(args: &ProjectArgs) -> Result<Project, Problem> {
    let file =
        crate::config::find(&args.path).ok_or_else(|| Problem::no_configuration(&args.path))?;
    let style = Style::of(&std::io::stderr());
    let project = crate::config::load(&file, args.env.as_deref());
    let project = project.map_err(|found| diagnosed(&found, style))?;
    for warning in &project.warnings {
        drop(writeln!(
            std::io::stderr(),
            "{}",
            warning.render(style.colors)
        ));
    }
    Ok(project)
}

/// Prints; a closed pipe is the reader's wish.
fn say(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Diagnostics as one problem.
pub fn diagnosed(diagnostics: &[Diagnostic], style: Style) -> Problem {
    let texts: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render(style.colors))
        .collect();
    let what = diagnostics
        .first()
        .map_or("", |diagnostic| diagnostic.message.as_str());
    let mut problem = Problem::does_not_load(what).rendered(texts.join("\n"));
    if let Some(location) = diagnostics.first().and_then(|d| d.location.as_ref()) {
        let place = format!(
            "{}:{}:{}",
            location.file.display(),
            location.line,
            location.column
        );
        problem = problem.at(place);
    }
    problem
}

/// Opens the state directory and puts right what a crash left.
pub fn open_state(
    path: &Path,
    options: JournalOptions,
    logger: &Logger,
) -> Result<(StateDir, LocalJournal), Problem> {
    let state = StateDir::open(path).map_err(|error| state_problem(path, &error))?;
    let started = state.start(options);
    let (journal, recovery) = started.map_err(|error| state_problem(path, &error))?;
    for (file, error) in &recovery.failed {
        logger.error(
            None,
            format!("{} could not be recovered: {error}", file.display()),
        );
    }
    if let Some((file, bytes)) = &recovery.torn {
        logger.note(format!(
            "{}: the last {bytes} bytes were being written when the last process ended; nobody was told of them",
            file.display()
        ));
    }
    if recovery.objects > 0 {
        let plural = if recovery.objects == 1 { "" } else { "s" };
        logger.note(format!(
            "the last process did not stop cleanly: recovered {} object{plural}",
            recovery.objects
        ));
    }
    Ok((state, journal))
}

/// What the command line says of the journal.
pub fn journal_options(
    history: &HistoryArgs,
    durability: Durability,
    clock: Arc<dyn Clock>,
    logger: &Logger,
) -> JournalOptions {
    let logger = logger.clone();
    JournalOptions {
        retention: history.retention(),
        is_relaxed: durability == Durability::Relaxed,
        report: Arc::new(move |text| logger.error(None, text)),
        ..JournalOptions::new(Arc::new(move || clock.now_ms()))
    }
}

fn state_problem(path: &Path, error: &StorageError) -> Problem {
    match error {
        StorageError::InUse { pid, .. } => Problem::state_in_use(path, *pid),
        StorageError::NotWritable { source, .. } => Problem::state_not_writable(path, source),
        error => Problem::new(ExitCode::StateDirectory, error.to_string()),
    }
}

/// When idle objects leave memory, as a command line says.
pub fn eviction(evict: Evict) -> crate::eviction::Evict {
    match evict {
        Evict::Aggressive => crate::eviction::Evict::Aggressive,
        Evict::Prod => crate::eviction::Evict::Prod,
        Evict::Never => crate::eviction::Evict::Never,
    }
}

/// How objects are opened for a durability and limits.
pub fn storage_options(durability: Durability, limits: Limits) -> Options {
    let durability = match durability {
        Durability::Strict => stead_storage::Durability::Strict,
        Durability::Relaxed => stead_storage::Durability::Relaxed,
    };
    let limits = match limits {
        Limits::Platform => KvLimits::Platform,
        Limits::Workerd => KvLimits::Local,
    };
    Options { durability, limits }
}

/// What the date and the flags of a command line mean.
fn compatibility(args: &CompatibilityArgs) -> Result<Compatibility, Problem> {
    let problem = |error: CompatibilityError| Problem::new(ExitCode::Usage, error.to_string());
    args.compatibility().map_err(problem)
}

/// An old date does not bring everything back.
fn note_deviations(compatibility: &Compatibility, logger: &Logger) {
    let deviations = compatibility.deviations();
    if !deviations.is_empty() {
        logger.note(format!(
            "compatibility date {}: Stead behaves as for newer dates in what concerns {}",
            compatibility.date(),
            deviations.join(", ")
        ));
    }
}

/// Has shards begin before there is anything for them to run.
pub fn begin_shards(
    count: usize,
    heap_bytes: usize,
    compatibility: &Compatibility,
    is_debugged: bool,
) -> Vec<Waiting> {
    let settings = Settings {
        heap_bytes,
        flags: compatibility.flags().clone(),
        clock: Arc::new(SystemClock),
        inspector: is_debugged,
        seed: None,
    };
    Waiting::begin_all(count, &settings)
}

/// Starts the worker of a command line.
async fn start(
    args: &WorkerArgs,
    shards: usize,
    logger: &Logger,
    style: Style,
    is_https: bool,
    inspector: Option<Arc<Inspector>>,
) -> Result<Worker, Problem> {
    let vars = crate::cli::env_file::load(&args.env_files, &args.vars)?;
    let compatibility = compatibility(&args.compatibility)?;
    note_deviations(&compatibility, logger);
    let is_debugged = inspector.is_some();
    let heap_bytes = args.limits.limits().heap_bytes;
    let waiting = begin_shards(1, heap_bytes, &compatibility, is_debugged);
    let options = BundleOptions {
        verbatim: is_debugged,
        ..BundleOptions::default()
    };
    let bundle = load_with(&args.file, &options, style)?;
    let journal = journal_options(
        &args.history,
        args.durability,
        Arc::new(SystemClock),
        logger,
    );
    let (state, journal) = open_state(&args.state_dir(), journal, logger)?;
    let keys = args.clone();
    let config = Config {
        waiting,
        bundle: bundle.clone(),
        shards,
        first_alone: !is_debugged,
        process: Process::new(state, journal),
        name: crate::cli::args::stem(&args.file),
        vars: vars
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        bindings: Bindings::default(),
        front: front(is_https),
        storage: storage_options(args.durability, args.kv_limits),
        limits: args.limits.limits(),
        evict: eviction(args.evict),
        compatibility,
        unique_key: Box::new(move |class| keys.unique_key(class)),
        logger: logger.clone(),
        is_watched: false,
        clock: Arc::new(SystemClock),
        random: Random::from_system(),
        inspector,
        testing: None,
    };
    let started = Worker::start(config).await;
    started.map_err(|error| start_problem(&bundle, &args.file, error, style))
}

/// What a server of one file has in front of its worker.
fn front(is_https: bool) -> Arc<Front> {
    Arc::new(Front {
        is_https,
        ..Front::default()
    })
}

/// Puts what the file holds now in the place of what runs.
async fn reload(
    args: &WorkerArgs,
    is_https: bool,
    worker: &Worker,
    drain: Duration,
    logger: &Logger,
) -> Result<(), Problem> {
    let style = Style::PLAIN;
    let vars = crate::cli::env_file::load(&args.env_files, &args.vars)?;
    let file = args.file.clone();
    let options = BundleOptions {
        verbatim: worker.may_be_debugged(),
        ..BundleOptions::default()
    };
    let loaded = tokio::task::spawn_blocking(move || load_with(&file, &options, style)).await;
    let bundle = loaded.map_err(|error| Problem::internal(error.to_string()))??;
    let keys = args.clone();
    let code = Code {
        bundle: bundle.clone(),
        vars: vars
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        bindings: Bindings::default(),
        front: front(is_https),
        unique_key: Box::new(move |class| keys.unique_key(class)),
    };
    let replaced = worker.replace(code, drain).await;
    let replaced = replaced.map_err(|error| start_problem(&bundle, &args.file, error, style))?;
    let logger = logger.clone();
    tokio::spawn(async move {
        replaced.ended().await;
        logger.note("what the old code was running has ended");
    });
    Ok(())
}

/// Why a worker did not start, for its author.
pub fn start_problem(bundle: &Bundle, file: &Path, error: StartError, style: Style) -> Problem {
    match error {
        StartError::Module(error) => {
            let what = error.lines().next().unwrap_or_default().to_owned();
            let text = format!("{} {error}", style.red("error:"));
            Problem::does_not_load(what).rendered(text)
        }
        StartError::Exports(ExportsError::Nothing) => Problem::nothing_to_serve(file),
        StartError::Exports(ExportsError::NotExported { missing, exported }) => {
            Problem::not_exported(file, &missing, &exported)
        }
        StartError::Exports(ExportsError::NoExtends(class)) => {
            let problem = Problem::class_without_extends(&class);
            let source = std::fs::read_to_string(&bundle.entry).unwrap_or_default();
            match crate::bundle::locate_export(&bundle.entry, &source, &class) {
                None => problem,
                Some(location) => {
                    let mut diagnostic = Diagnostic::new(problem.what.clone());
                    if let Some(help) = &problem.help {
                        diagnostic = diagnostic.with_help(help.clone());
                    }
                    diagnosed(&[diagnostic.at(location, &source)], style)
                }
            }
        }
    }
}
