//! The WebSockets that an object accepted with `ctx.acceptWebSocket()`: they
//! belong to the object, not to the instance that runs at the moment. When the
//! instance leaves memory, its shard keeps the set, and the next instance gets it.
//!
//! <https://developers.cloudflare.com/durable-objects/best-practices/websockets/>

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use deno_error::JsErrorBox;
use tokio::sync::Semaphore;

use crate::delivery::Reader;
use crate::delivery::WAITING_MAX;
use crate::host::HostRef;
use crate::message::ObjectKey;
use crate::socket::SocketEnd;
use crate::socket::SocketReceiver;
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
    /// Frames from the other end.
    pub receiver: SocketReceiver,
    /// The tags, without duplicates, in the order in which they were given.
    pub tags: Box<[String]>,
    /// What `serializeAttachment()` left.
    pub attachment: Option<Box<[u8]>>,
    /// When a message was answered without the object, in milliseconds.
    pub auto_responded_ms: Option<i64>,
    /// Whether the object has sent its Close frame.
    pub close_sent: bool,
    /// How much may wait for the object at once.
    pub waiting: Arc<Semaphore>,
}

/// The message that is answered without the object, and its answer.
pub type AutoResponse = (Bytes, Bytes);

/// All accepted sockets of one object, in the order in which they came.
///
/// Invariant: each socket has one reader, which ends with it.
pub struct SocketSet {
    /// Which object's they are.
    pub key: ObjectKey,
    /// The object's name, if it is known.
    pub name: RefCell<Option<String>>,
    /// Tells this set from others of the same object, of which there may be one
    /// after each reset.
    pub id: u64,
    /// Answers without the object, if one is set.
    pub auto_response: RefCell<Option<AutoResponse>>,
    /// How long an event of a socket may run, in milliseconds; 0 for any time.
    pub event_timeout_ms: Cell<u32>,
    host: HostRef,
    next: Cell<u32>,
    sockets: RefCell<BTreeMap<u32, Held>>,
}

struct Held {
    socket: AcceptedSocket,
    _reader: Reader,
}

/// A set on its way to another thread. Dropping it disconnects the sockets.
pub struct DetachedSockets {
    key: ObjectKey,
    name: Option<String>,
    id: u64,
    auto_response: Option<AutoResponse>,
    event_timeout_ms: u32,
    next: u32,
    sockets: Vec<(u32, AcceptedSocket)>,
}

/// How the sockets of a set were at a moment.
#[derive(Clone, Debug)]
pub struct RememberedSet {
    auto_response: Option<AutoResponse>,
    event_timeout_ms: u32,
    sockets: BTreeMap<u32, RememberedSocket>,
}

/// Attachment of a socket, and when it was last answered automatically.
type RememberedSocket = (Option<Box<[u8]>>, Option<i64>);

impl DetachedSockets {
    /// Which object's they are.
    pub fn key(&self) -> ObjectKey {
        self.key
    }

    /// Closes all sockets with a code and a reason.
    pub fn close(&self, code: u16, reason: &str) {
        for (_, socket) in &self.sockets {
            socket.sender.send(crate::socket::Frame::Close {
                code: Some(code),
                reason: reason.to_owned(),
            });
        }
    }

    /// Begins to deliver what comes on the sockets, on this thread.
    pub fn attach(self, host: HostRef) -> Rc<SocketSet> {
        let set = Rc::new(SocketSet {
            key: self.key,
            name: RefCell::new(self.name),
            id: self.id,
            auto_response: RefCell::new(self.auto_response),
            event_timeout_ms: Cell::new(self.event_timeout_ms),
            host,
            next: Cell::new(self.next),
            sockets: RefCell::default(),
        });
        for (number, socket) in self.sockets {
            set.hold(number, socket);
        }
        set
    }
}

impl SocketSet {
    /// An empty set.
    pub fn new(key: ObjectKey, name: Option<String>, id: u64, host: HostRef) -> Rc<SocketSet> {
        let detached = DetachedSockets {
            key,
            name,
            id,
            auto_response: None,
            event_timeout_ms: 0,
            next: 0,
            sockets: Vec::new(),
        };
        detached.attach(host)
    }

