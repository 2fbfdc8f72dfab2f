//! Code that takes more than its share: its object is reset, its caller is told, and everything else goes on.

use serde_json::Value;
use serde_json::json;

use crate::server::{Server, fixture, temporary};
use crate::websocket::Socket;

const CPU: &str = "Durable Object exceeded its CPU time limit and was reset.";
const MEMORY: &str = "Durable Object's isolate exceeded its memory limit and was reset.";

/// One shard, so that whoever is harmed shares a thread with whoever harms. What is in memory stays there, however long
/// a busy machine takes for a second of the processor's time.
const SMALL: &[&str] = &[
    "--evict",
    "never",
    "--shards",
    "1",
    "--cpu-ms",
    "1000",
    "--heap-mb",
    "64",
    "--storage-mb",
    "1",
];

#[track_caller]
fn call(server: &Server, path: &str) -> Value {
    let response = server.get(path);
    serde_json::from_str(response.text()).unwrap_or_else(|_| panic!("{path}: {}", response.text()))
}

/// The object that `method` is called on is reset with `error`, and another one keeps what it has in memory.
#[track_caller]
fn resets(server: &Server, method: &str, error: &str) {
    let bystander = format!("/bystander-{method}/increment");
    assert_eq!(call(server, &bystander), json!({ "result": 1 }));
    let guilty = format!("/guilty-{method}");
    assert_eq!(
        call(server, &format!("{guilty}/increment")),
        json!({ "result": 1 })
    );
    assert_eq!(
        call(server, &format!("{guilty}/{method}")),
        json!({ "error": error, "reset": true }),
        "{method}"
    );
    assert_eq!(
        call(server, &format!("{guilty}/increment")),
        json!({ "result": 1 })
    );
    assert_eq!(call(server, &bystander), json!({ "result": 2 }));
}

#[test]
fn code_that_never_ends_resets_its_object_alone() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    for method in [
        "loop",
        "catchingLoop",
        "loopLater",
        "loopInMicrotasks",
        "loopInTimer",
        "burnInTurns",
        "burnInShortTurns",
        "burnBetweenCalls",
        "burnBetweenDigests",
        "backtrack",
        "endlessQuery",
    ] {
        resets(&server, method, CPU);
    }
    // What a turn wrote that did not end is not there.
    assert_eq!(
        call(&server, "/guilty-loop/stored"),
        json!({ "result": "nothing" })
    );
    server.stop();
}

#[test]
fn memory_without_end_resets_its_object_alone() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    resets(&server, "fillHeap", MEMORY);
    resets(&server, "fillBuffers", MEMORY);
    // These are the application's own mistakes, which it may catch.
    let deep = call(&server, "/deep/recurse");
    assert_eq!(deep["error"], "Maximum call stack size exceeded");
    assert_eq!(
        call(&server, "/long/longString")["error"],
        "Invalid string length"
    );
    server.stop();
}

/// What `method` leaves in the module's variables stays when its object is reset: the isolate is replaced.
#[track_caller]
fn replaces(method: &str) {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    let mut client = Socket::connect(&server, "/listener/socket");
    client.say("hello");
    assert_eq!(client.hear(), "hello 1");
    assert_eq!(
        call(&server, "/bystander/increment"),
        json!({ "result": 1 })
    );
    assert_eq!(
        call(&server, &format!("/guilty/{method}")),
        json!({ "error": MEMORY, "reset": true })
    );
    server.logged(|line| line.to_string().contains("its isolate is replaced"));
    server.until("/bystander/leaked", |answer| {
        answer.json() == json!({ "result": 0 })
    });
    assert_eq!(call(&server, "/guilty/increment"), json!({ "result": 1 }));
    client.say("still here");
    assert!(client.hear().starts_with("still here"));
    server.stop();
}

#[test]
fn an_isolate_that_the_modules_variables_fill_is_replaced() {
    replaces("leak");
    replaces("leakBuffers");
}

#[test]
fn what_other_objects_wait_for_arrives_though_one_is_ended() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| call(&server, "/patient/waitsLong"));
        // They resume in the same round of the event loop, when the loop has ended.
        assert_eq!(call(&server, "/guilty/loopLater")["error"], CPU);
        assert_eq!(waiting.join().unwrap(), json!({ "result": "waited" }));
    });
    server.stop();
}

