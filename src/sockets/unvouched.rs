//! What must hold of bytes that a peer sends as frames, whoever it is. The fuzz target calls
//! it, and the test of the target's corpus.

use super::frame::Decoder;
use super::frame::Incoming;
use super::frame::MESSAGE_BYTES_MAX;
use super::frame::Opcode;
use super::frame::Role;
use super::frame::close_payload;
use super::frame::encode;
use stead_ops::socket::Frame;

/// What came, and the code of the violation that ended it.
type Read = (Vec<Incoming>, Option<u16>);

/// Reads bytes as frames, at once and in pieces: it is the same, and what came is the same
/// again when it is sent on. The first byte says who reads and how large the pieces are.
/// How many messages there were.
///
/// # Panics
/// When one of that is not so.
pub fn frames(bytes: &[u8]) -> usize {
    let [first, bytes @ ..] = bytes else { return 0 };
    let (role, other) = match first & 0x80 {
        0 => (Role::Server, Role::Client),
        _ => (Role::Client, Role::Server),
    };
    let whole = read(role, bytes, bytes.len().max(1));
    assert_eq!(whole, read(role, bytes, usize::from(first & 0x7f) + 1));
    let mask = (role == Role::Client).then_some([7, 0, 255, 128]);
    let mut again = Vec::new();
    for incoming in &whole.0 {
        send(incoming, mask, &mut again);
    }
    // What a server has read it sends unmasked, and so the other way round.
    let (echoed, violation) = read(other, &again, again.len().max(1));
    assert_eq!((&echoed, violation), (&whole.0, None));
    whole.0.len()
}

fn read(role: Role, bytes: &[u8], step: usize) -> Read {
    let mut decoder = Decoder::new(role);
    let mut found = Vec::new();
    for mut piece in bytes.chunks(step) {
        loop {
            match decoder.feed(&mut piece) {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(violation) => return (found, Some(violation.code)),
            }
            if let Some(Incoming::Frame(Frame::Close { .. })) = found.last() {
                // Nothing after it is read.
                return (found, None);
            }
        }
        assert!(piece.is_empty(), "what is no message yet is kept");
    }
    (found, None)
}

fn send(incoming: &Incoming, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    match incoming {
        Incoming::Ping(payload) => encode(Opcode::Ping, payload, mask, out),
        Incoming::Pong => encode(Opcode::Pong, b"", mask, out),
        Incoming::Frame(Frame::Text(text)) => {
            assert!(std::str::from_utf8(text).is_ok() && text.len() <= MESSAGE_BYTES_MAX);
            encode(Opcode::Text, text, mask, out);
        }
        Incoming::Frame(Frame::Binary(data)) => {
            assert!(data.len() <= MESSAGE_BYTES_MAX);
            encode(Opcode::Binary, data, mask, out);
        }
        Incoming::Frame(Frame::Close { code, reason }) => {
            encode(Opcode::Close, &close_payload(*code, reason), mask, out);
        }
        Incoming::Frame(Frame::Failed(text)) => panic!("bytes cannot say that: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn frames_of_the_corpus_are_read_whatever_they_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/frames");
        let mut count = 0;
        for file in std::fs::read_dir(folder).expect("the target has a corpus") {
            let file = file.expect("the corpus can be read");
            let bytes = std::fs::read(file.path()).expect("the file can be read");
            let name = file.file_name().into_string().expect("a name in UTF-8");
            let messages = frames(&bytes);
            assert!(!name.starts_with("whole") || messages > 2, "{name}");
            for at in 0..bytes.len() {
                frames(&bytes[..at]);
                let mut turned = bytes.clone();
                turned[at] ^= 1 << (at % 8);
                frames(&turned);
            }
            count += 1;
        }
        assert!(count > 0);
    }
}
