//! `--inspect`: a debugger stops code, looks at it, and lets it go on.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use serde_json::json;

use crate::debugger::{Debugger, list};
use crate::http::{self, Response};
use crate::server::{Server, fixture, stead, temporary};

/// The line of the fixture at which the tests stop.
const LINE: &str = "return sum;";

fn start(options: &[&str]) -> (Server, tempfile::TempDir) {
    let state = temporary();
    let inspect = ["--inspect=127.0.0.1:0"];
    let options = [&inspect, options].concat();
    let server = Server::start(&fixture("debugged.ts"), state.path(), &options);
    (server, state)
}

fn inspector(server: &Server) -> SocketAddr {
    let address = server.ready["inspector"].as_str().expect("it is shown");
    address.parse().expect("an address")
}

/// Asks for a sum, which the debugger stops.
fn ask_for_sum(address: SocketAddr) -> JoinHandle<Response> {
    std::thread::spawn(move || http::send(address, "GET", "/?a=2&b=3", "").expect("an answer"))
}

#[test]
fn a_breakpoint_in_a_line_of_typescript_stops_there() {
    let (server, _state) = start(&[]);
    let mut debugger = Debugger::attach(inspector(&server));
    let line = debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    let frames = debugger.paused();
    assert_eq!(frames[0]["functionName"], "add");
    assert_eq!(line, 8);
    assert_eq!(debugger.evaluate(&frames[0], "first * 10 + sum"), 25);
    debugger.ask("Debugger.stepOut", json!({}));
    debugger.paused();
    debugger.evaluate(&frames[0], "1");
    debugger.ask("Debugger.resume", json!({}));
    assert_eq!(asked.join().unwrap().text(), "5");
    server.stop();
}

#[test]
fn the_list_names_the_isolate_of_each_shard() {
    let (server, _state) = start(&["--shards", "2"]);
    let address = inspector(&server);
    let targets = list(address);
    let titles = targets.iter().map(|target| target["title"].as_str());
    let titles: Vec<&str> = titles.map(Option::unwrap).collect();
    let [first, second] = titles.as_slice() else {
        panic!("{titles:?}");
    };
    assert!(first.starts_with("stead: ") && first.ends_with("debugged.ts, shard 0"));
    assert!(second.ends_with("debugged.ts, shard 1"));
    assert!(targets.iter().all(|target| target["type"] == "node"));
    let version = http::send(address, "GET", "/json/version", "").unwrap();
    let version = version.json()["Browser"].clone();
    assert!(version.as_str().unwrap().starts_with("stead/"), "{version}");
    server.stop();
}

#[test]
fn pages_of_other_names_learn_nothing() {
    let (server, _state) = start(&[]);
    let host = [("host", "rebound.example:80")];
    let answer = http::send_with(inspector(&server), "GET", "/json", &host, "").unwrap();
    assert_eq!((answer.status, answer.text()), (400, "Invalid Host header"));
    server.stop();
}

#[test]
fn code_that_a_debugger_looks_at_may_take_its_time() {
    let (server, _state) = start(&["--cpu-ms", "20"]);
    let mut debugger = Debugger::attach(inspector(&server));
    debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    let frames = debugger.paused();
    let busy = "let n = 0; for (let i = 0; i < 2e8; i++) n += i; n > 0";
    assert_eq!(debugger.evaluate(&frames[0], busy), true);
    debugger.ask("Debugger.resume", json!({}));
    let answer = asked.join().unwrap();
    assert_eq!((answer.status, answer.text()), (200, "5"));
    server.stop();
}

#[test]
fn code_goes_on_when_the_debugger_leaves() {
    let (server, _state) = start(&[]);
    let mut debugger = Debugger::attach(inspector(&server));
    debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    debugger.paused();
    drop(debugger);
    assert_eq!(asked.join().unwrap().text(), "5");
    assert_eq!(ask_for_sum(server.address).join().unwrap().text(), "5");
    server.stop();
}

