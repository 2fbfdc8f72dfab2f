//! What the user may ask for on the command line, as data.
//!
//! Every option here has an effect; one that is accepted and ignored is a defect.

use std::io::IsTerminal;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::compatibility_args::CompatibilityArgs;
use super::https_args::HttpsArgs;
use super::inspect_args::InspectArgs;
use super::limit_args::LimitArgs;
use super::stored::{ExportArgs, HistoryCommand, ImportArgs, LsArgs, RestoreArgs, VerifyArgs};

/// Runs Cloudflare Workers and Durable Objects written in TypeScript on your own machine
#[derive(Clone, Debug, Parser)]
#[command(name = "stead", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  stead run chat.ts                               serve one file on http://127.0.0.1:8787
  stead dev                                       serve the project of this folder, reload on change
  stead call chat.ts ChatRoom lobby history       call a method of one object
  stead test                                      run every *.test.ts below this folder
  stead restore chat.ts ChatRoom/lobby --at 10m   take an object back to what it was
  stead run --help                                the options of a command

Exit codes:
  0 ok   1 the worker's code failed   2 usage   3 the worker does not load
  4 cannot listen   5 state directory   70 a defect of stead";

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Run(RunArgs),
    Dev(super::dev_args::DevArgs),
    Init(super::project_args::InitArgs),
    Types(super::project_args::TypesArgs),
    Check(super::project_args::CheckArgs),
    Doctor(super::project_args::DoctorArgs),
    Call(CallArgs),
    Test(TestArgs),
    Ls(LsArgs),
    History(HistoryCommand),
    Restore(RestoreArgs),
    Export(ExportArgs),
    Import(ImportArgs),
    Verify(VerifyArgs),
    Completions(CompletionsArgs),
}

/// Serve one TypeScript file over HTTP and WebSockets
///
/// Every exported class that extends `DurableObject` gets its own durable storage; the default export, if there is one,
/// answers the requests. Ctrl-C finishes the requests that run, closes WebSockets with 1001 and leaves complete files.
#[derive(Clone, Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// Port to listen on; 0 takes a free one, which the banner shows
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    pub port: u16,

    /// Address to listen on; 0.0.0.0 is every interface of this machine
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1", value_hint = ValueHint::Hostname)]
    pub host: String,

    /// Threads that run objects [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = parse_shards)]
    pub shards: Option<NonZeroU16>,

    #[command(flatten)]
    pub worker: WorkerArgs,

    #[command(flatten)]
    pub https: HttpsArgs,

    #[command(flatten)]
    pub inspect: InspectArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

const RUN_EXAMPLES: &str = "\
Examples:
  stead run chat.ts
  stead run chat.ts --port 3000 --host 0.0.0.0
  stead run chat.ts --state /var/lib/chat --shards 4
  stead run chat.ts --env-file .env --var GREETING='good morning'
  stead run chat.ts --log-format json | tee requests.jsonl";

/// Call one method of one object and print its result as JSON
///
/// If a server runs on the same state directory, it makes the call, with its own code and variables; otherwise the object
/// is started here, for this call. What the code logs goes to stderr, so that stdout is the result and nothing else.
#[derive(Clone, Debug, Args)]
#[command(after_help = CALL_EXAMPLES)]
pub struct CallArgs {
    #[command(flatten)]
    pub served: WorkerArgs,

    /// The worker whose class it is, where a server has several
    #[arg(long, value_name = "NAME")]
    pub worker: Option<String>,

    /// For a project that nobody serves, the environment to use: `env.NAME` of its configuration
    #[arg(short, long, value_name = "NAME")]
    pub env: Option<String>,

    /// The object's class, as the file exports it
    #[arg(value_name = "CLASS")]
    pub class: String,

    /// The object's name, as in `idFromName(name)`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The method to call
    #[arg(value_name = "METHOD")]
    pub method: String,

    /// The method's arguments, each one JSON; a string needs its own quotes: '"text"'
    #[arg(value_name = "JSON", value_parser = parse_json, allow_negative_numbers = true)]
    pub arguments: Vec<Json>,
}

const CALL_EXAMPLES: &str = "\
Examples:
  stead call counter.ts Counter a increment
  stead call counter.ts Counter a add 5
  stead call chat.ts ChatRoom lobby post '\"ann\"' '{\"text\":\"hello\"}'
  stead call chat.ts ChatRoom lobby history | jq length
  stead call . Counter a increment                of the project in this folder";

/// Run tests written in TypeScript, each with storage of its own
#[derive(Clone, Debug, Args)]
#[command(after_help = TEST_EXAMPLES)]
pub struct TestArgs {
    /// Test files, and folders that are searched for *.test.ts
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Run only the tests whose name, with those of its suites, matches PATTERN, a regular expression
    #[arg(short = 't', long = "name", value_name = "PATTERN")]
    pub pattern: Option<String>,

