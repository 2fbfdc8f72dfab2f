//! Requests, sockets and the log of a running server.

use std::collections::BTreeSet;

use serde_json::json;

use crate::server::{Server, example, fixture, temporary, text};
use crate::websocket::Socket;

#[test]
fn the_chat_stores_and_finds_messages() {
    let state = temporary();
    let server = Server::start(&example("chat.ts"), state.path(), &[]);
    let page = server.get("/room/lobby");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().starts_with("<!doctype html>"));

    let posted = server.send(
        "POST",
        "/room/lobby/messages",
        r#"{"author":"ann","text":"hello"}"#,
    );
    assert_eq!(posted.status, 201);
    let two = r#"[{"author":"ben","text":"hi ann"},{"author":"ann","text":"hi ben"}]"#;
    assert_eq!(
        server.send("POST", "/room/lobby/messages", two).json(),
        json!({ "posted": 2 })
    );
    let texts = |messages: serde_json::Value| -> Vec<String> {
        let messages = messages.as_array().unwrap().iter();
        messages
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        texts(server.get("/room/lobby/messages").json()),
        ["hello", "hi ann", "hi ben"]
    );
    assert_eq!(
        texts(server.get("/room/lobby/search?q=BEN").json()["found"].take()),
        ["hi ben"]
    );
    assert_eq!(
        texts(server.get("/room/tea/messages").json()),
        [] as [&str; 0]
    );
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(
        server
            .send("POST", "/room/lobby/messages", r#"{"author":"ann"}"#)
            .status,
        400
    );
}

