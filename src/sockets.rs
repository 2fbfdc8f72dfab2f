//! WebSocket connections: frames between the network and one end of a pair.
//!
//! Each connection has a task that reads and one that writes, because reading a
//! frame cannot be interrupted.

use std::io::Cursor;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use bytes::BytesMut;
use fastwebsockets::Frame as WireFrame;
use fastwebsockets::OpCode;
use fastwebsockets::Payload;
use fastwebsockets::Role;
use fastwebsockets::WebSocketError;
use fastwebsockets::WebSocketRead;
use fastwebsockets::after_handshake_split;
use sha1::Digest;
use sha1::Sha1;
use stead_ops::socket::Frame;
use stead_ops::socket::SocketEnd;
use stead_ops::socket::SocketReceiver;
use stead_ops::socket::SocketSender;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::shard::Phase;
use crate::shard::Shard;

/// Bytes that one message may have.
/// <https://developers.cloudflare.com/durable-objects/platform/limits/>
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes that are collected for one write.
const WRITE_BYTES_MAX: usize = 256 * 1024;
/// How long a peer may take to answer a Close frame before the connection is cut.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while the process stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// Answers to control frames that may wait for the writer; further ones are not sent.
const REPLIES_MAX: usize = 8;

const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// What the platform tells of a connection that ended without a Close frame.
const LOST: &str = "WebSocket disconnected without sending Close frame.";

/// The server's half of the handshake: the answer to a client's key.
/// <https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2>
pub fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

impl Shard {
    /// Serves a client's connection for one end of a pair; `rest` was read already.
    pub fn serve_socket(&self, stream: TcpStream, rest: Bytes, end: SocketEnd) {
        let Some(shard) = self.me.upgrade() else {
            return;
        };
        let phase = self.phase.subscribe();
        let counted = crate::http::Counted::new(&shard);
        let (read, write) = stream.into_split();
        let read = Cursor::new(rest).chain(read);
        deno_core::unsync::spawn(async move {
            pump(read, write, Role::Server, end, phase).await;
            drop(counted);
        });
    }
}

/// Moves frames both ways until both directions have ended.
pub async fn pump<R, W>(
    read: R,
    write: W,
    role: Role,
    end: SocketEnd,
    phase: watch::Receiver<Phase>,
) where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin,
{
    let (read, _) = after_handshake_split(read, tokio::io::sink(), role);
    let (reply, replies) = mpsc::channel(REPLIES_MAX);
    let SocketEnd {
        sender, receiver, ..
    } = end;
    // Dropped by the reader when nothing more will come.
    let (reading, read_done) = watch::channel(());
    let reader = deno_core::unsync::spawn(async move {
        read_frames(read, sender, reply).await;
        drop(reading);
    });
    let encoded = Vec::new();
    Writer {
        write,
        role,
        encoded,
        receiver,
        replies,
        read_done,
        phase,
    }
    .run()
    .await;
    reader.abort();
}

/// Reads messages and hands them to the pair.
async fn read_frames<R: AsyncRead + Unpin>(
    mut read: WebSocketRead<R>,
    sender: SocketSender,
    reply: mpsc::Sender<Reply>,
) {
    read.set_auto_close(false);
    read.set_auto_pong(false);
    read.set_max_message_size(MESSAGE_BYTES_MAX + 1);
    let mut message = Message::default();
    loop {
        let mut no_sends = |_: WireFrame<'_>| async { Ok::<(), std::io::Error>(()) };
        let frame = match read.read_frame(&mut no_sends).await {
            Ok(frame) => frame,
            Err(error) => {
                let (code, text) = describe(&error);
                if let Some(code) = code {
                    drop(reply.try_send(Reply::Close(code)));
                }
                sender.send(Frame::Failed(text));
                return;
            }
        };
        let opcode = frame.opcode;
        let fin = frame.fin;
        let payload = into_bytes(frame.payload);
        match opcode {
            OpCode::Ping => drop(reply.try_send(Reply::Pong(payload))),
            OpCode::Pong => {}
            OpCode::Close => {
                sender.send(parse_close(&payload).unwrap_or_else(|(code, text)| {
                    drop(reply.try_send(Reply::Close(code)));
                    Frame::Failed(text.into())
                }));
                return;
            }
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {
                match message.add(opcode, fin, payload) {
                    Ok(None) => {}
                    Ok(Some(frame)) => {
                        if !sender.send(frame) {
                            // The object is gone, or has not read for too long.
                            return;
                        }
                    }
                    Err((code, text)) => {
                        drop(reply.try_send(Reply::Close(code)));
                        sender.send(Frame::Failed(text.into()));
                        return;
                    }
                }
            }
        }
    }
}

