//! Statements of our own, compiled once and kept beside what they serve.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use crate::database::Database;
use crate::statement::{Speaker, Statement, Step};
use crate::{Result, StorageError, ValueRef};

/// A statement's text and, unless somebody is using it, the statement.
///
/// Should the user of the statement come back for it before it is done with
/// it, the second use gets a statement of its own; nothing is shared.
pub(crate) struct Pinned {
    sql: Cow<'static, str>,
    statement: Cell<Option<Rc<Statement>>>,
}

impl Pinned {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Pinned {
        Pinned {
            sql: sql.into(),
            statement: Cell::new(None),
        }
    }

    /// Takes the statement out, compiling it first if need be.
    pub(crate) fn take(&self, database: &Database) -> Result<Rc<Statement>> {
        match self.statement.take() {
            Some(statement) if !statement.is_gone() => Ok(statement),
            _ => database.prepare_own(&self.sql),
        }
    }

    /// Puts the statement back, ready to run again.
    pub(crate) fn put(&self, statement: Rc<Statement>) {
        statement.release();
        self.statement.set(Some(statement));
    }
}

impl Database {
    /// Compiles a statement of our own.
    pub(crate) fn prepare_own(&self, sql: &str) -> Result<Rc<Statement>> {
        let (statement, rest) = Statement::prepare(&self.handle, sql, Speaker::Storage)?
            .expect("our own SQL holds a statement");
        assert!(
            rest.is_empty(),
            "our own SQL holds one statement at a time: {sql}"
        );
        Ok(statement)
    }

    /// Runs `body` with a pinned statement and puts it back.
    pub(crate) fn with<T>(
        &self,
        pinned: &Pinned,
        body: impl FnOnce(&Statement) -> Result<T>,
    ) -> Result<T> {
        let statement = pinned.take(self)?;
        let result = body(&statement);
        pinned.put(statement);
        result
    }

    /// Steps one of our own statements.
    pub(crate) fn step(&self, statement: &Statement) -> Result<Step> {
        statement.step().map_err(|code| self.failed(code))
    }

    /// Runs a pinned statement without bindings or result.
    pub(crate) fn run(&self, pinned: &Pinned) -> Result<()> {
        self.with(pinned, |statement| self.step(statement).map(drop))
    }

    /// Runs a statement that is not worth keeping.
    pub(crate) fn run_once(&self, sql: &str) -> Result<()> {
        let statement = self.prepare_own(sql)?;
        self.step(&statement).map(drop)
    }

    /// The integer that a statement not worth keeping answers.
    pub(crate) fn query_integer(&self, sql: &str) -> Result<i64> {
        let statement = self.prepare_own(sql)?;
        self.step(&statement)?;
        integer(&statement, sql)
    }

    /// The integer that a pinned statement answers.
    pub(crate) fn pinned_integer(&self, pinned: &Pinned) -> Result<i64> {
        self.with(pinned, |statement| {
            self.step(statement)?;
            integer(statement, &pinned.sql)
        })
    }
}

fn integer(statement: &Statement, sql: &str) -> Result<i64> {
    match statement.column(0) {
        ValueRef::Integer(value) => Ok(value),
        _ => Err(StorageError::Sql(format!(
            "`{sql}` did not answer a number"
        ))),
    }
}
