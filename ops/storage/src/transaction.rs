//! Explicit transactions: `transactionSync()` and `transaction()`, which are
//! savepoints inside the implicit transaction.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#transaction>

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::database::Database;
use crate::pinned::Pinned;
use crate::{Result, StorageError};

/// Which of the two APIs a transaction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// `transactionSync()`: begun and ended within one turn.
    Sync,
    /// `transaction()`: open across turns. Nothing is committed meanwhile.
    Async,
}

/// A transaction that was begun, named by how many it is nested in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionDepth {
    depth: usize,
    kind: TransactionKind,
}

impl TransactionDepth {
    /// The same as a number, for callers that cannot hold the value itself.
    pub fn to_number(self) -> u32 {
        let kind = u32::from(self.kind == TransactionKind::Async);
        (self.depth as u32) << 1 | kind
    }

    /// What [`TransactionDepth::to_number`] was given.
    pub fn from_number(number: u32) -> TransactionDepth {
        let kind = if number & 1 == 1 {
            TransactionKind::Async
        } else {
            TransactionKind::Sync
        };
        TransactionDepth {
            depth: (number >> 1) as usize,
            kind,
        }
    }
}

/// The transactions that are open, outermost first.
pub(crate) struct Transactions {
    open: RefCell<Vec<TransactionKind>>,
    /// Length of `open`, read at each commit.
    depth: Cell<usize>,
    /// Statements of each depth that was ever reached, by kind.
    levels: RefCell<[Vec<Rc<Level>>; 2]>,
}

/// The statements of one depth and kind.
struct Level {
    begin: Pinned,
    release: Pinned,
    roll_back: Pinned,
}

impl Transactions {
    pub(crate) fn new() -> Transactions {
        Transactions {
            open: RefCell::default(),
            depth: Cell::new(0),
            levels: RefCell::default(),
        }
    }

    fn level(&self, kind: TransactionKind, depth: usize) -> Rc<Level> {
        let levels = &mut self.levels.borrow_mut()[kind as usize];
        while levels.len() <= depth {
            let name = name(kind, levels.len());
            levels.push(Rc::new(Level {
                begin: Pinned::new(format!("SAVEPOINT {name}")),
                release: Pinned::new(format!("RELEASE {name}")),
                roll_back: Pinned::new(format!("ROLLBACK TO {name}")),
            }));
        }
        Rc::clone(&levels[depth])
    }

    pub(crate) fn is_open(&self) -> bool {
        self.depth.get() > 0
    }
}

impl Database {
    /// Begins a transaction nested in those that are open.
    ///
    /// Before the outermost [`TransactionKind::Async`] transaction the caller
    /// commits the pending implicit transaction ([`Database::commit`]), so
    /// that a rollback does not take earlier writes along.
    ///
    /// # Errors
    /// The object's own error when it is broken or closed.
    ///
    /// # Panics
    /// When the caller has not committed.
    pub fn transaction_begin(&self, kind: TransactionKind) -> Result<TransactionDepth> {
        self.check_open()?;
        let depth = self.transactions.depth.get();
        assert!(
            kind == TransactionKind::Sync || depth > 0 || !self.is_dirty(),
            "the implicit transaction is committed before transaction() begins"
        );
        self.begin_implicit()?;
        self.run(&self.transactions.level(kind, depth).begin)?;
        self.transactions.open.borrow_mut().push(kind);
        self.transactions.depth.set(depth + 1);
        Ok(TransactionDepth { depth, kind })
    }

    /// Ends a transaction and keeps its writes, as far as those around it do.
    ///
    /// # Errors
    /// [`StorageError::Sql`] when a nested transaction is still open, and the
    /// object's own error when it is broken or closed.
    pub fn transaction_commit(&self, transaction: TransactionDepth) -> Result<()> {
        self.check_innermost(
            transaction,
            "Cannot commit an outer transaction while a nested transaction is still running.",
        )?;
        self.run(
            &self
                .transactions
                .level(transaction.kind, transaction.depth)
                .release,
        )?;
        self.pop();
        Ok(())
    }

    /// Ends a transaction and takes its writes back.
    ///
    /// # Errors
    /// [`StorageError::Sql`] `Cannot roll back an outer transaction while a
    /// nested transaction is still running.`, and the object's own error when
    /// it is broken or closed.
    pub fn transaction_rollback(&self, transaction: TransactionDepth) -> Result<()> {
        self.check_innermost(
            transaction,
            "Cannot roll back an outer transaction while a nested transaction is still running.",
        )?;
        let level = self.transactions.level(transaction.kind, transaction.depth);
        self.run(&level.roll_back)?;
        // The tables of KV and of the alarm may have been made inside.
        self.schema_changed();
        self.run(&level.release)?;
        self.pop();
        Ok(())
    }

    fn check_innermost(&self, transaction: TransactionDepth, nested: &str) -> Result<()> {
        self.check_open()?;
        let open = self.transactions.depth.get();
        assert_eq!(
            self.transactions.open.borrow().get(transaction.depth),
            Some(&transaction.kind),
            "a transaction ends once"
        );
        if open > transaction.depth + 1 {
            return Err(StorageError::Sql(nested.to_owned()));
        }
        Ok(())
    }

    fn pop(&self) {
        self.transactions.open.borrow_mut().pop();
        self.transactions
            .depth
            .set(self.transactions.depth.get() - 1);
    }
}

fn name(kind: TransactionKind, depth: usize) -> String {
    match kind {
        TransactionKind::Sync => format!("_cf_sync_savepoint_{depth}"),
        TransactionKind::Async => format!("_cf_savepoint_{depth}"),
    }
}
