//! `stead dev` with several workers: they reach each other by their bindings.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::server::{Server, stead, temporary, text};

const FRONT: &str = r#"{ "name": "front", "main": "index.ts", "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [
    { "name": "MINE", "class_name": "Mine" },
    { "name": "ROOM", "class_name": "Room", "script_name": "back" },
    { "name": "LOST_ROOM", "class_name": "Room", "script_name": "lost" } ] },
  "services": [
    { "binding": "BACK", "service": "back" },
    { "binding": "ADMIN", "service": "back", "entrypoint": "Admin", "props": { "who": "front", "n": 3 } },
    { "binding": "NO_SUCH", "service": "back", "entrypoint": "NoSuch" },
    { "binding": "SELF", "service": "front", "entrypoint": "Inner" },
    { "binding": "LOST", "service": "lost" } ],
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Mine"] }] }"#;

const FRONT_CODE: &str = r#"
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

export class Mine extends DurableObject {
  async viaObject(name: string) {
    return await this.env.ROOM.getByName(name).hello("Mine");
  }
}

export class Inner extends WorkerEntrypoint {
  ping() {
    return "pong";
  }
}

const told = async (run: () => unknown) => {
  try {
    return await run();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/fetch":
        return env.BACK.fetch(new Request("http://back/x?y=1", { method: "POST", body: "a body" }));
      case "/file":
        return env.BACK.fetch("http://back/file.txt");
      case "/calls":
        return Response.json([
          await env.ADMIN.add(1, 2),
          await env.ADMIN.props(),
          await env.SELF.ping(),
          await env.ADMIN.apply((x: number) => x * 2, 21),
          await env.ADMIN.counter().up(),
          await told(() => env.ADMIN.fail()),
        ]);
      case "/target": {
        using counter = await env.ADMIN.counter();
        await counter.up();
        return Response.json(await counter.up());
      }
      case "/stream":
        return new Response(await env.ADMIN.stream());
      case "/connect": {
        const read = (stub: any) => new Response(stub.connect("there:1").readable).text();
        return Response.json([
          await read(env.ADMIN),
          await read(env.ROOM.getByName("r")),
          await told(() => env.LOST.connect("there:1").opened),
        ]);
      }
      case "/objects":
        return Response.json([
          await env.ROOM.getByName("r").hello("front"),
          await env.MINE.getByName("m").viaObject("r"),
          await (await env.ROOM.getByName("r").fetch("http://x/")).text(),
          await (await env.ADMIN.room("r")).hello("stub"),
        ]);
      case "/lost": {
        const service = await env.LOST.fetch("http://x/");
        const object = await env.LOST_ROOM.getByName("x").fetch("http://x/");
        return Response.json([
          service.status,
          await service.text(),
          object.status,
          await object.text(),
          await told(() => env.LOST.method()),
          await told(() => env.LOST_ROOM.getByName("x").method()),
          await told(() => env.NO_SUCH.method()),
        ]);
      }
      case "/wait":
        return Response.json(await env.ADMIN.wait());
    }
    return new Response("front");
  },
};
"#;

const BACK: &str = r#"
name = "back"
main = "index.ts"
compatibility_date = "2026-01-01"
assets = { directory = "public" }

[vars]
WHOSE = "of back"

[[durable_objects.bindings]]
name = "ROOM"
class_name = "Room"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]
"#;

