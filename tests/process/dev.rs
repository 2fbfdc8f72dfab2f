//! `stead dev`: a project's configuration, and what happens when its files change.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Server, fixture, stead, temporary, text};

pub const CONFIG: &str = r#"{
  "name": "tally",
  "main": "src/index.ts",
  "compatibility_date": "2026-05-01",
  "durable_objects": { "bindings": [{ "name": "TALLY", "class_name": "Tally" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Tally"] }],
  "vars": { "GREETING": "hi", "LIMITS": { "max": 3 } },
  "kv_namespaces": [{ "binding": "CACHE", "id": "1" }]
}"#;

pub const INDEX: &str = r#"
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
pub struct Project(TempDir);

impl Project {
    pub fn new(files: &[(&str, &str)]) -> Project {
        let project = Project(temporary());
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    /// One object class, two modules.
    pub fn tally() -> Project {
        Project::new(&[
            ("wrangler.jsonc", CONFIG),
            ("src/index.ts", INDEX),
            ("src/step.ts", "export const step: number = 1;"),
            (".dev.vars", "SECRET=hush"),
        ])
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

pub fn reloaded(line: &Value) -> bool {
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

const WITH_ASSETS: &str = r#"{
  "name": "site", "main": "index.js", "compatibility_date": "2026-01-01",
  "assets": { "directory": "public", "binding": "ASSETS", "not_found_handling": "404-page", "run_worker_first": ["/api/*"] }
}"#;

const ASSETS_WORKER: &str = r#"
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/api/page") {
      const response = await env.ASSETS.fetch(new URL("/about", request.url));
      return new Response(`worker: ${response.status} ${response.headers.get("content-type")} ${await response.text()}`);
    }
    return new Response("worker");
  },
};
"#;

#[test]
fn files_are_served_beside_the_worker() {
    let project = Project::new(&[
        ("wrangler.json", WITH_ASSETS),
        ("index.js", ASSETS_WORKER),
        ("public/index.html", "<h1>home</h1>"),
        ("public/about.html", "about"),
        ("public/404.html", "no such page"),
        ("public/app.js", "1"),
    ]);
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "<h1>home</h1>");
    let script = server.get("/app.js");
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(
        script.header("cache-control"),
        Some("public, max-age=0, must-revalidate")
    );
    let tag = script.header("etag").expect("an ETag").to_owned();
    let known = server.get_with("/app.js", &[("if-none-match", &tag)]);
    assert_eq!((known.status, known.text()), (304, ""));
    let moved = server.get("/about.html?x=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, Some("/about?x=1"))
    );
    assert_eq!(server.send("POST", "/about", "x").status, 405);
    let missing = server.get("/none");
    assert_eq!((missing.status, missing.text()), (404, "no such page"));
    assert_eq!(server.get("/api/other").text(), "worker");
    assert_eq!(
        server.get("/api/page").text(),
        "worker: 200 text/html; charset=utf-8 about"
    );
    // A file is read when it is asked for.
    project.write("public/about.html", "changed");
    assert_eq!(server.get("/about").text(), "changed");
    server.stop();
}

#[test]
fn a_browser_is_shown_what_is_wrong_and_may_go_on_with_the_old_code() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    let page = [("accept", "text/html"), ("sec-fetch-dest", "document")];
    project.write("src/step.ts", "export const step: number = ;");
    server.logged(|line| line["type"] == "problem");
    let shown = server.get_with("/", &page);
    assert_eq!(shown.status, 500);
    assert!(
        shown.text().contains("src/step.ts:1:29"),
        "{}",
        shown.text()
    );
    assert!(
        shown.text().contains("export const step: number = ;"),
        "{}",
        shown.text()
    );
    // Code in a page, and other clients, get the old code's answers.
    assert_eq!(server.get("/").text(), "1");
    server.send("POST", "/cdn-cgi/stead/dismiss", "");
    assert_eq!(server.get_with("/", &page).text(), "2");
    project.write("src/step.ts", "export const step = 5;");
    server.logged(reloaded);
    assert_eq!(server.get_with("/", &page).text(), "7");
    server.stop();
}

