use std::path::Path;

use super::*;

/// Writes files into a folder of its own and reads the first as the configuration.
#[track_caller]
fn load_in(
    files: &[(&str, &str)],
    environment: Option<&str>,
) -> (tempfile::TempDir, Result<Project, Vec<Diagnostic>>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let project = load(&folder.path().join(files[0].0), environment);
    (folder, project)
}

#[track_caller]
fn read(name: &str, text: &str) -> Project {
    let (_folder, project) = load_in(&[(name, text)], None);
    project.unwrap_or_else(|found| panic!("{}", said(&found).join("\n")))
}

/// `severity line:column message | help`, one each.
fn said(found: &[Diagnostic]) -> Vec<String> {
    let line = |diagnostic: &Diagnostic| {
        let severity = if diagnostic.is_error() {
            "error"
        } else {
            "warning"
        };
        let place = diagnostic
            .location
            .as_ref()
            .map_or(String::new(), |l| format!("{}:{} ", l.line, l.column));
        let help = diagnostic
            .help
            .as_ref()
            .map_or(String::new(), |help| format!(" | {help}"));
        format!("{severity} {place}{}{help}", diagnostic.message)
    };
    found.iter().map(line).collect()
}

#[track_caller]
fn check_warnings(text: &str, expect: &[&str]) {
    assert_eq!(said(&read("wrangler.jsonc", text).warnings), expect);
}

#[track_caller]
fn check_refused(name: &str, text: &str, environment: Option<&str>, expect: &[&str]) {
    let (_folder, project) = load_in(&[(name, text)], environment);
    assert_eq!(said(&project.expect_err("must be refused")), expect);
}

const JSONC: &str = r#"{
  // A comment.
  "$schema": "node_modules/wrangler/config-schema.json",
  "name": "chat",
  "main": "src/index.ts",
  "compatibility_date": "2026-01-01",
  "compatibility_flags": ["nodejs_compat"],
  "durable_objects": { "bindings": [
    { "name": "ROOM", "class_name": "Room" },
    { "name": "USER", "class_name": "User", "script_name": "users" },
  ] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }],
  "vars": { "A": "x", "B": { "c": [1, true] } },
  "services": [{ "binding": "API", "service": "api", "entrypoint": "Admin", "props": { "a": 1 } }],
  "triggers": { "crons": ["*/5 * * * *"] },
  "alias": { "old": "./src/new.ts" },
  "define": { "VERSION": "\"1\"" },
}"#;

const TOML: &str = r#"
name = "chat"
main = "src/index.ts"
compatibility_date = "2026-01-01"
compatibility_flags = ["nodejs_compat"]
[[durable_objects.bindings]]
name = "ROOM"
class_name = "Room"
[[durable_objects.bindings]]
name = "USER"
class_name = "User"
script_name = "users"
[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]
[vars]
A = "x"
B = { c = [1, true] }
[[services]]
binding = "API"
service = "api"
entrypoint = "Admin"
props = { a = 1 }
[triggers]
crons = ["*/5 * * * *"]
[alias]
old = "./src/new.ts"
[define]
VERSION = '"1"'
"#;

#[test]
fn json_with_comments_and_toml_say_the_same() {
    let [mut json, mut toml] = [read("wrangler.jsonc", JSONC), read("wrangler.toml", TOML)];
    assert_eq!(
        json.main.as_deref(),
        Some(json.root.join("src/index.ts").as_path())
    );
    assert_eq!(json.objects[1].worker.as_deref(), Some("users"));
    assert_eq!(json.vars["B"], serde_json::json!({ "c": [1, true] }));
    assert_eq!(json.services[0].entrypoint.as_deref(), Some("Admin"));
    assert_eq!(json.lifecycle.declared, ["Room"]);
    for project in [&mut json, &mut toml] {
        project.root.clone_from(&"/app".into());
        project.file = "/app/wrangler".into();
        project.files.clear();
        project.main = None;
    }
    assert_eq!(format!("{json:#?}"), format!("{toml:#?}"));
}

