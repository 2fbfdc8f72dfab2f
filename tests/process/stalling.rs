//! A disk that neither finishes nor fails, for longer than an output gate may stay closed.

use serde_json::Value;

use crate::faults::{Faults, HANG, SYNC, fault};
use crate::server::{Server, fixture, temporary, text};

const STALLED: &str =
    "Durable Object storage operation exceeded timeout which caused object to be reset.";

#[test]
fn an_output_gate_that_stays_closed_resets_its_object() {
    let directory = temporary();
    let faults = Faults::in_directory(&directory);
    let state = directory.path().join("state");
    let environment = faults.environment();
    let options = ["--shards", "1"];
    let server = Server::start_in(&environment, &fixture("tally.ts"), &state, &options);
    for name in ["slow", "other"] {
        assert_eq!(server.get(&format!("/{name}/add")).text(), "1");
    }
    assert_eq!(server.get("/slow/calls").text(), "1");

    faults.order(fault(SYNC, HANG), text(&state));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/slow/add"));
        while faults.hits() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(server.get("/other").text(), "1");
        assert_eq!(waiting.join().unwrap().status, 500);
    });
    let is_told = |line: &Value| {
        line["type"] == "error" && line["object"] == "Tally/slow" && line["text"] == STALLED
    };
    server.logged(is_told);
    // Who waits for nothing is not concerned.
    assert_eq!(server.get("/other/calls").text(), "1");
    assert!(!server.has_logged(|line| line["object"] == "Tally/other" && line["type"] == "error"));

    faults.clear();
    let value = server.get("/slow/add").json();
    // What was on its way when the object was reset may have arrived.
    assert!([2, 3].map(Value::from).contains(&value), "{value}");
    assert_eq!(server.get("/slow/calls").text(), "1");
    server.stop();
}
