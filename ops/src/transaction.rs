//! Explicit transactions, `sync()` and the output gate as storage code sees it.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#transaction>

use deno_core::op2;
use deno_error::JsErrorBox;
use stead_storage::GateBroken;
use stead_storage::TransactionDepth;
use stead_storage::TransactionKind;
use tokio::sync::oneshot;

use crate::instance::Instance;
use crate::instance::ObjectHandle;

deno_core::extension!(
    stead_transaction,
    ops = [
        op_transaction_begin,
        op_transaction_commit,
        op_transaction_rollback,
        op_output_open,
        op_output_wait,
        op_storage_synced,
        op_storage_sync,
    ],
);

#[op2(fast)]
#[smi]
fn op_transaction_begin(
    #[cppgc] handle: &ObjectHandle,
    asynchronous: bool,
) -> Result<u32, JsErrorBox> {
    let kind = if asynchronous {
        TransactionKind::Async
    } else {
        TransactionKind::Sync
    };
    let depth = handle.0.check(handle.0.database.transaction_begin(kind))?;
    Ok(depth.to_number())
}

#[op2(fast)]
fn op_transaction_commit(
    #[cppgc] handle: &ObjectHandle,
    #[smi] depth: u32,
) -> Result<(), JsErrorBox> {
    handle.0.check(
        handle
            .0
            .database
            .transaction_commit(TransactionDepth::from_number(depth)),
    )
}

#[op2(fast)]
fn op_transaction_rollback(
    #[cppgc] handle: &ObjectHandle,
    #[smi] depth: u32,
) -> Result<(), JsErrorBox> {
    handle.0.check(
        handle
            .0
            .database
            .transaction_rollback(TransactionDepth::from_number(depth)),
    )
}

/// Whether the object may say something to the outside now.
#[op2(fast)]
fn op_output_open(#[cppgc] handle: &ObjectHandle) -> bool {
    handle.0.may_speak()
}

/// Waits until the object may say to the outside what it knows now.
#[op2]
fn op_output_wait(
    #[cppgc] handle: &ObjectHandle,
) -> impl Future<Output = Result<(), JsErrorBox>> + use<> {
    let (sender, receiver) = oneshot::channel();
    handle.0.say(move |result| drop(sender.send(result)));
    opened(receiver)
}

/// Whether nothing that the object wrote is still on its way to the disk.
#[op2(fast)]
fn op_storage_synced(#[cppgc] handle: &ObjectHandle) -> bool {
    let instance = &handle.0;
    !instance.is_broken() && instance.output.is_open(instance.database.wait_point())
}

/// Waits until all that the object has written so far is durable.
#[op2]
fn op_storage_sync(
    #[cppgc] handle: &ObjectHandle,
) -> impl Future<Output = Result<(), JsErrorBox>> + use<> {
    durable(&handle.0)
}

/// Resolves once all that `instance` has written so far is durable.
pub fn durable(
    instance: &std::rc::Rc<Instance>,
) -> impl Future<Output = Result<(), JsErrorBox>> + use<> {
    let (sender, receiver) = oneshot::channel();
    instance.say_when_synced(move |result| drop(sender.send(result)));
    opened(receiver)
}

async fn opened(receiver: oneshot::Receiver<Result<(), GateBroken>>) -> Result<(), JsErrorBox> {
    match receiver.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(broken)) => Err(JsErrorBox::generic(broken.message)),
        Err(_) => Err(JsErrorBox::generic("Network connection lost.")),
    }
}
