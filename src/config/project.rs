//! The settings of one worker, with an environment's own laid over those of the top level.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use super::bindings;
use super::bindings::Missing;
use super::bindings::ObjectBinding;
use super::bindings::ServiceBinding;
use super::keys;
use super::lifecycle;
use super::lifecycle::Lifecycle;
use super::read::Reader;
use super::read::join;
use super::tree::Kind;
use super::tree::Node;
use crate::diagnostic::Diagnostic;

/// A project, ready to be bundled and served.
#[derive(Clone, Debug)]
pub struct Project {
    /// The worker's name: with an environment, `name-environment`, as wrangler deploys it.
    pub name: String,
    /// The folder of the configuration file, from which its paths are looked up.
    pub root: PathBuf,
    /// The configuration file.
    pub file: PathBuf,
    /// What `--env` named.
    pub environment: Option<String>,
    /// The module that exports the worker. None for a project of assets alone.
    pub main: Option<PathBuf>,
    pub compatibility_date: Option<String>,
    pub compatibility_flags: Vec<String>,
    pub objects: Vec<ObjectBinding>,
    pub lifecycle: Lifecycle,
    /// The environments that the configuration has.
    pub environments: Vec<String>,
    /// What `env` holds as plain values, secrets among them.
    pub vars: BTreeMap<String, Value>,
    /// What the configuration itself says of them, in its order.
    pub declared_vars: Vec<(String, Value)>,
    /// Which of `vars` came from `.dev.vars` or `.env` files.
    pub secrets: Vec<String>,
    /// Secrets that the configuration says are needed.
    pub required_secrets: Vec<String>,
    /// Whether the configuration says of any environment which secrets are needed.
    pub declares_secrets: bool,
    /// The binding that tells the worker its version.
    pub version_metadata: Option<String>,
    pub services: Vec<ServiceBinding>,
    pub missing: Vec<Missing>,
    /// Cron expressions.
    pub crons: Vec<String>,
    pub assets: Option<Assets>,
    pub rules: Vec<Rule>,
    /// Module names that mean other ones.
    pub alias: Vec<(String, String)>,
    /// Expressions that are replaced in the code.
    pub define: Vec<(String, String)>,
    pub tsconfig: Option<PathBuf>,
    pub jsx_factory: Option<String>,
    pub jsx_fragment: Option<String>,
    pub dev: DevSettings,
    /// Every file that was read: a change of one means reading all again.
    pub files: Vec<PathBuf>,
    pub warnings: Vec<Diagnostic>,
}

/// `dev`: how the local server listens. The command line wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevSettings {
    pub ip: Option<String>,
    pub port: Option<u16>,
    pub inspector_ip: Option<String>,
    pub inspector_port: Option<u16>,
    pub https: bool,
}

/// `assets`: files that are served as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    pub directory: PathBuf,
    /// The name in `env`.
    pub binding: Option<String>,
    pub html: HtmlHandling,
    pub not_found: NotFoundHandling,
    pub worker_first: WorkerFirst,
}

/// Which address an HTML file has.
/// <https://developers.cloudflare.com/workers/static-assets/routing/advanced/html-handling/>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlHandling {
    /// `/a` for `a.html`, `/a/` for `a/index.html`; other forms redirect there.
    AutoTrailingSlash,
    /// `/a/` for both.
    ForceTrailingSlash,
    /// `/a` for both.
    DropTrailingSlash,
    /// The file's own name alone.
    None,
}

/// What is answered where there is no file and no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFoundHandling {
    /// `/index.html`, with status 200.
    SinglePageApplication,
    /// The nearest `404.html`.
    NotFoundPage,
    None,
}

/// Which requests the worker gets before files are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerFirst {
    All,
    None,
    /// Path patterns; those that begin with `!` are exceptions.
    Matching(Vec<String>),
}

/// `rules[]`: how files that are not code are imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub kind: RuleKind,
    pub globs: Vec<String>,
    /// Whether wrangler's own rule of the kind goes on to hold.
    pub fallthrough: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    Text,
    Data,
    Wasm,
    Code,
}

/// The tables in which a setting may stand: an environment's and the top level's.
pub struct Layers<'n> {
    top: &'n Node,
    environment: Option<(&'n Node, String)>,
}