    /// Run again whenever a file changes
    #[arg(long)]
    pub watch: bool,

    /// Write snapshots that do not match, and remove those that no test asks for
    #[arg(short, long)]
    pub update: bool,

    /// How results are shown [default: spec on a terminal and for one file, otherwise dot]
    #[arg(long, value_name = "FORM")]
    pub reporter: Option<Reporter>,

    /// Threads that run the objects of each file; tests reach into objects only with 1
    #[arg(long, value_name = "N", value_parser = parse_shards)]
    pub shards: Option<NonZeroU16>,

    /// Fix all random numbers and ids; a run that fails prints its seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Run each file under N orders of the events that are ready, until one fails
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub fuzz_schedule: Option<u32>,

    /// Let time pass as the machine's clock does, instead of moving it whenever nothing is ready to run
    #[arg(long)]
    pub real_time: bool,

    /// Stop at the first test that fails
    #[arg(long)]
    pub bail: bool,

    /// What inject("NAME") gives to tests: JSON, or else text
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_provided)]
    pub provide: Vec<(String, serde_json::Value)>,

    /// Count which lines are reached: a table, coverage/lcov.info and coverage/index.html
    #[arg(long)]
    pub coverage: bool,

    /// Keep the storage of tests that fail below .stead/failed, as state directories
    #[arg(long)]
    pub keep_failed: bool,

    /// When idle objects leave memory
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Evict::Prod)]
    pub evict: Evict,

    /// How large keys and values may be, and how many one call may name
    #[arg(long = "limits", value_enum, value_name = "WHOSE", default_value_t = Limits::Platform)]
    pub kv_limits: Limits,

    /// Keep the tests' storage in DIR instead of a temporary folder that is removed
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    #[command(flatten)]
    pub inspect: InspectArgs,

    #[command(flatten)]
    pub history: HistoryArgs,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub compatibility: CompatibilityArgs,
}

/// How the results of tests are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reporter {
    /// A mark for each test
    Dot,
    /// A line for each test
    Spec,
    /// One JSON object, at the end
    Json,
    /// JUnit's XML, at the end
    Junit,
}

impl TestArgs {
    /// How results are shown.
    pub fn reporter(&self) -> Reporter {
        let is_file = |path: &PathBuf| path.is_file();
        let one_file = self.paths.len() == 1 && self.paths.iter().all(is_file);
        match self.reporter {
            Some(reporter) => reporter,
            None if one_file || std::io::stdout().is_terminal() => Reporter::Spec,
            None => Reporter::Dot,
        }
    }
}

fn parse_provided(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    let json = serde_json::from_str(value);
    Ok((name.to_owned(), json.unwrap_or_else(|_| value.into())))
}

const TEST_EXAMPLES: &str = "\
Examples:
  stead test
  stead test tests/rooms.test.ts -t 'a message reaches everyone'
  stead test --bail --state /tmp/look-at-this";

/// Print the script that completes commands and options in a shell
#[derive(Clone, Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell that will read the script
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  stead completions bash > ~/.local/share/bash-completion/completions/stead
  stead completions zsh > \"${fpath[1]}/_stead\"
  stead completions fish > ~/.config/fish/completions/stead.fish";

/// The worker, where its objects live, and what its code finds in `env`.
#[derive(Clone, Debug, Args)]
pub struct WorkerArgs {
    /// The TypeScript or JavaScript file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Where objects are stored [default: .stead/<FILE's stem> beside FILE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// Read variables for `env` from a .env file; may be repeated, a later file wins
    #[arg(long = "env-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_files: Vec<PathBuf>,

    /// Set one variable of `env`; may be repeated, wins over every file
    #[arg(long = "var", value_name = "K=V", value_parser = parse_variable)]
    pub vars: Vec<Variable>,

    /// Storage folder of a class, also the key of its object ids [default: chat-ChatRoom for ChatRoom in chat.ts]
    ///
    /// Changing it gives the class new, empty objects; setting it to the old key opens what was stored by another tool or
    /// under another file name.
    #[arg(long = "unique-key", value_name = "CLASS=KEY", value_parser = parse_unique_key)]
    pub unique_keys: Vec<UniqueKey>,

    /// When idle objects leave memory
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Evict::Prod)]
    pub evict: Evict,

    /// When a write counts as done
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Durability::Strict)]
    pub durability: Durability,

    /// How large keys and values may be, and how many one call may name
    #[arg(long = "limits", value_enum, value_name = "WHOSE", default_value_t = Limits::Platform)]
    pub kv_limits: Limits,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub history: HistoryArgs,

    #[command(flatten)]
    pub compatibility: CompatibilityArgs,
}

