//! Mocked modules in the bundles of tests: `vi.mock()` and its relatives.
//!
//! A bundle has no registry of modules that could be asked for another one at run time. So what a test file says of
//! modules is read here: each import of a module that is mocked anywhere leads to a *stand-in* (see [`Standin`]), which
//! asks js/test_mocks.js what the module is at that moment.
//!
//! `vi.mock()`, `vi.unmock()` and `vi.hoisted()` happen before the imports of their file. Each becomes a function of the
//! file, and the file's first import is a module that calls them: functions exist before the first line runs, and theirs is
//! the scope that the author sees. Nothing moves to another line, so places in stacks stay what they are.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use deno_ast::ProgramRef;
use deno_ast::SourceRangedForSpanned;
use deno_ast::StartSourcePos;
use deno_ast::swc::ast::CallExpr;
use deno_ast::swc::ast::Callee;
use deno_ast::swc::ast::Decl;
use deno_ast::swc::ast::Expr;
use deno_ast::swc::ast::Lit;
use deno_ast::swc::ast::MemberProp;
use deno_ast::swc::ast::ModuleItem;
use deno_ast::swc::ast::Pat;
use deno_ast::swc::ast::Stmt;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;

use super::plugin::VITEST;
use super::syntax;

/// What the functions of a file are called that run before its imports.
const HOIST: &str = "__stead_hoist_";

/// What the runtime's side is called in a file.
const MOCKS: &str = "__stead_mocks__";

/// The methods of `vi` that are about modules.
const METHODS: [&str; 7] = [
    "mock",
    "unmock",
    "doMock",
    "doUnmock",
    "importActual",
    "importMock",
    "hoisted",
];

/// The modules that stand between a mocked module and those who import it. Each is named after the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standin {
    /// What importers get: all of the names that the mock has.
    Module,
    /// Waits until the mock is there: its factory may be asynchronous.
    Ready,
    /// The mock as CommonJS, whose names need not be known when the bundle is made.
    Names,
    /// The module itself.
    Actual,
    /// Calls what a file has hoisted.
    Hoist,
}

