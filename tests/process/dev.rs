//! `stead dev`: a project's configuration, and what happens when its files change.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Server, stead, temporary, text};

const CONFIG: &str = r#"{
  "name": "tally",
  "main": "src/index.ts",
  "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "TALLY", "class_name": "Tally" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Tally"] }],
  "vars": { "GREETING": "hi", "LIMITS": { "max": 3 } },
  "kv_namespaces": [{ "binding": "CACHE", "id": "1" }]
}"#;

const INDEX: &str = r#"
import { DurableObject } from "cloudflare:workers";
import { step } from "./step";

export class Tally extends DurableObject {
  async count() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + step;
    await this.ctx.storage.put("n", n);
    return n;
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/vars") return Response.json([env.GREETING, env.LIMITS.max, env.SECRET]);
    if (pathname === "/names") return Response.json(Object.keys(env).sort());
    if (pathname === "/missing") {
      try {
        return new Response(await env.CACHE.get("x"));
      } catch (error) {
        return new Response(error.message);
      }
    }
    return Response.json(await env.TALLY.getByName("a").count());
  },
};
"#;

/// A project in a folder of its own.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let project = Project(temporary());
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    /// One object class, two modules.
    fn tally() -> Project {
        Project::new(&[
            ("wrangler.jsonc", CONFIG),
            ("src/index.ts", INDEX),
            ("src/step.ts", "export const step: number = 1;"),
            (".dev.vars", "SECRET=hush"),
        ])
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

fn reloaded(line: &Value) -> bool {
    note(line, "reloaded in ")
}

fn note(line: &Value, start: &str) -> bool {
    let text = line["text"].as_str();
    line["type"] == "note" && text.is_some_and(|text| text.starts_with(start))
}

#[test]
fn env_holds_what_the_configuration_and_the_secrets_say() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/vars").text(), r#"["hi",3,"hush"]"#);
    assert_eq!(
        server.get("/names").text(),
        r#"["CACHE","GREETING","LIMITS","SECRET","TALLY"]"#
    );
    assert_eq!(
        server.get("/missing").text(),
        "env.CACHE (KV namespace) is not implemented in Stead yet."
    );
    assert_eq!(server.get("/").text(), "1");
    assert!(project.path().join(".stead/state/tally-Tally").is_dir());
    let bindings = server.ready["bindings"].as_array().unwrap();
    assert!(
        bindings
            .iter()
            .any(|line| line["name"] == "SECRET" && line["kind"] == "secret")
    );
    server.stop();
}

#[test]
fn a_save_is_served_and_storage_stays() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    project.write("src/step.ts", "export const step: number = 10;");
    server.logged(reloaded);
    assert_eq!(server.get("/").text(), "11");
    server.stop();
}

#[test]
fn a_broken_save_leaves_the_old_code_serving_until_the_next_good_one() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    project.write("src/step.ts", "export const step: number = ;");
    let problem = server.logged(|line| line["type"] == "problem");
    let place = problem["place"].as_str().unwrap();
    assert!(place.ends_with("src/step.ts:1:29"), "{problem}");
    assert_eq!(server.get("/").text(), "1");
    project.write(
        "src/step.ts",
        "throw new Error('while loading'); export const step = 5;",
    );
    server.logged(|line| {
        line["rendered"]
            .as_str()
            .is_some_and(|text| text.contains("while loading"))
    });
    assert_eq!(server.get("/").text(), "2");
    // An import that found nothing finds a file that is made later.
    project.write("src/step.ts", "export { step } from './new';");
    server.logged(|line| line["what"] == "cannot find `./new`");
    project.write("src/new.ts", "export const step = 100;");
    server.logged(reloaded);
    assert_eq!(server.get("/").text(), "102");
    server.stop();
}

#[test]
fn a_change_of_the_configuration_is_served() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    project.write("wrangler.jsonc", &CONFIG.replace("\"hi\"", "\"hello\""));
    server.logged(reloaded);
    assert_eq!(server.get("/vars").text(), r#"["hello",3,"hush"]"#);
    server.stop();
}

#[test]
fn objects_of_a_renamed_class_stay() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    server.stop();
    let renamed = r#"{ "tag": "v2", "renamed_classes": [{ "from": "Tally", "to": "Count" }] }"#;
    let config = CONFIG
        .replace("\"class_name\": \"Tally\"", "\"class_name\": \"Count\"")
        .replace("[\"Tally\"] }]", &format!("[\"Tally\"] }}, {renamed}]"));
    project.write("wrangler.jsonc", &config);
    project.write("src/index.ts", &INDEX.replace("class Tally", "class Count"));
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "2");
    server.stop();
}

#[test]
fn what_is_wrong_with_the_configuration_ends_the_start() {
    let project = Project::new(&[("wrangler.toml", "main = 1\n")]);
    stead(["dev", text(project.path())]).failed(
        3,
        &[
            "`main` is a number, and has to be a string",
            "wrangler.toml:1:8",
        ],
    );
    let empty = temporary();
    stead(["dev", text(empty.path())]).failed(3, &["there is no `wrangler.json`"]);
}
