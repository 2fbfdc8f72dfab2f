//! `ctx.storage.sql`: queries and cursors.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#sql-api>

use std::cell::RefCell;

use deno_core::GarbageCollected;
use deno_core::cppgc::make_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use smallvec::SmallVec;
use stead_storage::Binding;
use stead_storage::Cursor;
use stead_storage::Executed;
use stead_storage::StorageError;
use stead_storage::Tally;
use stead_storage::ValueRef;

use crate::instance::ObjectHandle;
use crate::meter;

deno_core::extension!(
    stead_sql,
    ops = [
        op_sql_exec,
        op_sql_counts,
        op_sql_next,
        op_sql_rest,
        op_sql_columns,
        op_sql_rows_read,
        op_sql_rows_written,
        op_sql_database_size,
    ],
);

/// A cursor as JavaScript holds it.
pub struct SqlCursor {
    cursor: RefCell<Cursor>,
}

// SAFETY: the cursor holds no references into the JavaScript heap.
unsafe impl GarbageCollected for SqlCursor {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"SqlCursor"
    }
}

/// A bound value that outlives the reading of the JavaScript values.
enum Bound {
    Null,
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Bound {
    /// Follows the platform: every number is a REAL, everything that is neither
    /// null, number, text nor bytes is bound as its string.
    fn from_js<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> Result<Bound, JsErrorBox> {
        if value.is_null_or_undefined() {
            return Ok(Bound::Null);
        }
        if let Ok(number) = v8::Local::<v8::Number>::try_from(value) {
            return Ok(Bound::Real(number.value()));
        }
        if value.is_string() {
            return Ok(Bound::Text(value.to_rust_string_lossy(scope)));
        }
        if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(value) {
            let mut bytes = vec![0; view.byte_length()];
            view.copy_contents(&mut bytes);
            return Ok(Bound::Blob(bytes));
        }
        if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(value) {
            let length = buffer.byte_length();
            let view = v8::Uint8Array::new(scope, buffer, 0, length)
                .ok_or_else(|| JsErrorBox::type_error("the bound ArrayBuffer is detached"))?;
            let mut bytes = vec![0; length];
            view.copy_contents(&mut bytes);
            return Ok(Bound::Blob(bytes));
        }
        if value.is_big_int() {
            return Err(JsErrorBox::type_error(
                "Cannot convert a BigInt value to a number",
            ));
        }
        if value.is_symbol() {
            return Err(JsErrorBox::type_error(
                "Cannot convert a Symbol value to a string",
            ));
        }
        match value.to_string(scope) {
            Some(text) => Ok(Bound::Text(text.to_rust_string_lossy(scope))),
            None => Err(JsErrorBox::type_error(
                "Cannot convert object to primitive value",
            )),
        }
    }

    fn as_binding(&self) -> Binding<'_> {
        match self {
            Bound::Null => Binding::Null,
            Bound::Real(number) => Binding::Real(*number),
            Bound::Text(text) => Binding::Text(text),
            Bound::Blob(bytes) => Binding::Blob(bytes),
        }
    }
}

/// Runs SQL with what follows `query` as its bindings. A statement without a result that has run
/// before leaves no cursor but the number by which `op_sql_counts` knows what it did.
#[op2]
fn op_sql_exec<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &ObjectHandle,
    #[string] query: &str,
    #[varargs] arguments: Option<&v8::FunctionCallbackArguments<'s>>,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let arguments = arguments.expect("op2 passes what it was called with");
    let count = arguments.length() - NAMED_ARGUMENTS;
    let mut bound = SmallVec::<[Bound; BINDINGS_INLINE]>::new();
    for index in 0..count {
        let value = arguments.get(NAMED_ARGUMENTS + index);
        bound.push(Bound::from_js(scope, value)?);
    }
    let bindings: SmallVec<[Binding<'_>; BINDINGS_INLINE]> =
        bound.iter().map(Bound::as_binding).collect();
    let database = &handle.0.database;
    let executed = meter::storage(|| database.execute(query, &bindings));
    Ok(match handle.0.check(executed)? {
        Executed::Cursor(cursor) => make_cppgc_object(
            scope,
            SqlCursor {
                cursor: RefCell::new(cursor),
            },
        )
        .into(),
        Executed::Done(tally) => v8::Number::new(scope, pack(tally)).into(),
    })
}

/// Bindings that are kept without asking for memory.
const BINDINGS_INLINE: usize = 8;
/// How many arguments of `op_sql_exec` come before the bindings.
const NAMED_ARGUMENTS: i32 = 2;
/// What one more step counts for in a packed tally, so that steps and changes fit into a number.
const PACKED_STEP: u64 = 1 << 32;

