//! What a Worker's modules are, told to rolldown: which imports stay imports, which files are data,
//! and what happens to a module that is not there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;

use rolldown::plugin::HookLoadArgs;
use rolldown::plugin::HookLoadOutput;
use rolldown::plugin::HookLoadReturn;
use rolldown::plugin::HookResolveIdArgs;
use rolldown::plugin::HookResolveIdOutput;
use rolldown::plugin::HookResolveIdReturn;
use rolldown::plugin::HookTransformArgs;
use rolldown::plugin::HookTransformOutput;
use rolldown::plugin::HookTransformOutputMap;
use rolldown::plugin::HookTransformReturn;
use rolldown::plugin::HookUsage;
use rolldown::plugin::Plugin;
use rolldown::plugin::PluginContext;
use rolldown::plugin::SharedLoadPluginContext;
use rolldown::plugin::SharedTransformPluginContext;
use rolldown_common::ImportKind;
use rolldown_common::ModuleType;
use rolldown_error::DiagnosticOptions;
use rolldown_sourcemap::SourceMap;

use stead_ops::node::MODULES;

use super::BundleOptions;
use super::decorators;
use super::loader::unavailable;
use super::mocks;
use super::mocks::Mocks;
use super::mocks::Standin;
use super::rules::ModuleRules;
use crate::diagnostic::Diagnostic;

/// Specifiers with these schemes are the runtime's business: the import statement is kept.
const RUNTIME_SCHEMES: [&str; 4] = ["cloudflare:", "node:", "workerd:", "stead:"];

/// What the bundles of tests import in place of `vitest`.
pub const VITEST: &str = "stead:vitest";

/// A `require()` of a runtime module goes to a small CommonJS module of this name.
const REQUIRE_PREFIX: &str = "\0stead:require/";

/// An import that found nothing. Where it stands in the file is looked up when it is reported.
#[derive(Debug, Clone)]
pub(super) struct Unresolved {
    pub importer: PathBuf,
    pub specifier: String,
    pub reason: Reason,
}

/// Why an import found nothing.
#[derive(Debug, Clone)]
pub(super) enum Reason {
    /// It is on another machine.
    Url,
    /// There is a file, and it is neither code nor data; its extension.
    NoRule(String),
    /// What the resolver says.
    NotFound(String),
}

/// Byte ranges that are read as blanks, by file: re-exports of types.
pub(super) type Erased = HashMap<PathBuf, Vec<Range<usize>>>;

/// What the plugin learned during one build.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub unresolved: Vec<Unresolved>,
    /// What swc said about files with decorators; used only if rolldown accepts such a file.
    pub unlowered: Vec<Diagnostic>,
    /// The source maps of lowered files: rolldown's positions in them are not the user's.
    pub lowered: HashMap<PathBuf, SourceMap>,
}

/// What is added to the entry, on its first line and behind its last.
#[derive(Debug)]
struct Addition {
    entry: PathBuf,
    before: String,
    after: String,
}

/// The rules of Workers' modules, as a rolldown plugin.
#[derive(Debug)]
pub(super) struct WorkerModules {
    /// The runtime modules that exist, besides `cloudflare:*`.
    provided: Vec<String>,
    /// Whether the bundle is one of tests.
    is_test: bool,
    /// Whether bare names are Node's before they are those of packages.
    node: bool,
    /// Names that the configuration gives another meaning.
    aliases: Vec<String>,
    rules: ModuleRules,
    erased: Erased,
    addition: Option<Addition>,
    /// What tests have said of modules.
    mocks: Mutex<Mocks>,
    findings: Mutex<Findings>,
}

