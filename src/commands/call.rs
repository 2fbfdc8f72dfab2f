//! `stead call FILE.ts Class name method …`: one call, its result as JSON.

use std::io;
use std::io::Write;
use std::sync::Arc;

use crate::cli::args::CallArgs;
use crate::cli::args::LogFormat;
use crate::cli::exit::ExitCode;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::shared::JsonCall;

/// Makes the call: on the running server if there is one, else here.
pub async fn run(args: CallArgs) -> Result<ExitCode, Problem> {
    let arguments: Vec<&str> = args.arguments.iter().map(|json| json.as_str()).collect();
    let call = JsonCall {
        class: args.class.clone(),
        name: args.name.clone(),
        method: args.method.clone(),
        arguments: format!("[{}]", arguments.join(",")),
    };
    let answered = crate::control::call(&args.worker.state_dir(), &call).await;
    let result = match answered.map_err(|error| Problem::internal(error.to_string()))? {
        Some(result) => result,
        None => call_here(&args, call).await?,
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

async fn call_here(args: &CallArgs, call: JsonCall) -> Result<Result<String, String>, Problem> {
    let style = Style::of(&io::stderr());
    let clock = Arc::new(|| SystemClock.now_ms().max(0) as u64);
    let logger = Logger::start(Box::new(io::stderr()), LogFormat::Text, style, true, clock);
    let started = super::start(&args.worker, 1, &logger, style, false, None).await;
    let result = match started {
        Err(problem) => Err(problem),
        Ok(worker) => {
            let classes = worker.classes();
            let result = if classes.contains(&args.class) {
                Ok(worker.call(call).await)
            } else {
                Err(Problem::no_such_class(
                    &args.worker.file,
                    &args.class,
                    &classes,
                ))
            };
            worker.stop().await;
            result
        }
    };
    logger.flush_and_stop();
    result
}