#[test]
fn a_stop_ends_what_is_paused() {
    let (server, _state) = start(&[]);
    let mut debugger = Debugger::attach(inspector(&server));
    debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    debugger.paused();
    server.interrupt();
    assert_eq!(debugger.close_code(), 1001);
    assert_eq!(asked.join().unwrap().text(), "5");
    assert_eq!(server.ended(), 0);
}

#[test]
fn a_reload_ends_what_is_paused_and_is_found_at_the_same_address() {
    let (server, _state) = start(&[]);
    let address = inspector(&server);
    let before = list(address);
    let mut debugger = Debugger::attach(address);
    debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    debugger.paused();
    server.hang_up();
    assert_eq!(debugger.close_code(), 1001);
    assert_eq!(asked.join().unwrap().text(), "5");
    server.logged(|line| line["text"] == "what the old code was running has ended");
    assert_eq!(list(address), before);
    let mut debugger = Debugger::attach(address);
    debugger.break_at("debugged.ts", LINE);
    let asked = ask_for_sum(server.address);
    debugger.paused();
    debugger.ask("Debugger.resume", json!({}));
    assert_eq!(asked.join().unwrap().text(), "5");
    server.stop();
}

#[test]
fn profiles_and_heap_snapshots_are_taken() {
    let (server, _state) = start(&[]);
    let mut debugger = Debugger::attach(inspector(&server));
    debugger.ask("Profiler.enable", json!({}));
    debugger.ask("Profiler.start", json!({}));
    assert_eq!(ask_for_sum(server.address).join().unwrap().text(), "5");
    let profile = debugger.ask("Profiler.stop", json!({}));
    assert!(profile["profile"]["nodes"][0]["id"].is_u64(), "{profile}");
    debugger.ask("HeapProfiler.enable", json!({}));
    let how = json!({ "reportProgress": false });
    debugger.ask("HeapProfiler.takeHeapSnapshot", how);
    let chunk = debugger.event("HeapProfiler.addHeapSnapshotChunk", |_| true);
    assert!(
        chunk["chunk"]
            .as_str()
            .unwrap()
            .starts_with("{\"snapshot\"")
    );
    server.stop();
}

#[test]
fn code_waits_for_a_debugger_and_stops_at_its_first_line() {
    let state = temporary();
    let file = fixture("debugged.ts");
    let options = ["--inspect-brk=127.0.0.1:0", "--log-format", "json"];
    let server = Server::start_waiting(&file, state.path(), &options);
    let mut debugger = Debugger::attach(server.address);
    debugger.ask("Runtime.enable", json!({}));
    debugger.ask("Debugger.enable", json!({}));
    debugger.ask("Runtime.runIfWaitingForDebugger", json!({}));
    let frames = debugger.paused();
    let stopped = frames[0]["location"]["scriptId"].clone();
    let script = debugger.event("Debugger.scriptParsed", |script| {
        script["scriptId"] == stopped
    });
    let url = script["url"].as_str().unwrap();
    assert!(url.ends_with("/debugged.bundle.js"), "{url}");
    assert!(!server.has_logged(|line| line["type"] == "ready"));
    debugger.ask("Debugger.resume", json!({}));
    server.logged(|line| line["type"] == "ready");
    server.stop();
}

#[test]
fn a_process_that_waits_for_a_debugger_can_be_stopped() {
    let state = temporary();
    let file = fixture("debugged.ts");
    let options = ["--inspect-brk=127.0.0.1:0", "--log-format", "json"];
    let server = Server::start_waiting(&file, state.path(), &options);
    server.interrupt();
    assert_eq!(server.ended(), 3);
}

#[test]
fn an_address_that_is_taken_says_how_to_choose_another() {
    let (server, _state) = start(&[]);
    let taken = format!("--inspect={}", inspector(&server));
    let state = temporary();
    let file = fixture("debugged.ts");
    let options = ["--port", "0", "--state"];
    let args = ["run", file.to_str().unwrap(), &taken];
    let args = [&args[..], &options, &[state.path().to_str().unwrap()]].concat();
    stead(args).failed(4, &["is in use", "--inspect=9230"]);
    server.stop();
}
