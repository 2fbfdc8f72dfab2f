//! `stead test`'s side of a worker: what its tests are given, and what they are told to do.

mod control;
pub mod coverage;
pub mod crons;
pub mod events;
mod files;
mod gates;
pub mod levels;
mod memory;
mod server;
mod slow_disk;
mod stall;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::OpState;
use deno_core::serde_v8;
use deno_core::v8;
use serde::Serialize;
use stead_ops::cache::CachesCopy;
use stead_ops::time::VirtualClock;
use stead_ops::time::VirtualClockRef;
use stead_storage::ObjectId;
use stead_storage::StorageError;
use tokio::sync::mpsc;

use crate::cli::logger::Level;
use crate::clock::Clock;
use crate::clock::Random;
use crate::isolate::Isolate;
use crate::isolate::call;
use crate::placement::ShardIndex;
use crate::shard::Shard;
use crate::shard::StartError;
use crate::shared::Shared;
use crate::virtual_time::VirtualTime;
use coverage::ScriptCoverage;
use events::Line;
use events::News;
use levels::Levels;
use memory::Remembered;
use memory::TEST_ENDED;
use server::Servers;
use slow_disk::Unheard;

pub use control::Standstill;
pub use control::put_control;
pub use memory::TestDeed;

/// The library of tests, bundled from npm: see vendor/vitest.
const LIBRARY: &str = include_str!(concat!(env!("OUT_DIR"), "/test_library.js"));

/// Lines of one test's output that are kept; the first ones.
const LINES_MAX: usize = 1000;

/// What `stead test` adds to a worker.
pub struct Testing {
    /// Fixes all random numbers.
    pub seed: u64,
    /// Which of the events that are ready comes first, if that is left to chance.
    pub order: Option<Random>,
    /// What the isolate is told of the run.
    pub options: TestOptions,
    /// Where news of tests go.
    pub news: mpsc::UnboundedSender<News>,
    /// The levels of state.
    pub levels: Levels,
    /// Whether to count which code is reached.
    pub counts: bool,
    /// What was counted, of each shard that has ended.
    pub counted: Mutex<Vec<ScriptCoverage>>,
    /// The cron triggers of the project.
    pub crons: Vec<String>,
    /// Where the state of a failed test is kept.
    pub keep_failed: Option<std::path::PathBuf>,
    /// How each level began.
    begun: Mutex<Vec<Begun>>,
    /// What objects are to hear of their commits, while storage is stalled.
    unheard: Mutex<Option<Vec<Unheard>>>,
    lines: Mutex<Vec<Line>>,
    faults: Mutex<Vec<Fault>>,
    /// The HTTP servers that are open.
    servers: Servers,
}

/// What the isolate is told of a run: `TestOptions` of js/test_run.js.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestOptions {
    /// The file's path, as it is shown.
    pub path: String,
    /// Which tests to run.
    pub pattern: Option<String>,
    /// Whether to stop at the first test that fails.
    pub bail: bool,
    /// Whether time is that of tests.
    pub virtual_time: bool,
    /// Which snapshots are written.
    pub update_snapshots: UpdateSnapshots,
    /// Whether debuggers may attach: no test is late then.
    pub debugged: bool,
    /// What `inject()` gives: a JSON object, by name.
    pub provided: String,
    /// Whether what `vitest` exports is global.
    pub globals: bool,
    /// The runner's settings that differ from vitest's own: a JSON object.
    pub settings: String,
}

/// Which snapshots are written: vitest's own rules.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateSnapshots {
    /// All that are not as they should be; those that no test asks for are removed.
    All,
    /// Those that are not there yet.
    New,
    /// None, and one that is missing fails its test.
    None,
}

/// What was there when a level began.
struct Begun {
    /// The time on the wall.
    began_ms: i64,
    /// The sockets that slept.
    sockets: Remembered,
    /// What the Cache API kept.
    caches: CachesCopy,
}

/// How a disk fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Full,
    Broken,
}

impl Testing {
    /// A run that tells `news`.
    pub fn new(seed: u64, options: TestOptions, news: mpsc::UnboundedSender<News>) -> Testing {
        Testing {
            seed,
            order: None,
            options,
            news,
            levels: Levels::new(),
            counts: false,
            counted: Mutex::default(),
            crons: Vec::new(),
            keep_failed: None,
            begun: Mutex::default(),
            unheard: Mutex::default(),
            lines: Mutex::default(),
            faults: Mutex::default(),
            servers: Servers::default(),
        }
    }

    /// Takes a line of output for the test that runs.
    pub fn print(&self, line: Line) {
        if line.level == Level::Error.name() && line.text.contains(TEST_ENDED) {
            return;
        }
        let mut lines = lock(&self.lines);
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
    }

    /// The error that the next commit is to fail with, if a test wants one.
    pub fn take_fault(&self, path: &std::path::Path) -> Option<StorageError> {
        let code = match lock(&self.faults).pop()? {
            Fault::Full => rustix::io::Errno::NOSPC,
            Fault::Broken => rustix::io::Errno::IO,
        };
        Some(StorageError::Io {
            path: path.to_owned(),
            source: Arc::new(code.into()),
        })
    }

