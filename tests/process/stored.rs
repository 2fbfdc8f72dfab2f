//! The commands about stored objects, on a running server and on a state directory that nobody uses.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Finished, Server, fixture, stead, temporary, text};

/// The objects of tally.ts: `a` has counted to three, in three commits, and then set an alarm.
struct Objects {
    state: TempDir,
    /// None for a state directory that nobody uses.
    server: Option<Server>,
}

impl Objects {
    #[track_caller]
    fn new(is_running: bool) -> Objects {
        let state = temporary();
        let server = Server::start(&fixture("tally.ts"), state.path(), &[]);
        for count in 1..=3 {
            assert_eq!(server.get("/a/add").text(), count.to_string());
        }
        server.get("/a/alarm-in/3600000");
        let mut objects = Objects {
            state,
            server: Some(server),
        };
        if !is_running {
            objects.stop();
        }
        objects
    }

    #[track_caller]
    fn stop(&mut self) {
        self.server.take().expect("it runs").stop();
    }

    /// Runs `stead` with the state directory.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Finished {
        let place = ["--state", text(self.state.path())];
        stead(args.iter().copied().chain(place))
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let finished = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(finished.printed()).expect("JSON")
    }

    #[track_caller]
    fn history(&self, object: &str) -> Vec<Value> {
        let history = self.json(&["history", object]);
        history.as_array().expect("a list").clone()
    }

    /// What a method of an object returns, by the server or without one.
    #[track_caller]
    fn call(&self, name: &str, method: &str) -> Value {
        let tally = fixture("tally.ts");
        let finished = self.run(&["call", text(&tally), "Tally", name, method]);
        serde_json::from_str(finished.printed()).expect("JSON")
    }
}

fn bookmark(moment: &Value) -> &str {
    moment["bookmark"].as_str().expect("a bookmark")
}

#[track_caller]
fn check_restore(is_running: bool) {
    let objects = Objects::new(is_running);
    let moments = objects.history("Tally/a");
    assert_eq!(moments.len(), 4, "{moments:#?}");
    assert!(
        moments
            .iter()
            .all(|moment| moment["pages"].as_u64() > Some(0))
    );
    let first = bookmark(&moments[0]);

    let dry = objects.json(&["restore", "Tally/a", "--at", first, "--dry-run"]);
    assert_eq!(
        (&dry["to"]["bookmark"], &dry["undo"]),
        (&json!(first), &Value::Null)
    );
    assert!(dry["pages"].as_u64() > Some(0), "{dry}");
    assert_eq!(objects.call("a", "value"), 3);

    let restored = objects.run(&["restore", "Tally/a", "--at", first]);
    assert!(
        restored
            .printed()
            .contains("Tally/a is now what it was after")
    );
    assert_eq!(objects.call("a", "value"), 1);
    assert_eq!(objects.call("a", "alarmAt"), Value::Null);
    objects.run(&["restore", "Tally/a", "--undo"]).printed();
    assert_eq!(objects.call("a", "value"), 3);
    assert!(objects.call("a", "alarmAt").is_number());
    let undo = objects.json(&["restore", "Tally/a", "--undo"]);
    assert_eq!(objects.call("a", "value"), 1);
    // Each restore tells the bookmark that undoes it, and bookmarks of before stay valid.
    let undo = undo["undo"].as_str().expect("a bookmark");
    objects.run(&["restore", "Tally/a", "--at", undo]).printed();
    assert_eq!(objects.call("a", "value"), 3);
    objects
        .run(&["restore", "Tally/a", "--at", bookmark(&moments[1])])
        .printed();
    assert_eq!(objects.call("a", "add"), 3);
    let empty = objects.run(&["restore", "Tally/a", "--at", "1d"]);
    assert!(empty.printed().contains("is now empty"));
    assert_eq!(objects.call("a", "value"), 0);

    let restores = objects.history("Tally/a");
    let restores = restores.iter().filter(|moment| moment["isRestore"] == true);
    assert_eq!(restores.count(), 6);
}

#[test]
fn a_stored_object_goes_back_and_forth() {
    check_restore(false);
}

#[test]
fn an_object_of_a_running_server_goes_back_and_forth() {
    check_restore(true);
}

#[test]
fn what_was_restored_on_a_running_server_stays_after_a_kill() {
    let mut objects = Objects::new(true);
    let moments = objects.history("Tally/a");
    objects
        .run(&["restore", "Tally/a", "--at", bookmark(&moments[1])])
        .printed();
    objects.server.take().expect("it runs").kill();
    assert_eq!(objects.call("a", "value"), 2);
}

