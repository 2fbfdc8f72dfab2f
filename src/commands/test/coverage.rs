//! Which lines of the sources were reached, from V8's counts for the bundles.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rolldown_sourcemap::SourceMap;

use crate::bundle::Bundle;
use crate::cli::style::Style;
use crate::testing::coverage::ScriptCoverage;

/// How often each line of one file ran; lines without code are not there. Lines begin at 1.
pub type Lines = BTreeMap<u32, u64>;

/// The files that tests have reached, with their lines.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    files: BTreeMap<PathBuf, Lines>,
}

impl Coverage {
    /// Adds what one bundle's run has counted, for the files that are the project's own and no tests.
    pub fn add(&mut self, bundle: &Bundle, counted: &[ScriptCoverage]) {
        let Some(map) = bundle.source_map.as_deref().and_then(read_map) else {
            return;
        };
        let line_starts = line_starts(&bundle.code);
        let sources: Vec<Option<PathBuf>> = map.get_sources().map(own_file).collect();
        for script in counted {
            let counts = counts(script, bundle.code.encode_utf16().count());
            // Several pieces of a bundle may come from one line: it ran as often as its busiest.
            let mut lines: BTreeMap<(usize, u32), u64> = BTreeMap::new();
            for token in map.get_tokens() {
                let (Some(source), Some(start)) = (
                    token.get_source_id().map(|id| id as usize),
                    line_starts.get(token.get_dst_line() as usize),
                ) else {
                    continue;
                };
                let at = start + token.get_dst_col() as usize;
                let count = counts.get(at).copied().unwrap_or_default();
                let line = lines.entry((source, token.get_src_line() + 1)).or_default();
                *line = (*line).max(count);
            }
            for ((source, line), count) in lines {
                if let Some(Some(file)) = sources.get(source) {
                    let file = self.files.entry(file.clone()).or_default();
                    *file.entry(line).or_default() += count;
                }
            }
        }
    }

    /// Adds what another run has counted.
    pub fn merge(&mut self, other: &Coverage) {
        for (file, lines) in &other.files {
            let known = self.files.entry(file.clone()).or_default();
            for (line, count) in lines {
                *known.entry(*line).or_default() += count;
            }
        }
    }

    /// A table of the files.
    pub fn table(&self, style: Style) -> String {
        let mut out = format!("\n{}\n", style.bold("coverage of lines"));
        let width = self.files.keys().map(|file| shown(file).len()).max();
        let width = width.unwrap_or_default();
        for (file, lines) in &self.files {
            let (reached, all) = totals(lines);
            let percent = percent(reached, all);
            let text = format!("{percent:5.1} %");
            let text = if percent < 50.0 {
                style.red(&text)
            } else if percent < 90.0 {
                style.yellow(&text)
            } else {
                style.green(&text)
            };
            let missing = missing(lines);
            let name = shown(file);
            let _ = writeln!(out, "  {name:width$}  {text}  {}", style.dim(&missing));
        }
        out
    }

    /// Writes `lcov.info` and `index.html` into a folder.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("lcov.info"), self.lcov())?;
        fs::write(folder.join("index.html"), self.html())
    }

    fn lcov(&self) -> String {
        let mut out = String::new();
        for (file, lines) in &self.files {
            let _ = writeln!(out, "TN:\nSF:{}", file.display());
            for (line, count) in lines {
                let _ = writeln!(out, "DA:{line},{count}");
            }
            let (reached, all) = totals(lines);
            let _ = writeln!(out, "LF:{all}\nLH:{reached}\nend_of_record");
        }
        out
    }

    fn html(&self) -> String {
        let mut out = String::from(
            "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Coverage</title>\n<style>\
             body { font: 15px system-ui, sans-serif; margin: 2em } pre { font-size: 13px }\
             .ran { background: #dfd } .missed { background: #fdd } i { color: #888; font-style: normal }\
             </style>\n<h1>Coverage of lines</h1>\n",
        );
        for (file, lines) in &self.files {
            let (reached, all) = totals(lines);
            let name = escape(&shown(file));
            let percent = percent(reached, all);
            let _ = writeln!(
                out,
                "<details><summary>{name}: {percent:.1} % ({reached} of {all})</summary><pre>"
            );
            let source = fs::read_to_string(file).unwrap_or_default();
            for (number, text) in (1..).zip(source.lines()) {
                let (class, count) = match lines.get(&number) {
                    None => ("", String::new()),
                    Some(0) => ("missed", "0".to_owned()),
                    Some(count) => ("ran", count.to_string()),
                };
                let text = escape(text);
                let _ = writeln!(
                    out,
                    "<i>{number:5} {count:>8}</i> <span class=\"{class}\">{text}</span>"
                );
            }
            out.push_str("</pre></details>\n");
        }
        out
    }
}

