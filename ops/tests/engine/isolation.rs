//! What user code must not reach.

use crate::fixture::check;

#[test]
fn no_way_leads_to_the_ops() {
    check(&[
        (
            "[typeof Deno, typeof __bootstrap, typeof bootstrap, typeof __start]",
            "undefined,undefined,undefined,undefined",
        ),
        (
            "import('ext:core/mod.js')",
            "TypeError: Importing ext: modules is only allowed from ext: and node: modules. Tried to import ext:core/mod.js from file:///main.js",
        ),
        (
            "import('ext:stead/globals.js')",
            "TypeError: Importing ext: modules is only allowed from ext: and node: modules. Tried to import ext:stead/globals.js from file:///main.js",
        ),
        (
            "(0, eval)(\"import('ext:core/ops')\").then(() => 'reached', () => 'refused')",
            "refused",
        ),
        (
            "new Function(\"return import('ext:core/ops')\")().then(() => 'reached', () => 'refused')",
            "refused",
        ),
        (
            "Reflect.ownKeys(globalThis).filter((k) => /deno|stead|__|core|ops/i.test(String(k)))",
            "",
        ),
        (
            "Reflect.ownKeys(Object.getPrototypeOf(globalThis)).map(String).sort()",
            "Symbol(Symbol.toStringTag),constructor",
        ),
        // Stack frames do not give out the functions or receivers of our own code.
        (
            "(() => { const seen = []; const before = Error.prepareStackTrace; Error.prepareStackTrace = (_, sites) => { for (const s of sites) seen.push(s.getFunction(), s.getThis()); return ''; }; try { [1].map(() => { queueMicrotask(); }); } catch (e) { e.stack; } Error.prepareStackTrace = before; return seen.every((x) => x === undefined); })()",
            "true",
        ),
    ]);
}

#[test]
fn replaced_intrinsics_do_not_reach_ours() {
    check(&[(
        "(() => { const { push, map } = Array.prototype; const { then } = Promise.prototype; let seen = 0; const spy = function () { seen++; }; Array.prototype.push = Array.prototype.map = spy; Array.prototype[Symbol.iterator] = spy; Promise.prototype.then = spy; Map.prototype.get = spy; Object.prototype.get = undefined; const id = setTimeout(() => {}, 1, 1, 2); clearTimeout(id); new Headers({ a: '1' }); new Response('x', { headers: { a: 'b' } }); queueMicrotask(() => {}); scheduler.wait(0); new IdentityTransformStream(); crypto.subtle.timingSafeEqual(new Uint8Array(1), new Uint8Array(1)); Array.prototype.push = push; Array.prototype.map = map; Array.prototype[Symbol.iterator] = Array.prototype.values; Promise.prototype.then = then; delete Object.prototype.get; return seen; })()",
        "0",
    )]);
}

#[test]
fn each_runtime_has_its_own_randomness() {
    let one = crate::fixture::run("console.log(Math.random(), Math.random())");
    let two = crate::fixture::run("console.log(Math.random(), Math.random())");
    assert_ne!(one.lines, two.lines);
}
