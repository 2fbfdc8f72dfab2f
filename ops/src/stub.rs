//! Ids, and calls to other objects.
//!
//! <https://developers.cloudflare.com/durable-objects/api/namespace/>

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::ToV8;
use deno_core::cppgc::make_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use http::HeaderMap;
use http::HeaderValue;
use stead_storage::ObjectId;
use tokio::sync::oneshot;

use crate::body::Body;
use crate::body::body_from_resource;
use crate::event::IncomingRequest;
use crate::headers::headers_from_js;
use crate::headers::headers_to_js;
use crate::host::HostRef;
use crate::host::running_host;
use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::FetchRequest;
use crate::message::FetchResponse;
use crate::message::Message;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;
use crate::websocket::PairEnd;

deno_core::extension!(
    stead_stub,
    ops = [
        op_id_from_name,
        op_id_unique,
        op_id_parse,
        op_stub_call,
        op_stub_call_answer,
        op_stub_fetch,
        op_stub_fetch_answer,
        op_body_take,
    ],
);

#[op2]
#[string]
fn op_id_from_name(state: &mut OpState, #[smi] namespace: u16, #[string] name: &str) -> String {
    let host = state.borrow::<HostRef>();
    host.namespaces()[namespace as usize]
        .ids
        .from_name(name)
        .to_string()
}

#[op2]
#[string]
fn op_id_unique(state: &mut OpState, #[smi] namespace: u16) -> String {
    let host = state.borrow::<HostRef>();
    host.namespaces()[namespace as usize]
        .ids
        .unique(host.random_id())
        .to_string()
}

/// The id in its usual form, if it is one of this namespace.
#[op2]
#[string]
fn op_id_parse(
    state: &mut OpState,
    #[smi] namespace: u16,
    #[string] text: &str,
) -> Result<String, JsErrorBox> {
    let host = state.borrow::<HostRef>();
    let id = host.namespaces()[namespace as usize].ids.parse(text);
    id.map(|id| id.to_string())
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))
}

/// What a call came back with. JavaScript sees an array whose first element
/// says which: 0 the result, 1 a thrown value, 2 a failure.
pub enum Answer<T> {
    /// The result.
    Result(T),
    /// There is none.
    None(CallError),
}

impl<'s, T: AnswerParts> ToV8<'s> for Answer<T> {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        let mut parts: Vec<v8::Local<v8::Value>> = Vec::with_capacity(7);
        match self {
            Answer::Result(result) => {
                parts.push(v8::Integer::new(scope, 0).into());
                result.push_parts(scope, &mut parts);
            }
            Answer::None(CallError::Thrown(value)) => {
                parts.push(v8::Integer::new(scope, 1).into());
                value.push_parts(scope, &mut parts);
            }
            Answer::None(CallError::Failed(failure)) => {
                parts.push(v8::Integer::new(scope, 2).into());
                let message = v8::String::new(scope, &failure.message);
                parts.push(message.unwrap_or_else(|| v8::String::empty(scope)).into());
                for flag in [failure.reset, failure.retryable, failure.overloaded] {
                    parts.push(v8::Boolean::new(scope, flag).into());
                }
                match failure.thrown {
                    Some(thrown) => thrown.to_vec().push_parts(scope, &mut parts),
                    None => parts.push(v8::null(scope).into()),
                }
            }
        }
        Ok(v8::Array::new_with_elements(scope, &parts).into())
    }
}

/// How a result is laid out behind the first element of an answer.
pub trait AnswerParts {
    /// Appends the result's parts.
    fn push_parts<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        parts: &mut Vec<v8::Local<'s, v8::Value>>,
    );
}

impl AnswerParts for Vec<u8> {
    fn push_parts<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        parts: &mut Vec<v8::Local<'s, v8::Value>>,
    ) {
        let length = self.len();
        let store = v8::ArrayBuffer::new_backing_store_from_vec(self).make_shared();
        let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
        if let Some(view) = v8::Uint8Array::new(scope, buffer, 0, length) {
            parts.push(view.into());
        }
    }
}

impl AnswerParts for Message {
    /// The bytes, and the bodies or null.
    fn push_parts<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        parts: &mut Vec<v8::Local<'s, v8::Value>>,
    ) {
        self.bytes.push_parts(scope, parts);
        parts.push(bodies_to_js(scope, self.bodies));
    }
}

