//! Clients that send more than a worker reads hear its answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::server::{DEADLINE, Server, fixture, temporary};

const BODY_BYTES: usize = 64 * 1024 * 1024;

/// Sends a whole request and only then looks for the answer.
#[track_caller]
fn check(server: &Server, path: &str, framing: &str, chunk: &[u8], chunks: usize) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for sent in 0..chunks {
        stream
            .write_all(chunk)
            .unwrap_or_else(|error| panic!("{path}: after {sent} chunks: {error}"));
    }
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(read.is_ok(), "{path}: {read:?} after {answer:?}");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer:?}");
    assert!(answer.ends_with("too much"), "{path}: {answer:?}");
}

#[test]
fn the_answer_to_a_body_that_nobody_reads_arrives() {
    let state = temporary();
    let server = Server::start(&fixture("refusing.ts"), state.path(), &["--shards", "1"]);
    let bytes = vec![b'x'; 64 * 1024];
    let length = format!("content-length: {BODY_BYTES}");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(&bytes);
    chunk.extend(b"\r\n");
    for path in ["/early", "/some"] {
        check(&server, path, &length, &bytes, BODY_BYTES / bytes.len());
        check(
            &server,
            path,
            "transfer-encoding: chunked",
            &chunk,
            BODY_BYTES / bytes.len(),
        );
    }
    assert_eq!(server.get("/").text(), "ok");
    server.stop();
}

#[test]
fn a_client_that_goes_on_sending_does_not_keep_the_process() {
    let state = temporary();
    let server = Server::start(&fixture("refusing.ts"), state.path(), &["--shards", "1"]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!("POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
    // It neither sends nor closes.
    server.stop();
    drop(stream.shutdown(Shutdown::Both));
}
