//! Connections within the process: what `connect()` of a stub opens to the `connect()` handler of an
//! object or an entrypoint. Both ends may be on different shards.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/>

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use deno_core::GarbageCollected;
use deno_core::v8;
use deno_error::JsErrorBox;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::DuplexStream;
use tokio::io::ReadBuf;

/// Bytes that wait for their reader, in each direction.
const PIPE_BYTES_MAX: usize = 64 * 1024;

/// What the handler is told of a caller that went away without having ended what it says.
const DISCONNECTED: &str = "Can't read from request stream because client disconnected.";

/// The two ends of a connection: the caller's and the handler's.
pub fn pipe() -> (CallerEnd, HandlerEnd) {
    let (caller, handler) = tokio::io::duplex(PIPE_BYTES_MAX);
    let has_ended = Arc::new(AtomicBool::new(false));
    let caller = CallerEnd {
        stream: caller,
        has_ended: has_ended.clone(),
    };
    let handler = HandlerEnd {
        stream: handler,
        has_ended,
    };
    (caller, handler)
}

/// The end of who called `connect()`.
pub struct CallerEnd {
    stream: DuplexStream,
    /// Whether the caller has said that nothing more comes.
    has_ended: Arc<AtomicBool>,
}

/// The end of the `connect()` handler. Its caller's bytes end only where the caller said so: one that
/// was cut off is an error.
pub struct HandlerEnd {
    stream: DuplexStream,
    has_ended: Arc<AtomicBool>,
}

impl AsyncRead for CallerEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CallerEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_ended.store(true, Ordering::Release);
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for HandlerEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && !self.has_ended.load(Ordering::Acquire) {
            return Poll::Ready(Err(disconnected()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HandlerEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(written.map_err(|_| disconnected()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn disconnected() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, DISCONNECTED)
}

/// The handler's end on its way through JavaScript.
pub struct PipeEnd(RefCell<Option<HandlerEnd>>);

// SAFETY: the end holds no references into the JavaScript heap.
unsafe impl GarbageCollected for PipeEnd {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"PipeEnd"
    }
}

impl PipeEnd {
    /// An end for JavaScript.
    pub fn new(end: HandlerEnd) -> PipeEnd {
        PipeEnd(RefCell::new(Some(end)))
    }

    /// Takes the end, to send it or to use it.
    ///
    /// # Errors
    /// It was taken already.
    pub fn take(&self) -> Result<HandlerEnd, JsErrorBox> {
        let end = self.0.borrow_mut().take();
        end.ok_or_else(|| JsErrorBox::type_error("the connection was taken already"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn what_the_caller_has_ended_ends() {
        let (mut caller, mut handler) = pipe();
        caller.write_all(b"whole").await.unwrap();
        caller.shutdown().await.unwrap();
        drop(caller);
        let mut bytes = Vec::new();
        handler.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"whole");
    }

    #[tokio::test]
    async fn what_was_cut_off_is_an_error_after_its_bytes() {
        let (mut caller, mut handler) = pipe();
        caller.write_all(b"half").await.unwrap();
        drop(caller);
        let mut bytes = Vec::new();
        let error = handler.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!(
            (bytes.as_slice(), error.to_string().as_str()),
            (b"half".as_slice(), DISCONNECTED)
        );
    }

    #[tokio::test]
    async fn a_handler_that_goes_ends_what_its_caller_reads() {
        let (mut caller, mut handler) = pipe();
        handler.write_all(b"last").await.unwrap();
        drop(handler);
        let mut bytes = Vec::new();
        caller.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"last");
        assert!(caller.write_all(b"late").await.is_err());
    }

    #[tokio::test]
    async fn a_writer_waits_for_its_reader() {
        let (mut caller, mut handler) = pipe();
        let whole = vec![7; PIPE_BYTES_MAX + 1];
        {
            let mut writing = std::pin::pin!(caller.write_all(&whole));
            let waits =
                std::future::poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx).is_pending()));
            assert!(waits.await);
            let mut first = vec![0; PIPE_BYTES_MAX];
            handler.read_exact(&mut first).await.unwrap();
            writing.await.unwrap();
        }
    }
}
