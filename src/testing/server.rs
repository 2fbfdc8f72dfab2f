//! `serve()` of `stead:test`: the worker under test behind a real HTTP server, on a port that is free.
//!
//! The connections are those of `stead run`. What differs is the clock of tests, which is to stand
//! still while bytes are on their way and to move while a handler waits for a timer: requests of
//! this process to the server are not waited for as long as the server is the one that owes the rest.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::control::Answer;
use super::lock;
use crate::client::Client;
use crate::client::Exchange;
use crate::client::Tally;
use crate::shard::Shard;

/// Where it listens: for clients of this machine alone.
const HOST: &str = "127.0.0.1";

/// Connections that one server has at once; clients beyond that wait.
const CONNECTIONS_MAX: usize = 1024;

/// The servers that tests have started.
#[derive(Default)]
pub(super) struct Servers(Mutex<Vec<Server>>);

/// A server, which ends with its level of state, if nobody ends it before.
struct Server {
    port: u16,
    level: usize,
    answering: Tally,
    listening: AbortHandle,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
        lock(&self.connections).iter().for_each(AbortHandle::abort);
    }
}

impl Servers {
    /// How many requests the servers are answering; None if there is no server.
    pub(super) fn answering(&self) -> Option<usize> {
        let servers = lock(&self.0);
        let counts = servers
            .iter()
            .map(|server| server.answering.load(Ordering::SeqCst));
        (!servers.is_empty()).then(|| counts.sum())
    }

    /// Ends the server of a port.
    pub(super) fn close(&self, port: u16) {
        lock(&self.0).retain(|server| server.port != port);
    }

    /// Ends those that were started on a level or above it.
    pub(super) fn end_level(&self, level: usize) {
        lock(&self.0).retain(|server| server.level < level);
    }
}

impl Shard {
    /// Starts a server; answers with its port.
    pub(super) async fn listen(self: &Rc<Self>) -> Answer {
        let failed = |error: std::io::Error| format!("cannot listen: {error}");
        let listener = TcpListener::bind((HOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let answering = Tally::default();
        let connections: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let (shard, tally, open) = (self.me.clone(), answering.clone(), connections.clone());
        let listening = deno_core::unsync::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (Some(shard), Ok(stream)) = (shard.upgrade(), stream.into_std()) else {
                    return;
                };
                let client = Client {
                    stream,
                    read: Bytes::new(),
                };
                let mut open = lock(&open);
                open.retain(|connection| !connection.is_finished());
                if open.len() < CONNECTIONS_MAX {
                    open.extend(shard.serve_exchanges(client, Exchange::counted(tally.clone())));
                }
            }
        });
        let testing = self.testing();
        let server = Server {
            port,
            level: testing.level(),
            answering,
            listening: listening.abort_handle(),
            connections,
        };
        lock(&testing.servers.0).push(server);
        Ok(json!(port).to_string())
    }
}
