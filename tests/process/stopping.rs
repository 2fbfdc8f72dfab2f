//! Ctrl-C and kill -9: what was acknowledged is there after the next start.

use std::sync::mpsc;

use serde_json::json;

use crate::server::{Server, example, fixture, stead, temporary, text};
use crate::websocket::Socket;

const OBJECTS: [&str; 3] = ["a", "b", "c"];

/// Writes to several objects over HTTP and WebSockets, kills the process in the middle, starts it again and reads.
#[track_caller]
fn check_kill_keeps_what_was_acknowledged(options: &[&str]) {
    let state = temporary();
    let server = Server::start(&fixture("ledger.ts"), state.path(), options);
    let written = write_until_killed(server);

    let server = Server::start(&fixture("ledger.ts"), state.path(), options);
    for Writer {
        object,
        acknowledged,
        prefix,
    } in written
    {
        let entries = server.get(&format!("/{object}")).json();
        let entries = entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry.as_str().unwrap());
        let found: Vec<_> = entries.filter(|entry| entry.starts_with(&prefix)).collect();
        // The last write may have been stored without its answer having arrived.
        assert!(
            found.len() == acknowledged || found.len() == acknowledged + 1,
            "{prefix}: {acknowledged} acknowledged, {} found",
            found.len(),
        );
        for (index, entry) in found.iter().enumerate() {
            assert_eq!(*entry, format!("{prefix}{index}"));
        }
    }
}

struct Writer {
    object: &'static str,
    /// What each text of this writer begins with; a number follows.
    prefix: String,
    acknowledged: usize,
}

/// Two writers per object, each sending its next text when the one before is acknowledged, until the connection breaks.
fn write_until_killed(server: Server) -> Vec<Writer> {
    const BEFORE_THE_KILL: usize = 300;
    let (acknowledge, acknowledgements) = mpsc::channel();
    let mut writers = Vec::new();
    for object in OBJECTS {
        let address = server.address;
        let acknowledged = acknowledge.clone();
        writers.push(std::thread::spawn(move || {
            let prefix = format!("http {object} ");
            let path = format!("/{object}");
            let stored = |n: usize| {
                let answer = crate::http::send(address, "POST", &path, &format!("{prefix}{n}"));
                answer.is_ok_and(|answer| answer.status == 201)
            };
            let acknowledged = (0..)
                .take_while(|n| stored(*n) && acknowledged.send(()).is_ok())
                .count();
            Writer {
                object,
                prefix,
                acknowledged,
            }
        }));
        let mut socket = Socket::connect(&server, &format!("/{object}"));
        let acknowledged = acknowledge.clone();
        writers.push(std::thread::spawn(move || {
            let prefix = format!("socket {object} ");
            let mut stored = |n: usize| {
                let text = format!("{prefix}{n}");
                let answer = socket.try_say(&text).and_then(|()| socket.try_hear());
                answer.is_ok_and(|answer| answer == format!("stored {text}"))
            };
            let acknowledged = (0..)
                .take_while(|n| stored(*n) && acknowledged.send(()).is_ok())
                .count();
            Writer {
                object,
                prefix,
                acknowledged,
            }
        }));
    }
    drop(acknowledge);
    assert_eq!(
        acknowledgements.iter().take(BEFORE_THE_KILL).count(),
        BEFORE_THE_KILL
    );
    server.kill();
    // The channel stays open, so that the writers count every answer that still arrived.
    let written = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    drop(acknowledgements);
    written
}

#[test]
fn kill_keeps_every_acknowledged_write() {
    check_kill_keeps_what_was_acknowledged(&["--shards", "2"]);
}

#[test]
fn kill_keeps_every_acknowledged_write_with_relaxed_durability_too() {
    check_kill_keeps_what_was_acknowledged(&["--shards", "2", "--durability", "relaxed"]);
}

