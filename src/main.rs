//! `stead`: runs Cloudflare Workers and Durable Objects on your own machine.

mod accounts;
mod admission;
mod alarms;
mod assets;
mod bindings;
mod blank;
mod bundle;
mod cli;
mod client;
mod client_socket;
mod clock;
mod commands;
mod compatibility;
mod config;
mod construction;
mod control;
mod crons;
mod dev;
mod diagnostic;
mod doctor;
mod eviction;
mod exports;
mod facet_work;
mod facets;
mod front;
mod guard;
mod handover;
mod hang;
mod http;
mod https;
mod inspector;
mod isolate;
mod kills;
mod lan;
mod limits;
mod linger;
mod memory;
mod meter;
mod namespaces;
mod objects;
mod output;
mod outside;
mod patience;
mod placement;
mod process;
mod queue;
mod quiet;
mod residents;
mod retirement;
mod routes;
mod rpc;
mod scheduled;
mod seen;
mod shard;
mod shards;
mod shared;
mod sockets;
mod stack;
mod stalled;
mod stopping;
mod stored;
mod tcp;
mod testing;
mod thread_clock;
mod told;
mod turn_time;
mod types;
mod unread;
mod verdict;
mod virtual_time;
mod watchdog;
mod worker;
mod worn;

use std::io;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::cli::args::Cli;
use crate::cli::args::Command;
use crate::cli::args::LogFormat;
use crate::cli::problem::Problem;
use crate::cli::style::Style;

include!(concat!(env!("OUT_DIR"), "/snapshot.rs"));

fn main() -> ExitCode {
    let begun = Instant::now();
    let cli = read_cli();
    let format = match &cli.command {
        Command::Run(args) => args.log.log_format,
        Command::Dev(args) => args.log.log_format,
        _ => LogFormat::Text,
    };
    match run(cli, begun) {
        Ok(code) => code.into(),
        Err(problem) => {
            let text = match format {
                LogFormat::Text => problem.text(Style::of(&io::stderr())),
                LogFormat::Json => problem.json() + "\n",
            };
            drop(io::stderr().write_all(text.as_bytes()));
            problem.exit.into()
        }
    }
}

/// Starts V8 while the command line is read, which takes about as long.
fn read_cli() -> Cli {
    let read = std::thread::spawn(Cli::try_parse);
    stead_ops::engine::init_platform(&[]);
    match read.join() {
        Ok(Ok(cli)) => cli,
        Ok(Err(error)) => error.exit(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run(cli: Cli, begun: Instant) -> Result<cli::exit::ExitCode, Problem> {
    if let Command::Completions(args) = &cli.command {
        drop(cli::completions::write(args.shell, &mut io::stdout()));
        return Ok(cli::exit::ExitCode::Ok);
    }
    match &cli.command {
        Command::Init(args) => return commands::init::run(args),
        Command::Types(args) => return commands::types::run(args),
        Command::Check(args) => return commands::check::run(args),
        Command::Doctor(args) => return commands::doctor::run(args),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Problem::internal(error.to_string()))?;
    runtime.block_on(async {
        match cli.command {
            Command::Run(args) => commands::run::run(args, begun).await,
            Command::Dev(args) => dev::run(args, begun).await,
            Command::Call(args) => commands::call::run(args).await,
            Command::Test(args) => commands::test::run(args).await,
            Command::Ls(args) => commands::stored::ls(args).await,
            Command::History(args) => commands::stored::history(args).await,
            Command::Restore(args) => commands::stored::restore(args).await,
            Command::Export(args) => commands::stored::export(args).await,
            Command::Import(args) => commands::stored::import(args).await,
            Command::Verify(args) => commands::stored::verify(args).await,
            Command::Init(_)
            | Command::Types(_)
            | Command::Check(_)
            | Command::Doctor(_)
            | Command::Completions(_) => unreachable!("answered above"),
        }
    })
}
