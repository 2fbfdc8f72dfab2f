//! Which file answers which address: pure decisions over "is there such a file".
//!
//! <https://developers.cloudflare.com/workers/static-assets/routing/advanced/html-handling/>

use crate::config::HtmlHandling;
use crate::config::NotFoundHandling;

/// What an address leads to. Paths begin with a slash and are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This file, with status 200.
    File(String),
    /// This file, with status 404.
    NotFoundPage(String),
    /// Another address of the same file.
    Redirect(String),
}

/// One way in which an address may lead to a file.
enum Attempt {
    Serve(String),
    /// The file, and the address that it should have been asked by.
    Redirect(String, String),
}

use Attempt::Redirect;
use Attempt::Serve;

/// Looks an address up.
pub fn find(
    path: &str,
    html: HtmlHandling,
    not_found: NotFoundHandling,
    exists: &dyn Fn(&str) -> bool,
) -> Option<Found> {
    if let Some(found) = find_file(path, html, exists, true) {
        return Some(found);
    }
    match not_found {
        NotFoundHandling::None => None,
        NotFoundHandling::SinglePageApplication => {
            exists("/index.html").then(|| Found::File("/index.html".into()))
        }
        NotFoundHandling::NotFoundPage => {
            let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            let pages = folders.by_ref().map(|folder| format!("{folder}/404.html"));
            let page = pages
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .find(|page| exists(page));
            page.map(Found::NotFoundPage)
        }
    }
}

fn find_file(
    path: &str,
    html: HtmlHandling,
    exists: &dyn Fn(&str) -> bool,
    redirects: bool,
) -> Option<Found> {
    let attempts = match html {
        HtmlHandling::AutoTrailingSlash => auto(path),
        HtmlHandling::ForceTrailingSlash => force(path),
        HtmlHandling::DropTrailingSlash => drop_slash(path),
        HtmlHandling::None => vec![Serve(path.to_owned())],
    };
    for attempt in attempts {
        match attempt {
            Serve(file) if exists(&file) => return Some(Found::File(file)),
            // Only to an address that leads to this very file, or the client would go in circles.
            Redirect(file, to)
                if redirects
                    && exists(&file)
                    && !exists(&to)
                    && find_file(&to, html, exists, false) == Some(Found::File(file.clone())) =>
            {
                return Some(Found::Redirect(to));
            }
            _ => {}
        }
    }
    None
}

fn auto(path: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    if let Some(folder) = path.strip_suffix("/index") {
        attempts.push(Serve(path.to_owned()));
        attempts.push(Redirect(format!("{path}.html"), format!("{folder}/")));
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        attempts.push(Redirect(path.to_owned(), format!("{folder}/")));
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
    } else if let Some(folder) = path.strip_suffix('/') {
        attempts.push(Serve(format!("{path}index.html")));
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
    } else if let Some(stem) = path.strip_suffix(".html") {
        attempts.push(Redirect(path.to_owned(), stem.to_owned()));
        attempts.push(Redirect(format!("{stem}/index.html"), format!("{stem}/")));
    }
    attempts.push(Serve(path.to_owned()));
    attempts.push(Serve(format!("{path}.html")));
    attempts.push(Redirect(format!("{path}/index.html"), format!("{path}/")));
    attempts
}

fn force(path: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    if let Some(folder) = path.strip_suffix("/index") {
        attempts.push(Serve(path.to_owned()));
        attempts.push(Redirect(format!("{path}.html"), format!("{folder}/")));
        attempts.push(Redirect(format!("{folder}.html"), format!("{folder}/")));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        attempts.push(Redirect(path.to_owned(), format!("{folder}/")));
        attempts.push(Redirect(format!("{folder}.html"), format!("{folder}/")));
    } else if let Some(folder) = path.strip_suffix('/') {
        attempts.push(Serve(format!("{path}index.html")));
        attempts.push(Serve(format!("{folder}.html")));
    } else if let Some(stem) = path.strip_suffix(".html") {
        attempts.push(Redirect(path.to_owned(), format!("{stem}/")));
        attempts.push(Serve(path.to_owned()));
        attempts.push(Redirect(format!("{stem}/index.html"), format!("{stem}/")));
    }
    attempts.push(Serve(path.to_owned()));
    attempts.push(Redirect(format!("{path}.html"), format!("{path}/")));
    attempts.push(Redirect(format!("{path}/index.html"), format!("{path}/")));
    attempts
}