impl WorkerModules {
    pub fn new(options: &BundleOptions, rules: ModuleRules, erased: Erased) -> WorkerModules {
        let aliases = options.alias.iter().map(|(name, _)| name.clone());
        WorkerModules {
            provided: options.provided.clone(),
            is_test: options.is_test(),
            node: options.node,
            aliases: aliases.collect(),
            rules,
            erased,
            addition: None,
            mocks: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Has `entry` export what another module does, beside its own, and begin with others.
    pub fn with_worker(
        mut self,
        entry: &Path,
        worker: Option<&Path>,
        setup: &[PathBuf],
    ) -> WorkerModules {
        let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy());
        let before = setup.iter().map(|path| format!("import {};", quoted(path)));
        let mut after = String::new();
        if let Some(worker) = worker {
            let has_default = |file: &Path| {
                let source = std::fs::read_to_string(file).unwrap_or_default();
                source.contains("export default") || source.contains("as default")
            };
            let worker_text = quoted(worker);
            after = format!("\n;export * from {worker_text};");
            if has_default(worker) && !has_default(entry) {
                after += &format!("export {{ default }} from {worker_text};");
            }
        }
        self.addition = (worker.is_some() || !setup.is_empty()).then(|| Addition {
            entry: entry.to_owned(),
            before: before.collect(),
            after,
        });
        self
    }

    fn mocks(&self) -> MutexGuard<'_, Mocks> {
        self.mocks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Has modules mocked from the start.
    pub fn mocking(self, mocked: HashSet<String>) -> WorkerModules {
        self.mocks().mocked = mocked;
        self
    }

    /// Whether modules are to be evaluated anew.
    pub fn resets(&self) -> bool {
        self.mocks().resets
    }

    /// The modules that are mocked, by id, and whether only `entry` speaks of modules.
    pub fn mocked(&self, entry: &Path) -> (HashSet<String>, bool) {
        let mocks = self.mocks();
        let only_here = mocks.hoisted.keys().all(|file| file == entry);
        (mocks.mocked.clone(), only_here)
    }

    /// What importers of a module get if it is mocked.
    fn standin(&self, id: &str, kind: ImportKind) -> Option<HookResolveIdOutput> {
        if !self.mocks().mocked.contains(id) {
            return None;
        }
        // `require()` cannot wait for what is asynchronous.
        let standin = match kind {
            ImportKind::Require => Standin::Names,
            _ => Standin::Module,
        };
        let id = format!("\0{}", standin.specifier(id));
        Some(HookResolveIdOutput::from_id(id))
    }

    /// The name under which a module is mocked that the runtime provides.
    fn runtime_name(&self, specifier: &str) -> Option<String> {
        if is_runtime_module(specifier) {
            return Some(specifier.to_owned());
        }
        let is_node = MODULES.contains(&specifier) && !self.aliases.iter().any(|a| a == specifier);
        (is_node && self.node).then(|| format!("node:{specifier}"))
    }

    pub fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn keep(&self, specifier: &str, kind: ImportKind) -> HookResolveIdOutput {
        // `require()` of an external module would throw when it is reached, so it is turned into an
        // import by way of a module of our own.
        if kind == ImportKind::Require {
            return HookResolveIdOutput::from_id(format!("{REQUIRE_PREFIX}{specifier}"));
        }
        HookResolveIdOutput {
            external: Some(true.into()),
            ..HookResolveIdOutput::from_id(specifier)
        }
    }

    fn required(&self, specifier: &str) -> String {
        let quoted = serde_json::Value::from(specifier);
        if specifier.starts_with("cloudflare:") || self.provided.iter().any(|p| p == specifier) {
            return format!(
                "import * as m from {quoted}; module.exports = 'default' in m ? m.default : m;"
            );
        }
        // Thrown where the package asks for it, and not when the worker is loaded: packages guard
        // such a call, or make it only on Node.
        let message = serde_json::Value::from(unavailable(specifier));
        format!("throw new Error({message}); module.exports = {{}};")
    }
}

impl Plugin for WorkerModules {
    fn name(&self) -> Cow<'static, str> {
        "stead:modules".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load | HookUsage::Transform
    }

