//! WebSocket frames byte by byte: what breaks the protocol is refused with the right code, and whatever a client sends,
//! the server goes on serving.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::server::{DEADLINE, Server, fixture, temporary};
use crate::websocket::Socket;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A connection after the handshake, without a library that would forbid anything.
pub struct RawSocket(TcpStream);

impl RawSocket {
    #[track_caller]
    pub fn connect(server: &Server, path: &str) -> RawSocket {
        let stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut socket = RawSocket(stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.send(request.as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(socket.read_exactly(1).expect("an answer to the handshake"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        socket
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn read_exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The first byte and the payload of the next frame.
    fn try_hear(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let head = self.read_exactly(2)?;
        let len = match head[1] {
            126 => u16::from_be_bytes(self.read_exactly(2)?.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.read_exactly(8)?.try_into().unwrap()),
            len => len.into(),
        };
        Ok((head[0], self.read_exactly(len as usize)?))
    }

    #[track_caller]
    pub fn hear(&mut self) -> (u8, Vec<u8>) {
        self.try_hear().expect("a frame")
    }
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 0, 255, 9];
    let mut bytes = header(first, payload.len(), mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn header(first: u8, len: usize, mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..=125 => bytes.push(0x80 | len as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes
}

fn start() -> (tempfile::TempDir, Server) {
    let state = temporary();
    let server = Server::start(&fixture("sleeper.ts"), state.path(), &["--shards", "2"]);
    (state, server)
}

#[test]
fn what_breaks_the_protocol_is_closed_with_its_code() {
    let (_state, server) = start();
    let unmasked = b"\x81\x02hi".to_vec();
    let two = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let long = [0; 126];
    for (what, bytes, code) in [
        ("an unmasked frame", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"x"), 1002),
        ("an unknown opcode", frame(0x83, b"x"), 1002),
        ("an unknown control opcode", frame(0x8b, b""), 1002),
        ("a ping in pieces", frame(0x09, b""), 1002),
        ("a large ping", frame(PING, &long), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "a message in a message",
            two(frame(0x01, b"a"), frame(TEXT, b"b")),
            1002,
        ),
        ("text that is not UTF-8", frame(TEXT, b"\xc3\x28"), 1007),
        (
            "half a character",
            two(frame(0x01, b"\xf0"), frame(0x80, b"")),
            1007,
        ),
        ("half a close code", frame(CLOSE, b"\x03"), 1002),
        (
            "a close code of nobody's",
            frame(CLOSE, &999_u16.to_be_bytes()),
            1002,
        ),
        (
            "a close code that is only reported",
            frame(CLOSE, &1006_u16.to_be_bytes()),
            1002,
        ),
        (
            "a reason that is not UTF-8",
            frame(CLOSE, b"\x03\xe8\xff"),
            1007,
        ),
        (
            "a message that is too large",
            header(BINARY, MESSAGE_BYTES_MAX + 1, [0; 4]),
            1009,
        ),
        (
            "a length of nobody's",
            header(BINARY, usize::MAX, [0; 4]),
            1009,
        ),
    ] {
        let mut socket = RawSocket::connect(&server, "/protocol");
        socket.send(&bytes);
        let (first, payload) = socket.hear();
        assert_eq!(first, CLOSE, "{what}");
        assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code, "{what}");
        assert!(
            socket.try_hear().is_err(),
            "{what}: the connection has ended"
        );
    }
}

#[test]
fn an_object_hears_of_a_socket_that_broke_the_protocol() {
    let (_state, server) = start();
    let mut socket = RawSocket::connect(&server, "/error?ann");
    socket.send(&frame(0xc1, b"x"));
    assert_eq!(socket.hear().0, CLOSE);
    server.logged(|line| {
        let text = line["text"].as_str().unwrap_or_default();
        text.starts_with("failed true ") && text.ends_with(" ?ann 3")
    });
    assert_eq!(server.get("/error").json(), serde_json::json!([1, 0]));
}

#[test]
fn messages_come_whole_however_they_were_sent() {
    let (_state, server) = start();
    let mut socket = RawSocket::connect(&server, "/pieces?a");
    for byte in frame(TEXT, "h\u{e4}llo".as_bytes()) {
        socket.send(&[byte]);
    }
    assert_eq!(socket.hear(), (TEXT, "h\u{e4}llo [1,1] ?a".into()));
    let pieces = [
        frame(0x02, b"one "),
        frame(PING, b"are you there"),
        frame(0x00, b"two "),
        frame(PONG, b"unasked"),
        frame(0x80, b"three"),
    ];
    socket.send(&pieces.concat());
    assert_eq!(socket.hear(), (PONG, b"are you there".to_vec()));
    assert_eq!(socket.hear(), (BINARY, b"one two three".to_vec()));
    socket.send(&frame(CLOSE, b"\x0f\xa0bye"));
    assert_eq!(socket.hear(), (CLOSE, b"\x0f\xa0bye".to_vec()));
    assert!(socket.try_hear().is_err());
}

#[test]
fn a_message_of_32_mib_passes() {
    let (_state, server) = start();
    let mut socket = RawSocket::connect(&server, "/large");
    let large: Vec<u8> = (0..MESSAGE_BYTES_MAX).map(|at| (at % 251) as u8).collect();
    socket.send(&frame(BINARY, &large));
    let (first, payload) = socket.hear();
    assert_eq!(first, BINARY);
    assert!(payload == large);
}

#[test]
fn random_frames_cost_only_their_own_connection() {
    let seed = 20_261_124;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (_state, server) = start();
    let mut healthy = Socket::connect(&server, "/healthy?me");
    for round in 0..300 {
        let mut socket = RawSocket::connect(&server, &format!("/fuzz-{}", round % 5));
        for _ in 0..random.random_range(1..8) {
            // The server may have ended the connection by now.
            if socket.try_send(&random_bytes(&mut random)).is_err() {
                break;
            }
        }
        match random.random_range(0..3) {
            0 => drop(socket),
            1 => {
                let _ = socket.0.shutdown(Shutdown::Write);
                while socket.try_hear().is_ok() {}
            }
            _ => {
                // The server answers the last frame, or has ended the connection.
                let _ = socket.try_send(&frame(CLOSE, b""));
                let _ = socket.0.shutdown(Shutdown::Write);
                while socket.try_hear().is_ok() {}
            }
        }
        if round % 20 == 0 {
            healthy.say("still there");
            let events = round / 20 + 1;
            assert_eq!(healthy.hear(), format!("still there [{events},1] ?me"));
        }
    }
    let mut last = RawSocket::connect(&server, "/last?x");
    last.send(&frame(TEXT, b"fine"));
    assert_eq!(last.hear(), (TEXT, b"fine [1,1] ?x".to_vec()));
    server.stop();
}

/// Frames that are right, frames with something wrong, and noise.
fn random_bytes(random: &mut StdRng) -> Vec<u8> {
    let len = match random.random_range(0..10) {
        0 => random.random_range(0..70_000),
        _ => random.random_range(0..200),
    };
    let mut payload = vec![0; len];
    match random.random_range(0..3) {
        0 => random.fill(&mut payload[..]),
        _ => payload.fill(b'a'),
    }
    let firsts = [TEXT, BINARY, 0x01, 0x02, 0x00, 0x80, PING, PONG, CLOSE];
    let mut bytes = match random.random_range(0..10) {
        0 => return payload,
        1 => frame(random.random(), &payload),
        _ => frame(firsts[random.random_range(0..firsts.len())], &payload),
    };
    match random.random_range(0..10) {
        // Something is missing, is too much, or is not as it was.
        0 => bytes.truncate(random.random_range(0..=bytes.len())),
        1 => bytes.extend(payload),
        2 => {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= random.random_range(1..=255);
        }
        _ => {}
    }
    bytes
}
