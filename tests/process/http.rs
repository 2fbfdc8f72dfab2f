//! The smallest HTTP/1.1 client that is strict enough: an answer that breaks off is an error, never a shorter body.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server::DEADLINE;

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in the body of a {}: {}", self.status, self.text())
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

pub fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Response> {
    send_with(address, method, path, &[], body)
}

/// The same with more headers.
pub fn send_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    let length = body.len();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// A connection that is kept for one request after the other.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads the answer, which must say its length.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Response> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
        );
        let stream = self.stream.get_mut();
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head
            .split("\r\ncontent-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other(format!("no length: {head}")))?;
        let head_len = answer.len();
        answer.resize(head_len + length, 0);
        self.stream.read_exact(&mut answer[head_len..])?;
        parse(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// A response whose body arrives line by line.
pub struct Stream {
    stream: BufReader<TcpStream>,
}

impl Stream {
    /// Sends a GET and reads the head of the answer.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str) -> Stream {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = Stream {
            stream: BufReader::new(stream),
        };
        let status = stream.line();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        while !stream.line().is_empty() {}
        stream
    }

    /// The next line of the body, which has a chunk of its own.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        let size = self.line();
        assert_ne!(size, "0", "the body has ended");
        let line = self.line();
        assert_eq!(self.line(), "", "the end of the chunk");
        line
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "the answer broke off");
        line.trim_end().to_owned()
    }
}

/// The response in `answer`; None when it is not complete.
fn parse(answer: &[u8]) -> Option<Response> {
    let head_len = find(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..head_len]).ok()?;
    let body = &answer[head_len + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    response.body = if response.header("transfer-encoding") == Some("chunked") {
        unchunk(body)?
    } else if let Some(length) = response.header("content-length") {
        body.get(..length.parse().ok()?)?.to_vec()
    } else {
        body.to_vec()
    };
    Some(response)
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line_len = find(body, b"\r\n")?;
        let size = std::str::from_utf8(&body[..line_len]).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        body = &body[line_len + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size + 2..)?;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
