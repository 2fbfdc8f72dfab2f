//! `stead test`: what it says of tests that pass and fail, and what its options do.

use std::path::Path;
use std::process::Command;

use crate::server::{Finished, fixture, temporary};

/// Runs the tests of a fixture in a folder of its own.
fn run(file: &str, options: &[&str]) -> Finished {
    run_in(temporary().path(), file, options)
}

fn run_in(folder: &Path, file: &str, options: &[&str]) -> Finished {
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .arg("test")
        .arg(fixture(&format!("suites/{file}")))
        .args(options)
        .current_dir(folder)
        .output()
        .expect("the binary starts");
    Finished::of(output)
}

#[track_caller]
fn check(finished: &Finished, texts: &[&str]) {
    for text in texts {
        assert!(
            finished.stdout.contains(text),
            "no `{text}` in {finished:#?}"
        );
    }
}

#[test]
fn a_failure_shows_its_line_the_difference_and_what_was_printed() {
    let finished = run("rooms.test.ts", &["-t", "greets"]);
    assert_eq!(finished.code, Some(1));
    check(
        &finished,
        &[
            "FAILED a room > greets",
            "rooms.test.ts:23:",
            "expect({ greeting, members: 1 }).toEqual(",
            "-   \"greeting\": \"hello Grace\",",
            "+   \"greeting\": \"hello Ada\",",
            "log Room/lobby  greeting Ada",
            "0 passed, 1 failed",
            "the same run again: --seed ",
        ],
    );
}

#[test]
fn what_is_thrown_and_is_no_error_is_shown_without_colours() {
    let finished = run("throws.test.ts", &[]);
    assert_eq!(finished.code, Some(1));
    let shown = [
        "error: a value was thrown that is no Error: {\"code\":42}",
        "Number of calls: 1",
    ];
    check(&finished, &shown);
    assert!(!finished.stdout.contains('\u{1b}'), "{finished:?}");
    assert_eq!(finished.stderr, "", "the alarm is no line of the log");
}

#[test]
fn a_test_that_nothing_can_end_ends_with_what_it_waits_for() {
    let finished = run("rooms.test.ts", &["-t", "hangs"]);
    assert_eq!(finished.code, Some(1));
    check(
        &finished,
        &[
            "nothing is left that could end this test",
            "Room/lobby has a call or request that it has not answered",
            "somebody waits for the result of a call",
            "rooms.test.ts:26",
        ],
    );
}

#[test]
fn an_exception_that_nobody_caught_fails_the_test() {
    let finished = run("rooms.test.ts", &["-t", "nobody caught"]);
    assert_eq!(finished.code, Some(1));
    check(
        &finished,
        &[
            "FAILED a room > hears what nobody caught",
            "Error: left alone",
        ],
    );
}

#[test]
fn a_body_that_a_failed_test_has_not_read_is_named() {
    let finished = run("unread.test.ts", &[]);
    assert_eq!(finished.code, Some(1));
    let body = "the body of https://example.com/unread was neither read nor cancelled (";
    check(&finished, &[body, "unread.test.ts:12:"]);
    assert!(!finished.stdout.contains("example.com/read "));
}

#[test]
fn a_test_that_does_not_end_is_ended_and_named() {
    let finished = run("endless.test.ts", &["--cpu-ms", "500"]);
    assert_eq!(finished.code, Some(1));
    check(
        &finished,
        &[
            "FAILED waits while a timer goes on",
            "Test timed out in 200ms.",
            "timers that go on: 1",
            "FAILED never pauses",
            "Worker exceeded CPU time limit.",
            "did not run: the code of the tests was ended before",
            "0 passed, 2 failed, 1 skipped",
        ],
    );
}

#[test]
fn bail_stops_at_the_first_failure() {
    let finished = run("rooms.test.ts", &["--bail"]);
    assert_eq!(finished.code, Some(1));
    check(&finished, &["0 passed, 1 failed, 4 skipped, 1 todo"]);
}

