//! What people read of a run of tests.

use std::fmt::Write as _;
use std::path::Path;

use super::report::FileReport;
use super::report::TestReport;
use crate::cli::style::Style;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;
use crate::testing::events::Line;
use crate::testing::events::SnapshotCounts;
use crate::testing::events::State;
use crate::testing::events::TestError;

/// Names the calls in a stack that `vi.defineHelper()` has made.
const HELPER: &str = "__VITEST_HELPER__";

/// A file with each of its tests; with `picked`, tests that were not picked by name are left out.
pub fn spec(report: &FileReport, picked: bool, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&report.path.display().to_string()));
    for test in &report.tests {
        let elapsed = style
            .dim(&format!("{:.1} ms", test.duration_ms))
            .into_owned();
        let name = test.name();
        let _ = match test.state {
            Some(State::Pass) => writeln!(out, "  {} {name}  {elapsed}", style.green("ok")),
            Some(State::Fail) => writeln!(out, "  {} {name}  {elapsed}", style.red("FAILED")),
            Some(State::Todo) => writeln!(out, "  {} {name}", style.yellow("todo")),
            Some(State::Skip) | None => match &test.note {
                Some(note) => writeln!(
                    out,
                    "  {} {name}  {}",
                    style.yellow("skipped"),
                    style.dim(note)
                ),
                None if picked => Ok(()),
                None => writeln!(out, "  {} {name}", style.yellow("skipped")),
            },
        };
        if test.state == Some(State::Pass) {
            print_lines(&mut out, printed(&test.lines), style);
        }
    }
    print_lines(&mut out, printed(&report.lines), style);
    failures(&mut out, report, style);
    out
}

/// A file as a row of marks, and its failures in full.
pub fn dots(report: &FileReport, style: Style) -> String {
    let mut out = String::new();
    for test in &report.tests {
        out.push_str(&match test.state {
            Some(State::Pass) => style.green("."),
            Some(State::Fail) => style.red("F"),
            _ => style.yellow("-"),
        });
    }
    let path = report.path.display().to_string();
    let _ = writeln!(out, " {path}");
    failures(&mut out, report, style);
    out
}

/// What became of the snapshots of all files, if there is something to say; `updated` says whether they were to be updated.
pub fn snapshots(reports: &[FileReport], updated: bool, style: Style) -> String {
    let sum = |count: fn(&SnapshotCounts) -> u32| {
        let counts = reports.iter().map(|report| count(&report.snapshots));
        counts.sum::<u32>()
    };
    let obsolete: usize = reports.iter().map(|r| r.snapshots.obsolete.len()).sum();
    let mut parts = Vec::new();
    let mut part = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(sum(|s| s.added) as usize, "written");
    part(sum(|s| s.updated) as usize, "updated");
    let unmatched = sum(|s| s.unmatched) as usize;
    part(unmatched, "not as expected");
    part(obsolete, if updated { "removed" } else { "obsolete" });
    if parts.is_empty() {
        return String::new();
    }
    let mut out = format!("snapshots: {}\n", parts.join(", "));
    for report in reports.iter().filter(|_| !updated) {
        for key in &report.snapshots.obsolete {
            let path = report.path.display();
            let _ = writeln!(out, "  {}", style.dim(&format!("obsolete: {path}: {key}")));
        }
    }
    if unmatched + obsolete > 0 && !updated {
        let _ = writeln!(
            out,
            "  {}",
            style.dim("--update writes them as they are now")
        );
    }
    out
}

/// What failed in a file, each with its error, its place and what was printed.
fn failures(out: &mut String, report: &FileReport, style: Style) {
    if let Some(problem) = &report.problem {
        out.push_str(problem);
        out.push('\n');
    }
    for (path, errors) in &report.suite_failures {
        let name = if path.is_empty() {
            "the file".to_owned()
        } else {
            path.join(" > ")
        };
        let _ = writeln!(out, "\n{} {}", style.red("FAILED"), style.bold(&name));
        for error in errors {
            print_error(out, error, style);
        }
    }
    for test in report
        .tests
        .iter()
        .filter(|test| test.state == Some(State::Fail))
    {
        print_failure(out, test, &report.path, style);
        if let Some(kept) = &test.kept {
            let file = report.path.display();
            let _ = writeln!(out, "  its state is kept: stead run {file} --state {kept}");
        }
    }
}