fn into_bytes(payload: Payload<'_>) -> Bytes {
    match payload {
        Payload::Bytes(bytes) => bytes.freeze(),
        other => Bytes::copy_from_slice(&other),
    }
}

/// A message of several frames.
#[derive(Default)]
struct Message {
    begun: Option<(OpCode, BytesMut)>,
}

impl Message {
    /// Adds a frame; a whole message comes back.
    fn add(
        &mut self,
        opcode: OpCode,
        fin: bool,
        payload: Bytes,
    ) -> Result<Option<Frame>, (u16, &'static str)> {
        let (kind, data) = match (opcode, self.begun.take()) {
            (OpCode::Continuation, None) => {
                return Err((PROTOCOL_ERROR, "a continuation frame continued nothing"));
            }
            (OpCode::Continuation, Some((kind, mut data))) => {
                if data.len() + payload.len() > MESSAGE_BYTES_MAX {
                    return Err((TOO_BIG, "the message is too large"));
                }
                data.extend_from_slice(&payload);
                if !fin {
                    self.begun = Some((kind, data));
                    return Ok(None);
                }
                (kind, data.freeze())
            }
            (_, Some(_)) => {
                return Err((PROTOCOL_ERROR, "a message began inside another one"));
            }
            (kind, None) if fin => (kind, payload),
            (kind, None) => {
                self.begun = Some((kind, BytesMut::from(&payload[..])));
                return Ok(None);
            }
        };
        if kind == OpCode::Binary {
            return Ok(Some(Frame::Binary(data)));
        }
        if std::str::from_utf8(&data).is_err() {
            return Err((INVALID_DATA, "the text message is not UTF-8"));
        }
        Ok(Some(Frame::Text(data)))
    }
}

/// Reads a Close frame; a malformed one gives the code to answer with and a text.
fn parse_close(payload: &[u8]) -> Result<Frame, (u16, &'static str)> {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => Ok(Frame::Close {
                code: None,
                reason: String::new(),
            }),
            _ => Err((PROTOCOL_ERROR, "the Close frame is malformed")),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !is_close_code(code) {
        return Err((PROTOCOL_ERROR, "the Close frame has an invalid code"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Frame::Close {
            code: Some(code),
            reason: reason.to_owned(),
        }),
        Err(_) => Err((INVALID_DATA, "the Close frame's reason is not UTF-8")),
    }
}

/// Whether a peer may send a code. <https://www.rfc-editor.org/rfc/rfc6455#section-7.4>
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The Close code that a failed read is answered with, and the failure's text.
fn describe(error: &WebSocketError) -> (Option<u16>, String) {
    match error {
        WebSocketError::UnexpectedEOF
        | WebSocketError::ConnectionClosed
        | WebSocketError::IoError(_) => (None, LOST.into()),
        WebSocketError::InvalidUTF8 => (Some(INVALID_DATA), error.to_string()),
        WebSocketError::FrameTooLarge => (Some(TOO_BIG), error.to_string()),
        _ => (Some(PROTOCOL_ERROR), error.to_string()),
    }
}

/// What the reader has the writer send.
enum Reply {
    Pong(Bytes),
    Close(u16),
}

struct Writer<W> {
    write: W,
    role: Role,
    /// Frames that were encoded and not yet written.
    encoded: Vec<u8>,
    receiver: SocketReceiver,
    replies: mpsc::Receiver<Reply>,
    /// Fails once the reader has ended.
    read_done: watch::Receiver<()>,
    phase: watch::Receiver<Phase>,
}

/// How the writer goes on.
enum Step {
    /// There may be more to send.
    Open,
    /// A Close frame is sent: the peer's answer is waited for.
    Closed,
    /// The connection is of no more use.
    End,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn run(mut self) {
        let step = loop {
            match self.step().await {
                Step::Open => {}
                step => break step,
            }
        };
        if matches!(step, Step::Closed) {
            self.await_close().await;
        }
        drop(self.write.shutdown().await);
    }

