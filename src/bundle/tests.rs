//! What comes out of a bundle when it runs, and what is said when there is none.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use deno_core::JsRuntime;
use deno_core::RuntimeOptions;
use deno_core::error::CoreError;
use deno_core::serde_v8;
use deno_core::v8;

use super::loader::BundleLoader;
use super::*;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "stead-bundle-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let folder = Folder(folder.canonicalize().unwrap());
        for (path, text) in files {
            folder.write(path, text.as_bytes());
        }
        folder
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.0.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    fn bundle(&self, entry: &str) -> Result<Bundle, Vec<Diagnostic>> {
        bundle(&self.0.join(entry), &BundleOptions::default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a bundle and answers with what it left in `globalThis.out`.
///
/// One thread starts V8 and runs everything: V8's memory protection keys allow its memory only to
/// descendants of the thread that started it, which the harness's threads are not.
fn run(bundle: Bundle) -> Result<serde_json::Value, CoreError> {
    type Job = (Bundle, mpsc::Sender<Result<serde_json::Value, CoreError>>);
    static JOBS: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            JsRuntime::init_platform(None);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            for (bundle, answer) in inbox {
                let _ = answer.send(runtime.block_on(evaluate(bundle)));
            }
        });
        Mutex::new(jobs)
    });
    let (answer, result) = mpsc::channel();
    jobs.lock().unwrap().send((bundle, answer)).unwrap();
    result.recv().unwrap()
}

async fn evaluate(bundle: Bundle) -> Result<serde_json::Value, CoreError> {
    let loader = Rc::new(BundleLoader::default());
    let specifier = loader.give(Arc::new(bundle), false);
    let mut runtime = JsRuntime::new(RuntimeOptions {
        module_loader: Some(loader),
        ..RuntimeOptions::default()
    });
    let id = runtime.load_main_es_module(&specifier).await?;
    let done = runtime.mod_evaluate(id);
    runtime.run_event_loop(Default::default()).await?;
    done.await?;
    let out = runtime.execute_script("out", "JSON.stringify(globalThis.out ?? null)")?;
    deno_core::scope!(scope, &mut runtime);
    let out = v8::Local::new(scope, out);
    let text: String = serde_v8::from_v8(scope, out).unwrap();
    Ok(serde_json::from_str(&text).unwrap())
}

/// Bundles `files`, the first being the entry, runs the result and compares `globalThis.out`.
#[track_caller]
fn check(files: &[(&str, &str)], expect: &str) {
    let folder = Folder::new(files);
    check_in(&folder, files[0].0, expect);
}

#[track_caller]
fn check_in(folder: &Folder, entry: &str, expect: &str) {
    let bundle = folder.bundle(entry).unwrap_or_else(|problems| {
        let texts: Vec<String> = problems.iter().map(Diagnostic::to_string).collect();
        panic!("{}", texts.join("\n"))
    });
    let code = bundle.code.clone();
    let out = run(bundle).unwrap_or_else(|error| panic!("{error}\n{code}"));
    let expect: serde_json::Value = serde_json::from_str(expect).unwrap();
    assert_eq!(out, expect, "{code}");
}

/// Bundles `files` and compares what is said, one `file:line:column message` each.
#[track_caller]
fn check_problems(files: &[(&str, &str)], expect: &[&str]) {
    let folder = Folder::new(files);
    let problems = folder.bundle(files[0].0).expect_err("must not bundle");
    let said: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = problem.location.as_ref().map_or(String::new(), |location| {
                let file = location.file.strip_prefix(&folder.0).unwrap();
                format!("{}:{}:{} ", file.display(), location.line, location.column)
            });
            let folder = folder.0.display().to_string();
            format!("{place}{}", problem.message.replace(&folder, ""))
        })
        .collect();
    assert_eq!(said, expect);
}

#[test]
fn typescript_that_leaves_code_behind() {
    check(
        &[(
            "a.ts",
            "enum Color { Red, Green = 'g' }
             const enum K { A = 1 }
             namespace N { export const x = 1 }
             declare const nothing: string
             abstract class P { constructor(public readonly p: number) {} abstract f(): void }
             class Q extends P { f() {} }
             const s = { a: 1 } satisfies object
             globalThis.out = [Color.Red, Color[0], Color.Green, K.A, N.x, new Q(5).p, s!.a, <number>2]",
        )],
        r#"[0, "Red", "g", 1, 1, 5, 1, 2]"#,
    );
}

