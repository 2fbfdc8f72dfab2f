//! Turns what rolldown reports into diagnostics of ours.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

use rolldown_error::BuildDiagnostic;
use rolldown_error::DiagnosticOptions;
use rolldown_error::EventKind;

use super::plugin::Erased;
use super::plugin::Findings;
use super::plugin::Reason;
use super::plugin::Unresolved;
use super::syntax;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// The re-exports of types among `errors`, as places to erase: `export { Env } from "./types"`.
///
/// TypeScript accepts them without the word `type`, and a bundler sees a missing export. esbuild drops
/// in silence what is missing in a TypeScript file and only passed on; so do we. Empty if there is
/// nothing to erase, or an error of another kind.
pub(super) fn type_reexports(
    cwd: &Path,
    errors: &[BuildDiagnostic],
    findings: &Findings,
) -> Erased {
    let mut sources = Sources::default();
    let mut erased = Erased::new();
    for error in errors {
        if !matches!(error.kind(), EventKind::MissingExportError) {
            return Erased::new();
        }
        let Some((file, offset)) = place_of(cwd, error, findings, &mut sources) else {
            continue;
        };
        let source = sources.get(&file).unwrap_or_default();
        let ranges = syntax::passed_on(&file, source, offset);
        if !ranges.is_empty() {
            erased.entry(file).or_default().extend(ranges);
        }
    }
    erased
}

/// Every problem of one build, in the order of files and lines. Empty if there is none.
pub(super) fn collect(
    cwd: &Path,
    errors: Vec<BuildDiagnostic>,
    findings: &Findings,
) -> Vec<Diagnostic> {
    let mut sources = Sources::default();
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut missing_exports = Vec::new();
    for error in &errors {
        let diagnostic = from_rolldown(cwd, error, findings, &mut sources);
        if matches!(error.kind(), EventKind::MissingExportError) {
            missing_exports.push(diagnostic);
        } else {
            found.push(diagnostic);
        }
    }
    found.extend(unresolved(&findings.unresolved, &mut sources));
    let files: HashSet<PathBuf> = found.iter().filter_map(file_of).collect();
    found.extend(
        findings
            .unlowered
            .iter()
            .filter(|diagnostic| file_of(diagnostic).is_none_or(|file| !files.contains(&file)))
            .cloned(),
    );
    // A file with another problem exports nothing as far as rolldown knows.
    if found.is_empty() {
        found = missing_exports;
    }
    found.sort_by_key(|diagnostic| {
        let location = diagnostic.location.as_ref();
        location.map(|l| (l.file.clone(), l.line, l.column))
    });
    found.dedup();
    found
}

fn file_of(diagnostic: &Diagnostic) -> Option<PathBuf> {
    Some(diagnostic.location.as_ref()?.file.clone())
}

/// Files read again to show their lines.
#[derive(Default)]
struct Sources(HashMap<PathBuf, Option<String>>);

impl Sources {
    fn get(&mut self, file: &Path) -> Option<&str> {
        self.0
            .entry(file.to_path_buf())
            .or_insert_with(|| std::fs::read_to_string(file).ok())
            .as_deref()
    }
}

fn from_rolldown(
    cwd: &Path,
    error: &BuildDiagnostic,
    findings: &Findings,
    sources: &mut Sources,
) -> Diagnostic {
    let options = DiagnosticOptions {
        cwd: cwd.to_path_buf(),
    };
    let report = error.to_diagnostic_with(&options);
    let mut message = error.to_message_with(&options);
    if message.is_empty() {
        message = report.to_string();
    }
    if let EventKind::MissingExportError = error.kind() {
        // `"a" is not exported by "b", imported by "c".`: the importer is the place.
        message = message
            .split(", imported by ")
            .next()
            .unwrap_or_default()
            .replace('"', "`");
    }
    let mut diagnostic = Diagnostic::new(plain(&message));
    diagnostic.help = help_of(&report.convert_to_string(false));
    let Some((file, offset)) = place_of(cwd, error, findings, sources) else {
        return diagnostic;
    };
    let source = sources.get(&file).unwrap_or_default();
    let length = token_length(&source[offset..]);
    let location = Location::from_offset(&file, source, offset, length);
    diagnostic.at(location, source)
}

/// The file and byte offset that rolldown's error points at.
fn place_of(
    cwd: &Path,
    error: &BuildDiagnostic,
    findings: &Findings,
    sources: &mut Sources,
) -> Option<(PathBuf, usize)> {
    let report = error.to_diagnostic_with(&DiagnosticOptions {
        cwd: cwd.to_path_buf(),
    });
    let (label_file, mut line, mut column, _) = report.get_primary_location()?;
    let file = match error.id() {
        Some(id) if Path::new(&id).is_absolute() => PathBuf::from(id),
        _ => cwd.join(label_file),
    };
    let source = sources.get(&file)?;
    if let Some(map) = findings.lowered.get(&file) {
        let table = map.generate_lookup_table();
        let position = (as_u32(line - 1), as_u32(column));
        if let Some(token) = map.lookup_token(&table, position.0, position.1) {
            line = token.get_src_line() as usize + 1;
            column = token.get_src_col() as usize;
        }
    }
    let mut offset = offset_of(source, line, column);
    if source[offset..].trim().is_empty() {
        // The file ends too early: shown after its last word, not on an empty line.
        offset = source.trim_end().len();
    }
    Some((file, offset))
}

