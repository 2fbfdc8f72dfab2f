//! What machines read of a run of tests: JSON, and the XML of JUnit.

use std::fmt::Write as _;

use serde_json::json;

use super::report::FileReport;
use super::report::TestReport;
use crate::testing::events::State;

/// The whole run as one JSON object.
pub fn json(reports: &[FileReport]) -> String {
    let total = |state: State| {
        reports
            .iter()
            .map(|report| report.count(state))
            .sum::<usize>()
    };
    let document = json!({
        "passed": total(State::Pass),
        "failed": reports.iter().map(FileReport::failures).sum::<usize>(),
        "skipped": total(State::Skip),
        "todo": total(State::Todo),
        "files": reports,
    });
    format!("{document:#}\n")
}

/// The whole run in the form that JUnit's readers know.
pub fn junit(reports: &[FileReport]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for report in reports {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
            escape(&report.path.display().to_string()),
            report.tests.len(),
            report.failures(),
            report.count(State::Skip) + report.count(State::Todo),
            report.duration.as_secs_f64(),
        );
        if let Some(problem) = &report.problem {
            failed_case(&mut out, "the file loads", problem);
        }
        for (path, errors) in &report.suite_failures {
            let texts: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            failed_case(
                &mut out,
                &format!("{} (hooks)", path.join(" > ")),
                &texts.join("\n"),
            );
        }
        for test in &report.tests {
            junit_case(&mut out, test);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn junit_case(out: &mut String, test: &TestReport) {
    let name = escape(&test.name());
    let time = test.duration_ms / 1000.0;
    let _ = write!(out, "    <testcase name=\"{name}\" time=\"{time:.4}\"");
    match test.state {
        Some(State::Pass) => out.push_str("/>\n"),
        Some(State::Fail) => {
            let text = |error: &crate::testing::events::TestError| {
                error.stack.clone().unwrap_or_else(|| error.message.clone())
            };
            let texts: Vec<String> = test.errors.iter().map(text).collect();
            let message = test.errors.first().map_or("", |error| &error.message);
            let _ = writeln!(
                out,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escape(message),
                escape(&texts.join("\n"))
            );
        }
        _ => out.push_str("><skipped/></testcase>\n"),
    }
}

fn failed_case(out: &mut String, name: &str, text: &str) {
    let message = text.lines().next().unwrap_or_default();
    let _ = writeln!(
        out,
        "    <testcase name=\"{}\"><failure message=\"{}\">{}</failure></testcase>",
        escape(name),
        escape(message),
        escape(text)
    );
}

/// Text as XML may hold it: control characters have no form there.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(
            escape("a<b> & \"c\"\n\u{1b}"),
            "a&lt;b&gt; &amp; &quot;c&quot;&#10;\u{fffd}"
        );
    }
}
