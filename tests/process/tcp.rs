//! TCP connections to a server of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::server::{Server, fixture, temporary};

/// A server that does what the first line of each connection says, and tells how connections end.
struct Peer {
    port: u16,
    ends: Receiver<String>,
    go_on: Sender<()>,
}

impl Peer {
    fn start() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, ends) = channel();
        let (go_on, may_go_on) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let end = serve(stream.unwrap(), &may_go_on);
                if tell.send(end).is_err() {
                    return;
                }
            }
        });
        Peer { port, ends, go_on }
    }

    #[track_caller]
    fn ask(&self, server: &Server, what: &str) -> Value {
        server.get(&format!("/{what}/{}", self.port)).json()
    }
}

fn serve(mut stream: TcpStream, may_go_on: &Receiver<()>) -> String {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let mut bytes = vec![0; 64 * 1024];
    let mut count = 0;
    match line.trim() {
        "bye" => stream.write_all(b"bye bye").unwrap(),
        "echo" => {
            while let Ok(read @ 1..) = lines.read(&mut bytes) {
                stream.write_all(&bytes[..read]).unwrap();
            }
        }
        "wait" => {
            may_go_on.recv().unwrap();
            while let Ok(read @ 1..) = lines.read(&mut bytes) {
                count += read;
            }
        }
        "count" => {
            let mut rest = Vec::new();
            lines.read_to_end(&mut rest).unwrap();
            write!(stream, "got {}", rest.len()).unwrap();
        }
        _ => {}
    }
    format!("{} ended, {count}", line.trim())
}

fn start() -> (tempfile::TempDir, Server, Peer) {
    let state = temporary();
    let server = Server::start(&fixture("tcp.ts"), state.path(), &["--shards", "1"]);
    (state, server, Peer::start())
}

#[test]
fn bytes_go_both_ways_and_either_side_may_end() {
    let (_state, server, peer) = start();
    let closed = "TypeError: This socket has been closed.";
    let closing = "TypeError: This ReadableStream belongs to an object that is closing.";
    assert_eq!(
        peer.ask(&server, "echo"),
        json!([true, "hello", closing, "ok", closed])
    );
    assert_eq!(peer.ends.recv().unwrap(), "echo ended, 0");
    assert_eq!(peer.ask(&server, "ends"), json!(["bye bye", "ok", "ok"]));
    assert_eq!(peer.ask(&server, "half"), json!(["got 6", "open", "ok"]));
    server.stop();
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    let (_state, server, peer) = start();
    let path = format!("/push/{}", peer.port);
    thread::scope(|scope| {
        let pushed = scope.spawn(|| server.get(&path).json());
        server.until("/written", |answer| answer.json() != json!(0));
        assert!(server.get("/written").json().as_u64().unwrap() < 64);
        peer.go_on.send(()).unwrap();
        assert_eq!(pushed.join().unwrap(), json!(64));
    });
    assert_eq!(
        peer.ends.recv().unwrap(),
        format!("wait ended, {}", 64 * 1024 * 1024)
    );
    server.stop();
}

#[test]
fn a_reset_ends_the_connections_of_its_object() {
    let (_state, server, peer) = start();
    assert_eq!(peer.ask(&server, "hold"), json!("held"));
    assert!(peer.ends.try_recv().is_err());
    assert_eq!(peer.ask(&server, "reset"), json!("Error: reset on purpose"));
    assert_eq!(peer.ends.recv().unwrap(), "echo ended, 0");
    server.stop();
}

#[test]
fn what_does_not_speak_tls_is_refused() {
    let (_state, server, peer) = start();
    let failed = "Error: proxy request failed, cannot connect to the specified address";
    assert_eq!(peer.ask(&server, "plain"), json!(["on", "ok", failed]));
    server.stop();
}
