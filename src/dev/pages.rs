//! What a browser is shown when there is no answer to show: the code does not load, or it threw.
//!
//! A page waits for the next version of the code and then loads itself again.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use tokio::sync::watch;

use super::session::Failure;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// Addresses below this one are answered here.
const PREFIX: &str = "/cdn-cgi/stead/";
const STYLE: &str = include_str!("overlay.css");
const SCRIPT: &str = include_str!("overlay.js");

/// The pages of one server, and what they tell.
pub struct Pages {
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
struct State {
    /// Grows with every update, successful or not.
    version: u64,
    /// Why the code as it is does not run.
    failure: Option<Arc<Failure>>,
    /// Somebody has seen that and wants to see the old code's answers.
    dismissed: bool,
}

/// An exception that nobody caught while a request was answered.
pub struct Thrown<'a> {
    /// The error's stack, with its causes.
    pub text: &'a str,
    /// The object that had a part in it, as `ChatRoom/lobby`.
    pub object: Option<&'a str>,
    /// What was being done: `GET /path`.
    pub event: &'a str,
}

impl Pages {
    pub fn new() -> Pages {
        Pages {
            state: watch::Sender::new(State::default()),
        }
    }

    /// Tells how the last update went. Pages that wait load themselves again.
    pub fn updated(&self, failure: Option<Failure>) {
        self.state.send_modify(|state| {
            state.version += 1;
            state.failure = failure.map(Arc::new);
            state.dismissed = false;
        });
    }

    /// Whether the files as they are do not run, and nobody has dismissed that.
    pub fn is_broken(&self) -> bool {
        let state = self.state.borrow();
        state.failure.is_some() && !state.dismissed
    }

    /// Whether a request is for an address of these pages themselves.
    pub fn is_own(path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    /// Answers a request for an address of these pages. `stop` resolves when the server is to end.
    pub async fn answer_own(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        stop: impl Future<Output = ()>,
    ) -> http::Response<Bytes> {
        match (method, path.strip_prefix(PREFIX).unwrap_or_default()) {
            (&Method::GET, "version") => {
                let after = query.and_then(|query| query.strip_prefix("after="));
                let after = after.and_then(|after| after.parse::<u64>().ok());
                let mut states = self.state.subscribe();
                let newer = states.wait_for(|state| Some(state.version) != after);
                tokio::select! {
                    _ = newer => {}
                    () = stop => {}
                }
                let version = self.state.borrow().version.to_string();
                respond(StatusCode::OK, "text/plain", version)
            }
            (&Method::POST, "dismiss") => {
                self.state.send_modify(|state| {
                    state.dismissed = true;
                    state.version += 1;
                });
                respond(StatusCode::OK, "text/plain", String::new())
            }
            _ => respond(
                StatusCode::NOT_FOUND,
                "text/plain",
                "Not Found\n".to_owned(),
            ),
        }
    }

    /// The page about code that does not load, for a person who opens a page while it does not.
    pub fn for_navigation(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<http::Response<Bytes>> {
        let state = self.state.borrow();
        let failure = state.failure.as_ref().filter(|_| !state.dismissed)?;
        let shown = method == Method::GET && is_navigation(headers);
        shown.then(|| respond_html(failure_page(failure, state.version, true)))
    }

    /// The answer to any request while there is no code that runs.
    pub fn without_worker(&self, headers: &HeaderMap) -> http::Response<Bytes> {
        let state = self.state.borrow();
        match &state.failure {
            Some(failure) if is_navigation(headers) => {
                respond_html(failure_page(failure, state.version, false))
            }
            Some(failure) => {
                let text = format!("{}\n", failure_text(failure));
                respond(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "text/plain;charset=UTF-8",
                    text,
                )
            }
            None => respond(
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                "Starting\n".to_owned(),
            ),
        }
    }

    /// The page about an exception, if the client is a person. Reads the file that it points at, so
    /// it may wait for the disk.
    pub fn for_exception(
        &self,
        headers: &HeaderMap,
        thrown: &Thrown<'_>,
    ) -> Option<http::Response<Bytes>> {
        if !is_navigation(headers) {
            return None;
        }
        let version = self.state.borrow().version;
        let message = thrown.text.lines().next().unwrap_or_default();
        let mut page = Page::new("Uncaught exception", message, version);
        if let Some(location) = Location::of_stack(thrown.text)
            && let Ok(source) = std::fs::read_to_string(&location.file)
        {
            page.diagnostic(&Diagnostic::new(message).at(location, &source));
        }
        page.text("stack", thrown.text);
        page.fact("event", thrown.event);
        if let Some(object) = thrown.object {
            page.fact("object", object);
        }
        Some(respond_html(page.html()))
    }
}

fn failure_page(failure: &Failure, version: u64, old_code: bool) -> String {
    let mut page;
    match failure {
        Failure::Diagnosed(diagnostics) => {
            let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
            let message = first.map_or("", |diagnostic| diagnostic.message.as_str());
            page = Page::new("The code does not load", message, version);
            for diagnostic in diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
            {
                page.diagnostic(diagnostic);
            }
        }
        Failure::Problem(problem) => {
            page = Page::new("The code does not load", &problem.what, version);
            let text = problem.text(crate::cli::style::Style::PLAIN);
            if let Some(location) = Location::of_stack(&text)
                && let Ok(source) = std::fs::read_to_string(&location.file)
            {
                page.diagnostic(&Diagnostic::new(&problem.what).at(location, &source));
            }
            page.text("stack", &text);
        }
    }
    if old_code {
        page.can_be_dismissed();
    }
    page.html()
}

fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Diagnosed(diagnostics) => {
            let texts: Vec<String> = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .map(|diagnostic| diagnostic.render(false))
                .collect();
            texts.join("\n")
        }
        Failure::Problem(problem) => problem.text(crate::cli::style::Style::PLAIN),
    }
}

