//! `stead run FILE.ts`: serves one file until Ctrl-C.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::cli::args::LogFormat;
use crate::cli::args::RunArgs;
use crate::cli::banner::Banner;
use crate::cli::banner::ObjectClass;
use crate::cli::exit::ExitCode;
use crate::cli::inspect_args::Address;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::exports::ExportKind;
use crate::exports::bindings;
use crate::https::Https;
use crate::inspector::Inspector;
use crate::worker::Worker;

/// How long what runs may take to end when the file is loaded again.
const RELOAD_DRAIN: Duration = Duration::from_secs(10);
/// How long no connection is accepted after one could not be.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the file; returns after Ctrl-C, or at once with a problem.
pub async fn run(args: RunArgs, begun: Instant) -> Result<ExitCode, Problem> {
    let format = args.log.log_format;
    let style = match format {
        LogFormat::Text => Style::of(&io::stdout()),
        LogFormat::Json => Style::PLAIN,
    };
    let clock = Arc::new(|| SystemClock.now_ms().max(0) as u64);
    let logger = Logger::start(Box::new(io::stdout()), format, style, args.log.quiet, clock);
    let result = serve(&args, begun, &logger).await;
    logger.flush_and_stop();
    result
}

async fn serve(args: &RunArgs, begun: Instant, logger: &Logger) -> Result<ExitCode, Problem> {
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|e| Problem::internal(e.to_string()))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|e| Problem::internal(e.to_string()))?;
    raise_file_limit();
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| Problem::internal(e.to_string()))?;
    let listener = listen(&args.host, args.port)?;
    let https = Https::start(&args.https, false, &args.host)?;
    let inspector = Inspector::start(&args.inspect, &Address::default()).await?;
    let shards = match args.shards {
        None if inspector.is_some() => 1,
        asked => super::shard_count(asked),
    };
    let style = Style::of(&io::stderr());
    let debuggers = inspector.clone();
    let is_https = https.is_some();
    let worker = super::start(&args.worker, shards, logger, style, is_https, debuggers).await?;
    let worker = Arc::new(worker);
    crate::worn::replace_worn(&worker);
    let control = crate::control::listen(Arc::downgrade(&worker), &worker.state_path());
    if let Err(error) = &control {
        logger.error(
            None,
            format!("`stead call` will not find this server: {error}"),
        );
    }
    let address = listener
        .local_addr()
        .map_err(|e| Problem::internal(e.to_string()))?;
    warn_of_unbound(&worker, logger);
    let mut banner = banner(args, &worker, address, shards, begun);
    banner.inspector = inspector.map(|inspector| inspector.address());
    if let Some(https) = &https {
        banner.url = format!("https://{address}");
        banner.network = crate::lan::urls("https", address);
        banner.certificate.clone_from(&https.own);
    }
    logger.banner(banner);
    let failure = tokio::select! {
        () = accept(&listener, https.as_ref(), &worker, logger) => None,
        () = reload_on(&mut hangup, args, &worker, logger) => None,
        error = worker.failed() => Some(error),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    let failure = failure
        .map(|error| super::start_problem(&worker.bundle(), &args.worker.file, error, style));
    drop(listener);
    logger.note("closing: requests that run are finished; Ctrl-C again ends at once");
    drop(control);
    tokio::select! {
        () = crate::https::stop(worker.stop(), https.as_deref()) => {}
        // What was acknowledged is durable: nothing is lost by ending here.
        _ = interrupt.recv() => {}
    }
    failure.map_or(Ok(ExitCode::Ok), Err)
}

/// Opens the listening socket.
///
/// # Errors
/// The address is taken, or none of this machine.
pub fn listen(host: &str, port: u16) -> Result<TcpListener, Problem> {
    TcpListener::bind((host, port)).map_err(|error| Problem::listen(host, port, &error))
}

/// Deals connections to the shards, one after the other. Ends only on a failure
/// that no further connection survives.
async fn accept(
    listener: &TcpListener,
    https: Option<&Arc<Https>>,
    worker: &Worker,
    logger: &Logger,
) {
    let accepting = listener.try_clone().and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    let accepting = match accepting {
        Ok(accepting) => accepting,
        Err(error) => return logger.error(None, format!("cannot accept connections: {error}")),
    };
    let mut next = 0;
    loop {
        match accepting.accept().await {
            Ok((stream, _)) => {
                let plain = match https {
                    None => stream.into_std(),
                    Some(https) => https.plain(stream),
                };
                if let Ok(stream) = plain {
                    worker.connect(next, stream).await;
                    next = next.wrapping_add(1);
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: some are given back in a while.
                logger.error(None, format!("cannot accept a connection: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Loads the file again at each SIGHUP. Code that does not load leaves the old code
/// serving.
async fn reload_on(hangup: &mut Signal, args: &RunArgs, worker: &Worker, logger: &Logger) {
    while hangup.recv().await.is_some() {
        let begun = Instant::now();
        let loaded = super::reload(
            &args.worker,
            args.https.is_on(),
            worker,
            RELOAD_DRAIN,
            logger,
        )
        .await;
        match loaded {
            Ok(()) => logger.note(format!(
                "{} was loaded again in {} ms",
                args.worker.file.display(),
                begun.elapsed().as_millis()
            )),
            Err(problem) => logger.error(None, problem.text(Style::PLAIN)),
        }
    }
}

/// Every object in memory holds files open: as many as the system allows.
pub fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it is refused, the limit stays as it was.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

/// A class that is exported beside objects and is not one may be a mistake.
fn warn_of_unbound(worker: &Worker, logger: &Logger) {
    for export in worker
        .exports()
        .iter()
        .filter(|export| export.kind == ExportKind::Class)
    {
        logger.note(format!(
            "class `{}` does not extend `DurableObject`: it is not bound in `env`",
            export.name
        ));
    }
}

fn banner(
    args: &RunArgs,
    worker: &Worker,
    address: std::net::SocketAddr,
    shards: usize,
    begun: Instant,
) -> Banner {
    let class = |class: String| ObjectClass {
        bindings: bindings(&class),
        unique_key: args.worker.unique_key(&class),
        class,
    };
    Banner {
        version: env!("CARGO_PKG_VERSION"),
        url: format!("http://{address}"),
        network: crate::lan::urls("http", address),
        objects: worker.classes().into_iter().map(class).collect(),
        workers: Vec::new(),
        bindings: Vec::new(),
        compatibility: None,
        state: worker.state_path(),
        shards,
        durability: args.worker.durability,
        ready_in: begun.elapsed(),
        bundled_in: None,
        inspector: None,
        certificate: None,
        front_door: !worker
            .exports()
            .iter()
            .any(|export| export.kind == ExportKind::Worker),
    }
}
