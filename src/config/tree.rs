//! A configuration file as a tree in which everything knows its place: one form for JSON, JSON with
//! comments and TOML.

use std::ops::Range;
use std::path::Path;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::Value;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    /// Byte range in the file's text.
    pub span: Range<usize>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    Array(Vec<Node>),
    /// In the order of the file, so that messages are, too.
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    /// The value of a key, if this is a table that has it. A later one wins, as in `JSON.parse`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Table(entries) => entries
                .iter()
                .rfind(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The value without its places.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::String(value) => Value::String(value.clone()),
            Kind::Array(values) => values.iter().map(Node::to_json).collect(),
            Kind::Table(entries) => {
                let pairs = entries.iter().map(|e| (e.key.clone(), e.value.to_json()));
                Value::Object(pairs.collect())
            }
        }
    }

    /// What a reader would call it: `a string`, `an object`.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Table(_) => "an object",
        }
    }
}

/// Reads a file's text, by the rules of its extension.
///
/// # Errors
/// A syntax error, with its place.
pub fn parse(file: &Path, text: &str) -> Result<Node, Diagnostic> {
    let is_toml = file
        .extension()
        .is_some_and(|extension| extension == "toml");
    let node = if is_toml {
        parse_toml(file, text)?
    } else {
        parse_json(file, text)?
    };
    match node.kind {
        Kind::Table(_) => Ok(node),
        _ => Err(Diagnostic::new("the configuration is not an object")
            .with_help("write the settings between { and }")),
    }
}

fn parse_json(file: &Path, text: &str) -> Result<Node, Diagnostic> {
    // What wrangler's own parser takes: comments and trailing commas, nothing else.
    let options = jsonc_parser::ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &options);
    let parsed = parsed.map_err(|error| {
        let range = error.range();
        let location = Location::from_offset(file, text, range.start, range.end - range.start);
        Diagnostic::new(lower(&error.kind().to_string())).at(location, text)
    })?;
    let value = parsed.value.ok_or_else(|| {
        Diagnostic::new("the configuration file is empty")
            .with_help("write { \"name\": …, \"main\": … }")
    })?;
    Ok(from_json(&value))
}

fn from_json(value: &ast::Value<'_>) -> Node {
    let range = value.range();
    let kind = match value {
        ast::Value::NullKeyword(_) => Kind::Null,
        ast::Value::BooleanLit(literal) => Kind::Bool(literal.value),
        ast::Value::NumberLit(literal) => match literal.value.parse() {
            Ok(number) => Kind::Number(number),
            Err(_) => Kind::String(literal.value.to_owned()),
        },
        ast::Value::StringLit(literal) => Kind::String(literal.value.clone().into_owned()),
        ast::Value::Array(array) => Kind::Array(array.elements.iter().map(from_json).collect()),
        ast::Value::Object(object) => Kind::Table(
            object
                .properties
                .iter()
                .map(|property| {
                    let key_range = property.name.range();
                    Entry {
                        key: property.name.as_str().to_owned(),
                        key_span: key_range.start..key_range.end,
                        value: from_json(&property.value),
                    }
                })
                .collect(),
        ),
    };
    Node {
        kind,
        span: range.start..range.end,
    }
}

fn parse_toml(file: &Path, text: &str) -> Result<Node, Diagnostic> {
    let table = DeTable::parse(text).map_err(|error| {
        let diagnostic = Diagnostic::new(lower(error.message()));
        match error.span() {
            Some(span) => {
                let location = Location::from_offset(file, text, span.start, span.len());
                diagnostic.at(location, text)
            }
            None => diagnostic,
        }
    })?;
    let span = table.span();
    Ok(Node {
        kind: toml_table(table.get_ref()),
        span,
    })
}

fn toml_table(table: &DeTable<'_>) -> Kind {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: Node {
                kind: toml_value(value.get_ref()),
                span: value.span(),
            },
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Kind::Table(entries)
}

fn toml_value(value: &DeValue<'_>) -> Kind {
    match value {
        DeValue::String(text) => Kind::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Number(number.into()),
            Err(_) => Kind::String(number.as_str().to_owned()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Kind::Number(number),
            Err(_) => Kind::String(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(time) => Kind::String(time.to_string()),
        DeValue::Array(values) => Kind::Array(
            values
                .iter()
                .map(|value| Node {
                    kind: toml_value(value.get_ref()),
                    span: value.span(),
                })
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table),
    }
}

/// Our messages begin with a small letter.
fn lower(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
