//! What may be in the way of a project, and what to do about it: what `stead doctor` looks at.
//!
//! | file | what |
//! |---|---|
//! | `machine` | limits, cores, the clock |
//! | `project` | the configuration, the code, packages |
//! | `state` | the state directory and the file system under it |
//! | `port` | whether the port is free, and who holds it |

mod machine;
mod port;
mod project;
mod state;

use std::path::PathBuf;

use serde::Serialize;

use crate::config;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    Machine,
    Project,
    State,
    Port,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    Fine,
    /// It works, and could surprise.
    Note,
    /// It does not work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub about: About,
    pub level: Level,
    pub what: String,
    /// What to do; nothing, if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Finding {
    fn fine(about: About, what: impl Into<String>) -> Finding {
        Finding {
            about,
            level: Level::Fine,
            what: what.into(),
            todo: None,
        }
    }

    fn note(about: About, what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding {
            level: Level::Note,
            todo: Some(todo.into()),
            ..Finding::fine(about, what)
        }
    }

    fn wrong(about: About, what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding {
            level: Level::Wrong,
            ..Finding::note(about, what, todo)
        }
    }
}

/// What to look at.
pub struct Scope {
    /// A project's folder or its configuration file.
    pub path: PathBuf,
    pub environment: Option<String>,
    /// The state directory, if it is not the project's own.
    pub state: Option<PathBuf>,
    /// The port, if it is not the project's.
    pub port: Option<u16>,
}

/// Looks at everything. Nothing is changed by it.
pub fn examine(scope: &Scope) -> Vec<Finding> {
    let mut findings = machine::examine();
    let file = config::find(&scope.path);
    let project = file.as_ref().map(|file| {
        let loaded = config::load(file, scope.environment.as_deref());
        findings.extend(project::examine(&loaded));
        loaded
    });
    if project.is_none() && scope.state.is_none() {
        findings.push(Finding::wrong(
            About::Project,
            "there is no configuration file here or above",
            "make a project with `stead init counter`, serve one file with `stead run`, or name a state directory with \
             `--state`",
        ));
        return findings;
    }
    let own = file.map(|file| crate::dev::state_dir(&file));
    if let Some(path) = scope.state.clone().or(own) {
        findings.extend(state::examine(&path));
    }
    let project = project.and_then(Result::ok);
    if let Some(project) = &project {
        findings.extend(project::foreign_state(project));
    }
    let configured = project.and_then(|project| project.dev.port);
    let port = scope.port.or(configured);
    findings.push(port::examine(port.unwrap_or(crate::dev::PORT)));
    findings
}
