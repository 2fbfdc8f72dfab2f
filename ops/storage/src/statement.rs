//! A compiled statement, and the connection it belongs to.
//!
//! rusqlite's own statements borrow their connection, which a cursor held by
//! JavaScript cannot. Statements here are reference counted and listed on
//! their connection, so that closing the database, or deleting everything in
//! it, can take them all away: a cursor that is left over then finds its
//! statement gone ([`Statement::is_gone`]).

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use rusqlite::ffi;

use crate::authorizer::Authority;
use crate::counts::Shape;
use crate::{Binding, Result, StorageError, ValueRef, result_code};

/// The connection as its statements see it.
pub(crate) struct Handle {
    /// Null once the connection is closed.
    db: Cell<*mut ffi::sqlite3>,
    pub(crate) authority: Arc<Authority>,
    /// Every statement that is not finalized yet; each knows its index.
    statements: RefCell<Vec<Weak<Statement>>>,
}

impl Handle {
    /// # Safety
    /// `db` stays open until [`Handle::close`] is called.
    pub(crate) unsafe fn new(db: *mut ffi::sqlite3, authority: Arc<Authority>) -> Rc<Handle> {
        Rc::new(Handle {
            db: Cell::new(db),
            authority,
            statements: RefCell::default(),
        })
    }

    /// The open connection.
    ///
    /// # Panics
    /// When the connection is closed, which callers have ruled out.
    pub(crate) fn db(&self) -> *mut ffi::sqlite3 {
        let db = self.db.get();
        assert!(!db.is_null(), "a closed connection is used");
        db
    }

    /// Finalizes every statement; those still held are gone.
    pub(crate) fn finalize_statements(&self) {
        let statements = self.statements.take();
        for statement in statements.iter().filter_map(Weak::upgrade) {
            statement.finalize();
        }
    }

    /// Finalizes every statement and forgets the connection, which may then be
    /// closed.
    pub(crate) fn close(&self) {
        self.finalize_statements();
        self.db.set(ptr::null_mut());
    }

    /// Whether [`Handle::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.db.get().is_null()
    }

    /// Rows inserted, updated or deleted since the connection was opened,
    /// also by triggers.
    pub(crate) fn total_changes(&self) -> u64 {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_total_changes64(self.db()) as u64 }
    }

    /// Rows changed by the last statement.
    pub(crate) fn changes(&self) -> u64 {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_changes64(self.db()) as u64 }
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_get_autocommit(self.db()) != 0 }
    }
}

/// Whose statement it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaker {
    /// The application: the authorizer is asked.
    Application,
    /// We ourselves.
    Storage,
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A row can be read.
    Row,
    /// The statement ran to its end.
    Done,
}

/// One compiled statement.
pub(crate) struct Statement {
    /// Null once finalized.
    raw: Cell<*mut ffi::sqlite3_stmt>,
    handle: Rc<Handle>,
    /// Where `handle.statements` lists this.
    index: Cell<usize>,
    speaker: Speaker,
    /// Whether a cursor is using it.
    pub(crate) busy: Cell<bool>,
    /// Whether running it leaves the database file as it was.
    pub(crate) readonly: bool,
    /// Whether it is an ALTER TABLE.
    pub(crate) alters: bool,
    /// Whether it creates, drops or alters something.
    pub(crate) changes_schema: bool,
    /// How many bindings it takes.
    pub(crate) parameters: usize,
    /// Column names as of `compilations`.
    columns: RefCell<Rc<[String]>>,
    /// How often SQLite had compiled it again when `columns` was read.
    compilations: Cell<c_int>,
    /// What its program does to each row; made when first asked for.
    pub(crate) shape: OnceCell<Shape>,
}

