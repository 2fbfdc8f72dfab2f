//! Ids, and calls to other objects.
//!
//! <https://developers.cloudflare.com/durable-objects/api/namespace/>

use std::cell::RefCell;

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
use http::StatusCode;
use stead_storage::ObjectId;
use tokio::sync::oneshot;

use crate::attachment::attachments_to_js;
use crate::body::Body;
use crate::body::body_from_resource;
use crate::callee::Callee;
use crate::callee::StubHandle;
use crate::entrypoint::WorkerEvent;
use crate::event::IncomingRequest;
use crate::headers::headers_from_js;
use crate::headers::headers_to_js;
use crate::host::HostRef;
use crate::host::running_host;
use crate::instance::ObjectHandle;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::FetchRequest;
use crate::message::FetchResponse;
use crate::message::Message;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;
use crate::parcel::Parcel;
use crate::websocket::PairEnd;

deno_core::extension!(
    stead_stub,
    ops = [
        op_id_from_name,
        op_id_unique,
        op_id_parse,
        op_id_jurisdiction,
        op_stub_fetch,
        op_stub_fetch_answer,
        op_body_take,
    ],
);

/// The id of a name, in a jurisdiction if one is named.
#[op2]
#[string]
fn op_id_from_name(
    state: &mut OpState,
    #[smi] namespace: u16,
    #[string] jurisdiction: Option<String>,
    #[string] name: &str,
) -> Result<String, JsErrorBox> {
    let host = state.borrow::<HostRef>();
    let namespace = host.namespace(namespace);
    let ids = &namespace.ids;
    let id = match jurisdiction {
        None => Ok(ids.from_name(name)),
        Some(jurisdiction) => ids.from_name_in(&jurisdiction, name),
    };
    id.map(|id| id.to_string())
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))
}

/// A new id, in a jurisdiction if one is named.
#[op2]
#[string]
fn op_id_unique(
    state: &mut OpState,
    #[smi] namespace: u16,
    #[string] jurisdiction: Option<String>,
) -> Result<String, JsErrorBox> {
    let host = state.borrow::<HostRef>();
    let namespace = host.namespace(namespace);
    let ids = &namespace.ids;
    let id = match jurisdiction {
        None => Ok(ids.unique(host.random_id())),
        Some(jurisdiction) => ids.unique_in(&jurisdiction, host.random_id()),
    };
    id.map(|id| id.to_string())
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))
}

/// The jurisdiction of one of the namespace's ids; null if it has none.
#[op2]
#[string]
fn op_id_jurisdiction(
    state: &mut OpState,
    #[smi] namespace: u16,
    #[string] id: &str,
) -> Option<String> {
    let host = state.borrow::<HostRef>();
    let namespace = host.namespace(namespace);
    let ids = &namespace.ids;
    let id = ids.parse(id).ok()?;
    ids.jurisdiction(&id).map(str::to_owned)
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
    let id = host.namespace(namespace).ids.parse(text);
    id.map(|id| id.to_string())
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))
}

/// What a call came back with. JavaScript sees an array whose first element
/// says which: 0 the result, 1 a thrown value, 2 a failure, 3 that the result of the
/// call before says more.
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
        let mut parts: Vec<v8::Local<v8::Value>> = Vec::with_capacity(8);
        match self {
            Answer::Result(result) => {
                parts.push(v8::Integer::new(scope, 0).into());
                result.push_parts(scope, &mut parts);
            }
            Answer::None(CallError::Thrown(value)) => {
                parts.push(v8::Integer::new(scope, 1).into());
                value.push_parts(scope, &mut parts);
            }
            Answer::None(CallError::Missed) => {
                parts.push(v8::Integer::new(scope, 3).into());
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
                parts.push(match &failure.object_id {
                    Some(id) => v8::String::new(scope, id)
                        .map_or_else(|| v8::null(scope).into(), Into::into),
                    None => v8::null(scope).into(),
                });
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
    /// The bytes, and the attachments or null.
    fn push_parts<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        parts: &mut Vec<v8::Local<'s, v8::Value>>,
    ) {
        self.bytes.push_parts(scope, parts);
        parts.push(attachments_to_js(scope, self.attachments));
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
        let reason = match self.status_text.as_str() {
            "" => usual_reason(self.status),
            reason => reason,
        };
        let text = v8::String::new(scope, reason);
        parts.push(text.unwrap_or_else(|| v8::String::empty(scope)).into());
        parts.push(headers_to_js(scope, &self.headers).into());
        parts.push(body_to_js(scope, self.body));
        parts.push(match self.socket {
            None => v8::null(scope).into(),
            Some(end) => make_cppgc_object(scope, PairEnd::new(end)).into(),
        });
    }
}

