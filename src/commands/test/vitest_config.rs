//! What `vitest.config.ts` says of tests, as far as it says it in literals: the file is read, and not run, because it
//! is a program for Node.
//!
//! <https://vitest.dev/config/>

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use deno_ast::ProgramRef;
use deno_ast::swc::ast::CallExpr;
use deno_ast::swc::ast::Callee;
use deno_ast::swc::ast::Expr;
use deno_ast::swc::ast::Lit;
use deno_ast::swc::ast::MemberProp;
use deno_ast::swc::ast::NewExpr;
use deno_ast::swc::ast::ObjectLit;
use deno_ast::swc::ast::Prop;
use deno_ast::swc::ast::PropName;
use deno_ast::swc::ast::PropOrSpread;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;
use serde_json::Map;
use serde_json::Value;

/// The names of the file, in vitest's own order.
const NAMES: [&str; 2] = ["vitest.config", "vite.config"];

/// Settings that become the runner's own.
const SETTINGS: [&str; 9] = [
    "testTimeout",
    "hookTimeout",
    "maxConcurrency",
    "retry",
    "clearMocks",
    "mockReset",
    "restoreMocks",
    "unstubEnvs",
    "unstubGlobals",
];

/// Settings of what Stead does in its own way, or of how vitest itself works.
const MEANINGLESS: [&str; 24] = [
    "benchmark",
    "browser",
    "cache",
    "coverage",
    "css",
    "deps",
    "dir",
    "environment",
    "exclude",
    "fileParallelism",
    "include",
    "isolate",
    "maxWorkers",
    "minWorkers",
    "name",
    "outputFile",
    "passWithNoTests",
    "pool",
    "poolOptions",
    "reporters",
    "server",
    "silent",
    "typecheck",
    "watch",
];

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VitestConfig {
    /// Whether `it`, `expect` and the others are global.
    pub globals: bool,
    /// Modules that are evaluated before each test file.
    pub setup: Vec<PathBuf>,
    /// Names of modules, and of those below them, that mean others.
    pub alias: Vec<(String, String)>,
    /// The runner's settings.
    pub settings: Map<String, Value>,
    /// What `inject()` gives.
    pub provide: Map<String, Value>,
    /// Settings that nothing comes of: unknown to Stead, or no literals.
    pub unheeded: BTreeSet<String>,
}

/// The configuration of a test file: the one in its folder, or in the nearest folder above it that has one.
pub fn find(test: &Path) -> Option<PathBuf> {
    let test = std::path::absolute(test).ok()?;
    let files = |folder: &Path| {
        let names = NAMES.iter().flat_map(|name| {
            let extensions = super::EXTENSIONS.iter();
            extensions.map(move |extension| format!("{name}.{extension}"))
        });
        names
            .map(|name| folder.join(name))
            .find(|file| file.is_file())
    };
    test.ancestors().skip(1).find_map(files)
}

/// What the configuration of a test file says, if there is one.
pub fn of(test: &Path) -> VitestConfig {
    find(test).map_or_else(VitestConfig::default, |file| read(&file))
}

/// Reads a configuration. One that is not TypeScript says nothing: vitest would say what is wrong with it.
pub fn read(file: &Path) -> VitestConfig {
    let source = std::fs::read_to_string(file).unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut found = Found {
        folder,
        settings: None,
    };
    if let Ok(parsed) = crate::bundle::parse(file, &source) {
        match parsed.program_ref() {
            ProgramRef::Module(module) => module.visit_with(&mut found),
            ProgramRef::Script(script) => script.visit_with(&mut found),
        }
    }
    let mut config = VitestConfig::default();
    for (name, value) in found.settings.unwrap_or_default() {
        config.set(folder, name, value);
    }
    config
}

