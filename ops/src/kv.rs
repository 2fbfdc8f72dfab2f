//! Key-value storage, which `ctx.storage.kv` and the asynchronous methods of
//! `ctx.storage` share. Values are structured-clone bytes.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#synchronous-kv-api>

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use stead_storage::Database;
use stead_storage::KvCursor;
use stead_storage::KvRange;
use stead_storage::StorageError;

use crate::clone;
use crate::instance::ObjectHandle;
use crate::meter;

deno_core::extension!(
    stead_kv,
    ops = [
        op_kv_get,
        op_kv_put,
        op_kv_put_many,
        op_kv_delete,
        op_kv_check_count,
        op_kv_list,
        op_kv_next,
        op_kv_delete_all,
    ],
);

/// A listing as JavaScript holds it.
pub struct KvListing {
    cursor: RefCell<KvCursor>,
}

// SAFETY: the cursor holds no references into the JavaScript heap.
unsafe impl GarbageCollected for KvListing {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"KvListing"
    }
}

/// Makes a write; with `unconfirmed`, nothing that the object says waits for it.
pub(crate) fn write<T>(
    handle: &ObjectHandle,
    unconfirmed: bool,
    write: impl FnOnce(&Database) -> Result<T, StorageError>,
) -> Result<T, JsErrorBox> {
    let database = &*handle.0.database;
    let result = meter::storage(|| match unconfirmed {
        true => database.unconfirmed(|| write(database)),
        false => write(database),
    });
    handle.0.check(result)
}

/// The value of a key, undefined if there is none. Reentrant: values are made by
/// clone.js, in part, after the bytes have left SQLite.
#[op2(reentrant)]
fn op_kv_get<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[cppgc] handle: &ObjectHandle,
    #[string] key: &str,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let found = handle.0.check(meter::storage(|| {
        handle.0.database.kv_get(key, <[u8]>::to_vec)
    }))?;
    match found {
        Some(bytes) => clone::read(scope, &state, &bytes),
        None => Ok(v8::undefined(scope).into()),
    }
}

/// Stores a value. Reentrant: its getters are user code, which has run when the
/// storage is written to.
#[op2(nofast, reentrant)]
fn op_kv_put<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[cppgc] handle: &ObjectHandle,
    #[string] key: &str,
    value: v8::Local<'s, v8::Value>,
    unconfirmed: bool,
) -> Result<(), JsErrorBox> {
    match clone::write(scope, &state, value)? {
        Some(bytes) => write(handle, unconfirmed, |database| database.kv_put(key, &bytes)),
        None => Ok(()),
    }
}

#[op2]
fn op_kv_put_many(
    #[cppgc] handle: &ObjectHandle,
    #[serde] entries: Vec<(String, deno_core::JsBuffer)>,
    unconfirmed: bool,
) -> Result<(), JsErrorBox> {
    let entries: Vec<(&str, &[u8])> = entries
        .iter()
        .map(|(key, value)| (key.as_str(), &value[..]))
        .collect();
    write(handle, unconfirmed, |database| {
        database.kv_put_many(&entries)
    })
}

#[op2(fast)]
fn op_kv_delete(
    #[cppgc] handle: &ObjectHandle,
    #[string] key: &str,
    unconfirmed: bool,
) -> Result<bool, JsErrorBox> {
    write(handle, unconfirmed, |database| database.kv_delete(key))
}

/// Refuses a call that names too many keys, before its first key is looked at.
#[op2(fast)]
fn op_kv_check_count(#[cppgc] handle: &ObjectHandle, #[smi] count: u32) -> Result<(), JsErrorBox> {
    handle
        .0
        .check(handle.0.database.kv_check_count(count as usize))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListOptions {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    reverse: bool,
    limit: Option<f64>,
}

#[op2]
#[cppgc]
fn op_kv_list(
    #[cppgc] handle: &ObjectHandle,
    #[serde] options: ListOptions,
) -> Result<KvListing, JsErrorBox> {
    let range = KvRange {
        start: options.start,
        start_after: options.start_after,
        end: options.end,
        prefix: options.prefix,
        reverse: options.reverse,
        limit: options.limit.map(|limit| limit as i64),
    };
    let cursor = handle
        .0
        .check(meter::storage(|| handle.0.database.kv_list(&range)))?;
    Ok(KvListing {
        cursor: RefCell::new(cursor),
    })
}

/// The next key and value as an array; undefined at the end. Reentrant as `op_kv_get`.
#[op2(reentrant)]
fn op_kv_next<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] listing: &KvListing,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let next = meter::storage(|| {
        listing.cursor.borrow_mut().next(|key, value| {
            let key = v8::String::new(scope, key).unwrap_or_else(|| v8::String::empty(scope));
            (key, value.to_vec())
        })
    });
    let Some((key, value)) = handle.0.check(next)? else {
        return Ok(v8::undefined(scope).into());
    };
    let value = clone::read(scope, &state, &value)?;
    Ok(v8::Array::new_with_elements(scope, &[key.into(), value]).into())
}

#[op2(fast)]
fn op_kv_delete_all(#[cppgc] handle: &ObjectHandle, delete_alarm: bool) -> Result<(), JsErrorBox> {
    let database = &handle.0.database;
    handle
        .0
        .check(meter::storage(|| database.delete_all(delete_alarm)))
}
