//! The variables of the worker: `.env` files and `--var`.
//!
//! A file is read as the `dotenv` package reads it:
//!
//! - `NAME=value`, one per line, `export ` in front is allowed; empty lines and `# comments` are skipped.
//! - A value without quotes ends at the end of the line or before a ` #`; space around it is removed.
//! - `'single quotes'` and `` `backquotes` `` keep what is between them as it is.
//! - `"double quotes"` know `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; a backslash before anything else stays.
//! - A quoted value may span lines. After its end only a comment may follow.
//! - Nothing is expanded here: `$HOME` is five letters. A project's own files are, as by wrangler ([`crate::config`]).
//! - The last of several values for one name wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::args::Variable;
use super::problem::Problem;

/// What `env` holds besides its bindings: the files in order, then `vars`; the last value of a name wins.
pub fn load(files: &[PathBuf], vars: &[Variable]) -> Result<BTreeMap<String, String>, Problem> {
    let mut variables = BTreeMap::new();
    for file in files {
        let bytes =
            std::fs::read(file).map_err(|error| Problem::env_file_unreadable(file, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            Problem::env_file(&EnvFileError {
                file: file.clone(),
                line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
                what: "the text is not UTF-8".to_owned(),
            })
        })?;
        let parsed = parse(file, &text).map_err(|error| Problem::env_file(&error))?;
        variables.extend(parsed);
    }
    let given = vars.iter().map(|var| (var.name.clone(), var.value.clone()));
    variables.extend(given);
    Ok(variables)
}

/// A line of a `.env` file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFileError {
    pub file: PathBuf,
    /// Counted from 1. For a quotation without an end, the line on which it begins.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for EnvFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

impl std::error::Error for EnvFileError {}

/// The variables of the file's `text`, in its order.
pub fn parse(file: &Path, text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    parse_with(file, text, false)
}

/// The same for somebody who expands `$NAME` and takes `\$` for a dollar: both stay as they are.
pub fn parse_unexpanded(file: &Path, text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    parse_with(file, text, true)
}

fn parse_with(
    file: &Path,
    text: &str,
    keeps_escaped_dollars: bool,
) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut parser = Parser {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
        keeps_escaped_dollars,
    };
    let mut variables = Vec::new();
    while parser.skip_to_variable() {
        let line = parser.line;
        let variable = parser.variable().map_err(|what| EnvFileError {
            file: file.to_owned(),
            line,
            what,
        })?;
        variables.push(variable);
    }
    Ok(variables)
}

/// Whether `name` can be a variable's name; otherwise what is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let starts_well = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if starts_well && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is not a variable's name: letters, digits, `_`, `-` and `.`, not a digit first"
        ))
    }
}

/// `rest` always begins where the next character is read, and `line` is the line it is on.
struct Parser<'a> {
    rest: &'a str,
    line: usize,
    /// Whether `\$` in double quotes stays.
    keeps_escaped_dollars: bool,
}

impl<'a> Parser<'a> {
    /// Goes past empty lines and comments. False at the end of the text.
    fn skip_to_variable(&mut self) -> bool {
        loop {
            self.skip_spaces();
            match self.rest.chars().next() {
                None => return false,
                Some('#' | '\r' | '\n') => {
                    self.take_line();
                }
                Some(_) => return true,
            }
        }
    }

    /// One `NAME=value` with the rest of its line.
    fn variable(&mut self) -> Result<(String, String), String> {
        let line_end = self.rest.find('\n').unwrap_or(self.rest.len());
        let Some(equals) = self.rest[..line_end].find('=') else {
            let line = self.take_line();
            return Err(format!(
                "`{}` has no `=`: write NAME=value",
                line.trim_end()
            ));
        };
        let written = self.rest[..equals].trim_end();
        let name = match written.strip_prefix("export") {
            Some(name) if name.starts_with([' ', '\t']) => name.trim_start(),
            _ => written,
        };
        check_name(name)?;
        self.rest = &self.rest[equals + 1..];
        self.skip_spaces();
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(quote)?,
            _ => unquoted(self.take_line()).to_owned(),
        };
        Ok((name.to_owned(), value))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        let length = loop {
            match chars.next() {
                None => {
                    return Err(format!(
                        "the value begins with {quote} and never ends with it"
                    ));
                }
                Some((at, c)) if c == quote => break at + 1,
                Some((_, '\\')) if quote == '"' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, '$')) if self.keeps_escaped_dollars => value.push_str("\\$"),
                    Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => {}
                },
                Some((_, c)) => value.push(c),
            }
        };
        let (quotation, rest) = self.rest.split_at(length);
        self.line += quotation.matches('\n').count();
        self.rest = rest;
        let after = self.take_line().trim();
        if after.is_empty() || after.starts_with('#') {
            Ok(value.replace("\r\n", "\n"))
        } else {
            Err(format!("`{after}` follows the closing {quote}"))
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Takes what is left of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        match self.rest.split_once('\n') {
            Some((line, rest)) => {
                self.rest = rest;
                self.line += 1;
                line
            }
            None => std::mem::take(&mut self.rest),
        }
    }
}

