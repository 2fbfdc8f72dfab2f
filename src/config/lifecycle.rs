//! What becomes of object classes and their storage over time: `migrations`, or the newer `exports`.
//!
//! <https://developers.cloudflare.com/durable-objects/reference/durable-objects-migrations/>

use super::read::Reader;
use super::tree::Node;

/// The classes' history, in the order in which it is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    pub migrations: Vec<Migration>,
    /// Classes that the configuration says exist.
    pub declared: Vec<String>,
}

/// Some steps that are applied together, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its name; None for `exports`, whose steps are compared with the state each time.
    pub tag: Option<String>,
    pub steps: Vec<Step>,
}

/// One change of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    New(String),
    Rename {
        from: String,
        to: String,
    },
    Delete(String),
    /// Another worker's class becomes this one's.
    Transfer {
        worker: String,
        from: String,
        to: String,
    },
}

/// Reads whichever of the two is there.
pub fn read(reader: &mut Reader<'_>, table: &Node, path: &str) -> Lifecycle {
    let migrations = table.get("migrations");
    match table.get("exports") {
        Some(exports) if migrations.is_some() => {
            reader.error(
                &exports.span,
                "`exports` and `migrations` cannot be used together",
                "keep one of them: `exports` says the same without tags",
            );
            Lifecycle::default()
        }
        Some(_) => from_exports(reader, table, path),
        None => from_migrations(reader, table, path),
    }
}

const MIGRATION_KEYS: &[&str] = &[
    "tag",
    "new_classes",
    "new_sqlite_classes",
    "renamed_classes",
    "deleted_classes",
    "transferred_classes",
];

fn from_migrations(reader: &mut Reader<'_>, table: &Node, path: &str) -> Lifecycle {
    let example = "[{ \"tag\": \"v1\", \"new_sqlite_classes\": [\"Counter\"] }]";
    let mut lifecycle = Lifecycle::default();
    for entry in reader.tables(table, path, "migrations", example) {
        reader.known_keys(entry, "migrations[]", MIGRATION_KEYS);
        let tag = reader.required(entry, "migrations[]", "tag", "\"v1\"");
        let mut steps = Vec::new();
        for key in ["new_classes", "new_sqlite_classes"] {
            let classes = reader.strings(entry, "migrations[]", key, "[\"Counter\"]");
            steps.extend(classes.into_iter().map(Step::New));
        }
        let pairs = "[{ \"from\": \"Old\", \"to\": \"New\" }]";
        for renamed in reader.tables(entry, "migrations[]", "renamed_classes", pairs) {
            let path = "migrations[].renamed_classes[]";
            let from = reader.required(renamed, path, "from", "\"Old\"");
            let to = reader.required(renamed, path, "to", "\"New\"");
            if let (Some(from), Some(to)) = (from, to) {
                steps.push(Step::Rename { from, to });
            }
        }
        for moved in reader.tables(entry, "migrations[]", "transferred_classes", pairs) {
            let path = "migrations[].transferred_classes[]";
            let worker = reader.required(moved, path, "from_script", "\"other-worker\"");
            let from = reader.required(moved, path, "from", "\"Old\"");
            let to = reader.required(moved, path, "to", "\"New\"");
            if let (Some(worker), Some(from), Some(to)) = (worker, from, to) {
                steps.push(Step::Transfer { worker, from, to });
            }
        }
        let deleted = reader.strings(entry, "migrations[]", "deleted_classes", "[\"Counter\"]");
        steps.extend(deleted.into_iter().map(Step::Delete));
        if let Some(tag) = tag {
            lifecycle.migrations.push(Migration {
                tag: Some(tag),
                steps,
            });
        }
    }
    for step in lifecycle.migrations.iter().flat_map(|m| &m.steps) {
        declare(&mut lifecycle.declared, step);
    }
    lifecycle
}

fn declare(declared: &mut Vec<String>, step: &Step) {
    let (gone, come) = match step {
        Step::New(class) => (None, Some(class)),
        Step::Rename { from, to } => (Some(from), Some(to)),
        Step::Delete(class) => (Some(class), None),
        Step::Transfer { to, .. } => (None, Some(to)),
    };
    if let Some(gone) = gone {
        declared.retain(|class| class != gone);
    }
    if let Some(come) = come
        && !declared.contains(come)
    {
        declared.push(come.clone());
    }
}

const EXPORT_KEYS: &[&str] = &[
    "type",
    "state",
    "storage",
    "renamed_to",
    "transferred_to",
    "transfer_from",
    "container",
];

const STATES: &[&str] = &[
    "created",
    "deleted",
    "renamed",
    "transferred",
    "expecting-transfer",
];

fn from_exports(reader: &mut Reader<'_>, table: &Node, path: &str) -> Lifecycle {
    let mut steps = Vec::new();
    let mut declared = Vec::new();
    for entry in reader.entries(table, path, "exports") {
        let class = entry.key.clone();
        let path = super::read::join("exports", &class);
        let table = &entry.value;
        if reader
            .required(table, &path, "type", "\"durable-object\"")
            .as_deref()
            != Some("durable-object")
        {
            // Entrypoints and what else may come have no storage to look after.
            continue;
        }
        reader.known_keys(table, &path, EXPORT_KEYS);
        let state = match table.get("state") {
            None => Some("created".to_owned()),
            Some(_) => reader.word(table, &path, "state", STATES),
        };
        match state.as_deref() {
            Some("created") => {
                steps.push(Step::New(class.clone()));
                declared.push(class);
            }
            Some("deleted") => steps.push(Step::Delete(class)),
            Some("renamed") => {
                if let Some(to) = reader.required(table, &path, "renamed_to", "\"NewName\"") {
                    steps.push(Step::Rename { from: class, to });
                }
            }
            Some("transferred") => {
                // The receiving side takes the objects; here the class is only gone.
                reader.required(table, &path, "transferred_to", "\"other-worker\"");
            }
            Some("expecting-transfer") => {
                let example = "\"source-worker\"";
                if let Some(worker) = reader.required(table, &path, "transfer_from", example) {
                    let (worker, from) = match worker.split_once('/') {
                        Some((worker, from)) => (worker.to_owned(), from.to_owned()),
                        None => (worker, class.clone()),
                    };
                    steps.push(Step::Transfer {
                        worker,
                        from,
                        to: class.clone(),
                    });
                }
                declared.push(class);
            }
            _ => {}
        }
    }
    // Names are changed before classes come into being under them.
    steps.sort_by_key(|step| matches!(step, Step::New(_)));
    Lifecycle {
        migrations: vec![Migration { tag: None, steps }],
        declared,
    }
}
