//! What a stub leads to, and the calls made through it.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/rpc/>

use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::cppgc::try_unwrap_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use tokio::sync::oneshot;

use crate::attachment::attachments_from_js;
use crate::entrypoint::Entrypoint;
use crate::event::IncomingRequest;
use crate::export::EXPORTS_MAX;
use crate::export::Export;
use crate::host::running_host;
use crate::instance::ObjectHandle;
use crate::message::Call;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::Message;
use crate::message::ObjectKey;
use crate::parcel::Parcel;
use crate::pipeline::Pipeline;
use crate::socket::SocketCutter;
use crate::socket::SocketSender;
use crate::stub::Answer;
use crate::stub::Receiver;
use crate::stub::answer;
use crate::stub::key;
use crate::tcp::TcpCutter;

deno_core::extension!(
    stead_callee,
    ops = [
        op_callee_object,
        op_callee_entrypoint,
        op_export_add,
        op_export_number,
        op_stub_dup,
        op_stub_drop,
        op_stub_hold,
        op_stub_is,
        op_stub_call,
        op_stub_pipeline,
        op_stub_call_answer,
        op_pipeline_drop,
    ],
);

/// What a stub leads to.
#[derive(Clone)]
pub enum Callee {
    /// An object, with the name from which its id was derived, if known.
    Object(ObjectKey, Option<String>),
    /// A value that somebody exported.
    Export(Arc<Export>),
    /// An entrypoint of a worker.
    Entrypoint(Arc<Entrypoint>),
}

/// The callee of one stub until that is disposed.
type Cell = RefCell<Option<Callee>>;

/// A stub as JavaScript holds it: the authority to call something.
pub struct StubHandle(Rc<Cell>);

impl StubHandle {
    /// A stub that leads to `callee`.
    pub fn new(callee: Callee) -> StubHandle {
        StubHandle(Rc::new(RefCell::new(Some(callee))))
    }

    /// What the stub leads to.
    ///
    /// # Errors
    /// The stub was disposed.
    pub fn callee(&self) -> Result<Callee, JsErrorBox> {
        let callee = self.0.borrow().clone();
        callee.ok_or_else(|| JsErrorBox::generic("RPC stub used after being disposed."))
    }
}

impl StubHandle {
    /// Takes what the stub leads to out of it, to hand it on.
    ///
    /// # Errors
    /// The stub was disposed, or leads to no exported value.
    pub fn take_export(&self) -> Result<Arc<Export>, JsErrorBox> {
        let callee = self.callee()?;
        self.0.borrow_mut().take();
        match callee {
            Callee::Export(export) => Ok(export),
            _ => Err(JsErrorBox::type_error("not a stub of a value")),
        }
    }
}

// SAFETY: the handle holds no references into the JavaScript heap.
unsafe impl GarbageCollected for StubHandle {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"StubHandle"
    }
}

/// The stubs that one object's code holds, the sockets on which it listens, and its TCP connections. They are let go when the object leaves
/// memory, without waiting for the garbage collector.
#[derive(Default)]
pub struct Held(
    RefCell<Vec<Weak<Cell>>>,
    RefCell<Vec<SocketCutter>>,
    RefCell<Vec<TcpCutter>>,
);

impl Held {
    /// Below this length the list is not searched for stubs that are gone.
    const PRUNE_ABOVE: usize = 32;

    fn add(&self, stub: &StubHandle) {
        let mut list = self.0.borrow_mut();
        // Pruned only when it is about to grow, so that the cost per stub is constant.
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|cell| cell.upgrade().is_some_and(|cell| cell.borrow().is_some()));
        }
        list.push(Rc::downgrade(&stub.0));
    }

    /// Notes a socket on which the object's code listens.
    pub fn add_socket(&self, sender: &SocketSender) {
        let mut list = self.1.borrow_mut();
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|socket| !socket.is_over());
        }
        list.push(sender.cutter());
    }

    /// Notes a connection that the object's code has opened.
    pub fn add_connection(&self, cutter: TcpCutter) {
        let mut list = self.2.borrow_mut();
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|connection| !connection.is_over());
        }
        list.push(cutter);
    }

    /// Lets all of them go.
    pub fn drop_all(&self) {
        for socket in self.1.take() {
            socket.cut();
        }
        for connection in self.2.take() {
            connection.cut();
        }
        for cell in self.0.take() {
            if let Some(cell) = cell.upgrade() {
                cell.borrow_mut().take();
            }
        }
    }
}

/// The callee of an object's stub.
#[op2]
#[cppgc]
fn op_callee_object(
    state: &mut OpState,
    #[smi] namespace: u16,
    #[string] id: &str,
    #[string] name: Option<String>,
) -> Result<StubHandle, JsErrorBox> {
    let host = running_host(state)?;
    let key = key(&host, namespace, id)?;
    Ok(StubHandle::new(Callee::Object(key, name)))
}

/// The callee of a service stub.
#[op2]
#[cppgc]
fn op_callee_entrypoint(
    #[smi] worker: u16,
    #[string] name: String,
    #[buffer(copy)] props: Option<Vec<u8>>,
) -> StubHandle {
    StubHandle::new(Callee::Entrypoint(Arc::new(Entrypoint {
        worker,
        name,
        props: props.map(Into::into),
    })))
}