/// A tally as a number; counts beyond what fits are cut.
fn pack(tally: Tally) -> f64 {
    let steps = tally.steps.min((1 << 20) - 1);
    (steps * PACKED_STEP + tally.changes.min(PACKED_STEP - 1)) as f64
}

fn unpack(packed: f64) -> Tally {
    let packed = packed as u64;
    Tally {
        steps: packed / PACKED_STEP,
        changes: packed % PACKED_STEP,
        first: 0,
    }
}

/// Rows written, or else read, by an execution of `query` that left no cursor.
#[op2(fast)]
#[number]
fn op_sql_counts(
    #[cppgc] handle: &ObjectHandle,
    #[string] query: &str,
    tally: f64,
    written: bool,
) -> u64 {
    let (rows_read, rows_written) = handle.0.database.counts(query, unpack(tally));
    if written { rows_written } else { rows_read }
}

/// The current row as an array of values, and one step; undefined at the end.
#[op2]
fn op_sql_next<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] cursor: &SqlCursor,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let mut cursor = cursor.cursor.borrow_mut();
    if !cursor.has_row() {
        return Ok(v8::undefined(scope).into());
    }
    handle.0.check(cursor.check())?;
    let mut values = Vec::with_capacity(cursor.column_count());
    read_row(scope, &cursor, &mut values)?;
    handle.0.check(meter::storage(|| cursor.advance()))?;
    Ok(v8::Array::new_with_elements(scope, &values).into())
}

/// All remaining rows, their values one after the other in one array.
#[op2]
fn op_sql_rest<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] cursor: &SqlCursor,
) -> Result<v8::Local<'s, v8::Array>, JsErrorBox> {
    let mut cursor = cursor.cursor.borrow_mut();
    let mut values = Vec::new();
    handle.0.check(cursor.check())?;
    while cursor.has_row() {
        read_row(scope, &cursor, &mut values)?;
        handle.0.check(meter::storage(|| cursor.advance()))?;
    }
    Ok(v8::Array::new_with_elements(scope, &values))
}

#[op2]
fn op_sql_columns<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] cursor: &SqlCursor,
) -> v8::Local<'s, v8::Array> {
    let cursor = cursor.cursor.borrow();
    let names: Vec<v8::Local<v8::Value>> = cursor
        .column_names()
        .iter()
        .map(|name| {
            v8::String::new(scope, name)
                .unwrap_or_else(|| v8::String::empty(scope))
                .into()
        })
        .collect();
    v8::Array::new_with_elements(scope, &names)
}

#[op2(fast)]
#[number]
fn op_sql_rows_read(#[cppgc] cursor: &SqlCursor) -> u64 {
    cursor.cursor.borrow().rows_read()
}

#[op2(fast)]
#[number]
fn op_sql_rows_written(#[cppgc] cursor: &SqlCursor) -> u64 {
    cursor.cursor.borrow().rows_written()
}

#[op2(fast)]
#[number]
fn op_sql_database_size(#[cppgc] handle: &ObjectHandle) -> Result<u64, JsErrorBox> {
    handle.0.check(handle.0.database.size())
}

fn read_row<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    cursor: &Cursor,
    values: &mut Vec<v8::Local<'s, v8::Value>>,
) -> Result<(), JsErrorBox> {
    for index in 0..cursor.column_count() {
        values.push(to_js(scope, cursor.column(index))?);
    }
    Ok(())
}

/// Integers become numbers, also beyond 2^53: the platform never gives BigInts.
fn to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: ValueRef<'_>,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let too_big = || {
        let error = StorageError::Sql("string or blob too big: SQLITE_TOOBIG".into());
        JsErrorBox::new(error.js_class(), error.to_string())
    };
    Ok(match value {
        ValueRef::Null => v8::null(scope).into(),
        ValueRef::Integer(number) => v8::Number::new(scope, number as f64).into(),
        ValueRef::Real(number) => v8::Number::new(scope, number).into(),
        ValueRef::Text(text) if text.is_ascii() => {
            v8::String::new_from_one_byte(scope, text, v8::NewStringType::Normal)
                .ok_or_else(too_big)?
                .into()
        }
        ValueRef::Text(text) => v8::String::new_from_utf8(scope, text, v8::NewStringType::Normal)
            .ok_or_else(too_big)?
            .into(),
        ValueRef::Blob(bytes) => array_buffer(scope, bytes).into(),
    })
}

/// A new ArrayBuffer with a copy of `bytes`.
pub fn array_buffer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> v8::Local<'s, v8::ArrayBuffer> {
    let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes.to_vec()).make_shared();
    v8::ArrayBuffer::with_backing_store(scope, &store)
}
