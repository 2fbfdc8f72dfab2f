//! `stead import --wrangler`: what `wrangler dev` stored becomes a project's state.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use stead_storage::ObjectId;
use stead_storage::ObjectName;

use crate::cli::args::LogFormat;
use crate::cli::exit::ExitCode;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::cli::stored::ImportArgs;
use crate::cli::style::Style;
use crate::clock::Clock;
use crate::clock::SystemClock;

/// Where wrangler keeps objects, below a project's folder.
const INSIDE: [&str; 4] = [".wrangler", "state", "v3", "do"];
/// The file of a namespace that holds no object.
const METADATA: &str = "metadata.sqlite";

/// What became of the objects of one class.
#[derive(Default, Serialize)]
struct Imported {
    folder: String,
    objects: usize,
    /// Objects that the project has already.
    kept: usize,
    /// Other files of objects, such as their facets': they are not copied.
    left: usize,
}

/// Copies every object of `from` (a project's folder, or a folder in it on the way to the objects)
/// that the project does not have.
pub async fn import(args: ImportArgs, from: PathBuf) -> Result<ExitCode, Problem> {
    let (source, state) = places(&args, from)?;
    let logger = Logger::start(
        Box::new(io::stderr()),
        LogFormat::Text,
        Style::of(&io::stderr()),
        false,
        Arc::new(|| SystemClock.now_ms().max(0) as u64),
    );
    let copy = tokio::task::spawn_blocking({
        let (logger, state, source) = (logger.clone(), state.clone(), source.clone());
        move || copy(&source, &state, &logger)
    });
    let copied = copy.await;
    logger.flush_and_stop();
    let imported = copied.map_err(|error| Problem::internal(error.to_string()))??;
    if args.place.json {
        let text = serde_json::to_string_pretty(&imported);
        super::say(&(text.map_err(|error| Problem::internal(error.to_string()))? + "\n"));
        return Ok(ExitCode::Ok);
    }
    for class in &imported {
        let plural = if class.objects == 1 { "" } else { "s" };
        let kept = match class.kept {
            0 => String::new(),
            kept => format!(", {kept} there already"),
        };
        let left = match class.left {
            0 => String::new(),
            left => format!("; {left} of facets or other files not copied"),
        };
        super::say(&format!(
            "{}  {} object{plural}{kept}{left}\n",
            class.folder, class.objects
        ));
    }
    if imported.is_empty() {
        super::say(&format!("{} has no objects\n", source.display()));
    } else {
        super::say(&format!(
            "in {}: `stead dev` goes on with them\n",
            state.display()
        ));
    }
    Ok(ExitCode::Ok)
}

/// Wrangler's folder of objects, and the state directory.
fn places(args: &ImportArgs, from: PathBuf) -> Result<(PathBuf, PathBuf), Problem> {
    let config = crate::config::find(&from);
    let project = config.as_deref().and_then(Path::parent);
    let starts = [Some(from.as_path()), project];
    let source = starts.into_iter().flatten().find_map(objects_below);
    let Some(source) = source else {
        let what = format!(
            "there is no `.wrangler/state/v3/do` in `{}`",
            from.display()
        );
        let problem = Problem::new(ExitCode::Usage, what);
        return Err(problem.help("name the project's folder, or the folder of the objects itself"));
    };
    let state = match (&args.place.state, project) {
        (Some(state), _) => state.clone(),
        (None, Some(project)) => project.join(".stead").join("state"),
        (None, None) => return Err(Problem::no_configuration(&from)),
    };
    Ok((source, state))
}

/// The folder of objects that `start` is, or that is somewhere on wrangler's way below it.
fn objects_below(start: &Path) -> Option<PathBuf> {
    let ways = (0..INSIDE.len()).map(|skipped| {
        let way = INSIDE[skipped..].iter();
        way.fold(start.to_owned(), |path, name| path.join(name))
    });
    let below = ways.into_iter().find(|path| path.is_dir());
    below.or_else(|| (!classes(start).is_empty()).then(|| start.to_owned()))
}

/// The folders of a directory that hold files of objects.
fn classes(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut classes: Vec<PathBuf> = folders.filter(|path| !objects(path).is_empty()).collect();
    classes.sort();
    classes
}

/// The objects in a class's folder.
fn objects(folder: &Path) -> Vec<(ObjectId, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let object = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let id = ObjectId::from_hex(name.strip_suffix(".sqlite")?)?;
        (name != METADATA).then_some((id, path))
    };
    entries.filter_map(|entry| object(entry.path())).collect()
}

/// How many databases of a class's folder are neither an object nor the index of alarms.
fn others(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let databases = names.filter(|name| name.ends_with(".sqlite") && name != METADATA);
    databases.count() - objects(folder).len()
}

fn copy(source: &Path, state: &Path, logger: &Logger) -> Result<Vec<Imported>, Problem> {
    let options = crate::stored::keeping_everything();
    let (state, journal) = super::open_state(state, options, logger)?;
    let mut imported = Vec::new();
    let mut failure = None;
    'all: for folder in classes(source) {
        let unique_key = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut class = Imported {
            folder: unique_key.clone().into_owned(),
            left: others(&folder),
            ..Imported::default()
        };
        for (id, file) in objects(&folder) {
            let name = ObjectName {
                unique_key: unique_key.as_ref().into(),
                id,
            };
            match state.bring_object(&name, &file) {
                Ok(true) => class.objects += 1,
                Ok(false) => class.kept += 1,
                Err(error) => {
                    failure = Some(error);
                    break 'all;
                }
            }
        }
        imported.push(class);
    }
    // What was copied is whole, also when something else was not.
    let closed = journal.stop().and_then(|()| state.mark_clean());
    match failure.or(closed.err()) {
        None => Ok(imported),
        Some(error) => {
            let problem = Problem::new(ExitCode::StateDirectory, error.to_string());
            Err(problem.help("is `wrangler dev` still running? Stop it, and import again: what was imported stays"))
        }
    }
}
