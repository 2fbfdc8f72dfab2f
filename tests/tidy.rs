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

/// A row of a table in COMPATIBILITY.md is `| member | status | proving script | note |`.
#[test]
fn every_claim_of_compatibility_links_to_a_script_that_exists() {
    let docs = root().join("docs");
    let text = fs::read_to_string(docs.join("COMPATIBILITY.md")).unwrap();
    let mut claims = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let (Some(status), Some(proof)) = (cells.get(1), cells.get(2)) else {
            continue;
        };
        if !["works", "partly"].contains(status) {
            continue;
        }
        claims += 1;
        let links = proof
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let links: Vec<&str> = links.collect();
        assert!(!links.is_empty(), "nothing proves: {line}");
        for link in links {
            assert!(docs.join(link).is_file(), "`{link}` does not exist: {line}");
        }
    }
    assert!(
        claims > 50,
        "only {claims} claims were found: has the table's form changed?"
    );
}
