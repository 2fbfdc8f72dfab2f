//! The WebSockets that an object accepted with `ctx.acceptWebSocket()`: they
//! belong to the object, not to the code that runs at the moment.
//!
//! <https://developers.cloudflare.com/durable-objects/api/state/#acceptwebsocket>

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;

use deno_error::JsErrorBox;

use crate::socket::SocketSender;

/// Sockets that one object may hold.
const SOCKETS_MAX: usize = 32_768;
/// Tags that one socket may have.
const TAGS_MAX: usize = 10;
/// Bytes that one tag may have.
const TAG_BYTES_MAX: usize = 256;
/// Bytes that an attachment may have once serialized.
pub const ATTACHMENT_BYTES_MAX: usize = 16_384;

/// A socket that an object accepted.
pub struct AcceptedSocket {
    /// Frames to the other end.
    pub sender: SocketSender,
    /// The tags, without duplicates, in the order in which they were given.
    pub tags: Vec<String>,
    /// What `serializeAttachment()` left.
    pub attachment: Option<Vec<u8>>,
    /// Delivers what comes on the socket.
    pub reader: Option<Reader>,
}

/// The task that reads a socket; ends with it.
pub struct Reader(pub deno_core::unsync::JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All accepted sockets of one object, in the order in which they came.
#[derive(Default)]
pub struct SocketSet {
    next: Cell<u32>,
    sockets: RefCell<BTreeMap<u32, AcceptedSocket>>,
}

impl SocketSet {
    /// Checks tags and the number of sockets.
    ///
    /// # Errors
    /// The platform's texts for too many tags, a tag too long, too many sockets.
    pub fn admit(&self, tags: &[String]) -> Result<Vec<String>, JsErrorBox> {
        if self.sockets.borrow().len() >= SOCKETS_MAX {
            return Err(JsErrorBox::generic(format!(
                "only {SOCKETS_MAX} websockets can be accepted on a single Durable Object instance"
            )));
        }
        let mut unique: Vec<String> = Vec::with_capacity(tags.len());
        for tag in tags {
            if unique.len() >= TAGS_MAX {
                return Err(JsErrorBox::generic(format!(
                    "a Hibernatable WebSocket cannot have more than {TAGS_MAX} tags"
                )));
            }
            if tag.len() > TAG_BYTES_MAX {
                return Err(JsErrorBox::generic(format!(
                    "\"{tag}\" is longer than the max tag length ({TAG_BYTES_MAX} characters)."
                )));
            }
            if !unique.contains(tag) {
                unique.push(tag.clone());
            }
        }
        Ok(unique)
    }

    /// Adds a socket; the number that names it within the instance.
    pub fn add(&self, socket: AcceptedSocket) -> u32 {
        let number = self.next.get();
        self.next.set(number + 1);
        self.sockets.borrow_mut().insert(number, socket);
        number
    }

    /// Forgets a socket whose last event was delivered.
    pub fn remove(&self, number: u32) {
        self.sockets.borrow_mut().remove(&number);
    }

    /// Looks at one socket, if it is still there.
    pub fn with<T>(&self, number: u32, look: impl FnOnce(&mut AcceptedSocket) -> T) -> Option<T> {
        self.sockets.borrow_mut().get_mut(&number).map(look)
    }

    /// The numbers of all sockets, newest first; of those with a tag, oldest
    /// first, as the platform orders them.
    pub fn list(&self, tag: Option<&str>) -> Vec<u32> {
        let sockets = self.sockets.borrow();
        match tag {
            None => sockets.keys().rev().copied().collect(),
            Some(tag) => {
                let tagged = sockets
                    .iter()
                    .filter(|(_, socket)| socket.tags.iter().any(|t| t == tag));
                tagged.map(|(number, _)| *number).collect()
            }
        }
    }

    /// Whether the object holds no sockets.
    pub fn is_empty(&self) -> bool {
        self.sockets.borrow().is_empty()
    }

    /// Takes all sockets away; dropping them disconnects the other ends.
    pub fn clear(&self) {
        self.sockets.borrow_mut().clear();
    }
}
