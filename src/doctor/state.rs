//! The state directory, and the file system under it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

use stead_storage::StateDir;
use stead_storage::StorageError;

use super::About;
use super::Finding;
use super::port;
use crate::cli::timestamp::iso8601;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::stored::question::Answer;
use crate::stored::question::Listed;
use crate::stored::question::Question;

/// Less room than this is worth a word, and than this is not enough.
const FREE_BYTES_NOTE: u64 = 2 << 30;
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Files of which the owner is looked at.
const FILES_MAX: usize = 20_000;
/// How far ahead of the clock a commit may be: what the clocks of a network differ by.
const AHEAD_MS_MAX: i64 = 60_000;

pub fn examine(path: &Path) -> Vec<Finding> {
    let mut findings = file_system(path);
    if !path.is_dir() {
        let what = format!("no state yet: it will be in `{}`", path.display());
        findings.push(Finding::fine(About::State, what));
        return findings;
    }
    let user = rustix::process::geteuid().as_raw();
    findings.extend(foreign_files(path, user));
    findings.extend(use_of(path));
    findings
}

/// Whether the directory is free, and what is in it.
fn use_of(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    let state = match StateDir::open(path) {
        Ok(state) => state,
        Err(StorageError::InUse { pid, .. }) => {
            let by = pid.map_or(String::new(), |pid| format!(" by {}", port::process(pid)));
            let todo = "a server runs on it, and other commands ask that one; stop it before you start another";
            let mut findings = vec![Finding::note(
                About::State,
                format!("state in `{shown}` is in use{by}"),
                todo,
            )];
            findings.extend(
                ask_server(path)
                    .map(|listed| objects(&listed))
                    .unwrap_or_default(),
            );
            return findings;
        }
        Err(error) => {
            let todo = format!("give yourself the folder: sudo chown -R \"$USER\" {shown}");
            return vec![Finding::wrong(About::State, error.to_string(), todo)];
        }
    };
    if !state.was_clean() {
        return vec![Finding::note(
            About::State,
            format!("state in `{shown}`: the last server did not stop cleanly"),
            "nothing to do: the next start recovers it; `stead verify` does, too, and checks everything",
        )];
    }
    if let Err(error) = state.mark_clean() {
        let todo = "the disk refuses to be written: look at its free space and at the system's log";
        return vec![Finding::wrong(About::State, error.to_string(), todo)];
    }
    drop(state);
    if !path.join("journal").is_dir() {
        return vec![Finding::fine(About::State, format!("state in `{shown}`"))];
    }
    match crate::stored::answer_stopped(path, &Question::List) {
        Ok(Answer::Objects(listed)) => {
            let count = listed.len();
            let plural = if count == 1 { "" } else { "s" };
            let what = format!("state in `{shown}`: {count} object{plural}");
            let mut findings = vec![Finding::fine(About::State, what)];
            findings.extend(objects(&listed));
            findings
        }
        Ok(_) => Vec::new(),
        Err(refused) => {
            let todo =
                "`stead verify` tells what is damaged; a backup of the folder brings it back";
            vec![Finding::wrong(About::State, refused.what, todo)]
        }
    }
}

/// What the server that runs on the directory says of its objects.
fn ask_server(path: &Path) -> Option<Vec<Listed>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = runtime.block_on(crate::control::ask_stored(path, &Question::List));
    match asked {
        Ok(Some(Ok(Answer::Objects(listed)))) => Some(listed),
        _ => None,
    }
}

fn objects(listed: &[Listed]) -> Vec<Finding> {
    let damaged = listed.iter().filter_map(|object| {
        let damage = object.damage.as_ref()?;
        let (folder, id) = (&object.object.unique_key, &object.object.id);
        Some(Finding::wrong(
            About::State,
            format!("object {folder}/{id} cannot be opened: {damage}"),
            format!("`stead history {folder}/{id}` lists what `stead restore` can bring back"),
        ))
    });
    let mut findings: Vec<Finding> = damaged.collect();
    let last_ms = listed.iter().filter_map(|object| object.last_ms).max();
    let now_ms = SystemClock.now_ms();
    if let Some(last_ms) = last_ms.filter(|last_ms| *last_ms > now_ms + AHEAD_MS_MAX) {
        let last = iso8601(last_ms.unsigned_abs());
        findings.push(Finding::note(
            About::State,
            format!("an object was written to at {last}, which is still to come: the clock was set back"),
            "set the clock; until it has caught up, `--at` a time does not find these commits, bookmarks do",
        ));
    }
    findings
}

/// Files that another user owns, so that they cannot be written, or could not be by the user who owns the rest.
fn foreign_files(path: &Path, user: u32) -> Option<Finding> {
    let mut folders = vec![path.to_owned()];
    let mut seen = 0;
    let mut foreign: Vec<(PathBuf, u32)> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            seen += 1;
            if metadata.uid() != user {
                foreign.push((entry.path(), metadata.uid()));
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
        if seen > FILES_MAX {
            break;
        }
    }
    let (first, owner) = foreign.first()?;
    let what = format!(
        "{} in `{}` are not yours: `{}` is user {owner}'s, and you are user {user}",
        match foreign.len() {
            1 => "one file".to_owned(),
            count => format!("{count} files"),
        },
        path.display(),
        first.strip_prefix(path).unwrap_or(first).display(),
    );
    let todo = format!(
        "run the server as one user, who owns all of it: sudo chown -R USER {}",
        path.display()
    );
    // Whoever is no root cannot write them.
    Some(match user {
        0 => Finding::note(About::State, what, todo),
        _ => Finding::wrong(About::State, what, todo),
    })
}

