//! A WebSocket client whose every wait has a deadline.

use std::net::TcpStream;

use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::server::{DEADLINE, Server};

pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    #[track_caller]
    pub fn connect(server: &Server, path: &str) -> Socket {
        let stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let url = format!("ws://{}{path}", server.address);
        let (socket, _) = tungstenite::client(url, stream).expect("the server upgrades");
        Socket(socket)
    }

    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.try_say(text).expect("the socket is open");
    }

    #[track_caller]
    pub fn hear(&mut self) -> String {
        self.try_hear().expect("the socket is open")
    }

    pub fn try_say(&mut self, text: &str) -> tungstenite::Result<()> {
        self.0.send(Message::text(text))
    }

    pub fn try_hear(&mut self) -> tungstenite::Result<String> {
        loop {
            match self.0.read()? {
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(_) => return Err(tungstenite::Error::ConnectionClosed),
                _ => {}
            }
        }
    }

    /// Sends a Close frame.
    #[track_caller]
    pub fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.0.close(Some(frame)).expect("the socket is open");
    }

    /// Reads JSON messages until one of this `type` comes.
    #[track_caller]
    pub fn hear_type(&mut self, name: &str) -> serde_json::Value {
        loop {
            let message: serde_json::Value =
                serde_json::from_str(&self.hear()).expect("a JSON message");
            if message["type"] == name {
                return message;
            }
        }
    }

    /// Reads until the server closes the socket; the code it gives.
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self
                .0
                .read()
                .expect("a close frame comes before the connection ends")
            {
                Message::Close(Some(frame)) => return frame.code.into(),
                Message::Close(None) => return 1005,
                _ => {}
            }
        }
    }
}
