//! HTTPS for clients of this machine: a certificate of our own, or one that the user has, and the
//! ends of TLS connections.
//!
//! Shards know plain connections only, which may move from thread to thread. What comes in by TLS
//! is decrypted by a task of the main runtime, and goes on through a pair of sockets.

use std::fs;
use std::io;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Datelike as _;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::cli::exit::ExitCode;
use crate::cli::https_args::HttpsArgs;
use crate::cli::problem::Problem;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::lan;

/// The names that a certificate of ours is always good for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// For how long a certificate of ours is good: browsers refuse more than 398 days.
const VALID_DAYS: u64 = 397;
/// When it is replaced.
const RENEWED_AFTER_DAYS: u64 = 367;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a client may take for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last bytes may take on their way to clients once the process is to end.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// With what a client begins that speaks TLS.
const HANDSHAKE_RECORD: u8 = 0x16;
const SPEAK_HTTPS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    this server speaks https: use https:// in the address\n";

/// A server's side of TLS.
pub struct Https {
    acceptor: TlsAcceptor,
    /// How many connections are open.
    open: watch::Sender<usize>,
    /// The certificate, if it is one of ours.
    pub own: Option<PathBuf>,
}

impl Https {
    /// HTTPS if the command line or the configuration asks for it, for clients that know the
    /// server as `host`.
    ///
    /// # Errors
    /// The key or the certificate cannot be read, do not fit, or cannot be made.
    pub fn start(
        args: &HttpsArgs,
        configured: bool,
        host: &str,
    ) -> Result<Option<Arc<Https>>, Problem> {
        if !configured && !args.is_on() {
            return Ok(None);
        }
        let (key, certificate, own) = match (&args.https_key_path, &args.https_cert_path) {
            (Some(key), Some(certificate)) => (key.clone(), certificate.clone(), false),
            _ => {
                let (key, certificate) = own_certificate(host)?;
                (key, certificate, true)
            }
        };
        let config = configure(&key, &certificate)?;
        Ok(Some(Arc::new(Https {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            open: watch::Sender::new(0),
            own: own.then_some(certificate),
        })))
    }

    /// The plain side of a client's connection. It is silent until the handshake is done, and
    /// closed if that fails.
    ///
    /// # Errors
    /// The system's: there are no more sockets.
    pub fn plain(self: &Arc<Https>, stream: TcpStream) -> io::Result<std::net::TcpStream> {
        let (outer, inner) = UnixStream::pair()?;
        let https = self.clone();
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            https.carry(stream, outer).await;
            https.open.send_modify(|open| *open -= 1);
        });
        // The system's calls are the same for both families of sockets; what only TCP has is
        // refused, which nobody minds.
        Ok(std::net::TcpStream::from(OwnedFd::from(inner.into_std()?)))
    }

    /// Waits until all connections are closed: their last bytes are on their way. Called once
    /// nobody writes any more.
    pub async fn drained(&self) {
        let mut open = self.open.subscribe();
        let closed = open.wait_for(|open| *open == 0);
        // Clients that do not take them may not keep the process.
        drop(tokio::time::timeout(DRAIN_MAX, closed).await);
    }

    async fn carry(&self, mut stream: TcpStream, mut plain: UnixStream) {
        let handshake = async {
            let mut first = [0];
            stream.peek(&mut first).await.ok()?;
            if first[0] != HANDSHAKE_RECORD {
                refuse(&mut stream).await;
                return None;
            }
            drop(stream.set_nodelay(true));
            self.acceptor.accept(stream).await.ok()
        };
        let Ok(Some(secure)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else {
            return;
        };
        let (mut from_client, mut to_client) = tokio::io::split(secure);
        let (mut from_shard, mut to_shard) = plain.split();
        let up = async {
            drop(tokio::io::copy(&mut from_client, &mut to_shard).await);
            // The client has said all, but may still be waiting for the answer.
            drop(to_shard.shutdown().await);
            std::future::pending::<()>().await;
        };
        let down = async {
            drop(tokio::io::copy(&mut from_shard, &mut to_client).await);
            drop(to_client.shutdown().await);
        };
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    }
}

/// Waits until a server has stopped, and what it said last has left.
pub async fn stop(stopping: impl Future<Output = ()>, https: Option<&Https>) {
    stopping.await;
    if let Some(https) = https {
        https.drained().await;
    }
}

