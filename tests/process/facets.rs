//! Facets: what they store survives the process, and the commands about stored objects know them.

use std::path::Path;

use serde_json::Value;

use crate::faults::{Faults, HANG, SYNC, fault};
use crate::server::{Server, fixture, stead, temporary, text};

fn start(state: &Path, options: &[&str]) -> Server {
    Server::start(&fixture("family.ts"), state, options)
}

#[track_caller]
fn check(server: &Server, path: &str, expect: &str) {
    assert_eq!(server.get(path).text(), expect, "{path}");
}

#[test]
fn what_facets_stored_survives_the_process() {
    let state = temporary();
    let mut server = start(state.path(), &[]);
    for round in 1..=4 {
        for facet in ["", "/x", "/y", "/x/inner", "/x/inner/innermost"] {
            check(&server, &format!("/a{facet}?do=add"), &round.to_string());
        }
        if round % 2 == 0 {
            server.stop();
        } else {
            server.kill();
        }
        server = start(state.path(), &[]);
    }
    for facet in ["", "/x", "/y", "/x/inner", "/x/inner/innermost"] {
        check(&server, &format!("/a{facet}"), "4");
    }
    check(&server, "/a/x?do=delete", "\"deleted\"");
    check(&server, "/a/y?do=clone-to-z", "\"cloned\"");
    server.kill();
    let server = start(state.path(), &[]);
    for (facet, expect) in [("x", "0"), ("x/inner", "0"), ("y", "4"), ("z", "4")] {
        check(&server, &format!("/a/{facet}"), expect);
    }
    check(&server, "/a", "4");
    server.stop();
    let verified = stead(["verify", "--state", text(state.path())]);
    assert!(
        verified.printed().contains("all whole"),
        "{}",
        verified.stdout
    );
}

#[test]
fn an_endless_loop_in_a_facet_ends_the_facet_alone() {
    let state = temporary();
    let server = start(state.path(), &["--cpu-ms", "200"]);
    check(&server, "/a?do=add", "1");
    check(&server, "/a/x?do=add", "1");
    assert_eq!(server.get("/a/x?do=spin").status, 500);
    server.logged(|line| {
        let text = line["text"].as_str().unwrap_or_default();
        text.contains("exceeded its CPU time limit") && line["object"] == "Family/a:x"
    });
    check(&server, "/a?do=add", "2");
    check(&server, "/a/x?do=add", "2");
    server.stop();
}

#[track_caller]
fn json(state: &Path, args: &[&str]) -> Value {
    let place = ["--json", "--state", text(state)];
    let finished = stead(args.iter().copied().chain(place));
    serde_json::from_str(finished.printed()).expect("JSON")
}

fn check_tools(is_running: bool) {
    let state = temporary();
    let state = state.path();
    let mut server = Some(start(state, &[]));
    let running = server.as_ref().unwrap();
    for count in ["1", "2", "3"] {
        check(running, "/a/x?do=add", count);
        check(running, "/a/x/inner?do=add", count);
    }
    check(running, "/a?do=add", "1");
    if !is_running {
        server.take().unwrap().stop();
    }

    let listed = json(state, &["ls"]);
    let listed = listed.as_array().unwrap();
    let facets: Vec<&Value> = listed.iter().map(|object| &object["facet"]).collect();
    assert_eq!(
        serde_json::json!(facets),
        serde_json::json!([null, ["x"], ["x", "inner"]])
    );

    let of_inner = ["Family/a", "--facet", "x", "--facet", "inner"];
    let history = json(state, &[&["history"], &of_inner[..]].concat());
    let first = &history.as_array().unwrap()[0];
    let bookmark = first["bookmark"].as_str().unwrap();
    let out = state.join("inner.sqlite");
    json(state, &[&["export"], &of_inner[..], &[text(&out)]].concat());
    let at = ["--at", bookmark];
    json(state, &[&["restore"], &of_inner[..], &at].concat());
    if let Some(running) = &server {
        check(running, "/a/x/inner", "1");
        check(running, "/a/x/inner?do=add", "2");
    }
    let import = ["import", "Family/a", "--facet", "x", text(&out)];
    json(state, &import);
    let verified = json(state, &["verify"]);
    for object in verified.as_array().unwrap() {
        assert_eq!(object["problems"], serde_json::json!([]), "{object}");
    }
    let server = server.unwrap_or_else(|| start(state, &[]));
    check(&server, "/a/x", "3");
    check(&server, "/a/x/inner", if is_running { "2" } else { "1" });
    check(&server, "/a", "1");
    server.stop();
}

#[test]
fn the_tools_know_facets_of_a_running_server() {
    check_tools(true);
}

#[test]
fn the_tools_know_facets_in_a_state_directory() {
    check_tools(false);
}

