//! The files beside tests: their snapshots.
//!
//! Relative paths are relative to where the tests were started. A thread of tokio's does the work, so that no shard waits
//! for a disk.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::control::Answer;

/// The text of a file, as JSON; null if there is none.
///
/// # Errors
/// Why it cannot be read.
pub async fn read(path: String) -> Answer {
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => Ok(json!(text).to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok("null".to_owned()),
        Err(error) => Err(format!("cannot read `{path}`: {error}")),
    }
}

/// Writes a file as a whole, and makes the folders that it is in.
///
/// # Errors
/// Why it cannot be written.
pub async fn write(path: String, text: String) -> Answer {
    let written = async {
        if let Some(folder) = Path::new(&path).parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(&path, text).await
    };
    answer(written.await, "write", &path)
}

/// Removes a file, if it is there.
///
/// # Errors
/// Why it cannot be removed.
pub async fn remove(path: String) -> Answer {
    match tokio::fs::remove_file(&path).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok("null".to_owned()),
        removed => answer(removed, "remove", &path),
    }
}

fn answer(done: std::io::Result<()>, verb: &str, path: &str) -> Answer {
    let done = done.map(|()| "null".to_owned());
    done.map_err(|error| format!("cannot {verb} `{path}`: {error}"))
}