impl<'n> Layers<'n> {
    /// Where a setting that environments inherit stands, and the path of that table.
    pub fn inherited(&self, key: &str) -> (&'n Node, String) {
        match &self.environment {
            Some((table, path)) if table.get(key).is_some() => (table, path.clone()),
            _ => (self.top, String::new()),
        }
    }

    /// Where a setting that environments do not inherit would stand.
    pub fn own(&self, _key: &str) -> (&'n Node, String) {
        match &self.environment {
            Some((table, path)) => (table, path.clone()),
            None => (self.top, String::new()),
        }
    }
}

/// Reads the whole file. None if it has errors that leave nothing to go on with.
pub fn read(reader: &mut Reader<'_>, top: &Node, environment: Option<&str>) -> Option<Project> {
    let known: Vec<&str> = [keys::INHERITED, keys::NOT_INHERITED].concat();
    reader.known_keys(top, "", &known);
    let layers = Layers {
        top,
        environment: match environment {
            None => None,
            Some(name) => Some((find_environment(reader, top, name)?, join("env", name))),
        },
    };
    if let Some((table, path)) = &layers.environment {
        reader.known_keys(table, path, &known);
        warn_of_lost(reader, top, table, path);
    }
    warn_of_no_effect(reader, &layers);
    let root = reader.file.parent().unwrap_or(Path::new("/")).to_owned();
    let name = worker_name(reader, &layers, environment, &root);
    let mut text = |key: &str, example: &str| {
        let (table, path) = layers.inherited(key);
        reader.string(table, &path, key, example)
    };
    let main = text("main", "\"src/index.ts\"").map(|main| root.join(main));
    let compatibility_date = text("compatibility_date", "\"2026-01-31\"");
    let tsconfig = text("tsconfig", "\"tsconfig.json\"").map(|file| root.join(file));
    let jsx_factory = text("jsx_factory", "\"h\"");
    let jsx_fragment = text("jsx_fragment", "\"Fragment\"");
    let (flags, path) = layers.inherited("compatibility_flags");
    let example = "[\"nodejs_compat\"]";
    let compatibility_flags = reader.strings(flags, &path, "compatibility_flags", example);
    let (aliases, path) = layers.inherited("alias");
    let alias = reader.string_entries(aliases, &path, "alias");
    let (defines, path) = layers.own("define");
    let define = reader.string_entries(defines, &path, "define");
    let lifecycle = {
        let key = if layers.inherited("exports").0.get("exports").is_some() {
            "exports"
        } else {
            "migrations"
        };
        let (table, path) = layers.inherited(key);
        lifecycle::read(reader, table, &path)
    };
    let assets = assets(reader, &layers, &root);
    let environments = reader.entries(top, "", "env");
    let declares = |table: &Node| table.get("secrets").is_some();
    let declares_secrets = declares(top) || environments.iter().any(|e| declares(&e.value));
    let environments = environments.iter().map(|e| e.key.clone()).collect();
    let declared_vars = vars(reader, &layers);
    let named = ["main", "assets"].map(|key| layers.inherited(key).0.get(key).is_some());
    if named == [false, false] {
        reader.error(
            &(0..0),
            "the configuration names neither `main` nor `assets`",
            "add \"main\": \"src/index.ts\", the file that exports the worker",
        );
    }
    Some(Project {
        objects: bindings::objects(reader, &layers, &name),
        services: bindings::services(reader, &layers),
        missing: bindings::missing(reader, &layers),
        vars: declared_vars.iter().cloned().collect(),
        declared_vars,
        environments,
        declares_secrets,
        secrets: Vec::new(),
        required_secrets: required_secrets(reader, &layers),
        version_metadata: version_metadata(reader, &layers),
        crons: crons(reader, &layers),
        rules: rules(reader, &layers),
        dev: dev(reader, top),
        name,
        file: reader.file.to_owned(),
        files: vec![reader.file.to_owned()],
        root,
        environment: environment.map(str::to_owned),
        main,
        compatibility_date,
        compatibility_flags,
        lifecycle,
        assets,
        alias,
        define,
        tsconfig,
        jsx_factory,
        jsx_fragment,
        warnings: Vec::new(),
    })
}

