//! Compiled statements of the application, found by their text.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::statement::Statement;

/// Bytes of SQL text kept, as on the platform.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Statements kept. A statement takes a few kilobytes however short its text,
/// so that text alone would be no bound on an application that builds its
/// statements from values.
const STATEMENTS_MAX: usize = 1024;

/// The statements most recently used, at most 1 MiB of text and 1024 of them.
///
/// A statement stays listed while a cursor uses it; somebody who runs the same
/// text meanwhile gets a second statement, which is not kept.
#[derive(Default)]
pub(crate) struct StatementCache {
    entries: RefCell<Entries>,
    text_bytes: Cell<usize>,
    /// Counts uses, to tell which entry was used last.
    clock: Cell<u64>,
}

type Entries = HashMap<Box<str>, Entry, BuildHasherDefault<TextHasher>>;

/// Hashes the text of a statement, which is longer than what the standard hasher is quick for.
/// The texts are the application's own: nobody gains by making them collide.
#[derive(Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The mark that ends a text, which is hashed as a whole.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Entry {
    statement: Rc<Statement>,
    used: u64,
}

impl StatementCache {
    /// The idle statement with this text.
    pub(crate) fn find(&self, sql: &str) -> Option<Rc<Statement>> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries
            .get_mut(sql)
            .filter(|entry| !entry.statement.busy.get())?;
        entry.used = self.tick();
        Some(Rc::clone(&entry.statement))
    }

    /// Keeps a statement unless one with its text is kept already.
    pub(crate) fn keep(&self, sql: &str, statement: &Rc<Statement>) {
        let mut entries = self.entries.borrow_mut();
        if sql.len() > TEXT_BYTES_MAX || entries.contains_key(sql) {
            return;
        }
        self.text_bytes.set(self.text_bytes.get() + sql.len());
        entries.insert(
            sql.into(),
            Entry {
                statement: Rc::clone(statement),
                used: self.tick(),
            },
        );
        if self.text_bytes.get() > TEXT_BYTES_MAX || entries.len() > STATEMENTS_MAX {
            self.shrink(&mut entries);
        }
    }

    /// Forgets every statement.
    pub(crate) fn clear(&self) {
        self.entries.borrow_mut().clear();
        self.text_bytes.set(0);
    }

    /// Drops the least recently used entries until a quarter of each bound is
    /// free, so that the sort is paid once per many insertions.
    fn shrink(&self, entries: &mut Entries) {
        let mut oldest: Vec<(u64, Box<str>)> = entries
            .iter()
            .map(|(sql, entry)| (entry.used, sql.clone()))
            .collect();
        oldest.sort_unstable();
        for (_, sql) in oldest {
            if entries.len() <= STATEMENTS_MAX / 4 * 3
                && self.text_bytes.get() <= TEXT_BYTES_MAX / 4 * 3
            {
                break;
            }
            entries.remove(&sql);
            self.text_bytes.set(self.text_bytes.get() - sql.len());
        }
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }
}
