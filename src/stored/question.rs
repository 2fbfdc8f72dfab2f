//! What can be asked about stored objects, and the answers: plain data, sent through the control socket and printed with
//! `--json` as it is.

use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

/// An object as the state directory knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The folder of its namespace.
    pub unique_key: String,
    /// Its id, in hexadecimal digits; a dot and the number of a facet follow, if it is that of one.
    pub id: String,
}

/// A moment of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    /// The last commit until then, in milliseconds since 1970.
    Time(i64),
    /// What a bookmark means.
    Bookmark(String),
    /// The moment before the last restore.
    BeforeRestore,
}

/// One question, or one wish.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// All objects.
    List,
    /// The last moments of an object's past, at most `limit`.
    History { object: ObjectRef, limit: usize },
    /// Take an object to a moment, or tell what that would change.
    Restore {
        object: ObjectRef,
        to: Moment,
        dry_run: bool,
    },
    /// Write an object's database, as it is or was, into a file.
    Export {
        object: ObjectRef,
        at: Option<Moment>,
        file: PathBuf,
    },
    /// Make an object what a database file holds.
    Import { object: ObjectRef, file: PathBuf },
    /// Check an object, or all.
    Verify { object: Option<ObjectRef> },
}

/// What was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    Objects(Vec<Listed>),
    History(History),
    Restored(Restored),
    Exported(At),
    Imported(Imported),
    Verified(Vec<Verified>),
}

/// An object of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its name, where it is known: objects that had an alarm know it.
    pub name: Option<String>,
    /// For a facet, the names that lead to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facet: Option<Vec<String>>,
    /// Bytes of its database.
    pub bytes: u64,
    /// Bytes of its history.
    pub history_bytes: u64,
    /// When it was last written to, in milliseconds since 1970.
    pub last_ms: Option<i64>,
    /// Why it cannot be opened.
    pub damage: Option<String>,
}

/// The past of an object, as far as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Oldest first.
    pub moments: Vec<Past>,
    /// How many there are.
    pub count: usize,
}

/// A commit of the past.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    #[serde(flatten)]
    pub at: At,
    /// Pages that it changed.
    pub pages: u32,
    /// Whether it took the object back to an earlier state.
    pub is_restore: bool,
}

/// A commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct At {
    /// When it was made, in milliseconds since 1970.
    pub time_ms: i64,
    pub bookmark: String,
}

/// What a restore did or, as a dry run, would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The commit whose state it is.
    pub to: At,
    /// Pages that become other ones.
    pub pages: usize,
    /// Pages of the database afterwards.
    pub pages_in_all: u32,
    /// What undoes it; none if it was a dry run.
    pub undo: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// What undoes it; none if the object was new.
    pub undo: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Nothing, if all is well.
    pub problems: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub what: String,
    /// Whether something else should have been asked, rather than that something is broken.
    pub is_usage: bool,
}

impl Refused {
    /// Something that is nobody's fault but Stead's own.
    pub fn internal(error: impl std::fmt::Display) -> Refused {
        Refused {
            what: error.to_string(),
            is_usage: false,
        }
    }

    pub fn usage(what: impl Into<String>) -> Refused {
        Refused {
            what: what.into(),
            is_usage: true,
        }
    }
}