/// How much of the past of objects is kept.
#[derive(Clone, Copy, Debug, Args)]
pub struct HistoryArgs {
    /// How long every state of an object can be brought back, for example 30d, 12h or off
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_history)]
    pub history: Milliseconds,

    /// Bytes of history, at most, for example 10G or 500M; the oldest goes first
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = parse_size)]
    pub history_size: Bytes,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milliseconds(pub i64);

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl HistoryArgs {
    /// The same as storage takes it.
    pub fn retention(self) -> stead_storage::Retention {
        stead_storage::Retention {
            keep_ms: self.history.0,
            bytes_max: self.history_size.0,
        }
    }
}

impl WorkerArgs {
    /// The state directory: `--state`, or a folder in `.stead` beside the file, so that `call` finds it from any folder
    /// and the files of one folder can be served at the same time.
    pub fn state_dir(&self) -> PathBuf {
        match &self.state {
            Some(dir) => dir.clone(),
            None => self
                .file
                .parent()
                .unwrap_or(Path::new(""))
                .join(".stead")
                .join(self.stem()),
        }
    }

    /// The storage folder of `class`: `--unique-key`, or the file's name up to its first dot, a hyphen and the class.
    pub fn unique_key(&self, class: &str) -> String {
        match self.unique_keys.iter().rfind(|given| given.class == class) {
            Some(given) => given.key.clone(),
            None => format!("{}-{class}", self.stem()),
        }
    }

    /// The file's name up to its first dot.
    fn stem(&self) -> String {
        stem(&self.file)
    }
}

/// The name of a worker's file up to its first dot: what its state and its objects' folders are named after.
pub fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.');
    name.split_once('.')
        .map_or(name, |(stem, _)| stem)
        .to_owned()
}

/// What is printed while the server runs.
#[derive(Clone, Copy, Debug, Args)]
pub struct LogArgs {
    /// How the banner, requests and console output are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Print no banner and no requests, only what the code logs and what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people; in colour on a terminal unless NO_COLOR is set
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Evict {
    /// After every event that leaves the object idle: finds code that relies on memory it does not have
    Aggressive,
    /// After ten seconds in which nothing was under way, as on the platform
    Prod,
    /// Only when the process ends
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// Nothing leaves an object before the writes it may depend on are on the disk: also a power failure loses nothing
    Strict,
    /// The operating system has the writes, the disk follows: faster, and a power failure may lose the last moments
    Relaxed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// The hosted platform's: keys of 2048 bytes, key and value of 2 MiB together, 128 keys in one call
    Platform,
    /// workerd's, which has none but SQLite's: key and value of 8 MiB together
    Workerd,
}

impl Durability {
    pub fn name(self) -> &'static str {
        match self {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        }
    }
}

/// `--var NAME=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

/// `--unique-key CLASS=KEY`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    pub class: String,
    pub key: String,
}

/// Text that is known to be one JSON value. It stays text, so that no digit of a number is lost on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn parse_shards(text: &str) -> Result<NonZeroU16, String> {
    text.parse()
        .map_err(|_| "a whole number from 1 to 65535 is needed".to_owned())
}

pub(super) fn parse_variable(text: &str) -> Result<Variable, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("write a name, `=` and a value, for example `{text}=1`"))?;
    super::env_file::check_name(name)?;
    Ok(Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

pub fn parse_unique_key(text: &str) -> Result<UniqueKey, String> {
    match text.split_once('=') {
        Some((class, key)) if !class.is_empty() && is_folder_name(key) => Ok(UniqueKey {
            class: class.to_owned(),
            key: key.to_owned(),
        }),
        Some((class, _)) if !class.is_empty() => Err(
            "the key is the name of a folder: not empty, no `/`, and no dot in front".to_owned(),
        ),
        _ => Err("write a class, `=` and a key, for example `ChatRoom=chat-ChatRoom`".to_owned()),
    }
}

fn is_folder_name(key: &str) -> bool {
    !key.is_empty() && !key.starts_with('.') && !key.contains(['/', '\\', '\0'])
}

fn parse_history(text: &str) -> Result<Milliseconds, String> {
    if text == "off" {
        return Ok(Milliseconds(0));
    }
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let milliseconds = with_unit(text, &units).and_then(|n| i64::try_from(n).ok());
    let milliseconds = milliseconds.filter(|n| (1..i64::MAX / 2).contains(n));
    milliseconds.map(Milliseconds).ok_or_else(|| {
        "a number with d, h, m or s behind it is needed, for example `30d`, or `off`".to_owned()
    })
}

fn parse_size(text: &str) -> Result<Bytes, String> {
    let units = [
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ];
    with_unit(text, &units).map(Bytes).ok_or_else(|| {
        "a number with K, M, G or T behind it is needed, for example `10G`".to_owned()
    })
}

/// A whole number with one of the units behind it.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, size)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*size)
    })
}

