//! What files are that are imported and are no code: `declare module "*.md"`.
//!
//! A declaration's pattern may hold one star. A rule's glob that needs more of them is declared by its ending alone, with
//! each type that a file of that ending may have.

use crate::config::Rule;
use crate::config::RuleKind;

/// Wrangler's own rules, which hold after the project's.
const DEFAULTS: [(RuleKind, &[&str]); 3] = [
    (RuleKind::Text, &["**/*.txt", "**/*.html", "**/*.sql"]),
    (RuleKind::Data, &["**/*.bin"]),
    (RuleKind::Wasm, &["**/*.wasm", "**/*.wasm?module"]),
];

/// A glob of a rule.
struct Glob {
    /// The pattern of a module's name, with one star at most.
    pattern: String,
    /// Whether the pattern means what the glob means.
    is_exact: bool,
    /// The pattern by the ending alone.
    ending: Option<String>,
    has_star: bool,
    /// Whether no rule before it names all files of its ending.
    is_declared: bool,
    kind: &'static str,
}

/// The declarations for the rules of each environment.
pub fn declarations(rules: Vec<&[Rule]>) -> String {
    let mut sets: Vec<Vec<Glob>> = Vec::new();
    for (at, own) in rules.iter().enumerate() {
        if !rules[..at].contains(own) {
            sets.push(globs(own));
        }
    }
    let all = || sets.iter().flatten().filter(|glob| glob.is_declared);
    let own = all().filter(|glob| glob.ending.as_ref() != Some(&glob.pattern));
    let endings = all().filter(|glob| glob.has_star);
    let endings = endings.filter_map(|glob| glob.ending.as_ref());
    let mut patterns: Vec<&String> = Vec::new();
    for pattern in own.map(|glob| &glob.pattern).chain(endings) {
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    let declared = patterns.iter().map(|pattern| {
        let mut kinds: Vec<&str> = Vec::new();
        for kind in sets.iter().flat_map(|set| kinds_of(pattern, set)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let kinds = kinds.join(" | ");
        format!(
            "declare module \"{pattern}\" {{\n\tconst value: {kinds};\n\texport default value;\n}}\n"
        )
    });
    declared.collect()
}

/// The globs that mean data, in the order in which they are asked.
fn globs(own: &[Rule]) -> Vec<Glob> {
    let mut all: Vec<Glob> = Vec::new();
    let mut closed: Vec<RuleKind> = Vec::new();
    let own = own
        .iter()
        .map(|rule| (rule.kind, rule.globs.clone(), rule.fallthrough));
    let defaults = DEFAULTS.map(|(kind, globs)| {
        let globs = globs.iter().map(|glob| (*glob).to_owned());
        (kind, globs.collect::<Vec<_>>(), false)
    });
    for (kind, globs, fallthrough) in own.chain(defaults) {
        if closed.contains(&kind) {
            continue;
        }
        if !fallthrough {
            closed.push(kind);
        }
        let kind = match kind {
            RuleKind::Text => "string",
            RuleKind::Data => "ArrayBuffer",
            RuleKind::Wasm => "WebAssembly.Module",
            RuleKind::Code => continue,
        };
        for glob in globs {
            let mut glob = Glob::new(&glob, kind);
            let is_whole =
                |known: &Glob| known.is_exact && glob.ending.as_ref() == Some(&known.pattern);
            glob.is_declared = glob.ending.is_none() || !all.iter().any(is_whole);
            all.push(glob);
        }
    }
    all
}

impl Glob {
    fn new(glob: &str, kind: &'static str) -> Glob {
        let pattern = glob.replace("**/*", "*").replace("**/", "*/");
        let pattern = pattern.replace("/**", "/*");
        let is_exact = pattern.matches('*').count() <= 1;
        let ending = match glob.rsplit_once('*') {
            Some((_, ending)) => Some(ending).filter(|ending| !ending.is_empty()),
            None => glob.rfind('.').map(|dot| &glob[dot..]),
        };
        let ending = ending.map(|ending| format!("*{ending}"));
        let short = ending.clone().unwrap_or_else(|| "*".to_owned());
        Glob {
            pattern: if is_exact { pattern } else { short },
            is_exact,
            ending,
            has_star: glob.contains('*'),
            is_declared: true,
            kind,
        }
    }
}

/// What a module may be whose name a pattern means: the first rule decides, as far as its pattern is exact.
fn kinds_of(pattern: &str, globs: &[Glob]) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    let mut decided: Vec<String> = Vec::new();
    for glob in globs {
        let Some(common) = common(pattern, &glob.pattern) else {
            continue;
        };
        if decided.iter().any(|known| covers(known, &common)) {
            continue;
        }
        kinds.push(glob.kind);
        if glob.is_exact {
            if covers(&glob.pattern, pattern) {
                break;
            }
            decided.push(common);
        }
    }
    kinds
}

/// The names that two patterns have in common, as a pattern.
fn common(a: &str, b: &str) -> Option<String> {
    let ((a_start, a_end), (b_start, b_end)) = match (a.split_once('*'), b.split_once('*')) {
        (Some(a), Some(b)) => (a, b),
        (None, _) => return covers(b, a).then(|| a.to_owned()),
        (_, None) => return covers(a, b).then(|| b.to_owned()),
    };
    let starts_meet = a_start.starts_with(b_start) || b_start.starts_with(a_start);
    let ends_meet = a_end.ends_with(b_end) || b_end.ends_with(a_end);
    let longer = |a: &'_ str, b: &'_ str| {
        if a.len() >= b.len() {
            a.to_owned()
        } else {
            b.to_owned()
        }
    };
    (starts_meet && ends_meet)
        .then(|| format!("{}*{}", longer(a_start, b_start), longer(a_end, b_end)))
}

/// Whether all names of the second pattern are names of the first one.
fn covers(wide: &str, narrow: &str) -> bool {
    let Some((start, end)) = wide.split_once('*') else {
        return wide == narrow;
    };
    match narrow.split_once('*') {
        Some((narrow_start, narrow_end)) => {
            narrow_start.starts_with(start) && narrow_end.ends_with(end)
        }
        None => {
            narrow.len() >= start.len() + end.len()
                && narrow.starts_with(start)
                && narrow.ends_with(end)
        }
    }
}
