//! Taking values out of a configuration tree: each with a check of its type, whose failure says
//! where it is and what to write.

use std::ops::Range;
use std::path::Path;

use super::tree::Entry;
use super::tree::Kind;
use super::tree::Node;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// The file being read, and what was found wrong with it.
pub struct Reader<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    /// In the order in which they were found. Warnings and errors.
    pub found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Reader<'a> {
        Reader {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Notes an error at a place.
    pub fn error(&mut self, span: &Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        let diagnostic = self.located(span, Diagnostic::new(what).with_help(help));
        self.found.push(diagnostic);
    }

    /// Notes something that does not keep the worker from running.
    pub fn warn(&mut self, span: &Range<usize>, what: impl Into<String>, help: Option<String>) {
        let mut diagnostic = Diagnostic::warning(what);
        diagnostic.help = help;
        let diagnostic = self.located(span, diagnostic);
        self.found.push(diagnostic);
    }

    fn located(&self, span: &Range<usize>, diagnostic: Diagnostic) -> Diagnostic {
        let location = Location::from_offset(self.file, self.text, span.start, span.len());
        diagnostic.at(location, self.text)
    }

    fn wrong_type(&mut self, path: &str, node: &Node, expected: &str, example: &str) {
        let what = format!("`{path}` is {}, and has to be {expected}", node.name());
        self.error(&node.span, what, format!("for example {example}"));
    }

    /// Warns of keys that nobody knows. `path` is the table's own, empty at the top.
    pub fn known_keys(&mut self, table: &Node, path: &str, known: &[&str]) {
        let Kind::Table(entries) = &table.kind else {
            return;
        };
        for Entry { key, key_span, .. } in entries {
            if known.contains(&key.as_str()) {
                continue;
            }
            let whole = join(path, key);
            let help = match nearest(key, known) {
                Some(near) => format!("did you mean `{}`?", join(path, near)),
                None => "it has no effect".to_owned(),
            };
            self.warn(key_span, format!("unknown setting `{whole}`"), Some(help));
        }
    }

    pub fn string(&mut self, table: &Node, path: &str, key: &str, example: &str) -> Option<String> {
        let node = table.get(key)?;
        match &node.kind {
            Kind::String(text) => Some(text.clone()),
            _ => {
                self.wrong_type(&join(path, key), node, "a string", example);
                None
            }
        }
    }

    /// A string that has to be there.
    pub fn required(
        &mut self,
        table: &Node,
        path: &str,
        key: &str,
        example: &str,
    ) -> Option<String> {
        if table.get(key).is_none() {
            let what = format!("`{path}` has no `{key}`");
            self.error(
                &table.span,
                what,
                format!("add {key}, for example {example}"),
            );
            return None;
        }
        self.string(table, path, key, example)
    }

    pub fn boolean(&mut self, table: &Node, path: &str, key: &str) -> Option<bool> {
        let node = table.get(key)?;
        match node.kind {
            Kind::Bool(value) => Some(value),
            _ => {
                self.wrong_type(&join(path, key), node, "a boolean", "true");
                None
            }
        }
    }

    pub fn port(&mut self, table: &Node, path: &str, key: &str) -> Option<u16> {
        let node = table.get(key)?;
        let port = match &node.kind {
            Kind::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
            _ => None,
        };
        if port.is_none() {
            self.wrong_type(&join(path, key), node, "a number from 0 to 65535", "8787");
        }
        port
    }

    /// One of a few words.
    pub fn word(&mut self, table: &Node, path: &str, key: &str, words: &[&str]) -> Option<String> {
        let text = self.string(table, path, key, &format!("\"{}\"", words[0]))?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        let span = table
            .get(key)
            .map(|node| node.span.clone())
            .unwrap_or_default();
        let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let help = match nearest(&text, words) {
            Some(near) => format!("did you mean \"{near}\"? It is one of {}", list.join(", ")),
            None => format!("it is one of {}", list.join(", ")),
        };
        self.error(
            &span,
            format!("`{}` cannot be \"{text}\"", join(path, key)),
            help,
        );
        None
    }

    /// The elements of an array; empty if it is missing.
    pub fn array<'n>(
        &mut self,
        table: &'n Node,
        path: &str,
        key: &str,
        example: &str,
    ) -> &'n [Node] {
        let Some(node) = table.get(key) else {
            return &[];
        };
        match &node.kind {
            Kind::Array(elements) => elements,
            _ => {
                self.wrong_type(&join(path, key), node, "an array", example);
                &[]
            }
        }
    }

    pub fn strings(&mut self, table: &Node, path: &str, key: &str, example: &str) -> Vec<String> {
        let elements = self.array(table, path, key, example);
        let mut strings = Vec::with_capacity(elements.len());
        for element in elements {
            match &element.kind {
                Kind::String(text) => strings.push(text.clone()),
                _ => {
                    let path = format!("{}[]", join(path, key));
                    self.wrong_type(&path, element, "a string", example);
                }
            }
        }
        strings
    }

    /// The tables of an array of tables.
    pub fn tables<'n>(
        &mut self,
        table: &'n Node,
        path: &str,
        key: &str,
        example: &str,
    ) -> Vec<&'n Node> {
        let elements = self.array(table, path, key, example);
        elements
            .iter()
            .filter(|element| {
                let is_table = matches!(element.kind, Kind::Table(_));
                if !is_table {
                    let path = format!("{}[]", join(path, key));
                    self.wrong_type(&path, element, "an object", example);
                }
                is_table
            })
            .collect()
    }

    pub fn table<'n>(&mut self, table: &'n Node, path: &str, key: &str) -> Option<&'n Node> {
        let node = table.get(key)?;
        match node.kind {
            Kind::Table(_) => Some(node),
            _ => {
                self.wrong_type(&join(path, key), node, "an object", "{ … }");
                None
            }
        }
    }

    /// The entries of a table; empty if it is missing.
    pub fn entries<'n>(&mut self, table: &'n Node, path: &str, key: &str) -> &'n [Entry] {
        match self.table(table, path, key).map(|node| &node.kind) {
            Some(Kind::Table(entries)) => entries,
            _ => &[],
        }
    }

    /// The entries of a table whose values are strings.
    pub fn string_entries(&mut self, table: &Node, path: &str, key: &str) -> Vec<(String, String)> {
        let entries = self.entries(table, path, key);
        let mut pairs = Vec::with_capacity(entries.len());
        for entry in entries {
            match &entry.value.kind {
                Kind::String(text) => pairs.push((entry.key.clone(), text.clone())),
                _ => {
                    let path = join(&join(path, key), &entry.key);
                    self.wrong_type(&path, &entry.value, "a string", "\"…\"");
                }
            }
        }
        pairs
    }
}

/// `durable_objects` and `bindings` → `durable_objects.bindings`.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The known word that was probably meant.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let score = |candidate: &&str| strsim::jaro_winkler(&word.to_lowercase(), candidate);
    let near = known
        .iter()
        .copied()
        .max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(&near) > 0.84).then_some(near)
}
