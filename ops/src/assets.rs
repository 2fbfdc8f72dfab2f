//! The binding that serves a project's static files.
//!
//! <https://developers.cloudflare.com/workers/static-assets/binding/>

use std::cell::RefCell;
use std::pin::Pin;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::ToV8;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::headers::headers_from_js;
use crate::headers::headers_to_js;
use crate::host::running_host;

deno_core::extension!(stead_assets, ops = [op_assets_fetch, op_assets_answer]);

/// A request for a static file.
pub struct FileRequest {
    /// `GET`, `HEAD` or one that is refused.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Its headers.
    pub headers: http::HeaderMap,
}

/// A response to come; None if the process has no static files.
pub type FileFuture = Pin<Box<dyn Future<Output = Option<http::Response<bytes::Bytes>>>>>;

/// An answer that JavaScript waits for.
pub struct PendingFile(RefCell<Option<FileFuture>>);

// SAFETY: the future holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PendingFile {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PendingFile"
    }
}

/// What was answered: JavaScript sees an array of status, headers and bytes.
pub struct FileAnswer(http::Response<bytes::Bytes>);

impl<'s> ToV8<'s> for FileAnswer {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        let (head, bytes) = self.0.into_parts();
        let length = bytes.len();
        let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes.into()).make_shared();
        let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
        let bytes = match v8::Uint8Array::new(scope, buffer, 0, length) {
            Some(bytes) => bytes.into(),
            None => v8::null(scope).into(),
        };
        let parts: [v8::Local<v8::Value>; 3] = [
            v8::Integer::new(scope, head.status.as_u16().into()).into(),
            headers_to_js(scope, &head.headers).into(),
            bytes,
        ];
        Ok(v8::Array::new_with_elements(scope, &parts).into())
    }
}

/// Asks for a static file.
#[op2]
#[cppgc]
fn op_assets_fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[string] method: String,
    #[string] url: String,
    headers: v8::Local<'s, v8::Array>,
) -> Result<PendingFile, JsErrorBox> {
    let headers = headers_from_js(scope, headers)?;
    let answer = running_host(state)?.fetch_file(FileRequest {
        method,
        url,
        headers,
    });
    Ok(PendingFile(RefCell::new(Some(answer))))
}

/// The answer.
#[op2]
async fn op_assets_answer(#[cppgc] pending: &PendingFile) -> Result<FileAnswer, JsErrorBox> {
    let answer = pending.0.borrow_mut().take();
    let answer = match answer {
        Some(answer) => answer.await,
        None => None,
    };
    answer
        .map(FileAnswer)
        .ok_or_else(|| JsErrorBox::generic("Network connection lost."))
}
