//! A client's HTTP connection, as one shard after the other serves it.
//!
//! When another shard takes the place of the one that serves it, the connection goes on there,
//! between two requests and with all that was read of it: what the client has sent meanwhile is
//! answered, and the client notices nothing. A request that has begun is finished first.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use deno_core::futures::Stream;
use http::Request;
use http::header::UPGRADE;
use hyper::body::Body;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::body::SizeHint;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use stead_ops::socket::SocketEnd;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::http::Counted;
use crate::http::answer;
use crate::shard::Phase;
use crate::shard::Shard;
use crate::shared::Message;
use crate::shared::adopt;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// What code hears that reads a request which was answered long ago. The platform's text.
const ANSWERED: &str = "Can't read from request stream after response has been sent.";

/// A client's connection that no shard serves at the moment.
pub struct Client {
    /// The connection.
    pub stream: std::net::TcpStream,
    /// What was read of it already, and is not answered yet.
    pub read: Bytes,
}

/// How serving a connection ended.
enum Served {
    /// It is over.
    Ended,
    /// It speaks WebSocket from here on, with this end of a pair.
    Switched(SocketEnd),
    /// Another shard is to serve it.
    Moves,
}

/// How far the exchange of one request and its response is.
///
/// Invariant: while `is_answering` is not set and `is_said` is, and `body` is gone, the
/// connection is between two requests.
pub struct Exchange {
    /// A request was read, and its response is not complete.
    is_answering: Cell<bool>,
    /// All of the response has gone to the network.
    is_said: Cell<bool>,
    /// The body of the last request, if it has one that somebody may read.
    body: RefCell<Option<Arriving>>,
    /// The last request has a body.
    has_body: Cell<bool>,
    /// No request is to be begun any more.
    is_last: Cell<bool>,
    /// The client asks to speak another protocol.
    may_switch: Cell<bool>,
    /// The end that the connection is for once it has switched protocols.
    switch: RefCell<Option<SocketEnd>>,
    /// Where somebody counts the requests that are being answered.
    tally: Option<Tally>,
    /// The request that counts there.
    counted: RefCell<Option<Counts>>,
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange {
            is_answering: Cell::new(false),
            is_said: Cell::new(true),
            body: RefCell::default(),
            has_body: Cell::new(false),
            is_last: Cell::new(false),
            may_switch: Cell::new(false),
            switch: RefCell::default(),
            tally: None,
            counted: RefCell::default(),
        }
    }
}

impl Exchange {
    /// The exchange of a connection whose requests are counted.
    pub fn counted(tally: Tally) -> Exchange {
        Exchange {
            tally: Some(tally),
            ..Exchange::default()
        }
    }

    fn begin(&self, request: &Request<Incoming>) {
        self.may_switch.set(request.headers().contains_key(UPGRADE));
        self.is_answering.set(true);
        self.is_said.set(false);
        self.body.take();
        self.counted.take();
        self.counted.replace(self.tally.clone().map(Counts::new));
        self.has_body.set(!request.body().is_end_stream());
    }

    /// The chunks of a request's body, which is read by whoever has them.
    pub fn receive(
        &self,
        body: Incoming,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let body = Arriving(Arc::new(Mutex::new(Unread::Rest(body))));
        self.body.replace(Some(body.clone()));
        Reading(body)
    }

    /// The connection is a WebSocket once the response is sent.
    pub fn switch_to(&self, end: SocketEnd) {
        self.switch.replace(Some(end));
    }

    fn has_answered(&self) -> bool {
        !self.is_answering.get() && self.is_said.get()
    }

    /// Whether nobody will read of the last request's body any more.
    fn is_read(&self) -> bool {
        let body = self.body.borrow();
        body.as_ref().is_none_or(Arriving::is_gone)
    }

    fn forget_body(&self) {
        if let Some(body) = &*self.body.borrow() {
            body.forget();
        }
    }

    /// Whether the client may still be sending a body that nobody has read.
    fn leaves_unread(&self) -> bool {
        let body = self.body.borrow();
        let is_whole = |body: &Arriving| matches!(*body.lock(), Unread::Nothing);
        self.has_body.get() && !body.as_ref().is_some_and(is_whole)
    }
}

impl Shard {
    /// Serves a client's connection until it ends, the shard is told to stop, or another shard
    /// is to go on with it.
    pub fn serve_client(&self, client: Client) {
        self.serve_exchanges(client, Exchange::default());
    }