#[test]
fn an_unknown_setting_is_a_warning_with_what_was_meant() {
    check_warnings(
        "{\n  \"main\": \"a.ts\",\n  \"compatability_date\": \"2026-01-01\",\n  \"xyzzy\": 1\n}",
        &[
            "warning 3:3 unknown setting `compatability_date` | did you mean `compatibility_date`?",
            "warning 4:3 unknown setting `xyzzy` | it has no effect",
        ],
    );
    check_warnings(
        "{ \"main\": \"a.ts\",\n \"durable_objects\": { \"bindings\": [{ \"name\": \"A\", \"class_name\": \"A\", \"script\": \"b\" }] } }",
        &[
            "warning 2:70 unknown setting `durable_objects.bindings[].script` | did you mean `durable_objects.bindings[].script_name`?",
        ],
    );
}

#[test]
fn a_wrong_type_is_an_error_that_says_what_to_write() {
    check_refused(
        "wrangler.jsonc",
        "{\n  \"main\": 1,\n  \"compatibility_flags\": \"nodejs_compat\"\n}",
        None,
        &[
            "error 2:11 `main` is a number, and has to be a string | for example \"src/index.ts\"",
            "error 3:26 `compatibility_flags` is a string, and has to be an array | for example [\"nodejs_compat\"]",
        ],
    );
    check_refused(
        "wrangler.jsonc",
        "{}",
        None,
        &[
            "error 1:1 the configuration names neither `main` nor `assets` | add \"main\": \"src/index.ts\", the file that exports the worker",
        ],
    );
    check_refused(
        "wrangler.toml",
        "main = \"a.ts\"\n[[durable_objects.bindings]]\nname = \"A\"\n",
        None,
        &[
            "error 2:1 `durable_objects.bindings[]` has no `class_name` | add class_name, for example \"Counter\"",
        ],
    );
    check_refused(
        "wrangler.jsonc",
        "{ \"main\": \"a.ts\", \"triggers\": { \"crons\": [\"every day\"] } }",
        None,
        &[
            "error 1:43 `every day` is not a cron expression: invalid pattern: pattern must have 5 fields when seconds are disallowed | five fields: minute, hour, day of month, month, day of week (1 is Sunday)",
        ],
    );
}

#[test]
fn a_syntax_error_has_its_place() {
    check_refused(
        "wrangler.jsonc",
        "{\n  \"name\": \"a\"\n  \"main\": \"b\"\n}",
        None,
        &["error 2:14 expected comma"],
    );
    check_refused(
        "wrangler.toml",
        "name = \n",
        None,
        &["error 1:8 string values must be quoted, expected literal string"],
    );
}

#[test]
fn an_environment_inherits_some_settings_and_not_others() {
    let text = r#"{
      "name": "chat", "main": "a.ts", "compatibility_date": "2026-01-01",
      "vars": { "A": "top" },
      "triggers": { "crons": ["0 * * * *"] },
      "env": { "staging": { "vars": { "A": "staging" } }, "bare": {}, "named": { "name": "other" } }
    }"#;
    let read = |environment| {
        load_in(&[("wrangler.jsonc", text)], Some(environment))
            .1
            .unwrap()
    };
    let staging = read("staging");
    assert_eq!(staging.name, "chat-staging");
    assert_eq!(staging.vars["A"], "staging");
    assert_eq!(staging.crons.len(), 1);
    let bare = read("bare");
    assert!(bare.vars.is_empty());
    assert_eq!(
        said(&bare.warnings),
        [
            "warning 3:15 `vars` is not inherited by environments, and `env.bare` has none | repeat it as `env.bare.vars`"
        ]
    );
    assert_eq!(read("named").name, "other");
    check_refused(
        "wrangler.jsonc",
        text,
        Some("stagin"),
        &["error 5:14 there is no environment `stagin` | it has `staging`, `bare`, `named`"],
    );
}

