//! What the machine can do without a runtime: the same loops in plain Rust on SQLite, an
//! empty HTTP server, a loop of syncs.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, params};

use crate::http;

/// One figure: what, how many a second, and the rows of the table that it bounds.
pub struct Bound {
    pub title: &'static str,
    pub per_second: f64,
    pub row: &'static str,
}

/// Measures them all, each for about `duration`.
pub async fn measure(duration: Duration) -> io::Result<Vec<Bound>> {
    let directory = tempfile::tempdir()?;
    let hello = empty_server(duration).await?;
    let mut bounds = vec![Bound {
        title: "an empty hyper server, GET",
        per_second: hello,
        row: "hello",
    }];
    let sqlite = plain_sqlite(&directory.path().join("plain.sqlite"), duration);
    bounds.extend(sqlite.map_err(io::Error::other)?);
    bounds.push(Bound {
        title: "write of 4 KiB and fdatasync",
        per_second: syncs(&directory.path().join("log"), duration)?,
        row: "writes",
    });
    Ok(bounds)
}

async fn empty_server(duration: Duration) -> io::Result<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || serve(listener));
    let path = |_: usize, _: usize| "/".to_owned();
    http::load(address, 32, duration / 3, None, path).await?;
    Ok(http::load(address, 32, duration, None, path)
        .await?
        .per_second)
}

/// Serves until the process ends.
fn serve(listener: std::net::TcpListener) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
        while let Ok((stream, _)) = listener.accept().await {
            // As the runtimes do.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(async |_: Request<hyper::body::Incoming>| {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                // A client that goes away ends its connection.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// Calls `step` with 0, 1, 2 … until the time is over; the calls per second.
fn rate(
    duration: Duration,
    mut step: impl FnMut(i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<f64> {
    let begin = Instant::now();
    let mut n = 0;
    while begin.elapsed() < duration {
        for _ in 0..100 {
            step(n)?;
            n += 1;
        }
    }
    Ok(n as f64 / begin.elapsed().as_secs_f64())
}

/// The benchmark's tables and loops, with cached statements, in one transaction each.
fn plain_sqlite(path: &Path, duration: Duration) -> rusqlite::Result<Vec<Bound>> {
    const ROWS: i64 = 50_000;
    const KEYS: i64 = 20_000;
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER NOT NULL, bio TEXT);
         CREATE INDEX users_age ON users (age);
         CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
         BEGIN",
    )?;
    let insert = rate(duration, |n| {
        let mut insert =
            connection.prepare_cached("INSERT INTO users (name, age, bio) VALUES (?, ?, ?)")?;
        let name = format!("user {n}");
        insert.execute(params![name, n % 90, "a short biography of a user"])?;
        Ok(())
    })?;
    connection.execute("DELETE FROM users WHERE id > ?", [ROWS])?;
    let columns = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(i64, String, i64, String)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    };
    let point = rate(duration, |n| {
        let mut point = connection.prepare_cached("SELECT * FROM users WHERE id = ?")?;
        point.query_row([1 + n % ROWS], columns).map(drop)
    })?;
    let mut scan = connection.prepare("SELECT * FROM users")?;
    let begin = Instant::now();
    let mut scanned = 0u64;
    while begin.elapsed() < duration {
        for row in scan.query_map([], columns)? {
            drop(row?);
            scanned += 1;
        }
    }
    let scan = scanned as f64 / begin.elapsed().as_secs_f64();
    let value = [0x5a_u8; 24];
    let put = rate(duration, |n| {
        let mut put = connection.prepare_cached("INSERT OR REPLACE INTO _cf_KV VALUES (?, ?)")?;
        put.execute(params![format!("key:{}", n % KEYS), &value[..]])?;
        Ok(())
    })?;
    let get = rate(duration, |n| {
        let mut get = connection.prepare_cached("SELECT value FROM _cf_KV WHERE key = ?")?;
        let key = format!("key:{}", n % KEYS);
        get.query_row([key], |row| row.get::<_, Vec<u8>>(0))
            .map(drop)
    })?;
    let bound = |title, per_second, row| Bound {
        title,
        per_second,
        row,
    };
    Ok(vec![
        bound("SQLite in plain Rust: INSERT", insert, "insert"),
        bound("SQLite in plain Rust: SELECT by key", point, "point"),
        bound("SQLite in plain Rust: rows scanned", scan, "scan"),
        bound("SQLite in plain Rust: put of a value", put, "put"),
        bound("SQLite in plain Rust: get of a value", get, "get"),
    ])
}

fn syncs(path: &Path, duration: Duration) -> io::Result<f64> {
    let mut file = File::create(path)?;
    let page = [0x5a; 4096];
    let begin = Instant::now();
    let mut n = 0u64;
    while begin.elapsed() < duration {
        file.write_all(&page)?;
        file.sync_data()?;
        n += 1;
    }
    Ok(n as f64 / begin.elapsed().as_secs_f64())
}
