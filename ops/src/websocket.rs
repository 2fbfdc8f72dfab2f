//! WebSockets as JavaScript uses them: pairs, accepted ends and client
//! connections. The sockets of an object are in object_socket.rs.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/websockets/>

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::ToV8;
use deno_core::convert::Uint8Array;
use deno_core::cppgc::make_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::activity::Activity;
use crate::headers::headers_from_js;
use crate::host::ConnectRequest;
use crate::host::running_host;
use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::socket::Frame;
use crate::socket::SocketEnd;
use crate::socket::SocketReceiver;
use crate::socket::SocketSender;
use crate::socket_set::ATTACHMENT_BYTES_MAX;
use crate::sql::array_buffer;

deno_core::extension!(
    stead_websocket,
    ops = [
        op_socket_pair,
        op_socket_accept,
        op_socket_next,
        op_socket_send,
        op_socket_close,
        op_socket_drop,
        op_socket_connect,
        op_socket_attach,
        op_socket_attachment,
    ],
);

/// One end of a pair as JavaScript holds it.
pub struct PairEnd {
    end: RefCell<Option<SocketEnd>>,
    open: RefCell<Option<OpenEnd>>,
    receiver: RefCell<Option<SocketReceiver>>,
    attachment: RefCell<Option<Box<[u8]>>>,
    /// Keeps the object that accepted the end in memory until the socket is closed.
    activity: RefCell<Option<Activity>>,
}

/// An end on which JavaScript speaks.
#[derive(Clone)]
struct OpenEnd {
    sender: SocketSender,
    /// The object in whose name it speaks.
    instance: Option<Rc<Instance>>,
}

impl PairEnd {
    /// An end that nobody has accepted.
    pub fn new(end: SocketEnd) -> PairEnd {
        PairEnd {
            end: RefCell::new(Some(end)),
            open: RefCell::new(None),
            receiver: RefCell::new(None),
            attachment: RefCell::new(None),
            activity: RefCell::new(None),
        }
    }

    /// Takes the end away, to return it in a response or give it to an object.
    ///
    /// # Errors
    /// The end was accepted or taken before.
    pub fn take(&self) -> Result<SocketEnd, JsErrorBox> {
        self.end.borrow_mut().take().ok_or_else(|| {
            JsErrorBox::type_error("Can't return WebSocket that was already used in a response.")
        })
    }

    /// Takes what `serializeAttachment()` left, for the object that gets the end.
    pub fn take_attachment(&self) -> Option<Box<[u8]>> {
        self.attachment.borrow_mut().take()
    }

    /// Whether the instance in whose name it speaks has ended.
    fn is_orphan(&self) -> bool {
        let open = self.open.borrow();
        let instance = open.as_ref().and_then(|open| open.instance.as_ref());
        instance.is_some_and(|instance| instance.is_broken())
    }

    fn send(&self, frame: Frame) {
        let Some(open) = self.open.borrow().clone() else {
            return;
        };
        speak(open.instance.as_ref(), open.sender, frame);
    }
}

/// Sends a frame; if an object says it, once all that it wrote is durable.
pub fn speak(instance: Option<&Rc<Instance>>, sender: SocketSender, frame: Frame) {
    match instance {
        None => drop(sender.send(frame)),
        Some(instance) => instance.say(move |durable| {
            if durable.is_ok() {
                sender.send(frame);
            }
        }),
    }
}

// SAFETY: the end holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PairEnd {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PairEnd"
    }
}

#[op2]
fn op_socket_pair<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Array> {
    let (a, b) = SocketEnd::pair();
    let ends = [
        make_cppgc_object(scope, PairEnd::new(a)).into(),
        make_cppgc_object(scope, PairEnd::new(b)).into(),
    ];
    v8::Array::new_with_elements(scope, &ends)
}

/// Begins to speak on an end, in the name of an object if one is given.
#[op2(fast)]
fn op_socket_accept(
    state: &mut OpState,
    #[cppgc] end: &PairEnd,
    #[cppgc] handle: Option<&ObjectHandle>,
) -> Result<(), JsErrorBox> {
    let host = running_host(state)?;
    let taken = end.take()?;
    taken.settle(host.shard());
    if let Some(handle) = handle {
        handle.0.held.add_socket(&taken.sender);
    }
    *end.open.borrow_mut() = Some(OpenEnd {
        sender: taken.sender,
        instance: handle.map(|handle| handle.0.clone()),
    });
    *end.receiver.borrow_mut() = Some(taken.receiver);
    *end.activity.borrow_mut() = handle.map(|handle| handle.0.lasting_activity());
    Ok(())
}

/// A frame for JavaScript: text, an ArrayBuffer, `[code, reason]` for a Close
/// (code -1 when the frame was empty), `[-2, text]` for a failed connection,
/// null when the other end is gone.
pub struct JsFrame(pub Option<Frame>);

