//! `.assetsignore`: files of the folder that are not served, in the words of `.gitignore`.
//!
//! <https://git-scm.com/docs/gitignore#_pattern_format>

use std::path::Path;

pub const IGNORE_FILE: &str = ".assetsignore";

/// What is not served, the last word of all that are said about a file counting.
#[derive(Default)]
pub struct Ignored {
    lines: Vec<Line>,
}

struct Line {
    /// The file is served after all.
    is_exception: bool,
    /// It is about folders, and what is in them.
    folders_only: bool,
    /// A path below the folder of files.
    glob: String,
}

impl Ignored {
    /// Reads the file of a folder, if it is there. Waits for the disk.
    pub fn read(folder: &Path) -> Ignored {
        let text = std::fs::read_to_string(folder.join(IGNORE_FILE));
        Ignored::parse(&text.unwrap_or_default())
    }

    fn parse(text: &str) -> Ignored {
        Ignored {
            lines: text.lines().filter_map(Line::parse).collect(),
        }
    }

    /// Whether a file is not served. The path is that of a request, decoded.
    pub fn holds(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        // What is in an ignored folder cannot be excepted.
        folders.into_iter().any(|folder| self.says(folder, true)) || self.says(path, false)
    }

    fn says(&self, path: &str, is_folder: bool) -> bool {
        let about = |line: &&Line| {
            (is_folder || !line.folders_only) && fast_glob::glob_match(&line.glob, path)
        };
        let last = self.lines.iter().rev().find(about);
        last.is_some_and(|line| !line.is_exception)
    }
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let kept = line.trim_end();
        // A space that is escaped stays.
        let line = match kept.ends_with('\\') && kept.len() < line.len() {
            true => &line[..kept.len() + 1],
            false => kept,
        };
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (line, is_exception) = match line.strip_prefix('!') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (line, folders_only) = match line.strip_suffix('/') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let below = line.strip_prefix('/').unwrap_or(line);
        let glob = match line.contains('/') {
            true => below.to_owned(),
            false => format!("**/{below}"),
        };
        // What has no meaning there has one here.
        let glob = glob.replace('{', "\\{").replace('}', "\\}");
        Some(Line {
            is_exception,
            folders_only,
            glob,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, bool)]) {
        let ignored = Ignored::parse(text);
        for (path, held) in expect {
            assert_eq!(ignored.holds(path), *held, "{path} by {text:?}");
        }
    }

    #[test]
    fn files_are_ignored_as_git_does() {
        check(
            "*.log",
            &[("/a.log", true), ("/b/a.log", true), ("/a.txt", false)],
        );
        check("/a", &[("/a", true), ("/a/b", true), ("/b/a", false)]);
        check(
            "a/b",
            &[("/a/b", true), ("/c/a/b", false), ("/a/b/c", true)],
        );
        check("a/", &[("/a", false), ("/a/b", true), ("/b/a/c", true)]);
        check("# a\n\na ", &[("/a", true), ("/# a", false)]);
        check("a/*\n!a/b", &[("/a/b", false), ("/a/c", true)]);
        check("a\n!a/b", &[("/a/b", true)]);
        check("a/**/b", &[("/a/b", true), ("/a/c/d/b", true)]);
        check(
            "[ab].?s",
            &[("/a.js", true), ("/c.js", false), ("/a.mjs", false)],
        );
        check("{a,b}", &[("/a", false), ("/{a,b}", true)]);
        check("\\!a", &[("/!a", true)]);
    }
}
