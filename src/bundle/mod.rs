//! Bundles a worker: one TypeScript or JavaScript file and everything it imports become one ES module.
//!
//! The rules are wrangler's (conditions, main fields, CommonJS interop, text and data modules), so
//! that a file means here what it means there. rolldown does the work in this process; there is no
//! configuration but `tsconfig.json`, no Node and no network.

mod decorators;
pub mod loader;
mod mocks;
mod plugin;
mod problems;
mod rules;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use deno_core::ModuleSpecifier;
use rolldown::Bundler;
use rolldown::BundlerOptions;
use rolldown_common::Output;
use rolldown_common::Platform;
use rolldown_common::RawMinifyOptions;
use rolldown_common::ResolveOptions;
use rolldown_common::TreeshakeOptions;
use rolldown_common::TsConfig;
use rolldown_common::bundler_options::AttachDebugInfo;
use rolldown_common::bundler_options::BundlerTransformOptions;
use rolldown_common::bundler_options::CodeSplittingMode;
use rolldown_common::bundler_options::Either;
use rolldown_common::bundler_options::ExperimentalOptions;
use rolldown_common::bundler_options::JsxOptions;
use rolldown_common::bundler_options::OutputFormat;
use rolldown_common::bundler_options::SourceMapPathTransform;
use rolldown_common::bundler_options::SourceMapType;
use rolldown_fs::OsFileSystem;
use rolldown_fs::OxcResolverFileSystem as _;

use crate::config::Rule;
use crate::diagnostic::Diagnostic;
use plugin::Erased;
pub use plugin::VITEST;
use plugin::WorkerModules;
use rules::ModuleRules;
pub use syntax::locate_export;
pub use syntax::parse;

/// The extensions a worker's entry file may have.
const ENTRY_EXTENSIONS: [&str; 6] = ["ts", "tsx", "js", "jsx", "mts", "mjs"];

/// How often a build is repeated to drop re-exports of types. Each round drops all that rolldown
/// sees at once, so a long chain of such files needs one or two.
const TYPE_ROUNDS_MAX: usize = 8;

/// How often a build is repeated because more mocked modules were found.
const MOCK_ROUNDS_MAX: usize = 4;

/// One worker as one ES module.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The module's source. It imports only what the runtime provides: `cloudflare:*`, `node:*`, ….
    pub code: String,
    /// Source map, JSON. Its sources are absolute `file://` URLs, and their text is included.
    pub source_map: Option<Vec<u8>>,
    /// The entry file: absolute, symbolic links resolved.
    pub entry: PathBuf,
    /// Every file that was read: what to watch for changes.
    pub modules: Vec<PathBuf>,
    /// What the entry exports.
    pub exports: Vec<String>,
}

impl Bundle {
    /// The worker of a project that has no code: nothing is left for it to answer.
    pub fn without_code(root: &Path) -> Bundle {
        Bundle {
            code: "export default { fetch: () => new Response(null, { status: 404 }) };".to_owned(),
            source_map: None,
            entry: root.join("no-code.js"),
            modules: Vec::new(),
            exports: vec!["default".to_owned()],
        }
    }

    /// The name under which the bundle is loaded: the entry file's URL.
    pub fn specifier(&self) -> ModuleSpecifier {
        file_url(&self.entry)
    }
}

/// What may differ between two bundles of the same entry.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// Expressions replaced by JSON or identifiers, as esbuild's `define`.
    pub define: Vec<(String, String)>,
    /// The modules besides `cloudflare:*` that the runtime provides, such as `node:buffer`.
    ///
    /// `import` of any other is left to the runtime, which refuses it by name; `require()` of any
    /// other throws where it is called.
    pub provided: Vec<String>,
    /// Whether `buffer` means `node:buffer` although there is a package of that name, as with
    /// the compatibility flag `nodejs_compat_v2`.
    pub node: bool,
    /// The folder that rules' patterns and relative aliases start from; the entry's own if None.
    pub root: Option<PathBuf>,
    /// How files that are not code are imported, before wrangler's own rules.
    pub rules: Vec<Rule>,
    /// Module names that mean other ones; a name that begins with a dot is a file below `root`.
    pub alias: Vec<(String, String)>,
    /// The same for names and all that begin with them and a slash, as Vite's aliases.
    pub prefixes: Vec<(String, String)>,
    /// The tsconfig.json to follow instead of the one nearest to each file.
    pub tsconfig: Option<PathBuf>,
    /// What the classic JSX runtime calls for an element, and for `<>`.
    pub jsx_factory: Option<String>,
    pub jsx_fragment: Option<String>,
    /// A module whose exports are those of the entry, too: the worker that a test is about.
    pub worker: Option<PathBuf>,
    /// Modules that are evaluated before the entry.
    pub setup: Vec<PathBuf>,
    /// Whether each statement and variable of the source is in the output, too, for a debugger to
    /// stop at and to look into.
    pub verbatim: bool,
}