impl VitestConfig {
    fn set(&mut self, folder: &Path, name: String, value: Option<Value>) {
        match (name.as_str(), value) {
            ("globals", Some(Value::Bool(globals))) => self.globals = globals,
            ("setupFiles", Some(Value::String(file))) => self.setup.push(folder.join(file)),
            ("setupFiles", Some(Value::Array(files))) if files.iter().all(Value::is_string) => {
                let files = files.iter().filter_map(Value::as_str);
                self.setup.extend(files.map(|file| folder.join(file)));
            }
            ("alias", Some(Value::Object(aliases))) if aliases.values().all(Value::is_string) => {
                let aliases = aliases
                    .iter()
                    .map(|(name, to)| (name, to.as_str().unwrap_or_default()));
                self.alias
                    .extend(aliases.map(|(name, to)| (name.clone(), target(folder, to))));
            }
            ("provide", Some(Value::Object(provide))) => self.provide = provide,
            (known, Some(value)) if SETTINGS.contains(&known) => {
                self.settings.insert(name, value);
            }
            (known, _) if MEANINGLESS.contains(&known) => {}
            _ => {
                self.unheeded.insert(name);
            }
        }
    }
}

/// What an alias leads to: a package, or a file of the folder.
fn target(folder: &Path, to: &str) -> String {
    match to.starts_with('.') {
        true => folder.join(to).to_string_lossy().into_owned(),
        false => to.to_owned(),
    }
}

/// The properties of the outermost `test: { … }`, and the aliases beside it; `None` for a value that cannot be read.
struct Found<'a> {
    folder: &'a Path,
    settings: Option<Vec<(String, Option<Value>)>>,
}

impl Visit for Found<'_> {
    fn visit_object_lit(&mut self, object: &ObjectLit) {
        let part = |wanted: &str| {
            properties(object).find_map(|(name, value)| match value {
                Expr::Object(part) if name == wanted => Some(part),
                _ => None,
            })
        };
        let Some(test) = part("test").filter(|_| self.settings.is_none()) else {
            return object.visit_children_with(self);
        };
        let aliases = part("resolve").map(|resolve| {
            let named = properties(resolve).filter(|(name, _)| name == "alias");
            named.collect::<Vec<_>>()
        });
        let all = aliases.into_iter().flatten().chain(properties(test));
        let settings = all.map(|(name, value)| (name, literal(self.folder, value)));
        self.settings = Some(settings.collect());
    }
}

fn properties(object: &ObjectLit) -> impl Iterator<Item = (String, &Expr)> {
    object.props.iter().filter_map(|property| {
        let PropOrSpread::Prop(property) = property else {
            return None;
        };
        let Prop::KeyValue(pair) = &**property else {
            return None;
        };
        let name = match &pair.key {
            PropName::Ident(name) => name.sym.to_string(),
            PropName::Str(name) => name.value.to_string_lossy().into_owned(),
            _ => return None,
        };
        Some((name, &*pair.value))
    })
}

