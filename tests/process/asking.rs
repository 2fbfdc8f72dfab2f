//! The commands that ask a running `stead dev`: `call`, and those about stored objects.

use serde_json::{Value, json};

use crate::dev::{CONFIG, INDEX, Project, reloaded};
use crate::server::{Server, stead, temporary, text};

#[track_caller]
fn ask(args: &[&str]) -> Value {
    let finished = stead(args.iter().copied());
    serde_json::from_str(finished.printed()).expect("JSON")
}

/// A second worker, which has a class of the same name and one of its own.
const OTHER: &str = r#"{
  "name": "other",
  "main": "index.js",
  "compatibility_date": "2026-05-01",
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Tally", "Lone"] }]
}"#;
const OTHER_INDEX: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Tally extends DurableObject {
  calls = 0;
  async count() {
    const stored = (await this.ctx.storage.get("n")) ?? 0;
    await this.ctx.storage.put("n", stored + 100);
    return [stored + 100, ++this.calls];
  }
}
export class Lone extends DurableObject {
  hello() { return `hello from ${this.ctx.id.name}`; }
}
export default { fetch: () => new Response("other") };
"#;

#[test]
fn a_project_is_asked_by_its_folder_while_it_is_served_and_when_it_is_not() {
    let project = Project::tally();
    let folder = text(project.path()).to_owned();
    let count = || ask(&["call", &folder, "Tally", "a", "count"]);
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    assert_eq!(count(), 2);
    // The server's own code answers, as it is by now.
    project.write("src/step.ts", "export const step: number = 10;");
    server.logged(reloaded);
    assert_eq!(count(), 12);
    server.stop();
    assert_eq!(count(), 22);
    let missing = stead(["call", &folder, "Nothing", "a", "count"]);
    missing.failed(1, &["has no object class `Nothing`"]);
    let option = stead(["call", &folder, "Tally", "a", "count", "--env-file", "x"]);
    option.failed(2, &["`--env-file` is not for a project"]);
    let elsewhere = temporary();
    let nothing = stead(["call", text(elsewhere.path()), "Tally", "a", "count"]);
    nothing.failed(3, &["there is no `wrangler.json`"]);
}

#[test]
fn stored_objects_are_looked_at_and_taken_back_under_a_running_project() {
    let project = Project::tally();
    let folder = text(project.path()).to_owned();
    let server = Server::dev(project.path(), &[]);
    for count in 1..=3 {
        assert_eq!(server.get("/").text(), count.to_string());
    }
    let listed = ask(&["ls", &folder, "--json"]);
    assert_eq!(listed[0]["uniqueKey"], "tally-Tally", "{listed}");
    let moments = ask(&["history", &folder, "Tally/a", "--json"]);
    let moments = moments.as_array().expect("a list");
    assert_eq!(moments.len(), 3, "{moments:#?}");
    let out = project.path().join("a.sqlite");
    stead(["export", &folder, "Tally/a", text(&out)]).printed();
    let first = moments[0]["bookmark"].as_str().unwrap();
    stead(["restore", &folder, "Tally/a", "--at", first]).printed();
    assert_eq!(server.get("/").text(), "2");
    stead(["import", &folder, "Tally/a", text(&out)]).printed();
    assert_eq!(server.get("/").text(), "4");
    let verified = stead(["verify", &folder]);
    assert_eq!(verified.printed(), "1 object checked, all whole\n");
    // The code that a broken save left behind answers as well.
    project.write("src/step.ts", "export const step: number = ;");
    server.logged(|line| line["type"] == "problem");
    assert_eq!(ask(&["call", &folder, "Tally", "a", "count"]), 5);
    server.stop();
}

#[test]
fn a_renamed_class_is_found_by_its_name() {
    let project = Project::tally();
    let folder = text(project.path()).to_owned();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    let renamed =
        r#"["Tally"] }, { "tag": "v2", "renamed_classes": [{ "from": "Tally", "to": "Count" }] }"#;
    let config = CONFIG.replace(r#"["Tally"] }"#, renamed);
    let config = config.replace(r#""class_name": "Tally""#, r#""class_name": "Count""#);
    project.write("src/index.ts", &INDEX.replace("class Tally", "class Count"));
    project.write("wrangler.jsonc", &config);
    server.logged(reloaded);
    assert_eq!(server.get("/").text(), "2");
    let listed = stead(["ls", &folder]);
    assert!(listed.printed().starts_with("Count/"), "{listed:?}");
    let moments = ask(&["history", &folder, "Count/a", "--json"]);
    assert_eq!(moments.as_array().map(Vec::len), Some(2), "{moments}");
    server.stop();
}

#[test]
fn of_several_workers_the_one_that_is_named_is_asked() {
    let first = Project::tally();
    let second = Project::new(&[("wrangler.json", OTHER), ("index.js", OTHER_INDEX)]);
    let folder = text(first.path()).to_owned();
    let server = Server::dev_of(&[&folder, text(second.path())]);
    let call = |args: &[&str]| stead([&["call", folder.as_str()], args].concat());
    let both = call(&["Tally", "a", "count"]);
    both.failed(
        1,
        &["several workers have a class `Tally`", "`tally`, `other`"],
    );
    let of = |worker| ask(&["call", &folder, "Tally", "a", "count", "--worker", worker]);
    assert_eq!((of("tally"), of("other")), (json!(1), json!([100, 1])));
    assert_eq!(of("other"), json!([200, 2]));
    let lone = ask(&["call", &folder, "Lone", "x", "hello"]);
    assert_eq!(lone, "hello from x");
    let nobody = call(&["Tally", "a", "count", "--worker", "third"]);
    nobody.failed(1, &["has no worker `third`, only `tally`, `other`"]);

    let listed = stead(["ls", &folder]);
    let listed = listed.printed();
    assert!(
        listed.contains("tally-Tally/") && listed.contains("other-Tally/"),
        "{listed}"
    );
    stead(["history", &folder, "Tally/a"]).failed(2, &["`Tally` may be", "`--worker NAME`"]);
    let history = ["history", &folder, "Tally/a", "--json", "--worker", "other"];
    let moments = ask(&history);
    let first = moments[0]["bookmark"].as_str().unwrap();
    // The object is reset where it is, which is the second worker.
    let restore = ["restore", &folder, "other-Tally/a", "--at", first];
    stead(restore).printed();
    assert_eq!((of("tally"), of("other")), (json!(2), json!([200, 1])));
    server.stop();
}

#[test]
fn state_is_looked_at_while_no_code_runs() {
    let project = Project::tally();
    let folder = text(project.path()).to_owned();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    server.stop();
    project.write("src/step.ts", "export const step: number = ;");
    let server = Server::dev(project.path(), &[]);
    server.logged(|line| line["type"] == "problem");
    let listed = ask(&["ls", &folder, "--json"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let call = stead(["call", &folder, "Tally", "a", "count"]);
    call.failed(1, &["no code runs that could be called"]);
    project.write("src/step.ts", "export const step: number = 1;");
    server.logged(reloaded);
    assert_eq!(ask(&["call", &folder, "Tally", "a", "count"]), 2);
    server.stop();
}
