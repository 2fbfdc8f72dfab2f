//! Runs one module in a runtime of its own and shows what came out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::NoopModuleLoader;
use deno_core::PollEventLoopOptions;
use stead_ops::console::ConsoleSink;
use stead_ops::engine::EngineOptions;
use stead_ops::engine::Snapshot;
use stead_ops::exception::ExceptionSink;

use crate::solo::Solo;

/// What a module did before its runtime had nothing left to do.
#[derive(Debug, Default)]
pub struct Outcome {
    /// `level: text` of every console line.
    pub lines: Vec<String>,
    /// `kind: message` of every exception that nobody caught.
    pub reports: Vec<String>,
}

type Job = Box<dyn FnOnce(Snapshot) + Send>;

/// Starts `job` on a thread that may hold a runtime. Such a thread has to descend from the one
/// that started V8, which threads of the test harness do not.
fn spawn(job: Job) {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            let snapshot = stead_ops::engine::create_snapshot().leak();
            for job in jobs {
                thread::Builder::new()
                    .stack_size(8 << 20)
                    .spawn(move || job(snapshot))
                    .expect("a thread");
            }
        });
        sender
    });
    spawner.send(job).expect("the spawner lives");
}

/// Evaluates `code` as the main module and polls until nothing is left to do.
#[track_caller]
pub fn run(code: &str) -> Outcome {
    run_with(code, |_| {})
}

/// Evaluates `code` as a module of the shim, which may import `ext:stead/` modules.
#[track_caller]
pub fn run_internal(code: &str) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let code = code.to_owned();
    spawn(Box::new(move |snapshot| {
        let _ = sender.send(block_on(evaluate(
            snapshot,
            |_| {},
            async move |runtime| {
                runtime
                    .lazy_load_es_module_with_code("ext:test/main.js", code)
                    .expect("the module evaluates");
                runtime
                    .run_event_loop(PollEventLoopOptions::default())
                    .await
                    .expect("nothing terminates the runtime");
            },
        )));
    }));
    receiver.recv().expect("the runtime's thread did not panic")
}

/// As [`run_internal`], in a process without objects; also how many values were exported, and how many of those
/// nobody holds any more, while garbage has not been collected.
#[track_caller]
pub fn run_on_host(code: &str) -> (Outcome, usize, usize) {
    let (sender, receiver) = mpsc::channel();
    let code = code.to_owned();
    spawn(Box::new(move |snapshot| {
        let mut counts = (0, 0);
        let outcome = block_on(evaluate(
            snapshot,
            |_| {},
            async |runtime| {
                let solo = Solo::install(runtime);
                runtime
                    .lazy_load_es_module_with_code("ext:test/main.js", code)
                    .expect("the module evaluates");
                counts = solo.exported_and_released();
            },
        ));
        let _ = sender.send((outcome, counts.0, counts.1));
    }));
    receiver.recv().expect("the runtime's thread did not panic")
}

/// As [`run`], with options of the caller's.
#[track_caller]
pub fn run_with(code: &str, configure: fn(&mut EngineOptions)) -> Outcome {
    start(code, configure)
        .recv()
        .expect("the runtime's thread did not panic")
}

/// Starts a runtime for `code`; the outcome arrives through the channel.
pub fn start(code: &str, configure: fn(&mut EngineOptions)) -> mpsc::Receiver<Outcome> {
    let (sender, receiver) = mpsc::channel();
    let code = code.to_owned();
    spawn(Box::new(move |snapshot| {
        let main = async move |runtime: &mut JsRuntime| evaluate_main(runtime, code).await;
        let _ = sender.send(block_on(evaluate(snapshot, configure, main)));
    }));
    receiver
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a tokio runtime")
        .block_on(future)
}