#[test]
fn a_seed_fixes_all_random_numbers() {
    let random = |seed: &str| {
        let finished = run("rooms.test.ts", &["-t", "is random", "--seed", seed]);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let line = finished
            .stdout
            .lines()
            .find(|line| line.contains("worker  random"));
        line.expect("the test prints them").to_owned()
    };
    assert_eq!(random("5"), random("5"));
    assert_ne!(random("5"), random("6"));
}

#[test]
fn the_state_of_a_failed_test_is_kept() {
    let folder = temporary();
    let finished = run_in(
        folder.path(),
        "rooms.test.ts",
        &["-t", "greets", "--keep-failed"],
    );
    assert_eq!(finished.code, Some(1));
    let state = folder.path().join(".stead/failed/rooms/a-room---greets");
    let objects = std::fs::read_dir(state.join("rooms-Room")).expect("the namespace is there");
    let objects = objects.filter(|entry| {
        let name = entry.as_ref().expect("a readable folder").file_name();
        name.to_string_lossy().ends_with(".sqlite")
    });
    assert!(objects.count() >= 1);
}

#[test]
fn an_order_that_a_test_relies_on_is_found() {
    let found = found_by_order("racing.test.ts");
    check(&found, &["FAILED the first to start is the first to end"]);
}

#[test]
fn an_update_that_is_lost_in_some_orders_is_found() {
    let found = found_by_order("lost-update.test.ts");
    check(
        &found,
        &["FAILED no deposit is lost", "lost-update.test.ts:35:"],
    );
    let amounts: Vec<&str> = found
        .stdout
        .lines()
        .filter(|line| line.contains("expected "))
        .collect();
    assert_eq!(amounts.len(), 1, "{found:#?}");
    assert!(
        amounts[0].ends_with("expected 20 to be 30 // Object.is equality")
            || amounts[0].ends_with("expected 10 to be 30 // Object.is equality")
    );
}

