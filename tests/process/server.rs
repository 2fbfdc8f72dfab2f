//! Starting `stead`: a command that runs to its end, or a server that is killed when the test is over.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Response};

/// How long anything may take before the test fails. Long, because the machine may be busy with other tests: a second of
/// the processor's time, which tests of limits have code use up, then takes half a minute.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A file in tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A file in examples.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// A folder for one test's state, removed afterwards.
pub fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs `stead` to its end.
#[track_caller]
pub fn stead<'a>(args: impl IntoIterator<Item = &'a str>) -> Finished {
    stead_in(&[], args)
}

/// The same with variables in the process's environment.
#[track_caller]
pub fn stead_in<'a>(
    environment: &[(&str, &Path)],
    args: impl IntoIterator<Item = &'a str>,
) -> Finished {
    let mut command = command(args);
    let child = command.envs(environment.iter().copied()).spawn();
    let mut child = child.expect("the binary starts");
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let status = wait(&mut child);
    let text = |thread: JoinHandle<Vec<u8>>| String::from_utf8(thread.join().unwrap()).unwrap();
    let finished = Finished {
        code: status.and_then(|status| status.code()),
        stdout: text(stdout),
        stderr: text(stderr),
    };
    assert!(status.is_some(), "the command did not end: {finished:?}");
    finished
}

#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// What a command left.
    pub fn of(output: Output) -> Finished {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The command failed with `code`, and its message holds all of `texts`.
    #[track_caller]
    pub fn failed(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing:\n{}",
                self.stderr
            );
        }
    }

    /// The command succeeded; what it printed.
    #[track_caller]
    pub fn printed(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }
}

/// A running `stead run`. Dropping it kills the process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The banner's JSON line, or in the text format its line with the URL.
    pub ready: Value,
    log: Arc<Log>,
}

impl Server {
    /// Serves `file` with its objects in `state` and waits until it is ready.
    #[track_caller]
    pub fn start(file: &Path, state: &Path, options: &[&str]) -> Server {
        let log_format = ["--log-format", "json"];
        Server::start_with(file, state, &[options, &log_format].concat(), |line| {
            line["type"] == "ready"
        })
    }

    /// The same with a log in the text format, whose lines are strings.
    #[track_caller]
    pub fn start_with_text_log(file: &Path, state: &Path) -> Server {
        Server::start_with(file, state, &[], |line| {
            line.as_str().is_some_and(|line| line.contains("http://"))
        })
    }

    /// Serves the project in a folder, and waits until it is ready.
    #[track_caller]
    pub fn dev(project: &Path, options: &[&str]) -> Server {
        Server::dev_of(&[&[text(project)], options].concat())
    }

    /// Serves the projects that `options` name.
    #[track_caller]
    pub fn dev_of(options: &[&str]) -> Server {
        let own = ["dev", "--port", "0", "--log-format", "json"];
        let command = command(own.iter().chain(options).copied());
        Server::wait_until_ready(command, |line| line["type"] == "ready")
    }

    /// The same with variables in the process's environment.
    #[track_caller]
    pub fn start_in(
        environment: &[(&str, &Path)],
        file: &Path,
        state: &Path,
        options: &[&str],
    ) -> Server {
        let log_format = ["--log-format", "json"];
        let mut command = run_command(file, state, &[options, &log_format].concat());
        command.envs(environment.iter().copied());
        Server::wait_until_ready(command, |line| line["type"] == "ready")
    }

    /// Starts a server that waits for a debugger first; its address is where debuggers attach.
    #[track_caller]
    pub fn start_waiting(file: &Path, state: &Path, options: &[&str]) -> Server {
        Server::start_with(file, state, options, |line| {
            let text = line["text"].as_str();
            text.is_some_and(|text| text.starts_with("waiting for a debugger"))
        })
    }

    /// The same in a process that may open so many files.
    #[track_caller]
    pub fn start_with_files(files: u32, file: &Path, state: &Path, options: &[&str]) -> Server {
        let log_format = ["--log-format", "json"];
        let whole = run_command(file, state, &[options, &log_format].concat());
        let mut limited = Command::new("sh");
        limited
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
            .arg(whole.get_program())
            .args(whole.get_args());
        pipe(&mut limited);
        Server::wait_until_ready(limited, |line| line["type"] == "ready")
    }

    /// Starts a server and kills it when `time` has passed, wherever it has got to.
    #[track_caller]
    pub fn kill_while_it_starts(file: &Path, state: &Path, time: Duration) {
        let mut child = run_command(file, state, &[])
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(time);
        child.kill().expect("the process runs");
        child.wait().expect("the process ends");
    }

    #[track_caller]
    fn start_with(
        file: &Path,
        state: &Path,
        options: &[&str],
        is_ready: impl Fn(&Value) -> bool,
    ) -> Server {
        Server::wait_until_ready(run_command(file, state, options), is_ready)
    }

