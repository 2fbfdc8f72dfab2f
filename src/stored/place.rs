//! Which state directory, and which object in it, the command line means.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use stead_storage::FacetIndex;
use stead_storage::IdKey;
use stead_storage::ObjectId;

use super::question::ObjectRef;
use crate::cli::args::stem;
use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::stored::PlaceArgs;

/// Folders of a state directory that are no namespaces.
const OWN_FOLDERS: [&str; 2] = ["journal", "history"];
/// Where `run` keeps state, beside the file that it runs.
const FOLDER: &str = ".stead";

/// The state directory that is meant; it exists.
pub fn state_dir(args: &PlaceArgs, file: Option<&Path>) -> Result<PathBuf, Problem> {
    let path = match (&args.state, file) {
        (Some(state), _) => state.clone(),
        (None, Some(file)) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            folder.join(FOLDER).join(stem(file))
        }
        (None, None) => only_folder(Path::new(FOLDER))?,
    };
    match path.is_dir() {
        true => Ok(path),
        false => Err(Problem::new(
            ExitCode::StateDirectory,
            format!("state directory `{}` does not exist", path.display()),
        )
        .help("name the FILE that was run, or its state directory with `--state DIR`")),
    }
}

/// The one state directory below `.stead`, for those who are where their only file is.
fn only_folder(parent: &Path) -> Result<PathBuf, Problem> {
    let found = folders(parent);
    match &found[..] {
        [only] => Ok(parent.join(only)),
        _ => {
            let what = match found.len() {
                0 => "which state directory? There is none in `.stead`".to_owned(),
                _ => format!(
                    "which state directory? `.stead` has several: {}",
                    found.join(", ")
                ),
            };
            let problem = Problem::new(ExitCode::Usage, what);
            Err(problem
                .help("name the FILE that was run, or its state directory with `--state DIR`"))
        }
    }
}

/// The object that `Class/name` or `Class/<id>` means in a state directory, or the one of its facets to which names
/// lead.
pub fn object(
    args: &PlaceArgs,
    file: Option<&Path>,
    state: &Path,
    text: &str,
    facet: &[String],
) -> Result<ObjectRef, Problem> {
    let Some((class, name)) = text.split_once('/').filter(|(class, _)| !class.is_empty()) else {
        let problem = Problem::new(ExitCode::Usage, format!("`{text}` does not name an object"));
        return Err(problem.help("write its class, a slash, and its name or its id"));
    };
    let unique_key = unique_key(args, file, state, class)?;
    let id = match ObjectId::from_file_name(name) {
        Some(id) => id,
        None => IdKey::new(&unique_key).from_name(name),
    };
    let id = find_facet(&state.join(&unique_key), id, facet)?;
    Ok(ObjectRef {
        id: id.to_string(),
        unique_key,
    })
}

fn find_facet(namespace: &Path, id: ObjectId, names: &[String]) -> Result<ObjectId, Problem> {
    if names.is_empty() {
        return Ok(id);
    }
    let index = FacetIndex::open(&namespace.join(format!("{}.facets", id.root())));
    let index = index.map_err(|error| Problem::new(ExitCode::StateDirectory, error.to_string()))?;
    let found = names
        .iter()
        .try_fold(id.facet(), |parent, name| index.find(parent, name));
    let number = found.ok_or_else(|| {
        let problem = Problem::new(
            ExitCode::Usage,
            format!("the object has no facet `{}`", names.join("` in `")),
        );
        problem.help("`stead ls` lists facets with their names")
    })?;
    Ok(id.with_facet(number))
}

/// The folder of a class's objects: as `run` would choose it, or the only one that ends so.
fn unique_key(
    args: &PlaceArgs,
    file: Option<&Path>,
    state: &Path,
    class: &str,
) -> Result<String, Problem> {
    let given = args.unique_keys.iter().rfind(|given| given.class == class);
    if let Some(given) = given {
        return Ok(given.key.clone());
    }
    if let Some(file) = file {
        return Ok(format!("{}-{class}", stem(file)));
    }
    let folders = namespaces(state);
    let ending = format!("-{class}");
    let found: Vec<&String> = folders
        .iter()
        .filter(|folder| *folder == class || folder.ends_with(&ending))
        .collect();
    match found[..] {
        [only] => Ok(only.clone()),
        [] => Err(Problem::new(
            ExitCode::Usage,
            format!("`{}` has no objects of a class `{class}`", state.display()),
        )
        .help(match folders.is_empty() {
            true => "it has no objects at all".to_owned(),
            false => format!("its folders are {}", folders.join(", ")),
        })),
        _ => {
            let names: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
            let what = format!("`{class}` may be {}", names.join(" or "));
            Err(Problem::new(ExitCode::Usage, what).help("write the whole name of the folder"))
        }
    }
}

/// The folders that hold objects.
pub fn namespaces(state: &Path) -> Vec<String> {
    let mut all = folders(state);
    all.retain(|name| !OWN_FOLDERS.contains(&name.as_str()));
    all
}

fn folders(parent: &Path) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