impl BundleOptions {
    /// Whether the bundle is one of tests.
    fn is_test(&self) -> bool {
        self.provided.iter().any(|module| module == VITEST)
    }
}

impl Default for BundleOptions {
    fn default() -> BundleOptions {
        // The terminal's own setting, as with wrangler.
        let mode = std::env::var("NODE_ENV")
            .ok()
            .filter(|mode| !mode.is_empty());
        let mode = serde_json::Value::from(mode.as_deref().unwrap_or("development")).to_string();
        let define = [
            ("process.env.NODE_ENV", mode.as_str()),
            ("global.process.env.NODE_ENV", &mode),
            ("globalThis.process.env.NODE_ENV", &mode),
            ("navigator.userAgent", "\"Cloudflare-Workers\""),
        ];
        BundleOptions {
            define: define
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .to_vec(),
            provided: stead_ops::node::MODULES
                .iter()
                .map(|name| format!("node:{name}"))
                .collect(),
            node: true,
            root: None,
            rules: Vec::new(),
            alias: Vec::new(),
            tsconfig: None,
            jsx_factory: None,
            jsx_fragment: None,
            prefixes: Vec::new(),
            worker: None,
            setup: Vec::new(),
            verbatim: false,
        }
    }
}

/// Bundles `entry` and everything it imports into one ES module.
///
/// Blocks until it is done. The work runs on threads of its own, so the caller may be inside a
/// runtime. All problems found are returned, not only the first.
pub fn bundle(entry: &Path, options: &BundleOptions) -> Result<Bundle, Vec<Diagnostic>> {
    bundle_and_files(entry, options).0
}

/// The same, with every file that was read, also if the build failed.
pub fn bundle_and_files(
    entry: &Path,
    options: &BundleOptions,
) -> (Result<Bundle, Vec<Diagnostic>>, Vec<PathBuf>) {
    let entry = match check_entry(entry) {
        Ok(entry) => entry,
        Err(problem) => return (Err(vec![problem]), vec![entry.to_owned()]),
    };
    let work = || {
        let mut files = vec![entry.clone()];
        // rolldown blocks in place, which a current-thread runtime refuses.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("bundle")
            .build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(build(&entry, options, &mut files)),
            Err(error) => Err(vec![Diagnostic::new(format!(
                "cannot start bundling: {error}"
            ))]),
        };
        (result, files)
    };
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The files beside an entry that is not there, one of which may have been meant.
fn what_is_there(entry: &Path) -> String {
    const SHOWN_MAX: usize = 5;
    let folder = match entry.parent() {
        None => Path::new("."),
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
    };
    let Ok(files) = std::fs::read_dir(folder) else {
        return format!("its folder `{}` is not there either", folder.display());
    };
    let is_code = |name: &String| {
        let extension = Path::new(name).extension().and_then(|name| name.to_str());
        extension.is_some_and(|extension| ENTRY_EXTENSIONS.contains(&extension))
    };
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(is_code).collect();
    if names.is_empty() {
        return format!("there is no code in its folder `{}`", folder.display());
    }
    names.sort();
    names.truncate(SHOWN_MAX);
    format!("beside it there is `{}`", names.join("`, `"))
}

/// The entry as an absolute path, or what is wrong with it.
fn check_entry(entry: &Path) -> Result<PathBuf, Diagnostic> {
    let shown = entry.display();
    let absolute = match entry.canonicalize() {
        Ok(absolute) => absolute,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let problem = Diagnostic::new(format!("there is no file `{shown}`"));
            let completed = ENTRY_EXTENSIONS
                .iter()
                .map(|extension| {
                    let mut name = entry.as_os_str().to_owned();
                    name.push(".");
                    name.push(extension);
                    PathBuf::from(name)
                })
                .find(|path| path.is_file());
            return Err(match completed {
                Some(path) => problem.with_help(format!("did you mean `{}`?", path.display())),
                None => problem.with_help(what_is_there(entry)),
            });
        }
        Err(error) => return Err(Diagnostic::new(format!("cannot open `{shown}`: {error}"))),
    };
    if absolute.is_dir() {
        return Err(
            Diagnostic::new(format!("`{shown}` is a folder, not a file"))
                .with_help("name the file that exports the worker"),
        );
    }
    let extension = absolute
        .extension()
        .and_then(|extension| extension.to_str());
    if !extension.is_some_and(|extension| ENTRY_EXTENSIONS.contains(&extension)) {
        return Err(
            Diagnostic::new(format!("`{shown}` is not TypeScript or JavaScript")).with_help(
                format!(
                    "the file's name must end in .{}",
                    ENTRY_EXTENSIONS.join(", .")
                ),
            ),
        );
    }
    Ok(absolute)
}

