//! Static files beside a worker: who answers a request, and the answer if it is a file.
//!
//! <https://developers.cloudflare.com/workers/static-assets/routing/>
//!
//! Everything here may wait for the disk, so it runs on threads that may.

mod paths;

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use sha1::Digest;
use sha1::Sha1;
use stead_ops::assets::FileRequest;

use crate::config;
use crate::config::NotFoundHandling;
use crate::config::WorkerFirst;
use paths::Found;

/// What the platform allows for one file.
const FILE_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// Hashes of files that are remembered.
const HASHES_MAX: usize = 4096;
/// Files that say something about the others and are not served themselves.
const NOT_SERVED: [&str; 4] = ["/_headers", "/_redirects", "/.assetsignore", "/_worker.js"];

/// A request, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// The path and query as they came.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
}

impl Asked {
    /// As a log shows it.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// A request that the worker makes; None for a URL that is none.
    pub fn from_url(request: FileRequest) -> Option<Asked> {
        let url = url::Url::parse(&request.url).ok()?;
        Some(Asked {
            method: request.method.parse().ok()?,
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
            headers: request.headers,
        })
    }
}

/// The static files of one worker.
pub struct Assets {
    config: config::Assets,
    /// Whether there is code to answer what no file does.
    has_worker: bool,
    /// A browser's navigation gets the not-found page rather than the worker:
    /// `assets_navigation_prefers_asset_serving`, the default since 2025-04-01.
    navigation_prefers_files: bool,
    hashes: Mutex<HashMap<PathBuf, (SystemTime, String)>>,
}

impl Assets {
    pub fn new(config: config::Assets, has_worker: bool, navigation_prefers_files: bool) -> Assets {
        Assets {
            config,
            has_worker,
            navigation_prefers_files,
            hashes: Mutex::default(),
        }
    }

    /// The answer to a request from outside; None if the worker is to give it. Waits for the disk.
    pub fn route(&self, asked: &Asked) -> Option<http::Response<Bytes>> {
        if !self.has_worker {
            return Some(self.answer(asked));
        }
        let path = decode(&asked.path);
        let mut not_found = NotFoundHandling::None;
        match &self.config.worker_first {
            WorkerFirst::All => return None,
            WorkerFirst::None => {}
            WorkerFirst::Matching(patterns) => {
                let matches = |pattern: &str| matches(pattern, &path);
                let (excepted, included): (Vec<&String>, Vec<&String>) = patterns
                    .iter()
                    .partition(|pattern| pattern.starts_with('!'));
                if excepted.iter().any(|pattern| matches(&pattern[1..])) {
                    return Some(self.answer(asked));
                }
                if included.iter().any(|pattern| matches(pattern)) {
                    return None;
                }
                not_found = self.config.not_found;
            }
        }
        let navigates = asked
            .headers
            .get("sec-fetch-mode")
            .is_some_and(|mode| mode == "navigate");
        if navigates && self.navigation_prefers_files {
            not_found = self.config.not_found;
        }
        let found = self.find(&path, not_found)?;
        Some(self.respond(asked, found))
    }

    /// The answer of the files alone, as the binding in `env` gives it. Waits for the disk.
    pub fn answer(&self, asked: &Asked) -> http::Response<Bytes> {
        match self.find(&decode(&asked.path), self.config.not_found) {
            Some(found) => self.respond(asked, found),
            None => empty(StatusCode::NOT_FOUND),
        }
    }

    fn find(&self, path: &str, not_found: NotFoundHandling) -> Option<Found> {
        let exists = |path: &str| self.file(path).is_some();
        paths::find(path, self.config.html, not_found, &exists)
    }

