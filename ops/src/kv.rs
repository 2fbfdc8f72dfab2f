//! Key-value storage, which `ctx.storage.kv` and the asynchronous methods of
//! `ctx.storage` share. Values are structured-clone bytes.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#synchronous-kv-api>

use std::cell::RefCell;

use deno_core::GarbageCollected;
use deno_core::ToJsBuffer;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use stead_storage::Database;
use stead_storage::KvCursor;
use stead_storage::KvRange;
use stead_storage::StorageError;

use crate::instance::ObjectHandle;

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
    let result = if unconfirmed {
        database.unconfirmed(|| write(database))
    } else {
        write(database)
    };
    handle.0.check(result)
}

#[op2]
fn op_kv_get(
    #[cppgc] handle: &ObjectHandle,
    #[string] key: &str,
) -> Result<Option<Uint8Array>, JsErrorBox> {
    handle.0.check(
        handle
            .0
            .database
            .kv_get(key, |value| Uint8Array::from(value.to_vec())),
    )
}

#[op2(fast)]
fn op_kv_put(
    #[cppgc] handle: &ObjectHandle,
    #[string] key: &str,
    #[buffer] value: &[u8],
    unconfirmed: bool,
) -> Result<(), JsErrorBox> {
    write(handle, unconfirmed, |database| database.kv_put(key, value))
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
    let cursor = handle.0.check(handle.0.database.kv_list(&range))?;
    Ok(KvListing {
        cursor: RefCell::new(cursor),
    })
}

/// The next key and value; undefined at the end.
#[op2]
#[serde]
fn op_kv_next(
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] listing: &KvListing,
) -> Result<Option<(String, ToJsBuffer)>, JsErrorBox> {
    let mut cursor = listing.cursor.borrow_mut();
    handle
        .0
        .check(cursor.next(|key, value| (key.to_owned(), ToJsBuffer::from(value.to_vec()))))
}

#[op2(fast)]
fn op_kv_delete_all(#[cppgc] handle: &ObjectHandle, delete_alarm: bool) -> Result<(), JsErrorBox> {
    handle.0.check(handle.0.database.delete_all(delete_alarm))
}
