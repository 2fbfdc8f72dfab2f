//! `stead test`: runs the tests of files, several at once, each with objects and storage of its own.
//!
//! Tests are written with vitest's `describe` and `it`, or are exported objects with a
//! `test(controller, env, ctx)` method, the form that workerd runs:
//! <https://github.com/cloudflare/workerd>.

mod coverage;
mod file;
mod machine;
mod print;
mod report;
mod vitest_config;
mod watch;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use deno_core::futures::StreamExt;
use deno_core::futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use crate::cli::args::Reporter;
use crate::cli::args::TestArgs;
use crate::cli::exit::ExitCode;
use crate::cli::inspect_args::Address;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Random;
use crate::inspector::Inspector;
use crate::testing::events::State;
use coverage::Coverage;
use report::FileReport;

/// Where `--coverage` writes what other tools read.
const COVERAGE: &str = "coverage";

/// Runs all tests below the given paths.
pub async fn run(args: TestArgs) -> Result<ExitCode, Problem> {
    let style = Style::of(&io::stdout());
    // A mistake on the command line is none of a file's.
    super::compatibility(&args.compatibility)?;
    let seed = match args.seed {
        Some(seed) => seed,
        // Short enough to be typed again.
        None => Random::from_system().below(1 << 32),
    };
    let inspector = start_inspector(&args).await?;
    if !args.watch {
        let files = find(&args)?;
        return Ok(run_files(&args, files, seed, style, inspector).await?.exit);
    }
    let mut changed = None;
    // Each test file that has run, with the files that it was made of.
    let mut watched = BTreeMap::new();
    loop {
        let files = find(&args)?;
        let again = |file: &PathBuf| {
            changed
                .as_ref()
                .is_none_or(|set: &Vec<PathBuf>| set.contains(file))
        };
        let files = files.into_iter().filter(again).collect();
        // What is saved while they run counts as changed.
        let mut seen = watch::look(&watched);
        match run_files(&args, files, seed, style, inspector.clone()).await {
            Ok(outcome) => watch::note(&mut watched, outcome.watched, &args.paths),
            Err(problem) => say(&problem.text(style)),
        }
        watched.retain(|test, _| test.exists());
        for (file, time) in watch::look(&watched) {
            seen.entry(file).or_insert(time);
        }
        say(&style.dim("waiting for changes; Ctrl-C ends\n"));
        changed = Some(watch::changed(&args.paths, &watched, &seen).await);
    }
}

/// Where debuggers attach, if they are asked for: to one file, so that it is plain which.
async fn start_inspector(args: &TestArgs) -> Result<Option<Arc<Inspector>>, Problem> {
    if !args.inspect.is_on() {
        return Ok(None);
    }
    let files = find(args)?.len();
    if files > 1 {
        let what = format!("a debugger attaches to one test file, and there are {files}");
        return Err(Problem::new(ExitCode::Usage, what)
            .help("name the file: `stead test --inspect-brk rooms.test.ts`"));
    }
    let inspector = Inspector::start(&args.inspect, &Address::default()).await?;
    if let Some(inspector) = inspector
        .as_ref()
        .filter(|_| args.inspect.inspect.is_some())
    {
        let address = inspector.address();
        let note = format!("debuggers attach to http://{address}: open chrome://inspect\n");
        drop(io::stderr().write_all(note.as_bytes()));
    }
    Ok(inspector)
}

/// What a run came to.
struct Outcome {
    exit: ExitCode,
    /// Each test file, with the files that it was made of; none for one that did not load.
    watched: Vec<(PathBuf, Option<Vec<PathBuf>>)>,
}

async fn run_files(
    args: &TestArgs,
    files: Vec<PathBuf>,
    seed: u64,
    style: Style,
    inspector: Option<Arc<Inspector>>,
) -> Result<Outcome, Problem> {
    let begun = Instant::now();
    tell_unheeded(&files);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let room = Arc::new(Semaphore::new(cores));
    let mut running = FuturesUnordered::new();
    let total = files.len();
    for file in files {
        let (args, room, inspector) = (args.clone(), room.clone(), inspector.clone());
        running.push(tokio::spawn(async move {
            let permit = room.acquire().await;
            let ran = run_file(&args, &file, seed, style, inspector.as_ref()).await;
            drop(permit);
            (file, ran)
        }));
    }
    let mut progress = Progress::new(args, total);
    let mut reports = Vec::new();
    let mut watched = Vec::new();
    while let Some(ran) = running.next().await {
        let (file, (report, modules)) =
            ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        progress.clear();
        match args.reporter() {
            Reporter::Spec => say(&print::spec(&report, args.pattern.is_some(), style)),
            Reporter::Dot => say(&print::dots(&report, style)),
            Reporter::Json | Reporter::Junit => {}
        }
        let is_known = report.problem.is_none();
        watched.push((file, is_known.then_some(modules)));
        let failed = report.failures() > 0;
        reports.push(report);
        if failed && args.bail {
            // The others are dropped with their worker's threads when the process ends.
            running.clear();
            break;
        }
        progress.show(&reports);
    }
    progress.clear();
    reports.sort_by(|a, b| a.path.cmp(&b.path));
    let exit = summarize(args, &reports, begun, style)?;
    if args.coverage {
        cover(args, &reports, style)?;
    }
    Ok(Outcome { exit, watched })
}

/// Names the settings of the files' configurations of which nothing comes.
fn tell_unheeded(files: &[PathBuf]) {
    let configs: BTreeSet<PathBuf> = files
        .iter()
        .filter_map(|file| vitest_config::find(file))
        .collect();
    for config in configs {
        let unheeded = vitest_config::read(&config).unheeded;
        if !unheeded.is_empty() {
            let names: Vec<&str> = unheeded.iter().map(String::as_str).collect();
            let (file, names) = (config.display(), names.join("`, `"));
            let note = format!("note: of `{file}`, `stead test` does not heed `{names}`\n");
            drop(io::stderr().write_all(note.as_bytes()));
        }
    }
}