    /// The same with an exchange of the caller's; what is returned ends the connection.
    pub fn serve_exchanges(&self, client: Client, exchange: Exchange) -> Option<AbortHandle> {
        let shard = self.me.upgrade()?;
        let stream = adopt(client.stream).ok()?;
        // Small answers leave at once; a failure costs only that.
        drop(stream.set_nodelay(true));
        let mut phase = self.phase.subscribe();
        let counted = Counted::new(&shard);
        let task = deno_core::unsync::spawn(async move {
            let exchange = Rc::new(exchange);
            let (ours, serving) = (exchange.clone(), shard.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (exchange, shard) = (ours.clone(), serving.clone());
                exchange.begin(&request);
                async move {
                    let response = answer(shard, request, &exchange).await?;
                    Ok::<_, std::convert::Infallible>(
                        response.map(|body| Saying { body, exchange }),
                    )
                }
            });
            let line = Line {
                stream,
                read: client.read,
                exchange: exchange.clone(),
            };
            let mut connection = Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(line), service);
            let mut asked = std::pin::pin!(phase.wait_for(|phase| *phase != Phase::Running));
            let mut ending = None;
            let served = poll_fn(|cx| {
                let was_read = exchange.is_read();
                // What has arrived is read before anything else: it is to be answered.
                if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                    let end = exchange.switch.take().filter(|_| ended.is_ok());
                    return Poll::Ready(end.map_or(Served::Ended, Served::Switched));
                }
                if exchange.has_answered() && !exchange.is_read() {
                    // Code may hold the request until its garbage is collected. hyper is to find out
                    // before that what is left of it is nobody's.
                    exchange.forget_body();
                    cx.waker().wake_by_ref();
                }
                if ending.is_none() {
                    let Poll::Ready(phase) = asked.as_mut().poll(cx) else {
                        return Poll::Pending;
                    };
                    ending = Some(phase.map_or(Phase::Stopping, |phase| *phase));
                }
                let may_switch = exchange.may_switch.get() && !exchange.has_answered();
                if ending == Some(Phase::Stopping) {
                    // hyper would say in its answer that the connection does not go on.
                    if !may_switch && !exchange.is_last.replace(true) {
                        Pin::new(&mut connection).graceful_shutdown();
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                exchange.is_last.set(true);
                if !exchange.has_answered() || exchange.switch.borrow().is_some() {
                    return Poll::Pending;
                }
                if was_read {
                    return Poll::Ready(Served::Moves);
                }
                // hyper is to see first that the body is forgotten.
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            match served {
                Served::Ended if exchange.leaves_unread() => {
                    let stream = connection.into_parts().io.into_inner().stream;
                    crate::unread::discard(stream, shard.phase.subscribe()).await;
                }
                Served::Ended => {}
                Served::Switched(end) => {
                    let parts = connection.into_parts();
                    let stream = parts.io.into_inner().stream;
                    shard.begin_socket(stream, parts.read_buf, end).await;
                }
                Served::Moves => {
                    let parts = connection.into_parts();
                    let line = parts.io.into_inner();
                    let read = [&parts.read_buf[..], &line.read].concat().into();
                    if let Ok(stream) = line.stream.into_std() {
                        shard.pass_client(Client { stream, read });
                    }
                }
            }
            drop(counted);
        });
        Some(task.abort_handle())
    }

    /// Serves a connection that speaks WebSocket from here on, or has the shard serve it on
    /// which the other end of the pair was accepted.
    async fn begin_socket(&self, stream: TcpStream, read: Bytes, end: SocketEnd) {
        let Some(home) = end.other_home().filter(|home| *home != self.index) else {
            return self.serve_socket(stream, read, end);
        };
        let Ok(stream) = stream.into_std() else {
            return;
        };
        let message = Message::Socket(stream, read, end);
        // A shard that has ended takes no socket. The client is to hear that here.
        if let Err(Message::Socket(stream, read, end)) =
            self.shared.send_message(home, message).await
            && let Ok(stream) = adopt(stream)
        {
            self.serve_socket(stream, read, end);
        }
    }
}

/// What is left of a request's body.
enum Unread {
    /// What has not been read.
    Rest(Incoming),
    /// All of it was read.
    Nothing,
    /// Nobody will read of it any more.
    Forgotten,
}

/// The body of a request, as its connection and its reader share it.
#[derive(Clone)]
struct Arriving(Arc<Mutex<Unread>>);

impl Arriving {
    fn lock(&self) -> MutexGuard<'_, Unread> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody will read of it any more.
    fn is_gone(&self) -> bool {
        !matches!(*self.lock(), Unread::Rest(_))
    }

    fn forget(&self) {
        let mut unread = self.lock();
        if let Unread::Rest(incoming) = &*unread {
            *unread = match incoming.is_end_stream() {
                true => Unread::Nothing,
                false => Unread::Forgotten,
            };
        }
    }
}

/// The chunks of a request's body.
struct Reading(Arriving);

impl Stream for Reading {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut unread = self.0.lock();
        loop {
            let incoming = match &mut *unread {
                Unread::Rest(incoming) => incoming,
                Unread::Nothing => return Poll::Ready(None),
                Unread::Forgotten => {
                    return Poll::Ready(Some(Err(io::Error::other(ANSWERED))));
                }
            };
            match ready!(Pin::new(incoming).poll_frame(cx)) {
                None => {
                    *unread = Unread::Nothing;
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// A response's body. Dropped when hyper has taken all of it.
struct Saying<B> {
    body: B,
    exchange: Rc<Exchange>,
}

impl<B> Drop for Saying<B> {
    fn drop(&mut self) {
        self.exchange.is_answering.set(false);
        self.exchange.counted.take();
    }
}

/// How many requests are being answered.
pub type Tally = Arc<AtomicUsize>;

/// One request in a tally, from its head to the last byte of the response.
struct Counts(Tally);

impl Counts {
    fn new(tally: Tally) -> Counts {
        tally.fetch_add(1, Ordering::SeqCst);
        Counts(tally)
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<B: Body + Unpin> Body for Saying<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The network, which tells the exchange when all that hyper had to write is written.
struct Line {
    stream: TcpStream,
    /// What was read before.
    read: Bytes,
    exchange: Rc<Exchange>,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.exchange.is_last.get() && self.exchange.has_answered() && self.exchange.is_read() {
            // The next request is another shard's. The task goes on to hand it over.
            return Poll::Pending;
        }
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let len = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper asks for this when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() && !self.exchange.is_answering.get() {
            self.exchange.is_said.set(true);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
