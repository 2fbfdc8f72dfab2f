//! What debuggers ask over HTTP: the list of isolates, and the way into one of them.
//! <https://chromedevtools.github.io/devtools-protocol/#endpoints>

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::Inspector;
use super::Target;

type Answer = Response<Full<Bytes>>;

/// How long no connection is accepted after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers debuggers for as long as the process runs.
pub async fn serve(listener: TcpListener, inspector: Arc<Inspector>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let inspector = inspector.clone();
        tokio::spawn(async move {
            let service = service_fn(|mut request| {
                let answer = answer(&inspector, &mut request);
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let http = hyper::server::conn::http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(stream), service);
            // What goes wrong on a connection is the client's to know.
            drop(connection.with_upgrades().await);
        });
    }
}

fn answer(inspector: &Inspector, request: &mut Request<Incoming>) -> Answer {
    let Some(host) = host(request) else {
        // A page of somebody else's whose name leads to this machine.
        return plain(StatusCode::BAD_REQUEST, "Invalid Host header");
    };
    if request.method() != http::Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    match request.uri().path() {
        "/json" | "/json/list" => {
            let targets = inspector.targets();
            let list = targets.iter().map(|target| describe(target, &host));
            json_answer(&serde_json::Value::from(list.collect::<Vec<_>>()))
        }
        "/json/version" => json_answer(&json!({
            "Browser": concat!("stead/", env!("CARGO_PKG_VERSION")),
            "Protocol-Version": "1.3",
            "V8-Version": deno_core::v8::VERSION_STRING,
        })),
        path => {
            let id = path.trim_start_matches('/');
            let targets = inspector.targets();
            match targets.into_iter().find(|target| target.id == id) {
                Some(target) => attach(target, request),
                None => plain(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
    }
}

/// By which name the debugger reaches this server: `localhost` or an address, so that no page can
/// have a browser ask in its name (DNS rebinding).
fn host(request: &Request<Incoming>) -> Option<String> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else {
        return None;
    };
    let authority: http::uri::Authority = host.to_str().ok()?.parse().ok()?;
    let name = authority.host().trim_matches(['[', ']']);
    let is_local = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    is_local.then(|| authority.to_string())
}

fn describe(target: &Target, host: &str) -> serde_json::Value {
    let id = &target.id;
    json!({
        "description": "Stead",
        "devtoolsFrontendUrl":
            format!("devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws={host}/{id}"),
        "id": id,
        "title": target.title,
        // What Chrome and editors look for.
        "type": "node",
        "url": target.url,
        "webSocketDebuggerUrl": format!("ws://{host}/{id}"),
    })
}

/// Answers the handshake, and lets the debugger in.
fn attach(target: Arc<Target>, request: &mut Request<Incoming>) -> Answer {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let Some(key) = key.cloned() else {
        let what = "this address speaks WebSocket";
        return plain(StatusCode::UPGRADE_REQUIRED, what);
    };
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            super::session::serve(TokioIo::new(stream), &target).await;
        }
    });
    let accept = crate::sockets::accept_key(key.as_bytes());
    let mut answer = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::from_str(&accept).expect("base64 is a header's value");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

fn json_answer(value: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::from(value.to_string()));
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}
