//! Frames as bytes: <https://www.rfc-editor.org/rfc/rfc6455#section-5>. No input or
//! output here: a decoder is fed what was read, in pieces of any size, and holds
//! what is not a whole message yet. So a connection can be left at any moment, and
//! moved to another thread.

use bytes::Bytes;
use bytes::BytesMut;
use stead_ops::socket::Frame;

/// Bytes that one message may have.
/// <https://developers.cloudflare.com/durable-objects/platform/limits/>
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes that the payload of a control frame may have.
const CONTROL_BYTES_MAX: usize = 125;
/// Bytes that a header may have.
const HEADER_BYTES_MAX: usize = 14;
/// Bytes that are set aside for a payload before any of it has come.
const PAYLOAD_BYTES_AHEAD: usize = 64 * 1024;

/// The Close codes that we send of our own accord.
/// <https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1>
pub const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We read masked frames and write unmasked ones.
    Server,
    /// We write masked frames and read unmasked ones.
    Client,
}

/// What came from the peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message or a Close frame. Nothing follows a Close frame.
    Frame(Frame),
    /// A ping, which asks for a pong with its payload.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
}

/// The peer broke the protocol: the connection is closed with the code.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// The code of the Close frame that tells it.
    pub code: u16,
    /// What it did.
    pub text: &'static str,
}

/// How frames are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message that has begun.
    Continuation = 0,
    /// A text message, or its beginning.
    Text = 1,
    /// A binary message, or its beginning.
    Binary = 2,
    /// The end of one direction.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

/// Reads frames.
///
/// Invariant: of a frame, either the first bytes of its header are here, or the
/// whole header and the first bytes of its payload.
pub struct Decoder {
    role: Role,
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    /// The frame whose payload is being read.
    frame: Option<Header>,
    payload: BytesMut,
    /// The kind and the first frames of a message of several.
    begun: Option<(Opcode, BytesMut)>,
}

#[derive(Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    len: usize,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(role: Role) -> Decoder {
        Decoder {
            role,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            payload: BytesMut::new(),
            begun: None,
        }
    }

    /// Takes from `input` what it needs for the next message; None when all of it
    /// was taken and that was not enough.
    ///
    /// # Errors
    /// The peer broke the protocol. The decoder is of no more use.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        loop {
            let header = match self.frame {
                Some(header) => header,
                None => match self.feed_header(input)? {
                    Some(header) => *self.frame.insert(header),
                    None => return Ok(None),
                },
            };
            if !self.feed_payload(header, input) {
                return Ok(None);
            }
            self.frame = None;
            self.header_len = 0;
            let payload = std::mem::take(&mut self.payload);
            if let Some(incoming) = self.complete(header, payload)? {
                return Ok(Some(incoming));
            }
        }
    }

    fn feed_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Violation> {
        loop {
            let needed = header_len(&self.header[..self.header_len]);
            if self.header_len == needed {
                return self.parse_header().map(Some);
            }
            let take = (needed - self.header_len).min(input.len());
            if take == 0 {
                return Ok(None);
            }
            let (bytes, rest) = input.split_at(take);
            self.header[self.header_len..self.header_len + take].copy_from_slice(bytes);
            self.header_len += take;
            *input = rest;
        }
    }

    fn parse_header(&self) -> Result<Header, Violation> {
        let [first, second, rest @ ..] = self.header;
        if first & 0x70 != 0 {
            return Err(protocol(
                "the frame uses an extension that was not agreed on",
            ));
        }
        let fin = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(protocol("the frame's opcode is unknown")),
        };
        let (len, mask_at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => (
                u64::from_be_bytes(rest[..8].try_into().expect("eight bytes")),
                8,
            ),
            len => (u64::from(len), 0),
        };
        let masked = second & 0x80 != 0;
        if masked != (self.role == Role::Server) {
            return Err(protocol(match self.role {
                Role::Server => "the client sent a frame without a mask",
                Role::Client => "the server sent a frame with a mask",
            }));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if opcode as u8 >= Opcode::Close as u8 {
            if !fin {
                return Err(protocol("a control frame is in several pieces"));
            }
            if len > CONTROL_BYTES_MAX {
                return Err(protocol("a control frame is too large"));
            }
        } else {
            match (&self.begun, opcode) {
                (None, Opcode::Continuation) => {
                    return Err(protocol("a continuation frame continued nothing"));
                }
                (Some(_), Opcode::Text | Opcode::Binary) => {
                    return Err(protocol("a message began inside another one"));
                }
                _ => {}
            }
            let begun = self.begun.as_ref().map_or(0, |(_, data)| data.len());
            if len > MESSAGE_BYTES_MAX - begun.min(MESSAGE_BYTES_MAX) {
                return Err(Violation {
                    code: TOO_BIG,
                    text: "the message is too large",
                });
            }
        }
        let mask = masked.then(|| {
            let mask = &rest[mask_at..mask_at + 4];
            mask.try_into().expect("four bytes")
        });
        Ok(Header {
            fin,
            opcode,
            mask,
            len,
        })
    }

    /// Takes what there is of a payload; whether it is whole then.
    fn feed_payload(&mut self, header: Header, input: &mut &[u8]) -> bool {
        let have = self.payload.len();
        let take = (header.len - have).min(input.len());
        if have == 0 && header.len > 0 {
            let ahead = header.len.min(PAYLOAD_BYTES_AHEAD.max(take));
            self.payload.reserve(ahead);
        }
        let (bytes, rest) = input.split_at(take);
        self.payload.extend_from_slice(bytes);
        *input = rest;
        if let Some(mask) = header.mask {
            apply_mask(&mut self.payload[have..], mask, have);
        }
        self.payload.len() == header.len
    }

    /// A whole frame has come; None when it is only a part of a message.
    fn complete(
        &mut self,
        header: Header,
        payload: BytesMut,
    ) -> Result<Option<Incoming>, Violation> {
        let (kind, data) = match header.opcode {
            Opcode::Ping => return Ok(Some(Incoming::Ping(payload.freeze()))),
            Opcode::Pong => return Ok(Some(Incoming::Pong)),
            Opcode::Close => return parse_close(&payload).map(Incoming::Frame).map(Some),
            Opcode::Continuation => {
                let (kind, mut data) = self.begun.take().expect("checked with the header");
                data.extend_from_slice(&payload);
                (kind, data)
            }
            kind => (kind, payload),
        };
        if !header.fin {
            self.begun = Some((kind, data));
            return Ok(None);
        }
        if kind == Opcode::Binary {
            return Ok(Some(Incoming::Frame(Frame::Binary(data.freeze()))));
        }
        if std::str::from_utf8(&data).is_err() {
            return Err(Violation {
                code: INVALID_DATA,
                text: "the text message is not UTF-8",
            });
        }
        Ok(Some(Incoming::Frame(Frame::Text(data.freeze()))))
    }
}

