//! The Cache API: responses that the worker keeps for a while, and may find gone at any time.
//!
//! They are in memory, shared by all shards, and bounded: what was not asked for longest makes room.
//! JavaScript decides what may be kept and for how long; this is where it is kept.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/cache/>

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use bytes::Bytes;
use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::futures::StreamExt;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use http::HeaderMap;

use crate::body::Body;
use crate::headers::headers_from_js;
use crate::headers::headers_to_js;
use crate::host::running_host;
use crate::stub::body_from_js;
use crate::stub::body_to_js;

deno_core::extension!(
    stead_cache,
    ops = [
        op_cache_find,
        op_cache_status,
        op_cache_reason,
        op_cache_age,
        op_cache_size,
        op_cache_headers,
        op_cache_body,
        op_cache_bytes,
        op_cache_put,
        op_cache_kept,
        op_cache_delete,
    ],
);

/// What an entry takes beside its parts, roughly.
const ENTRY_BYTES: usize = 256;

/// A part of all that is kept: one entry may take that much of it.
const ENTRY_SHARE: usize = 4;

/// The cache (none for `caches.default`) and the key in it.
type Key = (Option<String>, String);

/// All caches of a worker.
///
/// Behind a mutex rather than on a thread of its own: what is done under it is a look-up or an
/// insertion of something that is complete, and never longer than that.
pub struct Caches {
    kept: Mutex<Kept>,
    bytes_max: usize,
}

/// What was kept at one moment.
pub struct CachesCopy(Kept);

#[derive(Clone, Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// The keys by when they were last asked for.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    response: Arc<CachedResponse>,
    expires_ms: i64,
    bytes: usize,
    used: u64,
}

/// A response as it is kept.
pub struct CachedResponse {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Since when it is kept.
    pub kept_ms: i64,
}

impl CachedResponse {
    fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + 16);
        self.body.len() + headers.sum::<usize>()
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_use.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

impl Caches {
    /// Empty caches that together take at most `bytes_max`.
    pub fn new(bytes_max: usize) -> Caches {
        Caches {
            kept: Mutex::default(),
            bytes_max,
        }
    }

    /// The most that one response may take.
    fn entry_bytes_max(&self) -> usize {
        self.bytes_max / ENTRY_SHARE
    }

    /// Keeps a response until `expires_ms` at most. Does nothing with one that is too large.
    pub fn put(
        &self,
        cache: Option<String>,
        key: String,
        response: CachedResponse,
        expires_ms: i64,
    ) {
        let key = (cache, key);
        let names = key.0.as_ref().map_or(0, String::len) + key.1.len();
        // The key is there twice.
        let bytes = ENTRY_BYTES + 2 * names + response.size();
        let mut kept = self.lock();
        kept.remove(&key);
        if bytes > self.entry_bytes_max() {
            return;
        }
        while kept.bytes + bytes > self.bytes_max {
            let Some(oldest) = kept.by_use.first_key_value().map(|(_, key)| key.clone()) else {
                break;
            };
            kept.remove(&oldest);
        }
        kept.uses += 1;
        kept.bytes += bytes;
        let used = kept.uses;
        kept.by_use.insert(used, key.clone());
        let entry = Entry {
            response: Arc::new(response),
            expires_ms,
            bytes,
            used,
        };
        kept.entries.insert(key, entry);
    }

    /// Finds a response that has not expired by `now_ms`.
    pub fn find(
        &self,
        cache: Option<String>,
        key: String,
        now_ms: i64,
    ) -> Option<Arc<CachedResponse>> {
        let key = (cache, key);
        let mut kept = self.lock();
        let expires_ms = kept.entries.get(&key)?.expires_ms;
        if expires_ms <= now_ms {
            kept.remove(&key);
            return None;
        }
        kept.uses += 1;
        let used = kept.uses;
        let entry = kept.entries.get_mut(&key)?;
        let before = std::mem::replace(&mut entry.used, used);
        let response = entry.response.clone();
        kept.by_use.remove(&before);
        kept.by_use.insert(used, key);
        Some(response)
    }

