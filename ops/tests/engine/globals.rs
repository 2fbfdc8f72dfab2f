//! Each global is there and works.

use crate::fixture::check;
use crate::fixture::compare;
use crate::fixture::run;
use crate::fixture::run_with;
use crate::fixture::start;
use crate::fixture::table_module;

const GLOBALS: &[(&str, &str)] = &[
    ("String(globalThis)", "[object ServiceWorkerGlobalScope]"),
    (
        "self === globalThis && globalThis instanceof EventTarget",
        "true",
    ),
    ("globalThis.constructor.name", "ServiceWorkerGlobalScope"),
    ("origin", "null"),
    // Encoding
    ("btoa('a') + atob('YQ==')", "YQ==a"),
    (
        "new TextDecoder().decode(new TextEncoder().encode('\\u00e9'))",
        "\u{e9}",
    ),
    ("new TextDecoder('shift_jis').encoding", "shift_jis"),
    // URLs
    (
        "new URL('../x?y=1#z', 'http://a.example/b/c/').href",
        "http://a.example/b/x?y=1#z",
    ),
    ("new URLSearchParams({ a: '1 2' })", "a=1+2"),
    (
        "new URLPattern({ pathname: '/:id' }).exec('http://h/7').pathname.groups.id",
        "7",
    ),
    (
        "URL.createObjectURL(new Blob([]))",
        "Error: URL.createObjectURL() is not implemented",
    ),
    // Fetch
    ("new Headers([['A', '1'], ['a', '2']]).get('a')", "1, 2"),
    (
        "new Request('http://h/', { method: 'POST', body: 'x' }).text()",
        "x",
    ),
    ("Response.json({ a: 1 }).text()", "{\"a\":1}"),
    ("new Response('x', { status: 201 }).status", "201"),
    (
        "new Response(new FormData()).headers.get('content-type').slice(0, 19)",
        "multipart/form-data",
    ),
    ("EventSource.OPEN", "1"),
    ("new Blob(['ab', 'c']).slice(1).text()", "bc"),
    (
        "new File(['x'], 'n.txt', { type: 'text/plain' }).name",
        "n.txt",
    ),
    // Events and aborting
    (
        "(() => { let seen; const t = new EventTarget(); t.addEventListener('x', (e) => seen = e.detail); t.dispatchEvent(new CustomEvent('x', { detail: 5 })); return seen; })()",
        "5",
    ),
    (
        "(() => { let seen; addEventListener('x', (e) => seen = e.target === self, { once: true }); dispatchEvent(new Event('x')); return seen; })()",
        "true",
    ),
    ("AbortSignal.any([AbortSignal.abort('why')]).reason", "why"),
    ("new FetchEvent('fetch')", "TypeError: Illegal constructor"),
    (
        "[ExtendableEvent, ScheduledEvent, TailEvent, TraceEvent, MessageEvent, CloseEvent, ErrorEvent, PromiseRejectionEvent].every((c) => c.prototype instanceof Event)",
        "true",
    ),
    ("new DOMException('m', 'AbortError').code", "20"),
    // Tasks
    ("typeof setTimeout(() => {}, 0)", "number"),
    (
        "new Promise((resolve) => setTimeout((a, b) => resolve(a + b), 1, 'x', 'y'))",
        "xy",
    ),
    (
        "new Promise((resolve) => { let n = 0; const id = setInterval(() => { if (++n === 3) { clearInterval(id); resolve(n); } }, 1); })",
        "3",
    ),
    (
        "setTimeout('1')",
        "TypeError: Failed to execute 'setTimeout' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.",
    ),
    (
        "new Promise((resolve) => queueMicrotask(() => resolve('m')))",
        "m",
    ),
    ("scheduler.wait(1)", "undefined"),
    (
        "scheduler.wait(1e6, { signal: AbortSignal.abort(new RangeError('no')) })",
        "RangeError: no",
    ),
    (
        "(() => { const c = new AbortController(); const p = scheduler.wait(1e6, { signal: c.signal }); c.abort(new RangeError('later')); return p; })()",
        "RangeError: later",
    ),
    (
        "structuredClone({ a: new Map([[1, new Date(0)]]) }).a.get(1).getTime()",
        "0",
    ),
    (
        "new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.onmessage = (e) => { port2.close(); resolve(e.data.a); }; port1.postMessage({ a: 1 }); })",
        "1",
    ),
    // Crypto
    (
        "crypto.randomUUID().length + crypto.getRandomValues(new Uint8Array(4)).length",
        "40",
    ),
    (
        "hex(await crypto.subtle.digest('SHA-256', new Uint8Array()))",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        "hex(await crypto.subtle.digest({ name: 'md5' }, new TextEncoder().encode('abc')))",
        "900150983cd24fb0d6963f7d28e17f72",
    ),
    (
        "(async () => { const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']); return hex(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode('The quick brown fox jumps over the lazy dog'))); })()",
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
    ),
    (
        "(async () => { const { publicKey, privateKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']); const data = new Uint8Array(3); return crypto.subtle.verify('Ed25519', publicKey, await crypto.subtle.sign('Ed25519', privateKey, data), data); })()",
        "true",
    ),
    (
        "(async () => structuredClone(await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt'])).type)()",
        "secret",
    ),
    (
        "crypto.subtle.digest('nope', new Uint8Array())",
        "NotSupportedError: Unrecognized or unimplemented digest algorithm requested.",
    ),
    (
        "crypto.subtle.timingSafeEqual(new Uint8Array([1]), new Uint8Array([1]).buffer)",
        "true",
    ),
    (
        "crypto.subtle.timingSafeEqual(new Uint8Array([1]), new Uint8Array([2]))",
        "false",
    ),
    (
        "crypto.subtle.timingSafeEqual(new Uint8Array(1), new Uint8Array(2))",
        "TypeError: Input buffers must have the same byte length.",
    ),
    // The rest
    (
        "typeof performance.now() + (performance.timeOrigin > 1.7e12)",
        "numbertrue",
    ),
    (
        "[navigator.userAgent, navigator.hardwareConcurrency, navigator.platform, navigator.language, navigator.languages]",
        "Cloudflare-Workers,1,,en,en",
    ),
    ("JSON.stringify(Cloudflare.compatibilityFlags)", "{}"),
    ("new Intl.NumberFormat('de-DE').format(1234.5)", "1.234,5"),
    (
        "new Intl.DateTimeFormat('ja-JP', { dateStyle: 'long', timeZone: 'Asia/Tokyo' }).format(0)",
        "1970\u{5e74}1\u{6708}1\u{65e5}",
    ),
    ("'I'.toLocaleLowerCase('tr')", "\u{131}"),
    (
        "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])) instanceof WebAssembly.Module",
        "true",
    ),
];

