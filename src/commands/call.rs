//! `stead call FILE.ts Class name method …`: one call, its result as JSON.

use std::io;
use std::io::Write;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::args::CallArgs;
use crate::cli::args::LogArgs;
use crate::cli::args::LogFormat;
use crate::cli::dev_args::DevArgs;
use crate::cli::exit::ExitCode;
use crate::cli::https_args::HttpsArgs;
use crate::cli::inspect_args::InspectArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::compatibility::NEWEST_DATE;
use crate::shared::JsonCall;
use crate::stored::place;

/// Makes the call: on the running server if there is one, else here.
pub async fn run(args: CallArgs) -> Result<ExitCode, Problem> {
    let arguments: Vec<&str> = args.arguments.iter().map(|json| json.as_str()).collect();
    let call = JsonCall {
        worker: args.worker.clone(),
        class: args.class.clone(),
        name: args.name.clone(),
        method: args.method.clone(),
        arguments: format!("[{}]", arguments.join(",")),
    };
    let project = place::configuration(&args.served.file)?;
    let state = match (&project, &args.served.state) {
        (Some(configuration), None) => crate::dev::state_dir(configuration),
        _ => args.served.state_dir(),
    };
    let answered = crate::control::call(&state, &call).await;
    let result = match answered.map_err(|error| Problem::internal(error.to_string()))? {
        Some(result) => result,
        None => call_here(&args, project, call).await?,
    };
    match result {
        Ok(json) => {
            // A closed pipe is the reader's wish.
            drop(writeln!(io::stdout(), "{json}"));
            Ok(ExitCode::Ok)
        }
        Err(error) => {
            let what = error.lines().next().unwrap_or_default().to_owned();
            let style = Style::of(&io::stderr());
            Err(Problem::threw(what).rendered(format!("{} {error}", style.red("error:"))))
        }
    }
}

async fn call_here(
    args: &CallArgs,
    project: Option<PathBuf>,
    call: JsonCall,
) -> Result<Result<String, String>, Problem> {
    let style = Style::of(&io::stderr());
    let clock = Arc::new(|| SystemClock.now_ms().max(0) as u64);
    let logger = Logger::start(Box::new(io::stderr()), LogFormat::Text, style, true, clock);
    let result = match project {
        Some(configuration) => call_project(args, configuration, call, &logger).await,
        None => call_file(args, call, &logger, style).await,
    };
    logger.flush_and_stop();
    result
}

async fn call_file(
    args: &CallArgs,
    call: JsonCall,
    logger: &Logger,
    style: Style,
) -> Result<Result<String, String>, Problem> {
    if args.env.is_some() {
        return Err(not_both("--env", "a file without a configuration"));
    }
    let worker = super::start(&args.served, 1, logger, style, false, None).await?;
    let classes = worker.classes();
    let result = match &args.worker {
        Some(name) if *name != worker.name() => Err(Problem::new(
            ExitCode::Usage,
            format!("the worker is `{}`, not `{name}`", worker.name()),
        )),
        _ if !classes.contains(&args.class) => Err(Problem::no_such_class(
            &args.served.file,
            &args.class,
            &classes,
        )),
        _ => Ok(worker.call(call).await),
    };
    worker.stop().await;
    result
}

async fn call_project(
    args: &CallArgs,
    configuration: PathBuf,
    call: JsonCall,
    logger: &Logger,
) -> Result<Result<String, String>, Problem> {
    let served = &args.served;
    let compatibility = &served.compatibility;
    let in_configuration = [
        ("--env-file", !served.env_files.is_empty()),
        ("--unique-key", !served.unique_keys.is_empty()),
        (
            "--compatibility-flag",
            !compatibility.compatibility_flags.is_empty(),
        ),
        (
            "--compatibility-date",
            compatibility.compatibility_date != NEWEST_DATE,
        ),
    ];
    if let Some((option, _)) = in_configuration.iter().find(|(_, given)| *given) {
        return Err(not_both(option, "a project, whose configuration says it"));
    }
    let dev = DevArgs {
        paths: vec![configuration.clone()],
        configs: Vec::new(),
        env: args.env.clone(),
        port: None,
        host: None,
        state: served.state.clone(),
        vars: served.vars.clone(),
        shards: NonZeroU16::new(1),
        durability: served.durability,
        kv_limits: served.kv_limits,
        evict: served.evict,
        limits: served.limits,
        history: served.history,
        https: HttpsArgs::default(),
        inspect: InspectArgs::default(),
        log: LogArgs {
            log_format: LogFormat::Text,
            quiet: true,
        },
    };
    crate::dev::call_alone(dev, configuration, call, logger).await
}

fn not_both(option: &str, what: &str) -> Problem {
    Problem::new(ExitCode::Usage, format!("`{option}` is not for {what}"))
}
