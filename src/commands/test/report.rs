//! What became of the tests of one file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::coverage::Coverage;
use super::print::is_frame;
use crate::exports::CAUSED_BY;
use crate::testing::events::Event;
use crate::testing::events::Line;
use crate::testing::events::News;
use crate::testing::events::SnapshotCounts;
use crate::testing::events::State;
use crate::testing::events::TestError;
use crate::testing::events::Unread;

/// One test.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// The names of its suites, then its own.
    pub path: Vec<String>,
    /// What became of it; none if it never ended.
    pub state: Option<State>,
    /// How long it took, in milliseconds of the machine's time.
    pub duration_ms: f64,
    /// Why it failed.
    pub errors: Vec<TestError>,
    /// Why it was left out.
    pub note: Option<String>,
    /// Where its state is kept, if it failed and that was asked for.
    pub kept: Option<String>,
    /// Responses whose bodies it has neither read nor cancelled.
    pub unread: Vec<Unread>,
    /// What was printed meanwhile.
    pub lines: Vec<Line>,
}

/// One file.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileReport {
    /// Its path as it was named.
    pub path: PathBuf,
    /// Its tests, in their order.
    pub tests: Vec<TestReport>,
    /// Failures of hooks, with the names of their suites.
    pub suite_failures: Vec<(Vec<String>, Vec<TestError>)>,
    /// Why the file did not load, as text for people.
    pub problem: Option<String>,
    /// What became of its snapshots.
    pub snapshots: SnapshotCounts,
    /// What was printed when no test ran.
    pub lines: Vec<Line>,
    /// Which code was reached.
    #[serde(skip)]
    pub coverage: Coverage,
    /// How long all of it took.
    #[serde(skip)]
    pub duration: Duration,
    /// What fixed the random numbers.
    pub seed: u64,
    #[serde(skip)]
    by_id: HashMap<String, usize>,
    /// The tests that run.
    #[serde(skip)]
    open: Vec<String>,
}

impl FileReport {
    /// A file whose tests have not begun.
    pub fn new(path: PathBuf, seed: u64) -> FileReport {
        FileReport {
            path,
            seed,
            ..FileReport::default()
        }
    }

    /// Takes news; true when they are the last. News that are not understood are a mistake of ours.
    pub fn hear(&mut self, News { event, lines }: News) -> bool {
        let event = serde_json::from_str(&event);
        match event.unwrap_or_else(|error| panic!("js/test_runner.js: {error}")) {
            Event::Collected { tests, errors } => {
                for test in tests {
                    self.by_id.insert(test.id, self.tests.len());
                    self.tests.push(TestReport {
                        path: test.path,
                        state: match test.mode.as_str() {
                            "todo" => Some(State::Todo),
                            "skip" => Some(State::Skip),
                            _ => None,
                        },
                        duration_ms: 0.0,
                        errors: Vec::new(),
                        note: None,
                        kept: None,
                        unread: Vec::new(),
                        lines: Vec::new(),
                    });
                }
                self.fail_suite(Vec::new(), errors);
                self.lines.extend(lines);
            }
            Event::Start { id } => {
                self.open.push(id);
                self.lines.extend(lines);
            }
            Event::Ended { message } => {
                self.end_open(&message, lines);
                return true;
            }
            Event::End {
                id,
                state,
                duration,
                errors,
                note,
                kept,
                unread,
            } => {
                self.open.retain(|open| *open != id);
                let test = self.by_id.get(&id).map(|at| &mut self.tests[*at]);
                let Some(test) = test else { return false };
                test.state = Some(state);
                test.duration_ms = duration.parse().unwrap_or_default();
                test.errors = errors;
                test.note = note;
                test.kept = kept;
                test.unread = unread;
                test.lines = lines;
                test.fail_for_uncaught();
            }
            Event::SuiteFailed { path, errors } => {
                self.fail_suite(path, errors);
                self.lines.extend(lines);
            }
            Event::Snapshots(counts) => self.snapshots = counts,
            Event::Done { errors } => {
                self.fail_suite(Vec::new(), errors);
                self.lines.extend(lines);
                return true;
            }
        }
        false
    }

    /// Fails the file: its modules threw an error, whose stack is in `text`, with those of its causes.
    pub fn fail_to_load(&mut self, text: &str) {
        let errors = text.rsplit(CAUSED_BY).map(|text| TestError {
            message: text
                .lines()
                .take_while(|line| !is_frame(line))
                .collect::<Vec<_>>()
                .join("\n"),
            stack: Some(text.to_owned()),
            ..TestError::default()
        });
        let error = errors.reduce(|cause, error| TestError {
            cause: Some(Box::new(cause)),
            ..error
        });
        self.fail_suite(Vec::new(), error.into_iter().collect());
    }

    /// Fails the tests that run, or else the file: their code was ended. Those that were to follow do not run.
    fn end_open(&mut self, message: &str, lines: Vec<Line>) {
        let error = TestError {
            message: message.to_owned(),
            ..TestError::default()
        };
        let open = std::mem::take(&mut self.open);
        let open: Vec<usize> = open
            .iter()
            .filter_map(|id| self.by_id.get(id).copied())
            .collect();
        if open.is_empty() {
            self.fail_suite(Vec::new(), vec![error.clone()]);
        }
        for at in &open {
            let test = &mut self.tests[*at];
            test.state = Some(State::Fail);
            test.errors.push(error.clone());
        }
        match open.first() {
            Some(at) => self.tests[*at].lines = lines,
            None => self.lines.extend(lines),
        }
        for test in self.tests.iter_mut().filter(|test| test.state.is_none()) {
            test.state = Some(State::Skip);
            test.note = Some("did not run: the code of the tests was ended before".to_owned());
        }
    }

    fn fail_suite(&mut self, path: Vec<String>, errors: Vec<TestError>) {
        if !errors.is_empty() {
            self.suite_failures.push((path, errors));
        }
    }

    /// How many tests came to a state.
    pub fn count(&self, state: State) -> usize {
        self.tests
            .iter()
            .filter(|test| test.state == Some(state))
            .count()
    }

    /// How many failures there are: tests, hooks, and the file itself.
    pub fn failures(&self) -> usize {
        self.count(State::Fail) + self.suite_failures.len() + usize::from(self.problem.is_some())
    }
}

impl TestReport {
    /// The name with those of the suites.
    pub fn name(&self) -> String {
        self.path.join(" > ")
    }

    /// An exception that nobody caught, outside of any object, fails the test during which it came.
    fn fail_for_uncaught(&mut self) {
        let uncaught = self
            .lines
            .iter()
            .filter(|line| line.uncaught && line.object.is_none());
        let errors: Vec<TestError> = uncaught
            .map(|line| TestError {
                name: None,
                message: line.text.lines().next().unwrap_or_default().to_owned(),
                stack: Some(line.text.clone()),
                diff: None,
                cause: None,
            })
            .collect();
        if !errors.is_empty() && self.state == Some(State::Pass) {
            self.state = Some(State::Fail);
            self.errors.extend(errors);
        }
    }
}