/// The value of a literal, or of one of the usual ways to name a file.
fn literal(folder: &Path, value: &Expr) -> Option<Value> {
    match value {
        Expr::Lit(Lit::Bool(value)) => Some(value.value.into()),
        Expr::Lit(Lit::Num(number)) if number.value.fract() == 0.0 => {
            Some((number.value as i64).into())
        }
        Expr::Lit(Lit::Num(number)) => Some(number.value.into()),
        Expr::Lit(Lit::Str(text)) => Some(text.value.to_string_lossy().into_owned().into()),
        Expr::Lit(Lit::Null(_)) => Some(Value::Null),
        Expr::Array(array) => {
            let items = array
                .elems
                .iter()
                .map(|item| literal(folder, &item.as_ref()?.expr));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Expr::Object(object) if properties(object).count() == object.props.len() => {
            let pairs =
                properties(object).map(|(name, value)| Some((name, literal(folder, value)?)));
            pairs.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Expr::Paren(inner) => literal(folder, &inner.expr),
        Expr::TsAs(cast) => literal(folder, &cast.expr),
        Expr::TsSatisfies(cast) => literal(folder, &cast.expr),
        Expr::TsConstAssertion(cast) => literal(folder, &cast.expr),
        Expr::Call(call) => path_of_call(folder, call),
        Expr::Member(member) if name_of(value).as_deref() == Some("pathname") => {
            literal(folder, &member.obj)
        }
        Expr::New(made) if name_of(&made.callee).as_deref() == Some("URL") => {
            path_of_url(folder, made)
        }
        _ => None,
    }
}

/// The file of `resolve()`, `join()` or `fileURLToPath()`.
fn path_of_call(folder: &Path, call: &CallExpr) -> Option<Value> {
    let name = match &call.callee {
        Callee::Expr(callee) => name_of(callee)?,
        _ => return None,
    };
    let mut parts = call.args.iter().map(|part| &*part.expr);
    match name.as_str() {
        "resolve" | "join" => {
            let parts = parts.map(|part| match name_of(part).as_deref() {
                Some("__dirname" | "dirname") => Some(folder.to_owned()),
                _ => Some(literal(folder, part)?.as_str()?.into()),
            });
            let parts: Vec<PathBuf> = parts.collect::<Option<_>>()?;
            let path = parts
                .iter()
                .fold(folder.to_owned(), |path, part| path.join(part));
            Some(path.to_string_lossy().into())
        }
        "fileURLToPath" => literal(folder, parts.next()?),
        _ => None,
    }
}

/// The file of `new URL("./file", import.meta.url)`.
fn path_of_url(folder: &Path, made: &NewExpr) -> Option<Value> {
    let [path, base] = made.args.as_deref()? else {
        return None;
    };
    let path = literal(folder, &path.expr)?;
    let is_here = name_of(&base.expr).as_deref() == Some("url");
    is_here.then(|| {
        let path = folder.join(path.as_str().unwrap_or_default());
        path.to_string_lossy().into()
    })
}

/// The last part of a dotted name: `resolve` of `path.resolve`.
fn name_of(value: &Expr) -> Option<String> {
    match value {
        Expr::Ident(name) => Some(name.sym.to_string()),
        Expr::Member(member) => match &member.prop {
            MemberProp::Ident(name) => Some(name.sym.to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(source: &str, expect: VitestConfig) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vitest.config.ts");
        std::fs::write(&file, source).unwrap();
        let mut config = read(&file);
        for setup in &mut config.setup {
            *setup = setup.strip_prefix(folder.path()).unwrap().to_owned();
        }
        for (_, to) in &mut config.alias {
            *to = Path::new(to)
                .strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string();
        }
        assert_eq!(config, expect);
    }

    #[test]
    fn literals_are_read_wherever_the_configuration_is_made() {
        let object = |value: Value| value.as_object().unwrap().clone();
        check(
            "export default defineWorkersConfig(async () => {
                const path = await find();
                return { plugins: [x({ main: 'a' })], test: { globals: true, setupFiles: ['a.ts', './b.ts'], testTimeout: 20_000,
                  provide: { port: 1, name: 'x' }, restoreMocks: true, poolOptions: { workers: {} } } };
            });",
            VitestConfig {
                globals: true,
                setup: vec!["a.ts".into(), "b.ts".into()],
                alias: Vec::new(),
                settings: object(json!({ "testTimeout": 20_000, "restoreMocks": true })),
                provide: object(json!({ "port": 1, "name": "x" })),
                unheeded: BTreeSet::new(),
            },
        );
    }

    #[test]
    fn the_usual_ways_to_name_a_file_are_read() {
        let alias = |name: &str, to: &str| (name.to_owned(), to.to_owned());
        check(
            "export default { test: { setupFiles: [resolve(__dirname, 'test', 'a.ts'), path.join(import.meta.dirname, 'b.ts')] },
                resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)), lib: './lib', '~': new URL('./x', import.meta.url).pathname } } };",
            VitestConfig {
                setup: vec!["test/a.ts".into(), "b.ts".into()],
                alias: vec![alias("@", "src"), alias("lib", "lib"), alias("~", "x")],
                ..VitestConfig::default()
            },
        );
    }

    #[test]
    fn what_nothing_comes_of_is_named() {
        check(
            "export default { test: { globalSetup: './setup.ts', setupFiles: files(), alias: [], retry: 1, projects: [{ test: { globals: true } }] } };",
            VitestConfig {
                settings: json!({ "retry": 1 }).as_object().unwrap().clone(),
                unheeded: ["alias", "globalSetup", "projects", "setupFiles"]
                    .map(String::from)
                    .into(),
                ..VitestConfig::default()
            },
        );
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        check("export default {{{", VitestConfig::default());
        check("export default { plugins: [] };", VitestConfig::default());
    }
}