#[test]
fn two_people_chat_over_websockets() {
    let state = temporary();
    let server = Server::start(&example("chat.ts"), state.path(), &["--shards", "2"]);
    let mut ann = Socket::connect(&server, "/room/lobby/websocket?user=ann");
    assert_eq!(ann.hear_type("history")["messages"], json!([]));
    let mut ben = Socket::connect(&server, "/room/lobby/websocket?user=ben");
    ben.hear_type("history");

    ann.say(r#"{"text":"hello","nonce":"1"}"#);
    for socket in [&mut ann, &mut ben] {
        let message = socket.hear_type("message");
        assert_eq!(
            (&message["author"], &message["text"]),
            (&json!("ann"), &json!("hello"))
        );
    }
    ben.say(r#"{"text":"hi ann","nonce":"2"}"#);
    assert_eq!(ann.hear_type("message")["text"], "hi ann");
}

#[test]
fn a_file_without_a_default_export_has_a_front_door() {
    let state = temporary();
    let server = Server::start(&example("counter.ts"), state.path(), &[]);
    assert_eq!(server.ready["frontDoor"], true);
    for expect in ["1", "2"] {
        assert_eq!(server.send("POST", "/Counter/apples", "").text(), expect);
    }
    assert_eq!(server.get("/Counter/apples").text(), "2");
    assert_eq!(server.get("/Counter/pears").text(), "0");
    assert_eq!(server.send("DELETE", "/Counter/apples", "").status, 204);
    assert_eq!(server.get("/Counter/apples").text(), "0");
    assert_eq!(server.get("/NoSuchClass/apples").status, 404);
}

#[test]
fn many_clients_of_one_object_are_counted_one_by_one() {
    const CLIENTS: usize = 64;
    const EACH: usize = 8;
    let state = temporary();
    let server = Server::start(&fixture("tally.ts"), state.path(), &["--shards", "2"]);
    let answers: Vec<u64> = std::thread::scope(|scope| {
        let client = || -> Vec<u64> {
            let add = || server.get("/a/add").json().as_u64().unwrap();
            std::iter::repeat_with(add).take(EACH).collect()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<u64> = answers.into_iter().collect();
    assert_eq!(distinct, (1..=(CLIENTS * EACH) as u64).collect());
}

#[test]
fn variables_come_from_files_and_from_the_command_line() {
    let (tally, env_file) = (fixture("tally.ts"), fixture("variables.env"));
    let check = |options: &[&str], expect: &str| {
        let state = temporary();
        let server = Server::start(&tally, state.path(), options);
        assert_eq!(server.get("/greeting").text(), expect);
    };
    check(&[], "no greeting");
    check(&["--env-file", text(&env_file)], "hello from the file");
    check(
        &["--env-file", text(&env_file), "--var", "GREETING=a=b"],
        "a=b",
    );
}

#[test]
fn an_error_that_nobody_catches_is_a_500_and_names_the_users_own_line() {
    let state = temporary();
    let tally = fixture("tally.ts");
    let source = std::fs::read_to_string(&tally).unwrap();
    let place_of = |code: &str| {
        let line = 1 + source.lines().position(|line| line.contains(code)).unwrap();
        format!("tally.ts:{line}:")
    };
    let server = Server::start(&tally, state.path(), &[]);
    for (path, message, code) in [
        ("/throw", "Error: the handler gave up", "throw new Error"),
        (
            "/a/fail",
            "RangeError: a tally has an end",
            "throw new RangeError",
        ),
    ] {
        assert_eq!(server.get(path).status, 500);
        let place = place_of(code);
        server.logged(|line| {
            let text = line["text"].as_str().unwrap_or_default();
            line["type"] == "error" && text.contains(message) && text.contains(&place)
        });
    }
    assert_eq!(server.get("/a/add").text(), "1", "the object answers again");
}

#[test]
fn each_request_and_each_console_call_is_one_json_line() {
    let state = temporary();
    let server = Server::start(&fixture("tally.ts"), state.path(), &[]);
    server.get("/a/slow/0?x=1");
    let said = server.logged(|line| line["type"] == "console");
    assert_eq!(
        (&said["level"], &said["text"]),
        (&json!("log"), &json!("slow began"))
    );
    assert_eq!(said["object"], "Tally/a");
    let request = server.logged(|line| line["type"] == "request");
    assert_eq!(
        (&request["method"], &request["status"]),
        (&json!("GET"), &json!(200))
    );
    assert_eq!(request["path"], "/a/slow/0?x=1");
    assert_eq!(request["object"], "Tally/a");
    assert!(request["ms"].is_number() && request["time"].is_string());
}

#[test]
fn the_text_log_is_a_banner_and_one_line_per_request() {
    let state = temporary();
    let server = Server::start_with_text_log(&fixture("tally.ts"), state.path());
    assert_eq!(server.get("/a/add").text(), "1");
    let line_with = |all: &[&str]| {
        let line = server.logged(|line| {
            let line = line.as_str().unwrap_or_default();
            all.iter().all(|word| line.contains(word))
        });
        line.as_str().unwrap().to_owned()
    };
    line_with(&["stead", env!("CARGO_PKG_VERSION"), "ready in", "ms"]);
    line_with(&["objects", "Tally", "env.TALLY"]);
    line_with(&["state", text(state.path())]);
    line_with(&["shards"]);
    let request = line_with(&["GET", "/a/add"]);
    let words: Vec<_> = request.split_whitespace().collect();
    assert_eq!(words[..4], ["GET", "/a/add", "200", "Tally/a"]);
    assert_eq!(words[5..], ["ms"]);
}

#[test]
fn a_worker_is_a_client_of_other_servers() {
    let state = temporary();
    let server = Server::start(&fixture("client.ts"), state.path(), &[]);
    assert_eq!(
        server.get("/by-fetch").json(),
        json!({ "method": "POST", "header": "here", "body": "a body" })
    );
    let heard = json!(["echo hello", "bytes 3,2,1", "closed 4000 enough true"]);
    assert_eq!(server.get("/by-constructor").json(), heard);
    assert_eq!(server.get("/by-upgrade").json(), heard);
    let answer = server.get_with("/headers", &[("x-given", "caf\u{e9}")]);
    let back = answer.header("x-back").map(str::to_owned);
    assert_eq!(
        (answer.json(), back.as_deref()),
        (json!(4), Some("caf\u{e9} \u{65e5}\u{672c}"))
    );
    let heard_back = json!(["n\u{e9} \u{65e5} \u{65e5}\u{672c}", 4]);
    assert_eq!(server.get("/headers-by-fetch").json(), heard_back);
    let chosen = json!([[0, true, ""], [1, "fancy", ""]]);
    assert_eq!(server.get("/protocol").json(), chosen);
    assert_eq!(server.get("/refused").json(), json!(1006));
}
