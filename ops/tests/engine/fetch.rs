//! Outgoing requests, against a server of our own.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use crate::fixture::compare;
use crate::fixture::run;
use crate::fixture::run_with;
use crate::fixture::table_module;

/// Serves for the rest of the process: what came in goes out again as text. `/redirect` sends to
/// `/target`.
fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    port
}

fn echo(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if head.starts_with("GET /redirect ") {
        let answer = "HTTP/1.1 302 Found\r\nlocation: /target\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return stream.write_all(answer.as_bytes()).ok();
    }
    let text = head + &String::from_utf8_lossy(&body);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .ok()
}

#[test]
fn requests_go_out_and_answers_come_in() {
    let port = echo_server();
    let table = [
        (
            "fetch(base + '/a?b').then((r) => r.text()).then((t) => t.split('\\r\\n')[0])",
            "GET /a?b HTTP/1.1",
        ),
        (
            "fetch(base, { method: 'POST', body: 'hello' }).then((r) => r.text()).then((t) => t.slice(-5))",
            "hello",
        ),
        (
            "fetch(new Request(base, { method: 'PUT', headers: { 'x-y': 'z' }, body: new Uint8Array([65]) })).then((r) => r.text()).then((t) => /x-y: z/.test(t) + t.at(-1))",
            "trueA",
        ),
        (
            "fetch(base).then((r) => [r.status, r.ok, r.headers.getSetCookie()].join(';'))",
            "200;true;a=1,b=2",
        ),
        (
            "fetch(base + '/redirect').then((r) => [r.redirected, new URL(r.url).pathname].join(';'))",
            "true;/target",
        ),
        (
            "fetch(base + '/redirect', { redirect: 'manual' }).then((r) => [r.status, r.headers.get('location')].join(';'))",
            "302;/target",
        ),
        (
            "fetch(base, { signal: AbortSignal.abort(new RangeError('stop')) })",
            "RangeError: stop",
        ),
        (
            "(async () => { let n = 0; for await (const chunk of (await fetch(base, { method: 'POST', body: 'y'.repeat(1e5) })).body) n += chunk.length; return n > 1e5; })()",
            "true",
        ),
        (
            "fetch('http://127.0.0.1:1/').then(() => 'open', (e) => e.message === 'Network connection lost.')",
            "true",
        ),
        // Neither a panic nor a hang: a server that does not speak TLS.
        (
            "fetch(base.replace('http', 'https')).then(() => 'open', (e) => e.message === 'Network connection lost.')",
            "true",
        ),
        ("fetch('data:text/plain,hi').then((r) => r.text())", "hi"),
        (
            "fetch('file:///etc/hostname').then(() => 'open', (e) => e instanceof TypeError)",
            "true",
        ),
        ("fetch('/relative')", "TypeError: Invalid URL: /relative"),
    ];
    let module = format!(
        "const base = 'http://127.0.0.1:{port}';\n{}",
        table_module(&table)
    );
    compare(&table, &run(&module));
}

#[test]
fn the_user_agent_is_the_host_s_choice() {
    let port = echo_server();
    let code = format!(
        "const text = await (await fetch('http://127.0.0.1:{port}/')).text();\n\
         console.log(/user-agent: .*/i.exec(text)?.[0].trim());"
    );
    let outcome = run_with(&code, |options| options.user_agent = "Stead".into());
    assert_eq!(outcome.lines, ["Log: user-agent: Stead"]);
}
