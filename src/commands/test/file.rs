//! Running the tests of one file: a worker of its own, with a state directory of its own.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::report::FileReport;
use super::vitest_config;
use super::vitest_config::VitestConfig;
use crate::bundle::Bundle;
use crate::bundle::BundleOptions;
use crate::bundle::VITEST;
use crate::cli::args::Durability;
use crate::cli::args::LogFormat;
use crate::cli::args::TestArgs;
use crate::cli::compatibility_args::CompatibilityArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::Random;
use crate::clock::SystemClock;
use crate::compatibility::Compatibility;
use crate::compatibility::NEWEST_DATE;
use crate::config::Project;
use crate::dev::bindings;
use crate::dev::session::assets;
use crate::dev::session::bundle_options;
use crate::dev::session::vars;
use crate::front::Front;
use crate::inspector::Inspector;
use crate::process::Process;
use crate::shard::StartError;
use crate::testing::TestOptions;
use crate::testing::Testing;
use crate::testing::UpdateSnapshots;
use crate::virtual_time::VirtualTime;
use crate::worker::Config;
use crate::worker::Worker;

/// Room that a file system in memory must have before the tests' state goes there, in bytes.
const MEMORY_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// What Vite says of itself, as the platform's plugin has it.
const META_ENV: &str =
    r#"import.meta.env = { BASE_URL: "/", DEV: true, MODE: "test", PROD: false, SSR: true }; "#;

/// Runs a file; what keeps it from running is in the report. The files that it was made of come
/// along, for whoever watches them.
pub async fn run(
    args: &TestArgs,
    file: &Path,
    seed: u64,
    style: Style,
    inspector: Option<&Arc<Inspector>>,
) -> (FileReport, Vec<PathBuf>) {
    let begun = Instant::now();
    let mut report = FileReport::new(file.to_owned(), seed);
    let mut modules = vec![file.to_owned()];
    let path = file.to_owned();
    let verbatim = inspector.is_some();
    let loaded = tokio::task::spawn_blocking(move || load(&path, verbatim, style)).await;
    let loaded = loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let result = match loaded {
        Ok(loaded) => {
            modules.clone_from(&loaded.bundle.modules);
            let projects = loaded.project.iter();
            modules.extend(projects.flat_map(|project| project.files.clone()));
            run_loaded(args, file, loaded, style, inspector.cloned(), &mut report).await
        }
        Err(problem) => Err(problem),
    };
    if let Err(problem) = result {
        report.problem = Some(problem.text(style));
    }
    report.duration = begun.elapsed();
    (report, modules)
}

/// A test file with all that it needs.
struct Loaded {
    project: Option<Project>,
    bundle: Arc<Bundle>,
    vitest: VitestConfig,
}

/// Bundles a test file; in a project, together with its worker. What debuggers show is bundled `verbatim`.
fn load(file: &Path, verbatim: bool, style: Style) -> Result<Loaded, Problem> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let project = crate::config::find(folder.unwrap_or(Path::new(".")))
        .map(|file| crate::config::load(&file, None))
        .transpose()
        .map_err(|found| crate::commands::diagnosed(&found, style))?
        .filter(|project| project.main.is_some());
    let mut options = BundleOptions::default();
    if let Some(project) = &project {
        options = bundle_options(project);
        options.worker.clone_from(&project.main);
    }
    options.verbatim = verbatim;
    let vitest = vitest_config::of(file);
    options.setup.clone_from(&vitest.setup);
    options.prefixes.clone_from(&vitest.alias);
    options.provided.push(VITEST.to_owned());
    let bundle = super::super::load_with(file, &options, style)?;
    let mut bundle = Arc::unwrap_or_clone(bundle);
    // On the first line, so that no other moves.
    bundle.code.insert_str(0, META_ENV);
    Ok(Loaded {
        project,
        bundle: Arc::new(bundle),
        vitest,
    })
}

