//! Which state directory, and which object in it, the command line means.

use std::collections::BTreeMap;
use std::collections::HashMap;
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
use crate::cli::stored::WhichArgs;
use crate::dev::Classes;

/// Folders of a state directory that are no namespaces.
const OWN_FOLDERS: [&str; 2] = ["journal", "history"];
/// Where `run` keeps state, beside the file that it runs.
const FOLDER: &str = ".stead";

/// The state directory that is meant; it exists.
pub fn state_dir(args: &PlaceArgs, file: Option<&Path>) -> Result<PathBuf, Problem> {
    let path = match (&args.state, file) {
        (Some(state), _) => state.clone(),
        (None, Some(file)) => match configuration(file)? {
            Some(configuration) => crate::dev::state_dir(&configuration),
            None => {
                let folder = file.parent().unwrap_or(Path::new(""));
                folder.join(FOLDER).join(stem(file))
            }
        },
        (None, None) => only_folder(Path::new(FOLDER))?,
    };
    match path.is_dir() {
        true => Ok(path),
        false => Err(Problem::new(
            ExitCode::StateDirectory,
            format!("state directory `{}` does not exist", path.display()),
        )
        .help(WHICH)),
    }
}

/// What to do when it is not clear where the objects are.
const WHICH: &str =
    "name the FILE that was run or the project's folder, or the state directory with `--state DIR`";

/// The configuration file of the project that somebody names; none if it is a script that is named.
pub fn configuration(file: &Path) -> Result<Option<PathBuf>, Problem> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    if !file.is_dir() && !matches!(extension, Some("json" | "jsonc" | "toml")) {
        return Ok(None);
    }
    let found = crate::config::find(file);
    found
        .map(Some)
        .ok_or_else(|| Problem::no_configuration(file))
}

/// The one state directory below `.stead`, for those who are where their only file is, or that of the project that they
/// are in.
fn only_folder(parent: &Path) -> Result<PathBuf, Problem> {
    let found = folders(parent);
    if let [only] = &found[..] {
        return Ok(parent.join(only));
    }
    let project = crate::config::find(Path::new("."));
    let project = project.map(|configuration| crate::dev::state_dir(&configuration));
    if let Some(state) = project.filter(|state| state.is_dir()) {
        return Ok(state);
    }
    let what = match found.len() {
        0 => "which state directory? There is none in `.stead`".to_owned(),
        _ => format!(
            "which state directory? `.stead` has several: {}",
            found.join(", ")
        ),
    };
    Err(Problem::new(ExitCode::Usage, what).help(WHICH))
}

/// The object that `Class/name` or `Class/<id>` means in a state directory, or the one of its facets to which names
/// lead.
pub fn object(
    args: &PlaceArgs,
    file: Option<&Path>,
    state: &Path,
    text: &str,
    which: &WhichArgs,
) -> Result<ObjectRef, Problem> {
    let Some((class, name)) = text.split_once('/').filter(|(class, _)| !class.is_empty()) else {
        let problem = Problem::new(ExitCode::Usage, format!("`{text}` does not name an object"));
        return Err(problem.help("write its class, a slash, and its name or its id"));
    };
    let unique_key = unique_key(args, file, state, class, which.worker.as_deref())?;
    let id = match ObjectId::from_file_name(name) {
        Some(id) => id,
        None => IdKey::new(&unique_key).from_name(name),
    };
    let id = find_facet(&state.join(&unique_key), id, &which.facets)?;
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

/// The folder of a class's objects: as `run` or `dev` would choose it, or the only one that ends so.
fn unique_key(
    args: &PlaceArgs,
    file: Option<&Path>,
    state: &Path,
    class: &str,
    worker: Option<&str>,
) -> Result<String, Problem> {
    let given = args.unique_keys.iter().rfind(|given| given.class == class);
    if let Some(given) = given {
        return Ok(given.key.clone());
    }
    let recorded = recorded(state);
    if let Some(worker) = worker {
        let known = recorded.get(worker).and_then(|known| known.known(class));
        return Ok(known.map_or_else(|| format!("{worker}-{class}"), str::to_owned));
    }
    if let Some(file) = file
        && configuration(file)?.is_none()
    {
        return Ok(format!("{}-{class}", stem(file)));
    }
    let folders = namespaces(state);
    let ending = format!("-{class}");
    let named = folders
        .iter()
        .filter(|folder| *folder == class || folder.ends_with(&ending));
    let known = recorded.values().filter_map(|known| known.known(class));
    let mut found: Vec<&str> = named.map(String::as_str).chain(known).collect();
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [only] => Ok(only.to_owned()),
        [] => Err(Problem::new(
            ExitCode::Usage,
            format!("`{}` has no objects of a class `{class}`", state.display()),
        )
        .help(match folders.is_empty() {
            true => "it has no objects at all".to_owned(),
            false => format!("its folders are {}", folders.join(", ")),
        })),
        _ => {
            let what = format!("`{class}` may be {}", found.join(" or "));
            let problem = Problem::new(ExitCode::Usage, what);
            Err(problem.help(
                "say whose it is with `--worker NAME`, or write the whole name of the folder",
            ))
        }
    }
}

/// What `dev` noted of the folders of classes. What cannot be read is told by `dev` itself.
fn recorded(state: &Path) -> BTreeMap<String, Classes> {
    crate::dev::recorded(state).unwrap_or_default()
}

/// What to call the class of each of these folders: its name, or the folder's if several have a class of that name.
pub fn class_names<'a>(
    state: &Path,
    folders: impl Iterator<Item = &'a String>,
) -> HashMap<String, String> {
    let recorded = recorded(state);
    let class_of = |folder: &str| {
        let known = recorded.values().find_map(|known| known.class_in(folder));
        let class = known.or_else(|| folder.rsplit('-').next());
        class.unwrap_or_default().to_owned()
    };
    let classes: HashMap<&String, String> = folders.map(|f| (f, class_of(f))).collect();
    let named = classes.iter().map(|(folder, class)| {
        let is_only = classes.values().filter(|other| *other == class).count() == 1;
        let name = if is_only { class } else { *folder };
        ((*folder).clone(), name.clone())
    });
    named.collect()
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
