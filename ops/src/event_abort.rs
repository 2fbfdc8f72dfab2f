//! The end of the worker's own events, and of isolates, that their code asks for.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/context/>

use deno_core::OpState;
use deno_core::cppgc::try_unwrap_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::event::IncomingCall;
use crate::event::IncomingRequest;
use crate::host::running_host;
use crate::message::CallError;
use crate::message::Failure;

deno_core::extension!(
    stead_event_abort,
    ops = [op_event_fail, op_code_end, op_isolate_abort],
);

/// Answers the request or the call that an event began with: its code has aborted the event,
/// and `thrown` is the reason.
#[op2(fast)]
fn op_event_fail<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    native: v8::Local<'s, v8::Value>,
    #[buffer(copy)] thrown: Vec<u8>,
) {
    let error = CallError::Failed(Failure {
        thrown: Some(thrown.into()),
        ..Failure::default()
    });
    if let Some(call) = try_unwrap_cppgc_object::<IncomingCall>(scope, native) {
        call.owed().give(Err(error));
    } else if let Some(request) = try_unwrap_cppgc_object::<IncomingRequest>(scope, native) {
        request.owed().give(Err(error));
    }
}

/// Ends the code that runs. It returns to V8 once more.
#[op2(fast)]
fn op_code_end(state: &mut OpState) -> Result<(), JsErrorBox> {
    running_host(state)?.end_code();
    Ok(())
}

/// Resets all objects of the isolate, has another one take its place, and ends the code that runs.
#[op2(fast)]
fn op_isolate_abort(state: &mut OpState, #[string] message: String) -> Result<(), JsErrorBox> {
    running_host(state)?.abort_isolate(Failure::reset(message));
    Ok(())
}
