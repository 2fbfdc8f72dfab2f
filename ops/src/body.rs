//! Bodies of requests and responses, and how they pass between JavaScript, the
//! network and other shards.
//!
//! A body that nobody has read is moved, not pumped: what came from a socket
//! goes to another object or back to a socket without entering JavaScript.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use bytes::BytesMut;
use deno_core::AsyncRefCell;
use deno_core::AsyncResult;
use deno_core::BufView;
use deno_core::CancelHandle;
use deno_core::CancelTryFuture;
use deno_core::OpState;
use deno_core::RcRef;
use deno_core::Resource;
use deno_core::ResourceId;
use deno_core::futures::Stream;
use deno_core::futures::StreamExt;
use deno_error::JsErrorBox;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Chunks that a pumped body may hold between its reader and its writer.
const PUMP_CHUNKS_MAX: usize = 4;
/// Bytes asked of a resource at once while pumping.
const PUMP_READ_BYTES: usize = 64 * 1024;

/// The chunks of a body that is still arriving.
pub type BodyStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The body of a request or a response on its way to whoever reads it.
#[derive(Default)]
pub enum Body {
    /// No body at all: `request.body` is null.
    #[default]
    Empty,
    /// A body that is here as a whole.
    Full(Bytes),
    /// A body that arrives chunk by chunk.
    Stream {
        /// The chunks.
        stream: BodyStream,
        /// Total bytes, where the sender said.
        length: Option<u64>,
    },
}

impl Body {
    /// Keeps something of this thread alive until a streamed body was read or is
    /// of no more use.
    pub fn holding(self, kept: impl Sized + 'static) -> Body {
        let Body::Stream { stream, length } = self else {
            return self;
        };
        let (held, released) = oneshot::channel::<()>();
        deno_core::unsync::spawn(async move {
            drop(released.await);
            drop(kept);
        });
        let stream = Box::pin(Holding {
            stream,
            _held: held,
        });
        Body::Stream { stream, length }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// What the sender's stream failed with.
    pub async fn collect(self) -> io::Result<Bytes> {
        match self {
            Body::Empty => Ok(Bytes::new()),
            Body::Full(bytes) => Ok(bytes),
            Body::Stream { mut stream, .. } => {
                let mut all = BytesMut::new();
                while let Some(chunk) = stream.next().await {
                    all.extend_from_slice(&chunk?);
                }
                Ok(all.freeze())
            }
        }
    }
}

/// A body's chunks; its end is heard of when this is dropped.
struct Holding {
    stream: BodyStream,
    _held: oneshot::Sender<()>,
}

impl Stream for Holding {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}

/// A streamed body as a resource, which deno_web wraps into a `ReadableStream`.
struct BodyResource {
    stream: AsyncRefCell<Unread>,
    /// Set once a read has begun: such a body can no longer be moved.
    read: std::cell::Cell<bool>,
    cancel: CancelHandle,
    length: Option<u64>,
}

struct Unread {
    stream: Option<BodyStream>,
    rest: Bytes,
}

impl BodyResource {
    async fn read_chunk(self: Rc<Self>, limit: usize) -> Result<BufView, JsErrorBox> {
        self.read.set(true);
        let mut unread = RcRef::map(&self, |r| &r.stream).borrow_mut().await;
        loop {
            if !unread.rest.is_empty() {
                let take = limit.min(unread.rest.len());
                return Ok(BufView::from(unread.rest.split_to(take)));
            }
            let Some(stream) = unread.stream.as_mut() else {
                return Ok(BufView::empty());
            };
            let cancel = RcRef::map(&self, |r| &r.cancel);
            let next = async { Ok::<_, JsErrorBox>(stream.next().await) };
            match next.try_or_cancel(cancel).await? {
                None => unread.stream = None,
                Some(Ok(chunk)) => unread.rest = chunk,
                Some(Err(error)) => {
                    unread.stream = None;
                    return Err(match error.kind() {
                        io::ErrorKind::ConnectionAborted => JsErrorBox::generic(error.to_string()),
                        _ => JsErrorBox::type_error(error.to_string()),
                    });
                }
            }
        }
    }
}

impl Resource for BodyResource {
    fn name(&self) -> Cow<'_, str> {
        "body".into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        Box::pin(self.read_chunk(limit))
    }

    fn size_hint(&self) -> (u64, Option<u64>) {
        (self.length.unwrap_or(0), self.length)
    }

    fn close(self: Rc<Self>) {
        self.cancel.cancel();
    }
}

/// Makes a body readable from JavaScript; None for a body that does not exist.
pub fn body_to_resource(state: &mut OpState, body: Body) -> Option<ResourceId> {
    let (unread, length) = match body {
        Body::Empty => return None,
        Body::Full(bytes) => {
            let length = bytes.len() as u64;
            (
                Unread {
                    stream: None,
                    rest: bytes,
                },
                Some(length),
            )
        }
        Body::Stream { stream, length } => (
            Unread {
                stream: Some(stream),
                rest: Bytes::new(),
            },
            length,
        ),
    };
    Some(state.resource_table.add(BodyResource {
        stream: AsyncRefCell::new(unread),
        read: std::cell::Cell::new(false),
        cancel: CancelHandle::default(),
        length,
    }))
}

/// Takes the body behind a resource of any kind. An untouched body of ours is
/// moved out; every other resource is pumped by a task on this thread.
///
/// # Errors
/// The resource does not exist (any more).
pub fn body_from_resource(state: &mut OpState, rid: ResourceId) -> Result<Body, JsErrorBox> {
    let resource = state
        .resource_table
        .take_any(rid)
        .map_err(JsErrorBox::from_err)?;
    let length = resource.size_hint().1;
    let Some(ours) = resource.downcast_rc::<BodyResource>().cloned() else {
        return Ok(pump(resource, length));
    };
    if ours.read.get() {
        return Ok(pump(resource, length));
    }
    let Some(mut unread) = RcRef::map(ours.clone(), |r| &r.stream).try_borrow_mut() else {
        return Ok(pump(resource, length));
    };
    let rest = std::mem::take(&mut unread.rest);
    Ok(match unread.stream.take() {
        None => Body::Full(rest),
        Some(stream) => Body::Stream { stream, length },
    })
}

/// Reads `resource` to its end on this thread, a few chunks ahead of the reader.
fn pump(resource: Rc<dyn Resource>, length: Option<u64>) -> Body {
    let (sender, receiver) = mpsc::channel(PUMP_CHUNKS_MAX);
    deno_core::unsync::spawn(async move {
        loop {
            let chunk = tokio::select! {
              chunk = resource.clone().read(PUMP_READ_BYTES) => chunk,
              () = sender.closed() => break,
            };
            let chunk = match chunk {
                Ok(chunk) if chunk.is_empty() => break,
                Ok(chunk) => Ok(Bytes::copy_from_slice(&chunk)),
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            let failed = chunk.is_err();
            if sender.send(chunk).await.is_err() || failed {
                break;
            }
        }
        resource.close();
    });
    Body::Stream {
        stream: Box::pin(Received(receiver)),
        length,
    }
}

/// A channel's receiving end as a stream.
struct Received(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Received {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
