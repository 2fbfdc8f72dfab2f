//! The input gate and the end of an instance, as JavaScript asks for them.
//!
//! <https://developers.cloudflare.com/durable-objects/api/state/#blockconcurrencywhile>

use deno_core::op2;
use deno_error::JsErrorBox;
use stead_storage::SectionId;

use crate::instance::ObjectHandle;
use crate::message::AlarmOutcome;
use crate::message::Failure;

deno_core::extension!(
    stead_gate,
    ops = [
        op_input_begin,
        op_input_end,
        op_object_reset,
        op_object_abort,
        op_object_is_broken
    ],
);

/// Begins a critical section.
#[op2(fast)]
#[smi]
fn op_input_begin(#[cppgc] handle: &ObjectHandle) -> Result<u32, JsErrorBox> {
    let section = handle.0.check(handle.0.input.begin_section())?;
    handle.0.begin_activity(false);
    Ok(section.to_number())
}

/// Ends a critical section; the events that waited for it enter after this turn.
#[op2(fast)]
fn op_input_end(#[cppgc] handle: &ObjectHandle, #[smi] section: u32) {
    let events = handle.0.input.end_section(SectionId::from_number(section));
    if !events.is_empty() {
        handle.0.host().resume(&handle.0, events);
    }
    handle.0.end_activity(false);
}

/// Drops the instance, its uncommitted writes with it. Its callers get what was
/// thrown or, if nothing was, an error with the message. The application did it, so
/// an alarm that was running is retried and the retry counts, or not at all.
#[op2]
fn op_object_reset(
    #[cppgc] handle: &ObjectHandle,
    #[string] message: String,
    overloaded: bool,
    #[buffer(copy)] thrown: Option<Vec<u8>>,
    retry_alarm: bool,
) {
    let thrown = thrown.map(Into::into);
    let failure = Failure {
        alarm: if retry_alarm {
            AlarmOutcome::Threw(message.clone())
        } else {
            AlarmOutcome::Abandoned
        },
        message,
        thrown,
        reset: true,
        overloaded,
        retryable: false,
        ..Failure::default()
    };
    handle.0.host().reset(&handle.0, failure);
}

/// Drops the instance as [`op_object_reset`] does, and ends the code that runs.
#[op2(fast)]
fn op_object_abort(#[cppgc] handle: &ObjectHandle, #[string] message: String, retry_alarm: bool) {
    let failure = Failure {
        alarm: if retry_alarm {
            AlarmOutcome::Threw(message.clone())
        } else {
            AlarmOutcome::Abandoned
        },
        ..Failure::reset(message)
    };
    handle.0.host().abort(&handle.0, failure);
}

/// Whether the instance was reset: its code may still run, but to no effect.
#[op2(fast)]
fn op_object_is_broken(#[cppgc] handle: &ObjectHandle) -> bool {
    handle.0.is_broken()
}