impl Standin {
    const ALL: [(Standin, &'static str); 5] = [
        (Standin::Module, "stead-mock:"),
        (Standin::Ready, "stead-mock-ready:"),
        (Standin::Names, "stead-mock-names:"),
        (Standin::Actual, "stead-actual:"),
        (Standin::Hoist, "stead-hoist:"),
    ];

    /// Which one a specifier or an id names, and of which module.
    pub fn parse(specifier: &str) -> Option<(Standin, &str)> {
        let specifier = specifier.strip_prefix('\0').unwrap_or(specifier);
        let mut all = Standin::ALL.into_iter();
        all.find_map(|(kind, prefix)| Some((kind, specifier.strip_prefix(prefix)?)))
    }

    /// The specifier under which the stand-in of a module is imported.
    pub fn specifier(self, id: &str) -> String {
        let (_, prefix) = Standin::ALL[self as usize];
        format!("{prefix}{id}")
    }
}

/// What the files of one build say of modules.
#[derive(Debug, Default)]
pub(super) struct Mocks {
    /// The modules that are mocked, by id.
    pub mocked: HashSet<String>,
    /// How many functions each file has that run before its imports.
    pub hoisted: HashMap<PathBuf, usize>,
    /// Whether modules are to be evaluated anew, as `vi.resetModules()` wants it.
    pub resets: bool,
}

impl Mocks {
    /// The source of a stand-in.
    pub fn source(&self, kind: Standin, id: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (vitest, name) = (quoted(VITEST), quoted(id));
        let import = |kind: Standin| quoted(&kind.specifier(id));
        match kind {
            Standin::Module => format!(
                "import {}; export * from {}; import {{ steadMocks }} from {vitest};
                const value = steadMocks.defaultOf({name}); export {{ value as default }};",
                import(Standin::Ready),
                import(Standin::Names)
            ),
            Standin::Ready => format!(
                "import {{ steadMocks }} from {vitest}; await steadMocks.ready({name}, () => import({}));",
                import(Standin::Actual)
            ),
            Standin::Names => format!(
                "import {{ steadMocks }} from {vitest}; module.exports = steadMocks.exportsOf({name});"
            ),
            Standin::Actual => {
                let message = quoted(&format!("Cannot find module '{id}'"));
                format!("throw new Error({message}); export {{}};")
            }
            Standin::Hoist => {
                let count = self.hoisted.get(Path::new(id)).copied().unwrap_or_default();
                let names: Vec<String> = (0..count).map(hoist_name).collect();
                let mut source = format!("import {{ {} }} from {name};", names.join(", "));
                // Always asynchronous: the file waits for it, as its stand-ins do for factories.
                for name in names {
                    let _ = write!(source, " await {name}();");
                }
                source
            }
        }
    }
}

fn hoist_name(index: usize) -> String {
    format!("{HOIST}{index}__")
}

/// The id of a module that is not there, and may be mocked all the same.
pub(super) fn missing_id(importer: &Path, specifier: &str) -> String {
    if !specifier.starts_with('.') {
        return specifier.to_owned();
    }
    let mut path = importer.parent().unwrap_or(importer).to_path_buf();
    for part in Path::new(specifier).components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            std::path::Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

/// Whether a source may have modules evaluated anew.
pub(super) fn resets(source: &str) -> bool {
    source.contains(".resetModules(")
}

/// Has the modules of a bundle, each of which is a function, run anew when somebody imports them after
/// `vi.resetModules()`. What they declare is assigned anew, also for those who imported them before.
///
/// rolldown's own helpers say that a module runs once; no line moves.
pub(super) fn resettable(code: &str) -> String {
    const MODULES: &str = "__stead_modules__";
    let now = format!("{MODULES}.epoch");
    let esm = "var __esmMin = (fn, res, err) => () => {";
    let esm_again = format!(
        "var __esmMin = (fn, res, err, first = fn, epoch = {now}) => () => {{ if (epoch !== {now}) {{ epoch = {now}; fn = first; res = err = undefined; }}"
    );
    let common = "var __commonJSMin = (cb, mod) => () => (mod || (cb((mod = { exports: {} }).exports, mod), cb = null), mod.exports);";
    let common_again = format!(
        "var __commonJSMin = (cb, mod, epoch = {now}) => () => ((mod && epoch === {now}) || (epoch = {now}, cb((mod = {{ exports: {{}} }}).exports, mod)), mod.exports);"
    );
    let code = code.replacen(esm, &esm_again, 1);
    let code = code.replacen(common, &common_again, 1);
    format!("import {{ steadMocks as {MODULES} }} from \"{VITEST}\"; {code}")
}

/// Has namespaces of mocked modules ask the mock for names that they do not have: what a mock stands on is what a
/// namespace that has its names stands on. rolldown's own helper copies the names; no line moves.
pub(super) fn guarded(code: &str) -> String {
    let copies = "var __reExport = (target, mod, secondTarget) => (";
    let guards = format!("{copies}Object.setPrototypeOf(target, Object.getPrototypeOf(mod)), ");
    code.replacen(copies, &guards, 1)
}

/// Whether a source may speak of modules; more than those that do.
pub(super) fn speaks(source: &str) -> bool {
    METHODS.iter().any(|method| {
        let called = |object: &str| source.contains(&format!("{object}.{method}"));
        called("vi") || called("vitest")
    })
}

/// A file after rewriting.
pub(super) struct Rewritten {
    pub code: String,
    /// The ids of the modules that it mocks.
    pub mocked: Vec<String>,
    /// How many functions it has that run before its imports.
    pub hoisted: usize,
}

/// Rewrites a file that speaks of modules; `None` if it does not. `resolve` answers with the id of a module.
pub(super) fn rewrite(
    file: &Path,
    source: &str,
    resolve: &dyn Fn(&str) -> String,
) -> Option<Rewritten> {
    if !speaks(source) {
        return None;
    }
    // What does not parse is reported by the build.
    let parsed = syntax::parse(file, source).ok()?;
    let ProgramRef::Module(module) = parsed.program_ref() else {
        return None;
    };
    let mut calls = Calls::default();
    module.visit_with(&mut calls);
    if calls.of_vi.is_empty() {
        return None;
    }
    let mut edits = Edits {
        source,
        list: Vec::new(),
    };
    let mut mocked = Vec::new();
    for call in &calls.of_vi {
        if let Some(specifier) = &call.specifier {
            let id = resolve(&specifier.text);
            edits.name_module(call, specifier, &id);
            if !call.method.starts_with("import") {
                mocked.push(id);
            }
        }
    }
    for (whole, specifier) in &calls.imports {
        let id = resolve(&specifier.text);
        if mocked.contains(&id) {
            let quoted = serde_json::Value::from(id.as_str());
            let actual = serde_json::Value::from(Standin::Actual.specifier(&id));
            let text = format!("{MOCKS}.load({quoted}, () => import({actual}))");
            edits.replace(whole.clone(), text);
        }
    }
    let mut hoisted = 0;
    let mut placed = Vec::new();
    for item in &module.body {
        let ModuleItem::Stmt(statement) = item else {
            continue;
        };
        if let Some(call) = edits.hoist(statement, hoisted) {
            placed.push(call);
            hoisted += 1;
        }
    }
    let mut code_at_end = format!("\n;import {{ steadMocks as {MOCKS} }} from \"{VITEST}\";");
    for call in &calls.of_vi {
        let is_hoisted = matches!(call.method.as_str(), "mock" | "unmock");
        if is_hoisted && !placed.contains(&call.range.start) {
            let text = edits.take(call.range.clone());
            let name = hoist_name(hoisted);
            let _ = write!(code_at_end, " export async function {name}() {{ {text} }}");
            hoisted += 1;
        }
    }
    if hoisted > 0 {
        let first = serde_json::Value::from(Standin::Hoist.specifier(&file.to_string_lossy()));
        let start = match source.starts_with("#!") {
            true => source.find('\n').unwrap_or(source.len()),
            false => 0,
        };
        edits.insert(start, format!("import {first};"));
    }
    Some(Rewritten {
        code: edits.apply() + code_at_end.as_str(),
        mocked,
        hoisted,
    })
}

/// Changes of a source, by byte ranges that do not overlap.
struct Edits<'a> {
    source: &'a str,
    list: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    fn insert(&mut self, at: usize, text: String) {
        self.list.push((at..at, text));
    }

    /// Replaces a range; what follows stays on its line.
    fn replace(&mut self, range: Range<usize>, mut text: String) {
        let lines = |text: &str| text.matches('\n').count();
        let gone = lines(&self.source[range.clone()]).saturating_sub(lines(&text));
        text.push_str(&"\n".repeat(gone));
        self.list.push((range, text));
    }

    /// Gives a call the id of the module that it names, and the ways to it.
    fn name_module(&mut self, call: &Call, specifier: &Specifier, id: &str) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        self.replace(specifier.range.clone(), quoted(id));
        let actual = quoted(&Standin::Actual.specifier(id));
        let way = format!("() => import({actual})");
        let more = match call.method.as_str() {
            "mock" | "doMock" => {
                let none = if call.arguments.len() < 2 {
                    ", undefined"
                } else {
                    ""
                };
                let substitute = substitute_of(id).map_or(String::new(), |path| {
                    format!(
                        ", () => import({})",
                        quoted(&Standin::Actual.specifier(&path))
                    )
                });
                format!("{none}, {}, {way}{substitute}", quoted(&specifier.text))
            }
            "importActual" | "importMock" => format!(", {way}"),
            _ => return,
        };
        let last = call.arguments.last().expect("it names a module");
        self.insert(last.end, more);
    }

