//! What Stead says about a problem in the user's code: what is wrong, where, and what to do.
//!
//! The shape follows rustc's: a headline, the place, the lines of source with the spot marked, one
//! hint. Rendering is here and nowhere else, so that every part of Stead speaks alike.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;

/// Lines longer than this are shown as a window around the marked spot: generated and minified
/// files have lines of many kilobytes.
const FRAME_WIDTH_MAX: usize = 160;

/// How much of a long line is shown before the marked spot.
const FRAME_LEAD: usize = 60;

/// A place in a source file, as editors count: lines and columns start at 1, columns are characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Absolute path of the file.
    pub file: PathBuf,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// How many characters are meant, at least 1. Never reaches past the end of the line.
    pub length: u32,
}

impl Location {
    /// The place of the bytes `offset..offset + length` of `source`.
    pub fn from_offset(file: &Path, source: &str, offset: usize, length: usize) -> Location {
        let start = floor_char_boundary(source, offset);
        let end = floor_char_boundary(source, offset.saturating_add(length)).max(start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let marked = source[start..end].lines().next().unwrap_or_default();
        Location {
            file: file.to_path_buf(),
            line: count(source[..line_start].matches('\n').count() + 1),
            column: count(source[line_start..start].chars().count() + 1),
            length: count(marked.chars().count().max(1)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One line of source shown under a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameLine {
    /// 1-based line number.
    pub number: u32,
    /// The text, without its line break.
    pub text: String,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Severity {
    /// Nothing runs until it is put right.
    #[default]
    Error,
    /// What was written has not the effect that it seems to have.
    Warning,
}

/// One problem in the user's code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where, if the problem has a place.
    pub location: Option<Location>,
    /// The source around the place, in order; the last line is the marked one.
    pub frame: Vec<FrameLine>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem that has no place yet.
    pub fn new(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            ..Diagnostic::default()
        }
    }

    /// A problem that does not keep the worker from running.
    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::new(message)
        }
    }

    /// Whether nothing runs until it is put right.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds the place, and a frame from the file's `source`.
    #[must_use]
    pub fn at(mut self, location: Location, source: &str) -> Diagnostic {
        let first = location.line.saturating_sub(1).max(1);
        self.frame = (first..=location.line)
            .zip(source.lines().skip(first as usize - 1))
            .map(|(number, text)| FrameLine {
                number,
                text: text.to_string(),
            })
            .collect();
        self.location = Some(location);
        self
    }

    /// The diagnostic as text of several lines, without a line break at the end.
    pub fn render(&self, colors: bool) -> String {
        let paint = Paint { colors };
        let mut out = String::new();
        let _ = write!(
            out,
            "{}{} {}",
            match self.severity {
                Severity::Error => paint.red("error"),
                Severity::Warning => paint.yellow("warning"),
            },
            paint.bold(":"),
            paint.bold(&self.message)
        );
        let gutter = self
            .location
            .as_ref()
            .map_or(1, |location| location.line.to_string().len());
        if let Some(location) = &self.location {
            let _ = write!(out, "\n{:gutter$}{} {location}", "", paint.blue("-->"));
            self.render_frame(&mut out, location, gutter, &paint);
        }
        if let Some(help) = &self.help {
            // Further lines of the help are aligned under its first.
            let indent = format!("\n{:width$}", "", width = gutter + 9);
            let help = help.replace('\n', &indent);
            let equals = paint.blue("=");
            let _ = write!(
                out,
                "\n{:gutter$} {equals} {} {help}",
                "",
                paint.bold("help:")
            );
        }
        out
    }

    /// The diagnostic for programs.
    pub fn json(&self, time: &str) -> serde_json::Value {
        serde_json::json!({
            "type": if self.is_error() { "problem" } else { "warning" },
            "time": time,
            "what": self.message,
            "place": self.location.as_ref().map(Location::to_string),
            "help": self.help,
        })
    }

    /// The lines around the place alone; empty if there are none.
    pub fn render_frame_alone(&self, colors: bool) -> String {
        let mut out = String::new();
        if let Some(location) = &self.location {
            let gutter = location.line.to_string().len();
            self.render_frame(&mut out, location, gutter, &Paint { colors });
        }
        out
    }

    fn render_frame(&self, out: &mut String, location: &Location, gutter: usize, paint: &Paint) {
        if self.frame.is_empty() {
            return;
        }
        let bar = paint.blue("|");
        let _ = write!(out, "\n{:gutter$} {bar}", "");
        let column = location.column as usize - 1;
        let skipped = match self.frame.last() {
            Some(line) if line.text.chars().count() > FRAME_WIDTH_MAX => {
                column.saturating_sub(FRAME_LEAD)
            }
            _ => 0,
        };
        for line in &self.frame {
            let text: String = line
                .text
                .chars()
                .skip(skipped)
                .take(FRAME_WIDTH_MAX)
                .collect();
            let number = paint.blue(&format!("{:>gutter$}", line.number));
            let _ = write!(out, "\n{number} {bar} {text}");
            let end = out.trim_end_matches([' ', '\t']).len();
            out.truncate(end);
        }
        let marked = &self.frame[self.frame.len() - 1].text;
        // Tabs before the spot are repeated, so that the mark stands under it at any tab width.
        let lead: String = marked
            .chars()
            .skip(skipped)
            .take(column - skipped)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let carets = "^".repeat((location.length as usize).min(FRAME_WIDTH_MAX));
        let _ = write!(out, "\n{:gutter$} {bar} {lead}{}", "", paint.red(&carets));
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

struct Paint {
    colors: bool,
}

impl Paint {
    fn wrap(&self, code: &str, text: &str) -> String {
        if self.colors {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    fn red(&self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn yellow(&self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    fn blue(&self, text: &str) -> String {
        self.wrap("1;34", text)
    }

    fn bold(&self, text: &str) -> String {
        self.wrap("1", text)
    }
}

fn floor_char_boundary(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, marked: &str, help: Option<&str>, expect: &str) {
        let offset = source.find(marked).unwrap();
        let location =
            Location::from_offset(Path::new("/app/chat.ts"), source, offset, marked.len());
        let mut diagnostic = Diagnostic::new("it is wrong").at(location, source);
        diagnostic.help = help.map(str::to_string);
        assert_eq!(diagnostic.render(false), expect);
    }

    #[test]
    fn marks_the_spot_under_the_line_before() {
        check(
            "a;\nfoo(\n}\n",
            "}",
            Some("close it"),
            "error: it is wrong\n --> /app/chat.ts:3:1\n  |\n2 | foo(\n3 | }\n  | ^\n  = help: close it",
        );
    }

    #[test]
    fn first_line_has_no_line_before() {
        check(
            "const é = bad;",
            "bad",
            None,
            "error: it is wrong\n --> /app/chat.ts:1:11\n  |\n1 | const é = bad;\n  |           ^^^",
        );
    }

    #[test]
    fn gutter_grows_with_the_line_number() {
        let source = format!("{}x", "\n".repeat(99));
        check(
            &source,
            "x",
            None,
            "error: it is wrong\n   --> /app/chat.ts:100:1\n    |\n 99 |\n100 | x\n    | ^",
        );
    }

    #[test]
    fn tabs_are_kept_under_tabs() {
        check(
            "\t\tbad",
            "bad",
            None,
            "error: it is wrong\n --> /app/chat.ts:1:3\n  |\n1 | \t\tbad\n  | \t\t^^^",
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_spot() {
        let source = format!("{}bad{}", "a".repeat(5000), "b".repeat(5000));
        let location = Location::from_offset(Path::new("/a.js"), &source, 5000, 3);
        let text = Diagnostic::new("m").at(location, &source).render(false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[3].len() < 200, "{}", lines[3].len());
        assert_eq!(lines[3].find("bad"), lines[4].find("^^^"));
    }

    #[test]
    fn without_a_place_it_is_one_line() {
        assert_eq!(Diagnostic::new("no").render(false), "error: no");
        assert!(
            Diagnostic::new("no")
                .render(true)
                .contains("\x1b[1;31merror")
        );
    }
}