/// The reason phrase of a response that has none of its own.
fn usual_reason(status: u16) -> &'static str {
    let known = StatusCode::from_u16(status).ok();
    match known.and_then(|status| status.canonical_reason()) {
        // Younger than the platform's list.
        Some(reason) if status != 425 => reason,
        _ => match status {
            200..300 => "Successful",
            300..400 => "Redirection",
            400..500 => "Client Error",
            500..600 => "Server Error",
            _ => "",
        },
    }
}

/// A body for JavaScript: pending, or null if there is none.
pub fn body_to_js<'s>(scope: &mut v8::PinScope<'s, '_>, body: Body) -> v8::Local<'s, v8::Value> {
    match body {
        Body::Empty => v8::null(scope).into(),
        body => make_cppgc_object(scope, PendingBody(RefCell::new(Some(body)))).into(),
    }
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

/// An object of a namespace.
///
/// # Errors
/// The id is none of the namespace's.
pub fn key(host: &HostRef, namespace: u16, id: &str) -> Result<ObjectKey, JsErrorBox> {
    let id: ObjectId = host
        .namespace(namespace)
        .ids
        .parse(id)
        .map_err(|e| JsErrorBox::new(e.js_class(), e.to_string()))?;
    Ok(ObjectKey::new(namespace, id))
}

/// A request whose answer JavaScript waits for. Sending is one op and waiting
/// another, because an op that waits cannot look at the state.
pub struct PendingFetch(RefCell<Option<Receiver<FetchResponse>>>);

impl PendingFetch {
    /// A request whose answer comes from `receiver`.
    pub(crate) fn new(receiver: Receiver<FetchResponse>) -> PendingFetch {
        PendingFetch(RefCell::new(Some(receiver)))
    }
}

/// Where the answer to something that was said arrives.
pub type Receiver<T> = oneshot::Receiver<Result<T, CallError>>;

// SAFETY: the receiver holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingFetch {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingFetch"
    }
}

/// Waits for an answer.
pub async fn answer<T>(receiver: Option<Receiver<T>>) -> Answer<T> {
    let Some(receiver) = receiver else {
        return Answer::None(CallError::Failed(Failure::lost()));
    };
    match receiver.await {
        Ok(Ok(result)) => Answer::Result(result),
        Ok(Err(error)) => Answer::None(error),
        Err(_) => Answer::None(CallError::Failed(Failure::lost())),
    }
}

/// Calls `fetch()` of what a stub leads to.
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
    #[cppgc] stub: &StubHandle,
    #[string] method: String,
    #[string] url: String,
    headers: v8::Local<'s, v8::Array>,
    body: v8::Local<'s, v8::Value>,
    #[string] cf: Option<String>,
) -> Result<PendingFetch, JsErrorBox> {
    let host = running_host(state)?;
    let callee = stub.callee()?;
    let mut headers = headers_from_js(scope, headers)?;
    let body = body_from_js(scope, state, body)?;
    note_length(&mut headers, &body);
    let measured = request.and_then(|request| request.note_call(&callee, &["fetch".to_owned()]));
    let (reply, receiver) = oneshot::channel();
    let request = FetchRequest {
        method,
        url,
        headers,
        body,
        cf,
        measured,
    };
    let parcel = match callee {
        Callee::Object(key, name) => {
            Parcel::Object(key, name, ObjectEvent::Fetch { request, reply })
        }
        Callee::Entrypoint(entrypoint) => {
            Parcel::Worker(entrypoint, WorkerEvent::Fetch { request, reply })
        }
        Callee::Export(_) => return Err(JsErrorBox::type_error("a value takes no requests")),
    };
    parcel.say(host, caller.map(|handle| handle.0.clone()));
    Ok(PendingFetch(RefCell::new(Some(receiver))))
}

/// Says that nobody knows how long a body is.
fn note_chunks(headers: &mut HeaderMap) {
    if !headers.contains_key(http::header::CONTENT_LENGTH) {
        let chunked = HeaderValue::from_static("chunked");
        headers
            .entry(http::header::TRANSFER_ENCODING)
            .or_insert(chunked);
    }
}

/// Says how long a body is where that is known, as a client of HTTP does.
pub fn note_length(headers: &mut HeaderMap, body: &Body) {
    let length = match body {
        Body::Empty => return,
        Body::Full(bytes) => bytes.len() as u64,
        Body::Stream { length, .. } => match length {
            Some(length) => *length,
            None => return note_chunks(headers),
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