#[test]
fn a_browser_is_shown_an_exception_with_its_place_its_object_and_its_event() {
    let project = Project::tally();
    let index = INDEX.replace(
        "    return n;\n",
        "    if (n > 1) throw new TypeError('too much');\n    return n;\n",
    );
    project.write("src/index.ts", &index);
    let server = Server::dev(project.path(), &[]);
    let page = [("accept", "text/html")];
    assert_eq!(server.get_with("/", &page).text(), "1");
    let shown = server.get_with("/?x=1&y=2", &page);
    assert_eq!(shown.status, 500);
    for part in [
        "<h1>TypeError: too much</h1>",
        "src/index.ts:9:22",
        "Tally/a",
        "GET /?x=1&amp;y=2",
    ] {
        assert!(
            shown.text().contains(part),
            "`{part}` is missing: {}",
            shown.text()
        );
    }
    assert_eq!(server.get("/").text(), "Internal Server Error");
    server.stop();
}

#[test]
fn code_that_never_loaded_is_told_to_every_client_until_it_loads() {
    let project = Project::tally();
    project.write("src/step.ts", "export const step: number = ;");
    let server = Server::dev(project.path(), &[]);
    let answer = server.get("/");
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("src/step.ts:1:29"),
        "{}",
        answer.text()
    );
    project.write("src/step.ts", "export const step = 3;");
    server.logged(reloaded);
    assert_eq!(server.get("/").text(), "3");
    server.stop();
}