    /// Tells that the code of the tests was ended, which runs no more.
    pub fn tell_ended(&self, why: &str) {
        self.tell(serde_json::json!({ "type": "ended", "message": why }).to_string());
    }

    /// How many requests the servers of tests are answering; None if there is no server.
    pub fn answering(&self) -> Option<usize> {
        self.servers.answering()
    }

    /// How many levels of state have begun.
    fn level(&self) -> usize {
        lock(&self.begun).len()
    }

    fn tell(&self, event: String) {
        let lines = std::mem::take(&mut *lock(&self.lines));
        // Nobody listens any more when the run is being ended.
        let _ = self.news.send(News { event, lines });
    }
}

impl Shared {
    /// Takes a line of output for the test that runs.
    pub fn print(&self, object: Option<String>, level: Level, text: &str, uncaught: bool) {
        if let Some(testing) = &self.testing {
            testing.print(Line {
                object,
                level: level.name(),
                text: text.to_owned(),
                uncaught,
            });
        }
    }

    /// Whether each request and each run of an alarm is a line of the log: not those of tests.
    pub fn logs_requests(&self) -> bool {
        self.testing.is_none() && self.logger.wants_requests()
    }

    /// The unique key under which a namespace is kept: that of the level of a test, or its own.
    pub fn storage_key(&self, unique_key: &str) -> String {
        match &self.testing {
            Some(testing) => testing.levels.key(unique_key),
            None => unique_key.to_owned(),
        }
    }

    /// Brings an object that is about to be opened to the level of the test that runs.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn bring(&self, unique_key: &str, id: &ObjectId) -> Result<(), StorageError> {
        let Some(testing) = &self.testing else {
            return Ok(());
        };
        testing
            .levels
            .bring(&self.state, &self.journal, unique_key, id)
    }

    /// The same for the index of an object's facets.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn bring_index(&self, unique_key: &str, name: &str) -> Result<(), StorageError> {
        let Some(testing) = &self.testing else {
            return Ok(());
        };
        let brought = testing.levels.bring_file(&self.state, unique_key, name);
        brought.map_err(|source| StorageError::Io {
            path: self.state.path().join(unique_key).join(name),
            source: Arc::new(source),
        })
    }
}

/// The clock as one isolate asks it.
struct IsolateClock {
    clock: Arc<dyn Clock>,
    shard: ShardIndex,
}

impl IsolateClock {
    fn time(&self) -> &VirtualTime {
        self.clock.virtual_time().expect("`put_clock` has seen it")
    }
}

impl VirtualClock for IsolateClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn elapsed_ms(&self) -> i64 {
        self.time().elapsed_ms()
    }

    fn next_timer(&self, at_ms: Option<i64>) {
        self.time().set_next(self.shard, at_ms);
    }
}

/// Hands the clock to an isolate's ops, if it is one that they are to follow.
pub fn put_clock(state: &mut OpState, clock: Arc<dyn Clock>, shard: ShardIndex) {
    if clock.virtual_time().is_some() {
        state.put::<VirtualClockRef>(Rc::new(IsolateClock { clock, shard }));
    }
}

/// Prepares what the modules of tests import.
///
/// # Errors
/// What the library threw: a mistake of ours.
pub async fn prepare(
    runtime: &mut JsRuntime,
    isolate: &Isolate,
    testing: &Testing,
) -> Result<(), StartError> {
    let failed = |error: String| StartError::Module(format!("internal error: {error}"));
    let specifier = ModuleSpecifier::parse("stead:library").expect("a URL");
    let library = runtime
        .load_side_es_module_from_code(&specifier, LIBRARY)
        .await;
    let library = library.map_err(|error| failed(error.to_string()))?;
    let evaluation = runtime.mod_evaluate(library);
    let ran = runtime.run_event_loop(Default::default()).await;
    ran.map_err(|error| failed(error.to_string()))?;
    evaluation
        .await
        .map_err(|error| failed(error.to_string()))?;
    let library = runtime.get_module_namespace(library);
    let library = library.map_err(|error| failed(error.to_string()))?;
    isolate.enter(|scope| {
        let library = v8::Local::new(scope, library).into();
        let options = serde_v8::to_v8(scope, &testing.options).expect("plain data");
        match call(scope, &isolate.dispatch.prepare_tests, &[library, options]) {
            Ok(_) => Ok(()),
            Err(thrown) => {
                let thrown = v8::Local::new(scope, thrown);
                Err(failed(thrown.to_rust_string_lossy(scope)))
            }
        }
    })
}

impl Shard {
    /// Runs the tests of the worker's module.
    pub fn run_tests(&self) {
        self.isolate
            .enter(|scope| drop(call(scope, &self.isolate.dispatch.run_tests, &[])));
        self.end_turn();
        self.wake();
    }
}

/// The lock; a panic elsewhere has left nothing half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