#[test]
fn kill_keeps_the_chat() {
    let state = temporary();
    let chat = example("chat.ts");
    let server = Server::start(&chat, state.path(), &[]);
    let mut ann = Socket::connect(&server, "/room/lobby/websocket?user=ann");
    for n in 0..20 {
        ann.say(&json!({ "text": format!("message {n}"), "nonce": n.to_string() }).to_string());
        ann.hear_type("message");
    }
    server.kill();

    let server = Server::start(&chat, state.path(), &[]);
    let messages = server.get("/room/lobby/messages").json();
    let texts: Vec<_> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].clone())
        .collect();
    let expect: Vec<_> = (0..20).map(|n| json!(format!("message {n}"))).collect();
    assert_eq!(texts, expect);
}

#[test]
fn killing_again_and_again_loses_nothing() {
    let state = temporary();
    for round in 1..=5 {
        let server = Server::start(&fixture("tally.ts"), state.path(), &[]);
        assert_eq!(server.get("/a/add").text(), round.to_string());
        server.kill();
    }
}

#[test]
fn ctrl_c_closes_sockets_with_1001_and_keeps_everything() {
    let state = temporary();
    let ledger = fixture("ledger.ts");
    let server = Server::start(&ledger, state.path(), &["--shards", "2"]);
    let mut sockets: Vec<_> = OBJECTS
        .iter()
        .map(|object| Socket::connect(&server, &format!("/{object}")))
        .collect();
    sockets[0].say("one");
    assert_eq!(sockets[0].hear(), "stored one");

    server.interrupt();
    for socket in &mut sockets {
        assert_eq!(socket.close_code(), 1001);
    }
    assert_eq!(server.ended(), 0);

    let server = Server::start(&ledger, state.path(), &[]);
    assert_eq!(server.get("/a").json(), json!(["one"]));
}

#[test]
fn ctrl_c_lets_a_running_request_end() {
    let state = temporary();
    let tally = fixture("tally.ts");
    let server = Server::start(&tally, state.path(), &[]);
    let answer = std::thread::scope(|scope| {
        let request = scope.spawn(|| server.get("/a/slow/500"));
        server.logged(|line| line["text"] == "slow began");
        server.interrupt();
        request.join().unwrap()
    });
    assert_eq!(answer.text(), "slow ended");
    assert_eq!(server.ended(), 0);
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/slow-has-ended").text(), "true");
}

/// Sets an alarm, ends the process with `end` before it is due, and sees it fire after the next start.
#[track_caller]
fn check_alarm_survives(end: impl FnOnce(Server)) {
    let state = temporary();
    let start = |run: &str| Server::start(&fixture("tally.ts"), state.path(), &["--var", run]);
    let server = start("RUN=1");
    assert_eq!(server.get("/a/alarm-in/1500").text(), "set in run 1");
    end(server);
    // Nobody asks for the object after the start: its alarm alone wakes it.
    let server = start("RUN=2");
    server.logged(|line| line["text"] == "fired in run 2");
    assert_eq!(server.get("/a/alarm-story").text(), "fired in run 2");
}

#[test]
fn an_alarm_set_before_a_kill_fires_after_the_next_start() {
    check_alarm_survives(Server::kill);
}

#[test]
fn an_alarm_set_before_ctrl_c_fires_after_the_next_start() {
    check_alarm_survives(Server::stop);
}

#[test]
fn a_start_without_the_last_part_of_the_journal_is_refused() {
    let state = temporary();
    let tally = fixture("tally.ts");
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "1");
    server.kill();
    let journal = std::fs::read_dir(state.path().join("journal")).unwrap();
    let mut segments: Vec<_> = journal.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let last = segments.pop().unwrap();
    let kept = state.path().join("kept");
    std::fs::rename(&last, &kept).unwrap();
    let line = [
        "run",
        text(&tally),
        "--state",
        text(state.path()),
        "--port",
        "0",
    ];
    let words = [
        text(&last),
        "is missing",
        "put the file back",
        "stead.segment",
    ];
    stead(line).failed(5, &words);
    std::fs::rename(&kept, &last).unwrap();
    let server = Server::start(&tally, state.path(), &[]);
    assert_eq!(server.get("/a/add").text(), "2");
}