    /// Forgets a response; whether there was one.
    pub fn delete(&self, cache: Option<String>, key: String, now_ms: i64) -> bool {
        let removed = self.lock().remove(&(cache, key));
        removed.is_some_and(|entry| entry.expires_ms > now_ms)
    }

    /// All that is kept at the moment; the responses themselves are shared.
    pub fn copy(&self) -> CachesCopy {
        CachesCopy(self.lock().clone())
    }

    /// Goes back to what was kept then.
    pub fn restore(&self, copy: CachesCopy) {
        *self.lock() = copy.0;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A response that was found.
pub struct Found {
    response: Arc<CachedResponse>,
    age_s: i64,
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for Found {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"CachedResponse"
    }
}

/// A response whose body is still being read.
pub struct Keeping(RefCell<Option<KeepFuture>>);

type KeepFuture = Pin<Box<dyn Future<Output = io::Result<()>>>>;

// SAFETY: the future holds no references into the JavaScript heap.
unsafe impl GarbageCollected for Keeping {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Keeping"
    }
}

/// Finds a response. `cache` is empty for the default one.
#[op2]
#[cppgc]
fn op_cache_find(
    state: &mut OpState,
    #[string] cache: Option<String>,
    #[string] key: String,
) -> Result<Option<Found>, JsErrorBox> {
    let host = running_host(state)?;
    let now_ms = host.now_ms();
    let found = host.caches().find(cache, key, now_ms);
    Ok(found.map(|response| Found {
        age_s: (now_ms - response.kept_ms).max(0) / 1000,
        response,
    }))
}

/// For how many seconds it has been kept.
#[op2(fast)]
fn op_cache_age(#[cppgc] found: &Found) -> f64 {
    found.age_s as f64
}

/// What a status is called.
#[op2]
#[string]
fn op_cache_reason(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or_default()
}

#[op2(fast)]
fn op_cache_status(#[cppgc] found: &Found) -> u32 {
    found.response.status.into()
}

/// The bytes of the body.
#[op2(fast)]
fn op_cache_size(#[cppgc] found: &Found) -> f64 {
    found.response.body.len() as f64
}

#[op2]
fn op_cache_headers<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] found: &Found,
) -> v8::Local<'s, v8::Array> {
    headers_to_js(scope, &found.response.headers)
}

/// The body's bytes from `start` to `end`, which is not among them.
#[op2]
fn op_cache_body<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] found: &Found,
    #[number] start: u64,
    #[number] end: u64,
) -> v8::Local<'s, v8::Value> {
    let length = found.response.body.len();
    let end = length.min(end as usize);
    let start = end.min(start as usize);
    body_to_js(scope, Body::Full(found.response.body.slice(start..end)))
}

/// The same, copied.
#[op2]
#[buffer]
fn op_cache_bytes(#[cppgc] found: &Found, #[number] start: u64, #[number] end: u64) -> Vec<u8> {
    let length = found.response.body.len();
    let end = length.min(end as usize);
    let start = end.min(start as usize);
    found.response.body[start..end].to_vec()
}

/// Begins to keep a response; an expired one is only read.
#[op2]
#[cppgc]
#[allow(
    clippy::too_many_arguments,
    reason = "the parts of a response, as JavaScript has them"
)]
fn op_cache_put<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[string] cache: Option<String>,
    #[string] key: String,
    status: u16,
    headers: v8::Local<'s, v8::Array>,
    body: v8::Local<'s, v8::Value>,
    #[number] lifetime_ms: i64,
) -> Result<Keeping, JsErrorBox> {
    let headers = headers_from_js(scope, headers)?;
    let body = body_from_js(scope, state, body)?;
    let host = running_host(state)?;
    let kept_ms = host.now_ms();
    let expires_ms = kept_ms.saturating_add(lifetime_ms);
    let keep = async move {
        let room = host.caches().entry_bytes_max();
        let Some(body) = read(body, room).await? else {
            return Ok(());
        };
        if lifetime_ms > 0 {
            let response = CachedResponse {
                status,
                headers,
                body,
                kept_ms,
            };
            host.caches().put(cache, key, response, expires_ms);
        }
        Ok(())
    };
    Ok(Keeping(RefCell::new(Some(Box::pin(keep)))))
}

