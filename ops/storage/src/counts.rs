//! `rowsRead` and `rowsWritten`: how many rows a statement touched.
//!
//! The platform counts inside a patched SQLite. This is the same number
//! estimated from what an unpatched SQLite tells: how often the statement
//! stepped from row to row, how many rows changed, and its program (EXPLAIN),
//! which says what happens once per execution and what once per row. The
//! program is read only when somebody asks for a count, so statements whose
//! counts nobody reads pay nothing.
//!
//! The estimate is the platform's number for scans, point reads, ranges of an
//! index, `count(*)`, inserts, updates and deletes of one table with its
//! indexes. It differs
//!
//! * for joins whose inner table is scanned or searched for several rows: the
//!   first row of each inner round is not counted;
//! * for writes with triggers or foreign key actions: the rows they change
//!   count as much as the statement's own;
//! * for partial indexes and `ON CONFLICT`: each index of the table counts for
//!   each row, also when it was not touched, and rows replaced or looked up
//!   because of a conflict do not count as read;
//! * for virtual tables (full text search, `json_each`): only rows changed
//!   count, not rows read;
//! * for statements that change the schema: an estimate of one row per
//!   catalogue entry.
//!
//! <https://developers.cloudflare.com/durable-objects/platform/pricing/>

use std::collections::HashSet;

use crate::statement::{Speaker, Statement, Step};
use crate::{Result, ValueRef};

/// What a statement's program does once, and what it does to each row.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Shape {
    /// Rows found once per execution: where a scan or a search starts.
    starts: u64,
    /// Rows looked up for each row that a scan or a search visits.
    lookups: u64,
    /// Rows looked up for each row that is written.
    checks: u64,
    /// Tables and indexes written for each row that changes.
    writes: u64,
    /// Whether the only row of the result is the number of rows in a table.
    counts: bool,
    /// Catalogue entries written, for a statement that changes the schema.
    catalogue: u64,
}

/// What an execution's counters said.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    /// Steps from one row to the next.
    pub(crate) steps: u64,
    /// Rows changed.
    pub(crate) changes: u64,
    /// The first column of the first row, if it is an integer.
    pub(crate) first: u64,
}

impl Shape {
    /// Rows read by an execution with this tally.
    pub(crate) fn rows_read(&self, tally: Tally) -> u64 {
        let counted = if self.counts { tally.first } else { 0 };
        let looked_up = if self.lookups > 0 {
            self.lookups * (tally.steps + 1)
        } else {
            0
        };
        self.starts + tally.steps + looked_up + self.checks * tally.changes + counted
    }

    /// Rows written by an execution with this tally.
    pub(crate) fn rows_written(&self, tally: Tally) -> u64 {
        tally.changes * self.writes.max(1) + self.catalogue
    }

    /// The shape of a statement, or of one that does nothing when it cannot be
    /// explained any more (the database is closed, a table is gone).
    pub(crate) fn of(statement: &Statement) -> Shape {
        program(statement)
            .map(|operations| shape(&operations))
            .unwrap_or_default()
    }
}

/// One instruction of a program: name and first two operands.
struct Operation {
    name: String,
    p1: i64,
    p2: i64,
}

/// The instructions of a statement.
fn program(statement: &Statement) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let Some(sql) = statement.sql() else {
        return Ok(operations);
    };
    let explain = format!("EXPLAIN {sql}");
    let Some((explain, _)) = Statement::prepare(statement.handle(), &explain, Speaker::Storage)?
    else {
        return Ok(operations);
    };
    while let Ok(Step::Row) = explain.step() {
        let ValueRef::Text(name) = explain.column(1) else {
            break;
        };
        operations.push(Operation {
            name: String::from_utf8_lossy(name).into_owned(),
            p1: integer(explain.column(2)),
            p2: integer(explain.column(3)),
        });
    }
    Ok(operations)
}

fn integer(value: ValueRef<'_>) -> i64 {
    if let ValueRef::Integer(value) = value {
        value
    } else {
        0
    }
}

fn shape(operations: &[Operation]) -> Shape {
    let named = |names: &'static [&str]| {
        operations
            .iter()
            .filter(move |operation| names.contains(&operation.name.as_str()))
    };
    let cursors = |names| {
        named(names)
            .map(|operation| operation.p1)
            .collect::<HashSet<_>>()
    };
    let stepped = cursors(&["Next", "Prev", "VNext"]);
    let written = cursors(&["OpenWrite"]);
    let real = {
        let mut opened = cursors(&["OpenRead"]);
        opened.extend(&written);
        opened
    };
    let changed = cursors(&["Insert", "IdxInsert", "Delete"])
        .intersection(&written)
        .count() as u64;
    let inserts = named(&["Insert", "IdxInsert"]).any(|operation| written.contains(&operation.p1));
    let schema = named(&["ParseSchema", "DropTable", "DropIndex", "DropTrigger"])
        .next()
        .is_some();

    let mut shape = Shape::default();
    for (address, operation) in operations.iter().enumerate() {
        let name = operation.name.as_str();
        if matches!(name, "SorterSort" | "Sort")
            || (START.contains(&name) && real.contains(&operation.p1))
        {
            match in_loop(operations, address) && !stepped.contains(&operation.p1) {
                true => shape.lookups += 1,
                false if name == "NotExists" && inserts => shape.checks += 1,
                false => shape.starts += 1,
            }
        }
    }
    shape.counts = named(&["Count"]).next().is_some();
    match schema {
        true => shape.catalogue = named(&["Insert", "IdxInsert"]).count() as u64,
        false => shape.writes = changed,
    }
    shape
}

/// Instructions that find a row of a table or an index.
const START: &[&str] = &[
    "Rewind",
    "Last",
    "SeekGE",
    "SeekGT",
    "SeekLE",
    "SeekLT",
    "SeekRowid",
    "NotExists",
];

/// Whether an instruction lies between the two ends of a loop.
fn in_loop(operations: &[Operation], address: usize) -> bool {
    operations.iter().enumerate().any(|(end, operation)| {
        matches!(operation.name.as_str(), "Next" | "Prev" | "VNext")
            && (operation.p2..=end as i64).contains(&(address as i64))
    })
}
