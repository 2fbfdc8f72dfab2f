//! The commands that look at stored objects and bring back their past, as data.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::args::{UniqueKey, parse_unique_key};
use crate::stored::question::Moment;

/// Where the objects are, and how the answer is printed.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// Where objects are stored, if `run` was told so
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// Storage folder of a class, if `run` was told so
    #[arg(long = "unique-key", value_name = "CLASS=KEY", value_parser = parse_unique_key)]
    pub unique_keys: Vec<UniqueKey>,

    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// What has to be said of an object besides its class and its name.
#[derive(Clone, Debug, Args)]
pub struct WhichArgs {
    /// The worker whose class it is, where several have one of that name
    #[arg(long, value_name = "NAME")]
    pub worker: Option<String>,

    /// A facet of the object, by its name; once more for a facet of that one
    #[arg(long = "facet", value_name = "NAME")]
    pub facets: Vec<String>,
}

/// List stored objects and facets: class and id, size, last write
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stead ls chat.ts
  stead ls gateway/                               what `stead dev gateway/` stored
  stead ls --state /var/lib/chat --json | jq '.[].bytes'")]
pub struct LsArgs {
    /// The file that was run; its objects are in .stead/<FILE's stem> beside it. Or the folder of a project that `dev`
    /// serves; those are in its .stead/state [default: the only folder in .stead, or the project here]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// List the moments to which an object can be taken back
#[derive(Clone, Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "\
Examples:
  stead history chat.ts ChatRoom/lobby
  stead history . ChatRoom/lobby
  stead history ChatRoom/lobby --state /var/lib/chat --limit 1000"
)]
pub struct HistoryCommand {
    /// The file that was run; its objects are in .stead/<FILE's stem> beside it. Or the folder of a project that `dev`
    /// serves; those are in its .stead/state [default: the only folder in .stead, or the project here]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub which: WhichArgs,

    /// The object: its class, a slash, and its name or id
    #[arg(value_name = "OBJECT")]
    pub object: String,

    /// How many moments to list, counted from the last
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// Take an object back to a moment of its past: its SQL, its keys and values, its alarm
///
/// What it is now stays in its history: `--undo` takes it back to that. On a running server the object is reset.
#[derive(Clone, Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "\
Examples:
  stead restore chat.ts ChatRoom/lobby --at 10m
  stead restore chat.ts ChatRoom/lobby --at 2026-11-24T10:00:00Z --dry-run
  stead restore chat.ts ChatRoom/lobby --at 00000000-0000002a-00000000-6ad3d9f1d36f4b0e8f0ad1c8e5b7a312
  stead restore chat.ts ChatRoom/lobby --undo"
)]
pub struct RestoreArgs {
    /// The file that was run; its objects are in .stead/<FILE's stem> beside it. Or the folder of a project that `dev`
    /// serves; those are in its .stead/state [default: the only folder in .stead, or the project here]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub which: WhichArgs,

    /// The object: its class, a slash, and its name or id
    #[arg(value_name = "OBJECT")]
    pub object: String,

    /// The moment: a bookmark, a time (2026-11-24T10:00:00Z), or how long ago (90s, 10m, 2h, 1d)
    #[arg(long, value_name = "MOMENT", value_parser = parse_when, required_unless_present = "undo", conflicts_with = "undo")]
    pub at: Option<When>,

    /// Undo the last restore
    #[arg(long)]
    pub undo: bool,

    /// Change nothing, and tell what would be changed
    #[arg(long)]
    pub dry_run: bool,
}

/// Write an object's database, as it is or was, into a file that any SQLite opens
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "stead export [OPTIONS] [FILE] <OBJECT> <OUT>",
    after_help = "\
Examples:
  stead export chat.ts ChatRoom/lobby lobby.sqlite
  stead export chat.ts ChatRoom/lobby --at 1d yesterday.sqlite
  stead export ChatRoom/lobby lobby.sqlite --state /var/lib/chat"
)]
pub struct ExportArgs {
    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub which: WhichArgs,

    /// FILE, if need be: the file that was run, or the project's folder; OBJECT: its class, a slash, and its name or id; OUT: the file to write
    #[arg(value_name = "WORD", num_args = 1.., required = true, value_hint = ValueHint::FilePath)]
    pub words: Vec<String>,

    /// The moment: a bookmark, a time (2026-11-24T10:00:00Z), or how long ago (90s, 10m, 2h, 1d)
    #[arg(long, value_name = "MOMENT", value_parser = parse_when)]
    pub at: Option<When>,
}

