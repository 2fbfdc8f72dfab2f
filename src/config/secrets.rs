//! Secrets of a project: `.dev.vars`, or the `.env` files.
//!
//! As wrangler has it: a `.dev.vars` file (`.dev.vars.NAME` with `--env NAME`) stands in for all
//! `.env` files. <https://developers.cloudflare.com/workers/local-development/environment-variables/>

use std::path::Path;
use std::path::PathBuf;

use super::Project;
use crate::cli::env_file;
use crate::diagnostic::Diagnostic;

/// Adds the secrets to the project's variables, and their files to what it was read from.
///
/// # Errors
/// A line that cannot be read.
pub fn load(project: &mut Project) -> Result<(), Diagnostic> {
    let files = files(&project.root, project.environment.as_deref());
    for file in files {
        for (name, value) in read(&file)? {
            if !project.secrets.contains(&name) {
                project.secrets.push(name.clone());
            }
            project.vars.insert(name, value.into());
        }
        project.files.push(file);
    }
    for name in &project.required_secrets {
        if !project.vars.contains_key(name) {
            let what = format!("the secret `{name}` is required and has no value");
            let help = format!("write `{name}=…` into `.dev.vars` beside the configuration file");
            project
                .warnings
                .push(Diagnostic::warning(what).with_help(help));
        }
    }
    Ok(())
}

/// The files there are; a later one wins.
fn files(root: &Path, environment: Option<&str>) -> Vec<PathBuf> {
    let existing = |name: String| Some(root.join(name)).filter(|file| file.is_file());
    let dev_vars = environment
        .and_then(|name| existing(format!(".dev.vars.{name}")))
        .or_else(|| existing(".dev.vars".into()));
    if let Some(file) = dev_vars {
        return vec![file];
    }
    let mut files = vec![existing(".env".into()), existing(".env.local".into())];
    files.extend(environment.map(|name| existing(format!(".env.{name}"))));
    files.extend(environment.map(|name| existing(format!(".env.{name}.local"))));
    files.into_iter().flatten().collect()
}

fn read(file: &Path) -> Result<Vec<(String, String)>, Diagnostic> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Diagnostic::new(format!("cannot read `{}`: {error}", file.display())))?;
    env_file::parse(file, &text).map_err(|error| {
        let start: usize = text
            .split_inclusive('\n')
            .take(error.line - 1)
            .map(str::len)
            .sum();
        let length = text[start..].lines().next().map_or(1, str::len);
        let location = crate::diagnostic::Location::from_offset(file, &text, start, length);
        Diagnostic::new(error.what)
            .with_help("each line is NAME=value; quote a value that holds spaces, `#` or line ends")
            .at(location, &text)
    })
}