#[test]
fn enums_of_other_files() {
    check(
        &[
            (
                "a.ts",
                "import { E, C } from './b'; globalThis.out = [E.B, E[1], C.X]",
            ),
            (
                "b.ts",
                "export enum E { A, B } export const enum C { X = 'x' }",
            ),
        ],
        r#"[1, "B", "x"]"#,
    );
}

#[test]
fn class_fields_are_set_after_super() {
    let source = "class Base { ctx; constructor(ctx, env) { this.ctx = ctx } }
         export class Room extends Base {
           #sql = this.ctx.storage.sql
           sessions = new Map<string, number>()
           constructor(ctx: any, private readonly env: any) { super(ctx, env) }
           get() { return [this.#sql, this.sessions.size, this.env] }
         }
         globalThis.out = new Room({ storage: { sql: 's' } }, 'e').get()";
    check(&[("a.ts", source)], r#"["s", 0, "e"]"#);
    // Without `useDefineForClassFields` fields are assignments; the order stays.
    let tsconfig = r#"{ "compilerOptions": { "target": "es2020" } }"#;
    check(
        &[("a.ts", source), ("tsconfig.json", tsconfig)],
        r#"["s", 0, "e"]"#,
    );
}

#[test]
fn standard_decorators_and_accessors() {
    check(
        &[(
            "a.ts",
            "import type { Seen } from './nowhere'
             const seen: Seen = [] as any
             function note(value: any, context: any) { seen.push(context.kind + ':' + context.name); return value }
             @note export class Room {
               @note hello(name: string): string { return name }
               @note accessor count = 3
               accessor plain = 4
               #secret = 5
               get secret() { return this.#secret }
             }
             const room = new Room()
             room.count++
             globalThis.out = [seen, Room.name, room.hello('x'), room.count, room.plain, room.secret]",
        )],
        r#"[["method:hello", "accessor:count", "class:Room"], "Room", "x", 4, 4, 5]"#,
    );
}

#[test]
fn experimental_decorators_by_tsconfig() {
    check(
        &[
            (
                "a.ts",
                "const seen = []
                 function note(target: any, key: string) { seen.push(typeof target + ':' + key) }
                 class A { @note f() {} }
                 globalThis.out = seen",
            ),
            (
                "tsconfig.json",
                r#"{ "compilerOptions": { "experimentalDecorators": true } }"#,
            ),
        ],
        r#"["object:f"]"#,
    );
}

#[test]
fn using_disposes() {
    check(
        &[(
            "a.ts",
            "globalThis.out = []
             { using a = { [Symbol.dispose]() { globalThis.out.push('disposed') } }; globalThis.out.push('used') }",
        )],
        r#"["used", "disposed"]"#,
    );
}

#[test]
fn jsx_is_classic_by_default() {
    let source = "const React = { createElement: (...all) => all, Fragment: 'F' }
         globalThis.out = <><a b='c'>d</a></>";
    let expect = r#"["F", null, ["a", { "b": "c" }, "d"]]"#;
    check(&[("a.tsx", source)], expect);
    check(&[("a.jsx", source)], expect);
    check(&[("a.js", source)], expect);
}

#[test]
fn jsx_library_by_comment_and_by_tsconfig() {
    let runtime =
        "export const jsx = (...all) => all; export const jsxs = jsx; export const Fragment = 'F'";
    let source = "globalThis.out = <a b='c'/>";
    let expect = r#"["a", { "b": "c" }]"#;
    let commented = format!("/** @jsxImportSource lib */\n{source}");
    let package = ("node_modules/lib/jsx-runtime.js", runtime);
    check(&[("a.tsx", &commented), package], expect);
    for options in [
        r#""jsx": "react-jsx", "jsxImportSource": "lib""#,
        r#""jsx": "preserve", "jsxImportSource": "lib""#,
        r#""jsxImportSource": "lib""#,
    ] {
        let tsconfig = format!("{{ \"compilerOptions\": {{ {options} }} }}");
        check(
            &[("a.tsx", source), package, ("tsconfig.json", &tsconfig)],
            expect,
        );
    }
}

#[test]
fn tsconfig_paths() {
    check(
        &[
            ("a.ts", "import b from '@/b'; globalThis.out = b"),
            ("src/b.ts", "export default 'b'"),
            (
                "tsconfig.json",
                "{ // comments are allowed\n \"compilerOptions\": { \"paths\": { \"@/*\": [\"./src/*\"] } } }",
            ),
        ],
        r#""b""#,
    );
}

#[test]
fn packages_are_found_as_wrangler_finds_them() {
    let package = |exports: &str| format!("{{ \"name\": \"p\", {exports} }}");
    let files = ["workerd", "worker", "browser", "module", "main"].map(|name| {
        (
            format!("node_modules/p/{name}.js"),
            format!("export default '{name}'"),
        )
    });
    let check = |exports: &str, expect: &str| {
        let folder = Folder::new(&[("a.ts", "import p from 'p'; globalThis.out = p")]);
        for (path, text) in &files {
            folder.write(path, text.as_bytes());
        }
        folder.write("node_modules/p/package.json", package(exports).as_bytes());
        check_in(&folder, "a.ts", &format!("\"{expect}\""));
    };
    check(
        r#""exports": { "browser": "./browser.js", "default": "./main.js" }"#,
        "browser",
    );
    check(
        r#""exports": { "node": "./main.js", "workerd": "./workerd.js", "default": "./main.js" }"#,
        "workerd",
    );
    check(
        r#""exports": { "worker": "./worker.js", "import": "./main.js" }"#,
        "worker",
    );
    check(r#""main": "main.js", "module": "module.js""#, "module");
    check(
        r#""main": "main.js", "module": "module.js", "browser": "browser.js""#,
        "browser",
    );
}

#[test]
fn commonjs_packages() {
    check(
        &[
            (
                "a.ts",
                "import all, { named } from 'cjs'; import inner from 'esmodule';
                 globalThis.out = [all.named, named, inner]",
            ),
            (
                "node_modules/cjs/index.js",
                "exports.named = require('./other.js')",
            ),
            ("node_modules/cjs/other.js", "module.exports = 'n'"),
            (
                "node_modules/esmodule/index.js",
                "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'd'",
            ),
        ],
        r#"["n", "n", "d"]"#,
    );
}

#[test]
fn optional_and_builtin_requires_fail_where_they_are_reached() {
    check(
        &[
            ("a.ts", "import p from 'p'; globalThis.out = p"),
            (
                "node_modules/p/index.js",
                "const seen = []
                 try { require('not-installed') } catch { seen.push('missing') }
                 try { require('node:sea') } catch (e) { seen.push(e.message) }
                 exports.unused = () => require('node:sea')
                 module.exports = seen",
            ),
        ],
        r#"["missing", "`node:sea` is not available in Stead yet"]"#,
    );
}

#[test]
fn data_modules() {
    let folder = Folder::new(&[
        (
            "a.ts",
            "import text from './a.txt'; import html from './a.html'; import sql from './a.sql'
             import bin from './a.bin'; import json, { b } from './a.json'
             import wasm from './a.wasm'; import wasm2 from './a.wasm?module'
             globalThis.out = [text, html, sql, bin instanceof ArrayBuffer, [...new Uint8Array(bin)],
               json.b, b, wasm instanceof WebAssembly.Module, new WebAssembly.Instance(wasm2).exports.f()]",
        ),
        ("a.txt", "t"),
        ("a.html", "<p>"),
        ("a.sql", "select \"1\""),
        ("a.json", r#"{ "b": 7 }"#),
    ]);
    folder.write("a.bin", &[0, 255, 128]);
    // (module (func (export "f") (result i32) i32.const 42))
    folder.write(
        "a.wasm",
        b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x06\x01\x04\0\x41\x2a\x0b",
    );
    check_in(
        &folder,
        "a.ts",
        r#"["t", "<p>", "select \"1\"", true, [0, 255, 128], 7, 7, true, 42]"#,
    );
}

#[test]
fn modules_run_in_the_order_of_their_imports() {
    check(
        &[
            (
                "a.ts",
                "import './b'; import './c'; import('./d').then((d) => globalThis.out.push(d.default)); globalThis.out.push('a')",
            ),
            (
                "b.ts",
                "globalThis.out = ['b']; await null; globalThis.out.push('b2')",
            ),
            ("c.ts", "globalThis.out.push('c')"),
            ("d.ts", "globalThis.out.push('d1'); export default 'd2'"),
        ],
        r#"["b", "b2", "c", "a", "d1", "d2"]"#,
    );
}

#[test]
fn names_of_classes_survive_conflicts() {
    check(
        &[
            (
                "a.ts",
                "import { Room as Other } from './b'; export class Room {}; export function f() {}
                 globalThis.out = [Room.name, Other.name, f.name]",
            ),
            (
                "b.ts",
                "export class Room {}; export function f() {}; globalThis.f = f",
            ),
        ],
        r#"["Room", "Room", "f"]"#,
    );
}

#[test]
fn wrangler_defines() {
    check(
        &[(
            "a.ts",
            "globalThis.out = [process.env.NODE_ENV, globalThis.process.env.NODE_ENV, global.process.env.NODE_ENV,
               navigator.userAgent]",
        )],
        r#"["development", "development", "development", "Cloudflare-Workers"]"#,
    );
}

#[test]
fn types_may_be_exported_again_without_saying_type() {
    check(
        &[
            (
                "a.ts",
                "export { T } from './b'; import { U, v } from './b'; export { U, v };
                 let t: U; globalThis.out = v",
            ),
            (
                "b.ts",
                "export { T } from './c'; export { U, v } from './c'",
            ),
            (
                "c.ts",
                "export interface T {} export type U = 1; export const v = 1",
            ),
        ],
        "1",
    );
}

#[test]
fn runtime_modules_stay_imports() {
    let folder = Folder::new(&[(
        "a.ts",
        "import { DurableObject } from 'cloudflare:workers'; import fs from 'node:fs'; import path from 'path'
         export class Room extends DurableObject {}; export default { fs, path }",
    )]);
    let code = folder.bundle("a.ts").unwrap().code;
    for line in [
        "import { DurableObject } from \"cloudflare:workers\";",
        "import fs from \"node:fs\";",
        "import path from \"node:path\";",
    ] {
        assert!(code.contains(line), "{line}\n{code}");
    }
    assert!(code.contains("export { Room, "), "{code}");
}

#[test]
fn bare_names_are_nodes_or_those_of_packages() {
    let folder = Folder::new(&[
        ("a.ts", "import all from 'buffer'; export default all"),
        ("node_modules/buffer/index.js", "module.exports = 'mine'"),
    ]);
    let check = |node: bool, alias: &str, expect: bool| {
        let options = BundleOptions {
            node,
            alias: vec![(
                alias.to_owned(),
                "./node_modules/buffer/index.js".to_owned(),
            )],
            ..BundleOptions::default()
        };
        let bundle = bundle(&folder.0.join("a.ts"), &options).unwrap();
        assert_eq!(bundle.code.contains("\"node:buffer\""), expect);
    };
    check(true, "other", true);
    check(true, "buffer", false);
    check(false, "other", false);
}

#[test]
fn an_alias_is_for_one_name() {
    let folder = Folder::new(&[
        (
            "a.ts",
            "import lib from 'lib'; import part from 'lib/part'; export default lib + part",
        ),
        ("mine.ts", "export default 'mine'"),
        ("node_modules/lib/index.js", "export default 'theirs'"),
        ("node_modules/lib/part.js", "export default 'part'"),
    ]);
    let options = BundleOptions {
        alias: vec![("lib".to_owned(), "./mine.ts".to_owned())],
        ..BundleOptions::default()
    };
    let code = bundle(&folder.0.join("a.ts"), &options).unwrap().code;
    assert!(code.contains("minepart"), "{code}");
}

#[test]
fn the_watch_list_names_every_file() {
    let folder = Folder::new(&[
        ("a.ts", "import './b'; import './c.txt'; import './d.wasm'"),
        ("b.ts", ""),
        ("c.txt", ""),
        ("d.wasm", ""),
    ]);
    let modules = folder.bundle("a.ts").unwrap().modules;
    let expect: Vec<PathBuf> = ["a.ts", "b.ts", "c.txt", "d.wasm"]
        .iter()
        .map(|name| folder.0.join(name))
        .collect();
    assert_eq!(modules, expect);
}

#[test]
fn every_problem_is_told() {
    check_problems(
        &[
            (
                "a.ts",
                "import { x } from 'left-pad'\nimport y from './missing'\nimport '@scope/pkg/deep'\nimport 'https://esm.sh/x'\nimport './b'\nimport './c.css'\nimport './d'\nexport * from './e.json'\nimport z from 'installed/deep'\nx(y, z)",
            ),
            ("b.ts", "export const a = 1\nfoo(\n  1\n}"),
            ("c.css", ""),
            ("d/x.ts", ""),
            ("e.json", "{ \"a\": }"),
            (
                "node_modules/installed/package.json",
                r#"{ "exports": { ".": "./a.js" } }"#,
            ),
        ],
        &[
            "a.ts:1:19 cannot find the package `left-pad`",
            "a.ts:2:15 cannot find `./missing`",
            "a.ts:3:8 cannot find the package `@scope/pkg`",
            "a.ts:4:8 cannot import `https://esm.sh/x`: modules are not downloaded",
            "a.ts:6:8 cannot import `./c.css`: what is a `.css` file?",
            "a.ts:7:8 cannot import `./d`: it is a folder",
            "a.ts:9:15 cannot find `installed/deep` in the package `installed`",
            "b.ts:4:1 expected `,` or `)` but found `}`",
            "e.json:1:8 expected value at line 1 column 8",
        ],
    );
}

#[test]
fn missing_exports_are_told_where_they_are_imported() {
    check_problems(
        &[
            ("a.ts", "import b, { nope } from './b'\nnope(b)"),
            ("b.ts", "export const yes = 1"),
        ],
        &[
            "a.ts:1:8 `default` is not exported by `b.ts`",
            "a.ts:1:13 `nope` is not exported by `b.ts`",
        ],
    );
}

#[test]
fn problems_in_files_with_decorators_are_where_the_user_sees_them() {
    check_problems(
        &[
            (
                "a.ts",
                "interface Long {\n  a: 1\n}\nimport { nope } from './b'\n@nope class A {}",
            ),
            ("b.ts", "export const yes = 1"),
        ],
        &["a.ts:4:10 `nope` is not exported by `b.ts`"],
    );
    check_problems(
        &[("a.ts", "@dec class A {\n  f( { }\n")],
        &["a.ts:2:9 expected `)` but found `EOF`"],
    );
}

#[test]
fn entries_that_cannot_be_entries() {
    let folder = Folder::new(&[("a.ts", ""), ("b.py", ""), ("d/x", "")]);
    let check = |entry: &str, message: &str, help: Option<&str>| {
        let problems = folder.bundle(entry).unwrap_err();
        let path = folder.0.join(entry).display().to_string();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message.replace(&path, entry), message);
        let said = problems[0]
            .help
            .as_ref()
            .map(|help| help.replace(&path, entry));
        assert_eq!(said.as_deref(), help);
    };
    check(
        "nowhere.ts",
        "there is no file `nowhere.ts`",
        Some("beside it there is `a.ts`"),
    );
    check("a", "there is no file `a`", Some("did you mean `a.ts`?"));
    check(
        "d",
        "`d` is a folder, not a file",
        Some("name the file that exports the worker"),
    );
    check(
        "b.py",
        "`b.py` is not TypeScript or JavaScript",
        Some("the file's name must end in .ts, .tsx, .js, .jsx, .mts, .mjs"),
    );
}

#[test]
fn stack_traces_name_the_users_lines() {
    let folder = Folder::new(&[
        (
            "a.ts",
            "import { boom } from './lib/b'\ninterface Long {\n  a: 1\n}\ntry {\n  boom()\n} catch (e) { globalThis.out = e.stack }",
        ),
        (
            "lib/b.ts",
            "type A = 1\nfunction dec(v: any, c: any) { return v }\nclass X {\n  @dec f(): void {\n    throw new Error('boom')\n  }\n}\nexport function boom() { new X().f() }",
        ),
    ]);
    let out = run(folder.bundle("a.ts").unwrap()).unwrap();
    let stack = out.as_str().unwrap();
    let url = |name: &str| file_url(&folder.0.join(name)).to_string();
    let lines: Vec<&str> = stack.lines().collect();
    assert_eq!(lines[0], "Error: boom");
    assert!(
        lines[1].contains(&format!("{}:5:11", url("lib/b.ts"))),
        "{stack}"
    );
    assert!(
        lines[2].contains(&format!("{}:8:", url("lib/b.ts"))),
        "{stack}"
    );
    assert!(
        lines[3].contains(&format!("{}:6:3", url("a.ts"))),
        "{stack}"
    );
}

#[test]
fn uncaught_errors_show_the_users_line() {
    let folder = Folder::new(&[("a.ts", "type A = 1\n\nthrow new TypeError('no' as string)")]);
    let error = run(folder.bundle("a.ts").unwrap()).unwrap_err().to_string();
    assert!(error.contains("a.ts:3:7"), "{error}");
}

#[test]
fn the_loader_refuses_by_name() {
    let folder = Folder::new(&[
        ("a.ts", "import fs from 'node:fs'; globalThis.out = fs"),
        ("b.ts", "await import(globalThis.name ?? './c.ts')"),
    ]);
    let check = |entry: &str, expect: &str| {
        let error = run(folder.bundle(entry).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("a.ts", "`node:fs` is not available in Stead yet");
    let importer = file_url(&folder.0.join("b.ts"));
    let missing = file_url(&folder.0.join("c.ts"));
    check(
        "b.ts",
        &format!("cannot import `{missing}` (imported by `{importer}`)"),
    );
}
