//! `stead call`: one RPC call from the command line, on the running server if there is one.

use std::path::Path;

use crate::server::{Finished, Server, fixture, stead, temporary, text};

#[track_caller]
fn call(state: &Path, rest: &[&str]) -> Finished {
    let tally = fixture("tally.ts");
    let line = ["call", text(&tally), "--state", text(state)];
    stead(line.iter().chain(rest).copied())
}

#[test]
fn a_call_without_a_server_starts_the_object_itself() {
    let state = temporary();
    assert_eq!(call(state.path(), &["Tally", "a", "add"]).printed(), "1\n");
    assert_eq!(
        call(state.path(), &["Tally", "a", "add", "5"]).printed(),
        "6\n"
    );
    assert_eq!(
        call(state.path(), &["Tally", "b", "value"]).printed(),
        "0\n"
    );
    let server = Server::start(&fixture("tally.ts"), state.path(), &[]);
    assert_eq!(server.get("/a").text(), "6");
}

#[test]
fn a_call_beside_a_server_reaches_the_instance_that_runs_there() {
    let state = temporary();
    let server = Server::start(
        &fixture("tally.ts"),
        state.path(),
        &["--shards", "2", "--var", "GREETING=hi"],
    );
    assert_eq!(server.get("/a/calls").text(), "1");
    assert_eq!(
        call(state.path(), &["Tally", "a", "calls"]).printed(),
        "2\n"
    );
    assert_eq!(server.get("/a/calls").text(), "3");
    let described = call(state.path(), &["Tally", "a", "describe"]);
    assert!(
        described.printed().contains(r#""greeting":"hi""#),
        "{described:?}"
    );
}

#[test]
fn a_call_after_a_killed_server_starts_the_object_itself() {
    let state = temporary();
    let server = Server::start(&fixture("tally.ts"), state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "1");
    server.kill();
    assert_eq!(call(state.path(), &["Tally", "a", "add"]).printed(), "2\n");
}

#[test]
fn arguments_are_json_and_so_is_the_result() {
    let state = temporary();
    let finished = call(
        state.path(),
        &[
            "Tally",
            "a b/c",
            "describe",
            "-1.5",
            r#""text""#,
            r#"{"k":[null,true]}"#,
            "--var",
            "GREETING=hi",
        ],
    );
    let result: serde_json::Value = serde_json::from_str(finished.printed()).unwrap();
    let expect = serde_json::json!({
        "name": "a b/c", "greeting": "hi", "args": [-1.5, "text", { "k": [null, true] }],
    });
    assert_eq!(result, expect);
    call(state.path(), &["Tally", "a", "describe", "text"]).failed(2, &["JSON", "quotes"]);
}

#[test]
fn stdout_is_the_result_and_console_goes_to_stderr() {
    let state = temporary();
    let finished = call(state.path(), &["Tally", "a", "slow", "0"]);
    assert_eq!(finished.printed(), "\"slow ended\"\n");
    assert!(finished.stderr.contains("slow began"), "{finished:?}");
}

#[test]
fn what_the_method_throws_is_the_exit_code_and_the_message() {
    let state = temporary();
    let check = || {
        call(state.path(), &["Tally", "a", "fail"]).failed(1, &["RangeError: a tally has an end"])
    };
    check();
    let _server = Server::start(&fixture("tally.ts"), state.path(), &[]);
    check();
}

#[test]
fn a_class_or_method_that_is_not_there_is_named() {
    let state = temporary();
    call(state.path(), &["Tale", "a", "add"]).failed(3, &["`Tale`", "`Tally`"]);
    call(state.path(), &["Tally", "a", "multiply"]).failed(1, &["multiply"]);
}