/// What the files are on, and how much room there is.
fn file_system(path: &Path) -> Vec<Finding> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.unwrap_or(Path::new("."));
    let mut findings = Vec::new();
    if let Ok(system) = rustix::fs::statfs(existing) {
        findings.extend(kind(system.f_type as u64 & 0xffff_ffff, path));
    }
    if let Ok(system) = rustix::fs::statvfs(existing) {
        if system
            .f_flag
            .contains(rustix::fs::StatVfsMountFlags::RDONLY)
        {
            findings.push(Finding::wrong(
                About::State,
                format!(
                    "`{}` is on a file system that is mounted read-only",
                    path.display()
                ),
                "mount it for writing, or choose another folder with `--state DIR`",
            ));
        }
        findings.push(room(system.f_bavail * system.f_frsize));
    }
    findings
}

fn room(free: u64) -> Finding {
    let shown = match free {
        0..1_073_741_824 => format!("{} MiB", free >> 20),
        _ => format!("{} GiB", free >> 30),
    };
    let what = format!("{shown} are free for state");
    let todo = "make room, or keep less of the past: `--history 1d`, `--history-size 1G`";
    match free {
        0..FREE_BYTES_MIN => Finding::wrong(About::State, what, todo),
        FREE_BYTES_MIN..FREE_BYTES_NOTE => Finding::note(About::State, what, todo),
        _ => Finding::fine(About::State, what),
    }
}

/// A kind of file system on which state should not be, by its number:
/// <https://man7.org/linux/man-pages/man2/statfs.2.html>
fn kind(magic: u64, path: &Path) -> Option<Finding> {
    let shown = path.display();
    let elsewhere = "choose a folder on a local disk with `--state DIR`";
    let finding = match magic {
        0x0102_1994 | 0x8584_58f6 => Finding::note(
            About::State,
            format!("`{shown}` is in memory (tmpfs): a restart of the machine empties it"),
            elsewhere,
        ),
        0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x5346_414f | 0x00c3_6400 => Finding::wrong(
            About::State,
            format!(
                "`{shown}` is on a file system of the network, which does not keep what SQLite and the journal rely on"
            ),
            elsewhere,
        ),
        0x6573_5546 | 0x0102_1997 => Finding::note(
            About::State,
            format!(
                "`{shown}` is on a file system outside of the system's kernel (FUSE or 9p): whether a sync reaches a disk is its own to say"
            ),
            elsewhere,
        ),
        0x794c_7630 => Finding::note(
            About::State,
            format!(
                "`{shown}` is in a container's own layer: it goes when the container is removed"
            ),
            "mount a volume for it",
        ),
        _ => return None,
    };
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn file_systems_that_lose_state_are_told() {
        let level = |magic| kind(magic, Path::new("/x")).map(|finding| finding.level);
        assert_eq!(level(0x0102_1994), Some(Level::Note));
        assert_eq!(level(0x6969), Some(Level::Wrong));
        assert_eq!(level(0x6573_5546), Some(Level::Note));
        // ext4
        assert_eq!(level(0xef53), None);
    }

    #[test]
    fn too_little_room_is_told() {
        assert_eq!(room(1 << 20).level, Level::Wrong);
        assert_eq!(room(1 << 30).level, Level::Note);
        assert_eq!(room(1 << 40).what, "1024 GiB are free for state");
        assert_eq!(room(1 << 40).level, Level::Fine);
    }

    #[test]
    fn files_of_another_user_are_told() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("a-A")).unwrap();
        fs::write(state.path().join("a-A/1.sqlite"), "").unwrap();
        let user = fs::metadata(state.path()).unwrap().uid();
        assert_eq!(foreign_files(state.path(), user), None);
        let other = foreign_files(state.path(), user + 1).unwrap();
        assert_eq!(other.level, Level::Wrong);
        assert!(other.what.starts_with("2 files in"), "{other:?}");
    }

    #[test]
    fn what_objects_are_damaged_is_told_and_commits_still_to_come() {
        let object = |last_ms, damage: Option<&str>| Listed {
            object: crate::stored::question::ObjectRef {
                unique_key: "w-A".to_owned(),
                id: "ab".to_owned(),
            },
            name: None,
            facet: None,
            bytes: 0,
            history_bytes: 0,
            last_ms,
            damage: damage.map(str::to_owned),
        };
        assert_eq!(objects(&[object(Some(0), None)]), []);
        let found = objects(&[object(Some(i64::MAX / 2), Some("torn"))]);
        let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Wrong, Level::Note], "{found:#?}");
        assert!(found[0].what.contains("w-A/ab cannot be opened: torn"));
    }
}
