//! What goes wrong before the first request: one clear message, an exit code, and nothing lost.

use std::net::TcpListener;

use crate::server::{Server, example, fixture, stead, temporary, text};

/// Runs a file that does not load.
#[track_caller]
fn check_does_not_load(name: &str, expect: &[&str]) {
    let state = temporary();
    stead([
        "run",
        text(&fixture("broken").join(name)),
        "--state",
        text(state.path()),
        "--port",
        "0",
    ])
    .failed(3, expect);
}

#[test]
fn a_missing_file_is_named() {
    check_does_not_load(
        "no-such-file.ts",
        &["no-such-file.ts", "does not exist", "help:"],
    );
}

#[test]
fn a_syntax_error_is_shown_with_its_line_and_column() {
    check_does_not_load(
        "syntax-error.ts",
        &["syntax-error.ts:5:29", "return new Response(\"hi\"];", "^"],
    );
}

#[test]
fn a_class_that_is_nothing_the_platform_knows_is_shown_with_its_place() {
    check_does_not_load(
        "class-without-extends.ts",
        &[
            "class-without-extends.ts:2:",
            "`Room`",
            "extends DurableObject",
        ],
    );
}

#[test]
fn code_that_does_not_load_on_every_shard_is_not_served() {
    let (state, moody) = (temporary(), fixture("broken/moody.ts"));
    let line = [
        "run",
        text(&moody),
        "--state",
        text(state.path()),
        "--port",
        "0",
        "--shards",
        "24",
        "--log-format",
        "json",
    ];
    // It was ready if only shards failed that nobody had waited for.
    let finished = std::iter::repeat_with(|| {
        let finished = stead(line);
        finished.failed(3, &["not today", "moody.ts:2"]);
        finished
    });
    let late = finished
        .take(40)
        .find(|finished| finished.stdout.contains("\"ready\""))
        .expect("the first shard's code loads in every second run");
    assert!(!late.stderr.contains("panicked"), "{}", late.stderr);
    assert!(state.path().join("stead.clean").exists());
}

#[test]
fn an_unknown_option_is_answered_with_the_nearest_one() {
    stead(["run", "chat.ts", "--prot", "1"]).failed(2, &["--prot", "--port"]);
}

#[test]
fn a_missing_argument_is_a_usage_error() {
    stead(["run"]).failed(2, &["FILE"]);
    stead(["call", "counter.ts", "Counter"]).failed(2, &["NAME", "METHOD"]);
}

#[test]
fn a_wrong_line_of_an_env_file_is_named() {
    let folder = temporary();
    let file = folder.path().join("wrong.env");
    std::fs::write(&file, "A=1\nhello\n").unwrap();
    let tally = fixture("tally.ts");
    let line = [
        "run",
        text(&tally),
        "--state",
        text(folder.path()),
        "--port",
        "0",
        "--env-file",
        text(&file),
    ];
    stead(line).failed(2, &["wrong.env:2", "`hello`", "help:"]);
}

#[test]
fn a_taken_port_is_named_and_no_data_is_lost() {
    let (state, tally) = (temporary(), fixture("tally.ts"));
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "1");
    server.stop();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = format!("port {port} on 127.0.0.1 is in use");
    stead([
        "run",
        text(&tally),
        "--state",
        text(state.path()),
        "--port",
        &port,
    ])
    .failed(4, &[&message, "--port"]);

    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a").text(), "1");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named() {
    // Below a regular file there can be no folder, for the administrator neither.
    let folder = temporary();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let state = file.join("state");
    let tally = fixture("tally.ts");
    stead(["run", text(&tally), "--state", text(&state), "--port", "0"])
        .failed(5, &[text(&state), "--state"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn a_state_directory_belongs_to_one_process_at_a_time() {
    let (state, tally) = (temporary(), fixture("tally.ts"));
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "1");
    stead([
        "run",
        text(&tally),
        "--state",
        text(state.path()),
        "--port",
        "0",
    ])
    .failed(5, &[text(state.path()), "in use", "--state"]);
    assert_eq!(server.get("/a/add").text(), "2");

    // A process that was killed holds nothing.
    server.kill();
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "3");
}

#[test]
fn problems_are_json_where_the_log_is() {
    let state = temporary();
    let line = [
        "run",
        "no-such-file.ts",
        "--state",
        text(state.path()),
        "--port",
        "0",
        "--log-format",
        "json",
    ];
    let finished = stead(line);
    finished.failed(3, &[]);
    let problem: serde_json::Value =
        serde_json::from_str(&finished.stderr).expect("one JSON object");
    assert_eq!(problem["type"], "problem");
    assert_eq!(problem["exitCode"], 3);
}

#[test]
fn the_banner_says_what_is_served_and_where() {
    let state = temporary();
    let server = Server::start(&example("chat.ts"), state.path(), &["--shards", "2"]);
    let ready = &server.ready;
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ready["objects"][0]["class"], "ChatRoom");
    let bindings = ready["objects"][0]["bindings"].as_array().unwrap();
    assert!(bindings.contains(&"CHAT_ROOM".into()), "{bindings:?}");
    assert_eq!(ready["objects"][0]["uniqueKey"], "chat-ChatRoom");
    assert_eq!(ready["state"], text(state.path()));
    assert_eq!(ready["shards"], 2);
    assert_eq!(ready["durability"], "strict");
    assert_eq!(ready["frontDoor"], false);
    assert!(ready["readyInMs"].as_f64().is_some_and(|ms| ms > 0.0));
}

#[test]
fn every_command_explains_itself_with_examples() {
    for command in ["run", "call", "test", "completions"] {
        let finished = stead([command, "--help"]);
        assert!(
            finished.printed().contains("Examples:\n  stead "),
            "{command}"
        );
    }
    let version = concat!("stead ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(stead(["--version"]).printed(), version);
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            stead(["completions", shell])
                .printed()
                .contains("durability"),
            "{shell}"
        );
    }
}
