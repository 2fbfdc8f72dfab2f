//! A small HTTP client for load: it keeps connections open, writes requests that
//! were made before, and reads just enough of an answer to know where it ends.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, with what was read beyond the last answer.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    bytes: usize,
    body: Length,
}

enum Length {
    Known(usize),
    Chunked,
}

/// What a load came to.
pub struct Load {
    /// Answers per second.
    pub per_second: f64,
    /// Time of each request in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// The stream and what was read of it; for connections that change their protocol.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer)
    }

    /// Sends a request and returns the answer's status and body.
    pub async fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        self.exchange(&request(path)).await
    }

    /// Writes one request, as bytes, and reads the answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        self.buffer.drain(..head.bytes);
        let body = match head.body {
            Length::Known(bytes) => self.take(bytes).await?,
            Length::Chunked => self.chunks().await?,
        };
        Ok((head.status, body))
    }

    /// Reads the head of an answer, and leaves it in the buffer.
    async fn head(&mut self) -> io::Result<Head> {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                return parse_head(&self.buffer[..end + 4]);
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < bytes {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..bytes).collect())
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.buffer.windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break end,
                    None => self.fill().await?,
                }
            };
            let size = std::str::from_utf8(&self.buffer[..line]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| io::Error::other("a chunk without a size"))?;
            self.buffer.drain(..line + 2);
            body.extend(self.take(size).await?);
            self.take(2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The bytes of a GET request.
pub fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = String::from_utf8_lossy(bytes);
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    let mut body = Length::Known(0);
    for line in text.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.trim().parse();
            body = Length::Known(length.map_err(|_| io::Error::other("a bad length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Length::Chunked;
        }
    }
    Ok(Head {
        status,
        bytes: bytes.len(),
        body,
    })
}

/// Keeps `connections` busy for `duration`: each sends its next request when the last one
/// was answered. `path` names the request that a connection sends as its n-th.
///
/// With `rate`, the connections together send that many requests in a second instead, at
/// even distances, and a request's time counts from when it was due.
pub async fn load(
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    rate: Option<f64>,
    path: impl Fn(usize, usize) -> String + Clone + 'static,
) -> io::Result<Load> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let begin = Instant::now();
    let tasks = tokio::task::LocalSet::new();
    let handles: Vec<_> = open
        .into_iter()
        .enumerate()
        .map(|(index, connection)| {
            let pace = rate.map(|rate| Duration::from_secs_f64(connections as f64 / rate));
            let path = path.clone();
            let requests: Vec<_> = (0..64).map(|n| request(&path(index, n))).collect();
            tasks.spawn_local(keep_busy(connection, requests, begin, duration, pace))
        })
        .collect();
    tasks.await;
    let mut latency = Histogram::new(3).expect("three digits are allowed");
    for handle in handles {
        let one = handle.await.map_err(io::Error::other)??;
        latency.add(one).map_err(io::Error::other)?;
    }
    Ok(Load {
        per_second: latency.len() as f64 / begin.elapsed().as_secs_f64(),
        latency,
    })
}

async fn keep_busy(
    mut connection: Connection,
    requests: Vec<Vec<u8>>,
    begin: Instant,
    duration: Duration,
    pace: Option<Duration>,
) -> io::Result<Histogram<u64>> {
    let mut latency = Histogram::new(3).expect("three digits are allowed");
    let mut due = begin;
    for request in requests.iter().cycle() {
        if begin.elapsed() >= duration {
            break;
        }
        let from = match pace {
            None => Instant::now(),
            Some(pace) => {
                due += pace;
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        let (status, body) = connection.exchange(request).await?;
        if status != 200 {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(io::Error::other(format!("answered {status}: {text}")));
        }
        let nanoseconds = from.elapsed().as_nanos() as u64;
        latency.record(nanoseconds).map_err(io::Error::other)?;
    }
    Ok(latency)
}
