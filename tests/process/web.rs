//! The web platform where it meets the network: bodies on the wire, and a worker that is its own client.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::server::{Server, fixture, temporary};

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[test]
fn a_body_that_says_it_is_compressed_is() {
    let state = temporary();
    let server = Server::start(&fixture("web.ts"), state.path(), &[]);
    for path in ["/gzip", "/manual"] {
        let response = server.get(path);
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        assert_eq!(response.body[..2], GZIP, "{path}");
        assert!(response.body.len() < 100, "{path}");
    }
    server.stop();
}

#[test]
fn an_event_source_connects_again_and_says_where_it_was() {
    let state = temporary();
    let server = Server::start(&fixture("web.ts"), state.path(), &["--shards", "1"]);
    assert_eq!(
        server.get("/listen").json(),
        json!(["open", "1 after null", "error", "open", "2 after 1", 2])
    );
    server.stop();
}

#[test]
fn a_beacon_is_sent_though_nobody_waits_for_it() {
    let state = temporary();
    let server = Server::start(&fixture("web.ts"), state.path(), &["--shards", "1"]);
    assert_eq!(server.get("/beacon").json(), json!(true));
    let arrived = (0..10_000).any(|_| server.get("/noted").text() == "noted");
    assert!(arrived);
    server.stop();
}

#[test]
fn the_signal_of_a_request_aborts_when_its_client_leaves() {
    let state = temporary();
    let server = Server::start(&fixture("web.ts"), state.path(), &["--shards", "1"]);
    assert_eq!(server.get("/ended").text(), "all of it");
    assert_eq!(server.get("/what").text(), "begun");
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /endless HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 500]).unwrap();
    assert_eq!(server.get("/what").text(), "begun");
    drop(stream);
    let reason = "AbortError: The client has disconnected";
    server.until("/what", |answer| answer.text() == reason);
    server.stop();
}
