//! The shape of the repository: what lies where, and what may not be written.

use std::fs;
use std::path::{Path, PathBuf};

/// Everything that may lie at the root.
const ROOT: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "benches",
    "build.rs",
    "docs",
    "examples",
    "fuzz",
    "js",
    "ops",
    "src",
    "test-scripts",
    "tests",
    "vendor",
];

/// Lines that a file of code may have before it should be split by noun.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose name ends in one of `endings`.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder exists") {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no {endings:?} below {folder}");
    found
}

fn code() -> Vec<PathBuf> {
    let folders = [
        "src",
        "ops",
        "js",
        "tests",
        "test-scripts",
        "examples",
        "benches",
    ];
    folders
        .iter()
        .flat_map(|folder| files(folder, &[".rs", ".js", ".mjs", ".ts"]))
        .collect()
}

/// The program itself, without its tests.
fn program() -> Vec<PathBuf> {
    let folders = ["src", "ops/src", "ops/storage/src", "js"];
    let all = folders
        .iter()
        .flat_map(|folder| files(folder, &[".rs", ".js"]));
    all.filter(|file| !file.ends_with("tests.rs")).collect()
}

#[test]
fn the_root_holds_what_the_design_names() {
    for entry in fs::read_dir(root()).expect("the root can be read") {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known = ROOT.contains(&name.as_str()) || ignored(&name);
        assert!(
            known,
            "`{name}` at the root: a new root entry needs a page in docs/decisions"
        );
    }
}

/// What git ignores may lie anywhere.
fn ignored(name: &str) -> bool {
    let ignored = fs::read_to_string(root().join(".gitignore")).expect("there is a .gitignore");
    ignored.lines().any(|line| line.trim_matches('/') == name)
}

