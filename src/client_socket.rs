//! Client WebSockets: `new WebSocket(url)` and `fetch()` with an Upgrade header.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use stead_ops::engine::root_certificates;
use stead_ops::host::ConnectRequest;
use stead_ops::host::Connected;
use stead_ops::socket::SocketEnd;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::shard::Phase;
use crate::shared::Shared;
use crate::sockets::accept_key;
use crate::sockets::connection::Connection;

/// Opens a client connection.
///
/// # Errors
/// What failed, as text for the `error` event.
pub async fn connect(
    request: ConnectRequest,
    phase: watch::Receiver<Phase>,
    shared: Arc<Shared>,
) -> Result<Connected, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let url = url::Url::parse(&request.url).map_err(|e| text(&e))?;
    let secure = matches!(url.scheme(), "wss" | "https");
    let host = url.host_str().ok_or("the URL has no host")?.to_owned();
    let port = url.port().unwrap_or(if secure { 443 } else { 80 });
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((address, port))
        .await
        .map_err(|e| text(&e))?;
    drop(stream.set_nodelay(true));
    let key = BASE64_STANDARD.encode(shared.random.bytes());
    let handshake = handshake_request(&url, &request, key)?;
    let (stream, protocol) = if secure {
        let stream = secure_stream(address, stream).await?;
        shake_hands(stream, handshake).await?
    } else {
        shake_hands(stream, handshake).await?
    };
    let (ours, network) = SocketEnd::pair();
    let masks = Box::new(move || {
        let [a, b, c, d, ..] = shared.random.bytes();
        [a, b, c, d]
    });
    let mut connection = Connection::new(stream, b"", network, Some(masks));
    deno_core::unsync::spawn(async move {
        connection.serve(phase, false).await;
    });
    Ok(Connected {
        end: ours,
        protocol,
    })
}

fn handshake_request(
    url: &url::Url,
    request: &ConnectRequest,
    key: String,
) -> Result<http::Request<http_body_util::Empty<Bytes>>, String> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut handshake = http::Request::builder()
        .uri(path)
        .header(header::HOST, authority)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_KEY, key)
        .header(header::SEC_WEBSOCKET_VERSION, "13");
    if !request.protocols.is_empty() {
        let offered = request.protocols.join(", ");
        handshake = handshake.header(header::SEC_WEBSOCKET_PROTOCOL, offered);
    }
    for (name, value) in &request.headers {
        if name != header::HOST {
            handshake = handshake.header(name, value);
        }
    }
    handshake
        .body(http_body_util::Empty::new())
        .map_err(|error| error.to_string())
}

async fn shake_hands<S>(
    stream: S,
    handshake: http::Request<http_body_util::Empty<Bytes>>,
) -> Result<(TokioIo<Upgraded>, String), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let opened = hyper::client::conn::http1::handshake(io).await;
    let (mut sender, connection) = opened.map_err(|error| error.to_string())?;
    deno_core::unsync::spawn(async move { drop(connection.with_upgrades().await) });
    let key = handshake.headers()[header::SEC_WEBSOCKET_KEY].clone();
    let mut response = sender
        .send_request(handshake)
        .await
        .map_err(|error| error.to_string())?;
    if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!(
            "the server answered {} instead of 101",
            response.status()
        ));
    }
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted.map(|value| value.as_bytes()) != Some(accept_key(key.as_bytes()).as_bytes()) {
        return Err("the server's answer to the WebSocket key is wrong".into());
    }
    let protocol = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let upgraded = hyper::upgrade::on(&mut response)
        .await
        .map_err(|error| error.to_string())?;
    Ok((TokioIo::new(upgraded), protocol))
}

async fn secure_stream(
    host: &str,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let provider = deno_tls::rustls::crypto::aws_lc_rs::default_provider();
    let config = deno_tls::rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(root_certificates().clone())
        .with_no_client_auth();
    let name = host
        .to_owned()
        .try_into()
        .map_err(|_| format!("`{host}` is not a host name"))?;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())
}
