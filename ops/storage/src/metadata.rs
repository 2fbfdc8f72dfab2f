//! `_cf_METADATA`: what the object's storage knows about itself. Key 1 is the
//! alarm's time in nanoseconds since 1970, as in workerd; key 2, which counts
//! workerd's local bookmarks, is left alone. Key -1, which is Stead's own, is
//! the object's name, written with its first alarm: a name cannot be found
//! from an id, and an object that only its alarm wakes must know its own.

use std::cell::{Cell, RefCell};

use crate::database::Database;
use crate::pinned::Pinned;
use crate::statement::Step;
use crate::{Binding, Result, StorageError, ValueRef};

/// Nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: i64 = 1_000_000;

/// What a commit did to the object's alarm. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmChange {
    /// When the alarm was due before.
    pub from_ms: Option<i64>,
    /// When it is due now.
    pub to_ms: Option<i64>,
}

/// The alarm's statements and what is known of it.
pub(crate) struct AlarmState {
    table: Cell<Table>,
    /// The alarm as last committed, remembered at the first change since.
    before: Cell<Option<Option<i64>>>,
    /// The object's name, where it is known.
    name: RefCell<Option<String>>,
    /// Whether the table has it.
    name_is_stored: Cell<bool>,
    get: Pinned,
    set: Pinned,
    delete: Pinned,
}

pub(crate) const GET_NAME: &str = "SELECT value FROM _cf_METADATA WHERE key = -1";
const SET_NAME: &str = "INSERT OR REPLACE INTO _cf_METADATA VALUES (-1, ?)";

/// Whether a table of ours exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Unknown,
    Absent,
    Present,
}

impl AlarmState {
    pub(crate) fn new() -> AlarmState {
        AlarmState {
            table: Cell::new(Table::Unknown),
            before: Cell::new(None),
            name: RefCell::new(None),
            name_is_stored: Cell::new(false),
            get: Pinned::new("SELECT value FROM _cf_METADATA WHERE key = 1"),
            set: Pinned::new(
                "INSERT INTO _cf_METADATA VALUES (1, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            ),
            delete: Pinned::new("DELETE FROM _cf_METADATA WHERE key = 1"),
        }
    }

    /// Remembers the committed alarm before it changes.
    pub(crate) fn remember(&self, database: &Database) -> Result<()> {
        if self.before.get().is_none() {
            self.before.set(Some(database.alarm()?));
        }
        Ok(())
    }

    pub(crate) fn committed(&self) {
        self.before.set(None);
    }

    pub(crate) fn forget(&self) {
        self.table.set(Table::Unknown);
        self.name_is_stored.set(false);
    }
}

impl Database {
    /// When the object's alarm is due, in milliseconds since 1970.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn alarm(&self) -> Result<Option<i64>> {
        self.check_open()?;
        if !self.has_table(&self.alarm.table, "_cf_METADATA")? {
            return Ok(None);
        }
        self.with(&self.alarm.get, |statement| {
            match (self.step(statement)?, statement.column(0)) {
                (Step::Row, ValueRef::Integer(ns)) => Ok(Some(ns.div_euclid(NS_PER_MS))),
                _ => Ok(None),
            }
        })
    }

    /// Sets or deletes the object's alarm, as part of the open transaction.
    /// A time in the past is the caller's to move to the present.
    ///
    /// <https://developers.cloudflare.com/durable-objects/api/alarms/#setalarm>
    ///
    /// # Errors
    /// `TypeError` for a time that is not after 1970, and the object's own
    /// error when it is broken or closed.
    pub fn set_alarm(&self, at_ms: Option<i64>) -> Result<()> {
        self.check_open()?;
        if at_ms.is_some_and(|at| at <= 0) {
            return Err(StorageError::Type(
                "setAlarm() cannot be called with an alarm time <= 0".to_owned(),
            ));
        }
        self.alarm.remember(self)?;
        let present = self.has_table(&self.alarm.table, "_cf_METADATA")?;
        if at_ms.is_none() && !present {
            return Ok(());
        }
        self.begin_implicit()?;
        if !present {
            self.run_once("CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)")?;
            self.alarm.table.set(Table::Present);
        }
        if at_ms.is_some() {
            self.store_name()?;
        }
        match at_ms {
            Some(at) => self.with(&self.alarm.set, |statement| {
                statement.bind_integer(1, at.saturating_mul(NS_PER_MS))?;
                self.step(statement).map(drop)
            }),
            None => self.run(&self.alarm.delete),
        }
    }

    /// Tells the object's name, which is stored with the next alarm.
    pub fn set_name(&self, name: Option<&str>) {
        *self.alarm.name.borrow_mut() = name.map(str::to_owned);
    }

    /// The object's name, if it was known when an alarm was set.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn name(&self) -> Result<Option<String>> {
        self.check_open()?;
        if !self.has_table(&self.alarm.table, "_cf_METADATA")? {
            return Ok(None);
        }
        let statement = self.prepare_own(GET_NAME)?;
        match (self.step(&statement)?, statement.column(0)) {
            (Step::Row, ValueRef::Text(name)) => {
                Ok(Some(String::from_utf8_lossy(name).into_owned()))
            }
            _ => Ok(None),
        }
    }

    fn store_name(&self) -> Result<()> {
        let name = self.alarm.name.borrow().clone();
        let Some(name) = name.filter(|_| !self.alarm.name_is_stored.get()) else {
            return Ok(());
        };
        if self.name()?.as_deref() != Some(&*name) {
            let statement = self.prepare_own(SET_NAME)?;
            statement.bind(1, Binding::Text(&name))?;
            self.step(&statement)?;
        }
        self.alarm.name_is_stored.set(true);
        Ok(())
    }

    /// What the next commit will do to the alarm. The scheduler must know of
    /// an alarm that moves to an earlier time before the commit, and of one
    /// that moves later, or goes, after it.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    pub fn pending_alarm(&self) -> Result<Option<AlarmChange>> {
        let Some(from_ms) = self.alarm.before.get() else {
            return Ok(None);
        };
        let to_ms = self.alarm()?;
        Ok((from_ms != to_ms).then_some(AlarmChange { from_ms, to_ms }))
    }

    /// Whether a table of ours exists, asking the file when that is unknown.
    pub(crate) fn has_table(&self, known: &Cell<Table>, name: &str) -> Result<bool> {
        if known.get() == Table::Unknown {
            let sql = format!(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '{name}'"
            );
            known.set(if self.query_integer(&sql)? > 0 {
                Table::Present
            } else {
                Table::Absent
            });
        }
        Ok(known.get() == Table::Present)
    }
}
