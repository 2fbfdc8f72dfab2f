//! TCP connections for `connect()` of `cloudflare:sockets`, with TLS from the beginning or later.

use std::sync::Arc;
use std::time::Duration;

use deno_tls::rustls::ClientConfig;
use deno_tls::rustls::RootCertStore;
use stead_ops::engine::root_certificates;
use stead_ops::host::ByteStream;
use tokio::net::TcpStream;

/// How long a connection may take to open.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a connection.
///
/// # Errors
/// What failed, as text.
pub async fn dial(host: String, port: u16, is_secure: bool) -> Result<ByteStream, String> {
    let dialing = async {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((address, port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        drop(stream.set_nodelay(true));
        let stream: ByteStream = Box::new(stream);
        match is_secure {
            true => secure(stream, &host, root_certificates().clone()).await,
            false => Ok(stream),
        }
    };
    let dialed = tokio::time::timeout(DIAL_TIMEOUT, dialing).await;
    dialed.unwrap_or_else(|_| Err("the connection took too long to open".into()))
}

/// Begins TLS on a connection, with a server that `host` names and `roots` vouch for.
///
/// # Errors
/// What failed, as text.
pub async fn secure(
    stream: ByteStream,
    host: &str,
    roots: Arc<RootCertStore>,
) -> Result<ByteStream, String> {
    let provider = deno_tls::rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = host.try_into();
    let name = name.map_err(|_| "not the name of a server".to_owned())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let connected = connector.connect(name, stream).await;
    let connected = connected.map_err(|error| error.to_string())?;
    Ok(Box::new(connected))
}

#[cfg(test)]
mod tests {
    use deno_tls::rustls::ServerConfig;
    use deno_tls::rustls::pki_types::PrivateKeyDer;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Both ends of a connection whose server has a certificate for `localhost`, and who vouches for it.
    async fn connected(name: &str) -> (Result<ByteStream, String>, Option<ByteStream>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = deno_tls::rustls::crypto::aws_lc_rs::default_provider();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = async move {
            let accepted = TlsAcceptor::from(Arc::new(config)).accept(theirs).await;
            accepted.ok().map(|stream| Box::new(stream) as ByteStream)
        };
        tokio::join!(secure(Box::new(ours), name, Arc::new(roots)), server)
    }

    #[tokio::test]
    async fn tls_carries_bytes_both_ways() {
        let (client, server) = connected("localhost").await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
    }

    #[tokio::test]
    async fn a_server_with_another_name_is_refused() {
        let (client, _) = connected("elsewhere.example").await;
        assert!(client.is_err());
    }
}