impl Statement {
    /// Compiles the first statement of `sql` and returns it with the text that
    /// follows, or `None` when there is only white space and comments.
    ///
    /// # Errors
    /// SQLite's, as [`StorageError::Sql`].
    pub(crate) fn prepare<'s>(
        handle: &Rc<Handle>,
        sql: &'s str,
        speaker: Speaker,
    ) -> Result<Option<(Rc<Statement>, &'s str)>> {
        let authority = &handle.authority;
        authority.clear();
        let (code, raw, used) = match speaker {
            Speaker::Storage => authority.trusting(|| prepare_raw(handle.db(), sql)),
            Speaker::Application => prepare_raw(handle.db(), sql),
        };
        if code != ffi::SQLITE_OK {
            if authority.transaction_denied() {
                return Err(StorageError::Sql(
                    crate::authorizer::TRANSACTION_TEXT.to_owned(),
                ));
            }
            // SAFETY: the connection is open and its last call failed.
            return Err(unsafe { result_code::error(handle.db()) });
        }
        if raw.is_null() {
            return Ok(None);
        }
        let statement = Statement::new(handle, raw, speaker);
        Ok(Some((statement, sql.get(used..).unwrap_or(""))))
    }

    fn new(handle: &Rc<Handle>, raw: *mut ffi::sqlite3_stmt, speaker: Speaker) -> Rc<Statement> {
        let mut statements = handle.statements.borrow_mut();
        // SAFETY: the statement was just compiled.
        let (readonly, parameters) = unsafe {
            (
                ffi::sqlite3_stmt_readonly(raw) != 0,
                ffi::sqlite3_bind_parameter_count(raw),
            )
        };
        let statement = Rc::new(Statement {
            raw: Cell::new(raw),
            handle: Rc::clone(handle),
            index: Cell::new(statements.len()),
            speaker,
            busy: Cell::new(false),
            readonly,
            alters: handle.authority.altered(),
            changes_schema: handle.authority.schema_changed(),
            parameters: parameters as usize,
            columns: RefCell::new(column_names(raw)),
            compilations: Cell::new(0),
            shape: OnceCell::new(),
        });
        statements.push(Rc::downgrade(&statement));
        statement
    }

    /// Whether the statement was taken away by closing or deleting.
    pub(crate) fn is_gone(&self) -> bool {
        self.raw.get().is_null()
    }

    pub(crate) fn raw(&self) -> *mut ffi::sqlite3_stmt {
        self.raw.get()
    }

    pub(crate) fn handle(&self) -> &Rc<Handle> {
        &self.handle
    }

    /// Names of the result's columns, as of the last step.
    pub(crate) fn columns(&self) -> Rc<[String]> {
        // SAFETY: callers have checked that the statement is not gone; SQLite
        // compiles it again, with other columns perhaps, when the schema changed.
        let compilations =
            unsafe { ffi::sqlite3_stmt_status(self.raw(), ffi::SQLITE_STMTSTATUS_REPREPARE, 0) };
        if compilations != self.compilations.get() {
            self.compilations.set(compilations);
            *self.columns.borrow_mut() = column_names(self.raw());
        }
        Rc::clone(&self.columns.borrow())
    }

    /// The statement's text, `None` once it is gone.
    pub(crate) fn sql(&self) -> Option<String> {
        // SAFETY: the text lives as long as the statement, and is copied. The
        // text of a gone statement is null.
        unsafe {
            let sql = ffi::sqlite3_sql(self.raw());
            (!sql.is_null()).then(|| CStr::from_ptr(sql).to_string_lossy().into_owned())
        }
    }

    /// Number of result columns, 0 when there is no result.
    pub(crate) fn column_count(&self) -> usize {
        // SAFETY: a gone statement is a null pointer, which has no columns.
        unsafe { ffi::sqlite3_column_count(self.raw()) as usize }
    }

    /// Binds a value to the parameter `index`, counted from 1, copying it.
    pub(crate) fn bind(&self, index: usize, value: Binding<'_>) -> Result<()> {
        // SAFETY: SQLite copies the value before it returns.
        unsafe { self.bind_with(index, value, ffi::SQLITE_TRANSIENT()) }
    }

    /// Binds a value without copying it.
    ///
    /// # Safety
    /// The value outlives the use of the statement, up to
    /// [`Statement::release`].
    pub(crate) unsafe fn bind_borrowed(&self, index: usize, value: Binding<'_>) -> Result<()> {
        // SAFETY: passed on.
        unsafe { self.bind_with(index, value, ffi::SQLITE_STATIC()) }
    }

    /// # Safety
    /// As `destructor` says: either SQLite copies, or the value outlives the
    /// use of the statement.
    unsafe fn bind_with(
        &self,
        index: usize,
        value: Binding<'_>,
        destructor: ffi::sqlite3_destructor_type,
    ) -> Result<()> {
        let (raw, index) = (self.raw(), index as c_int);
        // SAFETY: the statement is compiled and not running; lengths are those
        // of the slices. An empty slice's pointer is never null, so it binds
        // an empty value rather than NULL.
        let code = unsafe {
            match value {
                Binding::Null => ffi::sqlite3_bind_null(raw, index),
                Binding::Real(number) => ffi::sqlite3_bind_double(raw, index, number),
                Binding::Text(text) => ffi::sqlite3_bind_text64(
                    raw,
                    index,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    destructor,
                    ffi::SQLITE_UTF8 as u8,
                ),
                Binding::Blob(blob) => ffi::sqlite3_bind_blob64(
                    raw,
                    index,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    destructor,
                ),
            }
        };
        self.check(code)
    }

    /// Binds bytes as TEXT, also when they are not UTF-8: an upper bound of
    /// keys may be a prefix whose last byte was incremented.
    pub(crate) fn bind_key_bytes(&self, index: usize, bytes: &[u8]) -> Result<()> {
        // SAFETY: SQLite copies the bytes before it returns.
        let code = unsafe {
            ffi::sqlite3_bind_text64(
                self.raw(),
                index as c_int,
                bytes.as_ptr().cast(),
                bytes.len() as u64,
                ffi::SQLITE_TRANSIENT(),
                ffi::SQLITE_UTF8 as u8,
            )
        };
        self.check(code)
    }

    /// Binds an integer, for statements of our own: the application's numbers
    /// are always REAL.
    pub(crate) fn bind_integer(&self, index: usize, value: i64) -> Result<()> {
        // SAFETY: the statement is compiled and not running.
        self.check(unsafe { ffi::sqlite3_bind_int64(self.raw(), index as c_int, value) })
    }

    fn check(&self, code: c_int) -> Result<()> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        // SAFETY: the connection is open and its last call failed.
        Err(unsafe { result_code::error(self.handle.db()) })
    }

    /// Runs the statement to its next row or its end. Returns SQLite's code as
    /// the error; the text is [`result_code::describe`]'s.
    pub(crate) fn step(&self) -> Result<Step, c_int> {
        // SAFETY: callers have checked that the statement is not gone.
        let code = match self.speaker {
            Speaker::Application => unsafe { ffi::sqlite3_step(self.raw()) },
            Speaker::Storage => self
                .handle
                .authority
                .trusting(|| unsafe { ffi::sqlite3_step(self.raw()) }),
        };
        match code {
            ffi::SQLITE_ROW => Ok(Step::Row),
            ffi::SQLITE_DONE => Ok(Step::Done),
            code => Err(code),
        }
    }

    /// The value in a column of the current row, valid until the next call on
    /// this statement or its connection.
    pub(crate) fn column(&self, index: usize) -> ValueRef<'_> {
        let (raw, index) = (self.raw(), index as c_int);
        // SAFETY: a gone statement is a null pointer, for which SQLite answers
        // NULL, as it does for an index out of range. Type, then pointer, then
        // length is the order SQLite asks for.
        unsafe {
            match ffi::sqlite3_column_type(raw, index) {
                ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_column_int64(raw, index)),
                ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_column_double(raw, index)),
                ffi::SQLITE_TEXT => {
                    let bytes = ffi::sqlite3_column_text(raw, index);
                    ValueRef::Text(slice(bytes, ffi::sqlite3_column_bytes(raw, index)))
                }
                ffi::SQLITE_BLOB => {
                    let bytes = ffi::sqlite3_column_blob(raw, index);
                    ValueRef::Blob(slice(bytes.cast(), ffi::sqlite3_column_bytes(raw, index)))
                }
                _ => ValueRef::Null,
            }
        }
    }

    /// Rows read so far by this execution, as far as the statement's own
    /// counters tell, and starts counting again. See [`crate::counts`].
    pub(crate) fn steps(&self, restart: bool) -> u64 {
        let reset = restart as c_int;
        // SAFETY: callers have checked that the statement is not gone. Counter
        // 0 is where SQLite counts the steps of a search, as opposed to a scan.
        unsafe {
            let scan =
                ffi::sqlite3_stmt_status(self.raw(), ffi::SQLITE_STMTSTATUS_FULLSCAN_STEP, reset);
            let search = ffi::sqlite3_stmt_status(self.raw(), 0, reset);
            scan as u32 as u64 + search as u32 as u64
        }
    }

    /// Ends an execution: the statement may be run again, and holds neither
    /// values nor locks.
    pub(crate) fn release(&self) {
        let raw = self.raw();
        if raw.is_null() {
            return;
        }
        // SAFETY: the statement is compiled. The code repeats the error of the
        // last step, which was reported then.
        unsafe {
            ffi::sqlite3_reset(raw);
            if self.parameters > 0 {
                ffi::sqlite3_clear_bindings(raw);
            }
        }
    }

    fn finalize(&self) {
        let raw = self.raw.replace(ptr::null_mut());
        if !raw.is_null() {
            // SAFETY: this was the only pointer to the statement.
            unsafe { ffi::sqlite3_finalize(raw) };
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if self.is_gone() {
            return;
        }
        self.finalize();
        let mut statements = self.handle.statements.borrow_mut();
        let index = self.index.get();
        statements.swap_remove(index);
        if let Some(moved) = statements.get(index).and_then(Weak::upgrade) {
            moved.index.set(index);
        }
    }
}