    /// Takes the sockets off this thread; the set is empty afterwards.
    pub fn detach(&self) -> DetachedSockets {
        let held = std::mem::take(&mut *self.sockets.borrow_mut());
        DetachedSockets {
            key: self.key,
            name: self.name.borrow().clone(),
            id: self.id,
            auto_response: self.auto_response.borrow().clone(),
            event_timeout_ms: self.event_timeout_ms.get(),
            next: self.next.get(),
            sockets: held
                .into_iter()
                .map(|(number, held)| (number, held.socket))
                .collect(),
        }
    }

    /// The process.
    pub fn host(&self) -> &HostRef {
        &self.host
    }

    /// Checks tags and the number of sockets.
    ///
    /// # Errors
    /// The platform's texts for too many tags, a tag too long, too many sockets.
    pub fn admit(&self, tags: &[String]) -> Result<Box<[String]>, JsErrorBox> {
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
        Ok(unique.into_boxed_slice())
    }

    /// Adds a socket; the number that names it from now on.
    pub fn add(
        self: &Rc<Self>,
        end: SocketEnd,
        tags: Box<[String]>,
        attachment: Option<Box<[u8]>>,
    ) -> u32 {
        let number = self.next.get();
        self.next.set(number + 1);
        let socket = AcceptedSocket {
            sender: end.sender,
            receiver: end.receiver,
            tags,
            attachment,
            auto_responded_ms: None,
            close_sent: false,
            waiting: Arc::new(Semaphore::new(WAITING_MAX as usize)),
        };
        self.hold(number, socket);
        number
    }

    fn hold(self: &Rc<Self>, number: u32, socket: AcceptedSocket) {
        let reader = Reader::start(self, number, socket.waiting.clone());
        let held = Held {
            socket,
            _reader: reader,
        };
        self.sockets.borrow_mut().insert(number, held);
    }

    /// Forgets a socket whose last event was delivered.
    pub fn remove(&self, number: u32) {
        let held = self.sockets.borrow_mut().remove(&number);
        drop(held);
    }

    /// Looks at one socket, if it is still there.
    pub fn with<T>(&self, number: u32, look: impl FnOnce(&mut AcceptedSocket) -> T) -> Option<T> {
        let mut sockets = self.sockets.borrow_mut();
        sockets.get_mut(&number).map(|held| look(&mut held.socket))
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
                    .filter(|(_, held)| held.socket.tags.iter().any(|t| t == tag));
                tagged.map(|(number, _)| *number).collect()
            }
        }
    }

    /// How many sockets the object holds.
    pub fn len(&self) -> usize {
        self.sockets.borrow().len()
    }

    /// Whether the object holds no sockets.
    pub fn is_empty(&self) -> bool {
        self.sockets.borrow().is_empty()
    }

    /// How the sockets are: what their object may change of them.
    pub fn remember(&self) -> RememberedSet {
        let sockets = self.sockets.borrow();
        let sockets = sockets.iter().map(|(number, held)| {
            let socket = &held.socket;
            (
                *number,
                (socket.attachment.clone(), socket.auto_responded_ms),
            )
        });
        RememberedSet {
            auto_response: self.auto_response.borrow().clone(),
            event_timeout_ms: self.event_timeout_ms.get(),
            sockets: sockets.collect(),
        }
    }

    /// Takes away the sockets that were not there at a moment, and makes the others what they were.
    pub fn restore(&self, before: &RememberedSet) {
        self.auto_response
            .borrow_mut()
            .clone_from(&before.auto_response);
        self.event_timeout_ms.set(before.event_timeout_ms);
        let mut gone = Vec::new();
        let mut sockets = self.sockets.borrow_mut();
        for (number, mut held) in std::mem::take(&mut *sockets) {
            match before.sockets.get(&number) {
                Some((attachment, auto_responded_ms)) if !held.socket.close_sent => {
                    held.socket.attachment.clone_from(attachment);
                    held.socket.auto_responded_ms = *auto_responded_ms;
                    sockets.insert(number, held);
                }
                _ => gone.push(held),
            }
        }
        drop(sockets);
        drop(gone);
    }

    /// Takes all sockets away; dropping them disconnects the other ends.
    pub fn clear(&self) {
        let held = std::mem::take(&mut *self.sockets.borrow_mut());
        drop(held);
    }
}