    /// Makes a function of a statement that is to happen before the imports. Answers where its call begins.
    fn hoist(&mut self, statement: &Stmt, index: usize) -> Option<usize> {
        let name = hoist_name(index);
        match statement {
            Stmt::Expr(statement) => {
                let call = hoistable(&statement.expr, &["mock", "unmock", "hoisted"])?;
                let range = range_of(&statement.range());
                self.insert(range.start, format!("export async function {name}() {{ "));
                self.insert(range.end, " }".to_owned());
                Some(call)
            }
            Stmt::Decl(Decl::Var(variables)) => {
                let [variable] = variables.decls.as_slice() else {
                    return None;
                };
                let init = variable.init.as_deref()?;
                let call = hoistable(init, &["hoisted"])?;
                let (pattern, names) = self.pattern(&variable.name);
                let text = format!(
                    "var {}; export async function {name}() {{ ({pattern} = ",
                    names.join(", ")
                );
                let init = range_of(&init.range());
                let start = range_of(&variables.range()).start;
                self.replace(start..init.start, text);
                self.insert(init.end, "); }".to_owned());
                Some(call)
            }
            _ => None,
        }
    }

    /// The text of a pattern without its type, and the variables that it declares.
    fn pattern(&self, pattern: &Pat) -> (String, Vec<String>) {
        let annotation = match pattern {
            Pat::Ident(name) => name.type_ann.as_ref(),
            Pat::Object(object) => object.type_ann.as_ref(),
            Pat::Array(array) => array.type_ann.as_ref(),
            _ => None,
        };
        let mut range = range_of(&pattern.range());
        if let Some(annotation) = annotation {
            range.end = range.end.min(range_of(&annotation.range()).start);
        }
        let text = self.source[range]
            .trim_end()
            .trim_end_matches(':')
            .to_owned();
        let mut names = Names(Vec::new());
        pattern.visit_with(&mut names);
        (text, names.0)
    }

    /// Takes a call out of the source, with its changes made.
    fn take(&mut self, range: Range<usize>) -> String {
        let inside = |edit: &Range<usize>| range.start <= edit.start && edit.end <= range.end;
        let (taken, rest) = std::mem::take(&mut self.list)
            .into_iter()
            .partition(|(edit, _)| inside(edit));
        self.list = rest;
        let taken = Edits {
            source: &self.source[..range.end],
            list: taken,
        };
        let text = taken.apply()[range.start..].to_owned();
        self.replace(range, "void 0".to_owned());
        text
    }