fn read_map(json: &[u8]) -> Option<SourceMap> {
    SourceMap::from_json(serde_json::from_slice(json).ok()?).ok()
}

/// The file of a source, if it is the project's own and no test.
fn own_file(url: &str) -> Option<PathBuf> {
    let file = url::Url::parse(url).ok()?.to_file_path().ok()?;
    let name = file.file_name()?.to_string_lossy().into_owned();
    let foreign = file
        .components()
        .any(|part| part.as_os_str() == "node_modules");
    (!foreign && !super::is_test_file(&name) && file.exists()).then_some(file)
}

/// Where each line begins, in UTF-16 code units.
fn line_starts(code: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        at += line.encode_utf16().count();
        starts.push(at);
    }
    starts
}

/// How often each code unit ran: inner ranges count more than the outer ones that are painted first.
fn counts(script: &ScriptCoverage, length: usize) -> Vec<u64> {
    let mut counts = vec![0; length];
    for range in script
        .functions
        .iter()
        .flat_map(|function| &function.ranges)
    {
        let end = range.end_offset.min(length);
        if let Some(part) = counts.get_mut(range.start_offset.min(end)..end) {
            part.fill(range.count);
        }
    }
    counts
}

fn totals(lines: &Lines) -> (usize, usize) {
    (
        lines.values().filter(|count| **count > 0).count(),
        lines.len(),
    )
}

fn percent(reached: usize, all: usize) -> f64 {
    if all == 0 {
        100.0
    } else {
        100.0 * reached as f64 / all as f64
    }
}

/// The lines that were not reached, neighbours together.
fn missing(lines: &Lines) -> String {
    let mut groups: Vec<(u32, u32)> = Vec::new();
    let mut open = false;
    for (line, count) in lines {
        if *count > 0 {
            open = false;
            continue;
        }
        match groups.last_mut().filter(|_| open) {
            Some((_, last)) => *last = *line,
            None => groups.push((*line, *line)),
        }
        open = true;
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    groups.iter().map(text).collect::<Vec<_>>().join(",")
}

fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here)
        .unwrap_or(file)
        .display()
        .to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::coverage::FunctionCoverage;
    use crate::testing::coverage::Range;

    #[test]
    fn inner_ranges_count_more_than_outer_ones() {
        let range = |start_offset, end_offset, count| Range {
            start_offset,
            end_offset,
            count,
        };
        let script = ScriptCoverage {
            url: String::new(),
            functions: vec![
                FunctionCoverage {
                    ranges: vec![range(0, 8, 1)],
                },
                FunctionCoverage {
                    ranges: vec![range(2, 6, 5), range(3, 5, 0)],
                },
            ],
        };
        assert_eq!(counts(&script, 8), [1, 1, 5, 0, 0, 5, 1, 1]);
    }

    #[test]
    fn missing_lines_are_shown_in_groups() {
        let lines: Lines = [(1, 1), (2, 0), (3, 0), (5, 0), (6, 2), (9, 0)].into();
        assert_eq!(missing(&lines), "2-5,9");
        assert_eq!(totals(&lines), (2, 6));
    }

    #[test]
    fn lines_begin_where_utf16_counts_them() {
        assert_eq!(line_starts("ab\n\u{1f600}\nc"), [0, 3, 6, 7]);
    }
}
