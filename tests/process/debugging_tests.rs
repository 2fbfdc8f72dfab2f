//! `stead test --inspect`: a debugger stops tests, which have all the time of the world then.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::debugger::Debugger;
use crate::server::{Finished, fixture, temporary};

/// Runs the tests of a fixture; where debuggers attach.
#[track_caller]
fn start(file: &str, inspect: &str) -> (Child, SocketAddr) {
    let mut tests = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", inspect])
        .arg(fixture(&format!("suites/{file}")))
        .current_dir(temporary().path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = BufReader::new(tests.stderr.take().expect("a pipe")).lines();
    let line = said.find_map(|line| {
        let line = line.expect("text");
        let (_, address) = line.split_once("attach to http://")?;
        let address = address.split_once(": open").map_or(address, |(a, _)| a);
        Some(address.parse().expect("an address"))
    });
    std::thread::spawn(move || said.for_each(drop));
    (tests, line.expect("it says where"))
}

#[test]
fn a_breakpoint_stops_a_test_that_is_never_late() {
    let (tests, address) = start("debugged.test.ts", "--inspect-brk=127.0.0.1:0");
    let mut debugger = Debugger::attach(address);
    debugger.ask("Runtime.enable", json!({}));
    debugger.ask("Debugger.enable", json!({}));
    debugger.ask("Runtime.runIfWaitingForDebugger", json!({}));
    debugger.paused();
    debugger.break_at("debugged.test.ts", "return sum;");
    debugger.break_at("debugged.test.ts", "expect(sum).toBe(5);");
    debugger.ask("Debugger.resume", json!({}));
    let inside = debugger.paused();
    assert_eq!(inside[0]["functionName"], "add");
    assert_eq!(debugger.evaluate(&inside[0], "first * 10 + sum"), 25);
    debugger.ask("Debugger.resume", json!({}));
    let outside = debugger.paused();
    assert_eq!(debugger.evaluate(&outside[0], "sum"), 5);
    debugger.ask("Debugger.resume", json!({}));
    let finished = Finished::of(tests.wait_with_output().expect("it ends"));
    assert!(
        finished.printed().contains("1 passed, 0 failed"),
        "{finished:?}"
    );
}

#[test]
fn a_debugger_is_not_waited_for_unless_that_is_asked() {
    let (tests, _address) = start("debugged.test.ts", "--inspect=127.0.0.1:0");
    let finished = Finished::of(tests.wait_with_output().expect("it ends"));
    assert!(
        finished.printed().contains("1 passed, 0 failed"),
        "{finished:?}"
    );
}

#[test]
fn a_debugger_attaches_to_one_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", "--inspect-brk=127.0.0.1:0"])
        .arg(fixture("suites"))
        .output();
    let finished = Finished::of(output.expect("the binary starts"));
    finished.failed(
        2,
        &["a debugger attaches to one test file", "name the file"],
    );
}