async fn build(
    entry: &Path,
    options: &BundleOptions,
    files: &mut Vec<PathBuf>,
) -> Result<Bundle, Vec<Diagnostic>> {
    let cwd = entry.parent().unwrap_or(entry);
    let mut erased = Erased::new();
    let mut mocked = HashSet::new();
    let mut wrapped = options.is_test() && {
        let source = source_of(entry);
        mocks::speaks(&source) || mocks::resets(&source)
    };
    let mut mock_rounds = 0;
    let mut round = 0;
    let (bundler, output, mocks_any, resets) = loop {
        let rules = ModuleRules::new(options.root.as_deref().unwrap_or(cwd), &options.rules);
        let plugin = WorkerModules::new(options, rules, erased.clone()).mocking(mocked.clone());
        let plugin = Arc::new(plugin.with_worker(entry, options.worker.as_deref(), &options.setup));
        let mut bundler = Bundler::with_plugins(
            bundler_options(entry, cwd, options, wrapped),
            vec![plugin.clone()],
        )
        .map_err(|errors| problems::collect(cwd, errors.into_vec(), &plugin.findings()))?;
        let result = bundler.generate().await;
        // A file that the entry imports mocks modules, which others may have imported before it was read.
        let (found, only_here) = plugin.mocked(entry);
        let mocks_any = !found.is_empty();
        let is_complete = found == mocked || (wrapped && only_here);
        let is_wrapped = wrapped || !plugin.resets();
        if !(is_complete && is_wrapped) && mock_rounds < MOCK_ROUNDS_MAX {
            (mocked, wrapped) = (found, true);
            mock_rounds += 1;
            continue;
        }
        let read = bundler.watch_files();
        files.extend(read.iter().map(|file| PathBuf::from(file.as_str())));
        let findings = plugin.findings();
        let errors = match result {
            Ok(output) => {
                let problems = problems::collect(cwd, Vec::new(), &findings);
                if !problems.is_empty() {
                    return Err(problems);
                }
                break (bundler, output, mocks_any, plugin.resets());
            }
            Err(errors) => errors.into_vec(),
        };
        let types = problems::type_reexports(cwd, &errors, &findings);
        if types.is_empty() || round == TYPE_ROUNDS_MAX {
            return Err(problems::collect(cwd, errors, &findings));
        }
        for (file, ranges) in types {
            erased.entry(file).or_default().extend(ranges);
        }
        round += 1;
    };
    let mut modules: Vec<PathBuf> = bundler
        .watch_files()
        .iter()
        .map(|file| PathBuf::from(file.as_str()))
        .collect();
    modules.sort();
    let mut code = None;
    let mut source_map = None;
    let mut exports = Vec::new();
    for file in output.assets {
        match file {
            Output::Chunk(chunk) => {
                assert!(code.is_none(), "without code splitting there is one chunk");
                exports = chunk.exports.iter().map(ToString::to_string).collect();
                code = Some(Arc::unwrap_or_clone(chunk).code);
            }
            Output::Asset(asset) if asset.filename.ends_with(".map") => {
                source_map = Some(asset.source.as_bytes().to_vec());
            }
            Output::Asset(_) => {}
        }
    }
    let mut code = code.expect("a build without errors has a chunk");
    if mocks_any {
        code = mocks::guarded(&code);
    }
    Ok(Bundle {
        code: if resets {
            mocks::resettable(&code)
        } else {
            code
        },
        source_map,
        entry: entry.to_path_buf(),
        modules,
        exports,
    })
}