    async fn resolve_id(
        &self,
        ctx: &PluginContext,
        args: &HookResolveIdArgs<'_>,
    ) -> HookResolveIdReturn {
        let specifier = args.specifier;
        let Some(importer) = args.importer else {
            return Ok(None);
        };
        if specifier.starts_with('\0') || specifier.starts_with("data:") {
            return Ok(None);
        }
        // Tests get vitest from Stead, wherever else it may be installed.
        if specifier == "vitest" && self.is_test {
            return Ok(Some(self.keep(VITEST, args.kind)));
        }
        if let Some((standin, id)) = Standin::parse(specifier).filter(|_| self.is_test) {
            return Ok(Some(match standin {
                Standin::Actual if is_runtime_module(id) => self.keep(id, args.kind),
                Standin::Actual if Path::new(id).is_file() => HookResolveIdOutput::from_id(id),
                _ => HookResolveIdOutput::from_id(format!("\0{specifier}")),
            }));
        }
        if let Some(standin) = self
            .runtime_name(specifier)
            .and_then(|name| self.standin(&name, args.kind))
        {
            return Ok(Some(standin));
        }
        if is_runtime_module(specifier) {
            return Ok(Some(self.keep(specifier, args.kind)));
        }
        // With `nodejs_compat` a bare name means Node's module, also where a package has that name.
        let is_node = MODULES.contains(&specifier) && !self.aliases.iter().any(|a| a == specifier);
        if is_node && self.node {
            return Ok(Some(self.keep(&format!("node:{specifier}"), args.kind)));
        }
        let is_url = specifier.starts_with("https://") || specifier.starts_with("http://");
        let reason = if is_url {
            Reason::Url
        } else {
            let found =
                ctx.resolver()
                    .resolve(Some(Path::new(importer)), specifier, args.kind, false);
            match found {
                // rolldown asks again, and is answered from the resolver's cache.
                Ok(found) => match self.rules.unknown_extension(&found.path) {
                    Some(extension) => Reason::NoRule(extension.to_string()),
                    None => return Ok(self.standin(&found.path, args.kind)),
                },
                Err(rolldown_resolver::ResolveError::Ignored(_)) => return Ok(None),
                // Helpers of rolldown's own, which only it can find.
                Err(_) if specifier.starts_with("@oxc-project/runtime") => return Ok(None),
                Err(error) => {
                    let options = DiagnosticOptions {
                        cwd: ctx.cwd().clone(),
                    };
                    Reason::NotFound(rolldown_error::resolve_error_to_message(&error, &options))
                }
            }
        };
        if is_node {
            return Ok(Some(self.keep(&format!("node:{specifier}"), args.kind)));
        }
        let missing = mocks::missing_id(Path::new(importer), specifier);
        if let Some(standin) = self.standin(&missing, args.kind) {
            return Ok(Some(standin));
        }
        self.findings().unresolved.push(Unresolved {
            importer: PathBuf::from(importer),
            specifier: specifier.to_string(),
            reason,
        });
        // Taken as external, so that the build goes on to find the other problems.
        Ok(Some(HookResolveIdOutput {
            external: Some(true.into()),
            ..HookResolveIdOutput::from_id(specifier)
        }))
    }

    async fn load(&self, ctx: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let code = if let Some(specifier) = args.id.strip_prefix(REQUIRE_PREFIX) {
            self.required(specifier)
        } else if let Some((standin, id)) = Standin::parse(args.id).filter(|_| self.is_test) {
            self.mocks().source(standin, id)
        } else {
            let path = args.id.strip_suffix("?module").unwrap_or(args.id);
            let Some(kind) = self.rules.data_kind(Path::new(path)) else {
                return Ok(None);
            };
            ctx.add_watch_file(path);
            kind.as_module(&std::fs::read(path)?)
        };
        Ok(Some(HookLoadOutput {
            code: code.into(),
            module_type: Some(ModuleType::Js),
            ..HookLoadOutput::default()
        }))
    }