/// Runs one file, or runs it under several orders until one fails.
async fn run_file(
    args: &TestArgs,
    file: &Path,
    seed: u64,
    style: Style,
    inspector: Option<&Arc<Inspector>>,
) -> (FileReport, Vec<PathBuf>) {
    let runs = u64::from(args.fuzz_schedule.unwrap_or(1));
    let mut ran = file::run(args, file, seed, style, inspector).await;
    for run in 1..runs {
        if ran.0.failures() > 0 {
            break;
        }
        ran = file::run(args, file, seed.wrapping_add(run), style, inspector).await;
    }
    ran
}

/// Prints which code was reached, and writes it for other tools.
fn cover(args: &TestArgs, reports: &[FileReport], style: Style) -> Result<(), Problem> {
    let mut all = Coverage::default();
    for report in reports {
        all.merge(&report.coverage);
    }
    if matches!(args.reporter(), Reporter::Spec | Reporter::Dot) {
        say(&all.table(style));
    }
    let folder = Path::new(COVERAGE);
    all.write(folder)
        .map_err(|error| Problem::file(folder, &error))
}

/// Prints what the run came to.
fn summarize(
    args: &TestArgs,
    reports: &[FileReport],
    begun: Instant,
    style: Style,
) -> Result<ExitCode, Problem> {
    let count = |state: State| {
        reports
            .iter()
            .map(|report| report.count(state))
            .sum::<usize>()
    };
    let (passed, skipped, todo) = (count(State::Pass), count(State::Skip), count(State::Todo));
    let failed: usize = reports.iter().map(FileReport::failures).sum();
    match args.reporter() {
        Reporter::Json => say(&machine::json(reports)),
        Reporter::Junit => say(&machine::junit(reports)),
        Reporter::Spec | Reporter::Dot => {
            let mut total = format!("{passed} passed, {failed} failed");
            // With a pattern, what it leaves out is meant.
            if skipped > 0 && args.pattern.is_none() {
                total += &format!(", {skipped} skipped");
            }
            if todo > 0 {
                total += &format!(", {todo} todo");
            }
            let paint = if failed > 0 { Style::red } else { Style::green };
            let elapsed = begun.elapsed().as_secs_f64();
            say(&format!("\n{}  {elapsed:.2} s\n", paint(style, &total)));
            say(&print::snapshots(reports, args.update, style));
        }
    }
    if passed + failed + todo == 0 && (skipped == 0 || args.pattern.is_some()) {
        let (what, help) = match &args.pattern {
            Some(pattern) => (
                format!("no test's name matches `{pattern}`"),
                "the pattern is a regular expression for the name with those of its suites: `suite > test`",
            ),
            None => (
                "the files have no tests".to_owned(),
                "a test is `test(\"name\", () => …)` with `test` from \"vitest\" or \"stead:test\", or an exported object with a test() method",
            ),
        };
        return Err(Problem::does_not_load(what).help(help));
    }
    if failed == 0 {
        return Ok(ExitCode::Ok);
    }
    if matches!(args.reporter(), Reporter::Spec | Reporter::Dot) {
        let mut seeds: Vec<u64> = reports
            .iter()
            .filter(|report| report.failures() > 0)
            .map(|report| report.seed)
            .collect();
        seeds.dedup();
        for seed in seeds {
            let fuzz = if args.fuzz_schedule.is_some() {
                " --fuzz-schedule 1"
            } else {
                ""
            };
            say(&style.dim(&format!("the same run again: --seed {seed}{fuzz}\n")));
        }
    }
    Ok(ExitCode::UserCodeFailed)
}

fn find(args: &TestArgs) -> Result<Vec<PathBuf>, Problem> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &is_test_file, &mut files)?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let help = "a test file's name ends in .test.ts or .spec.ts";
        return Err(Problem::does_not_load("no test files found").help(help));
    }
    Ok(files)
}

/// Finds files by their names: a file as it is named, a folder searched.
fn collect(
    path: &Path,
    is_wanted: &dyn Fn(&str) -> bool,
    files: &mut Vec<PathBuf>,
) -> Result<(), Problem> {
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
                collect(&path, is_wanted, files)?;
            }
        } else if is_wanted(&name) {
            files.push(path);
        }
    }
    Ok(())
}

/// How the names of modules end.
const EXTENSIONS: [&str; 6] = ["ts", "tsx", "mts", "js", "jsx", "mjs"];

fn is_test_file(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    EXTENSIONS.contains(&extension) && (stem.ends_with(".test") || stem.ends_with(".spec"))
}

/// A line on the terminal that says how far the run is.
struct Progress {
    total: usize,
    shown: bool,
    wanted: bool,
}

impl Progress {
    fn new(args: &TestArgs, total: usize) -> Progress {
        let for_people = matches!(args.reporter(), Reporter::Spec | Reporter::Dot);
        Progress {
            total,
            shown: false,
            wanted: for_people && total > 1 && io::stdout().is_terminal(),
        }
    }

    fn show(&mut self, reports: &[FileReport]) {
        if self.wanted && reports.len() < self.total {
            let tests: usize = reports.iter().map(|report| report.tests.len()).sum();
            say(&format!(
                "{} of {} files, {tests} tests",
                reports.len(),
                self.total
            ));
            drop(io::stdout().flush());
            self.shown = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            say("\r\x1b[2K");
        }
    }
}

/// Prints; a closed pipe is the reader's wish.
fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}
