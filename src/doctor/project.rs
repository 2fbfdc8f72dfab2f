//! The project: its configuration, its code, its packages.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::About;
use super::Finding;
use crate::compatibility::Compatibility;
use crate::config::Project;
use crate::diagnostic::Diagnostic;

/// The package with the platform's types, whose version holds its day: `4.20260702.1`.
const TYPES: &str = "@cloudflare/workers-types";

pub fn examine(loaded: &Result<Project, Vec<Diagnostic>>) -> Vec<Finding> {
    let project = match loaded {
        Ok(project) => project,
        Err(found) => {
            let wrong = |found: &Diagnostic| {
                let todo = "put the configuration right";
                Finding::wrong(About::Project, found.render(false), todo)
            };
            return found.iter().map(wrong).collect();
        }
    };
    let configuration = format!("configuration `{}`", project.file.display());
    let mut findings = vec![Finding::fine(About::Project, configuration)];
    findings.extend(project.warnings.iter().map(|warning| {
        let place = warning.location.as_ref();
        let place = place.map_or(String::new(), |at| format!(" ({at})"));
        let todo = warning.help.clone().unwrap_or_default();
        Finding::note(About::Project, format!("{}{place}", warning.message), todo)
    }));
    findings.extend(compatibility(project));
    if let Some(main) = &project.main {
        findings.extend(code(project, main));
    }
    findings.extend(undeclared(project));
    findings.extend(elsewhere(project));
    findings.extend(packages(&project.root));
    findings.extend(types(project));
    findings
}

/// What wrangler stored and Stead does not use.
pub fn foreign_state(project: &Project) -> Option<Finding> {
    let path = project.root.join(".wrangler/state/v3/do");
    path.is_dir().then(|| {
        Finding::note(
            About::State,
            "wrangler has stored objects of this project",
            "copy them with `stead import --wrangler`, or go on with them with `stead dev --state .wrangler/state/v3/do`",
        )
    })
}

fn compatibility(project: &Project) -> Option<Finding> {
    let date = project.compatibility_date.as_deref();
    match Compatibility::of_project(date, &project.compatibility_flags) {
        Err(error) => {
            let todo = "put `compatibility_date` and `compatibility_flags` right";
            Some(Finding::wrong(About::Project, error.to_string(), todo))
        }
        Ok((_, missing)) if !missing.is_empty() => Some(Finding::note(
            About::Project,
            format!(
                "compatibility flags that are not implemented in Stead yet: {}",
                missing.join(", ")
            ),
            "the newest behaviour is there instead; docs/COMPATIBILITY.md lists the flags",
        )),
        Ok(_) if date.is_none() => Some(Finding::note(
            About::Project,
            "the configuration names no `compatibility_date`",
            "add one, so that a newer Stead does not change what the code means",
        )),
        Ok(_) => None,
    }
}

fn code(project: &Project, main: &Path) -> Vec<Finding> {
    let bundle = match crate::bundle::bundle(main, &crate::dev::bundle_options(project)) {
        Ok(bundle) => bundle,
        Err(found) => {
            let what = found.first().map(|found| found.render(false));
            let todo = "put the code right; `stead check` shows everything";
            return vec![Finding::wrong(
                About::Project,
                what.unwrap_or_default(),
                todo,
            )];
        }
    };
    let count = bundle.modules.len();
    let plural = if count == 1 { "" } else { "s" };
    let what = format!("code bundles: {count} module{plural}");
    let mut findings = vec![Finding::fine(About::Project, what)];
    let own = project
        .objects
        .iter()
        .filter(|object| object.worker.is_none());
    let lost = own.filter(|object| !bundle.exports.contains(&object.class));
    findings.extend(lost.map(|object| {
        let (binding, class) = (&object.binding, &object.class);
        Finding::wrong(
            About::Project,
            format!("`{binding}` is bound to the class `{class}`, which the code does not export"),
            format!("export it from `{}`", main.display()),
        )
    }));
    findings
}

/// Each bound class should have been declared, or it cannot be deployed.
fn undeclared(project: &Project) -> Vec<Finding> {
    let undeclared = project.objects.iter().filter(|object| {
        object.worker.is_none() && !project.lifecycle.declared.contains(&object.class)
    });
    let note = |class: &String| {
        Finding::note(
            About::Project,
            format!("the class `{class}` is bound, and no migration declares it"),
            format!(
                "add {{ \"tag\": \"…\", \"new_sqlite_classes\": [\"{class}\"] }} to `migrations` before it is deployed"
            ),
        )
    };
    undeclared.map(|object| note(&object.class)).collect()
}

/// Workers that have to be served together with this one.
fn elsewhere(project: &Project) -> Option<Finding> {
    let objects = project
        .objects
        .iter()
        .filter_map(|object| object.worker.as_ref());
    let services = project.services.iter().map(|service| &service.worker);
    let mut workers: Vec<&String> = objects.chain(services).collect();
    workers.retain(|worker| **worker != project.name);
    workers.sort();
    workers.dedup();
    if workers.is_empty() {
        return None;
    }
    let names: Vec<String> = workers.iter().map(|worker| format!("`{worker}`")).collect();
    Some(Finding::note(
        About::Project,
        format!("bindings lead to other workers: {}", names.join(", ")),
        format!("serve their folders, too: `stead dev . ../{}`", workers[0]),
    ))
}

fn packages(root: &Path) -> Option<Finding> {
    let package = json(&root.join("package.json"))?;
    let lists = ["dependencies", "devDependencies"].map(|key| package[key].as_object());
    let named = lists.into_iter().flatten().flat_map(|list| list.keys());
    let missing: Vec<&String> = named
        .filter(|name| installed(root, name).is_none())
        .collect();
    let is_needed = |name: &String| package["dependencies"].get(name).is_some();
    let Some(first) = missing.first() else {
        return Some(Finding::fine(About::Project, "packages are installed"));
    };
    let what = match missing.len() {
        1 => format!("the package `{first}` is not installed"),
        count => format!("{count} packages are not installed, such as `{first}`"),
    };
    let todo = "run `npm install`";
    Some(match missing.iter().any(|name| is_needed(name)) {
        true => Finding::wrong(About::Project, what, todo),
        false => Finding::note(About::Project, what, todo),
    })
}

/// The types that an editor shows should know what the date brings.
fn types(project: &Project) -> Option<Finding> {
    let package = json(&installed(&project.root, TYPES)?.join("package.json"))?;
    let version = package["version"].as_str()?;
    let day = version.split('.').nth(1).filter(|day| day.len() == 8)?;
    let date = project.compatibility_date.as_deref()?.replace('-', "");
    (day < date.as_str()).then(|| {
        Finding::note(
            About::Project,
            format!("{TYPES} {version} is older than the compatibility date"),
            format!(
                "its types may lack what the date brings: npm install --save-dev {TYPES}@latest"
            ),
        )
    })
}

/// The folder of a package that the project finds.
fn installed(root: &Path, name: &str) -> Option<std::path::PathBuf> {
    let folders = root
        .ancestors()
        .map(|folder| folder.join("node_modules").join(name));
    folders.into_iter().find(|folder| folder.is_dir())
}

fn json(file: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}