#[test]
fn who_shares_a_thread_with_code_that_burns_is_not_blamed_for_it() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    std::thread::scope(|scope| {
        let idling = scope.spawn(|| call(&server, "/idling/idlesInTurns"));
        resets(&server, "burnInShortTurns", CPU);
        assert_eq!(idling.join().unwrap(), json!({ "result": "idled" }));
    });
    server.stop();
}

#[test]
fn abort_ends_the_code_that_called_it() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    resets(&server, "abort", "enough");
    assert_eq!(call(&server, "/a/increment"), json!({ "result": 1 }));
    assert!(!server.has_logged(|line| line.to_string().contains("code ran on")));
    server.stop();
}

#[test]
fn a_call_of_an_exported_function_is_answered_when_that_is_ended() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    assert_eq!(
        call(&server, "/worker/exported"),
        json!({ "error": "Worker exceeded CPU time limit.", "reset": false })
    );
    // The request whose function it is ends with it, and the object that called it is told.
    assert_eq!(server.get("/worker/callback").status, 503);
    server.until("/noting/stored", |answer| {
        answer.json() == json!({ "result": "Worker exceeded CPU time limit." })
    });
    server.stop();
}

#[test]
fn abort_isolate_resets_its_objects_and_its_variables() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    assert_eq!(call(&server, "/a/increment"), json!({ "result": 1 }));
    assert_eq!(call(&server, "/a/keepOne"), json!({ "result": null }));
    assert_eq!(call(&server, "/a/leaked"), json!({ "result": 1 }));
    assert_eq!(server.get("/worker/abortIsolate").status, 500);
    server.logged(|line| line.to_string().contains("enough of this isolate"));
    server.until("/a/leaked", |answer| {
        answer.json() == json!({ "result": 0 })
    });
    assert_eq!(call(&server, "/a/increment"), json!({ "result": 1 }));
    server.stop();
}

#[test]
fn an_object_that_exceeds_limits_again_and_again_is_refused_for_a_while() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    for _ in 0..3 {
        assert_eq!(call(&server, "/a/loop")["error"], CPU);
    }
    let refused = call(&server, "/a/increment");
    let error = refused["error"].as_str().unwrap();
    assert!(
        error.contains("exceeded a limit and was reset 3 times within a minute"),
        "{error}"
    );
    assert_eq!(call(&server, "/b/increment"), json!({ "result": 1 }));
    server.stop();
}

#[test]
fn an_object_that_is_called_without_end_refuses_what_does_not_fit_in_its_queue() {
    let state = temporary();
    let options = ["--shards", "1"];
    let server = Server::start(&fixture("hungry.ts"), state.path(), &options);
    let refused = call(&server, "/a/flood200000");
    let refused = refused.as_object().unwrap();
    assert_eq!(
        refused.keys().collect::<Vec<_>>(),
        ["Durable Object is overloaded. Too many requests queued."]
    );
    assert_eq!(call(&server, "/b/increment"), json!({ "result": 1 }));
}

#[test]
fn a_worker_that_never_ends_loses_the_request_alone() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    for path in [
        "/worker/loop",
        "/worker/loopLater",
        "/worker/burnInTurns",
        "/worker/burnInShortTurns",
    ] {
        assert_eq!(server.get(path).status, 503);
        assert_eq!(server.get("/worker/ok").text(), "ok");
    }
    server.stop();
}

#[test]
fn a_request_that_nothing_will_ever_answer_is_canceled() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    assert_eq!(server.get("/worker/never").status, 500);
    server.logged(|line| line.to_string().contains("your Worker's code had hung"));
    server.stop();
}

#[test]
fn an_object_may_store_so_much_and_no_more() {
    let state = temporary();
    let server = Server::start(&fixture("hungry.ts"), state.path(), SMALL);
    let full = call(&server, "/a/fillStorage");
    assert!(
        full["error"].as_str().unwrap().contains("SQLITE_FULL"),
        "{full}"
    );
    assert_eq!(call(&server, "/b/increment"), json!({ "result": 1 }));
    server.stop();
}
