//! What the worker and its objects are asked to do, and their answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use http::HeaderMap;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::header::UPGRADE;
use tokio::sync::oneshot;

use crate::answer::Owed;
use crate::answer::Owes;
use crate::attachment::attachments_from_js;
use crate::attachment::attachments_to_js;
use crate::body::Body;
use crate::callee::Callee;
use crate::callee::StubHandle;
use crate::export::Export;
use crate::headers::headers_from_js;
use crate::headers::headers_to_js;
use crate::host::HostRef;
use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::message::Attachment;
use crate::message::Call;
use crate::message::CallError;
use crate::message::FetchRequest;
use crate::message::FetchResponse;
use crate::message::Message;
use crate::message::ObjectKey;
use crate::message::Reply;
use crate::meter::Elsewhere;
use crate::meter::Spent;
use crate::parcel::Parcel;
use crate::stub::body_from_js;
use crate::stub::body_to_js;
use crate::websocket::PairEnd;

deno_core::extension!(
    stead_event,
    ops = [
        op_request_method,
        op_request_url,
        op_request_cf,
        op_request_has_cf,
        op_request_headers,
        op_request_body,
        op_respond,
        op_respond_text,
        op_note_error,
        op_respond_error,
        op_call_target,
        op_call_path,
        op_call_arguments,
        op_call_attachments,
        op_call_has_calls,
        op_call_return,
        op_call_throw,
        op_call_refuse,
        op_report_error,
        op_outcome,
    ],
);

/// What is told of a request beside its answer.
pub type RequestNote = Rc<RefCell<Note>>;

/// See [`RequestNote`].
#[derive(Default)]
pub struct Note {
    /// The object that had a part in the answer, and its name.
    pub object: Option<(ObjectKey, Option<String>)>,
    /// What it was asked to do: `fetch`, or the method that was called.
    pub event: Option<String>,
    /// What this thread had done before the request.
    pub before: Option<Spent>,
    /// What others did for it; None if nobody wants to know.
    pub elsewhere: Option<Arc<Elsewhere>>,
    /// What the handler threw: the error's stack, with its causes.
    pub error: Option<String>,
}

/// A request that the worker (or, with an instance, an object) is answering.
pub struct IncomingRequest {
    request: RefCell<FetchRequest>,
    /// Whether the request may be answered with a WebSocket.
    asks_for_socket: bool,
    owed: Rc<Owed<FetchResponse>>,
    note: Option<RequestNote>,
}

fn asks_for_socket(request: &FetchRequest) -> bool {
    let upgrade = request.headers.get(UPGRADE);
    upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

impl IncomingRequest {
    /// A request for the worker to answer; what it calls is written to `note`.
    pub fn for_worker(
        request: FetchRequest,
        reply: Reply<FetchResponse>,
        note: RequestNote,
    ) -> IncomingRequest {
        IncomingRequest {
            asks_for_socket: asks_for_socket(&request),
            request: RefCell::new(request),
            owed: Owed::new(reply, None),
            note: Some(note),
        }
    }

    /// A request for an entrypoint to answer; it is among what the worker's code owes.
    pub fn for_entrypoint(
        mut request: FetchRequest,
        reply: Reply<FetchResponse>,
        owes: &Owes,
    ) -> IncomingRequest {
        let measured = request.measured.take();
        IncomingRequest {
            asks_for_socket: asks_for_socket(&request),
            request: RefCell::new(request),
            owed: owes.owed(reply).with_measured(measured),
            note: None,
        }
    }

    /// A request for an object to answer.
    pub fn for_object(
        mut request: FetchRequest,
        reply: Reply<FetchResponse>,
        instance: Rc<Instance>,
    ) -> IncomingRequest {
        let measured = request.measured.take();
        IncomingRequest {
            asks_for_socket: asks_for_socket(&request),
            request: RefCell::new(request),
            owed: Owed::new(reply, Some(instance)).with_measured(measured),
            note: None,
        }
    }

    /// The answer, for the case that JavaScript cannot give it.
    pub fn owed(&self) -> Rc<Owed<FetchResponse>> {
        self.owed.clone()
    }

    /// Notes what the request's handler calls. The first object is kept. Where to count what is
    /// done for the call.
    pub fn note_call(&self, callee: &Callee, path: &[String]) -> Option<Arc<Elsewhere>> {
        let note = &mut *self.note.as_ref()?.borrow_mut();
        if let (Callee::Object(key, name), None) = (callee, &note.object) {
            note.object = Some((*key, name.clone()));
            let event = || path.join(".").trim_start_matches('\0').to_owned();
            note.event = note.elsewhere.is_some().then(event);
        }
        note.elsewhere.clone()
    }
}

// SAFETY: the request holds no references into the JavaScript heap.
unsafe impl GarbageCollected for IncomingRequest {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"IncomingRequest"
    }
}

