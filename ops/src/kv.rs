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
use crate::record;
use crate::record::Plain;
use crate::record::Record;

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
    /// The names of the properties of the last flat record, which JavaScript has as well.
    names: RefCell<Vec<Box<[u8]>>>,
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
        names: RefCell::default(),
    })
}

/// The next key and value as an array; undefined at the end. For a flat record, if `names` is an
/// array: `names`, which then holds its properties' names, the key and the properties' values.
/// Reentrant as `op_kv_get`.
#[op2(reentrant)]
fn op_kv_next<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] listing: &KvListing,
    names: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let names = v8::Local::<v8::Array>::try_from(names).ok();
    let next = meter::storage(|| {
        listing.cursor.borrow_mut().next(|key, value| {
            let key = v8::String::new(scope, key).unwrap_or_else(|| v8::String::empty(scope));
            let record = names.and_then(|names| Some((names, record::read(value)?)));
            match record {
                Some((names, record)) => {
                    listing.name(scope, &record, names);
                    Entry::Record(record_parts(scope, names, key, &record))
                }
                None => Entry::Bytes(key, value.to_vec()),
            }
        })
    });
    Ok(match handle.0.check(next)? {
        None => v8::undefined(scope).into(),
        Some(Entry::Record(parts)) => parts.into(),
        Some(Entry::Bytes(key, value)) => {
            let value = clone::read(scope, &state, &value)?;
            v8::Array::new_with_elements(scope, &[key.into(), value]).into()
        }
    })
}

/// An entry of a listing.
enum Entry<'s> {
    Record(v8::Local<'s, v8::Array>),
    Bytes(v8::Local<'s, v8::String>, Vec<u8>),
}

impl KvListing {
    /// Has JavaScript's array hold the names of a record.
    fn name<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        record: &Record<'_>,
        names: v8::Local<'s, v8::Array>,
    ) {
        let mut known = self.names.borrow_mut();
        let same = known
            .iter()
            .map(|name| &**name)
            .eq(record.names.iter().copied());
        if same {
            return;
        }
        *known = record.names.iter().map(|name| Box::from(*name)).collect();
        let length = v8::String::new(scope, "length").expect("a short string");
        let count = v8::Integer::new_from_unsigned(scope, known.len() as u32);
        names.set(scope, length.into(), count.into());
        for (index, name) in known.iter().enumerate() {
            let name = v8::String::new_from_one_byte(scope, name, v8::NewStringType::Internalized)
                .expect("a key that is short enough to be stored");
            names.set_index(scope, index as u32, name.into());
        }
    }
}

fn record_parts<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    names: v8::Local<'s, v8::Array>,
    key: v8::Local<'s, v8::String>,
    record: &Record<'_>,
) -> v8::Local<'s, v8::Array> {
    let mut parts: Vec<v8::Local<v8::Value>> = Vec::with_capacity(record.values.len() + 2);
    parts.push(names.into());
    parts.push(key.into());
    for value in &record.values {
        parts.push(plain_to_js(scope, *value));
    }
    v8::Array::new_with_elements(scope, &parts)
}

fn plain_to_js<'s>(scope: &mut v8::PinScope<'s, '_>, value: Plain<'_>) -> v8::Local<'s, v8::Value> {
    match value {
        Plain::Undefined => v8::undefined(scope).into(),
        Plain::Null => v8::null(scope).into(),
        Plain::Bool(value) => v8::Boolean::new(scope, value).into(),
        Plain::Integer(value) => v8::Integer::new(scope, value).into(),
        Plain::Number(value) => v8::Number::new(scope, value).into(),
        Plain::Text(text) => v8::String::new_from_one_byte(scope, text, v8::NewStringType::Normal)
            .expect("a text that is short enough to be stored")
            .into(),
    }
}

#[op2(fast)]
fn op_kv_delete_all(#[cppgc] handle: &ObjectHandle, delete_alarm: bool) -> Result<(), JsErrorBox> {
    let instance = &handle.0;
    instance.check(meter::storage(|| {
        instance.database.delete_all(delete_alarm)
    }))?;
    // What its facets stored is part of what it stored.
    instance.check(instance.host().delete_facets(instance, None))
}