fn find_environment<'n>(reader: &mut Reader<'_>, top: &'n Node, name: &str) -> Option<&'n Node> {
    let environments = reader.entries(top, "", "env");
    if let Some(entry) = environments.iter().rfind(|entry| entry.key == name) {
        return reader
            .table(top.get("env")?, "env", name)
            .and(Some(&entry.value));
    }
    let names: Vec<String> = environments
        .iter()
        .map(|e| format!("`{}`", e.key))
        .collect();
    let help = if names.is_empty() {
        "the configuration has no `env`: leave out `--env`".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    };
    let span = top
        .get("env")
        .map_or(0..0, |env| env.span.start..env.span.start + 1);
    reader.error(&span, format!("there is no environment `{name}`"), help);
    None
}

/// What stands at the top alone and is not inherited is a common surprise.
fn warn_of_lost(reader: &mut Reader<'_>, top: &Node, environment: &Node, path: &str) {
    for key in keys::NOT_INHERITED {
        if let (Some(node), None) = (top.get(key), environment.get(key)) {
            let what = format!("`{key}` is not inherited by environments, and `{path}` has none");
            let help = format!("repeat it as `{path}.{key}`");
            reader.warn(&(node.span.start..node.span.start + 1), what, Some(help));
        }
    }
}

fn warn_of_no_effect(reader: &mut Reader<'_>, layers: &Layers<'_>) {
    for (key, help) in keys::WITHOUT_EFFECT {
        let (table, path) = layers.inherited(key);
        if let Some(node) = table.get(key) {
            let what = format!("`{}` is not implemented in Stead yet", join(&path, key));
            let start = node.span.start;
            reader.warn(&(start..start + 1), what, Some((*help).to_owned()));
        }
    }
}