    /// The file of a decoded path, if there is one that may be served.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let unsafe_part = |part: &str| part == ".." || part == "." || part.contains(['\0', '\\']);
        if NOT_SERVED.contains(&path) || path.split('/').any(unsafe_part) {
            return None;
        }
        let file = self.config.directory.join(path.trim_start_matches('/'));
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() <= FILE_BYTES_MAX).then_some(file)
    }

    fn respond(&self, asked: &Asked, found: Found) -> http::Response<Bytes> {
        if !matches!(asked.method, Method::GET | Method::HEAD) {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let (path, status) = match found {
            Found::File(path) => (path, StatusCode::OK),
            Found::NotFoundPage(path) => (path, StatusCode::NOT_FOUND),
            Found::Redirect(path) => return redirect(&path, asked.query.as_deref()),
        };
        let read = self
            .file(&path)
            .and_then(|file| Some((self.tag(&file)?, std::fs::read(&file).ok()?)));
        // It was there a moment ago.
        let Some((tag, bytes)) = read else {
            return empty(StatusCode::NOT_FOUND);
        };
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let tag = format!("\"{tag}\"");
        if let Some(kind) = content_type(&path) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
        let cacheable = ["authorization", "range"];
        if cacheable
            .iter()
            .all(|name| !asked.headers.contains_key(*name))
        {
            let always_ask = HeaderValue::from_static("public, max-age=0, must-revalidate");
            headers.insert(header::CACHE_CONTROL, always_ask);
        }
        let known = asked.headers.get(header::IF_NONE_MATCH);
        let known = known
            .and_then(|known| known.to_str().ok())
            .unwrap_or_default();
        if known == tag || known.strip_prefix("W/") == Some(&tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if asked.method == Method::HEAD {
            headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        } else {
            *response.body_mut() = bytes.into();
        }
        response
    }

    /// The hash of a file's content, remembered until it changes.
    fn tag(&self, file: &Path) -> Option<String> {
        let changed = file
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()?;
        let hashes = || self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, tag)) = hashes().get(file)
            && *when == changed
        {
            return Some(tag.clone());
        }
        let digest = Sha1::digest(std::fs::read(file).ok()?);
        let tag: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut hashes = hashes();
        if hashes.len() >= HASHES_MAX {
            hashes.clear();
        }
        hashes.insert(file.to_owned(), (changed, tag.clone()));
        Some(tag)
    }
}

/// Whether a path matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = path;
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else {
        return false;
    };
    rest = after;
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

/// The path with its escapes decoded and its slashes single.
fn decode(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        decoded.push('/');
        decoded.push_str(&unescape(part));
    }
    if decoded.is_empty() || path.ends_with('/') {
        decoded.push('/');
    }
    decoded
}

/// `%41` → `A`; the text itself if that is no text.
fn unescape(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| part.to_owned())
}

fn redirect(path: &str, query: Option<&str>) -> http::Response<Bytes> {
    let mut to = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push_str(&format!("%{byte:02X}"));
        }
    }
    if let Some(query) = query {
        to.push('?');
        to.push_str(query);
    }
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn empty(status: StatusCode) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn content_type(path: &str) -> Option<HeaderValue> {
    let kind = mime_guess::from_path(path).first()?;
    let essence = kind.essence_str();
    let text = match kind.type_() == mime_guess::mime::TEXT {
        true => format!("{essence}; charset=utf-8"),
        false => essence.to_owned(),
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let check =
            |pattern, path, expect| assert_eq!(matches(pattern, path), expect, "{pattern} {path}");
        check("/api/*", "/api/", true);
        check("/api/*", "/api/a/b", true);
        check("/api/*", "/api", false);
        check("/a", "/a", true);
        check("/a", "/ab", false);
        check("/*/b", "/a/b", true);
        check("/*.js", "/a/b.js", true);
        check("/*/x/*/y", "/1/x/2/y", true);
        check("/*/x/*/y", "/1/x/2/z", false);
    }

    #[test]
    fn a_path_is_decoded_part_by_part() {
        let check = |path, expect| assert_eq!(decode(path), expect);
        check("/a%20b//c/", "/a b/c/");
        check("", "/");
        check("/%zz/%f", "/%zz/%f");
        check("/%2e%2e/x", "/../x");
    }

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("public")).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let config = config::Assets {
            directory: folder.path().join("public"),
            binding: None,
            html: config::HtmlHandling::None,
            not_found: NotFoundHandling::None,
            worker_first: WorkerFirst::None,
        };
        let assets = Assets::new(config, false, true);
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "//../secret",
        ] {
            let asked = Asked {
                method: Method::GET,
                path: path.to_owned(),
                query: None,
                headers: HeaderMap::new(),
            };
            assert_eq!(
                assets.answer(&asked).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }
}
