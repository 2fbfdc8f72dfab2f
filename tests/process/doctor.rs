//! `stead doctor`: what it finds, and that it changes nothing.

use std::fs;

use serde_json::Value;

use crate::dev::{CONFIG, INDEX, Project};
use crate::server::{Server, stead, text};

/// What is found, and the exit code.
#[track_caller]
fn examine(project: &Project, options: &[&str]) -> (Vec<Value>, Option<i32>) {
    let args = ["doctor", text(project.path()), "--json"];
    let finished = stead([&args, options].concat());
    let findings = serde_json::from_str(&finished.stdout);
    let findings: Value = findings.unwrap_or_else(|_| panic!("no JSON: {finished:?}"));
    (findings.as_array().unwrap().clone(), finished.code)
}

/// The finding that holds a text: how bad it is, and what to do.
#[track_caller]
fn find<'f>(findings: &'f [Value], text: &str) -> (&'f str, &'f str) {
    let holds = |finding: &&Value| finding["what"].as_str().unwrap().contains(text);
    let found = findings.iter().find(holds);
    let found = found.unwrap_or_else(|| panic!("nothing of `{text}`: {findings:#?}"));
    let todo = found["todo"].as_str().unwrap_or_default();
    (found["level"].as_str().unwrap(), todo)
}

#[test]
fn who_uses_the_state_and_the_port_is_told() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    let port = server.address.port().to_string();
    let (findings, code) = examine(&project, &["--port", &port]);
    let process = format!("by process {} (`", server.id());
    let in_use = find(&findings, &format!("is in use {process}"));
    assert_eq!(in_use.0, "note");
    assert!(in_use.1.contains("stop it before you start another"));
    let held = find(&findings, &format!("port {port} is held {process}"));
    assert!(held.0 == "note" && held.1.contains("--port 0"), "{held:?}");
    assert_eq!(code, Some(0));
    server.stop();
}

#[test]
fn looking_leaves_the_state_as_it_is() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    server.stop();
    let clean = |findings: &[Value]| find(findings, ": 1 object").0 == "fine";
    for _ in 0..2 {
        assert!(clean(&examine(&project, &[]).0));
    }
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "2");
    assert!(!server.has_logged(|line| line.to_string().contains("did not stop cleanly")));
    server.kill();
    for _ in 0..2 {
        let (findings, code) = examine(&project, &[]);
        let unclean = find(&findings, "did not stop cleanly");
        assert!(unclean.0 == "note" && code == Some(0), "{unclean:?}");
    }
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "3");
    server.stop();
}

#[test]
fn what_does_not_work_in_a_project_is_told_with_what_to_do() {
    let project = Project::tally();
    let config = CONFIG.replace(
        "\"vars\"",
        r#""compatibility_flags": ["no_nodejs_compat_v2", "sql_flag"],
  "services": [{ "binding": "USERS", "service": "users" }],
  "vars""#,
    );
    project.write("wrangler.jsonc", &config);
    project.write("src/index.ts", &INDEX.replace("class Tally", "class Other"));
    let package = r#"{ "dependencies": { "hono": "4" }, "devDependencies": { "@cloudflare/workers-types": "4" } }"#;
    project.write("package.json", package);
    let types = "node_modules/@cloudflare/workers-types/package.json";
    project.write(types, r#"{ "version": "4.20250101.0" }"#);
    let (findings, code) = examine(&project, &[]);
    assert_eq!(code, Some(3));
    for (what, level, todo) in [
        ("sql_flag", "wrong", "put `compatibility_date` and"),
        (
            "bound to the class `Tally`, which the code does not export",
            "wrong",
            "export it from",
        ),
        (
            "bindings lead to other workers: `users`",
            "note",
            "stead dev . ../users",
        ),
        (
            "the package `hono` is not installed",
            "wrong",
            "npm install",
        ),
        (
            "4.20250101.0 is older than the compatibility date",
            "note",
            "@latest",
        ),
        ("KV namespace", "note", "throws when it is used"),
        ("are free for state", "fine", ""),
    ] {
        let found = find(&findings, what);
        assert!(
            found.0 == level && found.1.contains(todo),
            "{what}: {found:?}"
        );
    }
    project.write("wrangler.jsonc", "{ \"name\": ");
    let (findings, code) = examine(&project, &[]);
    assert_eq!(
        (find(&findings, "wrangler.jsonc:1").0, code),
        ("wrong", Some(3))
    );
}

#[test]
fn an_object_that_a_damaged_journal_refuses_is_told() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    for count in 1..=3 {
        assert_eq!(server.get("/").text(), count.to_string());
    }
    server.kill();
    let journal = project.path().join(".stead/state/journal");
    let segments = fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let segment = segments.max_by_key(|segment| fs::metadata(segment).unwrap().len());
    let segment = segment.unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    // In the first record, with which the object began.
    bytes[3000] ^= 4;
    fs::write(&segment, bytes).unwrap();
    let server = Server::dev(project.path(), &[]);
    let (findings, code) = examine(&project, &["--port", "0"]);
    let damaged = find(&findings, "cannot be opened");
    assert!(
        damaged.0 == "wrong" && damaged.1.contains("stead restore"),
        "{damaged:?}"
    );
    assert_eq!(code, Some(3));
    server.stop();
}