fn drop_slash(path: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    if matches!(path, "/index" | "/index.html") {
        attempts.push(Serve("/index".to_owned()));
        attempts.push(Redirect("/index.html".to_owned(), "/".to_owned()));
    } else if path == "/" {
        attempts.push(Serve("/index.html".to_owned()));
    } else if let Some(folder) = path.strip_suffix("/index") {
        attempts.push(Serve(path.to_owned()));
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
        attempts.push(Redirect(format!("{path}.html"), folder.to_owned()));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        attempts.push(Redirect(path.to_owned(), folder.to_owned()));
        attempts.push(Serve(path.to_owned()));
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
    } else if let Some(folder) = path.strip_suffix('/') {
        attempts.push(Redirect(format!("{folder}.html"), folder.to_owned()));
        attempts.push(Redirect(format!("{folder}/index.html"), folder.to_owned()));
    } else if let Some(stem) = path.strip_suffix(".html") {
        attempts.push(Redirect(path.to_owned(), stem.to_owned()));
        attempts.push(Redirect(format!("{stem}/index.html"), stem.to_owned()));
    }
    attempts.push(Serve(path.to_owned()));
    attempts.push(Serve(format!("{path}.html")));
    attempts.push(Serve(format!("{path}/index.html")));
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[&str] = &[
        "/index.html",
        "/about.html",
        "/docs/index.html",
        "/docs/404.html",
        "/404.html",
        "/app.js",
        "/both.html",
        "/both/index.html",
    ];

    /// `200 file`, `404 file`, `307 address` or `-` for each address.
    #[track_caller]
    fn check(html: HtmlHandling, expect: &[(&str, &str)]) {
        check_not_found(html, NotFoundHandling::None, expect);
    }

    #[track_caller]
    fn check_not_found(html: HtmlHandling, not_found: NotFoundHandling, expect: &[(&str, &str)]) {
        let exists = |path: &str| FILES.contains(&path);
        for (path, expected) in expect {
            let found = match find(path, html, not_found, &exists) {
                None => "-".to_owned(),
                Some(Found::File(file)) => format!("200 {file}"),
                Some(Found::NotFoundPage(file)) => format!("404 {file}"),
                Some(Found::Redirect(to)) => format!("307 {to}"),
            };
            assert_eq!(found, *expected, "{path}");
        }
    }

    #[test]
    fn a_page_has_one_address_and_the_others_lead_there() {
        check(
            HtmlHandling::AutoTrailingSlash,
            &[
                ("/", "200 /index.html"),
                ("/index", "307 /"),
                ("/index.html", "307 /"),
                ("/about", "200 /about.html"),
                ("/about.html", "307 /about"),
                ("/about/", "307 /about"),
                ("/about/index.html", "307 /about"),
                ("/docs", "307 /docs/"),
                ("/docs/", "200 /docs/index.html"),
                ("/docs/index", "307 /docs/"),
                ("/docs.html", "307 /docs/"),
                ("/both", "200 /both.html"),
                ("/both/", "200 /both/index.html"),
                ("/app.js", "200 /app.js"),
                ("/app.js/", "-"),
                ("/none", "-"),
            ],
        );
        check(
            HtmlHandling::ForceTrailingSlash,
            &[
                ("/about", "307 /about/"),
                ("/about/", "200 /about.html"),
                ("/about.html", "307 /about/"),
                ("/docs", "307 /docs/"),
                ("/docs/index.html", "307 /docs/"),
                ("/", "200 /index.html"),
            ],
        );
        check(
            HtmlHandling::DropTrailingSlash,
            &[
                ("/about/", "307 /about"),
                ("/docs", "200 /docs/index.html"),
                ("/docs/", "307 /docs"),
                ("/docs/index.html", "307 /docs"),
                ("/index.html", "307 /"),
                ("/", "200 /index.html"),
            ],
        );
        check(
            HtmlHandling::None,
            &[
                ("/", "-"),
                ("/about", "-"),
                ("/about.html", "200 /about.html"),
            ],
        );
    }

    #[test]
    fn what_is_not_there_gets_the_page_that_was_asked_for() {
        let html = HtmlHandling::AutoTrailingSlash;
        let spa = NotFoundHandling::SinglePageApplication;
        check_not_found(html, spa, &[("/any/route", "200 /index.html")]);
        let page = NotFoundHandling::NotFoundPage;
        let expect = [
            ("/docs/none", "404 /docs/404.html"),
            ("/x/y", "404 /404.html"),
        ];
        check_not_found(html, page, &expect);
    }
}
