//! The sockets that an object accepted with `ctx.acceptWebSocket()`, as its code
//! uses them. A number names a socket within its object.
//!
//! <https://developers.cloudflare.com/durable-objects/api/state/#acceptwebsocket>

use std::cell::RefCell;

use bytes::Bytes;
use deno_core::GarbageCollected;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::instance::ObjectHandle;
use crate::socket::Frame;
use crate::websocket::PairEnd;
use crate::websocket::check_attachment;
use crate::websocket::close_frame;
use crate::websocket::frame_from_js;
use crate::websocket::speak;

deno_core::extension!(
    stead_object_socket,
    ops = [
        op_object_socket_accept,
        op_object_socket_list,
        op_object_socket_tags,
        op_object_socket_close_sent,
        op_object_socket_send,
        op_object_socket_close,
        op_object_socket_remove,
        op_object_socket_attach,
        op_object_socket_attachment,
        op_object_socket_auto_set,
        op_object_socket_auto_get,
        op_object_socket_auto_time,
        op_object_socket_timeout_set,
        op_object_socket_timeout_get,
        op_object_socket_told,
    ],
);

/// How long the application may let an event of a socket run at most.
const EVENT_TIMEOUT_MS_MAX: f64 = 604_800_000.0;

/// Gives an end to an object; the number that names the socket from then on.
#[op2]
#[smi]
fn op_object_socket_accept(
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] end: &PairEnd,
    #[serde] tags: Vec<String>,
) -> Result<u32, JsErrorBox> {
    let instance = &handle.0;
    let tags = instance.sockets.admit(&tags)?;
    let attachment = end.take_attachment();
    let end = end.take()?;
    end.settle(instance.host().shard());
    if instance.sockets.is_empty() {
        let name = instance.name.borrow().clone();
        *instance.sockets.name.borrow_mut() = name;
    }
    Ok(instance.sockets.add(end, tags, attachment))
}

#[op2]
#[serde]
fn op_object_socket_list(
    #[cppgc] handle: &ObjectHandle,
    #[string] tag: Option<String>,
) -> Vec<u32> {
    handle.0.sockets.list(tag.as_deref())
}

#[op2]
#[serde]
fn op_object_socket_tags(#[cppgc] handle: &ObjectHandle, #[smi] number: u32) -> Vec<String> {
    let tags = handle.0.sockets.with(number, |socket| socket.tags.to_vec());
    tags.unwrap_or_default()
}

/// Whether an earlier instance has closed the socket.
#[op2(fast)]
fn op_object_socket_close_sent(#[cppgc] handle: &ObjectHandle, #[smi] number: u32) -> bool {
    let sent = handle.0.sockets.with(number, |socket| socket.close_sent);
    sent.unwrap_or(true)
}

#[op2(fast)]
fn op_object_socket_send<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &ObjectHandle,
    #[smi] number: u32,
    data: v8::Local<'s, v8::Value>,
) {
    say(handle, number, frame_from_js(scope, data));
}

#[op2(fast)]
fn op_object_socket_close(
    #[cppgc] handle: &ObjectHandle,
    #[smi] number: u32,
    #[smi] code: i32,
    #[string] reason: String,
) {
    say(handle, number, close_frame(code, reason));
    handle
        .0
        .sockets
        .with(number, |socket| socket.close_sent = true);
}

fn say(handle: &ObjectHandle, number: u32, frame: Frame) {
    let sender = handle
        .0
        .sockets
        .with(number, |socket| socket.sender.clone());
    if let Some(sender) = sender {
        handle.0.host().socket_says(&handle.0, number, &frame);
        speak(Some(&handle.0), sender, frame);
    }
}

/// Forgets a socket whose last event was delivered.
#[op2(fast)]
fn op_object_socket_remove(#[cppgc] handle: &ObjectHandle, #[smi] number: u32) {
    handle.0.sockets.remove(number);
}

/// Keeps a cloned value with one of an object's sockets.
#[op2(fast)]
fn op_object_socket_attach(
    #[cppgc] handle: &ObjectHandle,
    #[smi] number: u32,
    #[buffer(copy)] attachment: Vec<u8>,
) -> Result<(), JsErrorBox> {
    let attachment = check_attachment(attachment)?;
    handle
        .0
        .sockets
        .with(number, |socket| socket.attachment = Some(attachment));
    Ok(())
}

/// What `op_object_socket_attach` kept; null if nothing.
#[op2]
fn op_object_socket_attachment(
    #[cppgc] handle: &ObjectHandle,
    #[smi] number: u32,
) -> Option<Uint8Array> {
    let attachment = handle.0.sockets.with(number, |socket| {
        socket.attachment.as_deref().map(|bytes| bytes.to_vec())
    });
    attachment.flatten().map(Uint8Array::from)
}

/// Has messages that equal `request` answered with `response`, without waking the
/// object.
/// <https://developers.cloudflare.com/durable-objects/api/state/#setwebsocketautoresponse>
#[op2(fast)]
fn op_object_socket_auto_set(
    #[cppgc] handle: &ObjectHandle,
    #[string] request: String,
    #[string] response: String,
    set: bool,
) {
    let pair = set.then(|| (Bytes::from(request), Bytes::from(response)));
    *handle.0.sockets.auto_response.borrow_mut() = pair;
}

/// The request and its response; null if there is none.
#[op2]
#[serde]
fn op_object_socket_auto_get(#[cppgc] handle: &ObjectHandle) -> Option<(String, String)> {
    let pair = handle.0.sockets.auto_response.borrow();
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    pair.as_ref()
        .map(|(request, response)| (text(request), text(response)))
}

/// When a message of the socket was last answered without the object, in
/// milliseconds; null for never.
#[op2]
fn op_object_socket_auto_time(#[cppgc] handle: &ObjectHandle, #[smi] number: u32) -> Option<f64> {
    let at_ms = handle
        .0
        .sockets
        .with(number, |socket| socket.auto_responded_ms);
    at_ms.flatten().map(|at_ms| at_ms as f64)
}

/// Bounds how long an event of a socket may run; 0 takes the bound away.
#[op2(fast)]
fn op_object_socket_timeout_set(
    #[cppgc] handle: &ObjectHandle,
    timeout_ms: f64,
) -> Result<(), JsErrorBox> {
    if timeout_ms > EVENT_TIMEOUT_MS_MAX {
        return Err(JsErrorBox::generic(format!(
            "Event timeout should not exceed {EVENT_TIMEOUT_MS_MAX} ms."
        )));
    }
    handle.0.sockets.event_timeout_ms.set(timeout_ms as u32);
    Ok(())
}

/// The bound in milliseconds; 0 for none.
#[op2(fast)]
#[smi]
fn op_object_socket_timeout_get(#[cppgc] handle: &ObjectHandle) -> u32 {
    handle.0.sockets.event_timeout_ms.get()
}

/// Whoever wants to know when the handler of a socket's event has ended, and what it threw.
pub struct Told(RefCell<Option<Box<dyn FnOnce(Option<String>)>>>);

impl Told {
    /// `tell` is called once, unless the object is reset before.
    pub fn new(tell: impl FnOnce(Option<String>) + 'static) -> Told {
        Told(RefCell::new(Some(Box::new(tell))))
    }
}

// SAFETY: what is to be told holds no references into the JavaScript heap.
unsafe impl GarbageCollected for Told {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Told"
    }
}

#[op2]
fn op_object_socket_told(#[cppgc] told: &Told, #[string] thrown: Option<String>) {
    if let Some(tell) = told.0.take() {
        tell(thrown);
    }
}
