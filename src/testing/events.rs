//! What becomes of tests, as their isolate tells it.

use serde::Deserialize;
use serde::Serialize;

/// One piece of news. Made by `js/test_runner.js`.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// The tests that the file has. `errors` say why it has not all that it should.
    Collected {
        tests: Vec<Collected>,
        errors: Vec<TestError>,
    },
    /// A test has begun.
    Start { id: String },
    /// A test has ended, or does not run.
    End {
        id: String,
        state: State,
        /// Milliseconds, as text: serde reads no fractions inside of a tagged enum if some package
        /// asks serde_json for arbitrary precision.
        duration: String,
        errors: Vec<TestError>,
        #[serde(default)]
        note: Option<String>,
        /// Where its state is kept.
        #[serde(default)]
        kept: Option<String>,
        /// Responses whose bodies nobody has read or cancelled.
        #[serde(default)]
        unread: Vec<Unread>,
    },
    /// A hook of a suite (of the file, if `path` is empty) has failed.
    SuiteFailed {
        path: Vec<String>,
        errors: Vec<TestError>,
    },
    /// What the snapshots of the file came to.
    Snapshots(SnapshotCounts),
    /// The code of the tests was ended, and cannot go on.
    Ended { message: String },
    /// Nothing more will come.
    Done {
        #[serde(default)]
        errors: Vec<TestError>,
    },
}

/// A test that was found.
#[derive(Debug, Deserialize)]
pub struct Collected {
    /// Names it in later events.
    pub id: String,
    /// The names of its suites, then its own.
    pub path: Vec<String>,
    /// `run`, or why it does not: `skip`, `todo`.
    pub mode: String,
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It was left out.
    Skip,
    /// It is yet to be written.
    Todo,
}

/// What the snapshots of a file came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SnapshotCounts {
    /// Written for the first time.
    pub added: u32,
    /// As they should be.
    pub matched: u32,
    /// Not as they should be.
    pub unmatched: u32,
    /// Written anew.
    pub updated: u32,
    /// The names of those that no test has asked for.
    pub obsolete: Vec<String>,
}

/// A response whose body nobody has read or cancelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unread {
    /// Where it came from.
    pub url: String,
    /// The stack of the call that asked for it.
    pub stack: String,
}

/// Something that was thrown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TestError {
    /// Its class.
    pub name: Option<String>,
    /// Its text.
    #[serde(default)]
    pub message: String,
    /// Its stack, in the user's own files.
    pub stack: Option<String>,
    /// How the value differs from the one expected.
    #[serde(default)]
    pub diff: Option<String>,
    /// Its cause.
    #[serde(default)]
    pub cause: Option<Box<TestError>>,
}

/// A line that code under test has printed, or an error that nobody caught.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The object whose code it was.
    pub object: Option<String>,
    /// `log`, `error` and the like.
    pub level: &'static str,
    /// What was printed.
    pub text: String,
    /// Whether it is an exception that nobody caught.
    pub uncaught: bool,
}

/// News, with what was printed since the last one.
#[derive(Debug)]
pub struct News {
    /// The event, as JSON.
    pub event: String,
    /// What was printed before it.
    pub lines: Vec<Line>,
}