#[track_caller]
fn check_export_and_import(is_running: bool) {
    let objects = Objects::new(is_running);
    let folder = temporary();
    let (now, then) = (folder.path().join("now"), folder.path().join("then"));
    let (now, then) = (text(&now), text(&then));
    let first = objects.history("Tally/a")[0].clone();
    objects.run(&["export", "Tally/a", now]).printed();
    let exported = objects.json(&["export", "Tally/a", "--at", bookmark(&first), then]);
    assert_eq!(exported["bookmark"], first["bookmark"]);
    for file in [now, then] {
        assert!(fs::read(file).unwrap().starts_with(b"SQLite format 3\0"));
    }
    objects
        .run(&["export", "Tally/a", now])
        .failed(2, &["exists already"]);

    objects.run(&["import", "Tally/b", now]).printed();
    assert_eq!(objects.call("b", "value"), 3);
    assert!(objects.call("b", "alarmAt").is_number());
    let imported = objects.json(&["import", "Tally/b", then]);
    assert_eq!(objects.call("b", "value"), 1);
    let undo = imported["undo"].as_str().expect("a bookmark");
    objects.run(&["restore", "Tally/b", "--at", undo]).printed();
    assert_eq!(objects.call("b", "value"), 3);
}

#[test]
fn a_stored_object_is_exported_and_imported() {
    check_export_and_import(false);
}

#[test]
fn an_object_of_a_running_server_is_exported_and_imported() {
    check_export_and_import(true);
}

#[track_caller]
fn check_list_and_verify(is_running: bool) {
    let objects = Objects::new(is_running);
    objects.call("b", "add");
    let listed = objects.json(&["ls"]);
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 2, "{listed:#?}");
    for object in listed {
        assert_eq!(object["uniqueKey"], "tally-Tally");
        assert_eq!(object["damage"], Value::Null);
        assert!(object["bytes"].as_u64() >= Some(4096), "{object}");
        assert!(
            object["lastMs"].as_u64() > Some(1_600_000_000_000),
            "{object}"
        );
    }
    // Named by its id, an object is the same.
    let named = listed.iter().find(|object| object["name"] == "a");
    let id = named.expect("an alarm makes its name known")["id"].as_str();
    let by_id = objects.history(&format!("Tally/{}", id.unwrap()));
    assert_eq!(by_id, objects.history("Tally/a"));
    assert!(objects.run(&["ls"]).printed().contains("Tally/a "));

    // An object that was asked for and never stored anything is whole, too.
    objects.call("nobody", "value");
    let verified = objects.run(&["verify"]);
    assert!(verified.printed().contains("3 objects checked, all whole"));
    let one = objects.json(&["verify", "--object", "Tally/a"]);
    assert_eq!(one[0]["problems"], json!([]));
}

#[test]
fn stored_objects_are_listed_and_verified() {
    check_list_and_verify(false);
}

#[test]
fn objects_of_a_running_server_are_listed_and_verified() {
    check_list_and_verify(true);
}

#[test]
fn verify_finds_what_was_changed_behind_its_back() {
    let objects = Objects::new(false);
    let files = fs::read_dir(objects.state.path().join("tally-Tally")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_object = |file: &Path| {
        file.to_string_lossy().ends_with(".sqlite") && !file.ends_with("metadata.sqlite")
    };
    let file = files
        .into_iter()
        .find(|file| is_object(file))
        .expect("an object");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let verified = objects.run(&["verify"]);
    assert_eq!(verified.code, Some(5), "{verified:?}");
    assert!(
        verified.stdout.contains("1 object checked, 1 damaged"),
        "{verified:?}"
    );
}

#[track_caller]
fn check_refusals(is_running: bool) {
    let objects = Objects::new(is_running);
    objects.call("b", "add");
    let of_b = objects.history("Tally/b");
    let refused = |args: &[&str], texts: &[&str]| objects.run(args).failed(2, texts);
    refused(&["history", "Tally/nobody"], &["there is no object"]);
    refused(
        &["history", "Nothing/a"],
        &["no objects of a class `Nothing`", "tally-Tally"],
    );
    refused(&["history", "a"], &["`a` does not name an object"]);
    refused(&["restore", "Tally/a"], &["--at"]);
    refused(&["restore", "Tally/a", "--undo"], &["nothing to undo"]);
    refused(&["restore", "Tally/a", "--at", "soon"], &["how long ago"]);
    refused(&["restore", "Tally/a", "--at", bookmark(&of_b[0])], &[]);
    refused(&["import", "Tally/a", "/nowhere"], &["is not a file"]);
    refused(&["export", "Tally/a"], &["[FILE] OBJECT OUT"]);
    let tally = fixture("tally.ts");
    objects
        .run(&["import", "Tally/a", text(&tally)])
        .failed(5, &["not a database"]);
    assert_eq!(objects.call("a", "value"), 3);
}

#[test]
fn what_cannot_be_done_to_stored_objects_is_refused_and_changes_nothing() {
    check_refusals(false);
}

#[test]
fn what_cannot_be_done_on_a_running_server_is_refused_and_changes_nothing() {
    check_refusals(true);
}

#[test]
fn a_state_directory_that_does_not_exist_is_named() {
    stead(["ls", "--state", "/nowhere/at/all"]).failed(5, &["/nowhere/at/all", "does not exist"]);
    stead(["ls", "/nowhere/chat.ts"]).failed(5, &["/nowhere/.stead/chat", "does not exist"]);
}
