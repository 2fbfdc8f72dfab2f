//! What is said to a worker or an object, and what it answers: plain data that
//! may cross threads. JavaScript values travel as structured-clone bytes.

use std::sync::Arc;

use deno_web::BlobPart;
use http::HeaderMap;
use stead_storage::ObjectId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::oneshot;

use crate::body::Body;
use crate::export::Export;
use crate::meter::Elsewhere;
use crate::pipe::HandlerEnd;
use crate::pipeline::PipelineEnd;
use crate::socket::Frame;
use crate::socket::SocketEnd;

/// A namespace's place in the worker's list of object classes, which is sorted
/// by class name and therefore the same on every shard.
pub type NamespaceIndex = u16;

/// Which object: the namespace and the id within it; or which start of one of its
/// facets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ObjectKey {
    /// The object's class.
    pub namespace: NamespaceIndex,
    /// The object's id.
    pub id: ObjectId,
    /// Tells starts of facets from each other and from the object itself, which has 0:
    /// see facet.rs.
    pub facet: u64,
}

impl ObjectKey {
    /// An object itself.
    pub fn new(namespace: NamespaceIndex, id: ObjectId) -> ObjectKey {
        ObjectKey {
            namespace,
            id,
            facet: 0,
        }
    }

    /// The object to which a facet belongs.
    pub fn root(self) -> ObjectKey {
        ObjectKey::new(self.namespace, self.id)
    }

    /// Whether it is a facet.
    pub fn is_facet(&self) -> bool {
        self.facet != 0
    }
}

/// A request as it travels.
pub struct FetchRequest {
    /// The method, upper case where HTTP says so.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// What it says of itself to the platform (`cf`), as JSON.
    pub cf: Option<String>,
    /// Where what is done for the request is counted, if somebody wants to know.
    pub measured: Option<Arc<Elsewhere>>,
}

/// A response as it travels.
pub struct FetchResponse {
    /// The status code.
    pub status: u16,
    /// The reason phrase; empty for the usual one.
    pub status_text: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// The socket that a 101 response hands over.
    pub socket: Option<SocketEnd>,
}

/// Arguments or a result as they travel: the bytes that `message.js` made, and
/// what cannot be bytes.
#[derive(Default)]
pub struct Message {
    /// The cloned value.
    pub bytes: Vec<u8>,
    /// What belongs to it, in the order in which the value names it.
    pub attachments: Vec<Attachment>,
}

/// What travels beside the bytes of a message.
pub enum Attachment {
    /// The body of a request or a response, or a stream.
    Body(Body),
    /// The socket of a response.
    Socket(SocketEnd),
    /// A value that the receiver can call.
    Stub(Arc<Export>),
    /// A connection that somebody opens to the callee.
    Connection(HandlerEnd),
    /// The contents of a blob.
    Blob(Vec<Arc<dyn BlobPart + Send + Sync>>),
}

/// A call of a method, or a read of a property when `arguments` is None.
pub struct Call {
    /// The property path from the callee down to what is called.
    pub path: Vec<String>,
    /// The array of arguments.
    pub arguments: Option<Message>,
    /// The exported value that is called, if it is none of the callee's own members.
    pub target: Option<Arc<Export>>,
    /// Where the result goes.
    pub reply: Reply<Message>,
    /// Where calls on the result wait.
    pub pipeline: PipelineEnd,
    /// Where what is done for the call is counted, if somebody wants to know.
    pub measured: Option<Arc<Elsewhere>>,
    /// It is a call on the result of another call, made before its caller had that result.
    pub is_pipelined: bool,
}

impl Call {
    /// Tells the caller that there is no result.
    pub fn fail(self, error: CallError) {
        self.pipeline.fail(&error);
        drop(self.reply.send(Err(error)));
    }