    #[track_caller]
    fn wait_until_ready(mut command: Command, is_ready: impl Fn(&Value) -> bool) -> Server {
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Log::default());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn({
            let log = log.clone();
            move || log.collect(stdout)
        });
        let stderr = read_all(child.stderr.take().unwrap());
        let Some(ready) = log.wait_for(is_ready) else {
            let _ = child.kill();
            let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
            let stdout = log.lines();
            panic!("the server is not ready, and printed:\n{stdout:#?}\n{stderr}");
        };
        let line = ready["url"].as_str().or(ready["text"].as_str());
        let line = line.or(ready.as_str()).unwrap_or_default();
        let address = line.rsplit_once("://").map(|(_, address)| address);
        Server {
            child,
            address: address
                .and_then(|address| address.trim().parse().ok())
                .expect("a URL with an address and a port"),
            ready,
            log,
        }
    }

    /// Asks again and again until the answer is the wanted one. A connection may end unanswered
    /// meanwhile, when the thread that it was dealt to is replaced.
    #[track_caller]
    pub fn until(&self, path: &str, wanted: impl Fn(&Response) -> bool) {
        let begin = Instant::now();
        while !self
            .try_send("GET", path, "")
            .is_ok_and(|answer| wanted(&answer))
        {
            assert!(begin.elapsed() < DEADLINE, "{path} has not answered that");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn try_send(&self, method: &str, path: &str, body: &str) -> io::Result<Response> {
        http::send(self.address, method, path, body)
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &str) -> Response {
        self.try_send(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        http::send_with(self.address, "GET", path, headers, "")
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, "")
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.log
            .wait_for(wanted)
            .unwrap_or_else(|| panic!("no such line in the log: {:#?}", self.log.lines()))
    }

    /// Waits until the log has `count` such lines.
    #[track_caller]
    pub fn logged_times(&self, count: usize, wanted: impl Fn(&Value) -> bool) {
        let found = self
            .log
            .wait(|lines| lines.iter().filter(|line| wanted(line)).count() >= count);
        assert!(found, "not {count} such lines: {:#?}", self.log.lines());
    }

    /// Whether the log has such a line by now.
    pub fn has_logged(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.log.lines().iter().any(wanted)
    }

    /// Ends the process at once, as a crash would.
    #[track_caller]
    pub fn kill(self) {
        self.kill_and_read();
    }

    /// The same; what the process had logged.
    #[track_caller]
    pub fn kill_and_read(mut self) -> Vec<Value> {
        self.child.kill().expect("the process runs");
        self.child.wait().expect("the process ends");
        self.log.whole()
    }

    /// Waits until the process, which was told to stop, has ended well; what it had logged.
    #[track_caller]
    pub fn stopped_and_read(mut self) -> Vec<Value> {
        let status = wait(&mut self.child).expect("the process ends");
        assert_eq!(status.code(), Some(0));
        self.log.whole()
    }

    /// Ctrl-C.
    #[track_caller]
    pub fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    /// Has the process load its file again.
    #[track_caller]
    pub fn hang_up(&self) {
        self.signal(libc::SIGHUP);
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    fn signal(&self, signal: libc::c_int) {
        let pid = self.child.id().try_into().expect("a process id");
        // SAFETY: `kill` has no memory to corrupt, and the process is ours: it has not been waited for.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    /// Waits until the process has ended by itself; its exit code.
    #[track_caller]
    pub fn ended(mut self) -> i32 {
        let status = wait(&mut self.child).expect("the process ends");
        status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {status}"))
    }

    /// Ctrl-C, and the exit code is 0.
    #[track_caller]
    pub fn stop(self) {
        self.interrupt();
        assert_eq!(self.ended(), 0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn run_command(file: &Path, state: &Path, options: &[&str]) -> Command {
    let own = ["run", text(file), "--state", text(state), "--port", "0"];
    command(own.iter().chain(options).copied())
}

fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stead"));
    pipe(command.args(args));
    command
}

fn pipe(command: &mut Command) {
    command
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
}

/// The status with which `child` ended; after the deadline it is killed and there is none.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < DEADLINE {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        all
    })
}

/// The JSON lines on a server's stdout, as they come.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<Value>, Ended)>,
    changed: Condvar,
}

type Ended = bool;

impl Log {
    fn collect(&self, stdout: impl BufRead) {
        for line in stdout.lines().map_while(Result::ok) {
            let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.lines.lock().unwrap().0.push(value);
            self.changed.notify_all();
        }
        self.lines.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// The first line that is `wanted`, past or future; None when the output has ended or the deadline has come.
    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let lines = self.lines.lock().unwrap();
        let missing =
            |(lines, ended): &mut (Vec<Value>, Ended)| !*ended && !lines.iter().any(&wanted);
        let (lines, _) = self
            .changed
            .wait_timeout_while(lines, DEADLINE, missing)
            .unwrap();
        lines.0.iter().find(|line| wanted(line)).cloned()
    }

    /// All lines, once the output has ended.
    #[track_caller]
    fn whole(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let (lines, waited) = self
            .changed
            .wait_timeout_while(lines, DEADLINE, |(_, ended)| !*ended)
            .unwrap();
        assert!(!waited.timed_out(), "somebody holds the output open");
        lines.0.clone()
    }

    /// Waits until the lines are as `wanted`; false when the deadline has come, or the output has ended before that.
    fn wait(&self, wanted: impl Fn(&[Value]) -> bool) -> bool {
        let lines = self.lines.lock().unwrap();
        let missing = |(lines, ended): &mut (Vec<Value>, Ended)| !*ended && !wanted(lines);
        let (lines, _) = self
            .changed
            .wait_timeout_while(lines, DEADLINE, missing)
            .unwrap();
        wanted(&lines.0)
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().0.clone()
    }
}

/// Kibibytes that the system counts for a process under `name`, which ends with a colon.
pub fn status_kib(process: u32, name: &str) -> usize {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"));
    let status = status.expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.expect("a number of kilobytes")
}