    fn apply(mut self) -> String {
        self.list.sort_by_key(|(range, _)| range.start);
        let mut code = self.source.to_owned();
        for (range, text) in self.list.into_iter().rev() {
            code.replace_range(range, &text);
        }
        code
    }
}

/// The file in `__mocks__` that takes a module's place if no factory is given.
fn substitute_of(id: &str) -> Option<String> {
    let path = Path::new(id);
    let substitute = path.parent()?.join("__mocks__").join(path.file_name()?);
    substitute
        .is_file()
        .then(|| substitute.to_string_lossy().into_owned())
}

/// Where a call of one of the methods begins, if the expression is one, awaited or not.
fn hoistable(expr: &Expr, methods: &[&str]) -> Option<usize> {
    let expr = match expr {
        Expr::Await(awaited) => &*awaited.arg,
        expr => expr,
    };
    let Expr::Call(call) = expr else { return None };
    let method = method_of_vi(call)?;
    methods
        .contains(&method)
        .then_some(range_of(&call.range()).start)
}

/// The method of `vi` that is called.
fn method_of_vi(call: &CallExpr) -> Option<&str> {
    let Callee::Expr(callee) = &call.callee else {
        return None;
    };
    let Expr::Member(member) = &**callee else {
        return None;
    };
    let (Expr::Ident(object), MemberProp::Ident(method)) = (&*member.obj, &member.prop) else {
        return None;
    };
    let is_vi = matches!(&*object.sym, "vi" | "vitest") && METHODS.contains(&&*method.sym);
    is_vi.then_some(&*method.sym)
}

fn range_of(range: &deno_ast::SourceRange) -> Range<usize> {
    let base = StartSourcePos::START_SOURCE_POS;
    range.start - base..range.end - base
}

/// A module named in the source.
struct Specifier {
    /// What names it: a text, or an `import()` of one.
    range: Range<usize>,
    text: String,
}

/// A call of `vi`.
struct Call {
    method: String,
    range: Range<usize>,
    arguments: Vec<Range<usize>>,
    specifier: Option<Specifier>,
}

/// The calls that are about modules.
#[derive(Default)]
struct Calls {
    of_vi: Vec<Call>,
    /// Each `import()` of a text.
    imports: Vec<(Range<usize>, Specifier)>,
}

impl Visit for Calls {
    fn visit_call_expr(&mut self, call: &CallExpr) {
        let range = range_of(&call.range());
        if matches!(call.callee, Callee::Import(_)) {
            if let Some(specifier) = specifier_of(call) {
                self.imports.push((range, specifier));
            }
        } else if let Some(method) = method_of_vi(call) {
            let named = call.args.first().and_then(|first| match &*first.expr {
                Expr::Call(import) if matches!(import.callee, Callee::Import(_)) => {
                    let range = range_of(&import.range());
                    Some(Specifier {
                        range,
                        ..specifier_of(import)?
                    })
                }
                _ => specifier_of(call),
            });
            let arguments = call.args.iter().map(|arg| range_of(&arg.range()));
            self.of_vi.push(Call {
                method: method.to_owned(),
                range,
                arguments: arguments.collect(),
                specifier: named.filter(|_| method != "hoisted"),
            });
            // An import that only names the module is none.
            let skipped = usize::from(method != "hoisted");
            call.args
                .iter()
                .skip(skipped)
                .for_each(|arg| arg.visit_with(self));
            return;
        }
        call.visit_children_with(self);
    }
}

/// The first argument, if it is a text.
fn specifier_of(call: &CallExpr) -> Option<Specifier> {
    let first = &call.args.first()?.expr;
    let text = match &**first {
        Expr::Lit(Lit::Str(text)) => text.value.to_string_lossy().into_owned(),
        Expr::Tpl(template) if template.exprs.is_empty() => {
            template.quasis.first()?.raw.to_string()
        }
        _ => return None,
    };
    let range = range_of(&first.range());
    Some(Specifier { range, text })
}

/// The variables that a pattern declares.
struct Names(Vec<String>);

impl Visit for Names {
    fn visit_binding_ident(&mut self, name: &deno_ast::swc::ast::BindingIdent) {
        self.0.push(name.id.sym.to_string());
    }

    fn visit_assign_pat_prop(&mut self, prop: &deno_ast::swc::ast::AssignPatProp) {
        self.0.push(prop.key.id.sym.to_string());
    }

    fn visit_expr(&mut self, _: &Expr) {}
}
