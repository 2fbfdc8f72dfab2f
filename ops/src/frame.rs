//! What passes over a WebSocket, as data. Knows nothing else of this crate: the fuzz target
//! of frames is built from this file, without V8.

use bytes::Bytes;

/// Bytes that a frame costs in the queue beside its payload.
const FRAME_OVERHEAD_BYTES: usize = 64;

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
    /// Bytes that the frame takes while it waits.
    pub fn cost(&self) -> usize {
        FRAME_OVERHEAD_BYTES
            + match self {
                Frame::Text(data) | Frame::Binary(data) => data.len(),
                Frame::Close { reason, .. } => reason.len(),
                Frame::Failed(text) => text.len(),
            }
    }
}