fn print_failure(out: &mut String, test: &TestReport, file: &Path, style: Style) {
    let _ = writeln!(
        out,
        "\n{} {}",
        style.red("FAILED"),
        style.bold(&test.name())
    );
    for error in &test.errors {
        print_error(out, error, style);
    }
    if !test.errors.iter().any(|error| leads_to(error, file))
        && let Some(line) = beginning(test, file)
    {
        let place = format!("in the test at {}:{line}", file.display());
        let _ = writeln!(out, "  {}", style.dim(&place));
    }
    for unread in &test.unread {
        let place = place_of(&unread.stack).map(|(at, _)| at);
        let place = place.map_or(String::new(), |at| {
            format!(" ({}:{}:{})", at.file.display(), at.line, at.column)
        });
        let text = format!(
            "the body of {} was neither read nor cancelled{place}",
            unread.url
        );
        let _ = writeln!(out, "  {} {text}", style.yellow("warning:"));
    }
    // An exception of the tests' own code is shown as an error already.
    let lines: Vec<&Line> = test
        .lines
        .iter()
        .filter(|line| !line.uncaught || line.object.is_some())
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "  {}", style.dim("printed meanwhile:"));
        print_lines(out, lines.into_iter(), style);
    }
}

/// Whether the stack of an error, or of what has caused it, has a frame in a file.
fn leads_to(error: &TestError, file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let frame = format!("/{name}:");
    let stack = error.stack.as_deref().unwrap_or_default();
    let mut frames = stack.lines().filter(|line| is_frame(line));
    let cause = error.cause.as_deref();
    frames.any(|line| line.contains(&frame)) || cause.is_some_and(|cause| leads_to(cause, file))
}

/// The line on which a test begins, if one line alone has its name as it is.
fn beginning(test: &TestReport, file: &Path) -> Option<usize> {
    let source = std::fs::read_to_string(file).ok()?;
    let name = test.path.last()?;
    let quoted = ['"', '\'', '`'].map(|quote| format!("{quote}{name}{quote}"));
    let exported = format!("export const {name} ");
    let has_name =
        |line: &str| line.contains(&exported) || quoted.iter().any(|quoted| line.contains(quoted));
    let mut lines = (1..).zip(source.lines());
    let (number, _) = lines.find(|(_, line)| has_name(line))?;
    (!lines.any(|(_, line)| has_name(line))).then_some(number)
}

fn print_error(out: &mut String, error: &TestError, style: Style) {
    let message = plain(&headline(error), style);
    let mut diagnostic = Diagnostic::new(message);
    let stack = error.stack.as_deref().map(below_helpers);
    let place = stack.as_deref().and_then(place_of);
    if let Some((location, source)) = place {
        diagnostic = diagnostic.at(location, &source);
    }
    indent(out, &diagnostic.render(style.colors), "  ");
    if let Some(diff) = &error.diff {
        out.push('\n');
        indent(out, &plain(diff, style), "  ");
        out.push('\n');
    }
    let frames = stack.as_deref().unwrap_or_default().lines();
    for frame in frames.filter(|line| is_frame(line) && !is_ours(line)) {
        let _ = writeln!(out, "    {}", style.dim(&shorten(frame.trim())));
    }
    if let Some(cause) = &error.cause {
        let _ = writeln!(out, "  {}", style.dim("caused by:"));
        print_error(out, cause, style);
    }
}