fn worker_name(
    reader: &mut Reader<'_>,
    layers: &Layers<'_>,
    environment: Option<&str>,
    root: &Path,
) -> String {
    let top = reader.string(layers.top, "", "name", "\"my-worker\"");
    let own = match &layers.environment {
        Some((table, path)) => reader.string(table, path, "name", "\"my-worker\""),
        None => None,
    };
    let folder = || {
        root.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    match (own, environment) {
        (Some(own), _) => own,
        (None, Some(environment)) => {
            format!("{}-{environment}", top.unwrap_or_else(folder))
        }
        (None, None) => top.unwrap_or_else(folder),
    }
}

fn vars(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<(String, Value)> {
    let (table, path) = layers.own("vars");
    let entries = reader.entries(table, &path, "vars");
    let pairs = entries
        .iter()
        .map(|entry| (entry.key.clone(), entry.value.to_json()));
    pairs.collect()
}

fn required_secrets(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<String> {
    let (table, path) = layers.own("secrets");
    match reader.table(table, &path, "secrets") {
        Some(table) => reader.strings(table, "secrets", "required", "[\"API_KEY\"]"),
        None => Vec::new(),
    }
}

fn version_metadata(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Option<String> {
    let (table, path) = layers.own("version_metadata");
    let table = reader.table(table, &path, "version_metadata")?;
    reader.required(table, "version_metadata", "binding", "\"VERSION\"")
}

fn crons(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<String> {
    let (table, path) = layers.inherited("triggers");
    let Some(table) = reader.table(table, &path, "triggers") else {
        return Vec::new();
    };
    let path = join(&path, "triggers");
    reader.known_keys(table, &path, &["crons"]);
    let crons = reader.strings(table, &path, "crons", "[\"0 * * * *\"]");
    if let Some(Kind::Array(nodes)) = table.get("crons").map(|node| &node.kind) {
        for (cron, node) in crons.iter().zip(nodes) {
            if let Err(error) = crate::crons::parse(cron) {
                let help =
                    "five fields: minute, hour, day of month, month, day of week (1 is Sunday)";
                reader.error(
                    &node.span,
                    format!("`{cron}` is not a cron expression: {error}"),
                    help,
                );
            }
        }
    }
    crons
}

const ASSETS_KEYS: &[&str] = &[
    "directory",
    "binding",
    "html_handling",
    "not_found_handling",
    "run_worker_first",
];

fn assets(reader: &mut Reader<'_>, layers: &Layers<'_>, root: &Path) -> Option<Assets> {
    let (table, path) = layers.inherited("assets");
    let table = reader.table(table, &path, "assets")?;
    let path = join(&path, "assets");
    reader.known_keys(table, &path, ASSETS_KEYS);
    let directory = reader.required(table, &path, "directory", "\"./public\"")?;
    let directory = root.join(directory);
    if let (false, Some(node)) = (directory.is_dir(), table.get("directory")) {
        let what = format!("there is no folder `{}`", directory.display());
        reader.error(
            &node.span,
            what,
            "name the folder that holds the files to serve",
        );
    }
    let html = [
        "auto-trailing-slash",
        "force-trailing-slash",
        "drop-trailing-slash",
        "none",
    ];
    let html = reader.word(table, &path, "html_handling", &html);
    let not_found = ["none", "404-page", "single-page-application"];
    let not_found = reader.word(table, &path, "not_found_handling", &not_found);
    Some(Assets {
        directory,
        binding: reader.string(table, &path, "binding", "\"ASSETS\""),
        html: match html.as_deref() {
            Some("force-trailing-slash") => HtmlHandling::ForceTrailingSlash,
            Some("drop-trailing-slash") => HtmlHandling::DropTrailingSlash,
            Some("none") => HtmlHandling::None,
            _ => HtmlHandling::AutoTrailingSlash,
        },
        not_found: match not_found.as_deref() {
            Some("404-page") => NotFoundHandling::NotFoundPage,
            Some("single-page-application") => NotFoundHandling::SinglePageApplication,
            _ => NotFoundHandling::None,
        },
        worker_first: worker_first(reader, table, &path),
    })
}

fn worker_first(reader: &mut Reader<'_>, table: &Node, path: &str) -> WorkerFirst {
    match table.get("run_worker_first").map(|node| &node.kind) {
        None => WorkerFirst::None,
        Some(Kind::Array(_)) => {
            let patterns = reader.strings(table, path, "run_worker_first", "[\"/api/*\"]");
            WorkerFirst::Matching(patterns)
        }
        Some(_) => match reader.boolean(table, path, "run_worker_first") {
            Some(true) => WorkerFirst::All,
            _ => WorkerFirst::None,
        },
    }
}

const RULE_TYPES: &[&str] = &["Text", "Data", "CompiledWasm", "ESModule", "CommonJS"];

fn rules(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<Rule> {
    let (table, path) = layers.inherited("rules");
    let example = "[{ \"type\": \"Text\", \"globs\": [\"**/*.md\"] }]";
    let mut rules = Vec::new();
    for entry in reader.tables(table, &path, "rules", example) {
        reader.known_keys(entry, "rules[]", &["type", "globs", "fallthrough"]);
        let kind = reader.word(entry, "rules[]", "type", RULE_TYPES);
        let globs = reader.strings(entry, "rules[]", "globs", "[\"**/*.md\"]");
        let fallthrough = reader.boolean(entry, "rules[]", "fallthrough");
        let kind = match kind.as_deref() {
            Some("Text") => RuleKind::Text,
            Some("Data") => RuleKind::Data,
            Some("CompiledWasm") => RuleKind::Wasm,
            Some(_) => RuleKind::Code,
            None => continue,
        };
        rules.push(Rule {
            kind,
            globs,
            fallthrough: fallthrough.unwrap_or(false),
        });
    }
    rules
}

const DEV_KEYS: &[&str] = &[
    "ip",
    "port",
    "inspector_port",
    "inspector_ip",
    "local_protocol",
    "upstream_protocol",
    "host",
    "enable_containers",
    "container_engine",
    "generate_types",
];

fn dev(reader: &mut Reader<'_>, top: &Node) -> DevSettings {
    let Some(table) = reader.table(top, "", "dev") else {
        return DevSettings::default();
    };
    reader.known_keys(table, "dev", DEV_KEYS);
    let protocol = reader.word(table, "dev", "local_protocol", &["http", "https"]);
    DevSettings {
        ip: reader.string(table, "dev", "ip", "\"127.0.0.1\""),
        port: reader.port(table, "dev", "port"),
        inspector_ip: reader.string(table, "dev", "inspector_ip", "\"127.0.0.1\""),
        inspector_port: reader.port(table, "dev", "inspector_port"),
        https: protocol.as_deref() == Some("https"),
    }
}
