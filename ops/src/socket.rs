//! The two ends of a `WebSocketPair` and the frames that pass between them.
//!
//! An end belongs to whoever accepted it: an object, other JavaScript, or the
//! network once it was returned in a response. An end, and each of its halves,
//! may move to another thread at any time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

pub use crate::frame::Frame;

/// Bytes that may wait for a slow reader before its connection is given up.
pub const SOCKET_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that wait for an object before its socket is not read on.
const SOCKET_READ_AHEAD_BYTES: usize = 1024 * 1024;
/// Frames for which an empty queue keeps its memory.
const FRAMES_KEPT: usize = 8;
/// `home` of an end that nobody has accepted.
const NO_SHARD: usize = usize::MAX;

/// What the other end is told when more waited for the reader than may wait.
const TOO_SLOW: &str = "WebSocket peer did not read for too long: more than 64 MiB were waiting.";

/// What both ends share: one pipe for each direction, named by the side that
/// sends into it.
struct Link {
    pipes: [Mutex<Pipe>; 2],
    /// The shard that accepted each end.
    homes: [AtomicUsize; 2],
}

/// The frames of one direction.
///
/// Invariant: `bytes` is the cost of `frames`, at most `SOCKET_QUEUE_BYTES_MAX`
/// and one frame.
#[derive(Default)]
struct Pipe {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The task that waits for a frame.
    reader: Option<Waker>,
    /// The task that waits for room.
    writer: Option<Waker>,
    /// No frame will be added.
    ended: bool,
    /// Nobody will take a frame.
    abandoned: bool,
}

impl Link {
    fn pipe(&self, side: usize) -> MutexGuard<'_, Pipe> {
        let pipe = self.pipes[side].lock();
        pipe.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The sending half of an end. Frames arrive in order. The other end hears that
/// this one is gone when its last clone was dropped.
#[derive(Clone)]
pub struct SocketSender(Arc<Sending>);

struct Sending {
    link: Arc<Link>,
    side: usize,
}

/// Cuts a connection in the middle, whoever still holds its ends.
pub struct SocketCutter(Weak<Sending>);

impl SocketCutter {
    /// Whether there is anything left to cut.
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// The other end is told that this one is gone, and this one that nothing more will come.
    pub fn cut(&self) {
        let Some(sending) = self.0.upgrade() else {
            return;
        };
        for side in [sending.side, 1 - sending.side] {
            let mut pipe = sending.link.pipe(side);
            pipe.ended = true;
            let (reader, writer) = (pipe.reader.take(), pipe.writer.take());
            drop(pipe);
            for waiting in [reader, writer].into_iter().flatten() {
                waiting.wake();
            }
        }
    }
}

impl SocketSender {
    /// Sends a frame. What is sent to an end that is gone is lost, and false is
    /// returned. If more than `SOCKET_QUEUE_BYTES_MAX` wait already, all of it is
    /// lost and the reader hears that the connection failed.
    pub fn send(&self, frame: Frame) -> bool {
        let mut pipe = self.0.link.pipe(self.0.side);
        if pipe.ended || pipe.abandoned {
            return false;
        }
        let sent = pipe.bytes <= SOCKET_QUEUE_BYTES_MAX;
        if sent {
            pipe.bytes += frame.cost();
            pipe.frames.push_back(frame);
        } else {
            let failed = Frame::Failed(TOO_SLOW.into());
            pipe.bytes = failed.cost();
            pipe.frames = VecDeque::from([failed]);
            pipe.ended = true;
        }
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(reader) = reader {
            reader.wake();
        }
        sent
    }

    /// A way to cut the connection for as long as somebody may send.
    pub fn cutter(&self) -> SocketCutter {
        SocketCutter(Arc::downgrade(&self.0))
    }

