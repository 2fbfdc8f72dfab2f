//! When each object of a namespace wants to be woken: the file
//! `metadata.sqlite` in the namespace's directory, with the table and the
//! nanoseconds that workerd keeps there.
//!
//! The object's own database is the truth; this index makes alarms findable
//! without opening every object. The scheduler writes here after the object's
//! commit; a crash in between is put right by the recovery of the next start,
//! which compares the objects that were open. A run that finds another time in
//! the object is cancelled.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use crate::metadata::NS_PER_MS;
use crate::{ObjectId, Result, StorageError};

/// Name of the file in the namespace's directory.
pub(crate) const FILE_NAME: &str = "metadata.sqlite";

/// An alarm that is due, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmEntry {
    /// The object's id as 64 hexadecimal digits.
    pub id_hex: String,
    /// The object's name, if it has one and it is known.
    pub name: Option<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A change of the index, for [`AlarmIndex::set_many`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmUpdate {
    /// The object.
    pub id: ObjectId,
    /// Its name. A name that is known already is not forgotten by `None`.
    pub name: Option<String>,
    /// When, in milliseconds since 1970; `None` takes the alarm out.
    pub at_ms: Option<i64>,
}

/// The alarms of one namespace. May be moved to another thread; every change
/// is durable when its call returns, so it waits for the disk.
pub struct AlarmIndex {
    connection: Connection,
    path: PathBuf,
}

impl AlarmIndex {
    /// Opens the index in a namespace's directory, creating it if need be.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn open(directory: &Path) -> Result<AlarmIndex> {
        let path = directory.join(FILE_NAME);
        let context = |error| StorageError::sqlite(&path, error);
        crate::memory::configure();
        let connection = Connection::open(&path).map_err(context)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(context)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(context)?;
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, \
                 actor_name TEXT) WITHOUT ROWID",
            )
            .map_err(context)?;
        add_name_column(&connection).map_err(context)?;
        connection
            .execute_batch(
                "CREATE INDEX IF NOT EXISTS _cf_ALARM_BY_TIME ON _cf_ALARM (scheduled_time)",
            )
            .map_err(context)?;
        Ok(AlarmIndex { connection, path })
    }

    /// Sets or takes out the alarm of one object.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn set(&self, id: &ObjectId, name: Option<&str>, at_ms: Option<i64>) -> Result<()> {
        apply(&self.connection, id, name, at_ms).map_err(|error| self.context(error))
    }

    /// Makes several changes in one transaction, with one sync.
    ///
    /// # Errors
    /// [`StorageError::Io`]; nothing has changed then.
    pub fn set_many(&self, updates: &[AlarmUpdate]) -> Result<()> {
        let all = || {
            let transaction = self.connection.unchecked_transaction()?;
            for update in updates {
                apply(
                    &transaction,
                    &update.id,
                    update.name.as_deref(),
                    update.at_ms,
                )?;
            }
            transaction.commit()
        };
        all().map_err(|error| self.context(error))
    }

    /// When the object's alarm is due, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn get(&self, id: &ObjectId) -> Result<Option<i64>> {
        let get = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT scheduled_time FROM _cf_ALARM WHERE actor_id = ?")?;
            statement
                .query_row([id.to_string()], |row| row.get::<_, i64>(0))
                .optional()
        };
        Ok(get().map_err(|error| self.context(error))?.map(ms))
    }

    /// The alarms due at `now_ms`, the longest overdue first, at most `limit`.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<AlarmEntry>> {
        let due = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT actor_id, actor_name, scheduled_time FROM _cf_ALARM WHERE scheduled_time <= ? \
                 ORDER BY scheduled_time, actor_id LIMIT ?",
            )?;
            let rows = statement.query_map(
                params![ns(now_ms), i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| {
                    Ok(AlarmEntry {
                        id_hex: row.get(0)?,
                        name: row.get(1)?,
                        at_ms: ms(row.get(2)?),
                    })
                },
            )?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        due().map_err(|error| self.context(error))
    }

    /// When the next alarm is due, in milliseconds since 1970; also in the
    /// past.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn next_at(&self) -> Result<Option<i64>> {
        let next = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT min(scheduled_time) FROM _cf_ALARM")?;
            statement.query_row([], |row| row.get::<_, Option<i64>>(0))
        };
        Ok(next().map_err(|error| self.context(error))?.map(ms))
    }

    fn context(&self, error: rusqlite::Error) -> StorageError {
        StorageError::sqlite(&self.path, error)
    }
}

fn apply(
    connection: &Connection,
    id: &ObjectId,
    name: Option<&str>,
    at_ms: Option<i64>,
) -> rusqlite::Result<()> {
    match at_ms {
        None => connection.prepare_cached("DELETE FROM _cf_ALARM WHERE actor_id = ?")?.execute([id.to_string()])?,
        Some(at) => connection
            .prepare_cached(
                "INSERT INTO _cf_ALARM (actor_id, scheduled_time, actor_name) VALUES (?, ?, ?) ON CONFLICT DO UPDATE \
                 SET scheduled_time = excluded.scheduled_time, actor_name = coalesce(excluded.actor_name, actor_name)",
            )?
            .execute(params![id.to_string(), ns(at), name])?,
    };
    Ok(())
}

