//! The process of `stead dev`: starts the sessions, accepts connections, and reloads.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use super::control::Projects;
use super::current::Current;
use super::keys::HELP;
use super::keys::Key;
use super::keys::Keys;
use super::pages::Pages;
use super::session::Failure;
use super::session::Session;
use super::state::State;
use super::state::state_dir;
use super::triggers::Triggers;
use super::watch::Watch;
use crate::cli::args::LogFormat;
use crate::cli::banner::Banner;
use crate::cli::banner::BindingLine;
use crate::cli::banner::ObjectClass;
use crate::cli::banner::OtherWorker;
use crate::cli::dev_args::DevArgs;
use crate::cli::exit::ExitCode;
use crate::cli::inspect_args::Address;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::request_log::milliseconds;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::config;
use crate::config::Project;
use crate::https::Https;
use crate::inspector::Inspector;

const HOST: &str = "127.0.0.1";
/// The port of `stead dev`, if nobody says another one.
pub const PORT: u16 = 8787;

/// Serves the projects; returns after Ctrl-C, or at once with a problem.
pub async fn run(args: DevArgs, begun: Instant) -> Result<ExitCode, Problem> {
    let format = args.log.log_format;
    let style = match format {
        LogFormat::Text => Style::of(&io::stdout()),
        LogFormat::Json => Style::PLAIN,
    };
    let clock = Arc::new(|| SystemClock.now_ms().max(0) as u64);
    let logger = Logger::start(Box::new(io::stdout()), format, style, args.log.quiet, clock);
    let result = serve(Arc::new(args), begun, &logger).await;
    logger.flush_and_stop();
    result
}

