//! How what comes on an object's sockets becomes events of the object, and how
//! some messages are answered without it.

use std::future::poll_fn;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::task::Poll;

use deno_core::unsync::JoinHandle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::message::ObjectEvent;
use crate::socket::Frame;
use crate::socket_set::SocketSet;

/// Units of `UNIT_BYTES` that may wait for the object at once; a message takes
/// at least one, and at most all.
pub const WAITING_MAX: u32 = 64;
const UNIT_BYTES: usize = 16 * 1024;

/// What the platform tells of a connection that ended without a Close frame.
pub const LOST: &str = "WebSocket disconnected without sending Close frame.";

/// The task that reads a socket. It owns nothing of it, so that the socket can
/// be taken away from it at any time; it ends when this is dropped.
pub struct Reader(JoinHandle<()>);

impl Reader {
    /// Delivers what comes on a socket of the set, in order.
    pub fn start(set: &Rc<SocketSet>, number: u32, waiting: Arc<Semaphore>) -> Reader {
        let set = Rc::downgrade(set);
        Reader(deno_core::unsync::spawn(read(set, number, waiting)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(set: Weak<SocketSet>, number: u32, waiting: Arc<Semaphore>) {
    loop {
        let Ok(permit) = waiting.clone().acquire_owned().await else {
            return;
        };
        let mut permit = Some(permit);
        // A frame is taken and delivered within one poll, so that none is lost
        // when the task is ended.
        let goes_on = poll_fn(|cx| {
            let Some(set) = set.upgrade() else {
                return Poll::Ready(false);
            };
            let next = set.with(number, |socket| socket.receiver.poll_next(cx));
            match next {
                None => Poll::Ready(false),
                Some(Poll::Pending) => Poll::Pending,
                Some(Poll::Ready(frame)) => {
                    let frame = frame.unwrap_or_else(|| Frame::Failed(LOST.into()));
                    let permit = permit.take().expect("polled until ready, once");
                    Poll::Ready(deliver(&set, number, frame, permit, &waiting))
                }
            }
        })
        .await;
        if !goes_on {
            return;
        }
    }
}

/// Delivers one frame; false after the last one.
fn deliver(
    set: &SocketSet,
    number: u32,
    frame: Frame,
    mut permit: OwnedSemaphorePermit,
    waiting: &Arc<Semaphore>,
) -> bool {
    if answer(set, number, &frame) {
        return true;
    }
    let units = (frame.cost() / UNIT_BYTES).min(waiting.available_permits());
    if units > 0
        && let Ok(more) = waiting.clone().try_acquire_many_owned(units as u32)
    {
        permit.merge(more);
    }
    let goes_on = !matches!(frame, Frame::Failed(_) | Frame::Close { .. });
    let name = set.name.borrow().clone();
    let event = ObjectEvent::Socket {
        set: set.id,
        socket: number,
        frame,
        permit,
    };
    set.host().call(set.key, name, event);
    goes_on
}

/// Answers a message that the object has an automatic answer for. Nothing waits
/// for the object's output gate: the object has nothing to do with it.
fn answer(set: &SocketSet, number: u32, frame: &Frame) -> bool {
    let Frame::Text(text) = frame else {
        return false;
    };
    let response = match &*set.auto_response.borrow() {
        Some((request, response)) if request == text => response.clone(),
        _ => return false,
    };
    let now_ms = set.host().now_ms();
    set.with(number, |socket| {
        socket.auto_responded_ms = Some(now_ms);
        if !socket.close_sent {
            socket.sender.send(Frame::Text(response));
        }
    });
    true
}
