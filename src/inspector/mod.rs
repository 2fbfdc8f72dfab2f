//! Chrome DevTools and other debuggers: a server that speaks their protocol for the
//! isolate of every shard.
//!
//! The protocol is V8's own; what is here only carries it, on the process's main runtime,
//! because a thread whose code is paused waits for the debugger and for nothing else.
//! <https://chromedevtools.github.io/devtools-protocol/>

mod server;
mod session;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Poll;

use deno_core::InspectorSessionProxy;
use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::PollEventLoopOptions;
use deno_core::futures::channel::mpsc::UnboundedSender;
use deno_core::v8::IsolateHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::inspect_args::Address;
use crate::cli::inspect_args::InspectArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::clock::Random;
use crate::placement::ShardIndex;
use crate::shard::StartError;

/// Where Node and everybody after it listens.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 9229;

/// Where debuggers attach. Ends by itself when the process is asked to.
pub struct Inspector {
    address: SocketAddr,
    /// Whether code waits for a debugger before its first line, at its first start.
    waits: bool,
    slots: Mutex<Slots>,
    random: Random,
    ended: AtomicBool,
}

/// The isolates that can be debugged.
#[derive(Default)]
struct Slots {
    /// The id of each place that an isolate may have: a new isolate in a place of one that was
    /// replaced is found at the same address.
    ids: BTreeMap<String, String>,
    /// The isolates that live, the newest last.
    targets: Vec<Arc<Target>>,
}

/// What an isolate does about debuggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for one to say that it may go on.
    Waiting,
    /// It runs.
    Running,
    /// It runs, and no debugger may attach any more.
    Released,
}

/// One isolate as debuggers see it.
pub struct Target {
    id: String,
    title: String,
    url: String,
    sessions: UnboundedSender<InspectorSessionProxy>,
    phase: watch::Sender<Phase>,
    attached: Arc<AtomicUsize>,
}

/// Keeps an isolate in the list of those that can be debugged. Goes before the isolate.
pub struct Registration {
    inspector: Arc<Inspector>,
    /// The isolate.
    pub target: Arc<Target>,
}

impl Inspector {
    /// Listens for debuggers, if they are asked for; where the configuration says, if the command line does not.
    ///
    /// # Errors
    /// The address is taken, or none of this machine.
    pub async fn start(
        args: &InspectArgs,
        configured: &Address,
    ) -> Result<Option<Arc<Inspector>>, Problem> {
        let Some(asked) = args.address() else {
            return Ok(None);
        };
        let host = asked.host.as_deref().or(configured.host.as_deref());
        let (host, port) = (host.unwrap_or(HOST), asked.port.or(configured.port));
        let port = port.unwrap_or(PORT);
        let help = "choose another port with `--inspect=9230` (0 takes a free one)";
        let problem = |error| Problem::listen(host, port, &error).help(help);
        let listener = TcpListener::bind((host, port)).await.map_err(problem)?;
        let inspector = Arc::new(Inspector {
            address: listener.local_addr().map_err(problem)?,
            waits: args.inspect_brk.is_some(),
            slots: Mutex::default(),
            random: Random::from_system(),
            ended: AtomicBool::new(false),
        });
        tokio::spawn(server::serve(listener, inspector.clone()));
        tokio::spawn(end_with_process(inspector.clone()));
        Ok(Some(inspector))
    }

    /// Where debuggers find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Offers the isolate of a shard to debuggers, which runs `entry` as `script`. An isolate that
    /// takes the place of another one is found at the same address.
    pub fn register(
        self: &Arc<Inspector>,
        runtime: &JsRuntime,
        entry: &Path,
        script: &ModuleSpecifier,
        shard: ShardIndex,
    ) -> Registration {
        let place = place(entry, shard);
        let mut slots = self.slots();
        let is_first = !slots.ids.contains_key(&place);
        let id = slots.ids.entry(place.clone());
        let id = id.or_insert_with(|| uuid(self.random.bytes())).clone();
        let phase = if self.ended.load(Ordering::SeqCst) {
            Phase::Released
        } else if self.waits && is_first {
            Phase::Waiting
        } else {
            Phase::Running
        };
        let target = Arc::new(Target {
            id,
            title: format!("stead: {place}"),
            url: script.to_string(),
            sessions: runtime.inspector().get_session_sender(),
            phase: watch::Sender::new(phase),
            attached: Arc::default(),
        });
        slots.targets.push(target.clone());
        Registration {
            inspector: self.clone(),
            target,
        }
    }

