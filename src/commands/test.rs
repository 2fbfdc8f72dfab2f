//! `stead test`: runs the tests that files export, each file with objects and
//! storage of its own.
//!
//! A test is an export with a `test(controller, env, ctx)` method, the form that
//! workerd runs too: <https://github.com/cloudflare/workerd>.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::bindings::Bindings;
use crate::cli::args::Durability;
use crate::cli::args::LogFormat;
use crate::cli::args::TestArgs;
use crate::cli::exit::ExitCode;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::Random;
use crate::clock::SystemClock;
use crate::exports::ExportKind;
use crate::testing::Testing;
use crate::virtual_time::VirtualTime;
use crate::worker::Config;
use crate::worker::Worker;

/// How long one test may take before it counts as hanging.
const TEST_MAX: Duration = Duration::from_secs(30);

/// What has been run so far.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs all tests below the given paths.
pub async fn run(args: TestArgs) -> Result<ExitCode, Problem> {
    let style = Style::of(&io::stdout());
    let begun = Instant::now();
    // A mistake on the command line is none of a file's.
    super::compatibility(&args.compatibility)?;
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let help = "a test file's name ends in .test.ts; it exports objects with a test() method";
        return Err(Problem::does_not_load("no test files found").help(help));
    }
    let mut count = Count::default();
    for file in &files {
        run_file(&args, file, style, &mut count).await?;
        if args.bail && count.failed > 0 {
            break;
        }
    }
    if count.passed + count.failed == 0 {
        let what = match &args.pattern {
            Some(pattern) => format!("no test's name contains `{pattern}`"),
            None => "the files export no tests".to_owned(),
        };
        let help = "a test is an exported object with a test() method";
        return Err(Problem::does_not_load(what).help(help));
    }
    let total = format!("{} passed, {} failed", count.passed, count.failed);
    let total = if count.failed > 0 {
        style.red(&total)
    } else {
        style.green(&total)
    };
    say(&format!(
        "\n{total}  {:.2} s\n",
        begun.elapsed().as_secs_f64()
    ));
    Ok(if count.failed > 0 {
        ExitCode::UserCodeFailed
    } else {
        ExitCode::Ok
    })
}

/// Finds the test files: a file as it is named, a folder searched.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| Problem::file(path, &error))?;
    if metadata.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| Problem::file(path, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "node_modules" && name != "target" {
                collect(&path, files)?;
            }
        } else if [".test.ts", ".test.tsx", ".test.js", ".test.mjs"]
            .iter()
            .any(|e| name.ends_with(e))
        {
            files.push(path);
        }
    }
    Ok(())
}

async fn run_file(
    args: &TestArgs,
    file: &Path,
    style: Style,
    count: &mut Count,
) -> Result<(), Problem> {
    say(&format!("{}\n", style.bold(&file.display().to_string())));
    let clock = Arc::new(|| SystemClock.now_ms().max(0) as u64);
    let logger = Logger::start(Box::new(io::stdout()), LogFormat::Text, style, true, clock);
    let result = run_worker(args, file, style, &logger, count).await;
    logger.flush_and_stop();
    if let Err(problem) = result {
        // A file that does not load is a failure of that file alone.
        count.failed += 1;
        say(&problem.text(style));
    }
    Ok(())
}

async fn run_worker(
    args: &TestArgs,
    file: &Path,
    style: Style,
    logger: &Logger,
    count: &mut Count,
) -> Result<(), Problem> {
    let bundle = super::load(file, style)?;
    let stem = crate::cli::args::stem(file);
    let folder = TestFolder::new(args.state.as_deref(), &stem)?;
    let (state, journal) = super::open_state(&folder.path, &args.history, logger)?;
    let shards = super::shard_count(args.shards);
    let seed = 1;
    let config = Config {
        bundle: bundle.clone(),
        shards,
        state,
        journal,
        storage: super::storage_options(Durability::Strict, args.kv_limits),
        limits: args.limits.limits(),
        evict: super::eviction(args.evict),
        compatibility: super::compatibility(&args.compatibility)?,
        vars: BTreeMap::new(),
        bindings: Bindings::default(),
        front: Arc::default(),
        unique_key: Box::new(move |class| format!("{stem}-{class}")),
        logger: logger.clone(),
        clock: match args.real_time {
            true => Arc::new(SystemClock),
            false => Arc::new(VirtualTime::new(shards)),
        },
        random: Random::from_seed(seed),
        testing: Some(Testing { seed }),
    };
    let started = Worker::start(config).await;
    let worker = started.map_err(|e| super::start_problem(&bundle, file, e, style))?;
    let exports = worker.exports();
    let tests = exports
        .iter()
        .filter(|export| export.kind == ExportKind::Test);
    for test in tests {
        if args
            .pattern
            .as_ref()
            .is_some_and(|pattern| !test.name.contains(pattern))
        {
            continue;
        }
        let begun = Instant::now();
        let outcome = tokio::time::timeout(TEST_MAX, worker.test(&test.name)).await;
        let hung = || Err(format!("did not end within {} s", TEST_MAX.as_secs()));
        let outcome = outcome.unwrap_or_else(|_| hung());
        let elapsed = format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
        match outcome {
            Ok(()) => {
                count.passed += 1;
                let line = format!(
                    "  {} {}  {}\n",
                    style.green("ok"),
                    test.name,
                    style.dim(&elapsed)
                );
                say(&line);
            }
            Err(error) => {
                count.failed += 1;
                let error = error.replace('\n', "\n       ");
                say(&format!(
                    "  {} {}\n       {error}\n",
                    style.red("FAILED"),
                    test.name
                ));
                if args.bail {
                    break;
                }
            }
        }
    }
    worker.stop().await;
    Ok(())
}

/// The state directory of one file: kept where it was asked for, else removed.
struct TestFolder {
    path: PathBuf,
    remove: bool,
}

impl TestFolder {
    fn new(kept: Option<&Path>, stem: &str) -> Result<TestFolder, Problem> {
        let (path, remove) = match kept {
            Some(kept) => (kept.join(stem), false),
            None => {
                let unique = format!("stead-test-{}-{stem}", std::process::id());
                (std::env::temp_dir().join(unique), true)
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

/// Prints; a closed pipe is the reader's wish.
fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}
