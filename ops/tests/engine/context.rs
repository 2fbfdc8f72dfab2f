//! The current context travels with the code.

use crate::fixture::run_internal;

/// Prelude: `who()` is the current context's name.
const IMPORTS: &str = "\
    import { currentContext, enterContext, runInContext } from 'ext:stead/context.js';\n\
    const who = () => currentContext()?.name;\n\
    const a = { name: 'a' }, b = { name: 'b' };\n";

#[track_caller]
fn check(code: &str, expect: &[&str]) {
    let outcome = run_internal(&format!("{IMPORTS}{code}"));
    assert_eq!(outcome.reports, [""; 0]);
    assert_eq!(outcome.lines, expect);
}

#[test]
fn it_lasts_for_the_call() {
    check("console.log(who());", &["Log: undefined"]);
    check(
        "runInContext(a, (x, y) => { console.log(who(), x, y); runInContext(b, () => console.log(who())); console.log(who()); }, 1, 2); console.log(who());",
        &["Log: a 1 2", "Log: b", "Log: a", "Log: undefined"],
    );
    check(
        "try { runInContext(a, () => { throw 1; }); } catch { console.log(who()); }",
        &["Log: undefined"],
    );
}

#[test]
fn other_variables_are_kept() {
    check(
        "import { core } from 'ext:core/mod.js';\n\
         const other = new core.AsyncVariable();\n\
         other.enter(1);\n\
         runInContext(a, () => { console.log(who(), other.get()); other.enter(2); runInContext(b, () => console.log(who(), other.get())); });\n\
         console.log(who(), other.get());",
        &["Log: a 1", "Log: b 2", "Log: undefined 1"],
    );
}

#[test]
fn it_crosses_awaits_timers_microtasks_and_streams() {
    check(
        "runInContext(a, async () => { await null; console.log(who()); setTimeout(() => console.log('timer', who())); queueMicrotask(() => console.log('microtask', who())); });\n\
         runInContext(b, async () => { await null; console.log(who()); });",
        &["Log: a", "Log: b", "Log: microtask a", "Log: timer a"],
    );
    check(
        "const { readable, writable } = new TransformStream();\n\
         runInContext(a, async () => { const { value } = await readable.getReader().read(); console.log(value, who()); });\n\
         runInContext(b, () => writable.getWriter().write('x'));",
        &["Log: x a"],
    );
    check(
        "runInContext(a, () => crypto.subtle.digest('SHA-1', new Uint8Array()).then(() => console.log(who())));",
        &["Log: a"],
    );
    check(
        "runInContext(a, () => { addEventListener('unhandledrejection', (e) => { e.preventDefault(); console.log(who()); }); });\n\
         runInContext(b, () => { Promise.reject(1); });",
        &["Log: b"],
    );
}

#[test]
fn an_event_from_rust_starts_empty_and_leaves_nothing() {
    check(
        "runInContext(a, () => { enterContext(b, () => console.log(who())); console.log(who()); });\n\
         enterContext(b, () => console.log(who())); console.log(who());",
        &["Log: b", "Log: undefined", "Log: b", "Log: undefined"],
    );
}