/// A page being put together.
struct Page {
    title: String,
    version: u64,
    body: String,
}

impl Page {
    fn new(kind: &str, message: &str, version: u64) -> Page {
        Page {
            title: format!("{kind}: {message}"),
            version,
            body: format!(
                "<p class=kind>{}</p><h1>{}</h1>",
                escape(kind),
                escape(message)
            ),
        }
    }

    /// The place and the lines around it.
    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        if let Some(location) = &diagnostic.location {
            let place = escape(&location.to_string());
            self.body
                .push_str(&format!("<p class=place>{place}</p><pre class=frame>"));
            for line in &diagnostic.frame {
                let class = if line.number == location.line {
                    " class=marked"
                } else {
                    ""
                };
                let text = escape(&line.text);
                self.body.push_str(&format!(
                    "<span{class}><b>{:>4}</b> {text}</span>\n",
                    line.number
                ));
            }
            let lead = " ".repeat(location.column as usize + 4);
            let carets = "^".repeat(location.length as usize);
            self.body.push_str(&format!("<i>{lead}{carets}</i></pre>"));
        } else {
            self.text("frame", &diagnostic.render(false));
        }
        if let Some(help) = &diagnostic.help {
            self.body
                .push_str(&format!("<p class=help>{}</p>", escape(help)));
        }
    }

    fn text(&mut self, class: &str, text: &str) {
        self.body.push_str(&format!(
            "<pre class={class}>{}</pre>",
            escape(text.trim_end())
        ));
    }

    fn fact(&mut self, label: &str, value: &str) {
        let (label, value) = (escape(label), escape(value));
        self.body.push_str(&format!(
            "<p class=fact><b>{label}</b> <code>{value}</code></p>"
        ));
    }

    fn can_be_dismissed(&mut self) {
        self.body
            .push_str("<p><button id=dismiss>go on with the code before this change</button></p>");
    }

    fn html(&self) -> String {
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{}</title><style>{STYLE}</style>\
             <main data-version={}>{}<footer>This page loads again when the code changes.</footer></main>\
             <script>{SCRIPT}</script></html>",
            escape(&self.title),
            self.version,
            self.body,
        )
    }
}

/// Whether a person's browser wants a page, not code in a page some data.
fn is_navigation(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-dest") {
        Some(destination) => destination == "document",
        None => text("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn respond_html(html: String) -> http::Response<Bytes> {
    respond(
        StatusCode::INTERNAL_SERVER_ERROR,
        "text/html;charset=UTF-8",
        html,
    )
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> http::Response<Bytes> {
    let mut response = http::Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    fn broken(message: &str) -> Failure {
        let source = "let a;\nlet <b = 1;\n";
        let location = Location::from_offset(Path::new("/app/x.ts"), source, 11, 1);
        Failure::Diagnosed(vec![Diagnostic::new(message).at(location, source)])
    }

    #[test]
    fn only_a_person_who_opens_a_page_is_shown_a_broken_save() {
        let pages = Pages::new();
        let browser = headers(&[("accept", "text/html,*/*"), ("sec-fetch-dest", "document")]);
        assert!(pages.for_navigation(&Method::GET, &browser).is_none());
        pages.updated(Some(broken("no <b>")));
        let page = pages.for_navigation(&Method::GET, &browser).unwrap();
        let html = String::from_utf8(page.body().to_vec()).unwrap();
        assert_eq!(page.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(html.contains("<h1>no &lt;b&gt;</h1>"), "{html}");
        assert!(
            html.contains("/app/x.ts:2:5") && html.contains("let &lt;b = 1;"),
            "{html}"
        );
        for other in [
            headers(&[("accept", "*/*")]),
            headers(&[("accept", "text/html"), ("sec-fetch-dest", "empty")]),
        ] {
            assert!(pages.for_navigation(&Method::GET, &other).is_none());
        }
        assert!(pages.for_navigation(&Method::POST, &browser).is_none());
        pages.updated(None);
        assert!(pages.for_navigation(&Method::GET, &browser).is_none());
    }

    #[tokio::test]
    async fn a_page_hears_of_the_next_version_and_can_be_dismissed() {
        let pages = Arc::new(Pages::new());
        let browser = headers(&[("accept", "text/html")]);
        pages.updated(Some(broken("no")));
        let never = std::future::pending::<()>;
        let path = "/cdn-cgi/stead/version";
        let now = pages.answer_own(&Method::GET, path, None, never()).await;
        assert_eq!(now.body().as_ref(), b"1");
        let dismiss = "/cdn-cgi/stead/dismiss";
        let waiting = tokio::spawn({
            let pages = pages.clone();
            async move {
                pages
                    .answer_own(&Method::GET, path, Some("after=1"), never())
                    .await
            }
        });
        pages
            .answer_own(&Method::POST, dismiss, None, never())
            .await;
        assert_eq!(waiting.await.unwrap().body().as_ref(), b"2");
        assert!(pages.for_navigation(&Method::GET, &browser).is_none());
        let stopped = std::future::ready(());
        let stop = pages
            .answer_own(&Method::GET, path, Some("after=2"), stopped)
            .await;
        assert_eq!(stop.body().as_ref(), b"2");
    }
}
