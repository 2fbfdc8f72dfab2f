//! What a file is when it is imported: code, or data by the rules of wrangler and of the project.
//!
//! <https://developers.cloudflare.com/workers/wrangler/configuration/#bundling>

use std::path::Path;
use std::path::PathBuf;

use rolldown_utils::base64::to_standard_base64;

use crate::config::Rule;
use crate::config::RuleKind;

/// The extensions of code, which rolldown knows itself.
const CODE_EXTENSIONS: [&str; 9] = ["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "json"];

/// Wrangler's own rules, which hold after the project's.
const DEFAULTS: [(RuleKind, &[&str]); 3] = [
    (RuleKind::Text, &["txt", "html", "sql"]),
    (RuleKind::Data, &["bin"]),
    (RuleKind::Wasm, &["wasm"]),
];

/// A file that is imported as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataKind {
    Text,
    Data,
    Wasm,
}

/// The rules of one project.
#[derive(Clone, Debug)]
pub(super) struct ModuleRules {
    root: PathBuf,
    rules: Vec<Rule>,
}

impl ModuleRules {
    pub fn new(root: &Path, rules: &[Rule]) -> ModuleRules {
        ModuleRules {
            root: root.to_owned(),
            rules: rules.to_vec(),
        }
    }

    /// How a file is imported that is not code; None for code, and for what no rule names.
    pub fn data_kind(&self, file: &Path) -> Option<DataKind> {
        let kind = match self.ruled(file) {
            Some(kind) => kind,
            None => self.default_kind(file)?,
        };
        match kind {
            RuleKind::Text => Some(DataKind::Text),
            RuleKind::Data => Some(DataKind::Data),
            RuleKind::Wasm => Some(DataKind::Wasm),
            RuleKind::Code => None,
        }
    }

    /// The extension of a file that no rule names and that is not code. rolldown would read it as
    /// JavaScript.
    pub fn unknown_extension<'p>(&self, path: &'p str) -> Option<&'p str> {
        let path = path.split('?').next().unwrap_or(path);
        let file = Path::new(path);
        let extension = file.extension()?.to_str()?;
        let known = CODE_EXTENSIONS.contains(&extension)
            || self.ruled(file).is_some()
            || self.default_kind(file).is_some();
        (!known).then_some(extension)
    }

    /// What the project's own rules say.
    fn ruled(&self, file: &Path) -> Option<RuleKind> {
        let relative = file.strip_prefix(&self.root).unwrap_or(file);
        let relative = relative.to_string_lossy();
        let matching = |rule: &&Rule| {
            let globs = &mut rule.globs.iter();
            globs.any(|glob| fast_glob::glob_match(glob, relative.as_bytes()))
        };
        self.rules.iter().find(matching).map(|rule| rule.kind)
    }

    /// What wrangler's own rules say. A rule of the project replaces that of its kind, unless it
    /// falls through.
    fn default_kind(&self, file: &Path) -> Option<RuleKind> {
        let extension = file.extension()?.to_str()?;
        let replaced = |kind| {
            let mut rules = self.rules.iter();
            rules.any(|rule| rule.kind == kind && !rule.fallthrough)
        };
        DEFAULTS
            .iter()
            .find(|(kind, extensions)| extensions.contains(&extension) && !replaced(*kind))
            .map(|(kind, _)| *kind)
    }
}

impl DataKind {
    /// The module whose default export is the file.
    pub fn as_module(self, bytes: &[u8]) -> String {
        match self {
            DataKind::Text => {
                let text = String::from_utf8_lossy(bytes);
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                format!("export default {};", serde_json::Value::from(text))
            }
            DataKind::Data => {
                let bytes = to_standard_base64(bytes);
                format!("export default Uint8Array.fromBase64(\"{bytes}\").buffer;")
            }
            DataKind::Wasm => {
                let bytes = to_standard_base64(bytes);
                format!(
                    "export default new WebAssembly.Module(Uint8Array.fromBase64(\"{bytes}\"));"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: RuleKind, glob: &str, fallthrough: bool) -> Rule {
        Rule {
            kind,
            globs: vec![glob.to_owned()],
            fallthrough,
        }
    }

    #[track_caller]
    fn check(rules: &[Rule], file: &str, expect: Option<DataKind>, known: bool) {
        let rules = ModuleRules::new(Path::new("/app"), rules);
        assert_eq!(rules.data_kind(Path::new(file)), expect);
        assert_eq!(rules.unknown_extension(file).is_none(), known);
    }

    #[test]
    fn wranglers_rules_hold_without_others() {
        check(&[], "/app/a.txt", Some(DataKind::Text), true);
        check(&[], "/app/a.bin", Some(DataKind::Data), true);
        check(&[], "/app/x/a.wasm?module", None, true);
        check(&[], "/app/x/a.wasm", Some(DataKind::Wasm), true);
        check(&[], "/app/a.ts", None, true);
        check(&[], "/app/a.md", None, false);
    }

    #[test]
    fn a_rule_of_the_project_adds_files_and_may_replace_the_default() {
        let adds = [rule(RuleKind::Text, "**/*.md", true)];
        check(&adds, "/app/docs/a.md", Some(DataKind::Text), true);
        check(&adds, "/app/a.txt", Some(DataKind::Text), true);
        let replaces = [rule(RuleKind::Text, "docs/*.md", false)];
        check(&replaces, "/app/docs/a.md", Some(DataKind::Text), true);
        check(&replaces, "/app/a.md", None, false);
        check(&replaces, "/app/a.txt", None, false);
    }
}
