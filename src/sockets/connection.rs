//! One WebSocket connection: the task that moves frames between the network and
//! one end of a pair.
//!
//! A connection that is silent costs its task and nothing else: what is read goes
//! through one buffer per thread, and only parts of messages are kept. It can be
//! taken off its thread at any moment, with all that was read of it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use stead_ops::delivery::LOST;
use stead_ops::socket::Frame;
use stead_ops::socket::SocketEnd;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::Sleep;

use crate::shard::Phase;
use crate::sockets::frame::Decoder;
use crate::sockets::frame::GOING_AWAY;
use crate::sockets::frame::Incoming;
use crate::sockets::frame::Opcode;
use crate::sockets::frame::Role;
use crate::sockets::frame::Violation;
use crate::sockets::frame::close_payload;
use crate::sockets::frame::encode;
use crate::sockets::frame::encode_header;

/// Bytes that are collected for one write. A payload of this size is not copied.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Bytes that wait for the network before pings are not answered any more.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that a silent connection keeps for what it writes next.
const KEPT_BYTES: usize = 256;
/// How long a side may take to answer a Close frame before the connection is cut.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while the process stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a peer may be silent before it is asked whether it is there, and then
/// once more before the connection counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(60);

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Where the masks of a client's frames come from; None for a server.
pub type Masks = Option<Box<dyn Fn() -> [u8; 4] + Send>>;

/// A connection that is not being served: plain data that may move.
pub struct Connection<S> {
    /// The network.
    pub stream: S,
    /// Where messages come from and go to.
    pub end: SocketEnd,
    decoder: Decoder,
    masks: Masks,
    unwritten: Unwritten,
    /// A Close frame was sent, and nothing will follow it.
    close_sent: bool,
    /// A Close frame came, and nothing will follow it.
    close_received: bool,
    /// A ping was sent since something was heard.
    asked: bool,
}

/// How serving a connection ended.
pub enum Served {
    /// It is over.
    Ended,
    /// Another shard is to serve it.
    Moves,
}