    /// Tells the caller that the code that exported the target runs no more.
    pub fn fail_gone(self) {
        let error = CallError::owner_gone(self.is_pipelined);
        self.fail(error);
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub enum CallError {
    /// The callee's code threw: the value it threw, cloned.
    Thrown(Vec<u8>),
    /// The object or its shard could not answer.
    Failed(Failure),
    /// A call on a result that holds nothing to call: the result itself says the rest.
    Missed,
}

impl CallError {
    /// The code that exported the target of a call runs no more. Of a pipelined call the result
    /// that it was made on knows more: if there is none, the reason for that is the call's own.
    pub fn owner_gone(is_pipelined: bool) -> CallError {
        match is_pipelined {
            true => CallError::Missed,
            false => CallError::Failed(Failure::owner_gone()),
        }
    }
}

/// A failure of the object itself, with the flags that the platform puts on the
/// error the caller sees:
/// <https://developers.cloudflare.com/durable-objects/best-practices/error-handling/>
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// The error's text.
    pub message: String,
    /// What the object's own code threw, cloned, if that is why. The caller gets
    /// it in place of an error with the text.
    pub thrown: Option<Arc<[u8]>>,
    /// The object was reset and starts anew with the next call.
    pub reset: bool,
    /// The same call may succeed when made again.
    pub retryable: bool,
    /// The object has too much to do: do not call again at once.
    pub overloaded: bool,
    /// What becomes of an alarm that was running.
    pub alarm: AlarmOutcome,
    /// The object whose value was called, for the caller's error: its id.
    pub object_id: Option<Arc<str>>,
}

impl Failure {
    /// An object that was reset, with the reason.
    pub fn reset(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            reset: true,
            ..Failure::default()
        }
    }

    /// An object that was reset because its own code threw.
    pub fn reset_by(message: impl Into<String>, thrown: Vec<u8>) -> Failure {
        Failure {
            thrown: Some(thrown.into()),
            ..Failure::reset(message)
        }
    }

    /// The connection to the object is gone; the call may be made again.
    pub fn lost() -> Failure {
        Failure {
            message: "Network connection lost.".into(),
            retryable: true,
            ..Failure::default()
        }
    }

    /// The code that exported a value runs no more.
    pub fn owner_gone() -> Failure {
        Failure {
            message: "The execution context which hosts this callback is no longer running.".into(),
            ..Failure::default()
        }
    }

    /// The event has waited for its object for too long.
    pub fn queued_too_long() -> Failure {
        Failure {
            message: "Durable Object is overloaded. Requests queued for too long.".into(),
            ..Failure::overloaded()
        }
    }

    /// The object's queue is full.
    pub fn overloaded() -> Failure {
        Failure {
            message: "Durable Object is overloaded. Too many requests queued.".into(),
            overloaded: true,
            ..Failure::default()
        }
    }
}

/// Where an answer goes. Dropping it unanswered tells the caller that the
/// connection was lost.
pub type Reply<T> = oneshot::Sender<Result<T, CallError>>;

/// How a run of an alarm ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AlarmOutcome {
    /// The handler finished and what it wrote is durable. The time at which the
    /// object wants to be woken next, in milliseconds, if it set one.
    Done(Option<i64>),
    /// The object's alarm is not the one that was to run; its real time, if any.
    Stale(Option<i64>),
    /// The handler threw, with this text: the run counts as a retry.
    Threw(String),
    /// The object failed for reasons of its own: tried again without counting.
    #[default]
    Failed,
    /// The application wants no further run: the alarm is removed.
    Abandoned,
}

/// One delivery to an object.
pub enum ObjectEvent {
    /// `fetch()` of the object.
    Fetch {
        /// The request.
        request: FetchRequest,
        /// Where the response goes.
        reply: Reply<FetchResponse>,
    },
    /// A call of one of its methods or of a value that it exported.
    Call(Call),
    /// `alarm()` of the object.
    Alarm {
        /// When it was to run, in milliseconds.
        scheduled_ms: i64,
        /// Counted retries so far.
        retry_count: u32,
        /// The retries are used up: the alarm is removed and no handler runs.
        give_up: bool,
        /// Where the outcome goes.
        reply: oneshot::Sender<AlarmOutcome>,
    },
    /// A frame on one of the object's sockets.
    Socket {
        /// The set that the socket belongs to: an object that was reset has another.
        set: u64,
        /// The socket's number within the set.
        socket: u32,
        /// What came.
        frame: Frame,
        /// Held until the frame is delivered: bounds how many wait.
        permit: OwnedSemaphorePermit,
    },
}

impl ObjectEvent {
    /// Tells the caller that the event will not be handled.
    pub fn fail(self, failure: Failure) {
        match self {
            ObjectEvent::Fetch { reply, .. } => drop(reply.send(Err(CallError::Failed(failure)))),
            ObjectEvent::Call(call) => call.fail(CallError::Failed(failure)),
            ObjectEvent::Alarm { reply, .. } => drop(reply.send(AlarmOutcome::Failed)),
            ObjectEvent::Socket { .. } => {}
        }
    }
}
