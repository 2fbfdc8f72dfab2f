//! `$NAME` in the values of `.dev.vars` and `.env` files, as wrangler expands it: with the package `dotenv-expand`, and
//! nothing but the variables that stand before in these files.
//! <https://github.com/motdotla/dotenv-expand>

use std::collections::HashMap;
use std::collections::HashSet;

/// Replacements in one value, after which it stays as it is: values may lead to each other in circles.
const REPLACEMENTS_MAX: usize = 1000;

/// Expands the variables of all files, in their order; the last value of a name is the one that counts.
pub fn expand(variables: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in variables {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => merged.push((name, value)),
        }
    }
    let mut known: HashMap<String, String> = HashMap::new();
    for (name, value) in &mut merged {
        *value = expanded(value, &known).replace("\\$", "$");
        known.insert(name.clone(), value.clone());
    }
    merged
}

fn expanded(value: &str, known: &HashMap<String, String>) -> String {
    let mut result = value.to_owned();
    let mut seen = HashSet::new();
    for _ in 0..REPLACEMENTS_MAX {
        let Some(reference) = Reference::first_in(&result) else {
            break;
        };
        let name = reference.name.to_owned();
        let value = known.get(&name).filter(|value| !value.is_empty());
        seen.insert(result.clone());
        let replacement = match (value, reference.alternative) {
            (Some(_), Alternative::IfSet(text)) => text,
            (None, Alternative::IfSet(_)) => "",
            (Some(value), _) if !seen.contains(value) => value,
            (_, Alternative::IfUnset(text)) => text,
        };
        let next = [
            &result[..reference.start],
            replacement,
            &result[reference.end..],
        ];
        result = next.concat();
        if known.get(&name) == Some(&result) {
            break;
        }
    }
    result
}

/// `$NAME`, `${NAME}`, `${NAME:-text}`, `${NAME-text}`, `${NAME:+text}` or `${NAME+text}`.
struct Reference<'t> {
    start: usize,
    end: usize,
    name: &'t str,
    alternative: Alternative<'t>,
}

/// What stands in a reference beside the name.
enum Alternative<'t> {
    /// In the place of a value that is missing or empty.
    IfUnset(&'t str),
    /// In the place of one that is there.
    IfSet(&'t str),
}

impl<'t> Reference<'t> {
    /// The first one in a text. `\$` begins none.
    fn first_in(text: &'t str) -> Option<Reference<'t>> {
        let dollars = text.match_indices('$').map(|(at, _)| at);
        let mut begin = dollars.filter(|at| !text[..*at].ends_with('\\'));
        begin.find_map(|start| Reference::at(text, start))
    }

    fn at(text: &'t str, start: usize) -> Option<Reference<'t>> {
        let rest = &text[start + 1..];
        if let Some(inner) = rest.strip_prefix('{') {
            let length = inner.find(['{', '}']).filter(|end| *end > 0)?;
            inner[length..].starts_with('}').then_some(())?;
            let (name, alternative) = parts(&inner[..length]);
            return Some(Reference {
                start,
                end: start + length + 3,
                name,
                alternative,
            });
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let begins_well = !rest.starts_with(|c: char| c.is_ascii_digit());
        (length > 0 && begins_well).then(|| Reference {
            start,
            end: start + 1 + length,
            name: &rest[..length],
            alternative: Alternative::IfUnset(""),
        })
    }
}

/// The name and the alternative in braces.
fn parts(expression: &str) -> (&str, Alternative<'_>) {
    let Some(at) = expression.find(['-', '+']) else {
        return (expression, Alternative::IfUnset(""));
    };
    let (name, text) = (&expression[..at], &expression[at + 1..]);
    let name = name.strip_suffix(':').unwrap_or(name);
    match expression.as_bytes()[at] {
        b'+' => (name, Alternative::IfSet(text)),
        _ => (name, Alternative::IfUnset(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expect: &[&str]) {
        let owned = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let values: Vec<String> = expand(owned.collect())
            .into_iter()
            .map(|(_, v)| v)
            .collect();
        assert_eq!(values, expect);
    }

    #[test]
    fn a_name_is_replaced_by_what_stands_before() {
        check(
            &[("A", "1"), ("B", "$A"), ("C", "${A}x"), ("M", "${A}${A}")],
            &["1", "1", "1x", "11"],
        );
        // What is not there, or comes later, is empty: the process's own variables are not looked at.
        check(
            &[("H", "$HOME"), ("I", "<${J}>"), ("J", "z")],
            &["", "<>", "z"],
        );
        // The last value of a name counts, in the place of the first.
        check(&[("A", "1"), ("B", "$A"), ("A", "2")], &["2", "2"]);
    }

    #[test]
    fn alternatives_stand_in_for_what_is_missing_or_there() {
        check(
            &[
                ("A", "1"),
                ("B", "${NO:-d}"),
                ("C", "${NO-d}"),
                ("D", "${NO:-$A}"),
                ("E", "${A:+yes}${NO:+no}"),
                ("F", "${A:-d}"),
            ],
            &["1", "d", "d", "1", "yes", "1"],
        );
    }

    #[test]
    fn a_dollar_that_names_nothing_stays() {
        check(
            &[
                ("A", "1"),
                ("F", "\\$A"),
                ("J", "pa$$word"),
                ("L", "a$"),
                ("N", "$5 ${} ${"),
            ],
            &["1", "$A", "pa$", "a$", "$5 ${} ${"],
        );
    }

    #[test]
    fn circles_end() {
        check(&[("A", "$A"), ("B", "x${B}")], &["", "x"]);
        check(
            &[("A", "\\$B"), ("B", "\\$A"), ("C", "$A")],
            &["$B", "$A", "$B"],
        );
    }
}
