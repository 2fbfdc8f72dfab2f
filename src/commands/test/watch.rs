//! Waiting for a change of the files that tests are made of.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

/// Test files, each with the files that it was made of.
pub type Watched = BTreeMap<PathBuf, Vec<PathBuf>>;

/// When each file was changed last.
pub type Seen = HashMap<PathBuf, Option<SystemTime>>;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(300);

/// Notes what test files were made of. Of one that did not load that is not known: what it was made of before may put
/// it right, or any module below `roots`.
pub fn note(watched: &mut Watched, ran: Vec<(PathBuf, Option<Vec<PathBuf>>)>, roots: &[PathBuf]) {
    for (test, modules) in ran {
        let is_known = modules.is_some();
        let mut modules = modules.unwrap_or_else(|| vec![test.clone()]);
        if !is_known {
            modules.extend(watched.remove(&test).into_iter().flatten());
            let is_module = |name: &str| {
                let extension = name.rsplit_once('.').map(|(_, extension)| extension);
                extension.is_some_and(|extension| super::EXTENSIONS.contains(&extension))
            };
            for root in roots {
                drop(super::collect(root, &is_module, &mut modules));
            }
        }
        watched.insert(test, modules);
    }
}

/// Waits until files are not as they were `seen`, and answers which test files are made of them. A test file that is
/// new below `roots` counts.
pub async fn changed(roots: &[PathBuf], watched: &Watched, seen: &Seen) -> Vec<PathBuf> {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = look(watched);
        let is_changed = |file: &PathBuf| now.get(file) != seen.get(file);
        let mut tests: Vec<PathBuf> = watched
            .iter()
            .filter(|(test, modules)| test.exists() && modules.iter().any(is_changed))
            .map(|(test, _)| test.clone())
            .collect();
        let mut present = Vec::new();
        for root in roots {
            // A folder that cannot be read has nothing new.
            drop(super::collect(root, &super::is_test_file, &mut present));
        }
        tests.extend(
            present
                .into_iter()
                .filter(|file| !watched.contains_key(file)),
        );
        if !tests.is_empty() {
            return tests;
        }
    }
}

/// When each file was changed last; nothing for one that is not there.
pub fn look(watched: &Watched) -> Seen {
    let files = watched.values().flatten();
    files.map(|file| (file.clone(), modified(file))).collect()
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}
