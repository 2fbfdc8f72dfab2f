//! The runtimes that are compared: how each is started with the benchmark's
//! worker, and what the system says about its process.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const START_MAX: Duration = Duration::from_secs(20);

/// A runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Stead,
    Workerd,
}

impl Runtime {
    pub const BOTH: [Runtime; 2] = [Runtime::Stead, Runtime::Workerd];
}

/// Where the programs and the worker's code are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The `stead` binary.
    pub stead: PathBuf,
    /// The `workerd` binary.
    pub workerd: PathBuf,
    /// The worker, as TypeScript: Stead runs it as it is.
    pub worker_ts: PathBuf,
    /// The worker, as JavaScript, for workerd.
    pub worker_js: PathBuf,
    /// Arguments for `stead run` beside the worker, the port and the state.
    pub stead_args: Vec<String>,
}

/// A server of the benchmark's worker; it ends when the value is dropped.
pub struct Server {
    process: Child,
    address: SocketAddr,
    started: Instant,
    /// Holds the state directory.
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts the runtime on a state directory of its own, and waits until it listens.
    pub fn start(runtime: Runtime, programs: &Programs) -> io::Result<Server> {
        let directory = tempfile::Builder::new().prefix("stead-bench-").tempdir()?;
        Server::start_in(runtime, programs, directory)
    }

    /// Ends the process and starts it again on the same state.
    pub fn restart(mut self, runtime: Runtime, programs: &Programs) -> io::Result<Server> {
        self.end()?;
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir()?);
        Server::start_in(runtime, programs, directory)
    }

    fn start_in(
        runtime: Runtime,
        programs: &Programs,
        directory: tempfile::TempDir,
    ) -> io::Result<Server> {
        let address = free_address()?;
        let mut command = match runtime {
            Runtime::Stead => stead(programs, directory.path(), address),
            Runtime::Workerd => workerd(programs, directory.path(), address)?,
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let mut server = Server {
            process: command.spawn()?,
            address,
            started,
            directory,
        };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.process.try_wait()? {
                return Err(io::Error::other(format!("{runtime:?} ended: {status}")));
            }
            if started.elapsed() > START_MAX {
                return Err(io::Error::other(format!("{runtime:?} does not listen")));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When its process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Bytes of memory that its process holds, in RAM.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("no VmRSS"))
    }

    fn end(&mut self) -> io::Result<()> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let asked = Instant::now();
        while self.process.try_wait()?.is_none() {
            if asked.elapsed() > START_MAX {
                self.process.kill()?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended already needs nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn stead(programs: &Programs, state: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(&programs.stead);
    command.arg("run").arg(&programs.worker_ts);
    command.arg("--quiet").arg("--state").arg(state);
    command.arg("--port").arg(address.port().to_string());
    command.args(&programs.stead_args);
    command
}

fn workerd(programs: &Programs, state: &Path, address: SocketAddr) -> io::Result<Command> {
    std::fs::create_dir_all(state.join("data"))?;
    std::fs::copy(&programs.worker_js, state.join("worker.js"))?;
    let config = include_str!("../workerd.capnp").replace("ADDRESS", &address.to_string());
    let file = state.join("config.capnp");
    std::fs::write(&file, config)?;
    let mut command = Command::new(&programs.workerd);
    command.arg("serve").arg(&file).current_dir(state);
    Ok(command)
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