/// Tells a client that speaks HTTP. What goes wrong with that is the client's to know.
async fn refuse(stream: &mut TcpStream) {
    drop(stream.write_all(SPEAK_HTTPS).await);
    drop(stream.shutdown().await);
    // What is left unread at the end would take the answer with it.
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(1..)) {}
}

/// What rustls needs to know.
fn configure(key: &Path, certificate: &Path) -> Result<rustls::ServerConfig, Problem> {
    let problem = |file: &Path, error: String| {
        let what = format!("cannot use `{}` for https: {error}", file.display());
        Problem::new(ExitCode::Usage, what)
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| problem(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(problem(certificate, "it holds no certificate".into()));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| problem(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::internal(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| problem(key, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The files of our own key and certificate, which are made if there are none, or old ones.
fn own_certificate(host: &str) -> Result<(PathBuf, PathBuf), Problem> {
    let folder = cache_folder()?.join("https");
    let problem = |error: io::Error| {
        let what = format!(
            "cannot keep a certificate in `{}`: {error}",
            folder.display()
        );
        Problem::new(ExitCode::CannotListen, what).help(
            "name your own with `--https-key-path` and `--https-cert-path`, or set STEAD_CACHE",
        )
    };
    let host = host.trim_matches(['[', ']']);
    let mut names = NAMES.map(str::to_owned).to_vec();
    let mut file = "localhost".to_owned();
    // Who listens on every address is reached by those that the machine has now.
    let own = match ["0.0.0.0", "::"].contains(&host) {
        true => lan::addresses().iter().map(ToString::to_string).collect(),
        false => vec![host.to_owned()],
    };
    for name in own.into_iter().filter(|own| !NAMES.contains(&own.as_str())) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
        file.push('+');
        file.extend(plain);
        names.push(name);
    }
    let key = folder.join(format!("{file}.key"));
    let certificate = folder.join(format!("{file}.pem"));
    let now_ms = u64::try_from(SystemClock.now_ms()).unwrap_or(0);
    if !(key.is_file() && is_fresh(&certificate, now_ms)) {
        make_folder(&folder).map_err(problem)?;
        let (secret, public) = make(names, now_ms)?;
        write_private(&key, secret.as_bytes()).map_err(problem)?;
        write_private(&certificate, public.as_bytes()).map_err(problem)?;
    }
    Ok((key, certificate))
}

fn is_fresh(certificate: &Path, now_ms: u64) -> bool {
    let changed = certificate
        .metadata()
        .and_then(|metadata| metadata.modified());
    let since = changed.map(|changed| changed.duration_since(std::time::UNIX_EPOCH));
    let Ok(Ok(made)) = since else { return false };
    let made_ms = u64::try_from(made.as_millis()).unwrap_or(0);
    now_ms.saturating_sub(made_ms) < RENEWED_AFTER_DAYS * DAY_MS
}

/// A key and a certificate that it signs itself, as PEM.
fn make(names: Vec<String>, now_ms: u64) -> Result<(String, String), Problem> {
    let internal = |error: rcgen::Error| Problem::internal(format!("no certificate: {error}"));
    let mut params = CertificateParams::new(names).map_err(internal)?;
    let day = |ms: u64| {
        let date = chrono::DateTime::from_timestamp_millis(ms as i64).unwrap_or_default();
        rcgen::date_time_ymd(date.year(), date.month() as u8, date.day() as u8)
    };
    // A day of grace for clocks that are not quite right.
    params.not_before = day(now_ms.saturating_sub(DAY_MS));
    params.not_after = day(now_ms + VALID_DAYS * DAY_MS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = rcgen::DnType::CommonName;
    params
        .distinguished_name
        .push(name, "stead on this machine");
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(internal)?;
    let certificate = params.self_signed(&key).map_err(internal)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

/// What may be used by all projects of this user.
fn cache_folder() -> Result<PathBuf, Problem> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = folder("STEAD_CACHE").map(PathBuf::from);
    let cache = || folder("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("stead"));
    let home = || folder("HOME").map(|home| PathBuf::from(home).join(".cache/stead"));
    own.or_else(cache).or_else(home).ok_or_else(|| {
        let what = "there is no folder to keep a certificate in: HOME is not set";
        Problem::new(ExitCode::CannotListen, what).help("set STEAD_CACHE to a folder")
    })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Writes a file that nobody else may read; another process sees the old one or the new one.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&temporary)?.write_all(bytes)?;
    fs::rename(&temporary, file)
}
