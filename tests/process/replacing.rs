//! Every request that the server has accepted is answered, however often the isolates are replaced meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::http::{self, Connection};
use crate::server::DEADLINE;
use crate::updating::Reloaded;
use crate::websocket::Socket;

/// How often each test has the server load its code again.
const LOADS: usize = 12;
/// Requests of each client between two loads, at least.
const REQUESTS: usize = 40;

/// A worker that answers with the length of the body, which only some paths read, and objects that count.
const CODE: &str = r#"
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async fetch(request: Request) {
    const count = (await this.ctx.storage.get<number>("count") ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    if (request.headers.get("upgrade")) {
      console.log("upgrading");
      await scheduler.wait(300);
      const [client, server] = Object.values(new WebSocketPair());
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    return new Response(String(count));
  }
}

export default {
  async fetch(request: Request, env: { Counter: DurableObjectNamespace<Counter> }) {
    const path = new URL(request.url).pathname;
    if (path === "/read") return new Response(String((await request.text()).length));
    if (path === "/unread") return new Response("unread");
    if (path === "/streamed") return new Response(request.body, { headers: { "content-length": request.headers.get("content-length")! } });
    if (path.startsWith("/late")) {
      console.log("late began");
      await scheduler.wait(300);
      // Whichever shards they live on.
      const names = Array.from({ length: 8 }, (_, number) => `${path} ${number}`);
      const answers = names.map((name) => env.Counter.getByName(name).fetch("http://object/"));
      const texts = (await Promise.all(answers)).map((answer) => answer.text());
      return new Response((await Promise.all(texts)).join(""));
    }
    if (path === "/wait") await scheduler.wait(60);
    if (path === "/never") {
      console.log("never began");
      await new Promise(() => setInterval(() => {}, 1000));
    }
    if (path.startsWith("/counter")) return await env.Counter.getByName(path).fetch(request);
    return new Response("ok");
  },
};
"#;

/// Sends one request after the other until the work is over, and says how many were answered; fails with the first
/// one that was not.
fn ask(name: &str, working: &Work, mut one: impl FnMut() -> std::io::Result<u16>) {
    let _over = Over(working);
    while working.goes_on() {
        match one() {
            // An object that was still at work when the code was replaced once more may have been reset.
            Ok(200 | 500) => working.answered.fetch_add(1, Ordering::Relaxed),
            Ok(status) => panic!("{name}: status {status}"),
            Err(error) => panic!("{name}: a request was not answered: {error}"),
        };
    }
}

#[derive(Default)]
struct Work {
    over: AtomicBool,
    answered: AtomicUsize,
}

impl Work {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Ends the work of all when one has failed, or the test.
struct Over<'a>(&'a Work);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn keep_asking(address: SocketAddr, work: &Work, method: &str, path: &str, body: &str) {
    let mut connection = Connection::open(address).unwrap();
    ask(path, work, || {
        Ok(connection.send(method, path, body)?.status)
    });
}

/// Three requests with one write, then their answers.
fn keep_pipelining(address: SocketAddr, work: &Work) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    ask("pipelined", work, || {
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let all = [request("/"), request("/counter/p"), request("/")].concat();
        stream.write_all(all.as_bytes())?;
        for _ in 0..3 {
            let mut line = String::new();
            answers.read_line(&mut line)?;
            let status = line
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
            let mut length = 0;
            while line != "\r\n" {
                line.clear();
                if answers.read_line(&mut line)? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            answers.read_exact(&mut vec![0; length])?;
            if status != Some(200) {
                return Ok(status.unwrap_or(0));
            }
        }
        Ok(200)
    });
}

#[test]
fn every_request_is_answered_while_isolates_are_replaced() {
    let mut reloaded = Reloaded::start_with(CODE, &["--shards", "2"]);
    let address = reloaded.server.address;
    let work = Arc::new(Work::default());
    let body = "x".repeat(100_000);
    std::thread::scope(|scope| {
        let over = Over(&work);
        let kept = [
            ("GET", "/", ""),
            ("GET", "/counter/a", ""),
            ("GET", "/counter/b", ""),
            ("GET", "/wait", ""),
            ("POST", "/read", &body),
            ("POST", "/streamed", &body),
            ("POST", "/unread", "a few bytes"),
        ];
        let clients = kept.len() + 3;
        for (method, path, body) in kept {
            let work = &work;
            scope.spawn(move || keep_asking(address, work, method, path, body));
        }
        for path in ["/", "/counter/c"] {
            let work = &work;
            scope.spawn(move || {
                ask(path, work, || {
                    Ok(http::send(address, "POST", path, "in a new connection")?.status)
                });
            });
        }
        scope.spawn(|| keep_pipelining(address, &work));
        for _ in 0..LOADS {
            let enough = work.answered.load(Ordering::Relaxed) + clients * REQUESTS;
            reloaded.load(CODE);
            while work.answered.load(Ordering::Relaxed) < enough {
                assert!(work.goes_on(), "a client has failed");
                std::thread::yield_now();
            }
        }
        drop(over);
    });
}

#[test]
fn a_request_that_is_half_sent_when_the_isolate_is_replaced_is_answered() {
    let mut reloaded = Reloaded::start_with(CODE, &["--shards", "1"]);
    let mut stream = TcpStream::connect(reloaded.server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let request = "POST /read HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nabcde";
    let mut sent = 0;
    for at in [1, 20, request.len() - 6] {
        stream.write_all(&request.as_bytes()[sent..at]).unwrap();
        sent = at;
        // Another client has been served since, so the part has been read.
        assert_eq!(reloaded.server.get("/").text(), "ok");
        reloaded.load(CODE);
    }
    stream.write_all(&request.as_bytes()[sent..]).unwrap();
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
}

#[test]
fn a_request_that_does_not_end_is_refused_when_its_isolate_does() {
    let mut reloaded = Reloaded::start_with(CODE, &["--shards", "1"]);
    let address = reloaded.server.address;
    let mut connection = Connection::open(address).unwrap();
    let waiting = std::thread::spawn(move || {
        let status = connection.send("GET", "/never", "").unwrap().status;
        // The connection goes on.
        (status, connection.send("GET", "/", "").unwrap().status)
    });
    reloaded.server.logged(|line| line["text"] == "never began");
    reloaded.load(CODE);
    // What is left of the first isolate makes way for the third.
    reloaded.load(CODE);
    assert_eq!(waiting.join().unwrap(), (503, 200));
}

#[test]
fn sockets_on_their_way_to_their_objects_are_closed_with_1001_when_the_process_stops() {
    let reloaded = Reloaded::start_with(CODE, &["--shards", "2"]);
    let server = &reloaded.server;
    // On whose shards the objects live already: connections come to all shards.
    for object in 0..4 {
        assert_eq!(server.get(&format!("/counter/{object}")).text(), "1");
    }
    std::thread::scope(|scope| {
        let connect = |number: usize| {
            let path = format!("/counter/{}", number % 4);
            scope.spawn(move || Socket::connect(server, &path).close_code())
        };
        let clients: Vec<_> = (0..16).map(connect).collect();
        server.logged_times(clients.len(), |line| line["text"] == "upgrading");
        server.interrupt();
        for client in clients {
            assert_eq!(client.join().unwrap(), 1001);
        }
    });
}

#[test]
fn a_request_that_is_being_answered_may_call_any_object_while_the_process_stops() {
    let reloaded = Reloaded::start_with(CODE, &["--shards", "4"]);
    let address = reloaded.server.address;
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let path = format!("/late/{number}");
            std::thread::spawn(move || http::send(address, "GET", &path, ""))
        })
        .collect();
    reloaded
        .server
        .logged_times(clients.len(), |line| line["text"] == "late began");
    reloaded.server.interrupt();
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap().text(), "11111111");
    }
}
