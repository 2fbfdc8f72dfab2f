//! What may be asked of `stead dev`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::args::{
    Durability, Evict, HistoryArgs, Limits, LogArgs, Variable, parse_shards, parse_variable,
};
use super::https_args::HttpsArgs;
use super::inspect_args::InspectArgs;
use super::limit_args::LimitArgs;

/// Serve a Workers project and reload it on every change
///
/// Reads wrangler.json, wrangler.jsonc or wrangler.toml as they are. With several projects, the first one answers the
/// requests, and the others are reached by its bindings.
#[derive(Clone, Debug, Args)]
#[command(after_help = DEV_EXAMPLES)]
pub struct DevArgs {
    /// Folders with a configuration file, or the files themselves [default: .]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// A configuration file, as for wrangler; may be repeated, and comes before PATHs
    #[arg(short, long = "config", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub configs: Vec<PathBuf>,

    /// The environment to use: `env.NAME` of the configuration, and `.dev.vars.NAME`
    #[arg(short, long, value_name = "NAME")]
    pub env: Option<String>,

    /// Port to listen on; 0 takes a free one [default: `dev.port` of the configuration, else 8787]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Address to listen on [default: `dev.ip` of the configuration, else 127.0.0.1]
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,

    /// Where objects are stored [default: .stead/state beside the configuration]
    ///
    /// A project's `.wrangler/state/v3/do` has the same form: name it to go on with what wrangler stored. Several workers
    /// share one, beside the first configuration if you do not say.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// Set one variable of `env`; may be repeated, wins over the configuration
    #[arg(long = "var", value_name = "K=V", value_parser = parse_variable)]
    pub vars: Vec<Variable>,

    /// Threads that run objects, for each worker [default: the number of cores, shared among the workers]
    #[arg(long, value_name = "N", value_parser = parse_shards)]
    pub shards: Option<NonZeroU16>,

    /// When a write counts as done
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Durability::Strict)]
    pub durability: Durability,

    /// How large keys and values may be, and how many one call may name
    #[arg(long = "limits", value_enum, value_name = "WHOSE", default_value_t = Limits::Platform)]
    pub kv_limits: Limits,

    /// When objects that have nothing to do leave memory
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Evict::Prod)]
    pub evict: Evict,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub history: HistoryArgs,

    #[command(flatten)]
    pub https: HttpsArgs,

    #[command(flatten)]
    pub inspect: InspectArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

impl DevArgs {
    /// Every project that is to be served, the first one to the world.
    pub fn projects(&self) -> Vec<PathBuf> {
        let all: Vec<PathBuf> = self.configs.iter().chain(&self.paths).cloned().collect();
        match all.is_empty() {
            true => vec![PathBuf::from(".")],
            false => all,
        }
    }

    /// The number of shards of each worker.
    pub fn shard_count(&self) -> usize {
        let of_one = crate::commands::shard_count(self.shards);
        match self.shards {
            Some(_) => of_one,
            None if self.inspect.is_on() => 1,
            None => (of_one / self.projects().len()).max(1),
        }
    }
}

const DEV_EXAMPLES: &str = "\
Examples:
  stead dev
  stead dev --env staging --port 3000
  stead dev --state .wrangler/state/v3/do         go on with what wrangler stored
  stead dev gateway/ users/                       two workers in one process
  stead dev -c gateway/wrangler.jsonc -c users/wrangler.jsonc";