fn unquoted(text: &str) -> &str {
    let comment = text
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with([' ', '\t'])));
    let end = comment.map_or(text.len(), |(at, _)| at);
    text[..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)]) {
        let parsed = parse(Path::new("a.env"), text).unwrap();
        let parsed: Vec<_> = parsed
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(parsed, expect);
    }

    #[track_caller]
    fn check_error(text: &str, expect: &str) {
        assert_eq!(
            parse(Path::new("a.env"), text).unwrap_err().to_string(),
            expect
        );
    }

    #[test]
    fn names_and_values_are_read_line_by_line() {
        check(
            "A=1\nB = two words  \n\n  C=\r\nD=x=y",
            &[("A", "1"), ("B", "two words"), ("C", ""), ("D", "x=y")],
        );
        check("\u{feff}A=1", &[("A", "1")]);
        check("", &[]);
    }

    #[test]
    fn export_in_front_is_skipped_and_a_name_may_begin_with_it() {
        check(
            "export A=1\nexport\tB=2\nexported=3\nexport=4",
            &[("A", "1"), ("B", "2"), ("exported", "3"), ("export", "4")],
        );
    }

    #[test]
    fn comments_end_a_value_only_after_a_space() {
        check(
            "# A=0\nA=1 # one\nB=a#b\nC=# nothing\nD=\"#\" # hash",
            &[("A", "1"), ("B", "a#b"), ("C", ""), ("D", "#")],
        );
    }

    #[test]
    fn double_quotes_know_escapes_and_the_others_do_not() {
        check(
            r#"A="a\nb\t\"c\" \\ \$ \q""#,
            &[("A", "a\nb\t\"c\" \\ $ \\q")],
        );
        check(r"A='a\nb $HOME'", &[("A", r"a\nb $HOME")]);
        check(r#"A=`it's "fine"`"#, &[("A", r#"it's "fine""#)]);
    }

    #[test]
    fn a_quoted_value_may_span_lines() {
        check(
            "A=\"one\n# two\r\nthree\"\nB='x\ny' # end\nC=1",
            &[("A", "one\n# two\nthree"), ("B", "x\ny"), ("C", "1")],
        );
    }

    #[test]
    fn nothing_is_expanded() {
        check("A=$HOME/x\nB=\"${A}\"", &[("A", "$HOME/x"), ("B", "${A}")]);
    }

    #[test]
    fn a_wrong_line_is_named_with_its_number() {
        check_error(
            "A=1\n\nhello\n",
            "a.env:3: `hello` has no `=`: write NAME=value",
        );
        check_error(
            "A=\"x\ny\"\n2B=1",
            "a.env:3: `2B` is not a variable's name: letters, digits, `_`, `-` and `.`, not a digit first",
        );
        check_error(
            "A=1\nB=\"x\ny\n",
            "a.env:2: the value begins with \" and never ends with it",
        );
        check_error("A='x' y", "a.env:1: `y` follows the closing '");
    }

    #[test]
    fn a_later_file_wins_and_vars_win_over_files() {
        let dir = std::env::temp_dir().join(format!("stead-env-file-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = [dir.join("1.env"), dir.join("2.env")];
        std::fs::write(&files[0], "A=1\nB=1\nC=1").unwrap();
        std::fs::write(&files[1], "B=2\nC=2").unwrap();
        let vars = [Variable {
            name: "C".into(),
            value: "3".into(),
        }];
        let variables = load(&files, &vars).unwrap();
        let values: Vec<_> = variables.values().map(String::as_str).collect();
        assert_eq!(values, ["1", "2", "3"]);

        std::fs::write(&files[1], b"A=1\nB=\xff").unwrap();
        let problem = load(&files, &[]).unwrap_err();
        assert_eq!(problem.place, Some(format!("{}:2", files[1].display())));
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(load(&files, &[]).unwrap_err().what.contains("1.env"));
    }
}
