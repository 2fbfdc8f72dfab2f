//! WebSocket connections: frames between the network and one end of a pair.

pub mod connection;
pub mod frame;
#[cfg(test)]
mod unvouched;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha1::Digest;
use sha1::Sha1;
use stead_ops::socket::SocketEnd;
use tokio::net::TcpStream;

use crate::http::Counted;
use crate::shard::Shard;
use crate::shared::adopt;
use crate::sockets::connection::Connection;
use crate::sockets::connection::Served;

/// A client's connection on its way to another shard.
pub type MovedConnection = Box<Connection<std::net::TcpStream>>;

/// The server's half of the handshake: the answer to a client's key.
/// <https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2>
pub fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

impl Shard {
    /// Serves a client's connection for one end of a pair; `read` was read already.
    pub fn serve_socket(&self, stream: TcpStream, read: Bytes, end: SocketEnd) {
        self.serve_frames(Connection::new(stream, &read, end, None));
    }

    /// Goes on with a connection that another shard has served.
    pub fn adopt_connection(&self, moved: MovedConnection) {
        // The sender of a connection that cannot be adopted is dropped, which the
        // object hears.
        if let Ok(connection) = moved.map_stream(adopt) {
            self.serve_frames(connection);
        }
    }

    fn serve_frames(&self, mut connection: Connection<TcpStream>) {
        let Some(shard) = self.me.upgrade() else {
            return;
        };
        let phase = self.phase.subscribe();
        let counted = Counted::new(&shard);
        deno_core::unsync::spawn(async move {
            if let Served::Moves = connection.serve(phase, true).await
                && let Ok(moved) = connection.map_stream(TcpStream::into_std)
            {
                shard.pass_connection(Box::new(moved));
            }
            drop(counted);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_answers_the_key_as_the_standard_s_example_does() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
