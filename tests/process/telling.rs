//! What `stead dev` tells of events that are no requests: alarms, and messages of sockets.

use serde_json::{Value, json};

use crate::dev::{CONFIG, Project};
use crate::server::Server;
use crate::websocket::Socket;

const TALKER: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Talker extends DurableObject {
  async fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, ["red"]);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket, message) {
    if (message === "throw") throw new Error("not this");
    socket.send(`${message}!`);
  }
  ring() {
    return this.ctx.storage.setAlarm(Date.now());
  }
  async alarm({ retryCount }) {
    if (retryCount === 0) throw new Error("the first time");
  }
}
export default {
  async fetch(request, env) {
    const talker = env.TALLY.getByName("a");
    if (new URL(request.url).pathname === "/ring") {
      await talker.ring();
      return new Response("set");
    }
    return talker.fetch(request);
  },
};
"#;

#[test]
fn lines_tell_of_alarms_and_of_sockets() {
    let project = Project::tally();
    project.write("wrangler.jsonc", &CONFIG.replace("Tally", "Talker"));
    project.write("src/index.ts", TALKER);
    let server = Server::dev(project.path(), &[]);
    let mut client = Socket::connect(&server, "/");
    client.say("hi");
    assert_eq!(client.hear(), "hi!");
    client.say("throw");
    let came = server.logged(|line| line["type"] == "message" && line["direction"] == "in");
    let facts = ["object", "kind", "bytes", "tags", "error"].map(|key| came[key].clone());
    let expect = [
        json!("Talker/a"),
        json!("text"),
        json!(2),
        json!(["red"]),
        Value::Null,
    ];
    assert_eq!(facts, expect, "{came}");
    assert!(came["ms"].is_number(), "{came}");
    let sent = server.logged(|line| line["type"] == "message" && line["direction"] == "out");
    assert_eq!(
        (&sent["bytes"], &sent["ms"]),
        (&json!(3), &Value::Null),
        "{sent}"
    );
    server.logged(|line| {
        let error = line["error"].as_str();
        line["type"] == "message" && error.is_some_and(|text| text.starts_with("Error: not this"))
    });
    client.close(4001, "bye");
    let closed = server.logged(|line| line["type"] == "close" && line["direction"] == "in");
    assert_eq!(
        (&closed["code"], &closed["reason"]),
        (&json!(4001), &json!("bye")),
        "{closed}"
    );
    assert_eq!(server.get("/ring").text(), "set");
    let threw = server.logged(|line| line["type"] == "alarm" && line["outcome"] == "threw");
    assert_eq!(
        (&threw["object"], &threw["retryCount"]),
        (&json!("Talker/a"), &json!(0))
    );
    assert!(
        threw["error"]
            .as_str()
            .unwrap()
            .starts_with("Error: the first time"),
        "{threw}"
    );
    let rang = server.logged(|line| line["type"] == "alarm" && line["outcome"] == "ok");
    assert_eq!(
        (&rang["retryCount"], &rang["error"]),
        (&json!(1), &Value::Null),
        "{rang}"
    );
    server.stop();
}

#[test]
fn a_flood_of_messages_is_summed_up() {
    let project = Project::tally();
    project.write("wrangler.jsonc", &CONFIG.replace("Tally", "Talker"));
    project.write("src/index.ts", TALKER);
    let server = Server::dev(project.path(), &[]);
    let mut client = Socket::connect(&server, "/");
    for round in 0..500 {
        client.say(&round.to_string());
        assert_eq!(client.hear(), format!("{round}!"));
    }
    let more = server.logged(|line| line["type"] == "more");
    assert!(more["messages"].as_u64() > Some(100), "{more}");
    server.interrupt();
    let lines = server.stopped_and_read();
    let told = |line: &&Value| line["type"] == "message" || line["type"] == "close";
    let printed = lines.iter().filter(told).count() as u64;
    let left_out: u64 = lines.iter().filter_map(|l| l["messages"].as_u64()).sum();
    // Each message came and was answered; the end of the socket may have been told, too.
    assert!(
        (1000..1003).contains(&(printed + left_out)),
        "{printed} + {left_out}"
    );
}
