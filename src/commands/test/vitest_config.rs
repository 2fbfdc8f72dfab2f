//! What `vitest.config.ts` says of tests, as far as it says it in literals: the file is read, and not run, because it
//! is a program for Node.
//!
//! <https://vitest.dev/config/>

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use deno_ast::ProgramRef;
use deno_ast::swc::ast::Expr;
use deno_ast::swc::ast::Lit;
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
    let mut found = Found(None);
    if let Ok(parsed) = crate::bundle::parse(file, &source) {
        match parsed.program_ref() {
            ProgramRef::Module(module) => module.visit_with(&mut found),
            ProgramRef::Script(script) => script.visit_with(&mut found),
        }
    }
    let mut config = VitestConfig::default();
    for (name, value) in found.0.unwrap_or_default() {
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

/// The properties of the outermost `test: { … }`; `None` for a value that is no literal.
struct Found(Option<Vec<(String, Option<Value>)>>);

impl Visit for Found {
    fn visit_object_lit(&mut self, object: &ObjectLit) {
        let test = properties(object).find_map(|(name, value)| match value {
            Expr::Object(test) if name == "test" => Some(test),
            _ => None,
        });
        match test {
            Some(test) if self.0.is_none() => {
                let settings = properties(test).map(|(name, value)| (name, literal(value)));
                self.0 = Some(settings.collect());
            }
            _ => object.visit_children_with(self),
        }
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

fn literal(value: &Expr) -> Option<Value> {
    match value {
        Expr::Lit(Lit::Bool(value)) => Some(value.value.into()),
        Expr::Lit(Lit::Num(number)) if number.value.fract() == 0.0 => {
            Some((number.value as i64).into())
        }
        Expr::Lit(Lit::Num(number)) => Some(number.value.into()),
        Expr::Lit(Lit::Str(text)) => Some(text.value.to_string_lossy().into_owned().into()),
        Expr::Lit(Lit::Null(_)) => Some(Value::Null),
        Expr::Array(array) => {
            let items = array.elems.iter().map(|item| literal(&item.as_ref()?.expr));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Expr::Object(object) if properties(object).count() == object.props.len() => {
            let pairs = properties(object).map(|(name, value)| Some((name, literal(value)?)));
            pairs.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::TsAs(cast) => literal(&cast.expr),
        Expr::TsSatisfies(cast) => literal(&cast.expr),
        Expr::TsConstAssertion(cast) => literal(&cast.expr),
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
                settings: object(json!({ "testTimeout": 20_000, "restoreMocks": true })),
                provide: object(json!({ "port": 1, "name": "x" })),
                unheeded: BTreeSet::new(),
            },
        );
    }

    #[test]
    fn what_nothing_comes_of_is_named() {
        check(
            "export default { test: { globalSetup: './setup.ts', setupFiles: files(), retry: 1, projects: [{ test: { globals: true } }] } };",
            VitestConfig {
                settings: json!({ "retry": 1 }).as_object().unwrap().clone(),
                unheeded: ["globalSetup", "projects", "setupFiles"]
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
