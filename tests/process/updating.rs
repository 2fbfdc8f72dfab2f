//! New code in the place of what runs: `kill -HUP` has `stead run` load its file again.

use std::path::PathBuf;

use serde_json::json;

use crate::frames::{RawSocket, frame};
use crate::server::{Server, status_kib, temporary};
use crate::websocket::Socket;

/// An object and a worker that say their version, with one class more if `classes` asks for it.
fn code(version: u32) -> String {
    format!(
        r#"
import {{ DurableObject }} from "cloudflare:workers";

let requests = 0;

export class Room extends DurableObject {{
  #events = 0;

  async fetch(request: Request) {{
    const path = new URL(request.url).pathname;
    if (path.endsWith("/slow")) {{
      console.log("slow began");
      await scheduler.wait(300);
    }}
    if (path.endsWith("/forever")) {{
      console.log("forever began");
      await new Promise(() => setInterval(() => {{}}, 1000));
    }}
    const stored = (await this.ctx.storage.get<number>("stored") ?? 0) + 1;
    await this.ctx.storage.put("stored", stored);
    return Response.json([{version}, ++this.#events, stored]);
  }}

  async alarm() {{
    console.log("alarm of version {version}");
  }}
}}

export default {{
  async fetch(request: Request, env: {{ Room: DurableObjectNamespace<Room> }}) {{
    const path = new URL(request.url).pathname;
    if (path === "/requests") return Response.json([{version}, ++requests]);
    if (path === "/hang") for (;;);
    return await env.Room.getByName(path.split("/")[1]).fetch(request);
  }},
}};
"#
    )
}

/// A server whose file is loaded again and again.
pub struct Reloaded {
    pub server: Server,
    file: PathBuf,
    _state: tempfile::TempDir,
    loads: usize,
}

impl Reloaded {
    fn start(options: &[&str]) -> Reloaded {
        Reloaded::start_with(&code(1), options)
    }

    pub fn start_with(code: &str, options: &[&str]) -> Reloaded {
        let state = temporary();
        let file = state.path().join("room.ts");
        std::fs::write(&file, code).unwrap();
        let server = Server::start(&file, &state.path().join("state"), options);
        Reloaded {
            server,
            file,
            _state: state,
            loads: 0,
        }
    }

    pub fn load(&mut self, code: &str) {
        std::fs::write(&self.file, code).unwrap();
        self.server.hang_up();
        self.loads += 1;
        self.server.logged_times(self.loads, |line| {
            line["text"]
                .as_str()
                .is_some_and(|text| text.contains("was loaded again"))
        });
    }
}

#[test]
fn new_code_serves_and_objects_keep_what_they_stored() {
    let mut room = Reloaded::start(&["--shards", "2"]);
    assert_eq!(room.server.get("/a").json(), json!([1, 1, 1]));
    assert_eq!(room.server.get("/a").json(), json!([1, 2, 2]));
    room.load(&code(2));
    assert_eq!(room.server.get("/a").json(), json!([2, 1, 3]));
    assert_eq!(room.server.get("/requests").json(), json!([2, 1]));
}

#[test]
fn what_runs_is_finished_by_the_old_code() {
    let mut room = Reloaded::start(&["--shards", "2"]);
    let address = room.server.address;
    let slow = std::thread::spawn(move || crate::http::send(address, "GET", "/a/slow", ""));
    room.server.logged(|line| line["text"] == "slow began");
    room.load(&code(2));
    // The object's next event waits for the old instance to end.
    assert_eq!(room.server.get("/a").json(), json!([2, 1, 2]));
    assert_eq!(slow.join().unwrap().unwrap().json(), json!([1, 1, 1]));
    assert_eq!(room.server.get("/b").json(), json!([2, 1, 1]));
}

#[test]
fn code_that_does_not_load_changes_nothing() {
    let room = Reloaded::start(&[]);
    assert_eq!(room.server.get("/a").json(), json!([1, 1, 1]));
    let broken = [
        "export default {",
        "throw new Error('while loading');",
        "export {};",
    ];
    for (count, broken) in broken.iter().enumerate() {
        std::fs::write(&room.file, broken).unwrap();
        room.server.hang_up();
        let errors = count + 1;
        room.server
            .logged_times(errors, |line| line["type"] == "error");
    }
    assert_eq!(room.server.get("/a").json(), json!([1, 2, 2]));
}

#[test]
fn code_that_does_not_end_is_ended_by_the_next_update() {
    let mut room = Reloaded::start(&["--shards", "1"]);
    let address = room.server.address;
    let forever = std::thread::spawn(move || crate::http::send(address, "GET", "/a/forever", ""));
    room.server.logged(|line| line["text"] == "forever began");
    room.load(&code(2));
    // The third version ends the first, whatever that was doing.
    room.load(&code(3));
    assert_eq!(room.server.get("/a").json(), json!([3, 1, 1]));
    let cut = forever.join().unwrap();
    assert!(cut.is_err() || cut.unwrap().status == 500);
}

/// A room with sockets that says its version.
fn chat(version: u32) -> String {
    format!(
        r#"
import {{ DurableObject }} from "cloudflare:workers";

export class Chat extends DurableObject {{
  async fetch() {{
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, ["tag"]);
    server.serializeAttachment({{ joined: {version} }});
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    return new Response(null, {{ status: 101, webSocket: client }});
  }}

  async webSocketMessage(ws: WebSocket, message: string) {{
    if (message === "slow") await scheduler.wait(50);
    const {{ joined }} = ws.deserializeAttachment();
    ws.send(`${{message}} {version} ${{joined}} ${{this.ctx.getTags(ws)}} ${{this.ctx.getWebSockets().length}}`);
  }}
}}

export default {{
  async fetch(request: Request, env: {{ Chat: DurableObjectNamespace<Chat> }}) {{
    return await env.Chat.getByName(new URL(request.url).pathname).fetch(request);
  }},
}};
"#
    )
}

#[test]
fn sockets_stay_connected_to_their_objects() {
    let mut chat_room = Reloaded::start_with(&chat(1), &["--shards", "2"]);
    let mut clients: Vec<_> = (0..20)
        .map(|number| Socket::connect(&chat_room.server, &format!("/room-{}", number % 4)))
        .collect();
    let mut halved = RawSocket::connect(&chat_room.server, "/halved");
    let message = frame(0x81, b"in two halves");
    halved.send(&message[..7]);
    for version in 1..=10 {
        for client in &mut clients {
            client.say("slow");
            client.say("hello");
        }
        if version < 10 {
            // What was said just now is answered by this version or by the next.
            chat_room.load(&chat(version + 1));
        }
        for client in &mut clients {
            // The second handler does not wait for the first.
            let mut heard = [client.hear(), client.hear()];
            heard.sort_unstable();
            for (heard, said) in heard.iter().zip(["hello", "slow"]) {
                let right = |v: u32| *heard == format!("{said} {v} 1 tag 5");
                assert!(right(version) || right(version + 1), "{heard}");
            }
            client.say("ping");
            assert_eq!(client.hear(), "pong");
        }
    }
    halved.send(&message[7..]);
    let (_, heard) = halved.hear();
    assert_eq!(heard, b"in two halves 10 1 tag 1");
}

#[test]
fn sockets_of_a_class_that_is_gone_are_closed_with_1012() {
    let mut chat_room = Reloaded::start_with(&chat(1), &["--shards", "2"]);
    let mut client = Socket::connect(&chat_room.server, "/room");
    client.say("hello");
    assert_eq!(client.hear(), "hello 1 1 tag 1");
    chat_room.load(&code(2));
    assert_eq!(client.close_code(), 1012);
    assert_eq!(chat_room.server.get("/a").json(), json!([2, 1, 1]));
}

#[test]
fn memory_stays_flat_over_many_updates() {
    let mut room = Reloaded::start(&["--shards", "1"]);
    let mut first = 0;
    for version in 2..=160 {
        room.load(&code(version));
        assert_eq!(room.server.get("/a").json()[0], version);
        let resident = resident_kib(room.server.id());
        if version == 60 {
            first = resident;
        }
        if version % 20 == 0 {
            println!("after {version} versions: {} MiB", resident / 1024);
        }
    }
    let last = resident_kib(room.server.id());
    // A version that stayed would cost some megabytes each.
    assert!(last < first + 40 * 1024, "{first} KiB grew to {last} KiB");
}

fn resident_kib(process: u32) -> usize {
    status_kib(process, "VmRSS:")
}