async fn serve(args: Arc<DevArgs>, begun: Instant, logger: &Logger) -> Result<ExitCode, Problem> {
    let internal = |error: io::Error| Problem::internal(error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    crate::commands::run::raise_file_limit();
    let mut server = Server::new(&args, logger)?;
    // Without a configuration and a state directory there is nothing to wait for.
    server.prepare().map_err(Failure::into_problem)?;
    server.let_debuggers_in().await?;
    let first = server.start().await;
    let (listener, host) = server.listen()?;
    let configured = server.sessions[0]
        .project()
        .is_some_and(|project| project.dev.https);
    let https = Https::start(&args.https, configured, &host)?;
    let address = listener.local_addr().map_err(internal)?;
    let mut banner = server.banner(address, begun);
    if let Some(https) = &https {
        banner.url = format!("https://{address}");
        banner.network = crate::lan::urls("https", address);
        banner.certificate.clone_from(&https.own);
    }
    let url = banner.url.clone();
    logger.banner(banner);
    if let Err(failure) = first {
        server.tell(failure);
    }
    let control = crate::control::listen(server.projects(), server.state.path());
    if let Err(error) = &control {
        let text = format!("`stead call` and `stead ls` will not find this server: {error}");
        logger.error(None, text);
    }
    let mut keys = Keys::new();
    if keys.are_read() {
        logger.note(HELP);
    }
    let accepting = tokio::spawn(accept(
        listener,
        https.clone(),
        server.front().clone(),
        server.sessions[0].pages().clone(),
        logger.clone(),
    ));
    loop {
        tokio::select! {
            changed = server.watch.changed() => server.reload(changed).await,
            () = server.triggers.wait() => server.triggers.fire_due(logger),
            key = keys.next() => {
                if key == Key::Quit {
                    break;
                }
                server.press(key, &url).await;
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(keys);
    drop(control);
    accepting.abort();
    logger.note("closing: requests that run are finished; Ctrl-C again ends at once");
    tokio::select! {
        () = crate::https::stop(server.stop(), https.as_deref()) => Ok(ExitCode::Ok),
        // What was acknowledged is durable: nothing is lost by ending here.
        _ = interrupt.recv() => Ok(ExitCode::Ok),
    }
}

/// All sessions of the process; the first one answers the requests.
struct Server {
    args: Arc<DevArgs>,
    sessions: Vec<Session>,
    state: Arc<State>,
    watch: Watch,
    triggers: Triggers,
    logger: Logger,
    /// How long bundling took at the first start.
    bundled_in: Duration,
    /// What was said of bindings that lead nowhere.
    broken_links: Vec<String>,
    /// Where debuggers attach.
    inspector: Option<Arc<Inspector>>,
}

impl Server {
    fn new(args: &Arc<DevArgs>, logger: &Logger) -> Result<Server, Problem> {
        let mut files = Vec::new();
        for path in args.projects() {
            let file = config::find(&path).ok_or_else(|| Problem::no_configuration(&path))?;
            files.push(std::path::absolute(&file).unwrap_or(file));
        }
        let path = args.state.clone();
        let path = path.unwrap_or_else(|| state_dir(&files[0]));
        let state = Arc::new(State::new(path, args.clone(), logger.clone()));
        let session = |file| Session::new(args.clone(), file, state.clone(), logger.clone());
        let sessions = files.into_iter().map(session).collect();
        let watch = Watch::new()
            .map_err(|error| Problem::internal(format!("files cannot be watched: {error}")))?;
        Ok(Server {
            args: args.clone(),
            sessions,
            state,
            watch,
            triggers: Triggers::default(),
            logger: logger.clone(),
            bundled_in: Duration::ZERO,
            broken_links: Vec::new(),
            inspector: None,
        })
    }

    /// What answers the commands that ask this process.
    fn projects(&self) -> Projects {
        let current = self.sessions.iter().map(|session| session.current());
        Projects::new(current.cloned().collect(), self.state.clone())
    }

    fn front(&self) -> &Arc<Current> {
        self.sessions[0].current()
    }

    /// Reads every configuration, and opens the state directory.
    fn prepare(&mut self) -> Result<(), Failure> {
        for session in &mut self.sessions {
            session.read_project()?;
        }
        self.require_names()?;
        for session in &self.sessions {
            session.prepare()?;
        }
        Ok(())
    }

    /// Listens for debuggers, if they may attach.
    async fn let_debuggers_in(&mut self) -> Result<(), Problem> {
        let project = self.sessions[0].project();
        let dev = project
            .map(|project| project.dev.clone())
            .unwrap_or_default();
        let configured = Address {
            host: dev.inspector_ip,
            port: dev.inspector_port,
        };
        self.inspector = Inspector::start(&self.args.inspect, &configured).await?;
        for session in &mut self.sessions {
            session.inspector.clone_from(&self.inspector);
        }
        Ok(())
    }

    /// Starts every worker.
    async fn start(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        for session in &mut self.sessions {
            match session.update(None).await {
                Ok(bundled) => self.bundled_in += bundled,
                Err(failure) => result = Err(failure),
            }
        }
        self.warn_of_links();
        self.set_watch();
        result
    }

    /// Bindings name workers, so no two may have the same name.
    fn require_names(&self) -> Result<(), Failure> {
        let mut names: Vec<&str> = Vec::new();
        for project in self.sessions.iter().filter_map(Session::project) {
            if names.contains(&project.name.as_str()) {
                return Err(Failure::Problem(Problem::same_name(&project.name)));
            }
            names.push(&project.name);
        }
        Ok(())
    }

    /// Says which bindings lead nowhere, once for each.
    fn warn_of_links(&mut self) {
        let broken = super::links::broken(&self.sessions);
        for link in &broken {
            if !self.broken_links.contains(link) {
                self.logger.note(link.clone());
            }
        }
        self.broken_links = broken;
    }

    /// Puts changed files to work.
    async fn reload(&mut self, changed: HashSet<PathBuf>) {
        let begun = Instant::now();
        let changed: Vec<PathBuf> = changed.into_iter().collect();
        let mut failures = Vec::new();
        let mut reloaded = None;
        let folders = self.state.all_classes();
        for session in &mut self.sessions {
            let (files, broken) = session.watched();
            if !broken && !changed.iter().any(|file| files.contains(file)) {
                continue;
            }
            match session.update(Some(&changed)).await {
                Ok(bundled) => reloaded = Some(bundled),
                Err(failure) => failures.push(failure),
            }
        }
        if self.state.all_classes() != folders {
            for session in &self.sessions {
                failures.extend(session.relink().await.err());
            }
        }
        if reloaded.is_some() {
            self.warn_of_links();
        }
        self.set_watch();
        if !failures.is_empty() {
            for failure in failures {
                self.tell(failure);
            }
            let still = if self.front().is_running() {
                "the code before this change goes on serving"
            } else {
                "waiting for a change that puts it right"
            };
            self.logger.note(still);
            return;
        }
        if let Some(bundled) = reloaded {
            self.logger.note(format!(
                "reloaded in {}  (bundled in {})",
                milliseconds(begun.elapsed()),
                milliseconds(bundled),
            ));
        }
    }

    /// Does what a key asks for.
    async fn press(&mut self, key: Key, url: &str) {
        match key {
            Key::Open => self.open_browser(url),
            Key::Reload => {
                let all = self.sessions.iter().flat_map(|session| session.watched().0);
                let all = all.cloned().collect();
                self.reload(all).await;
            }
            Key::Cron => self.triggers.fire_all(&self.logger),
            Key::Alarm => super::objects::run_next_alarm(&self.sessions, &self.logger).await,
            Key::List => super::objects::list(&self.sessions, &self.logger).await,
            Key::Clear => self.logger.clear(),
            Key::Help => self.logger.note(HELP),
            Key::Quit => {}
        }
    }

    fn open_browser(&self, url: &str) {
        let openers = ["xdg-open", "open"];
        let opened = openers.iter().any(|opener| {
            let mut command = std::process::Command::new(opener);
            command
                .arg(url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().is_ok()
        });
        if !opened {
            self.logger
                .note(format!("no browser is known here: open {url} yourself"));
        }
    }

    /// Waits for what the sessions are made of as they are now.
    fn set_watch(&mut self) {
        let watched = self.sessions.iter().map(Session::watched);
        let broken = watched.clone().any(|(_, broken)| broken);
        let files = watched.flat_map(|(files, _)| files.iter().cloned());
        self.watch.set(files.collect::<Vec<_>>(), broken);
        let crons = self.sessions.iter().flat_map(|session| {
            let crons = session.project().map(|project| project.crons.clone());
            let worker = session.current().clone();
            crons
                .unwrap_or_default()
                .into_iter()
                .map(move |cron| (cron, worker.clone()))
        });
        self.triggers.set(crons);
    }

    fn tell(&self, failure: Failure) {
        match failure {
            Failure::Diagnosed(diagnostics) => {
                for diagnostic in diagnostics {
                    self.logger.diagnostic(diagnostic);
                }
            }
            Failure::Problem(problem) => self.logger.problem(problem),
        }
    }

    fn listen(&self) -> Result<(TcpListener, String), Problem> {
        let dev = self.sessions[0]
            .project()
            .map(|project| project.dev.clone());
        let dev = dev.unwrap_or_default();
        let host = self.args.host.clone().or(dev.ip);
        let port = self.args.port.or(dev.port).unwrap_or(PORT);
        let host = host.unwrap_or_else(|| HOST.to_owned());
        Ok((crate::commands::run::listen(&host, port)?, host))
    }

    fn banner(&self, address: SocketAddr, begun: Instant) -> Banner {
        let session = &self.sessions[0];
        let lines = session.project().map(|project| binding_lines(project));
        let objects = |project: &Arc<Project>| {
            let mut objects: Vec<ObjectClass> = Vec::new();
            for object in project
                .objects
                .iter()
                .filter(|object| object.worker.is_none())
            {
                match objects.iter_mut().find(|known| known.class == object.class) {
                    Some(known) => known.bindings.push(object.binding.clone()),
                    None => objects.push(ObjectClass {
                        class: object.class.clone(),
                        bindings: vec![object.binding.clone()],
                        unique_key: session.folder(&object.class),
                    }),
                }
            }
            objects
        };
        Banner {
            version: env!("CARGO_PKG_VERSION"),
            url: format!("http://{address}"),
            network: crate::lan::urls("http", address),
            objects: session.project().map(objects).unwrap_or_default(),
            workers: self.sessions[1..].iter().filter_map(other_worker).collect(),
            bindings: lines.unwrap_or_default(),
            compatibility: session.project().and_then(|project| compatibility(project)),
            state: self.state.path().to_owned(),
            shards: self.args.shard_count(),
            durability: self.args.durability,
            ready_in: begun.elapsed(),
            // Nothing was bundled if the code is wrong, which is told below.
            bundled_in: (!self.bundled_in.is_zero()).then_some(self.bundled_in),
            inspector: self.inspector.as_ref().map(|inspector| inspector.address()),
            certificate: None,
            front_door: false,
        }
    }

    async fn stop(&self) {
        for session in &self.sessions {
            session.stop().await;
        }
    }
}

fn other_worker(session: &Session) -> Option<OtherWorker> {
    Some(OtherWorker {
        name: session.project()?.name.clone(),
        classes: session
            .current()
            .running()
            .map(|worker| worker.classes())
            .unwrap_or_default(),
    })
}

/// What `env` holds besides objects, for the banner.
fn binding_lines(project: &Project) -> Vec<BindingLine> {
    let line = |name: &str, kind: &str| BindingLine {
        name: name.to_owned(),
        kind: kind.to_owned(),
    };
    let mut lines = Vec::new();
    for name in project.vars.keys() {
        let secret = project.secrets.contains(name);
        lines.push(line(name, if secret { "secret" } else { "variable" }));
    }
    if let Some(binding) = project
        .assets
        .as_ref()
        .and_then(|assets| assets.binding.as_ref())
    {
        lines.push(line(binding, "static files"));
    }
    for object in &project.objects {
        if let Some(worker) = &object.worker {
            let kind = format!("objects {} of worker {worker}", object.class);
            lines.push(line(&object.binding, &kind));
        }
    }
    for service in &project.services {
        lines.push(line(
            &service.binding,
            &format!("worker {}", service.worker),
        ));
    }
    for missing in &project.missing {
        lines.push(line(
            &missing.binding,
            &format!("{}, not there yet", missing.kind),
        ));
    }
    lines
}

fn compatibility(project: &Project) -> Option<String> {
    let words: Vec<&str> = project
        .compatibility_date
        .iter()
        .chain(&project.compatibility_flags)
        .map(String::as_str)
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Speaks HTTP while there is no code that could: every answer says why.
async fn serve_pages(stream: std::net::TcpStream, pages: Arc<Pages>) {
    let Ok(stream) = crate::shared::adopt(stream) else {
        return;
    };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let pages = pages.clone();
        async move {
            let (path, query) = (request.uri().path(), request.uri().query());
            let response = if Pages::is_own(path) {
                let never = std::future::pending();
                pages.answer_own(request.method(), path, query, never).await
            } else {
                pages.without_worker(request.headers())
            };
            let mut response = response.map(Full::new);
            // The next request may find a worker.
            let close = http::HeaderValue::from_static("close");
            response
                .headers_mut()
                .insert(http::header::CONNECTION, close);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // What goes wrong on a connection is the client's to know.
    drop(
        connection
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// Deals connections to the shards of the worker that is current when they come.
async fn accept(
    listener: TcpListener,
    https: Option<Arc<Https>>,
    front: Arc<Current>,
    pages: Arc<Pages>,
    logger: Logger,
) {
    let accepting = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener));
    let accepting = match accepting {
        Ok(accepting) => accepting,
        Err(error) => return logger.error(None, format!("cannot accept connections: {error}")),
    };
    let mut next = 0;
    loop {
        match accepting.accept().await {
            Ok((stream, _)) => {
                let plain = match &https {
                    None => stream.into_std(),
                    Some(https) => https.plain(stream),
                };
                let Ok(stream) = plain else { continue };
                match front.ready().await {
                    Some(worker) => worker.connect(next, stream).await,
                    None => drop(tokio::spawn(serve_pages(stream, pages.clone()))),
                }
                next = next.wrapping_add(1);
            }
            Err(error) => {
                // Out of file descriptors, most likely: some are given back in a while.
                logger.error(None, format!("cannot accept a connection: {error}"));
                tokio::time::sleep(crate::commands::run::ACCEPT_PAUSE).await;
            }
        }
    }
}
