//! HTTP on a shard: requests, responses, upgrades. Connections are in `client`.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use deno_core::cppgc::make_cppgc_object;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use hyper::body::Body as _;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::body::SizeHint;
use hyper::upgrade::OnUpgrade;
use stead_ops::body::Body;
use stead_ops::event::IncomingRequest;
use stead_ops::event::RequestNote;
use stead_ops::host::object_label;
use stead_ops::message::CallError;
use stead_ops::message::Failure;
use stead_ops::message::FetchRequest;
use stead_ops::message::FetchResponse;
use stead_ops::meter;
use stead_ops::socket::SocketEnd;
use tokio::sync::oneshot;

use crate::assets::Asked;
use crate::cli::request_log::RequestLine;
use crate::cli::request_log::TimeParts;
use crate::client::Exchange;
use crate::isolate::call;
use crate::shard::Phase;
use crate::shard::Shard;
use crate::testing::Standstill;

impl Shard {
    /// Hands a request to the worker.
    pub fn worker_fetch(
        &self,
        request: FetchRequest,
        note: RequestNote,
    ) -> oneshot::Receiver<Result<FetchResponse, CallError>> {
        let (reply, receiver) = oneshot::channel();
        let (owed, used) = self.isolate.enter_for(|scope| {
            let native = IncomingRequest::for_worker(request, reply, note);
            let owed = native.owed();
            self.requests.add(&owed);
            let native = make_cppgc_object(scope, native).into();
            // The handler's own errors are answered; what is left costs this request alone.
            if call(scope, &self.isolate.dispatch.worker_fetch, &[native]).is_err()
                && !self.isolate.guard.is_killed()
            {
                self.shared
                    .logger
                    .error(None, "internal error: the request was not handled");
                owed.give(Err(CallError::Failed(Failure::lost())));
            }
            owed
        });
        self.end_turn();
        self.count_owed(&owed, used, None);
        self.wake();
        receiver
    }
}

/// Counts a connection for as long as it lives.
pub struct Counted(Rc<Shard>);

