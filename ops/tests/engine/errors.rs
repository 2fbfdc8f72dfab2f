//! Nothing that user code throws ends the runtime.

use crate::fixture::run;

#[track_caller]
fn check(code: &str, reports: &[&str], lines: &[&str]) {
    let alive = format!(
        "{code}\nfor (let turn = 0; turn < 4; turn++) await new Promise((r) => setTimeout(r, 1));\nconsole.log('alive');"
    );
    let outcome = run(&alive);
    assert_eq!(outcome.reports, reports);
    let mut expect = lines.to_vec();
    expect.push("Log: alive");
    assert_eq!(outcome.lines, expect);
}

#[test]
fn uncaught_exceptions_are_reported() {
    check(
        "setTimeout(() => { throw new TypeError('t'); });",
        &["Uncaught: Uncaught TypeError: t"],
        &[],
    );
    check(
        "queueMicrotask(() => { throw 5; });",
        &["Uncaught: Uncaught 5"],
        &[],
    );
    check(
        "reportError(new Error('r'));",
        &["Uncaught: Uncaught Error: r"],
        &[],
    );
    check(
        "const t = new EventTarget(); t.addEventListener('x', () => { throw new Error('l'); }); t.dispatchEvent(new Event('x'));",
        &["Uncaught: Uncaught Error: l"],
        &[],
    );
}

#[test]
fn unhandled_rejections_are_reported() {
    check(
        "Promise.reject(new Error('p'));",
        &["UnhandledRejection: Uncaught Error: p"],
        &[],
    );
    check(
        "(async () => { await null; throw 'later'; })();",
        &["UnhandledRejection: Uncaught later"],
        &[],
    );
    check("Promise.reject(1).catch(() => {});", &[], &[]);
}

#[test]
fn listeners_see_errors_first_and_may_cancel() {
    check(
        "addEventListener('unhandledrejection', (e) => { console.log(e.type, e.reason, e.promise instanceof Promise); e.preventDefault(); }); Promise.reject('x');",
        &[],
        &["Log: unhandledrejection x true"],
    );
    check(
        "addEventListener('error', (e) => { console.log(e.message, e.error.name); e.preventDefault(); }); setTimeout(() => { throw new RangeError('x'); });",
        &[],
        &["Log: Uncaught RangeError: x RangeError"],
    );
    check(
        "addEventListener('rejectionhandled', (e) => console.log(e.type, e.reason)); const p = Promise.reject('x'); setTimeout(() => p.catch(() => {}));",
        &["UnhandledRejection: Uncaught x"],
        &["Log: rejectionhandled x"],
    );
}

#[test]
fn errors_that_fight_back_are_reported_too() {
    check(
        "addEventListener('unhandledrejection', () => { throw new Error('second'); }); Promise.reject(new Error('first'));",
        &[
            "Uncaught: Uncaught Error: second",
            "UnhandledRejection: Uncaught Error: first",
        ],
        &[],
    );
    check(
        "addEventListener('error', () => { throw new Error('second'); }); reportError(new Error('first'));",
        &[
            "Uncaught: Uncaught Error: second",
            "Uncaught: Uncaught Error: first",
        ],
        &[],
    );
    check(
        "reportError({ get message() { throw 1; }, get stack() { throw 2; }, get name() { throw 3; } });",
        &["Uncaught: Uncaught #<Object>"],
        &[],
    );
    check(
        "reportError(Object.create(null)); reportError(undefined); reportError(Symbol('s'));",
        &[
            "Uncaught: Uncaught [object Object]",
            "Uncaught: Uncaught undefined",
            "Uncaught: Uncaught Symbol(s)",
        ],
        &[],
    );
    check(
        "reportError(new Proxy({}, { get() { throw new Error('trap'); } }));",
        &["Uncaught: Uncaught #<Object>"],
        &[],
    );
}