    /// Ends all sessions, which lets code go on that is paused, and begins none any more.
    fn end(&self) {
        let slots = self.slots();
        self.ended.store(true, Ordering::SeqCst);
        slots.targets.iter().for_each(|target| target.release());
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The newest isolate in each place.
    fn targets(&self) -> Vec<Arc<Target>> {
        let slots = self.slots();
        let open = slots.targets.iter().filter(|target| target.is_open());
        let newest: BTreeMap<&str, &Arc<Target>> =
            open.map(|target| (target.title.as_str(), target)).collect();
        newest.into_values().cloned().collect()
    }
}

impl Registration {
    /// Waits for a debugger, if the isolate is to do that before it runs anything.
    ///
    /// # Errors
    /// The process ends instead.
    pub async fn wait(&self, runtime: &mut JsRuntime, logger: &Logger) -> Result<(), StartError> {
        if *self.target.phase.borrow() != Phase::Waiting {
            return Ok(());
        }
        logger.note(format!(
            "waiting for a debugger: open chrome://inspect, or have an editor attach to http://{}",
            self.inspector.address
        ));
        if self.target.wait(runtime).await {
            return Ok(());
        }
        let text = "the process ends before a debugger came";
        Err(StartError::Module(text.to_owned()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.target.release();
        let mut slots = self.inspector.slots();
        slots
            .targets
            .retain(|target| !Arc::ptr_eq(target, &self.target));
    }
}

impl Target {
    /// How many debuggers are attached.
    pub fn attached(&self) -> Arc<AtomicUsize> {
        self.attached.clone()
    }

    /// Ends the sessions of this isolate, which lets its code go on if it is paused, and begins
    /// none any more.
    pub fn release(&self) {
        self.phase.send_replace(Phase::Released);
    }

    /// Lets debuggers speak with the isolate until one of them says that its code may run, if it
    /// is to wait for that. False when the process ends instead.
    async fn wait(&self, runtime: &mut JsRuntime) -> bool {
        let mut phase = self.phase.subscribe();
        let mut going = std::pin::pin!(phase.wait_for(|phase| *phase != Phase::Waiting));
        let phase = poll_fn(|cx| {
            let going = going.as_mut().poll(cx);
            // After that: the last thing that was said is heard before the code runs.
            let options = PollEventLoopOptions::default();
            drop(runtime.poll_event_loop(cx, options));
            match going {
                Poll::Pending => Poll::Pending,
                Poll::Ready(phase) => Poll::Ready(phase.map(|phase| *phase)),
            }
        });
        !matches!(phase.await, Ok(Phase::Released))
    }

    fn is_open(&self) -> bool {
        *self.phase.borrow() != Phase::Released
    }

    /// A debugger says that waiting code may run.
    fn go(&self) {
        self.phase.send_if_modified(|phase| {
            let waited = *phase == Phase::Waiting;
            if waited {
                *phase = Phase::Running;
            }
            waited
        });
    }
}

/// The ways to interfere with what an isolate runs, from another thread.
#[derive(Clone)]
pub struct Brake {
    /// V8's way.
    pub isolate: IsolateHandle,
    /// The debuggers' way, if there may be some.
    pub target: Option<Arc<Target>>,
}

impl Brake {
    /// The brake of a runtime, which debuggers may know.
    pub fn of(runtime: &mut JsRuntime, debugged: Option<&Registration>) -> Brake {
        Brake {
            isolate: runtime.v8_isolate().thread_safe_handle(),
            target: debugged.map(|debugged| debugged.target.clone()),
        }
    }

    /// Lets code go on that a debugger has paused, and has none pause it any more.
    pub fn release(&self) {
        self.target.iter().for_each(|target| target.release());
    }

    /// Ends the code that runs.
    pub fn terminate(&self) {
        self.release();
        self.isolate.terminate_execution();
    }
}

/// Ends the inspector when the process is asked to end: paused code would not hear of it.
async fn end_with_process(inspector: Arc<Inspector>) {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    inspector.end();
}

/// What a debugger is shown of a shard: its number, and the file that it runs.
fn place(entry: &Path, shard: ShardIndex) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let file = entry.strip_prefix(&here).unwrap_or(entry);
    format!("{}, shard {shard}", file.display())
}

/// Random bytes in the form in which debuggers expect ids.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex[range].concat();
    let parts = [
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..16),
    ];
    parts.join("-")
}
