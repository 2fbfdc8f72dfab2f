//! Snapshots of `stead test`: when they are written, and when they fail a test.

use std::path::Path;
use std::process::Command;

use crate::server::{Finished, temporary};

const SUITE: &str = r#"import { expect, it } from "vitest";
it("is as it was", () => {
  expect({ count: 1 }).toMatchSnapshot();
  expect("text").toMatchInlineSnapshot();
});
"#;

const STORED: &str = "// Vitest Snapshot v1, https://vitest.dev/guide/snapshot.html

exports[`is as it was 1`] = `
{
  \"count\": 1,
}
`;
";

/// Runs the suite of a folder, in continuous integration or not.
fn run(folder: &Path, options: &[&str], ci: &str) -> Finished {
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", "suite.test.ts"])
        .args(options)
        .current_dir(folder)
        .env("CI", ci)
        .output()
        .expect("the binary starts");
    Finished::of(output)
}

#[track_caller]
fn check(finished: &Finished, code: i32, text: &str) {
    assert_eq!(finished.code, Some(code), "{finished:#?}");
    assert!(
        finished.stdout.contains(text),
        "no `{text}` in {finished:#?}"
    );
}

#[track_caller]
fn write(folder: &Path, source: &str) {
    std::fs::write(folder.join("suite.test.ts"), source).expect("a writable folder");
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

const STORED_IN: &str = "__snapshots__/suite.test.ts.snap";

#[test]
fn snapshots_are_written_once_and_anew_when_asked_for() {
    let folder = temporary();
    let folder = folder.path();
    write(folder, SUITE);
    check(&run(folder, &[], ""), 0, "snapshots: 2 written");
    assert_eq!(read(folder, STORED_IN), STORED);
    let source = read(folder, "suite.test.ts");
    assert!(
        source.contains("toMatchInlineSnapshot(`\"text\"`)"),
        "{source}"
    );
    check(&run(folder, &[], "1"), 0, "1 passed, 0 failed");

    write(folder, &source.replace("count: 1", "count: 2"));
    let failed = run(folder, &[], "");
    check(&failed, 1, "Snapshot `is as it was 1` mismatched");
    check(&failed, 1, "snapshots: 1 not as expected");
    assert_eq!(read(folder, STORED_IN), STORED);
    check(&run(folder, &["--update"], ""), 0, "snapshots: 1 updated");
    assert_eq!(read(folder, STORED_IN), STORED.replace(": 1", ": 2"));
}

#[test]
fn in_continuous_integration_no_snapshot_is_written() {
    let folder = temporary();
    let folder = folder.path();
    write(folder, SUITE);
    check(
        &run(folder, &[], "true"),
        1,
        "Snapshot `is as it was 1` mismatched",
    );
    assert_eq!(read(folder, STORED_IN), "");
    assert_eq!(read(folder, "suite.test.ts"), SUITE);
}

#[test]
fn a_snapshot_that_no_test_asks_for_is_named_and_removed_when_asked_for() {
    let folder = temporary();
    let folder = folder.path();
    write(folder, SUITE);
    check(&run(folder, &[], ""), 0, "snapshots: 2 written");
    write(
        folder,
        "import { it } from 'vitest'; it('does nothing', () => {});",
    );
    let obsolete = "obsolete: suite.test.ts: is as it was 1";
    check(&run(folder, &[], ""), 0, obsolete);
    let in_ci = run(folder, &[], "true");
    check(
        &in_ci,
        1,
        "Obsolete snapshots found when no snapshot update is expected.",
    );
    check(&run(folder, &["-u"], ""), 0, "snapshots: 1 removed");
    assert!(!folder.join(STORED_IN).exists());
}
