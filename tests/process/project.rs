//! `stead dev`: what is taken over from elsewhere, what a save leaves running, what settings mean for code.

use crate::dev::{CONFIG, INDEX, Project, project_of_wrangler, reloaded};
use crate::server::{Server, stead, temporary, text};

#[test]
fn what_wrangler_stored_is_copied_once() {
    let project = project_of_wrangler();
    let import = || stead(["import", "--wrangler", text(project.path())]);
    let first = import();
    assert!(
        first.printed().contains("wr-Counter  1 object\n"),
        "{first:?}"
    );
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "5");
    // The server has the state to itself.
    import().failed(5, &["is in use"]);
    server.stop();
    let second = import();
    let kept = "wr-Counter  0 objects, 1 there already\n";
    assert!(second.printed().contains(kept), "{second:?}");
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "6");
    server.stop();
    let elsewhere = temporary();
    let nothing = stead(["import", "--wrangler", text(elsewhere.path())]);
    nothing.failed(2, &["there is no `.wrangler/state/v3/do`"]);
}

#[test]
fn a_broken_configuration_keeps_the_code_before_it_serving() {
    let project = Project::tally();
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    project.write("wrangler.jsonc", "{ \"name\": ");
    server.logged(|line| line["type"] == "problem");
    assert_eq!(server.get("/").text(), "2");
    project.write(
        "wrangler.jsonc",
        &CONFIG.replace("src/index.ts", "src/none.ts"),
    );
    server.logged_times(2, |line| line["type"] == "problem");
    assert_eq!(server.get("/").text(), "3");
    project.write("wrangler.jsonc", &CONFIG.replace("\"hi\"", "\"again\""));
    server.logged(reloaded);
    assert_eq!(server.get("/vars").text(), r#"["again",3,"hush"]"#);
    assert_eq!(server.get("/").text(), "4");
    server.stop();
}

#[test]
fn a_save_ends_nothing_that_runs_and_overdue_alarms_ring() {
    let project = Project::tally();
    let alarm = "  async alarm() { console.log('rang in', VERSION); }\n  async count() {\n    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + 1000);\n";
    let slow = "    if (pathname === \"/slow\") {\n      console.log('slow');\n      await new Promise((done) => setTimeout(done, 300));\n      return new Response(`from ${VERSION}`);\n    }\n";
    let index = INDEX
        .replace("  async count() {\n", alarm)
        .replace(
            "    if (pathname === \"/vars\")",
            &format!("{slow}    if (pathname === \"/vars\")"),
        )
        .replace(
            "import { step }",
            "const VERSION = 'the first';\nimport { step }",
        );
    project.write("src/index.ts", &index);
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.get("/slow").text().to_owned());
        server.logged(|line| line["text"] == "slow");
        project.write("src/index.ts", &index.replace("the first", "the second"));
        server.logged(reloaded);
        assert_eq!(slow.join().unwrap(), "from the first");
    });
    assert_eq!(server.get("/slow").text(), "from the second");
    server.logged(|line| {
        line["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("rang in"))
    });
    // One that waits when the process ends rings in the next one.
    assert_eq!(server.get("/").text(), "2");
    server.kill();
    let server = Server::dev(project.path(), &[]);
    server.logged(|line| line["text"] == "rang in the second");
    server.stop();
}

#[test]
fn rules_alias_and_define_shape_the_code_and_environments_inherit_as_for_wrangler() {
    let config = r#"
name = "kinds"
main = "index.js"
define = { WHO = "'the definition'" }
alias = { "a-package" = "./replacement.js" }

[vars]
A = "top"

[[rules]]
type = "Text"
globs = ["**/*.md"]

[[rules]]
type = "Data"
globs = ["**/*.dat"]

[env.other]
vars = { A = "other" }
"#;
    let project = Project::new(&[
        ("wrangler.toml", config),
        (
            "index.js",
            "import text from './page.md';
             import data from './bytes.dat';
             import { name } from 'a-package';
             const who = typeof WHO === 'undefined' ? 'nothing' : WHO;
             export default {
               fetch: (_, env) => Response.json([text, new Uint8Array(data).length, name, who, env.A]),
             };",
        ),
        ("replacement.js", "export const name = 'the replacement';"),
        ("page.md", "# Title"),
        ("bytes.dat", "12345"),
    ]);
    let server = Server::dev(project.path(), &[]);
    let all = r##"["# Title",5,"the replacement","the definition","top"]"##;
    assert_eq!(server.get("/").text(), all);
    server.stop();
    // Rules and aliases are inherited, variables and definitions are not.
    let server = Server::dev(project.path(), &["--env", "other"]);
    let other = r##"["# Title",5,"the replacement","nothing","other"]"##;
    assert_eq!(server.get("/").text(), other);
    server.logged(|line| {
        line["type"] == "warning"
            && line["what"] == "`define` is not inherited by environments, and `env.other` has none"
    });
    server.stop();
}

