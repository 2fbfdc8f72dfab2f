//! Bindings that lead to other workers of the process, or should.

use std::sync::Arc;

use super::session::Session;
use crate::config::Project;
use crate::exports::Export;
use crate::exports::ExportKind;

/// What is to be said of bindings that lead nowhere.
pub fn broken(sessions: &[Session]) -> Vec<String> {
    let mut broken = Vec::new();
    for project in sessions.iter().filter_map(Session::project) {
        for service in &project.services {
            let binding = &service.binding;
            let entrypoint = service.entrypoint.as_deref().unwrap_or("default");
            match find(sessions, &service.worker) {
                Named::Elsewhere => broken.push(not_here(project, binding, &service.worker)),
                Named::Running(exports)
                    if exports.iter().all(|export| export.name != entrypoint) =>
                {
                    broken.push(format!(
                        "Worker \"{}\"'s binding \"{binding}\" refers to service \"{}\" with a named entrypoint \"{entrypoint}\", but \"{}\" has no such named entrypoint.",
                        project.name, service.worker, service.worker,
                    ));
                }
                Named::Running(_) | Named::Broken => {}
            }
        }
        for object in &project.objects {
            let Some(worker) = &object.worker else {
                continue;
            };
            let (binding, class) = (&object.binding, &object.class);
            let is_it =
                |export: &Export| export.name == *class && export.kind == ExportKind::Object;
            match find(sessions, worker) {
                Named::Elsewhere => broken.push(not_here(project, binding, worker)),
                Named::Running(exports) if !exports.iter().any(is_it) => broken.push(format!(
                    "`env.{binding}` of `{}` leads nowhere: `{worker}` exports no object class `{class}`",
                    project.name
                )),
                Named::Running(_) | Named::Broken => {}
            }
        }
    }
    broken
}

fn not_here(project: &Project, binding: &str, worker: &str) -> String {
    format!(
        "`env.{binding}` of `{}` leads nowhere: the worker `{worker}` does not run here; name its folder, too: `stead dev . ../{worker}`",
        project.name
    )
}

/// A worker that a binding names.
enum Named {
    /// It is none of this process.
    Elsewhere,
    /// It does not load, which has been said.
    Broken,
    Running(Arc<[Export]>),
}

fn find(sessions: &[Session], name: &str) -> Named {
    let named = |session: &&Session| session.project().is_some_and(|p| p.name == name);
    match sessions.iter().find(named) {
        None => Named::Elsewhere,
        Some(session) => match session.current().running() {
            None => Named::Broken,
            Some(worker) => Named::Running(worker.exports()),
        },
    }
}