/// Helpers that the table's expressions use.
const HELPERS: &str = "const hex = (bytes) => new Uint8Array(bytes).toHex();\n";

#[test]
fn every_global_works_on_two_threads_at_once() {
    let module = HELPERS.to_owned() + &table_module(GLOBALS);
    let threads = [start(&module, |_| {}), start(&module, |_| {})];
    for thread in threads {
        compare(GLOBALS, &thread.recv().expect("the thread did not panic"));
    }
}

#[test]
fn properties_have_the_attributes_of_the_platform() {
    check(&[
        ("attributes('Request')", "writable configurable"),
        ("attributes('console')", "writable configurable"),
        ("attributes('setTimeout')", "writable enumerable configurable"),
        ("attributes('queueMicrotask')", "writable enumerable configurable"),
        ("attributes('crypto')", "writable enumerable configurable"),
        ("attributes('origin')", "enumerable configurable"),
    ].map(|(expression, expect)| {
        let call = format!(
            "(({expression_fn}))({name})",
            expression_fn = "(name) => { const d = Object.getOwnPropertyDescriptor(globalThis, name); return ['writable', 'enumerable', 'configurable'].filter((a) => d[a]).join(' '); }",
            name = &expression["attributes(".len()..expression.len() - 1],
        );
        (&*call.leak(), expect)
    }));
}

#[test]
fn the_console_prints_through_the_sink() {
    let outcome = run("\
        console.debug('d'); console.log('%s is %d', 'x', 1, { a: [1] });\n\
        console.info(new Error('e').message); console.warn('w'); console.error('e');\n\
        console.group('g'); console.log('inside'); console.groupEnd();\n\
        console.log({ get a() { console.log('never'); return 1; } });\n\
        console.log({ toString() { console.log('nested'); return 's'; } } + '');\n\
        console.assert(false, 'broken'); console.count(); console.table([[1]]);\n\
        console.log('two\\nlines'); console.log(); console.clear();\n");
    assert_eq!(
        outcome.lines[..14],
        [
            "Debug: d",
            "Log: x is 1 { a: [ 1 ] }",
            "Info: e",
            "Warn: w",
            "Error: e",
            "Log: g",
            "Log:   inside",
            "Log: { a: [Getter] }",
            "Log: nested",
            "Log: s",
            "Error: Assertion failed: broken",
            "Log: default: 1",
            "Log: \u{250c}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{252c}\u{2500}\u{2500}\u{2500}\u{2510}\n\u{2502} (idx) \u{2502} 0 \u{2502}\n\u{251c}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{253c}\u{2500}\u{2500}\u{2500}\u{2524}\n\u{2502}     0 \u{2502} 1 \u{2502}\n\u{2514}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2534}\u{2500}\u{2500}\u{2500}\u{2518}",
            "Log: two\nlines",
        ]
    );
    assert_eq!(outcome.lines[14..], ["Log: "]);
}

#[test]
fn colours_are_used_when_asked_for() {
    let plain = run("console.log(1)");
    assert_eq!(plain.lines, ["Log: 1"]);
    let coloured = run_with("console.log(1)", |options| options.colors = true);
    assert_eq!(coloured.lines, ["Log: \u{1b}[33m1\u{1b}[39m"]);
}

#[test]
fn compatibility_flags_are_shown_and_obeyed() {
    let code = "console.log(typeof Temporal, Cloudflare.compatibilityFlags.temporal)";
    assert_eq!(run(code).lines, ["Log: undefined undefined"]);
    let outcome = run_with(code, |options| {
        options.compatibility_flags.insert("temporal".into(), true);
    });
    assert_eq!(outcome.lines, ["Log: object true"]);
}

#[test]
fn a_seed_makes_randomness_repeatable() {
    let code = "console.log(Math.random(), crypto.randomUUID(), Math.random())";
    let seeded = || run_with(code, |options| options.seed = Some(7)).lines;
    assert_eq!(seeded(), seeded());
    assert_ne!(run(code).lines, run(code).lines);
}

#[test]
fn the_console_prints_under_a_debugger_too() {
    let outcome = run_with("console.log('x'); console.warn('y')", |options| {
        options.inspector = true;
    });
    assert_eq!(outcome.lines, ["Log: x", "Warn: y"]);
}
