//! What may be asked of the commands that look after a project: `init`, `types`, `check`, `doctor`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Make a new project in a folder
#[derive(Clone, Debug, Args)]
#[command(after_help = INIT_EXAMPLES)]
pub struct InitArgs {
    /// What to begin with
    #[arg(value_name = "TEMPLATE", value_enum)]
    pub template: Template,

    /// The folder; it is made if it is not there, and its name becomes the worker's [default: the template's name]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

const INIT_EXAMPLES: &str = "\
Examples:
  stead init counter
  stead init chat my-chat && cd my-chat && stead dev";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// One number per name: the smallest object there is
    Counter,
    /// Rooms with history over WebSockets, and a page
    Chat,
    /// Tasks that are done when they are due: SQL, alarms, a cron trigger
    Scheduler,
    /// A JSON API with a database for each user
    Api,
}

/// Write the TypeScript types of `env` into worker-configuration.d.ts
#[derive(Clone, Debug, Args)]
#[command(after_help = TYPES_EXAMPLES)]
pub struct TypesArgs {
    #[command(flatten)]
    pub project: ProjectArgs,

    /// Another worker that bindings lead to: its configuration file or folder; may be repeated
    ///
    /// Bindings of its objects and entrypoints get their types from its code.
    #[arg(long = "with", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub others: Vec<PathBuf>,

    /// Write nothing; fail if the file is not up to date
    #[arg(long)]
    pub check: bool,
}

/// Read the configuration, bundle the code, and check its types if the project has TypeScript installed
#[derive(Clone, Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Look at the machine, the project, its state and the port, and say what to do
///
/// Fails if something does not work; what only may surprise is a note.
#[derive(Clone, Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub project: ProjectArgs,

    /// The state directory, if it is not the project's own, as of a server of one file
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// The port, if it is not the one of the configuration
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

const TYPES_EXAMPLES: &str = "\
Examples:
  stead types
  stead types --with ../users                     bindings of the worker in ../users get its types
  stead types --check                             for CI: fails if the file is not up to date";

const CHECK_EXAMPLES: &str = "\
Examples:
  stead check
  stead check --env staging gateway/";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  stead doctor
  stead doctor gateway/
  stead doctor --state /var/lib/chat --port 3000  a server of one file
  stead doctor --json | jq '.[] | select(.level == \"wrong\")'";

/// Which project.
#[derive(Clone, Debug, Args)]
pub struct ProjectArgs {
    /// A folder with a configuration file, or the file itself
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,

    /// The environment to use: `env.NAME` of the configuration
    #[arg(short, long, value_name = "NAME")]
    pub env: Option<String>,
}
