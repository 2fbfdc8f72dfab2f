//! SQL of the application: `storage.sql.exec()`.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#exec>
//!
//! `UPDATE ... LIMIT` and `DELETE ... LIMIT` are syntax errors here, unlike on
//! the platform: the parser of the bundled SQLite amalgamation was generated
//! without them.

use std::rc::Rc;

use crate::counts::{Shape, Tally};
use crate::cursor::Cursor;
use crate::database::Database;
use crate::statement::{Speaker, Statement, Step};
use crate::{Result, StorageError};

/// A value given to a statement. The application's numbers are always REAL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Binding<'a> {
    /// NULL.
    Null,
    /// A number.
    Real(f64),
    /// A string.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A value of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A floating point number, never NaN.
    Real(f64),
    /// Text, UTF-8 unless a statement made it otherwise (`CAST(x'ff' AS TEXT)`).
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// What [`Database::execute`] leaves.
pub enum Executed {
    /// A result to be read.
    Cursor(Cursor),
    /// The statement has run to its end and has no result.
    Done(Tally),
}

/// A statement after its first step.
struct Begun {
    statement: Rc<Statement>,
    step: Step,
    /// Rows changed.
    changes: u64,
}

impl Database {
    /// Runs SQL and stops at the first row. A statement without rows has run
    /// to its end when this returns; one that writes has opened the implicit
    /// transaction.
    ///
    /// Of several statements all but the last run here, and only the last may
    /// have parameters. They are not a unit: when one fails, those before it
    /// stay.
    ///
    /// # Errors
    /// [`StorageError::Sql`] in SQLite's words, or the object's own error when
    /// it is broken or closed.
    pub fn exec(self: &Rc<Self>, sql: &str, bindings: &[Binding<'_>]) -> Result<Cursor> {
        let (begun, _) = self.begin(sql, bindings)?;
        Cursor::new(self, begun.statement, begun.step, begun.changes)
    }

    /// As [`Database::exec`], but without a cursor for a statement that has no
    /// columns and has been compiled before: most writes.
    ///
    /// # Errors
    /// As [`Database::exec`].
    pub fn execute(self: &Rc<Self>, sql: &str, bindings: &[Binding<'_>]) -> Result<Executed> {
        let (begun, compiled_before) = self.begin(sql, bindings)?;
        let Begun {
            statement,
            step,
            changes,
        } = begun;
        if compiled_before && step == Step::Done && statement.column_count() == 0 {
            let steps = statement.steps(true);
            statement.release();
            statement.busy.set(false);
            return Ok(Executed::Done(Tally {
                steps,
                changes,
                first: 0,
            }));
        }
        Cursor::new(self, statement, step, changes).map(Executed::Cursor)
    }

    /// Rows read and written by an execution of `sql` that left this tally;
    /// none if `sql` can no longer be compiled.
    pub fn counts(&self, sql: &str, tally: Tally) -> (u64, u64) {
        if self.check_open().is_err() {
            return (0, 0);
        }
        let statement = self.cache.find(sql);
        let Ok(statement) = statement.map_or_else(|| self.compile(sql), Ok) else {
            return (0, 0);
        };
        let shape = statement.shape.get_or_init(|| Shape::of(&statement));
        (shape.rows_read(tally), shape.rows_written(tally))
    }

    /// Makes the first step of the last statement; also tells whether it was
    /// compiled already.
    fn begin(self: &Rc<Self>, sql: &str, bindings: &[Binding<'_>]) -> Result<(Begun, bool)> {
        self.check_open()?;
        let found = self.cache.find(sql);
        let compiled_before = found.is_some();
        let statement = found.map_or_else(|| self.prepare_last(sql), Ok)?;
        if statement.parameters != bindings.len() {
            return Err(StorageError::Sql(
                "Wrong number of parameter bindings for SQL query.".to_owned(),
            ));
        }
        if statement.changes_schema {
            // It cannot be explained any more once its table exists.
            statement.shape.get_or_init(|| Shape::of(&statement));
        }
        let before = match statement.readonly {
            true => 0,
            false => self.handle.total_changes(),
        };
        let step = self.start(&statement, bindings)?;
        let changes = match statement.readonly {
            true => 0,
            false => self.handle.total_changes() - before,
        };
        let begun = Begun {
            statement,
            step,
            changes,
        };
        Ok((begun, compiled_before))
    }

    /// Compiles a single statement of the application.
    fn compile(&self, sql: &str) -> Result<Rc<Statement>> {
        let compiled = Statement::prepare(&self.handle, sql, Speaker::Application)?;
        compiled
            .map(|(statement, _)| statement)
            .ok_or_else(no_statement)
    }

    /// Runs all statements of `sql` but the last, which is compiled, and kept
    /// if it is the only one.
    fn prepare_last(&self, sql: &str) -> Result<Rc<Statement>> {
        let mut rest = sql;
        loop {
            let Some((statement, tail)) =
                Statement::prepare(&self.handle, rest, Speaker::Application)?
            else {
                return Err(no_statement());
            };
            if tail.trim_ascii_start().is_empty() {
                // A statement that changes the schema has to be compiled again
                // by its own doing.
                if rest.len() == sql.len() && !statement.changes_schema {
                    self.cache.keep(sql, &statement);
                }
                return Ok(statement);
            }
            if statement.parameters > 0 {
                return Err(StorageError::Sql(
                    "When executing multiple SQL statements in a single call, only the last statement can have \
                     parameters."
                        .to_owned(),
                ));
            }
            self.start(&statement, &[])?;
            self.finish(&statement);
            rest = tail;
        }
    }

    /// Binds and makes the first step, inside the implicit transaction if the
    /// statement writes. The statement is busy afterwards, unless it failed.
    fn start(&self, statement: &Rc<Statement>, bindings: &[Binding<'_>]) -> Result<Step> {
        if !statement.readonly {
            self.begin_implicit()?;
        }
        statement.busy.set(true);
        let step = self
            .bind_all(statement, bindings)
            .and_then(|()| match statement.alters {
                false => statement.step().map_err(|code| self.failed(code)),
                true => self.alter(statement),
            });
        if step.is_err() {
            self.finish(statement);
        }
        step
    }

    fn bind_all(&self, statement: &Statement, bindings: &[Binding<'_>]) -> Result<()> {
        // A statement without columns runs to its end before the bindings are
        // given back, so SQLite need not copy them.
        let borrowed = statement.column_count() == 0;
        for (index, binding) in bindings.iter().enumerate() {
            if borrowed {
                // SAFETY: the bindings outlive `exec`, in which the statement
                // runs to its end and is released.
                unsafe { statement.bind_borrowed(index + 1, *binding)? };
            } else {
                statement.bind(index + 1, *binding)?;
            }
        }
        Ok(())
    }

    fn finish(&self, statement: &Statement) {
        if !statement.is_gone() {
            statement.steps(true);
        }
        statement.release();
        statement.busy.set(false);
    }

    /// Runs an ALTER TABLE, and undoes it if a table has got a name that is
    /// ours: SQLite does not show the new name to the authorizer.
    fn alter(&self, statement: &Statement) -> Result<Step> {
        self.run_once("SAVEPOINT _cf_alter")?;
        let before = self.reserved_names()?;
        let step = statement.step().map_err(|code| self.failed(code));
        if step.is_err() {
            statement.release();
            self.run_once("RELEASE _cf_alter")?;
            return step;
        }
        let stolen = self.reserved_names()? != before;
        if stolen {
            statement.release();
            self.run_once("ROLLBACK TO _cf_alter")?;
        }
        self.run_once("RELEASE _cf_alter")?;
        match stolen {
            true => Err(StorageError::Sql("not authorized: SQLITE_AUTH".to_owned())),
            false => step,
        }
    }

    /// How many entries of the schema have names that are ours.
    fn reserved_names(&self) -> Result<i64> {
        self.query_integer(
            "SELECT count(*) FROM sqlite_schema WHERE lower(substr(name, 1, 4)) = '_cf_'",
        )
    }
}

fn no_statement() -> StorageError {
    StorageError::Sql("SQL code did not contain a statement.".to_owned())
}