fn as_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Lower case, no full stop, as all our messages are.
fn plain(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        // `JSX …` and `'x' …` stay.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            format!("{}{}", first.to_lowercase(), &message[first.len_utf8()..])
        }
        _ => message.to_string(),
    }
}

/// rolldown's help is reachable only as text.
fn help_of(report: &str) -> Option<String> {
    let (_, help) = report.split_once("Help: ")?;
    Some(plain(help.lines().next()?))
}

/// Byte offset of a 1-based line and a 0-based UTF-16 column.
fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let mut units = 0;
    for (offset, c) in source[start..].char_indices() {
        if units >= column || c == '\n' {
            return start + offset;
        }
        units += c.len_utf16();
    }
    source.len()
}

/// How many bytes the token at the start of `source` has: rolldown tells only where it starts.
fn token_length(source: &str) -> usize {
    let Some(first) = source.chars().next() else {
        return 1;
    };
    if let '"' | '\'' | '`' = first {
        let line = source.lines().next().unwrap_or_default();
        return match line[1..].find(first) {
            Some(close) => close + 2,
            None => 1,
        };
    }
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    if !is_word(first) {
        return first.len_utf8();
    }
    source.find(|c| !is_word(c)).unwrap_or(source.len())
}

/// Names the place of each import that found nothing. Imports that the program itself guards with
/// `try` are left out.
fn unresolved(unresolved: &[Unresolved], sources: &mut Sources) -> Vec<Diagnostic> {
    let mut by_importer: HashMap<&Path, Vec<&Unresolved>> = HashMap::new();
    for import in unresolved {
        by_importer
            .entry(&import.importer)
            .or_default()
            .push(import);
    }
    let mut found = Vec::new();
    for (importer, imports) in by_importer {
        let Some(source) = sources.get(importer) else {
            continue;
        };
        let sites = syntax::import_sites(importer, source);
        for import in imports {
            let message = message_of(import);
            let mut known = false;
            for site in &sites {
                if site.specifier != import.specifier {
                    continue;
                }
                known = true;
                if !site.optional {
                    let location =
                        Location::from_offset(importer, source, site.offset, site.length);
                    found.push(message.clone().at(location, source));
                }
            }
            if known {
                continue;
            }
            // Put together from constants, or added by rolldown: a JSX runtime, whose library is
            // named in a comment or in tsconfig.json.
            let name = package_of(&import.specifier);
            found.push(match source.find(name) {
                Some(offset) => {
                    let location = Location::from_offset(importer, source, offset, name.len());
                    message.at(location, source)
                }
                None => message,
            });
        }
    }
    found
}

fn message_of(import: &Unresolved) -> Diagnostic {
    let specifier = &import.specifier;
    let folder = import.importer.parent().unwrap_or(&import.importer);
    if let Reason::NoRule(extension) = &import.reason {
        return Diagnostic::new(format!("cannot import `{specifier}`: what is a `.{extension}` file?"))
            .with_help(
                "besides code and .json, a worker may import .txt, .html and .sql as strings, .bin as an ArrayBuffer and .wasm as a module",
            );
    }
    if let Reason::Url = import.reason {
        return Diagnostic::new(format!(
            "cannot import `{specifier}`: modules are not downloaded"
        ))
        .with_help("install it with npm, or save it beside this file and import that");
    }
    if specifier.starts_with('.') || specifier.starts_with('/') {
        let wanted = folder.join(specifier);
        let wanted = clean(&wanted);
        if wanted.is_dir() {
            return Diagnostic::new(format!("cannot import `{specifier}`: it is a folder"))
                .with_help(format!("there is no file `{}/index.ts`", wanted.display()));
        }
        return Diagnostic::new(format!("cannot find `{specifier}`"))
            .with_help(format!("there is no file `{}`", wanted.display()));
    }
    if specifier.starts_with('#') {
        return Diagnostic::new(format!("cannot find `{specifier}`"))
            .with_help("names with `#` are looked up in `imports` of the nearest package.json");
    }
    let package = package_of(specifier);
    let installed = folder
        .ancestors()
        .map(|folder| folder.join("node_modules").join(package))
        .find(|folder| folder.is_dir());
    if let Some(installed) = installed {
        return Diagnostic::new(format!(
            "cannot find `{specifier}` in the package `{package}`"
        ))
        .with_help(format!(
            "the package is installed in `{}`, but: {}",
            installed.display(),
            match &import.reason {
                Reason::NotFound(reason) => plain(reason),
                Reason::Url | Reason::NoRule(_) => unreachable!("answered above"),
            }
        ));
    }
    Diagnostic::new(format!("cannot find the package `{package}`")).with_help(format!(
        "install it with `npm install {package}`; packages are looked for in `node_modules` of `{}` and of the folders above it",
        folder.display()
    ))
}

/// `@scope/name/deep/file` → `@scope/name`.
fn package_of(specifier: &str) -> &str {
    let slashes = if specifier.starts_with('@') { 2 } else { 1 };
    match specifier.match_indices('/').nth(slashes - 1) {
        Some((end, _)) => &specifier[..end],
        None => specifier,
    }
}

/// The path without `.` and `..`, so that it reads well; it need not exist.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