/// Compiles; returns the code, the statement and how many bytes it took.
fn prepare_raw(db: *mut ffi::sqlite3, sql: &str) -> (c_int, *mut ffi::sqlite3_stmt, usize) {
    let mut raw = ptr::null_mut();
    let mut tail: *const c_char = ptr::null();
    let start = sql.as_ptr().cast::<c_char>();
    let length = c_int::try_from(sql.len()).unwrap_or(c_int::MAX);
    // SAFETY: the connection is open and the text has the length given.
    let code = unsafe {
        ffi::sqlite3_prepare_v3(
            db,
            start,
            length,
            ffi::SQLITE_PREPARE_PERSISTENT,
            &mut raw,
            &mut tail,
        )
    };
    let used = if tail.is_null() {
        sql.len()
    } else {
        tail as usize - start as usize
    };
    (code, raw, used)
}

fn column_names(raw: *mut ffi::sqlite3_stmt) -> Rc<[String]> {
    // SAFETY: the statement is compiled; a name lives until it is compiled
    // again, and is copied before. Null means that memory ran out.
    unsafe {
        (0..ffi::sqlite3_column_count(raw))
            .map(|index| match ffi::sqlite3_column_name(raw, index) {
                name if name.is_null() => String::new(),
                name => CStr::from_ptr(name).to_string_lossy().into_owned(),
            })
            .collect()
    }
}

/// # Safety
/// `bytes` points to `length` bytes that live for `'a`, or is null (an empty
/// value).
unsafe fn slice<'a>(bytes: *const u8, length: c_int) -> &'a [u8] {
    if bytes.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(bytes, length as usize) }
}