/// The text of a file; empty if it cannot be read, which the build reports.
fn source_of(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// `wrapped` makes a function of each module, so that all are there when the first one runs.
fn bundler_options(
    entry: &Path,
    cwd: &Path,
    options: &BundleOptions,
    wrapped: bool,
) -> BundlerOptions {
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_string()).collect();
    let map_folder = cwd.to_path_buf();
    BundlerOptions {
        input: Some(vec![entry.to_string_lossy().into_owned().into()]),
        cwd: Some(cwd.to_path_buf()),
        // Nothing is written; the source map's paths are relative to this.
        dir: Some(cwd.to_string_lossy().into_owned()),
        platform: Some(Platform::Browser),
        format: Some(OutputFormat::Esm),
        // Hidden: the map is handed to V8's owner by the loader, not by a comment.
        sourcemap: Some(SourceMapType::Hidden),
        sourcemap_path_transform: Some(SourceMapPathTransform::new(Arc::new(move |source, _| {
            let url = file_url(&map_folder.join(source)).to_string();
            Box::pin(async move { Ok(url) })
        }))),
        resolve: Some(ResolveOptions {
            condition_names: Some(strings(&["workerd", "worker", "browser", "module"])),
            main_fields: Some(strings(&["browser", "module", "main"])),
            alias: Some(aliases(options, cwd)),
            ..ResolveOptions::default()
        }),
        define: Some(options.define.iter().cloned().collect()),
        transform: Some(BundlerTransformOptions {
            // No `target`: V8 runs everything that wrangler's es2024 would lower (`using`).
            jsx: jsx_runtime(entry, cwd).map(|runtime| {
                Either::Right(JsxOptions {
                    runtime: Some(runtime.to_string()),
                    pragma: options.jsx_factory.clone(),
                    pragma_frag: options.jsx_fragment.clone(),
                    ..JsxOptions::default()
                })
            }),
            ..BundlerTransformOptions::default()
        }),
        tsconfig: Some(match &options.tsconfig {
            Some(file) => TsConfig::Manual(file.clone()),
            None => TsConfig::Auto(true),
        }),
        minify: options.verbatim.then_some(RawMinifyOptions::Bool(false)),
        // Shaking also inlines variables that are used once.
        treeshake: match options.verbatim {
            true => TreeshakeOptions::Boolean(false),
            false => TreeshakeOptions::default(),
        },
        code_splitting: Some(CodeSplittingMode::Bool(false)),
        // Class names are what users see as object classes, in errors and in `constructor.name`.
        keep_names: Some(true),
        // esbuild's order: modules run in the order of their imports, CommonJS when first required.
        strict_execution_order: Some(true),
        experimental: Some(ExperimentalOptions {
            attach_debug_info: Some(AttachDebugInfo::None),
            // Without it every module becomes a function, also where the order is right anyway.
            on_demand_wrapping: Some(!wrapped),
            ..ExperimentalOptions::default()
        }),
        ..BundlerOptions::default()
    }
}

/// Each alias as the resolver wants it.
fn aliases(options: &BundleOptions, cwd: &Path) -> Vec<(String, Vec<Option<String>>)> {
    let root = options.root.as_deref().unwrap_or(cwd);
    let target = |target: &str| {
        if target.starts_with('.') {
            root.join(target).to_string_lossy().into_owned()
        } else {
            target.to_owned()
        }
    };
    // The sign at the end keeps `lib/part` what it is when `lib` has an alias.
    let alias = |(name, to): &(String, String)| (format!("{name}$"), vec![Some(target(to))]);
    let exact = options.alias.iter().map(alias);
    let prefixes = options.prefixes.iter();
    let prefixes = prefixes.map(|(name, to)| (name.clone(), vec![Some(to.clone())]));
    exact.chain(prefixes).collect()
}

/// The JSX runtime to ask for; `None` if tsconfig.json decides.
///
/// esbuild's default is `React.createElement`, rolldown's is the automatic runtime. An explicit
/// option would win over tsconfig.json, so it is given only where tsconfig.json says nothing, or
/// says `preserve`, which V8 could not run.
fn jsx_runtime(entry: &Path, cwd: &Path) -> Option<&'static str> {
    let resolver = rolldown_resolver::Resolver::new(
        OsFileSystem::new(false),
        cwd.to_path_buf(),
        Platform::Browser,
        &TsConfig::Auto(true),
        ResolveOptions::default(),
    );
    // A broken tsconfig.json is reported by the build.
    let tsconfig = resolver.clone_default_resolver().find_tsconfig(entry);
    let tsconfig = tsconfig.ok().flatten();
    let compiler_options = tsconfig.as_ref().map(|tsconfig| &tsconfig.compiler_options);
    match compiler_options.and_then(|options| options.jsx.as_deref()) {
        Some("react" | "react-jsx" | "react-jsxdev") => None,
        _ if compiler_options.is_some_and(|o| o.jsx_import_source.is_some()) => Some("automatic"),
        _ => Some("classic"),
    }
}

fn file_url(path: &Path) -> ModuleSpecifier {
    ModuleSpecifier::from_file_path(path).expect("an absolute path is a URL")
}