/// Waits until a response is kept.
#[op2]
async fn op_cache_kept(#[cppgc] keeping: &Keeping) -> Result<(), JsErrorBox> {
    let keep = keeping.0.borrow_mut().take();
    match keep {
        Some(keep) => keep
            .await
            .map_err(|error| JsErrorBox::generic(error.to_string())),
        None => Ok(()),
    }
}

/// Forgets a response; whether there was one.
#[op2]
fn op_cache_delete(
    state: &mut OpState,
    #[string] cache: Option<String>,
    #[string] key: String,
) -> Result<bool, JsErrorBox> {
    let host = running_host(state)?;
    Ok(host.caches().delete(cache, key, host.now_ms()))
}

/// Reads a body to its end; none if it has more than `max` bytes, of which no more are held.
async fn read(body: Body, max: usize) -> io::Result<Option<Bytes>> {
    let Body::Stream { mut stream, .. } = body else {
        return body.collect().await.map(Some);
    };
    let mut all = bytes::BytesMut::new();
    let mut fits = true;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        fits = fits && all.len() + chunk.len() <= max;
        if fits {
            all.extend_from_slice(&chunk);
        } else {
            all = bytes::BytesMut::new();
        }
    }
    Ok(fits.then(|| all.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(bytes: usize) -> CachedResponse {
        CachedResponse {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![0; bytes]),
            kept_ms: 0,
        }
    }

    fn has(caches: &Caches, key: &str) -> bool {
        caches.find(None, key.to_owned(), 0).is_some()
    }

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let caches = Caches::new(10_000);
        for key in ["a", "b", "c"] {
            caches.put(None, key.to_owned(), response(2_000), 1);
        }
        assert!(has(&caches, "a"));
        for key in ["d", "e"] {
            caches.put(None, key.to_owned(), response(2_000), 1);
        }
        let found: Vec<bool> = ["a", "b", "c", "d", "e"]
            .map(|key| has(&caches, key))
            .into();
        assert_eq!(found, [true, false, true, true, true]);
        assert!(caches.lock().bytes <= 10_000);
    }

    #[test]
    fn one_response_takes_a_part_at_most_and_an_older_one_goes() {
        let caches = Caches::new(10_000);
        caches.put(None, "a".to_owned(), response(10), 1);
        caches.put(None, "a".to_owned(), response(3_000), 1);
        assert!(!has(&caches, "a"));
        assert_eq!(caches.lock().bytes, 0);
    }

    #[test]
    fn what_has_expired_is_not_there() {
        let caches = Caches::new(10_000);
        caches.put(None, "a".to_owned(), response(10), 5);
        assert!(caches.find(None, "a".to_owned(), 4).is_some());
        assert!(caches.find(None, "a".to_owned(), 5).is_none());
        caches.put(None, "a".to_owned(), response(10), 5);
        assert!(!caches.delete(None, "a".to_owned(), 5));
    }

    #[test]
    fn caches_of_different_names_are_apart() {
        let caches = Caches::new(10_000);
        caches.put(Some("x".to_owned()), "a".to_owned(), response(10), 1);
        assert!(!has(&caches, "a"));
        assert!(caches.delete(Some("x".to_owned()), "a".to_owned(), 0));
        assert_eq!(caches.lock().by_use.len(), 0);
    }

    #[test]
    fn random_use_keeps_the_books() {
        let seed: u64 = 0x5eed;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            state >> 33
        };
        let caches = Caches::new(20_000);
        for step in 0..20_000 {
            let key = format!("{}", next() % 20);
            match next() % 4 {
                0 | 1 => caches.put(
                    None,
                    key,
                    response((next() % 6_000) as usize),
                    (next() % 10) as i64,
                ),
                2 => drop(caches.find(None, key, 5)),
                _ => drop(caches.delete(None, key, 5)),
            }
            let kept = caches.lock();
            let sum: usize = kept.entries.values().map(|entry| entry.bytes).sum();
            assert_eq!(sum, kept.bytes, "seed {seed:#x}, step {step}");
            assert_eq!(kept.by_use.len(), kept.entries.len());
            assert!(kept.bytes <= 20_000);
        }
    }
}