#[test]
fn exports_say_what_migrations_say() {
    let project = read(
        "wrangler.jsonc",
        r#"{ "main": "a.ts", "exports": {
          "Old": { "type": "durable-object", "state": "renamed", "renamed_to": "New" },
          "New": { "type": "durable-object", "storage": "sqlite" },
          "Gone": { "type": "durable-object", "state": "deleted" },
          "Incoming": { "type": "durable-object", "state": "expecting-transfer", "storage": "sqlite", "transfer_from": "source" },
          "Outgoing": { "type": "durable-object", "state": "transferred", "transferred_to": "target" }
        } }"#,
    );
    assert!(project.warnings.is_empty());
    assert_eq!(project.lifecycle.declared, ["New", "Incoming"]);
    let steps = &project.lifecycle.migrations[0].steps;
    assert_eq!(
        steps,
        &[
            Step::Rename {
                from: "Old".into(),
                to: "New".into()
            },
            Step::Delete("Gone".into()),
            Step::Transfer {
                worker: "source".into(),
                from: "Incoming".into(),
                to: "Incoming".into()
            },
            Step::New("New".into()),
        ]
    );
    check_refused(
        "wrangler.jsonc",
        "{ \"main\": \"a.ts\", \"migrations\": [], \"exports\": {} }",
        None,
        &[
            "error 1:48 `exports` and `migrations` cannot be used together | keep one of them: `exports` says the same without tags",
        ],
    );
}

#[test]
fn bindings_that_are_not_there_yet_are_told_and_accepted() {
    let project = read(
        "wrangler.jsonc",
        "{ \"main\": \"a.ts\",\n\"kv_namespaces\": [{ \"binding\": \"CACHE\", \"id\": \"x\" }],\n\"ai\": { \"binding\": \"AI\" },\n\"queues\": { \"producers\": [{ \"binding\": \"Q\", \"queue\": \"q\" }] } }",
    );
    let names: Vec<&str> = project
        .missing
        .iter()
        .map(|missing| missing.binding.as_str())
        .collect();
    assert_eq!(names, ["CACHE", "AI", "Q"]);
    assert_eq!(
        said(&project.warnings)[0],
        "warning 2:19 `CACHE` is a binding that is not implemented in Stead yet: KV namespace | the worker runs, and `env.CACHE` throws when it is used"
    );
}

#[test]
fn secrets_come_from_dev_vars_or_else_from_env_files() {
    let config = (
        "wrangler.jsonc",
        "{ \"main\": \"a.ts\", \"vars\": { \"A\": \"config\" }, \"env\": { \"x\": {} }, \"secrets\": { \"required\": [\"NEEDED\"] } }",
    );
    let secrets = |files: &[(&str, &str)], environment| {
        let files = [&[config], files].concat();
        load_in(&files, environment).1.unwrap()
    };
    let env = [(".env", "A=env\nB=env"), (".env.local", "B=local")];
    let project = secrets(&env, None);
    assert_eq!(
        (&project.vars["A"], &project.vars["B"]),
        (&"env".into(), &"local".into())
    );
    assert_eq!(project.secrets, ["A", "B"]);
    assert!(said(&project.warnings)[0].contains("the secret `NEEDED` is required"));
    let both = [env[0], (".dev.vars", "C=vars"), (".dev.vars.x", "C=own")];
    let project = secrets(&both, None);
    assert_eq!(
        (&project.vars["A"], &project.vars["C"]),
        (&"config".into(), &"vars".into())
    );
    assert_eq!(secrets(&both, Some("x")).vars["C"], "own");
}

#[test]
fn a_configuration_is_found_in_the_folder_or_above_it() {
    let (folder, _) = load_in(
        &[("wrangler.toml", "main = 'a.ts'"), ("a/b/x.ts", "")],
        None,
    );
    let root = folder.path().canonicalize().unwrap();
    assert_eq!(find(&root.join("a/b")), Some(root.join("wrangler.toml")));
    assert_eq!(
        find(&root.join("wrangler.toml")),
        Some(root.join("wrangler.toml"))
    );
    assert_eq!(find(Path::new("/nowhere")), None);
}
