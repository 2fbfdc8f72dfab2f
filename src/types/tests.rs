use super::*;
use crate::config::Rule;
use crate::config::RuleKind;

#[test]
fn each_environment_has_an_interface() {
    assert_eq!(interface_name("staging"), "StagingEnv");
    assert_eq!(interface_name("my-own_DEV"), "MyOwnDevEnv");
    assert_eq!(interface_name("testEnv"), "TestenvEnv");
    assert_eq!(interface_name("test-env"), "TestEnv");
}

#[track_caller]
fn check_modules(rules: &[Rule], expect: &[(&str, &str)]) {
    let declared = modules::declarations(vec![rules]);
    let expect = expect.iter().map(|(pattern, kind)| {
        format!(
            "declare module \"{pattern}\" {{\n\tconst value: {kind};\n\texport default value;\n}}\n"
        )
    });
    assert_eq!(declared, expect.collect::<String>());
}

fn rule(kind: RuleKind, glob: &str, fallthrough: bool) -> Rule {
    Rule {
        kind,
        globs: vec![glob.to_owned()],
        fallthrough,
    }
}

const TEXT: (&str, &str) = ("*.txt", "string");
const DATA: (&str, &str) = ("*.bin", "ArrayBuffer");
const WASM: [(&str, &str); 2] = [
    ("*.wasm", "WebAssembly.Module"),
    ("*.wasm?module", "WebAssembly.Module"),
];

#[test]
fn a_rule_stands_in_for_wranglers_own_unless_it_falls_through() {
    let all = [TEXT, ("*.html", "string"), ("*.sql", "string"), DATA];
    check_modules(&[], &[&all[..], &WASM].concat());
    let md = rule(RuleKind::Text, "**/*.md", false);
    check_modules(&[md], &[&[("*.md", "string"), DATA], &WASM[..]].concat());
    let md = rule(RuleKind::Text, "**/*.md", true);
    check_modules(&[md], &[&[("*.md", "string")], &all[..], &WASM].concat());
}

#[test]
fn a_file_has_each_type_that_a_rule_may_give_it() {
    // Below `docs` a .bin is text, elsewhere it is data.
    let docs = rule(RuleKind::Text, "docs/*.bin", false);
    let expect = [("docs/*.bin", "string"), ("*.bin", "string | ArrayBuffer")];
    check_modules(&[docs], &[&expect[..], &WASM].concat());
    let dat = rule(RuleKind::Data, "**/*.dat", true);
    let late = rule(RuleKind::Text, "docs/*.dat", false);
    let expect = [("*.dat", "ArrayBuffer"), DATA];
    check_modules(&[dat, late], &[&expect[..], &WASM].concat());
}