#[op2]
#[string]
fn op_request_method(#[cppgc] request: &IncomingRequest) -> String {
    request.request.borrow().method.clone()
}

#[op2]
#[string]
fn op_request_url(#[cppgc] request: &IncomingRequest) -> String {
    request.request.borrow().url.clone()
}

/// Whether the request says anything of itself to the platform; most do not.
#[op2(fast)]
fn op_request_has_cf(#[cppgc] request: &IncomingRequest) -> bool {
    request.request.borrow().cf.is_some()
}

/// What that is, as JSON.
#[op2]
#[string]
fn op_request_cf(#[cppgc] request: &IncomingRequest) -> String {
    let cf = request.request.borrow_mut().cf.take();
    cf.unwrap_or_default()
}

#[op2]
fn op_request_headers<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] request: &IncomingRequest,
) -> v8::Local<'s, v8::Array> {
    headers_to_js(scope, &request.request.borrow().headers)
}

/// The request's body, taken out of it; null if it has none.
#[op2]
fn op_request_body<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] request: &IncomingRequest,
) -> v8::Local<'s, v8::Value> {
    let body = std::mem::take(&mut request.request.borrow_mut().body);
    body_to_js(scope, body)
}

/// Answers a request.
#[op2(fast)]
#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one response, given in one call"
)]
fn op_respond<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[cppgc] request: &IncomingRequest,
    #[smi] status: u16,
    #[string] status_text: String,
    headers: v8::Local<'s, v8::Array>,
    body: v8::Local<'s, v8::Value>,
    #[cppgc] socket: Option<&PairEnd>,
) -> Result<(), JsErrorBox> {
    if socket.is_some() && !request.asks_for_socket {
        return Err(JsErrorBox::type_error(
            "Worker tried to return a WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\".",
        ));
    }
    let headers = headers_from_js(scope, headers)?;
    let body = body_from_js(scope, state, body)?;
    let body = match request.owed.instance() {
        Some(instance) => body.holding(instance.activity()),
        None => body,
    };
    let socket = socket.map(PairEnd::take).transpose()?;
    request.owed.give(Ok(FetchResponse {
        status,
        status_text,
        headers,
        body,
        socket,
    }));
    Ok(())
}

/// Answers a request with text, as `new Response(text)` does.
#[op2(fast)]
fn op_respond_text(#[cppgc] request: &IncomingRequest, #[string] text: String) {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain;charset=UTF-8"),
    );
    request.owed.give(Ok(FetchResponse {
        status: 200,
        status_text: String::new(),
        headers,
        body: Body::Full(Bytes::from(text)),
        socket: None,
    }));
}

/// Notes what a request's handler threw, for whoever shows it to a person.
#[op2(fast)]
fn op_note_error(#[cppgc] request: &IncomingRequest, #[string] text: String) {
    if let Some(note) = &request.note {
        note.borrow_mut().error = Some(text);
    }
}

/// Answers a request with what its handler threw, cloned.
#[op2(fast)]
fn op_respond_error(#[cppgc] request: &IncomingRequest, #[buffer(copy)] thrown: Vec<u8>) {
    request.owed.give(Err(CallError::Thrown(thrown)));
}

/// A call that an object or an entrypoint is answering.
pub struct IncomingCall {
    path: Vec<String>,
    arguments: RefCell<Option<Vec<u8>>>,
    attachments: RefCell<Vec<Attachment>>,
    target: RefCell<Option<Arc<Export>>>,
    is_pipelined: bool,
    owed: Rc<Owed<Message>>,
}

impl IncomingCall {
    /// A call for an object's code to answer.
    pub fn for_object(call: Call, instance: Rc<Instance>) -> IncomingCall {
        IncomingCall::new(call, |reply| Owed::new(reply, Some(instance)))
    }

    /// A call for the worker's own code to answer; it is among what that code owes.
    pub fn for_worker(call: Call, owes: &Owes) -> IncomingCall {
        IncomingCall::new(call, |reply| owes.owed(reply))
    }

