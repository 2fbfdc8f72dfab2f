//! Waiting for a change of the files that tests are made of.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(300);

/// Waits until files change, and answers which test files are made of them. A test file that is new
/// below `roots` counts.
pub async fn changed(roots: &[PathBuf], watched: Vec<(PathBuf, Vec<PathBuf>)>) -> Vec<PathBuf> {
    let before = look(&watched);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = look(&watched);
        let mut tests: Vec<PathBuf> = watched
            .iter()
            .filter(|(_, modules)| modules.iter().any(|file| now.get(file) != before.get(file)))
            .map(|(test, _)| test.clone())
            .collect();
        let mut present = Vec::new();
        for root in roots {
            // A folder that cannot be read has nothing new.
            drop(super::collect(root, &mut present));
        }
        tests.extend(
            present
                .into_iter()
                .filter(|file| !watched.iter().any(|(test, _)| test == file)),
        );
        if !tests.is_empty() {
            return tests;
        }
    }
}

/// When each file was changed last; nothing for one that is not there.
fn look(watched: &[(PathBuf, Vec<PathBuf>)]) -> HashMap<PathBuf, Option<SystemTime>> {
    let files = watched.iter().flat_map(|(_, modules)| modules);
    files.map(|file| (file.clone(), modified(file))).collect()
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}