async fn evaluate(
    snapshot: Snapshot,
    configure: fn(&mut EngineOptions),
    main: impl AsyncFnOnce(&mut JsRuntime),
) -> Outcome {
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let mut options = EngineOptions::new(snapshot, Rc::new(NoopModuleLoader));
    let (lines, reports) = (outcome.clone(), outcome.clone());
    options.state = Box::new(move |state| {
        state.put(ConsoleSink(Rc::new(move |line| {
            let line = format!("{:?}: {}", line.level, line.text);
            lines.borrow_mut().lines.push(line);
        })));
        state.put(ExceptionSink(Rc::new(move |report| {
            let report = format!("{:?}: {}", report.kind, report.error.exception_message);
            reports.borrow_mut().reports.push(report);
        })));
    });
    configure(&mut options);
    let mut runtime = stead_ops::engine::new_runtime(options);
    main(&mut runtime).await;
    drop(runtime);
    outcome.take()
}

async fn evaluate_main(runtime: &mut JsRuntime, code: String) {
    let specifier = ModuleSpecifier::parse("file:///main.js").expect("a url");
    let module = runtime
        .load_main_es_module_from_code(&specifier, code)
        .await
        .expect("the module compiles");
    let evaluated = runtime.mod_evaluate(module);
    runtime
        .run_event_loop(PollEventLoopOptions::default())
        .await
        .expect("nothing terminates the runtime");
    evaluated.await.expect("the module evaluates");
}

/// Evaluates each expression, awaiting it, and compares its string.
#[track_caller]
pub fn check(table: &[(&str, &str)]) {
    let outcome = run(&table_module(table));
    compare(table, &outcome);
}

/// A module that prints one line for each expression of the table.
pub fn table_module(table: &[(&str, &str)]) -> String {
    let mut module = String::from(
        "async function show(evaluate) {\n\
         try { console.log(String(await evaluate())); }\n\
         catch (error) { console.log(`${error?.name}: ${error?.message}`); }\n\
         }\n",
    );
    for (expression, _) in table {
        module.push_str(&format!("await show(async () => ({expression}));\n"));
    }
    module
}

/// Fails with all lines that differ.
#[track_caller]
pub fn compare(table: &[(&str, &str)], outcome: &Outcome) {
    let mut wrong = String::new();
    for (index, (expression, expect)) in table.iter().enumerate() {
        let line = outcome.lines.get(index).map(String::as_str);
        let value = line.and_then(|line| line.strip_prefix("Log: "));
        if value != Some(expect) {
            let shown = value.unwrap_or("(nothing)");
            wrong.push_str(&format!(
                "\n{expression}\n  gave   {shown}\n  expect {expect}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(
        outcome.lines.len(),
        table.len(),
        "more lines than expressions"
    );
    assert_eq!(outcome.reports, [""; 0], "uncaught exceptions");
}

/// A script's function `random(below)`, a splitmix32 generator.
pub fn random_numbers(seed: u32) -> String {
    format!(
        r#"
let state = {seed};
function random(below) {{
  state = (state + 0x9e3779b9) | 0;
  let mixed = state ^ (state >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  mixed ^= mixed >>> 15;
  return (mixed >>> 0) % below;
}}
"#
    )
}

/// A script's function `damageBytes(original, other, times)`: a copy that is changed at most so often, also by
/// parts of another message. It asks `random()`.
pub const DAMAGE_BYTES: &str = r#"
function damageBytes(original, other, times) {
  let bytes = new Uint8Array(original);
  for (let i = random(times); i >= 0; i--) {
    const at = random(Math.max(bytes.length, 1));
    switch (random(5)) {
      case 0: bytes[at] = random(256); break;
      case 1: bytes[at] ^= 1 << random(8); break;
      case 2: bytes = bytes.slice(0, at); break;
      case 3: bytes = new Uint8Array([...bytes.slice(0, at), random(256), ...bytes.slice(at)]); break;
      case 4: bytes = new Uint8Array([...bytes.slice(0, at), ...other.slice(random(other.length))]);
    }
  }
  return bytes;
}
"#;
