//! `stead types`: the type of `env`, from the configuration.
//!
//! The file has the name and the form of the one that wrangler writes, so that a project may use
//! either. What wrangler wrote into it of the runtime's own types stays.

use std::fs;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::TypesArgs;
use crate::config::Project;
use crate::types::Code;
use crate::types::Described;
use crate::types::declarations;
use crate::types::interface_name;

const FILE_NAME: &str = "worker-configuration.d.ts";
/// Where wrangler writes the runtime's types, and what says for which date and flags they are.
const RUNTIME_TYPES: &str = "// Begin runtime types";
const RUNTIME_HEADER: &str = "// Runtime types generated with workerd@";
/// The package with the same types.
const RUNTIME_PACKAGE: &str = "@cloudflare/workers-types";

/// Writes the file, or compares it.
pub fn run(args: &TypesArgs) -> Result<ExitCode, Problem> {
    let project = super::load_project(&args.project)?;
    let file = project.root.join(FILE_NAME);
    let others = args.others.iter().map(|path| load(path));
    let others = others.collect::<Result<Vec<Project>, Problem>>()?;
    let found = fs::read_to_string(&file).unwrap_or_default();
    let text = text(&project, others, &found)?;
    if args.check {
        if found == text {
            super::say(&format!("{} is up to date\n", file.display()));
            return Ok(ExitCode::Ok);
        }
        let what = format!("`{}` is not up to date", file.display());
        return Err(Problem::does_not_load(what).help("run `stead types`"));
    }
    write(&file, &text)?;
    super::say(&format!("wrote {}\n", file.display()));
    if !has_runtime_types(&project, &text) {
        super::say(&format!(
            "types of the platform itself are in a package: npm install --save-dev {RUNTIME_PACKAGE},\n\
             and \"types\": [\"{RUNTIME_PACKAGE}\"] in the compilerOptions of tsconfig.json\n"
        ));
    }
    Ok(ExitCode::Ok)
}

/// Writes the types of the project of a configuration file.
pub fn write_for(config: &Path) -> Result<(), Problem> {
    let project = load(config)?;
    let file = project.root.join(FILE_NAME);
    let text = text(&project, Vec::new(), "")?;
    write(&file, &text)
}

fn load(path: &Path) -> Result<Project, Problem> {
    let config = crate::config::find(path).ok_or_else(|| Problem::no_configuration(path))?;
    load_in(&config, None)
}

fn load_in(config: &Path, environment: Option<&str>) -> Result<Project, Problem> {
    let style = crate::cli::style::Style::of(&std::io::stderr());
    let project = crate::config::load(config, environment);
    project.map_err(|found| super::diagnosed(&found, style))
}

fn write(file: &Path, text: &str) -> Result<(), Problem> {
    fs::write(file, text).map_err(|error| {
        Problem::new(
            ExitCode::Usage,
            format!("cannot write `{}`: {error}", file.display()),
        )
    })
}

/// The file's text. What `found` has of the runtime's types is kept.
fn text(project: &Project, others: Vec<Project>, found: &str) -> Result<String, Problem> {
    let root = &project.root;
    let environments = match project.environment {
        Some(_) => Vec::new(),
        None => environments(project)?,
    };
    let code = code_of(project, root);
    let others = others
        .iter()
        .filter_map(|other| Some((other.name.clone(), code_of(other, root)?)));
    let described = Described {
        project,
        environments,
        code,
        others: others.collect(),
    };
    let mut text = "/* eslint-disable */\n\
                    // Written by `stead types` from the configuration.\n"
        .to_owned();
    let header = found.lines().find(|line| line.starts_with(RUNTIME_HEADER));
    let runtime = found.find(RUNTIME_TYPES).map(|at| &found[at..]);
    text.extend(header.map(|header| format!("{header}\n")));
    text.push_str(&declarations(&described));
    text.push_str(runtime.unwrap_or_default());
    Ok(text)
}

/// The project in each of its environments.
fn environments(project: &Project) -> Result<Vec<(String, Project)>, Problem> {
    let mut names = vec!["Env".to_owned()];
    let mut loaded = Vec::new();
    for environment in &project.environments {
        let name = interface_name(environment);
        if names.contains(&name) {
            let what = format!(
                "the interface of environment `{environment}` would be `{name}`, which there is already"
            );
            return Err(Problem::does_not_load(what).help("rename the environment"));
        }
        names.push(name);
        let own = load_in(&project.file, Some(environment))?;
        loaded.push((environment.clone(), own));
    }
    Ok(loaded)
}

/// A worker's code as the declarations file in `folder` imports it.
fn code_of(project: &Project, folder: &Path) -> Option<Code> {
    let main = project.main.as_ref()?;
    let bundle = crate::bundle::bundle(main, &crate::dev::bundle_options(project));
    Some(Code {
        specifier: specifier(folder, main),
        exports: bundle.ok().map(|bundle| bundle.exports),
    })
}

/// How a file is imported by one in a folder: without its extension, by a path from there.
fn specifier(folder: &Path, file: &Path) -> String {
    let parts = |path: &Path| {
        let mut parts: Vec<String> = Vec::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(parts.pop()),
                part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
            }
        }
        parts
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (from, to) = (parts(&absolute(folder)), parts(&absolute(file)));
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut path = match from.len() - same {
        0 => PathBuf::from("."),
        up => PathBuf::from(vec![".."; up].join("/")),
    };
    path.extend(&to[same..]);
    path.with_extension("").to_string_lossy().into_owned()
}

/// Whether the project finds the types of the platform somewhere.
fn has_runtime_types(project: &Project, text: &str) -> bool {
    let installed = |folder: &Path| folder.join("node_modules").join(RUNTIME_PACKAGE).is_dir();
    text.contains(RUNTIME_TYPES) || project.root.ancestors().any(installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(folder: &str, file: &str, expect: &str) {
        assert_eq!(specifier(Path::new(folder), Path::new(file)), expect);
    }

    #[test]
    fn code_is_imported_by_its_path_from_the_file_of_types() {
        check("/a", "/a/src/index.ts", "./src/index");
        check("/a", "/a/./index.js", "./index");
        check("/a/b", "/a/src/../other/index.ts", "../other/index");
        check("/a/b", "/c/index.d.ts", "../../c/index.d");
    }
}