async fn run_loaded(
    args: &TestArgs,
    file: &Path,
    loaded: Loaded,
    style: Style,
    inspector: Option<Arc<Inspector>>,
    report: &mut FileReport,
) -> Result<(), Problem> {
    let Loaded {
        project,
        bundle,
        vitest,
    } = loaded;
    let stem = crate::cli::args::stem(file);
    let folder = TestFolder::new(args.state.as_deref(), &stem, file)?;
    let shards = args.shards.map_or(1, |shards| usize::from(shards.get()));
    let clock: Arc<dyn Clock> = match args.real_time {
        true => Arc::new(SystemClock),
        false => Arc::new(VirtualTime::new(shards)),
    };
    let owner = project
        .as_ref()
        .map_or(stem.clone(), |project| project.name.clone());
    let (news, mut heard) = mpsc::unbounded_channel();
    let mut provided = vitest.provide;
    provided.extend(args.provide.iter().cloned());
    let options = TestOptions {
        path: file.display().to_string(),
        pattern: args.pattern.clone(),
        bail: args.bail,
        virtual_time: clock.virtual_time().is_some(),
        update_snapshots: update_snapshots(args.update),
        debugged: inspector.is_some(),
        provided: serde_json::Value::Object(provided).to_string(),
        globals: vitest.globals,
        settings: serde_json::Value::Object(vitest.settings).to_string(),
    };
    let mut testing = Testing::new(report.seed, options, news);
    testing.order = args
        .fuzz_schedule
        .map(|_| Random::from_seed(report.seed ^ 1));
    testing.counts = args.coverage;
    testing.crons = project
        .as_ref()
        .map_or(Vec::new(), |project| project.crons.clone());
    testing.keep_failed = args
        .keep_failed
        .then(|| PathBuf::from(".stead/failed").join(&stem));
    // What belongs to no test: the process's own messages.
    let logger = Logger::start(
        Box::new(io::stderr()),
        LogFormat::Text,
        style,
        false,
        Arc::new(|| SystemClock.now_ms().max(0) as u64),
    );
    let journal =
        super::super::journal_options(&args.history, Durability::Strict, clock.clone(), &logger);
    let (state, journal) = super::super::open_state(&folder.path, journal, &logger)?;
    let compatibility = compatibility(&args.compatibility, project.as_ref(), &logger)?;
    let process = Process::new(state, journal);
    let config = Config {
        waiting: Vec::new(),
        bundle: bundle.clone(),
        shards,
        first_alone: false,
        bindings: project
            .as_ref()
            .map(|project| {
                bindings(project, &process, &|worker, class| {
                    format!("{worker}-{class}")
                })
            })
            .unwrap_or_default(),
        process,
        name: owner.clone(),
        storage: super::super::storage_options(Durability::Strict, args.kv_limits),
        evict: super::super::eviction(args.evict),
        limits: args.limits.limits(),
        compatibility,
        vars: project.as_ref().map(vars).unwrap_or_default(),
        front: Arc::new(Front {
            assets: project.as_ref().and_then(assets).map(Arc::new),
            ..Front::default()
        }),
        unique_key: Box::new(move |class| format!("{owner}-{class}")),
        logger: logger.clone(),
        is_watched: false,
        clock,
        // The isolates' own numbers begin with the seed itself.
        random: Random::from_seed(report.seed ^ 2),
        inspector,
        testing: Some(testing),
    };
    let started = Worker::start(config).await;
    let result = match started {
        Ok(worker) => {
            worker.run_tests().await;
            while let Some(news) = heard.recv().await {
                if report.hear(news) {
                    break;
                }
            }
            worker.stop().await;
            report.coverage.add(&bundle, &worker.counted());
            Ok(())
        }
        Err(StartError::Module(text)) => {
            report.fail_to_load(&text);
            Ok(())
        }
        Err(error) => Err(super::super::start_problem(&bundle, file, error, style)),
    };
    logger.flush_and_stop();
    result
}

/// Which snapshots are written. Where nobody looks at what was written, as in continuous integration, none are.
fn update_snapshots(update: bool) -> UpdateSnapshots {
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    match (update, in_ci) {
        (true, _) => UpdateSnapshots::All,
        (false, true) => UpdateSnapshots::None,
        (false, false) => UpdateSnapshots::New,
    }
}

/// What the command line says, on top of what the project says.
fn compatibility(
    args: &CompatibilityArgs,
    project: Option<&Project>,
    logger: &Logger,
) -> Result<Compatibility, Problem> {
    let Some(project) = project else {
        return super::super::compatibility(args);
    };
    let date = match args.compatibility_date.as_str() {
        NEWEST_DATE => project.compatibility_date.as_deref(),
        date => Some(date),
    };
    let mut flags = project.compatibility_flags.clone();
    flags.extend(args.compatibility_flags.iter().cloned());
    let meant = Compatibility::of_project(date, &flags);
    let (compatibility, missing) =
        meant.map_err(|error| Problem::does_not_load(error.to_string()))?;
    if !missing.is_empty() {
        logger.note(format!(
            "compatibility flags that are not implemented in Stead yet: {}",
            missing.join(", ")
        ));
    }
    Ok(compatibility)
}

/// The state directory of one file: kept where it was asked for, else removed.
struct TestFolder {
    path: PathBuf,
    remove: bool,
}

impl TestFolder {
    fn new(kept: Option<&Path>, stem: &str, file: &Path) -> Result<TestFolder, Problem> {
        let (path, remove) = match kept {
            Some(kept) => (kept.join(stem), false),
            None => {
                let number = crc(file);
                let unique = format!("stead-test-{}-{number:08x}-{stem}", std::process::id());
                (temporary_folder().join(unique), true)
            }
        };
        // Every run starts from nothing.
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).map_err(|e| Problem::state_not_writable(&path, &e))?;
        Ok(TestFolder { path, remove })
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if self.remove {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// A number that differs for files of one name in different folders.
fn crc(file: &Path) -> u32 {
    let bytes = file.as_os_str().as_encoded_bytes();
    bytes
        .iter()
        .fold(5381, |hash, byte| hash.wrapping_mul(33) ^ u32::from(*byte))
}

/// Where temporary state goes: into memory if the system has such a folder with room in it, because
/// then a sync costs nothing.
fn temporary_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(stats) if stats.f_bavail * stats.f_frsize >= MEMORY_BYTES_MIN => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}