impl Counted {
    /// Counts one more.
    pub fn new(shard: &Rc<Shard>) -> Counted {
        add(&shard.connections, 1);
        Counted(shard.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        add(&self.0.connections, -1);
        self.0.wake();
    }
}

fn add(count: &Cell<usize>, difference: isize) {
    count.set(count.get().wrapping_add_signed(difference));
}

/// What a client is answered.
type Response = hyper::Response<Outgoing>;

/// Answers a request of a connection whose state `exchange` is.
///
/// # Errors
/// None: what goes wrong is an answer.
pub async fn answer(
    shard: Rc<Shard>,
    mut request: hyper::Request<Incoming>,
    exchange: &Exchange,
) -> Result<Response, Infallible> {
    let begun = Instant::now();
    let note = RequestNote::default();
    if shard.shared.is_watched {
        let mut note = note.borrow_mut();
        note.before = meter::read();
        note.elsewhere = Some(Arc::default());
    }
    let line = shard.shared.logs_requests().then(|| {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        (request.method().clone(), path.to_owned())
    });
    let asked = (!shard.code.front.is_absent()).then(|| Asked {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: request.headers().clone(),
    });
    if let Some(asked) = &asked
        && let Some(response) = answer_in_front(&shard, asked, begun).await
    {
        return Ok(response);
    }
    let upgrades = request.extensions_mut().remove::<OnUpgrade>().is_some();
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
    let response = match to_fetch(request, shard.code.front.is_https, exchange) {
        Ok(request) => {
            let answered = shard.worker_fetch(request, note.clone()).await;
            match answered {
                Ok(Ok(response)) => from_fetch(response, key.filter(|_| upgrades), exchange),
                Ok(Err(error)) => match shown_in_front(&shard, asked, &note).await {
                    Some(page) => page,
                    None => failed(&error),
                },
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            }
        }
        Err(refused) => *refused,
    };
    if let Some((method, path)) = line {
        log(&shard, method, path, &response, &note, begun);
    }
    Ok(response)
}

/// The answer to a request that the worker need not see.
async fn answer_in_front(shard: &Rc<Shard>, asked: &Asked, begun: Instant) -> Option<Response> {
    let front = &shard.code.front;
    let standing = Standstill::begin(shard);
    let mut phase = shard.phase.subscribe();
    let stop = async move { drop(phase.wait_for(|phase| *phase != Phase::Running).await) };
    let answer = if front.pages.is_some() && crate::scheduled::is_asked(asked) {
        shard.scheduled_by_request(asked).await
    } else {
        front.answer(asked, stop).await?
    };
    drop(standing);
    let response = answer.map(|bytes| Outgoing(Body::Full(bytes)));
    if shard.shared.logs_requests() && !front.is_own(asked) {
        let note = RequestNote::default();
        let method = asked.method.clone();
        log(
            shard,
            method,
            asked.path_and_query(),
            &response,
            &note,
            begun,
        );
    }
    Some(response)
}

/// What a person's browser is shown of an exception that nobody caught.
async fn shown_in_front(
    shard: &Rc<Shard>,
    asked: Option<Asked>,
    note: &RequestNote,
) -> Option<Response> {
    let text = note.borrow().error.clone()?;
    let object = object_of(shard, note);
    let page = shard.code.front.exception(asked?, text, object).await?;
    Some(page.map(|bytes| Outgoing(Body::Full(bytes))))
}

fn object_of(shard: &Shard, note: &RequestNote) -> Option<String> {
    let note = note.borrow();
    let (key, name) = note.object.as_ref()?;
    let id = key.id.to_string();
    Some(object_label(shard, key.namespace, name.as_deref(), &id))
}

fn log(
    shard: &Shard,
    method: http::Method,
    path: String,
    response: &Response,
    note: &RequestNote,
    begun: Instant,
) {
    let object = object_of(shard, note);
    let note = note.borrow();
    let parts = note.elsewhere.as_ref().and_then(|elsewhere| {
        let (others, gate) = elsewhere.total();
        let own = meter::read()?.since(note.before?);
        Some(TimeParts {
            javascript: own.javascript + others.javascript,
            storage: own.storage + others.storage,
            gate,
        })
    });
    shard.shared.logger.request(RequestLine {
        method: method.to_string().into(),
        path,
        status: response.status().as_u16(),
        object,
        event: note.event.clone(),
        parts,
        elapsed: begun.elapsed(),
        bytes: response.body().size_hint().exact(),
    });
}

/// The request as the worker sees it: with an absolute URL.
fn to_fetch(
    request: hyper::Request<Incoming>,
    is_https: bool,
    exchange: &Exchange,
) -> Result<FetchRequest, Box<Response>> {
    let (parts, body) = request.into_parts();
    let url = if parts.uri.scheme().is_some() {
        parts.uri.to_string()
    } else {
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            let refused = plain(StatusCode::BAD_REQUEST, "the request has no Host header");
            return Err(Box::new(refused));
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let scheme = if is_https { "https" } else { "http" };
        format!("{scheme}://{host}{path}")
    };
    let length = body.size_hint().exact();
    let body = match length {
        Some(0) => Body::Empty,
        _ => Body::Stream {
            stream: Box::pin(exchange.receive(body)),
            length,
        },
    };
    Ok(FetchRequest {
        method: parts.method.to_string(),
        url,
        headers: parts.headers,
        body,
        cf: None,
        measured: None,
    })
}

/// The worker's response; `key` is that of a client which may speak WebSocket.
fn from_fetch(response: FetchResponse, key: Option<HeaderValue>, exchange: &Exchange) -> Response {
    let Ok(status) = StatusCode::from_u16(response.status) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let mut answer = hyper::Response::new(Outgoing::from(response.body));
    *answer.status_mut() = status;
    *answer.headers_mut() = response.headers;
    remove_framing(answer.headers_mut());
    if let Some(end) = response.socket {
        return switch_protocols(answer, end, key, exchange);
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    }
    answer
}

/// The server says itself how a response is framed.
fn remove_framing(headers: &mut HeaderMap) {
    for name in [
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
}

/// Answers a WebSocket handshake, which the connection's task then ends.
fn switch_protocols(
    mut answer: Response,
    end: SocketEnd,
    key: Option<HeaderValue>,
    exchange: &Exchange,
) -> Response {
    let Some(key) = key else {
        return plain(
            StatusCode::UPGRADE_REQUIRED,
            "this address speaks WebSocket",
        );
    };
    let accept = crate::sockets::accept_key(key.as_bytes());
    let Ok(accept) = HeaderValue::from_str(&accept) else {
        return plain(StatusCode::BAD_REQUEST, "the WebSocket key is malformed");
    };
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    exchange.switch_to(end);
    answer
}

/// What a client is told of an error: the error itself is in the log.
fn failed(error: &CallError) -> Response {
    match error {
        CallError::Failed(failure) if failure.overloaded => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response =
        hyper::Response::new(Outgoing(Body::Full(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A response's body on its way to the client.
pub struct Outgoing(Body);

impl From<Body> for Outgoing {
    fn from(body: Body) -> Outgoing {
        Outgoing(body)
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.0 {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Body::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Body::Stream { stream, .. } => stream
                .as_mut()
                .poll_next(cx)
                .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Body::Empty => true,
            Body::Full(bytes) => bytes.is_empty(),
            Body::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream {
                length: Some(length),
                ..
            } => SizeHint::with_exact(*length),
            Body::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}
