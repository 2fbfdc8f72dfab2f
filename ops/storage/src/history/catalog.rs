//! `catalog.sqlite`: for each object whose records were archived its last
//! archived commit and its generations, and the restores that wait for an
//! object to start. SQLite makes each change durable and whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::disk::Stat;
use crate::journal::{Chain, ObjectName, Point};
use crate::{ObjectId, Result, StorageError};

const FILE_NAME: &str = "catalog.sqlite";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS object (
  unique_key TEXT, id BLOB, sequence INTEGER, chain BLOB, time_ms INTEGER,
  tail BLOB, closed_bytes INTEGER, closed_ns INTEGER, damage TEXT,
  PRIMARY KEY (unique_key, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (
  unique_key TEXT, id BLOB, sequence INTEGER, chain BLOB, time_ms INTEGER, base_bytes INTEGER,
  log_bytes INTEGER, last_sequence INTEGER, last_time_ms INTEGER,
  PRIMARY KEY (unique_key, id, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS generation_age ON generation (last_time_ms);
CREATE TABLE IF NOT EXISTS restore (
  unique_key TEXT, id BLOB, bookmark TEXT,
  PRIMARY KEY (unique_key, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (unique_key TEXT PRIMARY KEY, segment INTEGER) WITHOUT ROWID;
";

/// What is known of an object that the journal's segments do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The last commit of which everything was archived.
    pub(crate) head: Point,
    /// The last record that was archived, if it is part of a later commit.
    pub(crate) tail: Option<Chain>,
    /// The database file's state when it was closed, if that was after the
    /// last archived commit.
    pub(crate) closed: Option<Stat>,
    /// Why the object cannot be opened.
    pub(crate) damage: Option<String>,
}

/// A base and the log after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The commit after which the base was made; 0 for nothing.
    pub(crate) base: Point,
    /// Bytes of the base's file; 0 if there is none.
    pub(crate) base_bytes: u64,
    /// Bytes of the log that count.
    pub(crate) log_bytes: u64,
    /// The last record in the log, or the base.
    pub(crate) last_sequence: u64,
    pub(crate) last_time_ms: i64,
}

/// An open catalog.
pub(crate) struct Catalog {
    connection: Connection,
    path: PathBuf,
}

impl Catalog {
    /// Opens the catalog in the history's directory, creating both if need be.
    pub(crate) fn open(directory: &Path) -> Result<Catalog> {
        let path = directory.join(FILE_NAME);
        std::fs::create_dir_all(directory).map_err(|error| StorageError::io(directory, error))?;
        let open = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(std::time::Duration::from_secs(30))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| StorageError::sqlite(&path, error))?;
        Ok(Catalog { connection, path })
    }

    /// Whether there is a catalog.
    pub(crate) fn exists(directory: &Path) -> bool {
        directory.join(FILE_NAME).exists()
    }

    fn context(&self, error: rusqlite::Error) -> StorageError {
        StorageError::sqlite(&self.path, error)
    }

    /// What is known of an object.
    pub(crate) fn get(&self, name: &ObjectName) -> Result<Option<Row>> {
        let get = || {
            self.connection
                .prepare_cached(
                    "SELECT sequence, chain, time_ms, tail, closed_bytes, closed_ns, damage FROM object \
                     WHERE unique_key = ? AND id = ?",
                )?
                .query_row(params![&*name.unique_key, name.id.to_key()], row)
                .optional()
        };
        get().map_err(|error| self.context(error))
    }

    /// Every object, in the order of their names.
    pub(crate) fn all(&self) -> Result<Vec<ObjectName>> {
        let all = || {
            let mut statement = self
                .connection
                .prepare("SELECT unique_key, id FROM object ORDER BY 1, 2")?;
            let names = statement.query_map([], |row| {
                Ok(ObjectName {
                    unique_key: row.get::<_, String>(0)?.into(),
                    id: id(row, 1)?,
                })
            })?;
            names.collect::<rusqlite::Result<Vec<_>>>()
        };
        all().map_err(|error| self.context(error))
    }

    /// The generations of an object, the oldest first.
    pub(crate) fn generations(&self, name: &ObjectName) -> Result<Vec<Generation>> {
        let all = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT sequence, chain, time_ms, base_bytes, log_bytes, last_sequence, last_time_ms \
                 FROM generation WHERE unique_key = ? AND id = ? ORDER BY sequence",
            )?;
            let rows =
                statement.query_map(params![&*name.unique_key, name.id.to_key()], generation)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        all().map_err(|error| self.context(error))
    }

    /// The namespaces that were forgotten, and the last segment whose records of each are void.
    pub(crate) fn forgotten(&self) -> Result<HashMap<String, u64>> {
        let all = || {
            let mut statement = self
                .connection
                .prepare("SELECT unique_key, segment FROM forgotten")?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
            rows.collect::<rusqlite::Result<HashMap<_, _>>>()
        };
        all().map_err(|error| self.context(error))
    }

    /// Makes several changes at once.
    pub(crate) fn change(
        &self,
        body: impl FnOnce(&Change<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let change = || {
            let transaction = self.connection.unchecked_transaction()?;
            body(&Change {
                connection: &transaction,
            })?;
            transaction.commit()
        };
        change().map_err(|error| self.context(error))
    }

    /// The bookmark to which an object is to go back when it starts.
    pub(crate) fn restore(&self, name: &ObjectName) -> Result<Option<String>> {
        let get = || {
            self.connection
                .prepare_cached("SELECT bookmark FROM restore WHERE unique_key = ? AND id = ?")?
                .query_row(params![&*name.unique_key, name.id.to_key()], |row| {
                    row.get(0)
                })
                .optional()
        };
        get().map_err(|error| self.context(error))
    }

    /// Bytes of all bases and logs.
    pub(crate) fn total_bytes(&self) -> Result<u64> {
        let sum = || {
            self.connection.query_row(
                "SELECT coalesce(sum(base_bytes + log_bytes), 0) FROM generation",
                [],
                |row| row.get::<_, i64>(0),
            )
        };
        Ok(sum().map_err(|error| self.context(error))? as u64)
    }

    /// The generations that are followed by another one of their object, the
    /// longest ended first, at most `limit`; with the time they ended.
    pub(crate) fn oldest(&self, limit: usize) -> Result<Vec<(ObjectName, Generation, i64)>> {
        let oldest = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT g.sequence, g.chain, g.time_ms, g.base_bytes, g.log_bytes, g.last_sequence, g.last_time_ms, \
                 g.unique_key, g.id, min(n.time_ms) AS ended FROM generation g JOIN generation n \
                 ON n.unique_key = g.unique_key AND n.id = g.id AND n.sequence > g.sequence \
                 GROUP BY g.unique_key, g.id, g.sequence ORDER BY ended LIMIT ?",
            )?;
            let rows = statement.query_map([limit as i64], |row| {
                let name = ObjectName {
                    unique_key: row.get::<_, String>(7)?.into(),
                    id: id(row, 8)?,
                };
                Ok((name, generation(row)?, row.get(9)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        oldest().map_err(|error| self.context(error))
    }
}

/// A change of the catalog that is being made.
pub(crate) struct Change<'c> {
    connection: &'c Connection,
}

impl Change<'_> {
    pub(crate) fn put(&self, name: &ObjectName, row: &Row) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                &*name.unique_key,
                name.id.to_key(),
                row.head.sequence as i64,
                row.head.chain,
                row.head.time_ms,
                row.tail,
                row.closed.map(|stat| stat.bytes as i64),
                row.closed.map(|stat| stat.modified_ns),
                row.damage,
            ])
            .map(drop)
    }

    /// Forgets all objects of a namespace: their records up to and with a segment are void.
    pub(crate) fn forget(&self, unique_key: &str, segment: u64) -> rusqlite::Result<()> {
        for table in ["object", "generation", "restore"] {
            let delete = format!("DELETE FROM {table} WHERE unique_key = ?");
            self.connection.execute(&delete, [unique_key])?;
        }
        self.connection
            .execute(
                "INSERT OR REPLACE INTO forgotten VALUES (?, ?)",
                params![unique_key, segment as i64],
            )
            .map(drop)
    }

    /// No segment before this one exists, so nothing that was forgotten before is in any.
    pub(crate) fn end_forgetting(&self, before: u64) -> rusqlite::Result<()> {
        self.connection
            .execute("DELETE FROM forgotten WHERE segment < ?", [before as i64])
            .map(drop)
    }

    pub(crate) fn put_generation(&self, name: &ObjectName, g: &Generation) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                &*name.unique_key,
                name.id.to_key(),
                g.base.sequence as i64,
                g.base.chain,
                g.base.time_ms,
                g.base_bytes as i64,
                g.log_bytes as i64,
                g.last_sequence as i64,
                g.last_time_ms,
            ])
            .map(drop)
    }

    pub(crate) fn remove_generation(
        &self,
        name: &ObjectName,
        sequence: u64,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM generation WHERE unique_key = ? AND id = ? AND sequence = ?",
            )?
            .execute(params![
                &*name.unique_key,
                name.id.to_key(),
                sequence as i64
            ])
            .map(drop)
    }

    pub(crate) fn set_restore(
        &self,
        name: &ObjectName,
        bookmark: Option<&str>,
    ) -> rusqlite::Result<()> {
        let key = params![&*name.unique_key, name.id.to_key()];
        self.connection
            .prepare_cached("DELETE FROM restore WHERE unique_key = ? AND id = ?")?
            .execute(key)?;
        if let Some(bookmark) = bookmark {
            self.connection
                .prepare_cached("INSERT INTO restore VALUES (?, ?, ?)")?
                .execute(params![&*name.unique_key, name.id.to_key(), bookmark])?;
        }
        Ok(())
    }
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let closed: (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
    let closed = match closed {
        (Some(bytes), Some(modified_ns)) => Some(Stat {
            bytes: bytes as u64,
            modified_ns,
        }),
        _ => None,
    };
    Ok(Row {
        head: point(row)?,
        tail: row.get(3)?,
        closed,
        damage: row.get(6)?,
    })
}

fn point(row: &SqlRow<'_>) -> rusqlite::Result<Point> {
    Ok(Point {
        sequence: row.get::<_, i64>(0)? as u64,
        chain: row.get(1)?,
        time_ms: row.get(2)?,
    })
}

fn generation(row: &SqlRow<'_>) -> rusqlite::Result<Generation> {
    Ok(Generation {
        base: point(row)?,
        base_bytes: row.get::<_, i64>(3)? as u64,
        log_bytes: row.get::<_, i64>(4)? as u64,
        last_sequence: row.get::<_, i64>(5)? as u64,
        last_time_ms: row.get(6)?,
    })
}

/// The id in a column.
fn id(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<ObjectId> {
    let key: Vec<u8> = row.get(column)?;
    ObjectId::from_key(&key).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Blob,
            "not an id".into(),
        )
    })
}