    fn new(call: Call, owe: impl FnOnce(Reply<Message>) -> Rc<Owed<Message>>) -> IncomingCall {
        let (arguments, attachments) = match call.arguments {
            Some(Message { bytes, attachments }) => (Some(bytes), attachments),
            None => (None, Vec::new()),
        };
        IncomingCall {
            path: call.path,
            arguments: RefCell::new(arguments),
            attachments: RefCell::new(attachments),
            owed: {
                let owed = owe(call.reply)
                    .with_pipeline(call.pipeline)
                    .with_measured(call.measured);
                match call.target {
                    None => owed,
                    Some(_) => owed.naming_object(),
                }
            },
            target: RefCell::new(call.target),
            is_pipelined: call.is_pipelined,
        }
    }

    /// The answer, for the case that JavaScript cannot give it.
    pub fn owed(&self) -> Rc<Owed<Message>> {
        self.owed.clone()
    }
}

// SAFETY: the call holds no references into the JavaScript heap.
unsafe impl GarbageCollected for IncomingCall {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"IncomingCall"
    }
}

/// The number of the exported value that is called; -1 for the callee itself.
#[op2(fast)]
fn op_call_target(#[cppgc] call: &IncomingCall) -> f64 {
    let target = call.target.borrow();
    target
        .as_ref()
        .map_or(-1.0, |export| export.number() as f64)
}

#[op2]
fn op_call_path<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] call: &IncomingCall,
) -> v8::Local<'s, v8::Array> {
    let names: Vec<v8::Local<v8::Value>> = call
        .path
        .iter()
        .map(|name| {
            v8::String::new(scope, name)
                .unwrap_or_else(|| v8::String::empty(scope))
                .into()
        })
        .collect();
    v8::Array::new_with_elements(scope, &names)
}

/// The cloned array of arguments; null when a property is read.
#[op2]
fn op_call_arguments(#[cppgc] call: &IncomingCall) -> Option<Uint8Array> {
    call.arguments.borrow_mut().take().map(Uint8Array::from)
}

/// The attachments of the arguments, taken out of the call; null if there are none.
#[op2]
fn op_call_attachments<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] call: &IncomingCall,
) -> v8::Local<'s, v8::Value> {
    let attachments = call.attachments.take();
    attachments_to_js(scope, attachments)
}

/// Whether calls on the result wait for it.
#[op2(fast)]
fn op_call_has_calls(#[cppgc] call: &IncomingCall) -> bool {
    call.owed.has_calls()
}

/// Answers a call. `root` is the exported result, if there is anything in it to call.
#[op2(fast)]
fn op_call_return<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[cppgc] call: &IncomingCall,
    #[buffer(copy)] bytes: Vec<u8>,
    attachments: v8::Local<'s, v8::Value>,
    #[cppgc] root: Option<&StubHandle>,
) -> Result<(), JsErrorBox> {
    let attachments = attachments_from_js(scope, state, attachments)?;
    let root = root.map(StubHandle::take_export).transpose()?;
    let pipeline = call.owed.take_pipeline();
    for waiting in pipeline.map(|p| p.resolve(root)).unwrap_or_default() {
        state.borrow::<HostRef>().send(Parcel::Export(waiting));
    }
    call.owed.give(Ok(Message { bytes, attachments }));
    call.target.take();
    Ok(())
}

#[op2(fast)]
fn op_call_throw(#[cppgc] call: &IncomingCall, #[buffer(copy)] thrown: Vec<u8>) {
    call.owed.give(Err(CallError::Thrown(thrown)));
    call.target.take();
}

/// Answers a call of a value whose code runs no more.
#[op2(fast)]
fn op_call_refuse(#[cppgc] call: &IncomingCall) {
    call.owed
        .give(Err(CallError::owner_gone(call.is_pipelined)));
    call.target.take();
}

/// Tells the person at the terminal about an error that nobody will catch.
#[op2(fast)]
fn op_report_error(
    state: &mut OpState,
    #[cppgc] handle: Option<&ObjectHandle>,
    #[string] error: &str,
) {
    let host = state.borrow::<HostRef>();
    host.report(handle.map(|handle| handle.0.label()), error);
}

/// Where the outcome of something that the process asked for goes: a text, or
/// the text of what was thrown.
pub struct Outcome(pub RefCell<Option<oneshot::Sender<Result<String, String>>>>);

// SAFETY: the reply holds no references into the JavaScript heap.
unsafe impl GarbageCollected for Outcome {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Outcome"
    }
}

#[op2(fast)]
fn op_outcome(#[cppgc] outcome: &Outcome, threw: bool, #[string] text: String) {
    if let Some(sender) = outcome.0.borrow_mut().take() {
        drop(sender.send(if threw { Err(text) } else { Ok(text) }));
    }
}