/// How long a header is, as far as its first bytes tell.
fn header_len(bytes: &[u8]) -> usize {
    let Some(second) = bytes.get(1) else { return 2 };
    let len = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + len + if second & 0x80 != 0 { 4 } else { 0 }
}

/// Masks or unmasks bytes that begin at `offset` of their payload.
fn apply_mask(bytes: &mut [u8], mut mask: [u8; 4], offset: usize) {
    mask.rotate_left(offset % 4);
    let word = u64::from(u32::from_ne_bytes(mask));
    let word = word | word << 32;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn protocol(text: &'static str) -> Violation {
    Violation {
        code: PROTOCOL_ERROR,
        text,
    }
}

/// Reads the payload of a Close frame.
fn parse_close(payload: &[u8]) -> Result<Frame, Violation> {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => Ok(Frame::Close {
                code: None,
                reason: String::new(),
            }),
            _ => Err(protocol("the Close frame is malformed")),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !is_close_code(code) {
        return Err(protocol("the Close frame has an invalid code"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Frame::Close {
            code: Some(code),
            reason: reason.to_owned(),
        }),
        Err(_) => Err(Violation {
            code: INVALID_DATA,
            text: "the Close frame's reason is not UTF-8",
        }),
    }
}

/// Whether a peer may send a code. <https://www.rfc-editor.org/rfc/rfc6455#section-7.4>
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The header of a whole frame, appended to `out`.
pub fn encode_header(opcode: Opcode, len: usize, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode as u8);
    match len {
        0..=125 => out.push(masked | len as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
}

/// A whole frame, appended to `out`.
pub fn encode(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    encode_header(opcode, payload.len(), mask, out);
    let begin = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[begin..], mask, 0);
    }
}

/// Bytes of the longest reason that fits into a control frame.
const REASON_BYTES_MAX: usize = 123;

/// The payload of a Close frame. Code of an old compatibility date may give a reason that
/// is too long for one: the rest of it stays here.
pub fn close_payload(code: Option<u16>, reason: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        payload.extend_from_slice(&reason.as_bytes()[..end]);
    }
    payload
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const MASK: [u8; 4] = [1, 20, 30, 255];

    /// What a server makes of `bytes`, fed in pieces of `step` bytes.
    fn decode(bytes: &[u8], step: usize) -> Result<Vec<Incoming>, u16> {
        let mut decoder = Decoder::new(Role::Server);
        let mut found = Vec::new();
        for mut piece in bytes.chunks(step) {
            while let Some(incoming) = decoder.feed(&mut piece).map_err(|v| v.code)? {
                found.push(incoming);
            }
            assert!(piece.is_empty());
        }
        Ok(found)
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(Opcode::Text, payload, Some(MASK), &mut bytes);
        bytes[0] = first;
        bytes
    }

    fn text(text: &str) -> Incoming {
        Incoming::Frame(Frame::Text(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[track_caller]
    fn check(frames: &[(u8, &[u8])], expect: Result<Vec<Incoming>, u16>) {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload)| frame(*first, payload))
            .collect();
        for step in [1, 2, 3, 7, 1000, bytes.len().max(1)] {
            assert_eq!(decode(&bytes, step), expect, "in pieces of {step}");
        }
    }

    #[test]
    fn messages_come_whole_however_they_were_sent() {
        check(&[(0x81, b"hello")], Ok(vec![text("hello")]));
        check(&[(0x81, b"")], Ok(vec![text("")]));
        check(
            &[(0x01, b"hel"), (0x00, b""), (0x80, b"lo"), (0x81, b"!")],
            Ok(vec![text("hello"), text("!")]),
        );
        let large = vec![b'x'; 70_000];
        let expect = Frame::Binary(Bytes::from(large.clone()));
        check(&[(0x82, &large)], Ok(vec![Incoming::Frame(expect)]));
        // The two bytes of a character may come in two frames.
        check(
            &[(0x01, b"\xc3"), (0x80, b"\xa4")],
            Ok(vec![text("\u{e4}")]),
        );
    }

    #[test]
    fn control_frames_may_come_inside_a_message() {
        let ping = Incoming::Ping(Bytes::from_static(b"p"));
        check(
            &[(0x01, b"hel"), (0x89, b"p"), (0x8a, b""), (0x80, b"lo")],
            Ok(vec![ping, Incoming::Pong, text("hello")]),
        );
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let long = [0; 126];
        for (first, payload) in [
            (0x80, &b"continues nothing"[..]),
            (0x09, b"a ping in pieces"),
            (0x89, &long),
            (0x88, b"\x03"),
            (0x88, b"\x03\xed"),
            (0x88, b"\x01\x01"),
            (0x83, b"opcode 3"),
            (0x8b, b"opcode 11"),
            (0xc1, b"first reserved bit"),
            (0x91, b"third reserved bit"),
        ] {
            check(&[(first, payload)], Err(PROTOCOL_ERROR));
        }
        check(&[(0x01, b"a"), (0x81, b"b")], Err(PROTOCOL_ERROR));
        check(&[(0x81, b"\xff")], Err(INVALID_DATA));
        check(&[(0x88, b"\x03\xe8\xff")], Err(INVALID_DATA));
        let mut unmasked = Vec::new();
        encode(Opcode::Text, b"hello", None, &mut unmasked);
        assert_eq!(decode(&unmasked, 3), Err(PROTOCOL_ERROR));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_has_come() {
        let mut header = Vec::new();
        encode_header(Opcode::Binary, MESSAGE_BYTES_MAX, Some(MASK), &mut header);
        assert_eq!(decode(&header, 100), Ok(vec![]));
        header.clear();
        encode_header(
            Opcode::Binary,
            MESSAGE_BYTES_MAX + 1,
            Some(MASK),
            &mut header,
        );
        assert_eq!(decode(&header, 100), Err(TOO_BIG));
        header.clear();
        encode_header(Opcode::Binary, usize::MAX, Some(MASK), &mut header);
        assert_eq!(decode(&header, 100), Err(TOO_BIG));
        let mut pieces = frame(0x02, b"begins");
        let rest = MESSAGE_BYTES_MAX - b"begins".len() + 1;
        encode_header(Opcode::Continuation, rest, Some(MASK), &mut pieces);
        assert_eq!(decode(&pieces, 100), Err(TOO_BIG));
    }

    #[test]
    fn a_close_frame_has_a_code_that_peers_may_send_and_a_readable_reason() {
        let close = |code: Option<u16>, reason: &str| {
            let reason = reason.to_owned();
            Ok(vec![Incoming::Frame(Frame::Close { code, reason })])
        };
        check(&[(0x88, b"")], close(None, ""));
        check(&[(0x88, b"\x03\xe8bye")], close(Some(1000), "bye"));
        check(&[(0x88, b"\x0f\xa0")], close(Some(4000), ""));
    }

    #[test]
    fn random_bytes_are_messages_or_refused() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..20_000 {
            let mut bytes = vec![0; random.random_range(0..200)];
            random.fill(&mut bytes[..]);
            if random.random_ratio(1, 2) && bytes.len() > 1 {
                // Plausible beginnings reach further.
                bytes[0] &= 0x8f;
                bytes[1] |= 0x80;
            }
            let step = random.random_range(1..50);
            let _ = decode(&bytes, step);
        }
    }

    #[test]
    fn what_a_client_encodes_a_server_reads() {
        let mut random = StdRng::seed_from_u64(8);
        for len in (0..300).chain([65_535, 65_536, 100_000]) {
            let mut payload = vec![0; len];
            random.fill(&mut payload[..]);
            let mut bytes = Vec::new();
            encode(Opcode::Binary, &payload, Some(random.random()), &mut bytes);
            let expect = Incoming::Frame(Frame::Binary(payload.into()));
            let step = random.random_range(1..=bytes.len());
            assert_eq!(decode(&bytes, step), Ok(vec![expect]));
        }
    }
}
