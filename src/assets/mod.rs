//! Static files beside a worker: who answers a request, and the answer if it is a file.
//!
//! <https://developers.cloudflare.com/workers/static-assets/routing/>
//!
//! Everything here may wait for the disk, so it runs on threads that may.

mod ignore;
mod paths;
mod pattern;
mod rules;
mod types;

use std::collections::HashMap;
use std::collections::HashSet;
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
use crate::diagnostic::Diagnostic;
use ignore::IGNORE_FILE;
use ignore::Ignored;
use paths::Found;
use rules::Destination;
use rules::HEADERS_FILE;
use rules::HeaderChange;
use rules::REDIRECTS_FILE;
use rules::Rules;

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
        let mut headers = request.headers;
        if let Ok(host) = HeaderValue::from_str(url.authority()) {
            headers.insert(header::HOST, host);
        }
        Some(Asked {
            method: request.method.parse().ok()?,
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
            headers,
        })
    }

    /// The address that was asked for, with its dots resolved. Whether clients speak HTTPS does
    /// not matter here.
    fn url(&self) -> Option<url::Url> {
        let host = self.headers.get(header::HOST);
        let host = host
            .and_then(|host| host.to_str().ok())
            .unwrap_or("localhost");
        let path = self.path_and_query();
        url::Url::parse(&format!("http://{host}{path}")).ok()
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
    rules: Rules,
    ignored: Ignored,
    hashes: Mutex<HashMap<PathBuf, (SystemTime, String)>>,
}

/// What the rules and the files have to say to a request.
enum Outcome {
    /// This.
    Answer(http::Response<Bytes>),
    /// Nothing; whether a rule has sent the request to where nothing is.
    Nothing { sent: bool },
}

impl Assets {
    /// The files of a folder, with the rules that are beside them. Waits for the disk.
    pub fn new(config: config::Assets, has_worker: bool, navigation_prefers_files: bool) -> Assets {
        Assets {
            rules: Rules::read(&config.directory).0,
            ignored: Ignored::read(&config.directory),
            config,
            has_worker,
            navigation_prefers_files,
            hashes: Mutex::default(),
        }
    }

    /// What is wrong with the rules of a folder. Waits for the disk.
    pub fn warnings(config: &config::Assets) -> Vec<Diagnostic> {
        Rules::read(&config.directory).1
    }

    /// The files that say something about the others: what to watch for changes.
    pub fn rule_files(config: &config::Assets) -> [PathBuf; 3] {
        [HEADERS_FILE, REDIRECTS_FILE, IGNORE_FILE].map(|name| config.directory.join(name))
    }

