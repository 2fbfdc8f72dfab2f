//! A Workers project as wrangler describes it: `wrangler.json`, `wrangler.jsonc` or `wrangler.toml`.
//!
//! The file is read as it is: <https://developers.cloudflare.com/workers/wrangler/configuration/>.
//! What is wrong has its place; what Stead does not know is a warning; what only matters to the
//! hosted platform is accepted, since a server on one machine has nothing to do for it.

mod bindings;
mod expand;
mod keys;
mod lifecycle;
mod project;
mod read;
mod secrets;
#[cfg(test)]
mod tests;
mod tree;

use std::path::Path;
use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

pub use lifecycle::Lifecycle;
#[cfg(test)]
pub use lifecycle::Migration;
pub use lifecycle::Step;
pub use project::Assets;
pub use project::HtmlHandling;
pub use project::NotFoundHandling;
pub use project::Project;
pub use project::Rule;
pub use project::RuleKind;
pub use project::WorkerFirst;

/// The names of configuration files, in wrangler's order.
pub const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// The configuration file that `path` means: itself, or the one in that folder or the nearest one
/// above it.
pub fn find(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    let folder = path.canonicalize().ok()?;
    folder.ancestors().find_map(|folder| {
        FILE_NAMES
            .iter()
            .map(|name| folder.join(name))
            .find(|file| file.is_file())
    })
}

/// A warning of each other configuration in the folder of the one that is read: whoever edits it sees nothing happen.
fn passed_over(file: &Path) -> Vec<Diagnostic> {
    let read = file.file_name().unwrap_or_default();
    let others = FILE_NAMES.iter().filter(|name| read != **name);
    others
        .map(|name| file.with_file_name(name))
        .filter(|other| other.is_file())
        .map(|other| {
            Diagnostic::warning(format!("`{}` is not read", other.display())).with_help(format!(
                "`{}` beside it is the configuration: remove one of them, or name the file to read",
                read.display()
            ))
        })
        .collect()
}

/// Reads a project. `environment` is what `--env` named. What only deserves a warning is in
/// [`Project::warnings`].
///
/// # Errors
/// Everything that is wrong with the file, in its order; warnings are among it.
pub fn load(file: &Path, environment: Option<&str>) -> Result<Project, Vec<Diagnostic>> {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let text = std::fs::read_to_string(&absolute).map_err(|error| {
        vec![Diagnostic::new(format!(
            "cannot read `{}`: {error}",
            file.display()
        ))]
    })?;
    let tree = tree::parse(&absolute, &text).map_err(|error| vec![error])?;
    let mut reader = read::Reader::new(&absolute, &text);
    let project = project::read(&mut reader, &tree, environment);
    let mut found = reader.found;
    found.sort_by_key(|diagnostic| diagnostic.location.as_ref().map(|l| (l.line, l.column)));
    match project {
        Some(mut project) if !found.iter().any(Diagnostic::is_error) => {
            found.extend(passed_over(&absolute));
            secrets::load(&mut project).map_err(|error| vec![error])?;
            found.append(&mut project.warnings);
            project.warnings = found;
            Ok(project)
        }
        _ => Err(found),
    }
}