#[test]
fn every_template_makes_a_project_that_serves() {
    /// Method, path, body, and what is answered.
    type Exchange = (&'static str, &'static str, &'static str, &'static str);
    let drive: [(&str, &[Exchange]); 4] = [
        (
            "counter",
            &[
                ("POST", "/a", "", r#"{"name":"a","value":1}"#),
                ("GET", "/a", "", r#"{"name":"a","value":1}"#),
            ],
        ),
        ("chat", &[("GET", "/rooms/lobby", "", "[]")]),
        ("scheduler", &[("GET", "/", "", "[]")]),
        (
            "api",
            &[
                (
                    "POST",
                    "/users/ann/notes",
                    r#"{"text":""}"#,
                    r#"{"error":"text is missing"}"#,
                ),
                ("GET", "/users/ann/notes/1", "", r#"{"error":"not found"}"#),
                ("GET", "/users/ann/notes", "", "[]"),
            ],
        ),
    ];
    for (template, requests) in drive {
        let folder = temporary();
        let project = folder.path().join("My App");
        stead(["init", template, text(&project)]).printed();
        let twice = stead(["init", template, text(&project)]);
        twice.failed(2, &["is there already"]);
        assert!(
            stead(["check", text(&project)])
                .printed()
                .contains("ok code")
        );
        assert!(
            stead(["types", "--check", text(&project)])
                .printed()
                .contains("up to date")
        );
        let tested = stead(["test", text(&project)]);
        assert!(tested.printed().contains(" passed, 0 failed"), "{tested:?}");
        let server = Server::dev(&project, &[]);
        for (method, path, body, expect) in requests {
            assert_eq!(
                server.send(method, path, body).text(),
                *expect,
                "{template} {path}"
            );
        }
        if template == "chat" {
            assert!(server.get("/").text().contains("<h1>Lobby</h1>"));
        }
        server.stop();
        let findings = stead(["doctor", text(&project)]);
        assert!(
            findings.printed().contains("code bundles: "),
            "{findings:?}"
        );
    }
}

#[test]
fn the_types_of_env_follow_the_configuration() {
    let project = Project::tally();
    let stale = stead(["types", "--check", text(project.path())]);
    stale.failed(3, &["is not up to date"]);
    let wrote = stead(["types", text(project.path())]);
    // Nothing has the types of the platform.
    assert!(
        wrote
            .printed()
            .contains("npm install --save-dev @cloudflare/workers-types"),
        "{wrote:?}"
    );
    let file = project.path().join("worker-configuration.d.ts");
    let types = fs::read_to_string(&file).unwrap();
    let declared = r#"interface __BaseEnv_Env {
	CACHE: KVNamespace;
	GREETING: "hi";
	LIMITS: {"max":3};
	SECRET: string;
	TALLY: DurableObjectNamespace<import("./src/index").Tally>;
}
declare namespace Cloudflare {
	interface GlobalProps {
		mainModule: typeof import("./src/index");
		durableNamespaces: "Tally";
	}
	interface Env extends __BaseEnv_Env {}
}
interface Env extends __BaseEnv_Env {}
"#;
    assert!(types.contains(declared), "{types}");
    stead(["types", "--check", text(project.path())]).printed();
    // What wrangler wrote of the platform's types stays, and what it wrote of this project goes.
    let runtime = "// Begin runtime types\ninterface DurableObjectState {}\n";
    let header = "// Runtime types generated with workerd@1.2 2026-05-01";
    let wranglers =
        format!("/* eslint-disable */\n{header}\ninterface __BaseEnv_Env {{}}\n{runtime}");
    fs::write(&file, wranglers).unwrap();
    let wrote = stead(["types", text(project.path())]);
    assert!(!wrote.printed().contains("npm install"), "{wrote:?}");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains(header) && kept.ends_with(runtime), "{kept}");
    assert_eq!(
        kept.matches("interface __BaseEnv_Env {").count(),
        1,
        "{kept}"
    );
}

#[test]
fn bindings_of_another_worker_have_the_types_of_its_code() {
    let config = CONFIG.replace(
        "\"vars\"",
        r#""services": [{ "binding": "ADMIN", "service": "users", "entrypoint": "Admin" }],
  "env": { "next": { "vars": { "GREETING": "ho" } } },
  "vars""#,
    );
    let project = Project::tally();
    project.write("wrangler.jsonc", &config);
    let users = r#"{ "name": "users", "main": "admin.js", "compatibility_date": "2026-05-01" }"#;
    project.write("users/wrangler.jsonc", users);
    let admin = "import { WorkerEntrypoint } from 'cloudflare:workers';\nexport class Admin extends WorkerEntrypoint {}\nexport default {};";
    project.write("users/admin.js", admin);
    let types = |others: &[&str]| {
        stead([&["types", text(project.path())], others].concat()).printed();
        fs::read_to_string(project.path().join("worker-configuration.d.ts")).unwrap()
    };
    let unknown = types(&[]);
    let line = "\tADMIN?: Service /* entrypoint Admin from users */;\n";
    assert!(unknown.contains(line), "{unknown}");
    let known = types(&["--with", text(&project.path().join("users"))]);
    for line in [
        "\tADMIN?: Service<typeof import(\"./users/admin\").Admin>;\n",
        "\tGREETING: \"ho\" | \"hi\";\n",
        "\tinterface NextEnv {\n\t\tGREETING: \"ho\";\n\t\tSECRET: string;\n\t}\n",
    ] {
        assert!(known.contains(line), "`{line}` is missing:\n{known}");
    }
}

#[test]
fn what_is_wrong_with_a_project_is_found_before_it_runs() {
    let project = Project::tally();
    project.write("src/step.ts", "export const step: number = ;");
    stead(["check", text(project.path())]).failed(3, &["src/step.ts:1:29"]);
    let findings = stead(["doctor", text(project.path())]);
    assert_eq!(findings.code, Some(3));
    assert!(findings.stdout.contains("unexpected token"), "{findings:?}");
}

/// A project with what wrangler 4.164, which was killed, stored for it: an object `a` of the class `Counter` of the worker
/// `wr`, whose value `n` is 4.
pub fn project_of_wrangler() -> Project {
    let config = CONFIG
        .replace("\"name\": \"tally\"", "\"name\": \"wr\"")
        .replace("Tally", "Counter");
    let project = Project::new(&[
        ("wrangler.jsonc", &config),
        ("src/index.ts", &INDEX.replace("Tally", "Counter")),
        ("src/step.ts", "export const step: number = 1;"),
    ]);
    let stored = fixture("wrangler-state/do/wr-Counter");
    let state = project.path().join(".wrangler/state/v3/do");
    fs::create_dir_all(state.join("wr-Counter")).unwrap();
    for entry in fs::read_dir(stored).unwrap() {
        let entry = entry.unwrap();
        fs::copy(
            entry.path(),
            state.join("wr-Counter").join(entry.file_name()),
        )
        .unwrap();
    }
    project
}

#[test]
fn what_wrangler_stored_is_gone_on_with() {
    let project = project_of_wrangler();
    let state = project.path().join(".wrangler/state/v3/do");
    let server = Server::dev(project.path(), &["--state", text(&state)]);
    assert_eq!(server.get("/").text(), "5");
    server.stop();
    let server = Server::dev(project.path(), &["--state", text(&state)]);
    assert_eq!(server.get("/").text(), "6");
    server.stop();
}

#[test]
fn a_cron_trigger_is_fired_by_a_request() {
    let project = Project::new(&[
        (
            "wrangler.jsonc",
            r#"{ "name": "cron", "main": "index.js", "triggers": { "crons": ["0 4 * * *"] } }"#,
        ),
        (
            "index.js",
            "let last; export default {
              scheduled(controller) {
                if (controller.cron === 'fail') throw new Error('as asked');
                last = [controller.cron, controller.scheduledTime];
              },
              fetch: () => Response.json(last),
            };",
        ),
    ]);
    let server = Server::dev(project.path(), &["--shards", "1"]);
    let fired = server.get("/cdn-cgi/handler/scheduled?cron=0+4+*+*+*&time=1000");
    assert_eq!((fired.status, fired.text()), (200, "ok"));
    assert_eq!(server.get("/").text(), r#"["0 4 * * *",1000]"#);
    let failed = server.get("/cdn-cgi/handler/scheduled?cron=fail");
    assert_eq!((failed.status, failed.text()), (500, "exception"));
    server.logged(|line| {
        line["text"]
            .as_str()
            .is_some_and(|text| text.contains("as asked"))
    });
    server.stop();
}

#[test]
fn lines_say_which_object_did_what_where_and_for_how_long() {
    let project = Project::tally();
    let index = INDEX.replace(
        "    return n;\n",
        "    console.log('counted');\n    if (n > 1) throw new Error('too much', { cause: new TypeError('the cause') });\n    return n;\n",
    );
    project.write("src/index.ts", &index);
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    let line = server.logged(|line| line["type"] == "request" && line["path"] == "/");
    assert_eq!(line["object"], "Tally/a");
    assert_eq!(line["event"], "count");
    for part in ["jsMs", "storageMs", "gateMs"] {
        assert!(line[part].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    }
    let printed = server.logged(|line| line["type"] == "console");
    assert_eq!(printed["object"], "Tally/a");
    let place = printed["place"].as_str().unwrap();
    assert!(place.ends_with("/src/index.ts:9:13"), "{printed}");
    server.get("/");
    let thrown = server.logged(|line| line["type"] == "error");
    let place = thrown["place"].as_str().unwrap();
    assert!(place.ends_with("/src/index.ts:10:22"), "{thrown}");
    assert!(
        thrown["text"]
            .as_str()
            .unwrap()
            .contains("\nCaused by: TypeError: the cause"),
        "{thrown}"
    );
    server.stop();
}
