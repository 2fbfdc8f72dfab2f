//! `--https`: what a client sees that trusts the certificate.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::Message;

use crate::server::{DEADLINE, Server, fixture, stead, temporary, text};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A server with a cache folder and a state directory of its own.
struct Https {
    server: Server,
    cache: TempDir,
    state: TempDir,
}

impl Https {
    fn start(options: &[&str]) -> Https {
        Https::start_in(temporary(), options)
    }

    fn start_in(cache: TempDir, options: &[&str]) -> Https {
        let state = temporary();
        let environment = [("STEAD_CACHE", cache.path())];
        let file = fixture("secure.ts");
        let server = Server::start_in(&environment, &file, state.path(), options);
        Https {
            server,
            cache,
            state,
        }
    }

    fn certificate(&self) -> PathBuf {
        self.server.ready["certificate"].as_str().unwrap().into()
    }

    fn connect(&self, certificate: &Path, name: &str) -> Secure {
        let address = SocketAddr::from(([127, 0, 0, 1], self.server.address.port()));
        self.connect_to(address, certificate, name.to_owned())
    }

    fn connect_to(&self, address: SocketAddr, certificate: &Path, name: String) -> Secure {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(certificate).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        StreamOwned::new(connection, stream)
    }
}

fn exchange(stream: &mut Secure, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // Without a word of TLS at the end this fails.
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_client_that_trusts_the_certificate_is_answered() {
    let https = Https::start(&["--https"]);
    assert!(
        https.server.ready["url"]
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
    let certificate = https.certificate();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut stream = https.connect(&certificate, name);
        let body = "x".repeat(300_000);
        let head = "POST /a?b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let answer = exchange(&mut stream, &request);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("https://localhost/a?b 300000"), "{answer}");
    }
    https.server.stop();
}

#[test]
fn the_key_is_the_users_alone_and_is_used_again() {
    let https = Https::start(&["--https"]);
    let certificate = https.certificate();
    let key = certificate.with_extension("key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(certificate.starts_with(https.cache.path()));
    let before = std::fs::read(&certificate).unwrap();
    https.server.stop();
    let https = Https::start_in(https.cache, &["--https"]);
    assert_eq!(std::fs::read(https.certificate()).unwrap(), before);
    https.server.stop();
}

#[test]
fn sockets_of_objects_are_served() {
    let https = Https::start(&["--https", "--shards", "2"]);
    let certificate = https.certificate();
    for path in ["a", "b", "c"] {
        let stream = https.connect(&certificate, "localhost");
        let url = format!("wss://localhost/{path}");
        let (mut socket, _) = tungstenite::client(url, stream).unwrap();
        for message in ["one".to_owned(), "two".repeat(100_000)] {
            socket.send(Message::text(message.clone())).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text(message));
        }
    }
    let stream = https.connect(&certificate, "localhost");
    let (mut socket, _) = tungstenite::client("wss://localhost/a", stream).unwrap();
    // Only an answer tells that the object has the socket.
    socket.send(Message::text("three")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("three"));
    https.server.interrupt();
    let Message::Close(Some(close)) = socket.read().unwrap() else {
        panic!("not a Close frame");
    };
    assert_eq!(u16::from(close.code), 1001);
    drop(socket);
    assert_eq!(https.server.ended(), 0);
}

#[test]
fn a_client_that_speaks_http_is_told() {
    let https = Https::start(&["--https"]);
    let answer = https.server.get("/");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("this server speaks https"));
    https.server.stop();
}

#[test]
fn a_key_of_ones_own_is_used() {
    let first = Https::start(&["--https"]);
    let certificate = first.certificate();
    let key = certificate.with_extension("key");
    first.server.stop();
    let own = [
        "--https-key-path",
        text(&key),
        "--https-cert-path",
        text(&certificate),
    ];
    let https = Https::start(&own);
    assert!(https.server.ready["certificate"].is_null());
    let mut stream = https.connect(&certificate, "localhost");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(exchange(&mut stream, request).ends_with("https://localhost/ 0"));
    https.server.stop();
    let file = fixture("secure.ts");
    let (state, key) = (https.state.path(), text(&key));
    let run = ["run", text(&file), "--state", text(state), "--port", "0"];
    let missing = ["--https-key-path", key, "--https-cert-path", "/none.pem"];
    stead([run.as_slice(), &missing].concat()).failed(2, &["cannot use `/none.pem` for https"]);
    let swapped = [
        "--https-key-path",
        text(&certificate),
        "--https-cert-path",
        text(&certificate),
    ];
    stead([run.as_slice(), &swapped].concat()).failed(2, &["for https"]);
}

#[test]
fn a_phone_in_the_network_is_told_where_and_trusts_the_certificate() {
    let https = Https::start(&["--https", "--host", "0.0.0.0"]);
    let port = https.server.address.port();
    let network = https.server.ready["network"].as_array().unwrap();
    // A machine without a network tells of none, and its certificate is good for itself alone.
    for url in network {
        let host = url.as_str().unwrap().strip_prefix("https://").unwrap();
        let address: SocketAddr = host.parse().unwrap();
        assert!(address.ip().is_ipv4() && address.port() == port, "{url}");
        let name = address.ip().to_string();
        let mut stream = https.connect_to(address, &https.certificate(), name);
        let request = format!("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&mut stream, &request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!("https://{host}/a")), "{answer}");
    }
    let mut stream = https.connect(&https.certificate(), "localhost");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(exchange(&mut stream, request).starts_with("HTTP/1.1 200"));
    https.server.stop();
}
