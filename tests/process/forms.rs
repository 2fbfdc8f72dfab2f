//! The forms that a worker's code may have: classes that extend nothing, scripts that listen for events.

use serde_json::{Value, json};

use crate::server::{Server, fixture, temporary};

#[test]
fn a_class_that_extends_nothing_is_an_objects() {
    let state = temporary();
    let server = Server::start(&fixture("plain.ts"), state.path(), &[]);
    assert_eq!(server.get("/x").text(), "/x 1 Plain,PLAIN");
    assert_eq!(server.get("/y").text(), "/y 2 Plain,PLAIN");
    let refused = "TypeError: The receiving Durable Object does not support RPC, because its class was not declared with `extends DurableObject`. In order to enable RPC, make sure your class extends the special class `DurableObject`, which can be imported from the module \"cloudflare:workers\".";
    let told: Value = serde_json::from_str(server.get("/call").text()).unwrap();
    assert_eq!(told, json!([refused, { "remote": true }]));
    server.stop();
}

#[test]
fn the_clock_stands_at_zero_while_modules_are_evaluated() {
    let state = temporary();
    let server = Server::start(&fixture("plain.ts"), state.path(), &[]);
    let told: Value = serde_json::from_str(server.get("/time").text()).unwrap();
    assert_eq!(
        told,
        json!({ "evaluatedAt": [0, 0, 0], "goesOn": true, "same": true })
    );
    server.stop();
}

#[test]
fn a_script_that_listens_for_events_is_a_worker() {
    let state = temporary();
    let options = ["--var", "GREETING=hello"];
    let server = Server::start(&fixture("listening.js"), state.path(), &options);
    assert_eq!(server.get("/").text(), "fetch FetchEvent true GET hello");
    server.logged(|line| line["text"] == "waited");
    assert_eq!(server.get("/twice").text(), "first");
    let once = "InvalidStateError: FetchEvent.respondWith() has already been called; it can only be called once.";
    server.logged(|line| line["text"] == once);
    assert_eq!(server.get("/reject").status, 500);
    assert_eq!(server.get("/silent").status, 500);
    server.stop();
}
