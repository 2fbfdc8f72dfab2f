//! Static files of `stead dev`: `_headers`, `_redirects` and `.assetsignore`. What they mean is compared with wrangler's
//! answers by test-scripts/assets-peer.mjs; here, that they are read, watched, and told of.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Server, temporary};

const CONFIG: &str = r#"{
  "name": "site",
  "compatibility_date": "2026-01-01",
  "assets": { "directory": "public" }
}"#;

fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = temporary();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn reloaded(line: &Value) -> bool {
    let text = line["text"].as_str();
    text.is_some_and(|text| text.starts_with("reloaded in "))
}

#[test]
fn rules_beside_the_files_are_followed() {
    let site = project(&[
        ("wrangler.json", CONFIG),
        ("public/a.html", "a"),
        ("public/b.txt", "b"),
        ("public/secret/key", "key"),
        (
            "public/_headers",
            "/*\n  X-All: yes\n/b.txt\n  Cache-Control: max-age=60\n  X-Rest: :splat\n",
        ),
        (
            "public/_redirects",
            "/old/* /a?from=:splat 301\n/as /b.txt 200\n",
        ),
        ("public/.assetsignore", "secret/\n"),
    ]);
    let server = Server::dev(site.path(), &[]);
    let answer = server.get("/b.txt");
    assert_eq!((answer.status, answer.text()), (200, "b"));
    assert_eq!(answer.header("x-all"), Some("yes"));
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    let answer = server.get("/old/x/y");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("/a?from=x/y"));
    assert_eq!(server.get("/as").text(), "b");
    for path in ["/secret/key", "/_headers", "/_redirects", "/.assetsignore"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("x-all")),
            (404, Some("yes")),
            "{path}"
        );
    }
    server.stop();
}

#[test]
fn rules_that_mean_nothing_are_told_with_their_place_and_others_are_taken_up() {
    let site = project(&[
        ("wrangler.json", CONFIG),
        ("public/a.html", "a"),
        ("public/_redirects", "# old addresses\n/old /a 999\n"),
    ]);
    let server = Server::dev(site.path(), &[]);
    let warning = server.logged(|line| line["type"] == "warning");
    let place = warning["place"].as_str().unwrap();
    assert!(place.contains("_redirects:2"), "{warning}");
    assert!(
        warning["what"]
            .as_str()
            .unwrap()
            .starts_with("`999` is not a status")
    );
    assert_eq!(server.get("/old").status, 404);
    write(site.path(), "public/_redirects", "/old /a 302\n");
    server.logged(reloaded);
    assert_eq!(server.get("/old").header("location"), Some("/a"));
    write(site.path(), "public/_headers", "/a\n  X-New: yes\n");
    server.logged_times(2, reloaded);
    assert_eq!(server.get("/a").header("x-new"), Some("yes"));
    server.stop();
}

#[test]
fn the_configuration_says_where_debuggers_attach() {
    let config = CONFIG.replace(
        "\n}",
        r#", "dev": { "inspector_ip": "127.0.0.2", "inspector_port": 0 } }"#,
    );
    let site = project(&[("wrangler.json", &config), ("public/a.html", "a")]);
    let server = Server::dev(site.path(), &["--inspect"]);
    let address = server.ready["inspector"].as_str().unwrap();
    assert!(
        address.starts_with("127.0.0.2:") && !address.ends_with(":9229"),
        "{address}"
    );
    assert_eq!(crate::debugger::list(address.parse().unwrap()).len(), 1);
    server.stop();
}