#[test]
fn a_facet_that_is_not_there_is_named() {
    let state = temporary();
    let server = start(state.path(), &[]);
    check(&server, "/a/x?do=add", "1");
    let state = text(state.path());
    let args = ["history", "Family/a", "--facet", "y", "--state", state];
    stead(args).failed(2, &["the object has no facet `y`"]);
    server.stop();
}

/// While the disk does not finish what `action` asks for, the other objects of the shard go on; then it is done.
#[track_caller]
fn goes_on_while_the_disk_is_slow(path: &str, answer: &str, then: &[(&str, &str)]) {
    let directory = temporary();
    let faults = Faults::in_directory(&directory);
    let state = directory.path().join("state");
    let options = ["--shards", "1"];
    let server = Server::start_in(
        &faults.environment(),
        &fixture("family.ts"),
        &state,
        &options,
    );
    for path in [
        "/a?do=add",
        "/a/x?do=add",
        "/a/x/inner?do=add",
        "/other?do=add",
    ] {
        check(&server, path, "1");
    }
    std::thread::scope(|scope| {
        faults.order(fault(SYNC, HANG), text(&state));
        let slow = scope.spawn(|| server.get(path));
        while faults.hits() == 0 {
            std::thread::yield_now();
        }
        for _ in 0..20 {
            check(&server, "/other", "1");
        }
        let early = slow.is_finished();
        let later = scope.spawn(|| server.get(then[0].0));
        faults.clear();
        assert!(!early, "the answer did not wait for the disk");
        assert_eq!(slow.join().unwrap().text(), answer);
        assert_eq!(later.join().unwrap().text(), then[0].1);
    });
    for (path, expect) in then {
        check(&server, path, expect);
    }
    server.kill();
    let server = start(&state, &[]);
    for (path, expect) in then {
        check(&server, path, expect);
    }
}

#[test]
fn a_shard_goes_on_while_facets_are_deleted_or_copied() {
    goes_on_while_the_disk_is_slow(
        "/a/x?do=delete",
        "\"deleted\"",
        &[("/a/x", "0"), ("/a/x/inner", "0"), ("/a", "1")],
    );
    goes_on_while_the_disk_is_slow(
        "/a/x?do=clone-to-y",
        "\"cloned\"",
        &[("/a/y", "1"), ("/a/y/inner", "1"), ("/a/x", "1")],
    );
    goes_on_while_the_disk_is_slow("/a/z", "0", &[("/a/z", "0")]);
}

#[test]
fn a_facet_that_is_called_while_it_is_deleted_starts_anew_afterwards() {
    let state = temporary();
    let server = start(state.path(), &["--shards", "1"]);
    for round in 0..20 {
        check(&server, "/a/x?do=add", "1");
        std::thread::scope(|scope| {
            let deleted = scope.spawn(|| server.get("/a/x?do=delete"));
            let added = scope.spawn(|| server.get("/a/x?do=add"));
            assert_eq!(deleted.join().unwrap().text(), "\"deleted\"");
            let added = added.join().unwrap();
            // Before or after, or ended by it.
            assert!(
                ["1", "2"].contains(&added.text()) || added.status == 500,
                "round {round}"
            );
        });
        assert_eq!(server.get("/a/x?do=delete").text(), "\"deleted\"");
    }
    server.stop();
}

#[test]
fn an_object_goes_to_new_code_when_what_its_facets_wait_for_is_done() {
    let directory = temporary();
    let faults = Faults::in_directory(&directory);
    let state = directory.path().join("state");
    let environment = faults.environment();
    let server = Server::start_in(
        &environment,
        &fixture("family.ts"),
        &state,
        &["--shards", "1"],
    );
    for path in ["/a?do=add", "/a/x?do=add", "/a/x/inner?do=add"] {
        check(&server, path, "1");
    }
    std::thread::scope(|scope| {
        faults.order(fault(SYNC, HANG), text(&state));
        let slow = scope.spawn(|| server.get("/a/x?do=clone-to-y"));
        while faults.hits() == 0 {
            std::thread::yield_now();
        }
        let is_loaded = |line: &Value| {
            let text = line["text"].as_str().unwrap_or_default();
            text.contains("was loaded again")
        };
        server.hang_up();
        server.logged(is_loaded);
        // Cuts the old code's time short.
        server.hang_up();
        assert_eq!(slow.join().unwrap().status, 500);
        let later = scope.spawn(|| server.get("/a/y"));
        for _ in 0..20 {
            check(&server, "/other", "0");
        }
        let early = later.is_finished();
        faults.clear();
        assert!(!early, "the object was opened while its facet was copied");
        assert_eq!(later.join().unwrap().text(), "1");
    });
    for path in ["/a", "/a/x", "/a/x/inner", "/a/y", "/a/y/inner"] {
        check(&server, path, "1");
    }
    server.stop();
}