/// Make an object what a SQLite file holds (`stead restore --undo` takes it back), or take over what wrangler stored
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "stead import [OPTIONS] [FILE] <OBJECT> <IN>\n       stead import --wrangler [DIR]",
    after_help = "\
Examples:
  stead import --wrangler                         what `wrangler dev` stored in this project, for `stead dev`
  stead import --wrangler ../chat
  stead import chat.ts ChatRoom/lobby lobby.sqlite
  stead import ChatRoom/copy lobby.sqlite --state /var/lib/chat"
)]
pub struct ImportArgs {
    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub which: WhichArgs,

    /// Copy all objects that `wrangler dev` stored for a project, with their alarms, into the project's state
    ///
    /// DIR is the project's folder, or the `.wrangler/state/v3/do` to copy from. Objects that the project has already stay
    /// as they are, and so do wrangler's files.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".", conflicts_with_all = ["words", "worker", "facets"], value_hint = ValueHint::DirPath)]
    pub wrangler: Option<PathBuf>,

    /// FILE, if need be: the file that was run, or the project's folder; OBJECT: its class, a slash, and its name or id; IN: the file to read
    #[arg(value_name = "WORD", num_args = 1.., required_unless_present = "wrangler", value_hint = ValueHint::FilePath)]
    pub words: Vec<String>,
}

/// Check every checksum of stored objects, and that each database is what its history says
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stead verify chat.ts
  stead verify --state /var/lib/chat --object ChatRoom/lobby")]
pub struct VerifyArgs {
    /// The file that was run; its objects are in .stead/<FILE's stem> beside it. Or the folder of a project that `dev`
    /// serves; those are in its .stead/state [default: the only folder in .stead, or the project here]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub place: PlaceArgs,

    /// Only this object: its class, a slash, and its name or id
    #[arg(long, value_name = "OBJECT")]
    pub object: Option<String>,

    /// The worker whose class it is, where several have one of that name
    #[arg(long, value_name = "NAME", requires = "object")]
    pub worker: Option<String>,
}

/// The file that was run, if it was named, an object, and another file; None if there are too few or too many words.
pub fn split(words: &[String]) -> Option<(Option<PathBuf>, &str, PathBuf)> {
    let (file, object, other) = match words {
        [object, other] => (None, object, other),
        [file, object, other] => (Some(PathBuf::from(file)), object, other),
        _ => return None,
    };
    Some((file, object, PathBuf::from(other)))
}

/// A moment as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Milliseconds before now.
    Ago(i64),
    /// A moment that does not depend on now.
    Moment(Moment),
}

impl When {
    /// The moment that is meant now, in milliseconds since 1970.
    pub fn moment(&self, now_ms: i64) -> Moment {
        match self {
            When::Ago(ms) => Moment::Time(now_ms - ms),
            When::Moment(moment) => moment.clone(),
        }
    }
}

const WHEN: &str =
    "a bookmark, a time such as 2026-11-24T10:00:00Z, or how long ago, such as 10m, is needed";

fn parse_when(text: &str) -> Result<When, String> {
    if text.len() == 59 && text.bytes().filter(|byte| *byte == b'-').count() == 3 {
        return Ok(When::Moment(Moment::Bookmark(text.to_owned())));
    }
    let units = [
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let ago = units.iter().find_map(|(unit, ms)| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*ms).filter(|ms| *ms >= 0)
    });
    if let Some(ms) = ago {
        return Ok(When::Ago(ms));
    }
    let time = parse_time(text).ok_or_else(|| WHEN.to_owned())?;
    Ok(When::Moment(Moment::Time(time)))
}

/// Milliseconds since 1970; a time without a zone is one of UTC.
fn parse_time(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let forms = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let naive = forms
        .iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
    let naive = naive.or_else(|| {
        let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        date.and_hms_opt(0, 0, 0)
    });
    Some(naive?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Moment) {
        let now_ms = 1_000_000_000_000;
        assert_eq!(
            parse_when(text).map(|when| when.moment(now_ms)),
            Ok(expect),
            "{text}"
        );
    }

    #[test]
    fn a_moment_is_a_bookmark_a_time_or_how_long_ago() {
        let bookmark = "00000000-0000002a-00000000-6ad3d9f1d36f4b0e8f0ad1c8e5b7a312";
        check(bookmark, Moment::Bookmark(bookmark.to_owned()));
        check("90s", Moment::Time(999_999_910_000));
        check("1d", Moment::Time(999_913_600_000));
        let ten = 1_795_514_400_000;
        for text in [
            "2026-11-24T10:00:00Z",
            "2026-11-24T11:00:00.000+01:00",
            "2026-11-24T10:00:00",
            "2026-11-24 10:00",
            "1795514400000",
        ] {
            check(text, Moment::Time(ten));
        }
        check("2026-11-24", Moment::Time(ten - 10 * 3_600_000));
        for text in ["yesterday", "-5m", "10", "10x", ""] {
            let refused = parse_when(text);
            assert!(
                text == "10" || refused == Err(WHEN.to_owned()),
                "{text}: {refused:?}"
            );
        }
    }
}