    /// The answer to a request from outside; None if the worker is to give it. Waits for the disk.
    pub fn route(&self, asked: &Asked) -> Option<http::Response<Bytes>> {
        if !self.has_worker {
            return Some(self.answer(asked));
        }
        let mut not_found = NotFoundHandling::None;
        match &self.config.worker_first {
            WorkerFirst::All => return None,
            WorkerFirst::None => {}
            WorkerFirst::Matching(patterns) => {
                let path = decode(&asked.path);
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
        match self.look(asked, not_found)? {
            Outcome::Answer(response) => Some(response),
            Outcome::Nothing { sent: true } => Some(self.answer(asked)),
            Outcome::Nothing { sent: false } => None,
        }
    }

    /// The answer of the files alone, as the binding in `env` gives it. Waits for the disk.
    pub fn answer(&self, asked: &Asked) -> http::Response<Bytes> {
        match self.look(asked, self.config.not_found) {
            None => empty(StatusCode::BAD_REQUEST),
            Some(Outcome::Answer(response)) => response,
            Some(Outcome::Nothing { .. }) => {
                let url = asked.url().expect("it was looked at");
                self.with_headers(&url, empty(StatusCode::NOT_FOUND))
            }
        }
    }

    /// What there is for a request; None if its address is none.
    fn look(&self, asked: &Asked, not_found: NotFoundHandling) -> Option<Outcome> {
        let url = asked.url()?;
        let host = url.host_str().unwrap_or_default();
        let mut path = url.path().to_owned();
        let mut sent = false;
        if let Some(to) = self.rules.redirect(host, &path) {
            let target = url.join(&to.to);
            let Ok(target) = target else {
                let answer = self.with_headers(&url, empty(StatusCode::NOT_FOUND));
                return Some(Outcome::Answer(answer));
            };
            if to.status != 200 {
                let answer = redirect_to(&url, &target, &to);
                return Some(Outcome::Answer(self.with_headers(&url, answer)));
            }
            path = target.path().to_owned();
            sent = true;
        }
        let decoded = decode(&path);
        let Some(found) = self.find(&decoded, not_found) else {
            return Some(Outcome::Nothing { sent });
        };
        let answer = self.respond(asked, &url, &path, &decoded, found);
        Some(Outcome::Answer(self.with_headers(&url, answer)))
    }

    fn find(&self, path: &str, not_found: NotFoundHandling) -> Option<Found> {
        let exists = |path: &str| self.file(path).is_some();
        paths::find(path, self.config.html, not_found, &exists)
    }

    /// An answer with what `_headers` says of it.
    fn with_headers(
        &self,
        url: &url::Url,
        mut response: http::Response<Bytes>,
    ) -> http::Response<Bytes> {
        let headers = response.headers_mut();
        let mut set = HashSet::new();
        let host = url.host_str().unwrap_or_default();
        for change in self.rules.headers(host, url.path()) {
            match change {
                HeaderChange::Remove(name) => drop(headers.remove(name.to_ascii_lowercase())),
                HeaderChange::Set(name, value) => {
                    let name = http::HeaderName::try_from(&name);
                    let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) else {
                        continue;
                    };
                    // The first rule replaces what was there, those behind it add to that.
                    if set.insert(name.clone()) {
                        headers.insert(name, value);
                    } else {
                        headers.append(name, value);
                    }
                }
            }
        }
        response
    }

    /// The file of a decoded path, if there is one that may be served.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let unsafe_part = |part: &str| part == ".." || part == "." || part.contains(['\0', '\\']);
        if NOT_SERVED.contains(&path) || path.split('/').any(unsafe_part) {
            return None;
        }
        if self.ignored.holds(path) {
            return None;
        }
        let file = self.config.directory.join(path.trim_start_matches('/'));
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() <= FILE_BYTES_MAX).then_some(file)
    }

    /// The answer with what was found at `path`, which is `decoded`.
    fn respond(
        &self,
        asked: &Asked,
        url: &url::Url,
        path: &str,
        decoded: &str,
        found: Found,
    ) -> http::Response<Bytes> {
        if !matches!(asked.method, Method::GET | Method::HEAD) {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let encoded = match &found {
            Found::Redirect(to) => encode(to),
            Found::File(_) | Found::NotFoundPage(_) => encode(decoded),
        };
        // An address has one way to be written.
        if encoded != path {
            let query = url.query().map(|query| format!("?{query}"));
            let query = query.unwrap_or_default();
            return located(StatusCode::TEMPORARY_REDIRECT, &format!("{encoded}{query}"));
        }
        let (path, status) = match found {
            Found::File(path) => (path, StatusCode::OK),
            Found::NotFoundPage(path) => (path, StatusCode::NOT_FOUND),
            Found::Redirect(_) => return empty(StatusCode::NOT_FOUND),
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
        if let Some(kind) = types::content_type(&path) {
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

/// The path with everything escaped that `encodeURIComponent` escapes.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The answer that sends a client from one address to another. The query goes along unless the
/// target has one.
fn redirect_to(from: &url::Url, target: &url::Url, to: &Destination) -> http::Response<Bytes> {
    let mut target = target.clone();
    if target.query().unwrap_or_default().is_empty() {
        target.set_query(from.query());
    }
    let is_here = target.authority() == from.authority();
    let location = match is_here {
        true => &target[url::Position::BeforePath..],
        false => target.as_str(),
    };
    let status = StatusCode::from_u16(to.status).unwrap_or(StatusCode::FOUND);
    located(status, location)
}

fn located(status: StatusCode, location: &str) -> http::Response<Bytes> {
    let mut response = empty(status);
    if let Ok(to) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn empty(status: StatusCode) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = status;
    response
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
