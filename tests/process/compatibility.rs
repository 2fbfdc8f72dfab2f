//! Compatibility dates and flags on the command line.

use std::path::Path;

use crate::server::{Finished, stead};

/// Runs the script whose tests hold for any date.
fn test_flags(options: &[&str]) -> Finished {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test-scripts/conformance/compatibility-flags.test.ts");
    let script = script.to_str().unwrap();
    stead(["test", script].iter().chain(options).copied())
}

#[test]
fn an_old_date_brings_old_behaviour_back() {
    for date in [
        "2021-10-01",
        "2022-01-01",
        "2024-02-01",
        "2025-10-01",
        "2026-03-10",
        "2026-11-17",
    ] {
        let finished = test_flags(&["--compatibility-date", date]);
        assert!(
            finished.printed().contains("11 passed, 0 failed"),
            "{date}: {finished:?}"
        );
    }
}

#[test]
fn an_old_date_brings_old_behaviour_of_the_web_platform_back() {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("test-scripts/conformance/older-dates.test.ts");
    let script = script.to_str().unwrap();
    for date in ["2023-02-01", "2024-02-01", "2025-10-01", "2026-03-10"] {
        let finished = stead(["test", script, "--compatibility-date", date]);
        assert!(
            finished.printed().contains("25 passed, 0 failed"),
            "{date}: {finished:?}"
        );
    }
}

#[test]
fn an_old_date_takes_credentials_to_other_origins() {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("test-scripts/conformance/stub-fetch.test.ts");
    let flag = "retain_authorization_on_cross_origin_redirect";
    let finished = stead([
        "test",
        script.to_str().unwrap(),
        "--compatibility-flag",
        flag,
        "-t",
        "credentialsStayWithTheirOrigin",
    ]);
    assert!(
        finished.printed().contains("1 passed, 0 failed"),
        "{finished:?}"
    );
}

#[test]
fn a_flag_may_be_turned_on_and_off_by_name() {
    for flag in [
        "no_global_navigator",
        "disable_weak_ref",
        "no_rpc",
        "rpc_params_transfer_stubs",
        "delete_all_preserves_alarm",
        "disallow_eval_during_startup",
        "no_expose_global_message_channel",
    ] {
        let finished = test_flags(&["--compatibility-flag", flag]);
        assert!(
            finished.printed().contains("11 passed, 0 failed"),
            "{flag}: {finished:?}"
        );
    }
}

#[test]
fn handlers_of_service_stubs_come_with_their_flag() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test-scripts/conformance/extra-handlers.test.ts");
    let script = script.to_str().unwrap();
    let flag = ["--compatibility-flag", "service_binding_extra_handlers"];
    let finished = stead(["test", script].iter().chain(&flag).copied());
    assert!(
        finished.printed().contains("6 passed, 0 failed"),
        "{finished:?}"
    );
}

#[test]
fn what_is_unknown_or_not_there_is_refused_by_name() {
    let flag = "--compatibility-flag";
    test_flags(&[flag, "global_navigater"]).failed(
        2,
        &["no such compatibility flag: global_navigater (did you mean global_navigator?)"],
    );
    test_flags(&[flag, "workers_api_getters_setters_on_instance"]).failed(
        2,
        &["compatibility flag workers_api_getters_setters_on_instance is not implemented in Stead yet"],
    );
    test_flags(&["--compatibility-date", "2030-01-01"]).failed(
        2,
        &[
            "compatibility date 2030-01-01 is later than the newest",
            "2026-11-17",
        ],
    );
}
