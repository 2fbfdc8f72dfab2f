//! Which code a run has reached, counted by V8.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::InspectorSessionKind;
use deno_core::JsRuntime;
use deno_core::JsRuntimeInspector;
use deno_core::LocalInspectorSession;
use serde::Deserialize;
use serde_json::json;

/// The numbers of the two requests whose answers are not read, and of the one whose is.
const ENABLE: i32 = 1;
const START: i32 = 2;
const TAKE: i32 = 3;

/// How often the functions and blocks of one script ran.
#[derive(Clone, Debug, Deserialize)]
pub struct ScriptCoverage {
    /// The script's URL.
    pub url: String,
    /// Its functions, outer ones first.
    pub functions: Vec<FunctionCoverage>,
}

/// A function: its own range first, then the blocks in it that ran more or less often.
#[derive(Clone, Debug, Deserialize)]
pub struct FunctionCoverage {
    /// The ranges, outer ones first.
    pub ranges: Vec<Range>,
}

/// A part of a script, in UTF-16 code units.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Its first unit.
    pub start_offset: usize,
    /// The one after its last.
    pub end_offset: usize,
    /// How often it ran.
    pub count: u64,
}

#[derive(Deserialize)]
struct Reply {
    id: Option<i32>,
    result: Option<Taken>,
}

#[derive(Deserialize)]
struct Taken {
    #[serde(default)]
    result: Vec<ScriptCoverage>,
}

/// V8's profiler, counting in one isolate. Goes before the isolate does.
pub struct Counting {
    session: LocalInspectorSession,
    messages: Rc<RefCell<Vec<String>>>,
}

impl Counting {
    /// Counts from here on. The runtime has an inspector.
    pub fn start(runtime: &JsRuntime) -> Counting {
        let messages = Rc::<RefCell<Vec<String>>>::default();
        let received = messages.clone();
        let mut session = JsRuntimeInspector::create_local_session(
            runtime.inspector(),
            Box::new(move |message| received.borrow_mut().push(message.content)),
            InspectorSessionKind::NonBlocking {
                wait_for_disconnect: false,
            },
        );
        session.post_message(ENABLE, "Profiler.enable", None::<()>);
        let how = json!({ "callCount": true, "detailed": true });
        session.post_message(START, "Profiler.startPreciseCoverage", Some(how));
        Counting { session, messages }
    }

    /// What was counted in the script at `url`, if it ran at all.
    pub fn take(&mut self, url: &str) -> Option<ScriptCoverage> {
        self.session
            .post_message(TAKE, "Profiler.takePreciseCoverage", None::<()>);
        let messages = self.messages.take();
        let replies = messages
            .iter()
            .filter_map(|message| serde_json::from_str::<Reply>(message).ok());
        let scripts = replies
            .filter(|reply| reply.id == Some(TAKE))
            .filter_map(|reply| reply.result)
            .flat_map(|taken| taken.result);
        scripts.into_iter().find(|script| script.url == url)
    }
}