const BACK_CODE: &str = r#"
import { DurableObject, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

const VERSION = 1;

export class Room extends DurableObject {
  async hello(from: string) {
    const n = ((await this.ctx.storage.get<number>("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return `${from} ${n} v${VERSION}`;
  }
  fetch() {
    return new Response(`room ${this.ctx.id.name}`);
  }
  async connect(socket: any) {
    await socket.writable.getWriter().write(new TextEncoder().encode(`room ${this.ctx.id.name}`));
  }
}

class Counter extends RpcTarget {
  #n = 0;
  up() {
    return ++this.#n;
  }
}

export class Admin extends WorkerEntrypoint {
  add(a: number, b: number) {
    return a + b;
  }
  props() {
    return [this.ctx.props, this.env.WHOSE];
  }
  async apply(run: (x: number) => Promise<number>, x: number) {
    return await run(x);
  }
  counter() {
    return new Counter();
  }
  stream() {
    return new Response("a stream").body;
  }
  room(name: string) {
    return this.env.ROOM.getByName(name);
  }
  async connect(socket: any) {
    const said = `${(await socket.opened).localAddress} for ${this.ctx.props.who}`;
    await socket.writable.getWriter().write(new TextEncoder().encode(said));
  }
  fail() {
    throw new RangeError("back refuses");
  }
  async wait() {
    console.log("waiting");
    await new Promise((resolve) => setTimeout(resolve, 300));
    return `v${VERSION}`;
  }
}

export default {
  async fetch(request: Request) {
    return new Response(`${request.method} ${request.url} ${await request.text()}`);
  },
};
"#;

/// Two projects, side by side.
fn projects() -> TempDir {
    let folder = temporary();
    write(folder.path(), "front/wrangler.jsonc", FRONT);
    write(folder.path(), "front/index.ts", FRONT_CODE);
    write(folder.path(), "back/wrangler.toml", BACK);
    write(folder.path(), "back/index.ts", BACK_CODE);
    write(folder.path(), "back/public/file.txt", "a file of back");
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn serve(folder: &Path) -> Server {
    Server::dev(&folder.join("front"), &[text(&folder.join("back"))])
}

#[track_caller]
fn json(server: &Server, path: &str) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_str(answer.text()).unwrap()
}

#[test]
fn a_worker_is_fetched_and_called_by_its_service_bindings() {
    let folder = projects();
    let server = serve(folder.path());
    assert_eq!(server.get("/fetch").text(), "POST http://back/x?y=1 a body");
    assert_eq!(server.get("/file").text(), "a file of back");
    assert_eq!(
        json(&server, "/calls"),
        json!([3, [{ "who": "front", "n": 3 }, "of back"], "pong", 42, 1, "RangeError: back refuses"])
    );
    let unreachable = "Error: proxy request failed, cannot connect to the specified address";
    assert_eq!(
        json(&server, "/connect"),
        json!(["there:1 for front", "room r", unreachable])
    );
    assert_eq!(json(&server, "/target"), json!(2));
    assert_eq!(server.get("/stream").text(), "a stream");
    assert_eq!(server.ready["workers"][0]["name"], "back");
    server.stop();
}

#[test]
fn objects_of_another_worker_are_reached_and_stored_under_its_name() {
    let folder = projects();
    let server = serve(folder.path());
    assert_eq!(
        json(&server, "/objects"),
        json!(["front 1 v1", "Mine 2 v1", "room r", "stub 3 v1"])
    );
    server.stop();
    let state = folder.path().join("front/.stead/state");
    for name in ["front-Mine", "back-Room", "stead.clean"] {
        assert!(state.join(name).exists(), "{name}");
    }
    // Named by their files, as for wrangler, and from what was stored.
    let configs = ["front/wrangler.jsonc", "back/wrangler.toml"].map(|c| folder.path().join(c));
    let state = folder.path().join("elsewhere");
    fs::rename(folder.path().join("front/.stead/state"), &state).unwrap();
    let server = Server::dev_of(&[
        "-c",
        text(&configs[0]),
        "-c",
        text(&configs[1]),
        "--state",
        text(&state),
    ]);
    assert_eq!(json(&server, "/objects")[0], "front 4 v1");
    server.stop();
}

#[test]
fn a_worker_that_does_not_run_is_named_at_the_start_and_to_its_callers() {
    let folder = projects();
    let server = serve(folder.path());
    let lost = "Worker \"lost\" not found. Make sure it is running locally.";
    assert_eq!(
        json(&server, "/lost"),
        json!([
            503,
            lost,
            503,
            lost,
            format!("Error: {lost}"),
            format!("Error: {lost}"),
            "TypeError: The worker exports no entrypoint \"NoSuch\"."
        ])
    );
    let said = |text: &str| {
        server.logged(|line| {
            line["text"]
                .as_str()
                .is_some_and(|line| line.contains(text))
        });
    };
    said("`env.LOST` of `front` leads nowhere: the worker `lost` does not run here");
    said("`env.LOST_ROOM` of `front` leads nowhere");
    said("but \"back\" has no such named entrypoint.");
    server.stop();
}

#[test]
fn a_save_of_one_worker_leaves_the_others_running() {
    let folder = projects();
    let server = serve(folder.path());
    assert_eq!(json(&server, "/objects")[0], "front 1 v1");
    let code = BACK_CODE.replace("VERSION = 1", "VERSION = 2");
    std::thread::scope(|scope| {
        // A call that is under way is answered by the code that began it.
        let waiting = scope.spawn(|| json(&server, "/wait"));
        server.logged(|line| line["text"] == "waiting" || line["message"] == "waiting");
        write(folder.path(), "back/index.ts", &code);
        server.logged(|line| {
            line["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("reloaded in "))
        });
        assert_eq!(json(&server, "/objects")[0], "front 4 v2");
        assert_eq!(waiting.join().unwrap(), "v1");
    });
    // A save that does not load, and a change that starts the worker anew.
    write(folder.path(), "back/index.ts", "export const x = ;");
    server.logged(|line| line["type"] == "problem");
    assert_eq!(json(&server, "/objects")[0], "front 7 v2");
    let config = BACK.replace("tag = \"v1\"", "tag = \"v2\"");
    write(folder.path(), "back/wrangler.toml", &config);
    write(folder.path(), "back/index.ts", &code.replace('2', "3"));
    server.logged_times(2, |line| {
        line["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("reloaded in "))
    });
    assert_eq!(json(&server, "/objects")[0], "front 10 v3");
    server.stop();
}

#[test]
fn two_workers_of_one_name_are_refused() {
    let folder = projects();
    write(
        folder.path(),
        "back/wrangler.toml",
        &BACK.replace("\"back\"", "\"front\""),
    );
    let [front, back] = ["front", "back"].map(|name| folder.path().join(name));
    stead(["dev", text(&front), text(&back)]).failed(3, &["two workers are named `front`"]);
}