/// Exports one more value of an object, or of the worker's own code.
#[op2]
#[cppgc]
fn op_export_add(
    state: &mut OpState,
    #[cppgc] owner: Option<&ObjectHandle>,
) -> Result<StubHandle, JsErrorBox> {
    let host = running_host(state)?;
    let export = host.exports().add(owner.map(|handle| &handle.0));
    let export = export.ok_or_else(|| {
        JsErrorBox::generic(format!(
            "Too many RPC stubs: no more than {EXPORTS_MAX} may be in use at a time. Dispose of those that are not needed any more."
        ))
    })?;
    Ok(StubHandle::new(Callee::Export(export)))
}

/// The number of the value that a stub leads to.
#[op2(fast)]
fn op_export_number(#[cppgc] stub: &StubHandle) -> Result<f64, JsErrorBox> {
    match stub.callee()? {
        Callee::Export(export) => Ok(export.number() as f64),
        _ => Err(JsErrorBox::type_error("not a stub of a value")),
    }
}

#[op2]
#[cppgc]
fn op_stub_dup(#[cppgc] stub: &StubHandle) -> Result<StubHandle, JsErrorBox> {
    Ok(StubHandle::new(stub.callee()?))
}

/// Whether an attachment of a message is a stub.
#[op2(fast)]
fn op_stub_is<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
    value.is_object() && try_unwrap_cppgc_object::<StubHandle>(scope, value).is_some()
}

/// Lets go of what a stub leads to.
#[op2(fast)]
fn op_stub_drop(#[cppgc] stub: &StubHandle) {
    let callee = stub.0.borrow_mut().take();
    drop(callee);
}

/// Notes that an object's code holds a stub.
#[op2(fast)]
fn op_stub_hold(#[cppgc] holder: &ObjectHandle, #[cppgc] stub: &StubHandle) {
    holder.0.held.add(stub);
}

/// A call whose answer JavaScript waits for. Sending is one op and waiting another,
/// because an op that waits cannot look at the state.
pub struct PendingCall {
    receiver: RefCell<Option<Receiver<Message>>>,
    pipeline: RefCell<Option<Arc<Pipeline>>>,
}

// SAFETY: the call holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingCall {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingCall"
    }
}

fn new_call(path: Vec<String>, arguments: Option<Message>) -> (Call, PendingCall) {
    let (reply, receiver) = oneshot::channel();
    let (pipeline, end) = Pipeline::new();
    let call = Call {
        path,
        arguments,
        target: None,
        reply,
        pipeline: end,
        measured: None,
        is_pipelined: false,
    };
    let pending = PendingCall {
        receiver: RefCell::new(Some(receiver)),
        pipeline: RefCell::new(Some(pipeline)),
    };
    (call, pending)
}

/// A path as JavaScript writes it: one name, or a list of names.
fn path_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    path: v8::Local<'s, v8::Value>,
) -> Vec<String> {
    let Ok(names) = v8::Local::<v8::Array>::try_from(path) else {
        return vec![path.to_rust_string_lossy(scope)];
    };
    let mut path = Vec::with_capacity(names.length() as usize);
    for index in 0..names.length() {
        if let Some(name) = names.get_index(scope, index) {
            path.push(name.to_rust_string_lossy(scope));
        }
    }
    path
}

/// Calls a member of what a stub leads to, or reads it when there are no arguments.
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
    #[cppgc] stub: &StubHandle,
    path: v8::Local<'s, v8::Value>,
    #[buffer(copy)] arguments: Option<Vec<u8>>,
    attachments: v8::Local<'s, v8::Value>,
) -> Result<PendingCall, JsErrorBox> {
    let host = running_host(state)?;
    let callee = stub.callee()?;
    let attachments = attachments_from_js(scope, state, attachments)?;
    let arguments = arguments.map(|bytes| Message { bytes, attachments });
    let (mut call, pending) = new_call(path_from_js(scope, path), arguments);
    call.measured = request.and_then(|request| request.note_call(&callee, &call.path));
    Parcel::of_call(callee, call).say(host, caller.map(|handle| handle.0.clone()));
    Ok(pending)
}

/// The same for the result of a call that has perhaps not been answered yet.
#[op2]
#[cppgc]
fn op_stub_pipeline<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[cppgc] caller: Option<&ObjectHandle>,
    #[cppgc] of: &PendingCall,
    path: v8::Local<'s, v8::Value>,
    #[buffer(copy)] arguments: Option<Vec<u8>>,
    attachments: v8::Local<'s, v8::Value>,
) -> Result<PendingCall, JsErrorBox> {
    let host = running_host(state)?;
    let attachments = attachments_from_js(scope, state, attachments)?;
    let arguments = arguments.map(|bytes| Message { bytes, attachments });
    let (mut call, pending) = new_call(path_from_js(scope, path), arguments);
    call.is_pipelined = true;
    let pipeline = of.pipeline.borrow().clone();
    let push = move |call: Call| match pipeline {
        Some(pipeline) => {
            if let Some(call) = pipeline.push(call) {
                host.send(Parcel::Export(call));
            }
        }
        None => call.fail(CallError::Missed),
    };
    match caller {
        None => push(call),
        Some(caller) => caller.0.say(move |durable| match durable {
            Ok(()) => push(call),
            Err(broken) => call.fail(CallError::Failed(Failure::reset(broken.message))),
        }),
    }
    Ok(pending)
}

/// The answer to a call.
#[op2]
async fn op_stub_call_answer(#[cppgc] pending: &PendingCall) -> Answer<Message> {
    let receiver = pending.receiver.borrow_mut().take();
    answer(receiver).await
}

/// Says that no further calls will be made on the result in its callee's place.
#[op2(fast)]
fn op_pipeline_drop(#[cppgc] pending: &PendingCall) {
    let pipeline = pending.pipeline.borrow_mut().take();
    drop(pipeline);
}
