//! Isolates that have no code yet. Making one takes about as long as bundling the code that it is
//! to run, and needs nothing of it: a process that starts does both at once.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use deno_core::JsRuntime;
use stead_ops::engine::EngineOptions;
use tokio::sync::oneshot;

use crate::bundle::loader::BundleLoader;
use crate::clock::Clock;
use crate::memory::BufferBudget;
use crate::placement::ShardIndex;
use crate::shard::Start;
use crate::shared::Shared;

/// Stack of a shard's thread, in bytes: JavaScript takes about a megabyte of it at most, SQLite and
/// the parsers of source maps the rest.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// What an isolate is made with.
#[derive(Clone)]
pub struct Settings {
    /// The bytes of its heap, and those of its array buffers.
    pub heap_bytes: usize,
    /// Every compatibility flag, and whether it is on.
    pub flags: BTreeMap<String, bool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether a debugger or a profiler may attach.
    pub inspector: bool,
    /// Makes randomness repeatable.
    pub seed: Option<u64>,
}

impl Settings {
    /// Those of a worker's shards.
    pub fn of(shared: &Shared) -> Settings {
        let testing = shared.testing.as_ref();
        Settings {
            heap_bytes: shared.limits.heap_bytes,
            flags: shared.compatibility.flags().clone(),
            clock: shared.clock.clone(),
            inspector: shared.inspector.is_some() || testing.is_some_and(|testing| testing.counts),
            seed: testing.map(|testing| testing.seed),
        }
    }
}

/// An isolate without code.
pub struct Blank {
    /// Its globals are in place.
    pub runtime: JsRuntime,
    /// Finds the code once it was given some.
    pub loader: Rc<BundleLoader>,
    /// The memory of its array buffers.
    pub buffers: Arc<BufferBudget>,
}

impl Blank {
    fn new(index: ShardIndex, settings: Settings) -> Blank {
        let loader = Rc::new(BundleLoader::default());
        let mut options = EngineOptions::new(crate::SNAPSHOT, loader.clone());
        let buffers = BufferBudget::new(settings.heap_bytes);
        options.heap_limit = Some(settings.heap_bytes);
        options.compatibility_flags = settings.flags;
        options.array_buffers = Some(buffers.allocator());
        options.virtual_time = settings.clock.virtual_time().is_some();
        options.inspector = settings.inspector;
        options.seed = settings.seed;
        let clock = settings.clock;
        options.state = Box::new(move |state| crate::testing::put_clock(state, clock, index));
        Blank {
            runtime: stead_ops::engine::new_runtime(options),
            loader,
            buffers,
        }
    }
}

/// The thread of a shard that makes its isolate and then waits for what to run. It ends when this
/// is dropped.
pub struct Waiting {
    thread: Option<JoinHandle<()>>,
    start: Option<oneshot::Sender<Start>>,
}

impl Waiting {
    /// Starts the thread of the shard with this number.
    pub fn begin(index: ShardIndex, settings: Settings) -> Waiting {
        let (start, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("shard-{index}"))
            .stack_size(STACK_BYTES)
            .spawn(move || main(index, settings, started))
            .expect("a process that cannot start a thread cannot serve");
        Waiting {
            thread: Some(thread),
            start: Some(start),
        }
    }

    /// Starts the threads of so many shards.
    pub fn begin_all(count: usize, settings: &Settings) -> Vec<Waiting> {
        (0..count)
            .map(|index| Waiting::begin(index, settings.clone()))
            .collect()
    }

    /// Has the thread serve as a shard.
    pub fn start(mut self, start: Start) -> JoinHandle<()> {
        let sender = self.start.take().expect("taken once, here");
        // Whoever waits for the shard to be ready hears that its thread has ended.
        drop(sender.send(start));
        self.thread.take().expect("taken once, here")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.start.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the thread itself.
            drop(thread.join());
        }
    }
}

/// What the thread does.
fn main(index: ShardIndex, settings: Settings, start: oneshot::Receiver<Start>) {
    let _room = crate::memory::make_room();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a process that cannot make an epoll instance cannot serve");
    // A task wakes itself without asking the system, which the root future cannot.
    runtime.block_on(async {
        let served = deno_core::unsync::spawn(async move {
            let blank = Blank::new(index, settings);
            if let Ok(start) = start.await {
                crate::shard::serve(start, blank).await;
            }
        });
        if let Err(error) = served.await {
            std::panic::resume_unwind(error.into_panic());
        }
    });
}
