//! What travels beside the bytes of a message, between JavaScript and Rust.
//!
//! JavaScript hands over, and is handed, a list: a body in one of its forms, the
//! end of a socket or of a connection, a stub, or the list of a blob's parts.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::cppgc::make_cppgc_object;
use deno_core::cppgc::try_unwrap_cppgc_object;
use deno_core::futures::StreamExt;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use deno_web::BlobPart;
use deno_web::BlobStoreTrait;

use crate::body::Body;
use crate::callee::Callee;
use crate::callee::StubHandle;
use crate::message::Attachment;
use crate::pipe::PipeEnd;
use crate::stub::body_from_js;
use crate::stub::body_to_js;
use crate::websocket::PairEnd;

deno_core::extension!(stead_attachment, ops = [op_attachments_drop, op_blob_take]);

/// What a reader is told of a stream whose writer failed or went away.
pub const STREAM_BROKEN: &str = "ReadableStream received over RPC disconnected prematurely.";

/// The attachments of a message that JavaScript sends: a list or null.
///
/// # Errors
/// One of them was used already.
pub fn attachments_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    list: v8::Local<'s, v8::Value>,
) -> Result<Vec<Attachment>, JsErrorBox> {
    let Ok(list) = v8::Local::<v8::Array>::try_from(list) else {
        return Ok(Vec::new());
    };
    let mut taken = Vec::with_capacity(list.length() as usize);
    for index in 0..list.length() {
        let attachment = list
            .get_index(scope, index)
            .unwrap_or_else(|| v8::null(scope).into());
        taken.push(attachment_from_js(scope, state, attachment)?);
    }
    Ok(taken)
}

fn attachment_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    attachment: v8::Local<'s, v8::Value>,
) -> Result<Attachment, JsErrorBox> {
    if let Ok(parts) = v8::Local::<v8::Array>::try_from(attachment) {
        return Ok(Attachment::Blob(parts_from_js(scope, state, parts)?));
    }
    if attachment.is_object() {
        if let Some(stub) = try_unwrap_cppgc_object::<StubHandle>(scope, attachment) {
            return Ok(Attachment::Stub(stub.take_export()?));
        }
        if let Some(end) = try_unwrap_cppgc_object::<PairEnd>(scope, attachment) {
            return Ok(Attachment::Socket(end.take()?));
        }
        if let Some(end) = try_unwrap_cppgc_object::<PipeEnd>(scope, attachment) {
            return Ok(Attachment::Connection(end.take()?));
        }
    }
    let body = body_from_js(scope, state, attachment)?;
    Ok(Attachment::Body(hide_failure(body)))
}

/// The reader of a stream learns that it failed, and not why.
fn hide_failure(body: Body) -> Body {
    match body {
        Body::Stream { stream, length } => {
            let broken = |_| io::Error::new(io::ErrorKind::ConnectionAborted, STREAM_BROKEN);
            let stream = Box::pin(stream.map(move |chunk| chunk.map_err(broken)));
            Body::Stream { stream, length }
        }
        body => body,
    }
}

fn parts_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    ids: v8::Local<'s, v8::Array>,
) -> Result<Vec<Arc<dyn BlobPart + Send + Sync>>, JsErrorBox> {
    let store = state.borrow::<Arc<dyn BlobStoreTrait>>().clone();
    let part = |index| {
        let id = ids.get_index(scope, index)?.to_rust_string_lossy(scope);
        store.remove_part(&id.parse().ok()?)
    };
    let parts: Option<Vec<_>> = (0..ids.length()).map(part).collect();
    parts.ok_or_else(|| JsErrorBox::type_error("a blob's part is gone"))
}

/// The attachments of a message for JavaScript; null if there are none.
pub fn attachments_to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    attachments: Vec<Attachment>,
) -> v8::Local<'s, v8::Value> {
    if attachments.is_empty() {
        return v8::null(scope).into();
    }
    let list: Vec<v8::Local<v8::Value>> = attachments
        .into_iter()
        .map(|attachment| match attachment {
            Attachment::Body(body) => body_to_js(scope, body),
            Attachment::Socket(end) => make_cppgc_object(scope, PairEnd::new(end)).into(),
            Attachment::Connection(end) => make_cppgc_object(scope, PipeEnd::new(end)).into(),
            Attachment::Stub(export) => {
                make_cppgc_object(scope, StubHandle::new(Callee::Export(export))).into()
            }
            Attachment::Blob(parts) => {
                make_cppgc_object(scope, PendingBlob(RefCell::new(parts))).into()
            }
        })
        .collect();
    v8::Array::new_with_elements(scope, &list).into()
}

/// The parts of a blob that JavaScript has been handed and not yet looked at.
pub struct PendingBlob(RefCell<Vec<Arc<dyn BlobPart + Send + Sync>>>);

// SAFETY: the parts hold no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingBlob {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingBlob"
    }
}

/// Lets go of the attachments of a message that cannot be sent. Until then each counts as one that
/// somebody may call, read or write.
#[op2(fast)]
fn op_attachments_drop<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    list: v8::Local<'s, v8::Array>,
) {
    for index in 0..list.length() {
        if let Some(attachment) = list.get_index(scope, index) {
            // One that is used already is somebody else's.
            drop(attachment_from_js(scope, state, attachment));
        }
    }
}

/// Makes the parts of a blob known to this isolate; the ids under which it knows them.
#[op2]
#[serde]
fn op_blob_take(state: &mut OpState, #[cppgc] blob: &PendingBlob) -> Vec<String> {
    let store = state.borrow::<Arc<dyn BlobStoreTrait>>();
    let parts = blob.0.take().into_iter();
    parts
        .map(|part| store.insert_part(part).to_string())
        .collect()
}
