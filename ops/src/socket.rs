//! The two ends of a `WebSocketPair` and the frames that pass between them.
//!
//! An end belongs to whoever accepted it: an object, other JavaScript, or the
//! network once it was returned in a response. Each end can be moved to another
//! thread until then.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Bytes that may wait for a slow reader before its connection is given up.
pub const SOCKET_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that a frame costs in the queue beside its payload.
const FRAME_OVERHEAD_BYTES: usize = 32;
/// `home` of an end that nobody has accepted.
const NO_SHARD: usize = usize::MAX;

/// What passes over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message: valid UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A Close frame; no code when it was empty.
    Close {
        /// The code, if the frame had one.
        code: Option<u16>,
        /// The reason; may be empty.
        reason: String,
    },
    /// The connection failed; the text says how. Nothing follows.
    Failed(String),
}

impl Frame {
    fn cost(&self) -> usize {
        FRAME_OVERHEAD_BYTES
            + match self {
                Frame::Text(data) | Frame::Binary(data) => data.len(),
                Frame::Close { reason, .. } => reason.len(),
                Frame::Failed(text) => text.len(),
            }
    }
}

/// The sending half of an end. Frames arrive in order.
#[derive(Clone)]
pub struct SocketSender {
    frames: mpsc::UnboundedSender<Frame>,
    /// Bytes sent and not yet received: the queue's bound.
    queued: Arc<AtomicUsize>,
}

impl SocketSender {
    /// Sends a frame. What is sent to an end that is gone, or that stopped
    /// reading `SOCKET_QUEUE_BYTES_MAX` ago, is lost, and false is returned.
    pub fn send(&self, frame: Frame) -> bool {
        let cost = frame.cost();
        if self.queued.fetch_add(cost, Ordering::Relaxed) > SOCKET_QUEUE_BYTES_MAX {
            self.queued.fetch_sub(cost, Ordering::Relaxed);
            return false;
        }
        self.frames.send(frame).is_ok()
    }
}

/// The receiving half of an end.
pub struct SocketReceiver {
    frames: mpsc::UnboundedReceiver<Frame>,
    queued: Arc<AtomicUsize>,
}

impl SocketReceiver {
    /// The next frame; None when the other end is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Frame> {
        let frame = self.frames.recv().await?;
        self.queued.fetch_sub(frame.cost(), Ordering::Relaxed);
        Some(frame)
    }

    /// The next frame if one is waiting.
    pub fn try_next(&mut self) -> Option<Frame> {
        let frame = self.frames.try_recv().ok()?;
        self.queued.fetch_sub(frame.cost(), Ordering::Relaxed);
        Some(frame)
    }
}

/// One end of a pair, not yet accepted by anybody.
pub struct SocketEnd {
    /// Frames to the other end.
    pub sender: SocketSender,
    /// Frames from the other end.
    pub receiver: SocketReceiver,
    /// The shard that accepted each end.
    homes: Arc<[AtomicUsize; 2]>,
    side: usize,
}

impl SocketEnd {
    /// Makes two connected ends.
    pub fn pair() -> (SocketEnd, SocketEnd) {
        let (a_sender, b_receiver) = channel();
        let (b_sender, a_receiver) = channel();
        let homes = Arc::new([AtomicUsize::new(NO_SHARD), AtomicUsize::new(NO_SHARD)]);
        (
            SocketEnd {
                sender: a_sender,
                receiver: a_receiver,
                homes: homes.clone(),
                side: 0,
            },
            SocketEnd {
                sender: b_sender,
                receiver: b_receiver,
                homes,
                side: 1,
            },
        )
    }

    /// Notes that this end is read on `shard` from now on.
    pub fn settle(&self, shard: usize) {
        self.homes[self.side].store(shard, Ordering::Release);
    }

    /// The shard on which the other end was accepted, if it was: a network
    /// connection for this end is served best there.
    pub fn other_home(&self) -> Option<usize> {
        match self.homes[1 - self.side].load(Ordering::Acquire) {
            NO_SHARD => None,
            shard => Some(shard),
        }
    }
}

fn channel() -> (SocketSender, SocketReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    (
        SocketSender {
            frames: sender,
            queued: queued.clone(),
        },
        SocketReceiver {
            frames: receiver,
            queued,
        },
    )
}
