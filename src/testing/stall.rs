//! What a test waits for that will never end.

use std::fmt::Write as _;

use deno_core::JsRuntime;
use deno_core::stats::RuntimeActivity;
use deno_core::stats::RuntimeActivityStatsFilter;

use crate::isolate::call;
use crate::isolate::string;
use crate::shard::Shard;

/// What the ops that wait are called to people.
const WAITS: [(&str, &str); 7] = [
    ("op_stub_call_answer", "the result of a call"),
    ("op_stub_fetch_answer", "the response to a request"),
    ("op_output_wait", "a commit to be durable"),
    ("op_socket_next", "a message on a WebSocket"),
    (
        "op_readable_stream_resource_write_buf",
        "a reader of a stream",
    ),
    ("op_read", "more of a body"),
    ("op_test_ask", "a control of the test"),
];

impl Shard {
    /// Ends the tests that wait, with what they wait for.
    pub fn tell_stalled(&self, runtime: &JsRuntime) {
        let text = self.stalled_text(runtime);
        self.isolate.enter(|scope| {
            let text = string(scope, &text);
            drop(call(scope, &self.isolate.dispatch.tests_stalled, &[text]));
        });
        self.end_turn();
        self.wake();
    }

    fn stalled_text(&self, runtime: &JsRuntime) -> String {
        let mut text = "nothing is left that could end this test: nothing is ready to run, and no timer or alarm is pending".to_owned();
        text += &self.objects_waiting();
        let pending = pending_ops(runtime);
        for what in &pending {
            let _ = write!(text, "\n  somebody waits for {what}");
        }
        if pending.is_empty() {
            text.push_str("\n  it waits for a promise that nobody is left to resolve");
        }
        text
    }

    /// What the objects of this shard have not done yet, one line for each.
    pub fn objects_waiting(&self) -> String {
        let mut text = String::new();
        for resident in self.objects.borrow().values() {
            let instance = &resident.instance;
            let mut waits = Vec::new();
            if instance.owes.any() {
                waits.push("a call or request that it has not answered".to_owned());
            }
            if instance.input.is_locked() {
                waits.push(format!(
                    "a critical section that has not ended, for which {} events wait at its input gate",
                    instance.input.waiting()
                ));
            }
            if !resident.is_durable() {
                waits.push("its output gate, which waits for a commit".to_owned());
            }
            if !waits.is_empty() {
                let _ = write!(
                    text,
                    "\n  {} has {}",
                    instance.label(),
                    waits.join(", and ")
                );
            }
        }
        text
    }
}

/// What code waits for, as people call it.
fn pending_ops(runtime: &JsRuntime) -> Vec<&'static str> {
    let filter = RuntimeActivityStatsFilter::default().with_ops();
    let stats = runtime.runtime_activity_stats_factory().capture(&filter);
    let mut pending: Vec<&str> = Vec::new();
    for activity in stats.dump().active {
        if let RuntimeActivity::AsyncOp(_, _, name) = activity {
            let known = WAITS.iter().find(|(op, _)| *op == name);
            pending.push(known.map_or(name, |(_, what)| what));
        }
    }
    pending.sort_unstable();
    pending.dedup();
    pending
}
