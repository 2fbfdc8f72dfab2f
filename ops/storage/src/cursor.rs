//! The rows of one execution, read one by one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::counts::{Shape, Tally};
use crate::database::Database;
use crate::statement::{Statement, Step};
use crate::{Result, StorageError, ValueRef};

/// The result of [`Database::exec`], one row ahead of its reader: as soon as
/// the cursor exists its first row is there or is known not to be.
///
/// When the last row has been passed the statement goes back to the cache.
/// Names and counts stay readable after that.
pub struct Cursor {
    database: Rc<Database>,
    statement: Rc<Statement>,
    columns: Rc<[String]>,
    rows: Rows,
    tally: Cell<Tally>,
}

/// Where the rows come from.
enum Rows {
    /// The running statement, which is at a row.
    Running,
    /// Rows that were all read at once, of a statement that writes: SQLite
    /// refuses to commit while such a statement is running, and a reader may
    /// never come back for the rest.
    Kept(VecDeque<Vec<Value>>),
    /// There is no further row.
    Ended,
}

/// A value that outlives its statement.
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Box<[u8]>),
    Blob(Box<[u8]>),
}

impl Cursor {
    /// Takes over a statement that has just made its first step.
    pub(crate) fn new(
        database: &Rc<Database>,
        statement: Rc<Statement>,
        step: Step,
        changes: u64,
    ) -> Result<Cursor> {
        let first = match (step, statement.column(0)) {
            (Step::Row, ValueRef::Integer(value)) => value.max(0) as u64,
            _ => 0,
        };
        let mut cursor = Cursor {
            database: Rc::clone(database),
            columns: statement.columns(),
            statement,
            rows: Rows::Running,
            tally: Cell::new(Tally {
                steps: 0,
                changes,
                first,
            }),
        };
        match step {
            Step::Done => cursor.end(),
            Step::Row if !cursor.statement.readonly => cursor.keep_rows()?,
            Step::Row => (),
        }
        Ok(cursor)
    }

    /// Number of columns of the result.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Names of the columns, repeated names included. Readable at any time.
    pub fn column_names(&self) -> &[String] {
        &self.columns
    }

    /// Whether there is a row to read. Also true when the rows were taken away
    /// by `deleteAll()` or an abort; [`Cursor::check`] tells.
    pub fn has_row(&self) -> bool {
        !matches!(self.rows, Rows::Ended)
    }

    /// Call before the columns of a row are read.
    ///
    /// # Errors
    /// When the statement was taken away: `SQLite query was canceled because
    /// the database was deleted.`, or the error of the broken or closed
    /// object.
    pub fn check(&self) -> Result<()> {
        match self.rows {
            Rows::Running if self.statement.is_gone() => Err(self.database.gone()),
            _ => Ok(()),
        }
    }

    /// A column of the current row, as SQLite has it. NULL when there is no
    /// row or no such column.
    ///
    /// Text and blobs are SQLite's own memory: read them before the next call
    /// on this cursor or its database.
    pub fn column(&self, index: usize) -> ValueRef<'_> {
        match &self.rows {
            Rows::Running => self.statement.column(index),
            Rows::Kept(rows) => rows
                .front()
                .and_then(|row| row.get(index))
                .map_or(ValueRef::Null, Value::as_ref),
            Rows::Ended => ValueRef::Null,
        }
    }

    /// Goes to the next row. Does nothing at the end.
    ///
    /// # Errors
    /// The statement's own, and those of [`Cursor::check`]; the cursor is at
    /// its end then.
    pub fn advance(&mut self) -> Result<()> {
        match &mut self.rows {
            Rows::Ended => Ok(()),
            Rows::Kept(rows) => {
                rows.pop_front();
                if rows.is_empty() {
                    self.rows = Rows::Ended;
                }
                Ok(())
            }
            Rows::Running => self.advance_statement(),
        }
    }

    /// Rows read so far, see [`crate::counts`] for how they are counted.
    pub fn rows_read(&self) -> u64 {
        self.shape().rows_read(self.current_tally())
    }

    /// Rows written so far, rows of indexes included.
    pub fn rows_written(&self) -> u64 {
        if self.statement.readonly {
            return 0;
        }
        self.shape().rows_written(self.current_tally())
    }

    fn shape(&self) -> &Shape {
        self.statement
            .shape
            .get_or_init(|| Shape::of(&self.statement))
    }

    fn current_tally(&self) -> Tally {
        let mut tally = self.tally.get();
        if matches!(self.rows, Rows::Running) && !self.statement.is_gone() {
            tally.steps = self.statement.steps(false);
        }
        tally
    }

    fn advance_statement(&mut self) -> Result<()> {
        if self.statement.is_gone() {
            self.rows = Rows::Ended;
            return Err(self.database.gone());
        }
        match self.statement.step() {
            Ok(Step::Row) => Ok(()),
            Ok(Step::Done) => {
                self.end();
                Ok(())
            }
            Err(code) => {
                let error = self.database.failed(code);
                self.end();
                Err(error)
            }
        }
    }

    fn keep_rows(&mut self) -> Result<()> {
        let mut rows = VecDeque::new();
        while let Rows::Running = self.rows {
            let row = (0..self.columns.len())
                .map(|index| Value::from(self.statement.column(index)))
                .collect();
            rows.push_back(row);
            self.advance_statement()?;
        }
        self.rows = Rows::Kept(rows);
        Ok(())
    }

    /// Gives the statement back.
    fn end(&mut self) {
        let mut tally = self.tally.get();
        if !self.statement.is_gone() {
            tally.steps = self.statement.steps(true);
        }
        self.tally.set(tally);
        self.statement.release();
        self.statement.busy.set(false);
        self.rows = Rows::Ended;
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Rows::Running = self.rows {
            self.end();
        }
    }
}

impl Value {
    fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Text(bytes) => Value::Text(bytes.into()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
        }
    }
}

/// The error of a cursor whose database was deleted under it.
pub(crate) fn deleted() -> StorageError {
    StorageError::Sql("SQLite query was canceled because the database was deleted.".to_owned())
}