/// A file that passes in the plain order, and fails in another one: the failure, which its seed makes again.
#[track_caller]
fn found_by_order(file: &str) -> Finished {
    let plain = run(file, &["--seed", "1"]);
    assert_eq!(plain.code, Some(0), "{plain:#?}");
    let found = run(file, &["--seed", "1", "--fuzz-schedule", "50"]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    let line = found.stdout.lines().find(|line| line.contains("--seed"));
    let (_, options) = line
        .and_then(|line| line.split_once(": "))
        .expect("the seed is printed");
    let options: Vec<&str> = options.split(' ').collect();
    let again = run(file, &options);
    let error = |finished: &Finished| {
        let line = finished
            .stdout
            .lines()
            .find(|line| line.contains("error: "));
        line.expect("the failure says why").to_owned()
    };
    assert_eq!((again.code, error(&again)), (Some(1), error(&found)));
    found
}

#[test]
fn machines_can_read_the_results() {
    let finished = run(
        "rooms.test.ts",
        &["-t", "greets|passes", "--reporter", "json"],
    );
    let results: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(
        (&results["passed"], &results["failed"]),
        (&1.into(), &1.into())
    );
    let finished = run(
        "rooms.test.ts",
        &["-t", "greets|passes", "--reporter", "junit"],
    );
    check(
        &finished,
        &[
            "<testcase name=\"a room &gt; passes\"",
            "<failure message=\"expected { greeting: ",
        ],
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_no_success() {
    let finished = run("rooms.test.ts", &["-t", "no such test"]);
    finished.failed(3, &["no test's name matches `no such test`"]);
}

#[test]
fn coverage_counts_the_lines_of_the_users_files() {
    let folder = temporary();
    let file = fixture("suites/covered.test.ts");
    let finished = run_in(folder.path(), "covered.test.ts", &["--coverage"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    check(&finished, &["coverage of lines", "85.7 %", "8"]);
    let lcov = std::fs::read_to_string(folder.path().join("coverage/lcov.info")).expect("lcov");
    let source = file.with_file_name("covered.ts");
    assert!(lcov.contains(&format!("SF:{}", source.display())), "{lcov}");
    assert!(lcov.contains("DA:8,0"), "{lcov}");
    assert!(folder.path().join("coverage/index.html").is_file());
}

#[test]
fn a_project_is_tested_with_its_configuration() {
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .arg("test")
        .current_dir(fixture("project"))
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed, 0 failed"), "{text}");
}

/// The secrets that a project's test sees as its variable `SECRET`, with these files beside its configuration.
#[track_caller]
fn check_secret(files: &[(&str, &str)], expect: &str) {
    let folder = temporary();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a writable folder");
    };
    write(
        "wrangler.jsonc",
        r#"{ "name": "p", "main": "worker.ts", "compatibility_date": "2026-01-01", "vars": { "SECRET": "open" } }"#,
    );
    write(
        "worker.ts",
        "export default { fetch: (_, env) => new Response(env.SECRET) };",
    );
    write(
        "worker.test.ts",
        r#"import { env, SELF } from "cloudflare:test";
        import { it } from "vitest";
        it("tells", async () => {
          const answer = await (await SELF.fetch("https://example.com/")).text();
          console.log(`secret ${env.SECRET} ${answer}.`);
        });"#,
    );
    for (name, text) in files {
        write(name, text);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", "worker.test.ts"])
        .current_dir(folder.path())
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let expect = format!("secret {expect} {expect}.");
    assert!(text.contains(&expect), "no `{expect}` in {text}");
}

#[test]
fn a_projects_tests_see_its_secrets() {
    let (dev, env) = ((".dev.vars", "SECRET=dev"), (".env", "SECRET=env"));
    check_secret(&[], "open");
    check_secret(&[env], "env");
    check_secret(&[dev, env], "dev");
}

#[test]
fn objects_on_several_shards_start_from_nothing_too() {
    let folder = temporary();
    let source = r#"import { DurableObject } from "cloudflare:workers";
        import { env, expect, it } from "stead:test";
        export class Counter extends DurableObject {
          add() { return this.ctx.storage.kv.put("n", this.get() + 1); }
          get() { return this.ctx.storage.kv.get("n") ?? 0; }
        }
        it.each([1, 2, 3])("round %i", async () => {
          const counters = Array.from({ length: 20 }, (_, i) => env.COUNTER.getByName(`${i}`));
          expect(await Promise.all(counters.map((one) => one.get()))).toEqual(counters.map(() => 0));
          await Promise.all(counters.map((one) => one.add()));
          expect(await Promise.all(counters.map((one) => one.get()))).toEqual(counters.map(() => 1));
          await caches.default.put("http://example.com/", new Response("x", { headers: { "Cache-Control": "max-age=9" } }));
        });"#;
    std::fs::write(folder.path().join("shards.test.ts"), source).expect("a writable folder");
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", "shards.test.ts", "--shards", "3"])
        .current_dir(folder.path())
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("3 passed, 0 failed"), "{text}");
}

#[test]
fn values_for_tests_come_from_the_command_line() {
    let provide = ["--provide", "port=1234", "--provide", "name=Ada"];
    let finished = run("provided.test.ts", &provide);
    assert!(finished.printed().contains("1 passed"), "{finished:?}");
    run("provided.test.ts", &["--provide", "port"]).failed(2, &["NAME=VALUE is expected"]);
}

#[test]
fn the_configuration_of_vitest_holds() {
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .args(["test", "."])
        .current_dir(fixture("vitest"))
        .output();
    let finished = Finished::of(output.expect("the binary starts"));
    assert!(
        finished.printed().contains("1 passed, 0 failed"),
        "{finished:?}"
    );
    let note = "vitest.config.ts`, `stead test` does not heed `globalSetup`";
    assert!(finished.stderr.contains(note), "{finished:?}");
}