    async fn step(&mut self) -> Step {
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            reply = self.replies.recv() => match reply {
                Some(Reply::Pong(payload)) => {
                    self.encode(OpCode::Pong, &payload);
                    self.flush().await
                }
                Some(Reply::Close(code)) => {
                    self.encode_close(Some(code), "");
                    self.flush().await;
                    Step::End
                }
                None => self.send_last().await,
            },
            frame = self.receiver.next() => self.send(frame).await,
            _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {
                self.encode_close(Some(GOING_AWAY), "");
                self.flush().await;
                Step::Closed
            }
        }
    }

    /// Sends a frame of the pair, and those that wait behind it, with one write.
    async fn send(&mut self, first: Option<Frame>) -> Step {
        let mut frame = first;
        loop {
            match frame {
                Some(Frame::Text(text)) => self.encode(OpCode::Text, &text),
                Some(Frame::Binary(data)) => self.encode(OpCode::Binary, &data),
                Some(Frame::Close { code, reason }) => {
                    self.encode_close(code, &reason);
                    self.flush().await;
                    return Step::Closed;
                }
                Some(Frame::Failed(_)) | None => {
                    self.flush().await;
                    return Step::End;
                }
            }
            let full = self.encoded.len() >= WRITE_BYTES_MAX;
            match if full { None } else { self.receiver.try_next() } {
                Some(next) => frame = Some(next),
                None => return self.flush().await,
            }
        }
    }

    /// The reader has ended: what the other end says last, its answer to a Close
    /// frame in most cases, still goes out.
    async fn send_last(&mut self) -> Step {
        let step = tokio::time::timeout(CLOSE_TIMEOUT, async {
            loop {
                let frame = self.receiver.next().await;
                match self.send(frame).await {
                    Step::Open => {}
                    step => return step,
                }
            }
        });
        step.await.unwrap_or(Step::End)
    }

    fn encode(&mut self, opcode: OpCode, payload: &[u8]) {
        let mut frame = WireFrame::new(true, opcode, None, Payload::Owned(payload.to_vec()));
        if self.role == Role::Client {
            frame.mask();
        }
        let mut one = Vec::new();
        let bytes = frame.write(&mut one);
        self.encoded.extend_from_slice(bytes);
    }

    fn encode_close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.encode(OpCode::Close, &payload);
    }

    async fn flush(&mut self) -> Step {
        let written = self.write.write_all(&self.encoded).await;
        self.encoded.clear();
        match written {
            Ok(()) => Step::Open,
            Err(_) => Step::End,
        }
    }

    /// Waits until the peer has answered our Close frame, or has had its time.
    async fn await_close(&mut self) {
        let mut phase = self.phase.clone();
        let cut = async {
            drop(phase.wait_for(|phase| *phase == Phase::Stopping).await);
            tokio::time::sleep(STOP_TIMEOUT).await;
        };
        let answered = async { while self.read_done.changed().await.is_ok() {} };
        tokio::select! {
            () = answered => {}
            () = cut => {}
            () = tokio::time::sleep(CLOSE_TIMEOUT) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expect: Result<(Option<u16>, &str), u16>) {
        let found = match parse_close(payload) {
            Ok(Frame::Close { code, reason }) => Ok((code, reason)),
            Ok(other) => panic!("{other:?} is no Close frame"),
            Err((code, _)) => Err(code),
        };
        let expect = expect.map(|(code, reason)| (code, reason.to_owned()));
        assert_eq!(found, expect);
    }

    #[test]
    fn a_close_frame_has_a_code_that_peers_may_send_and_a_readable_reason() {
        check(b"", Ok((None, "")));
        check(b"\x03\xe8bye", Ok((Some(1000), "bye")));
        check(b"\x0f\xa0", Ok((Some(4000), "")));
        check(b"\x03", Err(PROTOCOL_ERROR));
        check(b"\x03\xed", Err(PROTOCOL_ERROR));
        check(b"\x01\x01", Err(PROTOCOL_ERROR));
        check(b"\x03\xe8\xff", Err(INVALID_DATA));
    }

    #[test]
    fn the_handshake_answers_the_key_as_the_standard_s_example_does() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_message_is_put_together_from_its_fragments() {
        let mut message = Message::default();
        let bytes = Bytes::from_static;
        assert_eq!(message.add(OpCode::Text, false, bytes(b"one ")), Ok(None));
        let whole = message.add(OpCode::Continuation, true, bytes(b"two"));
        assert_eq!(whole, Ok(Some(Frame::Text(bytes(b"one two")))));
        let stray = message.add(OpCode::Continuation, true, bytes(b"three"));
        assert_eq!(stray.map_err(|(code, _)| code), Err(PROTOCOL_ERROR));
        let broken = message.add(OpCode::Text, true, bytes(b"\xff"));
        assert_eq!(broken.map_err(|(code, _)| code), Err(INVALID_DATA));
    }
}