impl<S> Connection<S> {
    /// The same connection on another stream.
    pub fn map_stream<T>(self, map: impl FnOnce(S) -> io::Result<T>) -> io::Result<Connection<T>> {
        Ok(Connection {
            stream: map(self.stream)?,
            end: self.end,
            decoder: self.decoder,
            masks: self.masks,
            unwritten: self.unwritten,
            close_sent: self.close_sent,
            close_received: self.close_received,
            asked: self.asked,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose handshake is done; `read` came behind that.
    pub fn new(stream: S, read: &[u8], end: SocketEnd, masks: Masks) -> Connection<S> {
        let role = if masks.is_some() {
            Role::Client
        } else {
            Role::Server
        };
        let mut connection = Connection {
            stream,
            end,
            decoder: Decoder::new(role),
            masks,
            unwritten: Unwritten::default(),
            close_sent: false,
            close_received: false,
            asked: false,
        };
        connection.receive(read);
        connection
    }

    /// Moves frames both ways until both directions have ended, or the connection
    /// is to be served by another shard, if it is one that `moves`.
    pub async fn serve(&mut self, phase: watch::Receiver<Phase>, moves: bool) -> Served {
        let timer = tokio::time::sleep(SILENCE_MAX);
        let mut timer = std::pin::pin!(timer);
        let mut changed = std::pin::pin!(until_asked(phase, moves));
        let mut stopping = false;
        poll_fn(|cx| {
            if !stopping && let Poll::Ready(phase) = changed.as_mut().poll(cx) {
                if phase == Phase::Retiring {
                    return Poll::Ready(Served::Moves);
                }
                stopping = true;
                self.say_close(Some(GOING_AWAY), "");
                timer.as_mut().reset(Instant::now() + STOP_TIMEOUT);
            }
            match self.poll(cx, timer.as_mut()) {
                Poll::Ready(_) => Poll::Ready(Served::Ended),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Does what can be done; ready when nothing is left to do.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<io::Result<()>> {
        // What the peer was too slow to take when the task last ran.
        let mut blocked = !self.unwritten.is_empty();
        loop {
            let before = (self.close_sent, self.close_received);
            let spoke = self.poll_speak(cx)?;
            let heard = self.poll_hear(cx)?;
            let after = (self.close_sent, self.close_received);
            if after == (true, true) && self.unwritten.is_empty() {
                return Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            if before != after {
                timer.as_mut().reset(Instant::now() + CLOSE_TIMEOUT);
            } else if (heard || (blocked && spoke)) && after == (false, false) {
                // A peer that takes what it was slow to take lives, too.
                self.asked = false;
                timer.as_mut().reset(Instant::now() + SILENCE_MAX);
            }
            blocked = false;
            if !spoke && !heard {
                ready!(timer.as_mut().poll(cx));
                if self.close_sent || self.close_received || self.asked {
                    self.end.sender.send(Frame::Failed(LOST.into()));
                    return Poll::Ready(Ok(()));
                }
                self.asked = true;
                self.encode(Opcode::Ping, &[]);
                timer.as_mut().reset(Instant::now() + SILENCE_MAX);
            }
        }
    }

    /// Sends what the pair has to say; whether anything was done.
    fn poll_speak(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut spoke = false;
        loop {
            if !self.unwritten.is_empty() {
                match self.unwritten.poll_write(Pin::new(&mut self.stream), cx)? {
                    Poll::Ready(()) => spoke = true,
                    Poll::Pending => return Ok(spoke),
                }
            }
            if self.close_sent {
                return Ok(spoke);
            }
            match self.end.receiver.poll_next(cx) {
                Poll::Pending => {
                    let flushed = Pin::new(&mut self.stream).poll_flush(cx);
                    if let Poll::Ready(flushed) = flushed {
                        flushed?;
                    }
                    return Ok(spoke);
                }
                Poll::Ready(frame) => self.say(frame)?,
            }
            // Frames that wait behind it leave with the same write.
            while !self.close_sent && self.unwritten.len() < WRITE_BYTES_MAX {
                let Some(frame) = self.end.receiver.try_next() else {
                    break;
                };
                self.say(Some(frame))?;
            }
        }
    }

    fn say(&mut self, frame: Option<Frame>) -> io::Result<()> {
        match frame {
            Some(Frame::Text(text)) => self.encode_message(Opcode::Text, text),
            Some(Frame::Binary(data)) => self.encode_message(Opcode::Binary, data),
            Some(Frame::Close { code, reason }) => self.say_close(code, &reason),
            // The other end is gone, and the connection with it.
            Some(Frame::Failed(_)) | None => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        Ok(())
    }

    fn say_close(&mut self, code: Option<u16>, reason: &str) {
        if !self.close_sent {
            self.close_sent = true;
            self.encode(Opcode::Close, &close_payload(code, reason));
        }
    }

    fn mask(&self) -> Option<[u8; 4]> {
        self.masks.as_ref().map(|mask| mask())
    }

    fn encode(&mut self, opcode: Opcode, payload: &[u8]) {
        encode(opcode, payload, self.mask(), &mut self.unwritten.encoded);
    }

    fn encode_message(&mut self, opcode: Opcode, payload: Bytes) {
        if self.masks.is_some() || payload.len() < WRITE_BYTES_MAX {
            return self.encode(opcode, &payload);
        }
        encode_header(opcode, payload.len(), None, &mut self.unwritten.encoded);
        self.unwritten.payload = payload;
    }

    /// Reads what came, unless the pair has not caught up; whether anything did.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if !self.close_received {
            match self.end.sender.poll_ready(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) if self.close_sent => {}
                // The object is gone, or has not read for too long.
                Poll::Ready(false) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Poll::Pending => return Ok(false),
            }
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => {
                    if !self.close_received {
                        self.end.sender.send(Frame::Failed(LOST.into()));
                    }
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            self.receive(buffer.filled());
            Ok(true)
        })
    }

    /// Takes what was read.
    fn receive(&mut self, mut read: &[u8]) {
        // What follows a Close frame is nobody's.
        while !self.close_received {
            match self.decoder.feed(&mut read) {
                Ok(None) => return,
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Ping(payload))) => {
                    if !self.close_sent && self.unwritten.len() < UNWRITTEN_BYTES_MAX {
                        self.encode(Opcode::Pong, &payload);
                    }
                }
                Ok(Some(Incoming::Frame(frame))) => {
                    self.close_received = matches!(frame, Frame::Close { .. });
                    self.end.sender.send(frame);
                }
                Err(Violation { code, text }) => {
                    self.say_close(Some(code), "");
                    self.close_received = true;
                    self.end.sender.send(Frame::Failed(text.into()));
                }
            }
        }
    }
}

/// Waits until a connection is to end, or to be served by another shard if it may.
async fn until_asked(mut phase: watch::Receiver<Phase>, moves: bool) -> Phase {
    let asks = |phase: &Phase| *phase == Phase::Stopping || (moves && *phase == Phase::Retiring);
    match phase.wait_for(asks).await {
        Ok(phase) => *phase,
        // The shard's thread ends, and with it this task.
        Err(_) => std::future::pending().await,
    }
}

/// What is to be written: encoded frames, then the payload of the last one if that
/// is large.
#[derive(Default)]
struct Unwritten {
    encoded: Vec<u8>,
    /// How much of `encoded` was written.
    written: usize,
    payload: Bytes,
}

impl Unwritten {
    fn len(&self) -> usize {
        self.encoded.len() - self.written + self.payload.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes all of it.
    fn poll_write<S: AsyncWrite>(
        &mut self,
        mut stream: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> io::Result<Poll<()>> {
        while !self.is_empty() {
            let next = match &self.encoded[self.written..] {
                [] => &self.payload[..],
                encoded => encoded,
            };
            let wrote = match stream.as_mut().poll_write(cx, next) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(wrote) => wrote?,
            };
            if self.written < self.encoded.len() {
                self.written += wrote;
            } else {
                drop(self.payload.split_to(wrote));
            }
        }
        self.written = 0;
        self.payload = Bytes::new();
        if self.encoded.capacity() > KEPT_BYTES {
            self.encoded = Vec::new();
        } else {
            self.encoded.clear();
        }
        Ok(Poll::Ready(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::io::DuplexStream;

    use super::*;

    /// A server's connection, its client's side of the network, the object's end.
    fn connection() -> (Connection<DuplexStream>, DuplexStream, SocketEnd) {
        let (ours, network) = tokio::io::duplex(1024);
        let (end, object) = SocketEnd::pair();
        (Connection::new(ours, b"", end, None), network, object)
    }

    /// One poll; whether the connection has ended.
    async fn poll(connection: &mut Connection<DuplexStream>, silent_for: Duration) -> bool {
        let timer = tokio::time::sleep(SILENCE_MAX - silent_for);
        let mut timer = std::pin::pin!(timer);
        let waker = Waker::noop();
        poll_fn(|cx| {
            // A timer that is due is so at the next tick of the runtime's clock.
            if silent_for == SILENCE_MAX {
                ready!(timer.as_mut().poll(cx));
            }
            let ended = connection.poll(&mut Context::from_waker(waker), timer.as_mut());
            Poll::Ready(ended.is_ready())
        })
        .await
    }

    async fn written(network: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = [0; 100];
        let len = network.read(&mut bytes).await.unwrap();
        bytes[..len].to_vec()
    }

    #[tokio::test]
    async fn a_silent_peer_is_asked_once_and_then_given_up() {
        let (mut connection, mut network, object) = connection();
        assert!(!poll(&mut connection, Duration::ZERO).await);
        assert!(!poll(&mut connection, SILENCE_MAX).await);
        assert_eq!(written(&mut network).await, [0x89, 0]);
        // It answers, with a masked pong.
        network.write_all(&[0x8a, 0x80, 1, 2, 3, 4]).await.unwrap();
        assert!(!poll(&mut connection, Duration::ZERO).await);
        assert!(!poll(&mut connection, SILENCE_MAX).await);
        assert_eq!(written(&mut network).await, [0x89, 0]);
        assert!(poll(&mut connection, SILENCE_MAX).await);
        assert_eq!(object.receiver.try_next(), Some(Frame::Failed(LOST.into())));
    }

    #[tokio::test]
    async fn a_ping_is_answered_with_its_payload() {
        let (mut connection, mut network, _object) = connection();
        network
            .write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i'])
            .await
            .unwrap();
        assert!(!poll(&mut connection, Duration::ZERO).await);
        assert_eq!(written(&mut network).await, [0x8a, 2, b'h', b'i']);
    }

    #[tokio::test]
    async fn both_sides_say_goodbye() {
        let (mut connection, mut network, object) = connection();
        network
            .write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0])
            .await
            .unwrap();
        assert!(!poll(&mut connection, Duration::ZERO).await);
        let close = Frame::Close {
            code: Some(4000),
            reason: String::new(),
        };
        assert_eq!(object.receiver.try_next(), Some(close.clone()));
        object.sender.send(close);
        assert!(poll(&mut connection, Duration::ZERO).await);
        assert_eq!(written(&mut network).await, [0x88, 2, 0x0f, 0xa0]);
        assert_eq!(written(&mut network).await, [0; 0]);
    }

    #[tokio::test]
    async fn an_object_that_is_behind_is_not_read_for() {
        let (mut connection, mut network, object) = connection();
        object_is_behind(&connection);
        network
            .write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x'])
            .await
            .unwrap();
        assert!(!poll(&mut connection, Duration::ZERO).await);
        assert!(matches!(object.receiver.try_next(), Some(Frame::Binary(_))));
        assert_eq!(object.receiver.try_next(), None);
        assert!(!poll(&mut connection, Duration::ZERO).await);
        let text = Frame::Text(Bytes::from_static(b"x"));
        assert_eq!(object.receiver.try_next(), Some(text));
    }

    fn object_is_behind(connection: &Connection<DuplexStream>) {
        let much = Bytes::from(vec![0; 2 * 1024 * 1024]);
        connection.end.sender.send(Frame::Binary(much));
    }
}
