//! A WebSocket client for load. It sends short text messages and reads the server's
//! frames; what else the protocol has, the benchmark's worker does not use.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::Connection;

/// The longest message: its length fits into the head of a frame.
const MESSAGE_BYTES_MAX: usize = 125;

/// An open socket.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    pub async fn open(address: SocketAddr, path: &str) -> io::Result<Socket> {
        let mut connection = Connection::open(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        match connection.exchange(request.as_bytes()).await? {
            (101, _) => {
                let (stream, buffer) = connection.into_parts();
                Ok(Socket { stream, buffer })
            }
            (status, _) => Err(io::Error::other(format!("answered {status}, not 101"))),
        }
    }

    /// Sends a text message. Clients mask what they send; a mask of zeros leaves it as it is.
    pub async fn send(&mut self, message: &str) -> io::Result<()> {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "the message is short");
        let mut frame = vec![0x81, 0x80 | message.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(message.as_bytes());
        self.stream.write_all(&frame).await
    }

    /// Waits for the next message, and forgets it.
    pub async fn receive(&mut self) -> io::Result<()> {
        loop {
            if let [0x81, bytes, ..] = self.buffer[..] {
                let end = 2 + usize::from(bytes);
                if self.buffer.len() >= end {
                    self.buffer.drain(..end);
                    return Ok(());
                }
            } else if let [head, _, ..] = self.buffer[..] {
                return Err(io::Error::other(format!("a frame that begins {head:#x}")));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
