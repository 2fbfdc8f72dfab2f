//! Starting a runtime from the snapshot.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::JsRuntime;
use deno_core::ModuleLoader;
use deno_core::OpState;
use deno_core::RuntimeOptions;
use deno_core::serde_v8;
use deno_core::v8;
use deno_permissions::PermissionsContainer;
use deno_permissions::RuntimePermissionDescriptorParser;
use serde::Serialize;
use sys_traits::impls::RealSys;

use super::extensions::extensions;
use super::snapshot::Snapshot;

/// What distinguishes one runtime from another.
pub struct EngineOptions {
    /// What the build script made.
    pub snapshot: Snapshot,
    /// Finds the user's modules.
    pub module_loader: Rc<dyn ModuleLoader>,
    /// Makes `Math.random` and `crypto`'s random values repeatable.
    pub seed: Option<u64>,
    /// The heap size in bytes at which V8 calls the near-heap-limit callback.
    pub heap_limit: Option<usize>,
    /// Where the bytes of array buffers come from; V8's own allocator if none.
    pub array_buffers: Option<v8::UniqueRef<v8::Allocator>>,
    /// The `User-Agent` of outgoing requests that do not set one. Nothing is sent when empty.
    pub user_agent: String,
    /// `Cloudflare.compatibilityFlags`.
    pub compatibility_flags: BTreeMap<String, bool>,
    /// Whether the console formats values with ANSI colours.
    pub colors: bool,
    /// Whether a debugger may attach.
    pub inspector: bool,
    /// Whether time is that of the `VirtualClockRef` which `state` puts into the state.
    pub virtual_time: bool,
    /// Puts into the state what ops expect to find there. Runs before any JavaScript does.
    pub state: Box<dyn FnOnce(&mut OpState)>,
}

impl EngineOptions {
    /// The options of a plain runtime: unseeded, unlimited, printing to the process's output.
    pub fn new(snapshot: Snapshot, module_loader: Rc<dyn ModuleLoader>) -> Self {
        Self {
            snapshot,
            module_loader,
            seed: None,
            heap_limit: None,
            array_buffers: None,
            user_agent: String::new(),
            compatibility_flags: BTreeMap::new(),
            colors: false,
            inspector: false,
            virtual_time: false,
            state: Box::new(|_| {}),
        }
    }
}

/// The functions of `js/dispatch.js` by name, in the state of each runtime.
pub struct DispatchTable(pub v8::Global<v8::Object>);

/// What the `start` function of `js/bootstrap.js` is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartOptions<'a> {
    colors: bool,
    compatibility_flags: &'a BTreeMap<String, bool>,
    inspector: bool,
    seed: Option<u64>,
    virtual_time: bool,
}

/// Starts V8. Called once by `main`, before any thread that will hold a runtime is started:
/// V8 guards its code pages with memory protection keys, which threads inherit at birth.
///
/// `flags` are V8's own, such as `--max-lazy`; those V8 does not know are returned.
pub fn init_platform(flags: &[String]) -> Vec<String> {
    // The first element is skipped by V8 as the program's name.
    let mut arguments = vec![String::from("stead")];
    arguments.extend_from_slice(flags);
    let mut unknown = deno_core::v8_set_flags(arguments);
    unknown.remove(0);
    JsRuntime::init_platform(None);
    unknown
}

/// Starts a runtime: its globals are in place and no user code has run.
///
/// Called inside a current-thread tokio runtime, at most once per thread: V8 schedules its own
/// tasks on that runtime and aborts the process when there is none, and several packages keep
/// one isolate's values in thread-local variables. The JavaScript context of the caller is empty.
///
/// # Panics
///
/// When the snapshot does not belong to this binary.
pub fn new_runtime(options: EngineOptions) -> JsRuntime {
    let mut create_params = v8::Isolate::create_params();
    if let Some(limit) = options.heap_limit {
        create_params = create_params.heap_limits(0, limit);
    }
    if let Some(allocator) = options.array_buffers {
        create_params = create_params.array_buffer_allocator(allocator);
    }
    let mut runtime = JsRuntime::new(RuntimeOptions {
        module_loader: Some(options.module_loader),
        extensions: extensions(options.user_agent, options.seed),
        startup_snapshot: Some(options.snapshot.blob),
        residual_lazy_js_sources: options.snapshot.late_scripts,
        create_params: Some(create_params),
        inspector: options.inspector,
        is_main: true,
        ..Default::default()
    });
    {
        let op_state = runtime.op_state();
        let mut op_state = op_state.borrow_mut();
        // A Worker has no permission system: what it may reach is decided by its bindings.
        op_state.put(PermissionsContainer::allow_all(Arc::new(
            RuntimePermissionDescriptorParser::new(RealSys),
        )));
        (options.state)(&mut op_state);
    }
    let dispatch = start(
        &mut runtime,
        &StartOptions {
            colors: options.colors,
            compatibility_flags: &options.compatibility_flags,
            inspector: options.inspector,
            seed: options.seed,
            virtual_time: options.virtual_time,
        },
    );
    runtime.op_state().borrow_mut().put(DispatchTable(dispatch));
    runtime
}

/// Runs the part of the bootstrap that cannot be in a snapshot, and takes its door away.
fn start(runtime: &mut JsRuntime, options: &StartOptions) -> v8::Global<v8::Object> {
    deno_core::scope!(scope, runtime);
    v8::tc_scope!(let scope, scope);
    let global = scope.get_current_context().global(scope);
    let key = v8::String::new(scope, "__start").expect("a short string");
    let start: v8::Local<v8::Function> = global
        .get(scope, key.into())
        .and_then(|value| value.try_into().ok())
        .expect("the snapshot was made by this program");
    let argument = serde_v8::to_v8(scope, options).expect("plain data");
    let Some(dispatch) = start.call(scope, global.into(), &[argument]) else {
        let message = scope
            .exception()
            .map(|exception| exception.to_rust_string_lossy(scope));
        panic!("bootstrap.js threw: {}", message.unwrap_or_default());
    };
    let dispatch = v8::Local::<v8::Object>::try_from(dispatch).expect("made by dispatch.js");
    v8::Global::new(scope, dispatch)
}
