//! The functions of `js/` that are compiled while the snapshot is made.

/// What every start and most first requests call, by file: functions, and classes with all their
/// methods. V8 compiles a function when it is called first, and the snapshot keeps what was
/// compiled: a start and its first answer are 1.5 ms shorter by these. A name that the file
/// does not have ends the build.
const HOT: &[(&str, &[&str])] = &[
    ("arguments.js", &["checkOptions"]),
    ("bootstrap.js", &["start", "hideInternals"]),
    ("clone.js", &["startClone"]),
    ("console.js", &["setColors"]),
    ("fast_ops.js", &["rebindOps"]),
    ("compatibility.js", &["setFlags", "isOn"]),
    ("globals.js", &["startGlobals"]),
    ("scope.js", &["adoptGlobal"]),
    ("node.js", &["startNode", "define", "defineLazily"]),
    ("tasks.js", &["startTasks"]),
    (
        "dispatch.js",
        &[
            "dispatch",
            "configure",
            "describe",
            "kindOf",
            "handlerNamesOf",
            "setVars",
            "answerRequest",
        ],
    ),
    (
        "global_scope.js",
        &[
            "beginEvaluation",
            "hideTime",
            "setGlobal",
            "endEvaluation",
            "endTimelessness",
        ],
    ),
    ("service_worker.js", &["beginListening", "endListening"]),
    (
        "namespace.js",
        &[
            "makeNamespace",
            "DurableObjectNamespace",
            "DurableObjectId",
            "makeStub",
            "makeId",
            "needsText",
            "isId",
            "DurableObject",
        ],
    ),
    (
        "service_stub.js",
        &[
            "Target",
            "EntrypointTarget",
            "StubHandler",
            "ObjectTarget",
            "ServiceStub",
            "requireInternal",
        ],
    ),
    ("navigator.js", &["setCompatibilityFlags"]),
    ("bindings.js", &["defineBindings"]),
    (
        "loopback.js",
        &[
            "makeExports",
            "loopbackNamespace",
            "callableOf",
            "loopbackService",
            "isObjectClass",
            "LoopbackNamespaceHandler",
            "LoopbackServiceHandler",
        ],
    ),
    ("front_door.js", &["frontDoor"]),
    ("entrypoint.js", &["setEntrypoints", "handlersOf"]),
    ("worker_event.js", &["WorkerEvent"]),
    (
        "context.js",
        &["enterContext", "mappingOf", "currentContext"],
    ),
    ("execution_context.js", &["ExecutionContext"]),
    (
        "request.js",
        &[
            "Request",
            "simpleRequest",
            "requestFromNative",
            "pairs",
            "requestOf",
            "requestToNative",
            "flatten",
        ],
    ),
    (
        "http.js",
        &["respond", "isPlainText", "responseFromNative", "leaving"],
    ),
    ("body.js", &["innerBody", "nativeBody", "PendingInnerBody"]),
    (
        "record.js",
        &[
            "currentHandle",
            "currentRecord",
            "currentRequest",
            "resumeAfter",
            "ObjectRecord",
            "enterObject",
        ],
    ),
    ("object_state.js", &["DurableObjectState"]),
    ("storage.js", &["DurableObjectStorage", "operations"]),
    ("sql.js", &["makeSql", "SqlStorage", "Cursor"]),
    ("kv.js", &["SyncKvStorage"]),
    ("workers.js", &["DurableObject"]),
    ("event_loop.js", &["receive"]),
    ("content_encoding.js", &["formatOf"]),
];

/// Compiles what `HOT` stands for. `%CompileBaseline` is V8's own, for the snapshot's maker only.
const COMPILE: &str = "
for (const hot of [HOT]) {
  const members = Object.getOwnPropertyDescriptors(hot.prototype ?? hot);
  const functions = Object.values(members).flatMap(({ value, get, set }) => [value, get, set]);
  for (const each of [hot, ...functions]) {
    if (typeof each === 'function') %CompileBaseline(each);
  }
}";

/// V8's flag for the words that [`compile_hot_functions`] adds.
pub const FLAG: &str = "--allow-natives-syntax";

/// A module's source, which also compiles its hot functions once it is evaluated.
pub fn compile_hot_functions(specifier: &str, source: String) -> String {
    let file = specifier.strip_prefix("ext:stead/");
    let hot = HOT.iter().find(|(name, _)| Some(*name) == file);
    match hot {
        None => source,
        Some((_, names)) => source + &COMPILE.replace("HOT", &names.join(", ")) + "\n",
    }
}
