//! What is measured: the rows of the table, each with the ratio it must reach and with
//! what limits Stead there.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http::{self, Connection};
use crate::peer::{Programs, Runtime, Server};
use crate::socket::Socket;

/// One line of the table.
pub struct Row {
    /// Short, for `--row`.
    pub name: &'static str,
    /// What it measures, for people.
    pub title: &'static str,
    /// What a figure of it counts.
    pub unit: &'static str,
    /// The least ratio, Stead's figure by workerd's; for [`Better::Less`] the greatest.
    pub target: f64,
    /// Which way is better.
    pub better: Better,
    /// What takes Stead's time.
    pub limit: &'static str,
    /// How to measure it.
    pub measure: Measure,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// A rate.
    More,
    /// A time or a size.
    Less,
}

/// How a row is measured.
#[derive(Clone, Copy, Debug)]
pub enum Measure {
    /// GET requests of a path from 32 connections, spread over so many objects.
    Requests { path: &'static str, objects: usize },
    /// One GET of `path` that does `n` operations, after one of `prepare`.
    Operations {
        prepare: &'static str,
        path: &'static str,
        n: u64,
        /// Operations that one of `n` stands for.
        each: u64,
    },
    /// Messages echoed on so many sockets.
    Echo { sockets: usize },
    /// Messages delivered to so many sockets of one object.
    Broadcast { sockets: usize },
    /// Alarms of so many objects, each of which sets the next one.
    Alarms { objects: usize },
    /// Process start to the first answer.
    Start,
    /// Memory of the process before anything was asked.
    MemoryAtRest,
    /// Memory of each of so many objects that have answered a call.
    MemoryPerObject { objects: usize },
    /// Memory of each of so many sockets whose object has left memory.
    MemoryPerSocket { sockets: usize },
}

const CONNECTIONS: usize = 32;
/// After this long without work an object has left memory, on both runtimes.
const ASLEEP_AFTER: Duration = Duration::from_secs(13);

/// This long after its first answers a process is at rest.
const AT_REST_AFTER: Duration = Duration::from_secs(2);

const fn row(
    name: &'static str,
    title: &'static str,
    target: f64,
    limit: &'static str,
    measure: Measure,
) -> Row {
    Row {
        name,
        title,
        unit: "1/s",
        target,
        better: Better::More,
        limit,
        measure,
    }
}

const fn requests(path: &'static str, objects: usize) -> Measure {
    Measure::Requests { path, objects }
}

const fn operations(prepare: &'static str, path: &'static str, n: u64) -> Measure {
    Measure::Operations {
        prepare,
        path,
        n,
        each: 1,
    }
}

const fn sizes(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    target: f64,
    measure: Measure,
) -> Row {
    Row {
        name,
        title,
        unit,
        target,
        better: Better::Less,
        limit: "",
        measure,
    }
}

const FILL: &str = "/refill?n=50000";
const KEYS: &str = "/kvPut?n=20000";
const ASYNC_KEYS: &str = "/asyncPut?n=20000";

/// The table.
pub const ROWS: &[Row] = &[
    row(
        "hello",
        "hello: a GET of the worker",
        3.0,
        "HTTP parsing and system calls",
        requests("/hello", 1),
    ),
    row(
        "object",
        "GET that reaches one object",
        2.5,
        "one thread runs the object",
        requests("/fetch/ok", 1),
    ),
    row(
        "objects",
        "GET that reaches one of 64 objects",
        3.0,
        "calls between shards",
        requests("/fetch/ok", 64),
    ),
    row(
        "write",
        "durable INSERT per request, one object",
        4.0,
        "the disk's sync",
        requests("/fetch/write", 1),
    ),
    row(
        "writes",
        "durable INSERT per request, 64 objects",
        6.0,
        "the disk's sync",
        requests("/fetch/write", 64),
    ),
    row(
        "rpc",
        "RPC, one call after the other",
        2.0,
        "two structured clones a call",
        operations("/hello", "/echo", 20_000),
    ),
    Row {
        measure: Measure::Operations {
            prepare: "/fan?n=500",
            path: "/fan",
            n: 500,
            each: 1,
        },
        ..row(
            "fan",
            "RPC to 500 objects at once",
            3.0,
            "two structured clones a call",
            Measure::Start,
        )
    },
    row(
        "insert",
        "SQL: INSERT",
        3.0,
        "SQLite, and the step into it",
        operations("/refill?n=1", "/sqlInsert", 100_000),
    ),
    row(
        "point",
        "SQL: SELECT by key",
        2.0,
        "SQLite, and making the row",
        operations(FILL, "/sqlPoint", 50_000),
    ),
    Row {
        measure: Measure::Operations {
            prepare: FILL,
            path: "/sqlScan",
            n: 10,
            each: 50_000,
        },
        ..row(
            "scan",
            "SQL: rows scanned into objects",
            3.0,
            "making strings and objects",
            Measure::Start,
        )
    },
    Row {
        measure: Measure::Operations {
            prepare: FILL,
            path: "/sqlScanRaw",
            n: 10,
            each: 50_000,
        },
        ..row(
            "raw",
            "SQL: rows scanned into arrays",
            2.5,
            "making strings and arrays",
            Measure::Start,
        )
    },
    row(
        "transaction",
        "SQL: transactionSync with an UPDATE",
        2.0,
        "SQLite's savepoints",
        operations(FILL, "/transactions", 50_000),
    ),
    row(
        "put",
        "KV: kv.put",
        2.0,
        "structured clone, SQLite",
        operations("/hello", "/kvPut", 100_000),
    ),
    row(
        "get",
        "KV: kv.get",
        1.5,
        "structured clone, SQLite",
        operations(KEYS, "/kvGet", 20_000),
    ),
    Row {
        measure: Measure::Operations {
            prepare: KEYS,
            path: "/kvLists",
            n: 10,
            each: 20_000,
        },
        ..row(
            "list",
            "KV: entries of kv.list",
            1.5,
            "structured clone, SQLite",
            Measure::Start,
        )
    },
    row(
        "async-put",
        "KV: await put",
        2.0,
        "promises, structured clone, SQLite",
        operations("/hello", "/asyncPut", 100_000),
    ),
    row(
        "async-get",
        "KV: await get",
        2.0,
        "promises, structured clone, SQLite",
        operations(ASYNC_KEYS, "/asyncGet", 20_000),
    ),
    row(
        "echo",
        "WebSocket: echo on 100 sockets",
        2.5,
        "system calls",
        Measure::Echo { sockets: 100 },
    ),
    row(
        "broadcast",
        "WebSocket: one sender to 1,000 receivers",
        3.0,
        "system calls",
        Measure::Broadcast { sockets: 1_000 },
    ),
    row(
        "alarms",
        "alarms fired",
        3.0,
        "the disk's sync",
        Measure::Alarms { objects: 64 },
    ),
    sizes(
        "start",
        "process start to the first answer",
        "ms",
        1.0 / 1.5,
        Measure::Start,
    ),
    sizes("memory", "memory at rest", "MB", 1.0, Measure::MemoryAtRest),
    sizes(
        "memory-object",
        "memory per resident object",
        "KB",
        0.5,
        Measure::MemoryPerObject { objects: 2_000 },
    ),
    sizes(
        "memory-socket",
        "memory per hibernated socket",
        "KB",
        0.5,
        Measure::MemoryPerSocket { sockets: 2_000 },
    ),
];

impl Row {
    /// Measures it once.
    pub async fn measure(
        &self,
        runtime: Runtime,
        programs: &Programs,
        duration: Duration,
    ) -> io::Result<f64> {
        let server = Server::start(runtime, programs)?;
        let address = server.address();
        match self.measure {
            Measure::Requests { path, objects } => {
                let path = move |connection: usize, n: usize| {
                    let object = (connection + n * CONNECTIONS) % objects;
                    format!("{path}?object={object}")
                };
                let warm = duration / 3;
                http::load(address, CONNECTIONS, warm, None, path).await?;
                let load = http::load(address, CONNECTIONS, duration, None, path).await?;
                Ok(load.per_second)
            }
            Measure::Operations {
                prepare,
                path,
                n,
                each,
            } => {
                let one = operations_per_second(address, prepare, path, n, duration).await?;
                Ok(one * each as f64)
            }
            Measure::Echo { sockets } => echo(address, sockets, duration).await,
            Measure::Broadcast { sockets } => broadcast(address, sockets, duration).await,
            Measure::Alarms { objects } => alarms(address, objects, duration).await,
            Measure::Start => {
                drop(server);
                start(runtime, programs).await
            }
            Measure::MemoryAtRest => {
                answer(address, "/hello").await?;
                tokio::time::sleep(AT_REST_AFTER).await;
                Ok(server.resident_bytes()? as f64 / 1e6)
            }
            Measure::MemoryPerObject { objects } => {
                answer(address, "/fan?n=50&object=warm").await?;
                let before = server.resident_bytes()?;
                answer(address, &format!("/fan?n={objects}")).await?;
                let after = server.resident_bytes()?;
                Ok(after.saturating_sub(before) as f64 / objects as f64 / 1e3)
            }
            Measure::MemoryPerSocket { sockets } => {
                let _warm = open_sockets(address, 50).await?;
                let before = server.resident_bytes()?;
                let _open = open_sockets(address, sockets).await?;
                tokio::time::sleep(ASLEEP_AFTER).await;
                let after = server.resident_bytes()?;
                Ok(after.saturating_sub(before) as f64 / sockets as f64 / 1e3)
            }
        }
    }
}

/// One GET, whose answer must be 200.
pub async fn answer(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let (status, body) = Connection::open(address).await?.get(path).await?;
    match status {
        200 => Ok(body),
        _ => {
            let text = String::from_utf8_lossy(&body).into_owned();
            Err(io::Error::other(format!(
                "{path} answered {status}: {text}"
            )))
        }
    }
}

/// Asks for `n` operations at a time, for as long as a measurement takes.
async fn operations_per_second(
    address: SocketAddr,
    prepare: &str,
    path: &str,
    n: u64,
    duration: Duration,
) -> io::Result<f64> {
    answer(address, prepare).await?;
    // The first run compiles.
    answer(address, &format!("{path}?n={}", n.div_ceil(10))).await?;
    let begin = Instant::now();
    let mut done = 0;
    while done == 0 || begin.elapsed() < duration {
        answer(address, &format!("{path}?n={n}")).await?;
        done += n;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

async fn open_sockets(address: SocketAddr, n: usize) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(n);
    for _ in 0..n {
        sockets.push(Socket::open(address, "/fetch/socket?object=sockets").await?);
    }
    Ok(sockets)
}

async fn echo(address: SocketAddr, sockets: usize, duration: Duration) -> io::Result<f64> {
    let sockets = open_sockets(address, sockets).await?;
    let begin = Instant::now();
    let tasks = tokio::task::LocalSet::new();
    let handles: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            tasks.spawn_local(async move {
                let mut echoed = 0u64;
                while begin.elapsed() < duration {
                    socket.send("a short message").await?;
                    socket.receive().await?;
                    echoed += 1;
                }
                io::Result::Ok(echoed)
            })
        })
        .collect();
    tasks.await;
    sum(handles, begin).await
}