/// Files of older releases of workerd have no names.
fn add_name_column(connection: &Connection) -> rusqlite::Result<()> {
    if connection.column_exists(None, "_cf_ALARM", "actor_name")? {
        return Ok(());
    }
    connection.execute_batch("ALTER TABLE _cf_ALARM ADD COLUMN actor_name TEXT")
}

fn ns(ms: i64) -> i64 {
    ms.saturating_mul(NS_PER_MS)
}

fn ms(ns: i64) -> i64 {
    ns.div_euclid(NS_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdKey;

    fn id(name: &str) -> ObjectId {
        IdKey::new("ns").from_name(name)
    }

    fn entry(name: &str, known: Option<&str>, at_ms: i64) -> AlarmEntry {
        AlarmEntry {
            id_hex: id(name).to_string(),
            name: known.map(str::to_owned),
            at_ms,
        }
    }

    #[test]
    fn alarms_are_due_in_the_order_of_their_times() {
        let directory = tempfile::tempdir().unwrap();
        let index = AlarmIndex::open(directory.path()).unwrap();
        assert_eq!(index.next_at().unwrap(), None);
        index.set(&id("a"), Some("a"), Some(30)).unwrap();
        index.set(&id("b"), None, Some(10)).unwrap();
        index.set(&id("c"), Some("c"), Some(20)).unwrap();
        assert_eq!(index.next_at().unwrap(), Some(10));
        assert_eq!(index.due(9, 10).unwrap(), []);
        assert_eq!(
            index.due(20, 10).unwrap(),
            [entry("b", None, 10), entry("c", Some("c"), 20)]
        );
        assert_eq!(index.due(99, 1).unwrap(), [entry("b", None, 10)]);
        index.set(&id("b"), None, None).unwrap();
        assert_eq!(
            (index.get(&id("b")).unwrap(), index.next_at().unwrap()),
            (None, Some(20))
        );
    }

    #[test]
    fn a_name_is_not_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let index = AlarmIndex::open(directory.path()).unwrap();
        index.set(&id("a"), Some("a"), Some(1)).unwrap();
        index.set(&id("a"), None, Some(2)).unwrap();
        assert_eq!(index.due(2, 1).unwrap(), [entry("a", Some("a"), 2)]);
    }

    #[test]
    fn many_changes_are_one() {
        let directory = tempfile::tempdir().unwrap();
        let index = AlarmIndex::open(directory.path()).unwrap();
        let update = |name, at_ms| AlarmUpdate {
            id: id(name),
            name: None,
            at_ms,
        };
        index
            .set_many(&[
                update("a", Some(1)),
                update("b", Some(2)),
                update("a", None),
            ])
            .unwrap();
        drop(index);
        let index = AlarmIndex::open(directory.path()).unwrap();
        assert_eq!(index.due(9, 9).unwrap(), [entry("b", None, 2)]);
    }

    /// Bytes of memory that this process has in use.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages = pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        pages * 4096
    }

    #[test]
    fn a_million_alarms_stay_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let index = AlarmIndex::open(directory.path()).unwrap();
        let begun = resident();
        index
            .connection
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) \
                 INSERT INTO _cf_ALARM SELECT printf('%064x', i), i * 1000000, NULL FROM n",
            )
            .unwrap();
        // Every hundredth comes due, a few at a time, as the scheduler asks for them.
        let mut fired = 0;
        for now_ms in (1_000..=10_000).step_by(1_000) {
            loop {
                let due = index.due(now_ms, 256).unwrap();
                if due.is_empty() {
                    break;
                }
                fired += due.len();
                let gone: Vec<AlarmUpdate> = due
                    .iter()
                    .map(|entry| AlarmUpdate {
                        id: ObjectId::from_hex(&entry.id_hex).unwrap(),
                        name: None,
                        at_ms: None,
                    })
                    .collect();
                index.set_many(&gone).unwrap();
            }
        }
        assert_eq!(fired, 10_000);
        assert_eq!(index.next_at().unwrap(), Some(10_001));
        let grown = resident().saturating_sub(begun);
        assert!(grown < 32 * 1024 * 1024, "{grown} bytes");
    }

    #[test]
    fn an_index_without_names_gets_them() {
        let directory = tempfile::tempdir().unwrap();
        let plain = Connection::open(directory.path().join(FILE_NAME)).unwrap();
        plain
            .execute_batch("CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER) WITHOUT ROWID")
            .unwrap();
        plain
            .execute(
                "INSERT INTO _cf_ALARM VALUES (?, 5000000)",
                [id("a").to_string()],
            )
            .unwrap();
        drop(plain);
        let index = AlarmIndex::open(directory.path()).unwrap();
        assert_eq!(index.due(5, 1).unwrap(), [entry("a", None, 5)]);
    }
}