#[test]
fn storage_knows_no_v8_and_ops_know_no_threads() {
    let manifest = fs::read_to_string(root().join("ops/storage/Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("deno") && !manifest.contains("v8"),
        "storage depends on the engine"
    );
    for file in files("ops/src", &[".rs"]) {
        let text = fs::read_to_string(&file).unwrap();
        // Tests below the code may start some.
        let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        assert!(
            !code.contains("std::thread::"),
            "{} starts or asks for a thread",
            file.display()
        );
    }
}

#[test]
fn only_clock_rs_asks_the_system_for_the_time() {
    for file in program() {
        let text = fs::read_to_string(&file).unwrap();
        let clock = file.ends_with("src/clock.rs");
        assert!(
            clock || !text.contains("SystemTime::now"),
            "{}: use Clock",
            file.display()
        );
    }
}

#[test]
fn the_shim_is_ascii() {
    for file in files("js", &[".js"]) {
        let text = fs::read(&file).unwrap();
        assert!(
            text.is_ascii(),
            "{}: extension sources must be ASCII",
            file.display()
        );
    }
}

#[test]
fn a_todo_comes_with_its_kind_and_a_sentence() {
    let todo = concat!("TO", "DO");
    for file in code() {
        let text = fs::read_to_string(&file).unwrap();
        for (at, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once(todo) else {
                continue;
            };
            let kinds = ["(perf) ", "(someday) ", "(cleanup) "];
            let whole = kinds
                .iter()
                .any(|kind| rest.strip_prefix(kind).is_some_and(|s| s.len() > 20));
            assert!(whole, "{}:{}: a bare {todo}", file.display(), at + 1);
        }
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for file in program() {
        let text = fs::read_to_string(&file).unwrap();
        // Tests below the code do not count.
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

/// Pages whose tables have rows `| member | status | proving script | note |`.
const COMPATIBILITY: &[&str] = &["docs/COMPATIBILITY.md", "docs/compatibility/members.md"];

/// The rows of a page that claim something, and what proves each.
fn claims(page: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(page).expect("the page can be read");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let claims = rows.filter_map(|line| {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let claims = ["works", "partly"].contains(cells.get(1)?);
        claims.then(|| (line.to_string(), cells[2].to_string()))
    });
    let claims: Vec<_> = claims.collect();
    assert!(
        claims.len() > 50,
        "only {} claims in {}: has the table's form changed?",
        claims.len(),
        page.display()
    );
    claims
}

/// `[text](link)rest`, once for each link: the link, and the rest up to the next one.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
}

#[test]
fn every_claim_of_compatibility_links_to_a_script_that_exists() {
    for page in COMPATIBILITY {
        let page = root().join(page);
        let folder = page.parent().expect("a page is in a folder");
        for (line, proof) in claims(&page) {
            assert!(links(&proof).next().is_some(), "nothing proves: {line}");
            for (link, _) in links(&proof) {
                assert!(
                    folder.join(link).is_file(),
                    "`{link}` does not exist: {line}"
                );
            }
        }
    }
}

/// In members.md the tests follow their script: ``[`ids`](../ids.test.ts): `aNameHasOneId` ``.
#[test]
fn every_member_is_proven_by_tests_that_exist() {
    let folder = root().join("docs/compatibility");
    for (line, proof) in claims(&folder.join("members.md")) {
        for (link, rest) in links(&proof) {
            let script = fs::read_to_string(folder.join(link)).expect("the script can be read");
            // The text of the next link follows.
            let (tests, _) = rest.split_once("; [").unwrap_or((rest, ""));
            let mut count = 0;
            for test in tests.split('`').skip(1).step_by(2) {
                let rust = script.contains(&format!("\nfn {test}()"));
                let exported = script.contains(&format!("\nexport const {test} ="));
                assert!(rust || exported, "no test `{test}` in `{link}`: {line}");
                count += 1;
            }
            assert!(count > 0, "no test of `{link}` is named: {line}");
        }
    }
}

/// The names in a table of surface.test.ts: what stands in quotes behind `start`.
fn surface(text: &str, start: &str) -> Vec<String> {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("`{start}` is not in surface.test.ts"));
    let quote = &rest[..1];
    let names = rest[1..].split(quote).next().unwrap_or_default();
    let names = names.split_whitespace();
    // Static members are those of the instances in all classes that are looked at.
    names
        .map(|name| name.trim_start_matches('.').replace('[', "[Symbol."))
        .collect()
}

#[test]
fn every_member_of_the_platforms_own_classes_has_a_row() {
    let scripts = root().join("test-scripts/conformance/surface.test.ts");
    let scripts = fs::read_to_string(scripts).unwrap();
    let page = fs::read_to_string(root().join("docs/compatibility/members.md")).unwrap();
    let mut checked = 0;
    for (section, start) in [
        ("DurableObjectState", "\n  DurableObjectState: "),
        ("DurableObjectStorage", "\n  DurableObjectStorage: "),
        ("DurableObjectTransaction", "\n  DurableObjectTransaction: "),
        ("SyncKvStorage", "\n  SyncKvStorage: "),
        ("SqlStorage", "\n  SqlStorage: "),
        ("SqlStorageCursor", "\n  SqlStorageCursor: "),
        ("DurableObjectNamespace", "\n  DurableObjectNamespace: "),
        ("DurableObjectId", "\n  DurableObjectId: "),
        ("WebSocket", "\n  WebSocket: "),
        ("WebSocketPair", "\n  WebSocketPair: "),
        (
            "WebSocketRequestResponsePair",
            "\n  WebSocketRequestResponsePair: ",
        ),
        ("RpcStub", "\n  RpcStub: "),
        ("ExecutionContext", "\n  ExecutionContext: "),
        ("Tracing", "\n  tracing: "),
        ("cloudflare:workers", "\nconst MODULE = "),
    ] {
        let (_, rest) = page
            .split_once(&format!("\n## {section}\n"))
            .unwrap_or_else(|| panic!("members.md has no section `{section}`"));
        let rows = rest.split("\n## ").next().unwrap_or_default();
        for name in surface(&scripts, start) {
            let bare = name.trim_end_matches("()");
            let there =
                rows.contains(&format!("`{bare}`")) || rows.contains(&format!("`{bare}()`"));
            assert!(there, "`{name}` of `{section}` has no row in members.md");
            checked += 1;
        }
    }
    assert!(
        checked > 120,
        "only {checked} names were found: has the script's form changed?"
    );
}