/// The first socket asks for a message to all, and again when it has got it.
async fn broadcast(address: SocketAddr, sockets: usize, duration: Duration) -> io::Result<f64> {
    let mut sockets = open_sockets(address, sockets).await?;
    let begin = Instant::now();
    let mut delivered = 0u64;
    while begin.elapsed() < duration {
        sockets[0].send("all").await?;
        for socket in &mut sockets {
            socket.receive().await?;
            delivered += 1;
        }
    }
    Ok(delivered as f64 / begin.elapsed().as_secs_f64())
}

async fn alarms(address: SocketAddr, objects: usize, duration: Duration) -> io::Result<f64> {
    answer(address, &format!("/alarmsStart?n={objects}")).await?;
    tokio::time::sleep(duration / 3).await;
    let fired = async || {
        let body = answer(address, &format!("/alarmsFired?n={objects}")).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        text.parse::<f64>().map_err(io::Error::other)
    };
    let (begin, before) = (Instant::now(), fired().await?);
    tokio::time::sleep(duration).await;
    let after = fired().await?;
    Ok((after - before) / begin.elapsed().as_secs_f64())
}

/// Milliseconds from the start of a process on state that exists to its first answer.
async fn start(runtime: Runtime, programs: &Programs) -> io::Result<f64> {
    let server = Server::start(runtime, programs)?;
    answer(server.address(), "/fetch/write?object=one").await?;
    let server = server.restart(runtime, programs)?;
    answer(server.address(), "/fetch/read?object=one").await?;
    Ok(server.started().elapsed().as_secs_f64() * 1e3)
}

async fn sum(
    handles: Vec<tokio::task::JoinHandle<io::Result<u64>>>,
    begin: Instant,
) -> io::Result<f64> {
    let mut sum = 0;
    for handle in handles {
        sum += handle.await.map_err(io::Error::other)??;
    }
    Ok(sum as f64 / begin.elapsed().as_secs_f64())
}
