//! Objects that leave memory while clients stay connected to them.

use serde_json::json;

use crate::server::{Server, fixture, temporary};
use crate::websocket::Socket;

const AGGRESSIVE: [&str; 4] = ["--evict", "aggressive", "--shards", "2"];

#[test]
fn a_client_stays_connected_while_its_object_sleeps() {
    let state = temporary();
    let server = Server::start(&fixture("sleeper.ts"), state.path(), &AGGRESSIVE);
    let mut ann = Socket::connect(&server, "/room?ann");
    let mut bob = Socket::connect(&server, "/room?bob");
    for round in 0..20 {
        // Each event meets an instance that has had none before.
        ann.say(&format!("hello {round}"));
        assert_eq!(ann.hear(), format!("hello {round} [1,2] ?ann"));
        bob.say("ping");
        assert_eq!(bob.hear(), "pong");
        assert_eq!(server.get("/room").json(), json!([1, 2]));
    }
    drop(bob);
    server.logged(|line| {
        line["text"] == "closed 1006 WebSocket disconnected without sending Close frame. false"
    });
    ann.say("alone");
    assert_eq!(ann.hear(), "alone [1,1] ?ann");
    server.interrupt();
    assert_eq!(ann.close_code(), 1001);
    assert_eq!(server.ended(), 0);
}

#[test]
fn a_reset_object_loses_its_clients() {
    let state = temporary();
    let server = Server::start(&fixture("sleeper.ts"), state.path(), &AGGRESSIVE);
    let mut ann = Socket::connect(&server, "/room?ann");
    let mut other = Socket::connect(&server, "/other?other");
    ann.say("abort");
    assert!(ann.try_hear().is_err());
    assert_eq!(server.get("/room").json(), json!([1, 0]));
    other.say("still here");
    assert_eq!(other.hear(), "still here [1,1] ?other");
}

#[test]
fn an_object_stays_in_memory_when_told_to() {
    let state = temporary();
    let never = ["--evict", "never", "--shards", "1"];
    let server = Server::start(&fixture("sleeper.ts"), state.path(), &never);
    assert_eq!(server.get("/room").json(), json!([1, 0]));
    assert_eq!(server.get("/room").json(), json!([2, 0]));
}
