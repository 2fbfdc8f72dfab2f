//! `stead doctor`: what may be in the way of a project, and what to do about it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use stead_storage::StateDir;
use stead_storage::StorageError;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::DoctorArgs;
use crate::cli::style::Style;
use crate::config;
use crate::config::Project;

/// How many files should be allowed to be open: every object in memory holds some.
const OPEN_FILES_MIN: u64 = 4096;

/// One thing that was looked at.
enum Finding {
    Fine(String),
    /// It works, and could surprise: what, and what to do.
    Note(String, String),
    /// It does not work: what, and what to do.
    Wrong(String, String),
}

use Finding::Fine;
use Finding::Note;
use Finding::Wrong;

/// Prints the findings; fails if something is wrong.
pub fn run(args: &DoctorArgs) -> Result<ExitCode, Problem> {
    let mut findings = vec![open_files()];
    match config::find(&args.project.path) {
        None => findings.push(Wrong(
            "there is no configuration file here or above".to_owned(),
            "make a project with `stead init counter`, or serve one file with `stead run`"
                .to_owned(),
        )),
        Some(file) => match config::load(&file, args.project.env.as_deref()) {
            Err(found) => findings.extend(found.iter().map(|found| {
                Wrong(
                    found.render(false),
                    "put the configuration right".to_owned(),
                )
            })),
            Ok(project) => look_at(&project, &mut findings),
        },
    }
    let style = Style::of(&std::io::stdout());
    let mut wrong = 0;
    for finding in findings {
        let (mark, what, todo) = match finding {
            Fine(what) => (style.green("ok  "), what, None),
            Note(what, todo) => (style.yellow("note"), what, Some(todo)),
            Wrong(what, todo) => {
                wrong += 1;
                (style.red("no  "), what, Some(todo))
            }
        };
        super::say(&format!("{mark}  {}\n", what.replace('\n', "\n      ")));
        if let Some(todo) = todo {
            super::say(&format!("      {}\n", style.cyan(&todo)));
        }
    }
    Ok(if wrong == 0 {
        ExitCode::Ok
    } else {
        ExitCode::DoesNotLoad
    })
}

fn look_at(project: &Project, findings: &mut Vec<Finding>) {
    findings.push(Fine(format!("configuration `{}`", project.file.display())));
    findings.extend(project.warnings.iter().map(|warning| {
        let place = warning
            .location
            .as_ref()
            .map_or(String::new(), |at| format!(" ({at})"));
        let todo = warning.help.clone().unwrap_or_default();
        Note(format!("{}{place}", warning.message), todo)
    }));
    if let Some(main) = &project.main {
        findings.push(code(project, main));
    }
    findings.extend(classes(project));
    findings.extend(packages(&project.root));
    findings.push(state(&project.root));
    findings.extend(foreign_state(&project.root));
    findings.push(port(project.dev.port.unwrap_or(8787)));
}

fn open_files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => Note(
            format!("only {limit} files may be open at once"),
            format!(
                "raise the limit with `ulimit -n {OPEN_FILES_MIN}`, or for the user in /etc/security/limits.conf"
            ),
        ),
        Some(limit) => Fine(format!("{limit} files may be open at once")),
        None => Fine("any number of files may be open at once".to_owned()),
    }
}

fn code(project: &Project, main: &Path) -> Finding {
    match crate::bundle::bundle(main, &crate::dev::bundle_options(project)) {
        Ok(bundle) => Fine(format!("code bundles: {} modules", bundle.modules.len())),
        Err(found) => Wrong(
            found
                .first()
                .map(|found| found.render(false))
                .unwrap_or_default(),
            "put the code right; `stead check` shows everything".to_owned(),
        ),
    }
}

/// Each bound class should have been declared, or it cannot be deployed.
fn classes(project: &Project) -> Vec<Finding> {
    let undeclared = project.objects.iter().filter(|object| {
        object.worker.is_none() && !project.lifecycle.declared.contains(&object.class)
    });
    undeclared
        .map(|object| {
            let class = &object.class;
            Note(
                format!("the class `{class}` is bound, and no migration declares it"),
                format!("add {{ \"tag\": \"…\", \"new_sqlite_classes\": [\"{class}\"] }} to `migrations` before it is deployed"),
            )
        })
        .collect()
}

fn packages(root: &Path) -> Option<Finding> {
    let package = fs::read_to_string(root.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&package).ok()?;
    package
        .get("dependencies")?
        .as_object()
        .filter(|all| !all.is_empty())?;
    let installed = root
        .ancestors()
        .any(|folder| folder.join("node_modules").is_dir());
    Some(if installed {
        Fine("packages are installed".to_owned())
    } else {
        Wrong(
            "package.json has dependencies, and there is no node_modules".to_owned(),
            "run `npm install`".to_owned(),
        )
    })
}

fn state(root: &Path) -> Finding {
    let path = root.join(".stead").join("state");
    if !path.is_dir() {
        return Fine(format!("no state yet: it will be in `{}`", path.display()));
    }
    match StateDir::open(&path) {
        Ok(state) if state.was_clean() => Fine(format!("state in `{}`", path.display())),
        Ok(_) => Note(
            format!(
                "state in `{}`: the last server did not stop cleanly",
                path.display()
            ),
            "nothing to do: the next start recovers it".to_owned(),
        ),
        Err(StorageError::InUse { pid, .. }) => Note(
            format!(
                "state in `{}` is in use{}",
                path.display(),
                pid.map_or(String::new(), |pid| format!(" by process {pid}"))
            ),
            "a server runs on it; stop it before you start another".to_owned(),
        ),
        Err(error) => Wrong(
            error.to_string(),
            "make the folder writable for you".to_owned(),
        ),
    }
}

fn foreign_state(root: &Path) -> Option<Finding> {
    let path = root.join(".wrangler/state/v3/do");
    path.is_dir().then(|| {
        Note(
            "wrangler has stored objects of this project".to_owned(),
            "go on with them with `stead dev --state .wrangler/state/v3/do`".to_owned(),
        )
    })
}

fn port(port: u16) -> Finding {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Fine(format!("port {port} is free")),
        Err(error) => Note(
            format!("port {port} cannot be listened on: {error}"),
            "choose another one with `stead dev --port 0`".to_owned(),
        ),
    }
}
