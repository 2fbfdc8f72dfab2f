//! Objects and the shards that hold them: wherever a request arrives, an object is one.

use std::collections::BTreeSet;

use crate::server::{Server, fixture, temporary};
use crate::websocket::Socket;

#[test]
fn an_object_that_is_reset_while_all_shards_call_it_never_exists_twice() {
    let state = temporary();
    let server = Server::start(&fixture("places.ts"), state.path(), &["--shards", "4"]);
    let call = |thread: usize, round: usize| {
        let object = format!("object-{}", round % 2);
        if (thread + round).is_multiple_of(7) {
            let reset = server.get(&format!("/{object}/reset"));
            assert_eq!(reset.json(), "reset");
            return None;
        }
        // A call that waits while another one resets the object fails; none is lost.
        let next = server.get(&format!("/{object}/next"));
        assert!(matches!(next.status, 200 | 500), "{}", next.status);
        (next.status == 200).then(|| (object, next.json().as_u64().unwrap()))
    };
    let numbers: Vec<(String, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    (0..60)
                        .filter_map(|round| call(thread, round))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "a number was given twice");
    server.stop();
}

#[test]
fn an_object_is_reached_from_the_other_shard() {
    let state = temporary();
    let server = Server::start(&fixture("places.ts"), state.path(), &["--shards", "2"]);
    let home = server.get("/object/shard").text().to_owned();
    let other = || {
        // Connections are dealt to shards in turn: one of any two arrives elsewhere.
        while server.get("/shard").text() != home {}
    };
    other();
    assert_eq!(server.get("/object/shard").text(), home);
    other();
    let body = "x".repeat(3_000_000);
    assert!(server.send("POST", "/object/echo", &body).text() == body);
    other();
    let mut socket = Socket::connect(&server, "/object/socket");
    socket.say("hello");
    assert_eq!(socket.hear(), format!("hello from {home}"));
    server.stop();
}