impl<'s> ToV8<'s> for JsFrame {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        let (code, text) = match self.0 {
            None => return Ok(v8::null(scope).into()),
            Some(Frame::Text(text)) => return Ok(string(scope, &text).into()),
            Some(Frame::Binary(bytes)) => return Ok(array_buffer(scope, &bytes).into()),
            Some(Frame::Close { code, reason }) => (code.map_or(-1, i32::from), reason),
            Some(Frame::Failed(text)) => (-2, text),
        };
        let parts = [
            v8::Integer::new(scope, code).into(),
            string(scope, text.as_bytes()).into(),
        ];
        Ok(v8::Array::new_with_elements(scope, &parts).into())
    }
}

fn string<'s>(scope: &mut v8::PinScope<'s, '_>, text: &[u8]) -> v8::Local<'s, v8::String> {
    v8::String::new_from_utf8(scope, text, v8::NewStringType::Normal)
        .unwrap_or_else(|| v8::String::empty(scope))
}

/// What came on a socket; undefined when the instance that listens has ended.
pub struct NextFrame(Option<JsFrame>);

impl<'s> ToV8<'s> for NextFrame {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        match self.0 {
            Some(frame) => frame.to_v8(scope),
            None => Ok(v8::undefined(scope).into()),
        }
    }
}

/// The next frame on an accepted end.
#[op2]
async fn op_socket_next(#[cppgc] end: &PairEnd) -> NextFrame {
    let Some(receiver) = end.receiver.borrow_mut().take() else {
        return NextFrame(Some(JsFrame(None)));
    };
    let frame = receiver.next().await;
    if end.is_orphan() {
        end.activity.take();
        return NextFrame(None);
    }
    if matches!(frame, None | Some(Frame::Close { .. } | Frame::Failed(_))) {
        end.activity.take();
    }
    *end.receiver.borrow_mut() = Some(receiver);
    NextFrame(Some(JsFrame(frame)))
}

/// Text, or the bytes of a view.
pub fn frame_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    data: v8::Local<'s, v8::Value>,
) -> Frame {
    if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(data) {
        let mut bytes = vec![0; view.byte_length()];
        view.copy_contents(&mut bytes);
        return Frame::Binary(Bytes::from(bytes));
    }
    Frame::Text(Bytes::from(data.to_rust_string_lossy(scope)))
}

/// Sends text or the bytes of a view.
#[op2(fast)]
fn op_socket_send<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] end: &PairEnd,
    data: v8::Local<'s, v8::Value>,
) {
    end.send(frame_from_js(scope, data));
}

/// A Close frame with a code, or with none for a negative one.
pub fn close_frame(code: i32, reason: String) -> Frame {
    Frame::Close {
        code: u16::try_from(code).ok(),
        reason,
    }
}

#[op2(fast)]
fn op_socket_close(#[cppgc] end: &PairEnd, #[smi] code: i32, #[string] reason: String) {
    end.send(close_frame(code, reason));
}

/// Lets go of an end: what was said goes out, and the other side loses the connection.
#[op2(fast)]
fn op_socket_drop(#[cppgc] end: &PairEnd) {
    end.open.take();
    end.receiver.take();
    end.activity.take();
}

/// A client connection for JavaScript: the end and the chosen subprotocol.
pub struct ClientSocket(PairEnd, String);

impl<'s> ToV8<'s> for ClientSocket {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        let parts = [
            make_cppgc_object(scope, self.0).into(),
            string(scope, self.1.as_bytes()).into(),
        ];
        Ok(v8::Array::new_with_elements(scope, &parts).into())
    }
}

/// Opens a client connection.
#[op2]
fn op_socket_connect<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[string] url: String,
    #[serde] protocols: Vec<String>,
    headers: v8::Local<'s, v8::Array>,
) -> Result<impl Future<Output = Result<ClientSocket, JsErrorBox>> + use<>, JsErrorBox> {
    let headers = headers_from_js(scope, headers)?;
    let connect = running_host(state)?.connect(ConnectRequest {
        url,
        protocols,
        headers,
    });
    Ok(async move {
        let connected = connect.await.map_err(JsErrorBox::generic)?;
        Ok(ClientSocket(
            PairEnd::new(connected.end),
            connected.protocol,
        ))
    })
}

/// Refuses an attachment that is too large.
///
/// # Errors
/// The platform's text.
pub fn check_attachment(attachment: Vec<u8>) -> Result<Box<[u8]>, JsErrorBox> {
    let length = attachment.len();
    if length > ATTACHMENT_BYTES_MAX {
        // The platform's text lacks the space, too.
        return Err(JsErrorBox::generic(format!(
            "A WebSocket 'attachment' cannot be larger than {ATTACHMENT_BYTES_MAX} bytes.'attachment' was {length} bytes."
        )));
    }
    Ok(attachment.into_boxed_slice())
}

/// Keeps a cloned value with an end that no object has accepted.
#[op2(fast)]
fn op_socket_attach(
    #[cppgc] end: &PairEnd,
    #[buffer(copy)] attachment: Vec<u8>,
) -> Result<(), JsErrorBox> {
    *end.attachment.borrow_mut() = Some(check_attachment(attachment)?);
    Ok(())
}

/// What `op_socket_attach` kept; null if nothing.
#[op2]
fn op_socket_attachment(#[cppgc] end: &PairEnd) -> Option<Uint8Array> {
    let attachment = end.attachment.borrow();
    attachment.as_deref().map(|bytes| bytes.to_vec().into())
}