/// The stack as the caller of a helper sees it, which `vi.defineHelper()` has made.
fn below_helpers(stack: &str) -> String {
    let lines: Vec<&str> = stack.lines().collect();
    let helper = lines.iter().rposition(|line| line.contains(HELPER));
    lines[helper.map_or(0, |at| at + 1)..].join("\n")
}

fn headline(error: &TestError) -> String {
    match &error.name {
        Some(name) if !error.message.is_empty() => format!("{name}: {}", error.message),
        Some(name) => name.clone(),
        None => error.message.clone(),
    }
}

/// What code printed, and the rejections of objects that nobody caught: other exceptions went to a caller, or failed
/// a test.
fn printed(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines
        .iter()
        .filter(|line| !line.uncaught || line.text.starts_with("Uncaught (in promise)"))
}

fn print_lines<'a>(out: &mut String, lines: impl Iterator<Item = &'a Line>, style: Style) {
    for line in lines {
        let who = line.object.as_deref().unwrap_or("worker");
        let label = style.dim(&format!("{} {who}", line.level)).into_owned();
        let text: Vec<&str> = line
            .text
            .lines()
            .filter(|text| !(is_frame(text) && is_ours(text)))
            .collect();
        indent(out, &format!("{label}  {}", text.join("\n")), "    ");
    }
}

fn indent(out: &mut String, text: &str, by: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "{by}{line}");
    }
}

/// The first place of a stack that is in a file of the user's own, with the file's text.
fn place_of(stack: &str) -> Option<(Location, String)> {
    let frames = stack
        .lines()
        .filter(|line| is_frame(line) && !is_ours(line));
    for frame in frames {
        let Some((file, line, column)) = parts_of(frame) else {
            continue;
        };
        if file.contains("/node_modules/") {
            continue;
        }
        let source = std::fs::read_to_string(&file).ok()?;
        let location = Location {
            file: shown(Path::new(&file)).to_owned(),
            line,
            column,
            length: 1,
        };
        return Some((location, source));
    }
    None
}

/// The path as it can be typed here.
fn shown(file: &Path) -> &Path {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file)
}

/// Whether a line of a stack is one of its frames.
pub fn is_frame(line: &str) -> bool {
    line.trim_start().starts_with("at ")
}

/// Frames of the library and of the shim say nothing to the author of a test.
fn is_ours(line: &str) -> bool {
    line.contains("stead:") || line.contains("ext:") || line.ends_with("(<anonymous>)")
}

/// The file, line and column of a frame.
fn parts_of(frame: &str) -> Option<(String, u32, u32)> {
    let at = frame.find("file://")?;
    let place = frame[at..].trim_end_matches(')');
    let (place, column) = place.rsplit_once(':')?;
    let (url, line) = place.rsplit_once(':')?;
    let file = url::Url::parse(url).ok()?.to_file_path().ok()?;
    Some((
        file.display().to_string(),
        line.parse().ok()?,
        column.parse().ok()?,
    ))
}

fn shorten(frame: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    frame
        .replace(&format!("file://{}/", here.display()), "")
        .replace("file://", "")
}

/// The library colours its diffs; without colours they are taken out.
fn plain(text: &str, style: Style) -> String {
    if style.colors {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &str, expect: Option<(&str, u32, u32)>) {
        let expect = expect.map(|(file, line, column)| (file.to_owned(), line, column));
        assert_eq!(parts_of(frame), expect);
    }

    #[test]
    fn a_frame_names_a_place() {
        check(
            "    at Room.add (file:///a/b%20c.ts:12:7)",
            Some(("/a/b c.ts", 12, 7)),
        );
        check("    at async file:///a/b.ts:3:1", Some(("/a/b.ts", 3, 1)));
        check("    at Array.map (<anonymous>)", None);
        check("    at ext:stead/rpc.js:1:2", None);
    }

    #[test]
    fn colours_are_taken_out() {
        let style = Style { colors: false };
        assert_eq!(plain("\u{1b}[32m- a\u{1b}[39m b", style), "- a b");
    }
}
