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
//!   each row, also when it was not touched, and a look-up that only a
//!   conflict would make counts also without one;
//! * for virtual tables (full text search, `json_each`) and for results that
//!   are kept aside (`RETURNING`, window functions): their rows do not count
//!   as read;
//! * for statements that change the schema: catalogue entries made count as
//!   written, the rows of a new index do not, nor does what an ALTER TABLE
//!   rewrites.
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
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Steps from one row to the next.
    pub steps: u64,
    /// Rows changed.
    pub changes: u64,
    /// The first column of the first row, if it is an integer.
    pub first: u64,
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
        tally.changes * self.writes + self.catalogue
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

impl Operation {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
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
    let cursors = |names: &[&str]| -> HashSet<i64> {
        let named = operations.iter().filter(|operation| operation.is(names));
        named.map(|operation| operation.p1).collect()
    };
    let contains = |names| operations.iter().any(|operation| operation.is(names));
    let stepped = cursors(&["Next", "Prev", "VNext"]);
    let written = cursors(&["OpenWrite"]);
    // Cursors of tables and indexes, as opposed to those of intermediate results.
    let stored: HashSet<i64> = written.union(&cursors(&["OpenRead"])).copied().collect();
    let inserted = cursors(&["Insert", "IdxInsert"])
        .intersection(&written)
        .count() as u64;

    let mut shape = Shape {
        counts: contains(&["Count"]),
        ..Shape::default()
    };
    for (address, operation) in operations.iter().enumerate() {
        let sorts = operation.is(&["SorterSort", "Sort"]);
        let starts = operation.is(START) && stored.contains(&operation.p1);
        if !sorts && !starts {
            continue;
        }
        if in_loop(operations, address) && !stepped.contains(&operation.p1) {
            shape.lookups += 1;
        } else if operation.is(&["NotExists"]) && inserted > 0 {
            shape.checks += 1;
        } else {
            shape.starts += 1;
        }
    }
    if !contains(&["ParseSchema", "DropTable", "DropIndex", "DropTrigger"]) {
        // A row that is deleted counts once, whatever indexes it is in.
        shape.writes = inserted.max(1);
    } else if !contains(&["Destroy"]) {
        let entries = operations
            .iter()
            .filter(|operation| operation.is(&["Insert"]));
        shape.catalogue = entries
            .filter(|operation| written.contains(&operation.p1))
            .count() as u64;
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
