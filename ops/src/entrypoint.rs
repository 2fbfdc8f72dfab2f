//! What is asked of a worker's entrypoints: plain data that may cross threads.

use std::sync::Arc;

use crate::message::Call;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::FetchRequest;
use crate::message::FetchResponse;
use crate::message::Reply;

/// A worker of this process.
pub type WorkerIndex = u16;

/// Where a service stub leads: an entrypoint of a worker, with the properties that
/// it is to find in `ctx.props`.
/// <https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/rpc/>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrypoint {
    /// The worker.
    pub worker: WorkerIndex,
    /// The exported name.
    pub name: String,
    /// The cloned properties; none is the same as `{}`.
    pub props: Option<Arc<[u8]>>,
}

/// One delivery to an entrypoint. Each makes an instance of its own.
pub enum WorkerEvent {
    /// `fetch()`.
    Fetch {
        /// The request.
        request: FetchRequest,
        /// Where the response goes.
        reply: Reply<FetchResponse>,
    },
    /// A call of a method, or a read of a property.
    Call(Call),
}

impl WorkerEvent {
    /// Tells the caller that the event will not be handled.
    pub fn fail(self, failure: Failure) {
        let error = CallError::Failed(failure);
        match self {
            WorkerEvent::Fetch { reply, .. } => drop(reply.send(Err(error))),
            WorkerEvent::Call(call) => call.fail(error),
        }
    }
}