    async fn transform(
        &self,
        ctx: SharedTransformPluginContext,
        args: &HookTransformArgs<'_>,
    ) -> HookTransformReturn {
        let file = Path::new(args.id);
        let may_be_jsx = match args.module_type {
            ModuleType::Ts => false,
            ModuleType::Js => args.code.contains("</") || args.code.contains("/>"),
            ModuleType::Jsx | ModuleType::Tsx => true,
            _ => return Ok(None),
        };
        let mut erased = self.erased.get(file).map(|ranges| erase(args.code, ranges));
        if self.is_test && file.is_absolute() {
            let resolve = |specifier: &str| self.id_of(&ctx, file, specifier);
            let source = erased.as_deref().unwrap_or(args.code);
            if mocks::resets(source) {
                self.mocks().resets = true;
            }
            if let Some(rewritten) = mocks::rewrite(file, source, &resolve) {
                let mut mocks = self.mocks();
                mocks.mocked.extend(rewritten.mocked);
                mocks.hoisted.insert(file.to_owned(), rewritten.hoisted);
                erased = Some(rewritten.code);
            }
        }
        let source = erased.as_deref().unwrap_or(args.code);
        let mut output = None;
        if file.is_absolute() {
            let tsconfig = match args.module_type {
                ModuleType::Ts | ModuleType::Tsx => ctx
                    .resolver()
                    .clone_default_resolver()
                    .find_tsconfig(file)
                    .ok()
                    .flatten(),
                _ => None,
            };
            let options = tsconfig.as_ref().map(|tsconfig| &tsconfig.compiler_options);
            let experimental = options.and_then(|o| o.experimental_decorators);
            let verbatim = options.and_then(|o| o.verbatim_module_syntax);
            if !experimental.unwrap_or(false) {
                output = self.lower(file, source, args.module_type, verbatim.unwrap_or(false));
            }
        }
        if output.is_none() {
            // Wrangler gives `.js` files to esbuild's JSX loader.
            let is_js = *args.module_type == ModuleType::Js;
            let module_type = (may_be_jsx && is_js).then_some(ModuleType::Jsx);
            let automatic = may_be_jsx.then(|| automatic_runtime(source)).flatten();
            let code = automatic.or_else(|| erased.clone());
            if code.is_some() || module_type.is_some() {
                output = Some(HookTransformOutput {
                    code,
                    map: HookTransformOutputMap::Null,
                    module_type,
                    ..HookTransformOutput::default()
                });
            }
        }
        if let Some(addition) = self.addition.as_ref().filter(|added| added.entry == file) {
            let output = output.get_or_insert_with(|| HookTransformOutput {
                map: HookTransformOutputMap::Null,
                ..HookTransformOutput::default()
            });
            let code = output.code.take().unwrap_or_else(|| source.to_owned());
            output.code = Some(format!("{}{code}{}", addition.before, addition.after));
        }
        Ok(output)
    }
}

impl WorkerModules {
    /// The id of a module that a test speaks of.
    fn id_of(&self, ctx: &SharedTransformPluginContext, file: &Path, specifier: &str) -> String {
        if let Some(name) = self.runtime_name(specifier) {
            return name;
        }
        let found = ctx
            .resolver()
            .resolve(Some(file), specifier, ImportKind::Import, false);
        match found {
            Ok(found) => found.path.to_string(),
            Err(_) => mocks::missing_id(file, specifier),
        }
    }

    fn lower(
        &self,
        file: &Path,
        source: &str,
        module_type: &ModuleType,
        verbatim: bool,
    ) -> Option<HookTransformOutput> {
        let lowered = match decorators::lower(file, source, verbatim) {
            Ok(lowered) => lowered?,
            Err(diagnostic) => {
                self.findings().unlowered.push(diagnostic);
                return None;
            }
        };
        let map = match serde_json::from_str(&lowered.source_map).map(SourceMap::from_json) {
            Ok(Ok(mut map)) => {
                map.set_sources(vec![file.to_string_lossy().into_owned()]);
                self.findings()
                    .lowered
                    .insert(file.to_path_buf(), map.clone());
                HookTransformOutputMap::from(map)
            }
            _ => HookTransformOutputMap::Null,
        };
        let code = match automatic_runtime(&lowered.code) {
            Some(code) if *module_type != ModuleType::Ts => code,
            _ => lowered.code,
        };
        Some(HookTransformOutput {
            code: Some(code),
            map,
            // TypeScript stays TypeScript although its types are gone: its rules for fields without a
            // value and for the re-export of types still hold.
            module_type: (*module_type == ModuleType::Js).then_some(ModuleType::Jsx),
            ..HookTransformOutput::default()
        })
    }
}

/// `source` with the ranges blank, so that everything else stays where it is.
fn erase(source: &str, ranges: &[Range<usize>]) -> String {
    let mut code = source.to_string();
    for range in ranges {
        // A specifier of an import or export clause: its bytes are replaced one by one.
        code.replace_range(range.clone(), &" ".repeat(range.len()));
    }
    code
}

/// Whether the specifier names a module that the runtime provides, or refuses, by itself.
pub(super) fn is_runtime_module(specifier: &str) -> bool {
    RUNTIME_SCHEMES
        .iter()
        .any(|scheme| specifier.starts_with(scheme))
}

/// A file that names its JSX library in a comment means the automatic runtime, whatever the default.
/// The word is added inside that comment, so that no line and no column of code moves.
fn automatic_runtime(source: &str) -> Option<String> {
    let at = source.find("@jsxImportSource ")?;
    if source.contains("@jsxRuntime ") {
        return None;
    }
    let (before, after) = source.split_at(at);
    Some(format!("{before}@jsxRuntime automatic {after}"))
}