#[test]
fn a_class_moves_to_another_worker_with_its_objects() {
    let old = Project::tally();
    let server = Server::dev(old.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    server.stop();
    let state = old.path().join(".stead/state");
    let moved =
        r#""transferred_classes": [{ "from": "Tally", "from_script": "tally", "to": "Count" }]"#;
    let declared = r#""exports": { "Count": { "type": "durable-object", "state": "expecting-transfer", "storage": "sqlite", "transfer_from": "tally/Tally" } }"#;
    for (name, lifecycle, expect) in [
        (
            "by-migration",
            format!(r#""migrations": [{{ "tag": "v1", {moved} }}]"#),
            "2",
        ),
        ("by-exports", declared.to_owned(), "3"),
    ] {
        let (before, after) = CONFIG.split_once("\"migrations\"").unwrap();
        let (_, after) = after.split_once("}],").unwrap();
        let config = format!("{before}{lifecycle},{after}")
            .replace("\"name\": \"tally\"", &format!("\"name\": \"{name}\""))
            .replace("\"class_name\": \"Tally\"", "\"class_name\": \"Count\"");
        let new = Project::new(&[
            ("wrangler.jsonc", &config),
            ("src/index.ts", &INDEX.replace("class Tally", "class Count")),
            ("src/step.ts", "export const step: number = 1;"),
        ]);
        let server = Server::dev(new.path(), &["--state", text(&state)]);
        assert_eq!(server.get("/").text(), expect, "{name}");
        server.stop();
    }
}

#[test]
fn an_unknown_setting_is_told_with_its_place_and_what_was_meant() {
    let project = Project::tally();
    let config = CONFIG.replace("\"vars\": {", "\"var\": {");
    project.write("wrangler.jsonc", &config);
    let server = Server::dev(project.path(), &[]);
    let warning =
        server.logged(|line| line["type"] == "warning" && line["help"] == "did you mean `vars`?");
    let place = warning["place"].as_str().unwrap();
    assert!(place.ends_with("wrangler.jsonc:7:3"), "{warning}");
    server.stop();
}

#[test]
fn what_is_wrong_with_a_project_comes_with_what_to_do() {
    let told = |config: &str, help: &str| {
        let project = Project::tally();
        project.write("wrangler.jsonc", config);
        let server = Server::dev(project.path(), &[]);
        let problem = server.logged(|line| line["type"] == "problem");
        assert!(
            problem["help"].as_str().unwrap().contains(help),
            "{problem}"
        );
        server.stop();
    };
    told(
        &CONFIG.replace("\"class_name\": \"Tally\"", "\"class_name\": \"Taly\""),
        "it exports `Tally`",
    );
    told(
        &CONFIG.replace("src/index.ts", "src/main.ts"),
        "beside it there is `index.ts`",
    );
    told(
        &CONFIG.replace("2026-05-01", "2026-13-01"),
        "`compatibility_date` and `compatibility_flags` are in `",
    );
    let nowhere = stead(["dev", "--port", "0", "nowhere"]);
    nowhere.failed(3, &["there is no folder `nowhere`"]);
}

#[test]
fn a_second_configuration_is_told_to_be_passed_over() {
    let project = Project::tally();
    project.write("wrangler.toml", "name = \"other\"");
    let server = Server::dev(project.path(), &[]);
    let warning = server.logged(|line| line["type"] == "warning" && line["place"].is_null());
    let message = warning["what"].as_str().unwrap();
    assert!(message.ends_with("wrangler.toml` is not read"), "{warning}");
    server.stop();
}

#[test]
fn a_change_of_the_compatibility_date_starts_the_code_anew() {
    let project = Project::tally();
    let on = "Cloudflare.compatibilityFlags.enhanced_error_serialization";
    let index = INDEX.replace(
        "    if (pathname === \"/vars\")",
        &format!("    if (pathname === \"/flag\") return Response.json({on});\n    if (pathname === \"/vars\")"),
    );
    project.write("src/index.ts", &index);
    let server = Server::dev(project.path(), &[]);
    assert_eq!(server.get("/").text(), "1");
    assert_eq!(server.get("/flag").text(), "true");
    project.write(
        "wrangler.jsonc",
        &CONFIG.replace("2026-05-01", "2026-01-01"),
    );
    server.logged(reloaded);
    assert_eq!(server.get("/flag").text(), "false");
    assert_eq!(server.get("/").text(), "2");
    // And so does a change of its name, under which there are other objects.
    project.write("wrangler.jsonc", &CONFIG.replace("\"tally\"", "\"other\""));
    server.logged_times(2, reloaded);
    assert_eq!(server.get("/flag").text(), "true");
    assert_eq!(server.get("/").text(), "1");
    server.stop();
}

#[test]
fn the_version_of_the_code_is_one_without_a_tag() {
    let project = Project::tally();
    let index = INDEX.replace(
        "    if (pathname === \"/vars\")",
        "    if (pathname === \"/version\") return Response.json((env as any).VERSION);\n    if (pathname === \"/vars\")",
    );
    project.write("src/index.ts", &index);
    let binding = "\"version_metadata\": { \"binding\": \"VERSION\" },\n  \"migrations\"";
    project.write("wrangler.jsonc", &CONFIG.replace("\"migrations\"", binding));
    let server = Server::dev(project.path(), &[]);
    let version = server.get("/version").json();
    assert_eq!(version["tag"], "", "{version}");
    assert_eq!(version["id"].as_str().map(str::len), Some(36), "{version}");
    assert!(version["timestamp"].is_string(), "{version}");
    server.stop();
}

#[test]
fn a_class_that_is_deleted_and_made_again_begins_anew() {
    let project = Project::tally();
    let (before, after) = CONFIG.split_once("\"migrations\"").unwrap();
    let (_, after) = after.split_once("}],").unwrap();
    let first = r#"{ "tag": "v1", "new_sqlite_classes": ["Tally"] }"#;
    let then = r#"{ "tag": "v2", "deleted_classes": ["Tally"] }, { "tag": "v3", "new_sqlite_classes": ["Tally"] }"#;
    let again = r#"{ "tag": "v4", "deleted_classes": ["Tally"] }, { "tag": "v5", "new_sqlite_classes": ["Tally"] }"#;
    let mut migrations = first.to_owned();
    for more in [then, again] {
        let server = Server::dev(project.path(), &[]);
        assert_eq!(server.get("/").text(), "1");
        assert_eq!(server.get("/").text(), "2");
        // What it wrote is in the journal alone.
        server.kill();
        migrations = format!("{migrations}, {more}");
        let config = format!("{before}\"migrations\": [{migrations}],{after}");
        project.write("wrangler.jsonc", &config);
    }
    for expect in ["1", "2", "3"] {
        let server = Server::dev(project.path(), &[]);
        assert_eq!(server.get("/").text(), expect);
        server.kill();
    }
    let server = Server::dev(project.path(), &[]);
    assert!(!server.has_logged(|line| line["type"] == "error"));
    server.stop();
    let state = project.path().join(".stead/state");
    let verified = stead(["verify", "--state", text(&state)]);
    assert!(verified.printed().contains("all whole"), "{verified:?}");
    for number in ["1", "2"] {
        assert!(state.join(format!("deleted/tally-Tally.{number}")).is_dir());
    }
}

#[test]
fn objects_leave_memory_when_dev_is_told_to() {
    let project = Project::tally();
    let index = INDEX
        .replace(
            "  async count() {",
            "  events = 0;\n  heard() { return ++this.events; }\n  async count() {",
        )
        .replace(
            "    return Response.json(await env.TALLY.getByName(\"a\").count());",
            "    return Response.json(await env.TALLY.getByName(\"a\").heard());",
        );
    assert!(index.contains(").heard()"));
    project.write("src/index.ts", &index);
    let heard = |evict: &[&str]| {
        let server = Server::dev(project.path(), evict);
        let heard: Vec<String> = (0..3).map(|_| server.get("/").text().to_owned()).collect();
        server.stop();
        heard.join(" ")
    };
    // Every event meets an instance that has had none before.
    assert_eq!(heard(&["--evict", "aggressive"]), "1 1 1");
    assert_eq!(heard(&["--evict", "prod"]), "1 2 3");
    assert_eq!(heard(&["--evict", "never"]), "1 2 3");
    assert_eq!(heard(&[]), "1 2 3");
    let server = Server::dev(project.path(), &["--evict", "aggressive"]);
    assert_eq!(server.get("/").text(), "1");
    // New code goes on in the same way.
    project.write("src/step.ts", "export const step: number = 2;");
    server.logged(reloaded);
    assert_eq!(server.get("/").text(), "1");
    assert_eq!(server.get("/").text(), "1");
    server.stop();
}