impl AnswerParts for FetchResponse {
    /// Status, reason, headers, body handle, socket.
    fn push_parts<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        parts: &mut Vec<v8::Local<'s, v8::Value>>,
    ) {
        parts.push(v8::Integer::new(scope, self.status.into()).into());
        let text = v8::String::new(scope, &self.status_text);
        parts.push(text.unwrap_or_else(|| v8::String::empty(scope)).into());
        parts.push(headers_to_js(scope, &self.headers).into());
        parts.push(body_to_js(scope, self.body));
        parts.push(match self.socket {
            None => v8::null(scope).into(),
            Some(end) => make_cppgc_object(scope, PairEnd::new(end)).into(),
        });
    }
}

/// A body for JavaScript: pending, or null if there is none.
pub fn body_to_js<'s>(scope: &mut v8::PinScope<'s, '_>, body: Body) -> v8::Local<'s, v8::Value> {
    match body {
        Body::Empty => v8::null(scope).into(),
        body => make_cppgc_object(scope, PendingBody(RefCell::new(Some(body)))).into(),
    }
}

/// The bodies of a message; null if there are none.
pub fn bodies_to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bodies: Vec<Body>,
) -> v8::Local<'s, v8::Value> {
    if bodies.is_empty() {
        return v8::null(scope).into();
    }
    let bodies: Vec<_> = bodies
        .into_iter()
        .map(|body| make_cppgc_object(scope, PendingBody(RefCell::new(Some(body)))).into())
        .collect();
    v8::Array::new_with_elements(scope, &bodies).into()
}

/// The bodies of a message that JavaScript sends: a list or null.
///
/// # Errors
/// One of them was used already.
pub fn bodies_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    bodies: v8::Local<'s, v8::Value>,
) -> Result<Vec<Body>, JsErrorBox> {
    let Ok(bodies) = v8::Local::<v8::Array>::try_from(bodies) else {
        return Ok(Vec::new());
    };
    let mut taken = Vec::with_capacity(bodies.length() as usize);
    for index in 0..bodies.length() {
        let body = bodies
            .get_index(scope, index)
            .unwrap_or_else(|| v8::null(scope).into());
        taken.push(body_from_js(scope, state, body)?);
    }
    Ok(taken)
}

/// A body that JavaScript has been handed and not yet looked at.
pub struct PendingBody(pub RefCell<Option<Body>>);

// SAFETY: the body holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingBody {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingBody"
    }
}

/// Turns a pending body into a resource that can be read.
#[op2(fast)]
#[smi]
fn op_body_take(state: &mut OpState, #[cppgc] body: &PendingBody) -> Result<u32, JsErrorBox> {
    let body = body.0.borrow_mut().take();
    body.and_then(|body| crate::body::body_to_resource(state, body))
        .ok_or_else(|| JsErrorBox::type_error("Body has already been used."))
}

fn key(host: &HostRef, namespace: u16, id: &str) -> Result<ObjectKey, JsErrorBox> {
    let id: ObjectId = host.namespaces()[namespace as usize]
        .ids
        .parse(id)
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))?;
    Ok(ObjectKey { namespace, id })
}

/// Sends `event`; if an object says it, once all that it wrote is durable.
fn send(
    host: HostRef,
    caller: Option<Rc<Instance>>,
    key: ObjectKey,
    name: Option<String>,
    event: ObjectEvent,
) {
    let Some(caller) = caller else {
        return host.call(key, name, event);
    };
    caller.say(move |durable| match durable {
        Ok(()) => host.call(key, name, event),
        Err(broken) => event.fail(Failure::reset(broken.message)),
    });
}

/// A call whose answer JavaScript waits for. Sending is one op and waiting another,
/// because an op that waits cannot look at the state.
pub struct PendingCall(RefCell<Option<Receiver<Message>>>);

/// The same for a request.
pub struct PendingFetch(RefCell<Option<Receiver<FetchResponse>>>);

impl PendingFetch {
    /// A request whose answer comes from `receiver`.
    pub(crate) fn new(receiver: Receiver<FetchResponse>) -> PendingFetch {
        PendingFetch(RefCell::new(Some(receiver)))
    }
}

pub(crate) type Receiver<T> = oneshot::Receiver<Result<T, CallError>>;

// SAFETY: the receiver holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingCall {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingCall"
    }
}

// SAFETY: the receiver holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingFetch {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingFetch"
    }
}

async fn answer<T>(receiver: Option<Receiver<T>>) -> Answer<T> {
    let Some(receiver) = receiver else {
        return Answer::None(CallError::Failed(Failure::lost()));
    };
    match receiver.await {
        Ok(Ok(result)) => Answer::Result(result),
        Ok(Err(error)) => Answer::None(error),
        Err(_) => Answer::None(CallError::Failed(Failure::lost())),
    }
}

