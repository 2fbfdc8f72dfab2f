//! The input gate and the end of an instance, as JavaScript asks for them.
//!
//! <https://developers.cloudflare.com/durable-objects/api/state/#blockconcurrencywhile>

use deno_core::op2;
use deno_error::JsErrorBox;
use stead_storage::SectionId;
use tokio::sync::oneshot;

use crate::instance::Entry;
use crate::instance::ObjectHandle;
use crate::message::Failure;

deno_core::extension!(
  stead_gate,
  ops = [op_input_locked, op_input_wait, op_input_begin, op_input_end, op_object_reset, op_object_failure],
);

#[op2(fast)]
fn op_input_locked(#[cppgc] handle: &ObjectHandle) -> bool {
  handle.0.input.is_locked()
}

/// Waits until no critical section runs, behind all that waits already.
#[op2]
fn op_input_wait(
  #[cppgc] handle: &ObjectHandle,
) -> impl Future<Output = Result<(), JsErrorBox>> + use<> {
  let (sender, receiver) = oneshot::channel();
  let refused = match handle.0.input.offer(Entry::Code(sender)) {
    Ok(None) => false,
    Ok(Some(Entry::Code(sender))) => sender.send(()).is_err(),
    Ok(Some(Entry::Event(_))) | Err(_) => true,
  };
  async move {
    if refused || receiver.await.is_err() {
      return Err(JsErrorBox::generic("Network connection lost."));
    }
    Ok(())
  }
}

/// Begins a critical section.
#[op2(fast)]
#[smi]
fn op_input_begin(#[cppgc] handle: &ObjectHandle) -> Result<u32, JsErrorBox> {
  let section = handle.0.check(handle.0.input.begin_section())?;
  Ok(section.to_number())
}

/// Ends a critical section; what waited for it goes on after this turn.
#[op2(fast)]
fn op_input_end(#[cppgc] handle: &ObjectHandle, #[smi] section: u32) {
  let entries = handle.0.input.end_section(SectionId::from_number(section));
  let mut events = Vec::new();
  for entry in entries {
    match entry {
      Entry::Event(event) => events.push(event),
      Entry::Code(waiter) => drop(waiter.send(())),
    }
  }
  if !events.is_empty() {
    handle.0.host().resume(&handle.0, events);
  }
}

/// Drops the instance, its uncommitted writes with it. `thrown` is the error that
/// led to it, cloned, if there was one.
#[op2]
fn op_object_reset(
  #[cppgc] handle: &ObjectHandle,
  #[string] message: String,
  overloaded: bool,
  #[buffer(copy)] thrown: Option<Vec<u8>>,
) {
  let thrown = thrown.map(Into::into);
  let failure = Failure { message, reset: true, overloaded, retryable: false, thrown };
  handle.0.host().reset(&handle.0, failure);
}

/// Why the instance is broken; undefined while it is not.
#[op2]
#[string]
fn op_object_failure(#[cppgc] handle: &ObjectHandle) -> Option<String> {
  handle.0.failure().map(|failure| failure.message)
}