fn parse_json(text: &str) -> Result<Json, String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(Json(text.to_owned())),
        Err(error) => Err(format!(
            "not JSON: {error} (a string needs its own quotes: '\"text\"')"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[track_caller]
    fn run(line: &[&str]) -> RunArgs {
        let line = ["stead", "run"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Run(args) => args,
            other => panic!("not run: {other:?}"),
        }
    }

    #[track_caller]
    fn call(line: &[&str]) -> CallArgs {
        let line = ["stead", "call"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Call(args) => args,
            other => panic!("not call: {other:?}"),
        }
    }

    #[track_caller]
    fn check_refused(line: &[&str], expect: &str) {
        let error = Cli::try_parse_from(line).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains(expect), "{text}");
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_file_is_enough_to_run() {
        let args = run(&["chat.ts"]);
        assert_eq!(
            (args.host.as_str(), args.port, args.shards),
            ("127.0.0.1", 8787, None)
        );
        assert_eq!(args.worker.state_dir(), Path::new(".stead/chat"));
        assert_eq!(args.worker.durability, Durability::Strict);
        assert_eq!(args.log.log_format, LogFormat::Text);
    }

    #[test]
    fn the_state_directory_is_beside_the_file() {
        assert_eq!(
            run(&["a/b/chat.ts"]).worker.state_dir(),
            Path::new("a/b/.stead/chat")
        );
        assert_eq!(
            run(&["a/chat.ts", "--state", "/x"]).worker.state_dir(),
            Path::new("/x")
        );
    }

    #[test]
    fn the_storage_folder_is_the_files_stem_and_the_class_unless_given() {
        let args = run(&["a/chat.room.ts", "--unique-key", "Room=kept"]);
        assert_eq!(args.worker.unique_key("Room"), "kept");
        assert_eq!(args.worker.unique_key("User"), "chat-User");
        check_refused(
            &["stead", "run", "a.ts", "--unique-key", "Room=../x"],
            "the name of a folder",
        );
        check_refused(
            &["stead", "run", "a.ts", "--unique-key", "Room"],
            "write a class",
        );
    }

    #[test]
    fn a_variable_may_hold_an_equals_sign_or_nothing() {
        let vars = run(&["a.ts", "--var", "A=b=c", "--var", "B="]).worker.vars;
        let expect = [("A", "b=c"), ("B", "")].map(|(name, value)| Variable {
            name: name.into(),
            value: value.into(),
        });
        assert_eq!(vars, expect);
        check_refused(&["stead", "run", "a.ts", "--var", "A"], "for example `A=1`");
        check_refused(
            &["stead", "run", "a.ts", "--var", "1A=x"],
            "`1A` is not a variable's name",
        );
    }

    #[test]
    fn the_arguments_of_a_call_are_json_and_stay_text() {
        let args = call(&[
            "c.ts",
            "Counter",
            "a",
            "add",
            "-5",
            r#"{"n":1.00}"#,
            "--state",
            "/x",
        ]);
        assert_eq!(
            args.arguments.iter().map(Json::as_str).collect::<Vec<_>>(),
            ["-5", r#"{"n":1.00}"#]
        );
        assert_eq!(args.served.state.as_deref(), Some(Path::new("/x")));
        check_refused(
            &["stead", "call", "c.ts", "Counter", "a", "add", "text"],
            "a string needs its own quotes",
        );
    }

    #[test]
    fn at_least_one_shard_is_needed() {
        check_refused(
            &["stead", "run", "a.ts", "--shards", "0"],
            "a whole number from 1",
        );
        assert_eq!(
            run(&["a.ts", "--shards", "3"]).shards.map(NonZeroU16::get),
            Some(3)
        );
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest_one() {
        check_refused(&["stead", "run", "a.ts", "--prot", "1"], "'--port'");
        check_refused(&["stead", "rum", "a.ts"], "'run'");
    }

    #[test]
    fn every_command_shows_examples_and_documents_every_option() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli
            .get_subcommands()
            .filter(|command| command.get_name() != "help")
        {
            let examples = command.get_after_help().map(|text| text.to_string());
            assert!(examples.is_some_and(|text| text.starts_with("Examples:")));
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} has no help",
                    argument.get_id()
                );
            }
        }
    }
}