/// Calls a method of an object, or reads a property when there are no arguments.
#[op2]
#[cppgc]
#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one call, taken in one call"
)]
fn op_stub_call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[cppgc] caller: Option<&ObjectHandle>,
    #[cppgc] request: Option<&IncomingRequest>,
    #[smi] namespace: u16,
    #[string] id: &str,
    #[string] name: Option<String>,
    #[serde] path: Vec<String>,
    #[buffer(copy)] arguments: Option<Vec<u8>>,
    bodies: v8::Local<'s, v8::Value>,
) -> Result<PendingCall, JsErrorBox> {
    let host = running_host(state)?;
    let key = key(&host, namespace, id)?;
    let bodies = bodies_from_js(scope, state, bodies)?;
    let arguments = arguments.map(|bytes| Message { bytes, bodies });
    if let Some(request) = request {
        request.note_call(key, name.as_deref());
    }
    let (reply, receiver) = oneshot::channel();
    let event = ObjectEvent::Call {
        path,
        arguments,
        reply,
    };
    send(
        host,
        caller.map(|handle| handle.0.clone()),
        key,
        name,
        event,
    );
    Ok(PendingCall(RefCell::new(Some(receiver))))
}

/// The answer to a call.
#[op2]
async fn op_stub_call_answer(#[cppgc] pending: &PendingCall) -> Answer<Message> {
    let receiver = pending.0.borrow_mut().take();
    answer(receiver).await
}

/// Calls `fetch()` of an object.
#[op2]
#[cppgc]
#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one request, taken in one call"
)]
fn op_stub_fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[cppgc] caller: Option<&ObjectHandle>,
    #[cppgc] request: Option<&IncomingRequest>,
    #[smi] namespace: u16,
    #[string] id: &str,
    #[string] name: Option<String>,
    #[string] method: String,
    #[string] url: String,
    headers: v8::Local<'s, v8::Array>,
    body: v8::Local<'s, v8::Value>,
) -> Result<PendingFetch, JsErrorBox> {
    let host = running_host(state)?;
    let key = key(&host, namespace, id)?;
    let mut headers = headers_from_js(scope, headers)?;
    let body = body_from_js(scope, state, body)?;
    note_length(&mut headers, &body);
    if let Some(request) = request {
        request.note_call(key, name.as_deref());
    }
    let (reply, receiver) = oneshot::channel();
    let event = ObjectEvent::Fetch {
        request: FetchRequest {
            method,
            url,
            headers,
            body,
        },
        reply,
    };
    send(
        host,
        caller.map(|handle| handle.0.clone()),
        key,
        name,
        event,
    );
    Ok(PendingFetch(RefCell::new(Some(receiver))))
}

/// Says how long a body is where that is known, as a client of HTTP does.
fn note_length(headers: &mut HeaderMap, body: &Body) {
    let length = match body {
        Body::Empty => return,
        Body::Full(bytes) => bytes.len() as u64,
        Body::Stream { length, .. } => match length {
            Some(length) => *length,
            None => return,
        },
    };
    headers
        .entry(http::header::CONTENT_LENGTH)
        .or_insert_with(|| HeaderValue::from(length));
}

/// The answer to a request.
#[op2]
async fn op_stub_fetch_answer(#[cppgc] pending: &PendingFetch) -> Answer<FetchResponse> {
    let receiver = pending.0.borrow_mut().take();
    answer(receiver).await
}

/// A body as JavaScript hands it over: null, text, bytes, a pending body or the
/// number of a resource.
///
/// # Errors
/// The body was used already.
pub fn body_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    body: v8::Local<'s, v8::Value>,
) -> Result<Body, JsErrorBox> {
    if body.is_null_or_undefined() {
        return Ok(Body::Empty);
    }
    if body.is_string() {
        return Ok(Body::Full(Bytes::from(body.to_rust_string_lossy(scope))));
    }
    if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(body) {
        let mut bytes = vec![0; view.byte_length()];
        view.copy_contents(&mut bytes);
        return Ok(Body::Full(Bytes::from(bytes)));
    }
    if let Ok(number) = v8::Local::<v8::Number>::try_from(body) {
        return body_from_resource(state, number.value() as u32);
    }
    let pending = deno_core::cppgc::try_unwrap_cppgc_object::<PendingBody>(scope, body)
        .ok_or_else(|| JsErrorBox::type_error("not a body"))?;
    let taken = pending.0.borrow_mut().take();
    taken.ok_or_else(|| JsErrorBox::type_error("Body has already been used."))
}
