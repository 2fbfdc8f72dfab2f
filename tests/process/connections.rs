//! Connections that objects and entrypoints open to each other within the process.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::faults::{Faults, HANG, SYNC, fault};
use crate::server::{Server, fixture, temporary, text};

#[test]
fn much_passes_between_objects_of_all_shards() {
    let state = temporary();
    let file = fixture("connections.ts");
    let server = Server::start(&file, state.path(), &["--shards", "2"]);
    let mut places = BTreeSet::new();
    let mut peers = 0;
    while places.len() < 2 {
        assert!(peers < 500, "all objects are on one shard");
        let place = server.get(&format!("/where/peer-{peers}"));
        places.insert(place.text().to_owned());
        peers += 1;
    }
    for caller in ["one", "another"] {
        let counts = server.get(&format!("/all/{caller}/{peers}")).json();
        let count = |place: &str| counts[place].as_u64().unwrap();
        assert!(count("here") > 0 && count("elsewhere") > 0, "{counts}");
        assert_eq!(count("here") + count("elsewhere"), peers);
    }
    server.stop();
}

#[test]
fn a_connection_ends_with_its_object_wherever_its_caller_is() {
    let state = temporary();
    let file = fixture("connections.ts");
    let options = ["--shards", "2", "--cpu-ms", "300"];
    let server = Server::start(&file, state.path(), &options);
    for what in ["reset", "loop"] {
        // Connections to the server are dealt to shards in turn: the second one arrives elsewhere.
        for _ in 0..2 {
            let answer = server.get(&format!("/{what}/peer")).json();
            assert_eq!(answer, "", "{what}");
        }
    }
    server.stop();
}

#[test]
fn a_connection_ends_with_an_entrypoint_that_takes_too_long() {
    let state = temporary();
    let file = fixture("connections.ts");
    let options = ["--shards", "1", "--cpu-ms", "300"];
    let server = Server::start(&file, state.path(), &options);
    assert_eq!(server.get("/spinner").json(), "");
    let is_told = |line: &Value| line["text"] == "Worker exceeded CPU time limit.";
    server.logged(is_told);
    server.interrupt();
    let log = server.stopped_and_read();
    assert_eq!(log.iter().filter(|line| is_told(line)).count(), 1);
}

/// What a handler says, or that it has ended, is heard when what it stored before is durable.
fn waits_for_the_disk(what: &str) {
    let directory = temporary();
    let faults = Faults::in_directory(&directory);
    let state = directory.path().join("state");
    let file = fixture("connections.ts");
    let server = Server::start_in(&faults.environment(), &file, &state, &["--shards", "1"]);
    let place = server.get("/where/peer").json();
    std::thread::scope(|scope| {
        faults.order(fault(SYNC, HANG), text(&state));
        let slow = scope.spawn(|| server.get(&format!("/{what}/peer")));
        while faults.hits() == 0 {
            std::thread::yield_now();
        }
        for _ in 0..20 {
            assert_eq!(server.get("/where/other").json(), place);
        }
        let early = slow.is_finished();
        faults.clear();
        assert!(!early, "the connection did not wait for the disk");
        assert_eq!(slow.join().unwrap().status, 200);
    });
    server.stop();
}

#[test]
fn what_a_handler_says_waits_for_the_disk() {
    waits_for_the_disk("store");
}

#[test]
fn the_end_of_a_handler_waits_for_the_disk() {
    waits_for_the_disk("store-silently");
}

#[test]
fn a_facet_has_a_handler_of_its_own() {
    let state = temporary();
    let server = Server::start(&fixture("connections.ts"), state.path(), &[]);
    assert_eq!(server.get("/facet").json(), "from a facet");
    server.stop();
}