    /// Waits until the reader has caught up so far that more may be sent; false
    /// when nobody reads any more. Safe to cancel.
    pub async fn ready(&self) -> bool {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// The same for a task that waits for other things, too.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut pipe = self.0.link.pipe(self.0.side);
        if pipe.abandoned || pipe.ended {
            return Poll::Ready(false);
        }
        if pipe.bytes < SOCKET_READ_AHEAD_BYTES {
            return Poll::Ready(true);
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut pipe = self.link.pipe(self.side);
        pipe.ended = true;
        pipe.writer = None;
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The receiving half of an end. One task at a time waits on it.
pub struct SocketReceiver {
    link: Arc<Link>,
    /// The side that sends.
    side: usize,
}

impl SocketReceiver {
    /// The next frame; None when the other end is gone. Safe to cancel.
    pub async fn next(&self) -> Option<Frame> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same for a task that waits for other things, too.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut pipe = self.link.pipe(self.side);
        let Some(frame) = pipe.frames.pop_front() else {
            if pipe.ended {
                return Poll::Ready(None);
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let writer = pipe.took(&frame);
        drop(pipe);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(frame))
    }

    /// The next frame if one is waiting.
    pub fn try_next(&self) -> Option<Frame> {
        let mut pipe = self.link.pipe(self.side);
        let frame = pipe.frames.pop_front()?;
        let writer = pipe.took(&frame);
        drop(pipe);
        if let Some(writer) = writer {
            writer.wake();
        }
        Some(frame)
    }
}

impl Pipe {
    /// Counts a frame that was taken out; who waited for the room comes back.
    fn took(&mut self, frame: &Frame) -> Option<Waker> {
        self.bytes -= frame.cost();
        if self.frames.is_empty() && self.frames.capacity() > FRAMES_KEPT {
            self.frames = VecDeque::new();
        }
        if self.bytes < SOCKET_READ_AHEAD_BYTES {
            self.writer.take()
        } else {
            None
        }
    }
}

impl Drop for SocketReceiver {
    fn drop(&mut self) {
        let mut pipe = self.link.pipe(self.side);
        pipe.abandoned = true;
        pipe.reader = None;
        pipe.bytes = 0;
        let frames = std::mem::take(&mut pipe.frames);
        let writer = pipe.writer.take();
        drop(pipe);
        drop(frames);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

/// One end of a pair, not yet accepted by anybody.
pub struct SocketEnd {
    /// Frames to the other end.
    pub sender: SocketSender,
    /// Frames from the other end.
    pub receiver: SocketReceiver,
}

impl SocketEnd {
    /// Makes two connected ends.
    pub fn pair() -> (SocketEnd, SocketEnd) {
        let link = Arc::new(Link {
            pipes: Default::default(),
            homes: [AtomicUsize::new(NO_SHARD), AtomicUsize::new(NO_SHARD)],
        });
        let end = |side: usize| SocketEnd {
            sender: SocketSender(Arc::new(Sending {
                link: link.clone(),
                side,
            })),
            receiver: SocketReceiver {
                link: link.clone(),
                side: 1 - side,
            },
        };
        (end(0), end(1))
    }

    /// Notes that this end is read on `shard` from now on.
    pub fn settle(&self, shard: usize) {
        let sending = &self.sender.0;
        sending.link.homes[sending.side].store(shard, Ordering::Release);
    }

    /// The shard on which the other end was accepted, if it was: a network
    /// connection for this end is served best there.
    pub fn other_home(&self) -> Option<usize> {
        let sending = &self.sender.0;
        match sending.link.homes[1 - sending.side].load(Ordering::Acquire) {
            NO_SHARD => None,
            shard => Some(shard),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(text: &'static str) -> Frame {
        Frame::Text(Bytes::from_static(text.as_bytes()))
    }

    fn poll<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn frames_arrive_in_order_and_the_end_comes_last() {
        let (a, b) = SocketEnd::pair();
        assert!(poll(|cx| b.receiver.poll_next(cx)).is_pending());
        assert!(a.sender.send(text("one")));
        assert!(a.sender.send(text("two")));
        drop(a);
        assert_eq!(b.receiver.try_next(), Some(text("one")));
        assert_eq!(
            poll(|cx| b.receiver.poll_next(cx)),
            Poll::Ready(Some(text("two")))
        );
        assert_eq!(poll(|cx| b.receiver.poll_next(cx)), Poll::Ready(None));
        assert!(!b.sender.send(text("to nobody")));
    }

    #[test]
    fn a_reader_that_is_too_slow_loses_the_connection() {
        let (a, b) = SocketEnd::pair();
        let large = Bytes::from(vec![0; SOCKET_QUEUE_BYTES_MAX + 1]);
        assert_eq!(poll(|cx| a.sender.poll_ready(cx)), Poll::Ready(true));
        assert!(a.sender.send(Frame::Binary(large)));
        assert!(poll(|cx| a.sender.poll_ready(cx)).is_pending());
        assert!(!a.sender.send(text("one more")));
        assert!(matches!(b.receiver.try_next(), Some(Frame::Failed(_))));
        assert_eq!(poll(|cx| b.receiver.poll_next(cx)), Poll::Ready(None));
        assert_eq!(poll(|cx| a.sender.poll_ready(cx)), Poll::Ready(false));
    }

    #[test]
    fn a_sender_goes_on_when_the_reader_has_caught_up() {
        let (a, b) = SocketEnd::pair();
        a.sender
            .send(Frame::Binary(vec![0; SOCKET_READ_AHEAD_BYTES].into()));
        assert!(poll(|cx| a.sender.poll_ready(cx)).is_pending());
        assert!(b.receiver.try_next().is_some());
        assert_eq!(poll(|cx| a.sender.poll_ready(cx)), Poll::Ready(true));
    }
}
