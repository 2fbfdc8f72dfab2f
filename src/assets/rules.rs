//! `_headers` and `_redirects`: what they say, and which of it is about a request.
//!
//! <https://developers.cloudflare.com/workers/static-assets/headers/>
//! <https://developers.cloudflare.com/workers/static-assets/redirects/>

use std::collections::HashSet;
use std::path::Path;

use url::Url;

use super::pattern::Pattern;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

pub const HEADERS_FILE: &str = "_headers";
pub const REDIRECTS_FILE: &str = "_redirects";

/// What the platform allows.
const LINE_CHARS_MAX: usize = 2000;
const HEADER_RULES_MAX: usize = 100;
const STATIC_REDIRECTS_MAX: usize = 2000;
const DYNAMIC_REDIRECTS_MAX: usize = 100;
const STATUSES: [u16; 6] = [200, 301, 302, 303, 307, 308];
/// Begins the path of a rule where no server is named.
const NO_SERVER: &str = "https://stead.invalid";

/// The rules of one folder, in the order of their lines.
#[derive(Default)]
pub struct Rules {
    headers: Vec<HeaderRule>,
    redirects: Vec<Redirect>,
}

/// What is done to the headers of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    Remove(String),
    Set(String, String),
}

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// 200 stands for the file at that path, in place of the one that was asked for.
    pub status: u16,
    pub to: String,
}

struct HeaderRule {
    pattern: Pattern,
    changes: Vec<HeaderChange>,
}

struct Redirect {
    pattern: Pattern,
    destination: Destination,
}

impl Rules {
    /// Reads the files of a folder, if they are there, with what is wrong in them: those lines do
    /// nothing. Waits for the disk.
    pub fn read(folder: &Path) -> (Rules, Vec<Diagnostic>) {
        let mut warnings = Vec::new();
        let mut rules = Rules::default();
        let headers = folder.join(HEADERS_FILE);
        if let Ok(text) = std::fs::read_to_string(&headers) {
            rules.headers = parse_headers(&text, &mut Notes::new(&headers, &text, &mut warnings));
        }
        let redirects = folder.join(REDIRECTS_FILE);
        if let Ok(text) = std::fs::read_to_string(&redirects) {
            let notes = &mut Notes::new(&redirects, &text, &mut warnings);
            rules.redirects = parse_redirects(&text, notes);
        }
        (rules, warnings)
    }

    /// Where a request is sent, if that is another place.
    pub fn redirect(&self, host: &str, path: &str) -> Option<Destination> {
        self.redirects.iter().find_map(|rule| {
            let found = rule.pattern.find(host, path)?;
            Some(Destination {
                status: rule.destination.status,
                to: found.fill(&rule.destination.to),
            })
        })
    }

    /// What is done to the headers of the answer to a request, in order.
    pub fn headers(&self, host: &str, path: &str) -> Vec<HeaderChange> {
        let mut changes = Vec::new();
        for rule in &self.headers {
            let Some(found) = rule.pattern.find(host, path) else {
                continue;
            };
            changes.extend(rule.changes.iter().map(|change| match change {
                HeaderChange::Remove(name) => HeaderChange::Remove(name.clone()),
                HeaderChange::Set(name, value) => {
                    HeaderChange::Set(name.clone(), found.fill(value))
                }
            }));
        }
        changes
    }
}

/// Collects what is wrong with the lines of a file.
struct Notes<'a> {
    file: &'a Path,
    text: &'a str,
    warnings: &'a mut Vec<Diagnostic>,
}

impl<'a> Notes<'a> {
    fn new(file: &'a Path, text: &'a str, warnings: &'a mut Vec<Diagnostic>) -> Notes<'a> {
        Notes {
            file,
            text,
            warnings,
        }
    }

    fn add(&mut self, line: &str, what: impl Into<String>) {
        let offset = line.as_ptr() as usize - self.text.as_ptr() as usize;
        let location = Location::from_offset(self.file, self.text, offset, line.len());
        let warning = Diagnostic::warning(what).at(location, self.text);
        self.warnings
            .push(warning.with_help("the line does nothing"));
    }
}

/// The lines that say something, without the spaces around them.
fn lines<'a>(text: &'a str, notes: &mut Notes<'_>) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim);
    let said = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (short, long): (Vec<&str>, Vec<&str>) =
        said.partition(|line| line.chars().count() <= LINE_CHARS_MAX);
    for line in long {
        let what = format!("the line is longer than {LINE_CHARS_MAX} characters");
        notes.add(line, what);
    }
    short
}

fn parse_headers(text: &str, notes: &mut Notes<'_>) -> Vec<HeaderRule> {
    let mut rules: Vec<(&str, HeaderRule)> = Vec::new();
    // After a path that is none, the headers below it belong to nothing.
    let mut is_open = false;
    for line in lines(text, notes) {
        if line.starts_with('/') || begins_with_scheme(line) {
            if rules.len() == HEADER_RULES_MAX {
                let what = format!("there are more than {HEADER_RULES_MAX} rules");
                notes.add(line, what);
                break;
            }
            is_open = false;
            match from(line, true).and_then(|from| Pattern::new(&from)) {
                Ok(pattern) => {
                    is_open = true;
                    let changes = Vec::new();
                    rules.push((line, HeaderRule { pattern, changes }));
                }
                Err(what) => notes.add(line, what),
            }
            continue;
        }
        let rule = rules.last_mut().filter(|_| is_open);
        let change = parse_header(line);
        match (rule, change) {
            (_, Err(what)) => notes.add(line, what),
            (None, Ok(_)) => notes.add(line, "a path comes before the headers for it"),
            (Some((_, rule)), Ok(change)) => add_change(&mut rule.changes, change),
        }
    }
    let (empty, whole): (Vec<_>, Vec<_>) = rules
        .into_iter()
        .partition(|(_, rule)| rule.changes.is_empty());
    for (line, _) in empty {
        notes.add(line, "the path has no headers");
    }
    whole.into_iter().map(|(_, rule)| rule).collect()
}

fn parse_header(line: &str) -> Result<HeaderChange, String> {
    let Some((name, value)) = line.split_once(':') else {
        let removed = line.strip_prefix("! ").map(|name| name.trim().to_owned());
        let what = "neither a path nor a header: `Name: value`, or `! Name`";
        return removed.map(HeaderChange::Remove).ok_or(what.into());
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    if name.contains(' ') || http::HeaderName::try_from(&name).is_err() {
        return Err(format!("`{name}` is not the name of a header"));
    }
    if value.is_empty() {
        return Err(format!("the header `{name}` has no value"));
    }
    Ok(HeaderChange::Set(name, value.to_owned()))
}

/// Removals come first; a header that is said twice has both values.
fn add_change(changes: &mut Vec<HeaderChange>, change: HeaderChange) {
    let HeaderChange::Set(name, value) = change else {
        return changes.insert(0, change);
    };
    for known in changes.iter_mut() {
        if let HeaderChange::Set(known, before) = known
            && *known == name
        {
            before.push_str(", ");
            return before.push_str(&value);
        }
    }
    changes.push(HeaderChange::Set(name, value));
}

fn parse_redirects(text: &str, notes: &mut Notes<'_>) -> Vec<Redirect> {
    let mut rules: Vec<Redirect> = Vec::new();
    let mut seen = HashSet::new();
    let (mut plain, mut dynamic) = (0, 0);
    for line in lines(text, notes) {
        let (from, rule) = match parse_redirect(line) {
            Ok(parsed) => parsed,
            Err(what) => {
                notes.add(line, what);
                continue;
            }
        };
        if !seen.insert(from.clone()) {
            notes.add(line, format!("there is a rule for `{from}` already"));
            continue;
        }
        // Those behind the first rule with a placeholder count as such.
        let (count, most) = if rule.pattern.is_plain() && dynamic == 0 {
            (&mut plain, STATIC_REDIRECTS_MAX)
        } else {
            (&mut dynamic, DYNAMIC_REDIRECTS_MAX)
        };
        *count += 1;
        if *count > most {
            notes.add(
                line,
                format!("there are more than {most} rules of its kind"),
            );
            continue;
        }
        rules.push(rule);
    }
    rules
}

fn parse_redirect(line: &str) -> Result<(String, Redirect), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (path, to, status) = match words.as_slice() {
        [path, to] => (*path, *to, "302"),
        [path, to, status] => (*path, *to, *status),
        _ => return Err("not two or three words: `FROM TO [STATUS]`".into()),
    };
    let path = from(path, false)?;
    let to = destination(to)?;
    let known = status
        .parse()
        .ok()
        .filter(|status| STATUSES.contains(status));
    let Some(status) = known else {
        return Err(format!(
            "`{status}` is not a status of redirects: 200, 301, 302, 303, 307 or 308"
        ));
    };
    let is_index = to.ends_with("/index") || to.ends_with("/index.html");
    if (path.ends_with("/*") || path.ends_with('/')) && is_index && to.starts_with('/') {
        return Err("clients would go in circles".into());
    }
    if status == 200 && !to.starts_with('/') {
        return Err("with status 200 the target has to be a path".into());
    }
    let pattern = Pattern::new(&path)?;
    let destination = Destination { status, to };
    Ok((
        path,
        Redirect {
            pattern,
            destination,
        },
    ))
}

fn begins_with_scheme(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(char::is_whitespace))
}

/// The path of a rule, in the form that requests have; with its server where that may be named.
fn from(text: &str, may_name_server: bool) -> Result<String, String> {
    if begins_with_scheme(text) {
        let Some(rest) = text.strip_prefix("https://").filter(|_| may_name_server) else {
            let what = "is not a path";
            return Err(match may_name_server {
                true => format!("`{text}` {what}, nor an address with `https://`"),
                false => format!("`{text}` {what}"),
            });
        };
        // As it stands: a server with a placeholder in it is no URL.
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        return Ok(format!("https://{host}{path}"));
    }
    if !text.starts_with('/') {
        return Err(format!("`{text}` is not a path: it begins with no slash"));
    }
    // A path of two slashes is one, not a server.
    let url = Url::parse(&format!("{NO_SERVER}{text}"));
    let url = url.map_err(|error| format!("`{text}` is not a path: {error}"))?;
    Ok(url.path().to_owned())
}

/// Where a rule leads: a path with its query and fragment, or an address.
fn destination(text: &str) -> Result<String, String> {
    if begins_with_scheme(text) {
        return match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.to_string()),
            // A server with a placeholder in it.
            Err(_) if text.contains("://:") => Ok(text.to_owned()),
            _ => Err(format!("`{text}` is not an address")),
        };
    }
    if !text.starts_with('/') {
        return Err(format!("`{text}` is neither a path nor an address"));
    }
    let url = Url::parse(&format!("{NO_SERVER}{text}"));
    let url = url.map_err(|error| format!("`{text}` is not a path: {error}"))?;
    Ok(url[url::Position::BeforePath..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(headers: &str, redirects: &str) -> (Rules, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(HEADERS_FILE), headers).unwrap();
        std::fs::write(folder.path().join(REDIRECTS_FILE), redirects).unwrap();
        let (rules, warnings) = Rules::read(folder.path());
        let place = |warning: &Diagnostic| {
            let location = warning.location.as_ref().unwrap();
            let file = location.file.file_name().unwrap().to_string_lossy();
            format!("{file}:{} {}", location.line, warning.message)
        };
        (rules, warnings.iter().map(place).collect())
    }

    #[track_caller]
    fn leads(redirects: &str, path: &str, expect: Option<(u16, &str)>) {
        let (rules, warnings) = rules("", redirects);
        assert_eq!(warnings, [""; 0]);
        let found = rules.redirect("a.example", path);
        let found = found
            .as_ref()
            .map(|found| (found.status, found.to.as_str()));
        assert_eq!(found, expect, "{redirects} {path}");
    }

    #[test]
    fn redirects_fill_in_what_their_placeholders_stand_for() {
        leads("/a /b", "/a", Some((302, "/b")));
        leads("/a /b", "/a/", None);
        leads("# none\n\n/a /b 301 ", "/a", Some((301, "/b")));
        leads(
            "/blog/* /news/:splat 308",
            "/blog/x/y",
            Some((308, "/news/x/y")),
        );
        leads(
            "/u/:id/p/:post /p/:post?u=:id",
            "/u/7/p/x",
            Some((302, "/p/x?u=7")),
        );
        leads("/u/:id /p", "/u/7/8", None);
        leads("/p /about 200", "/p", Some((200, "/about")));
        leads(
            "/x/* https://b.example/:splat",
            "/x/1",
            Some((302, "https://b.example/1")),
        );
        leads("/a /b\n/* /c", "/a", Some((302, "/b")));
    }

    #[test]
    fn lines_that_mean_nothing_are_told() {
        let (_, warnings) = rules(
            "/a\n/b\n  X: 1\nhttp://x/\n  Y: 2\n/c\n  no header\n  Z:\n  ! W\n",
            "/a /b 999\n/a\n/a /b\n/a /c\nhttps://x/y /z\n/* /index.html\n/p https://x/ 200\nb /c\n",
        );
        assert_eq!(
            warnings,
            [
                "_headers:4 `http://x/` is not a path, nor an address with `https://`",
                "_headers:5 a path comes before the headers for it",
                "_headers:7 neither a path nor a header: `Name: value`, or `! Name`",
                "_headers:8 the header `z` has no value",
                "_headers:1 the path has no headers",
                "_redirects:1 `999` is not a status of redirects: 200, 301, 302, 303, 307 or 308",
                "_redirects:2 not two or three words: `FROM TO [STATUS]`",
                "_redirects:4 there is a rule for `/a` already",
                "_redirects:5 `https://x/y` is not a path",
                "_redirects:6 clients would go in circles",
                "_redirects:7 with status 200 the target has to be a path",
                "_redirects:8 `b` is not a path: it begins with no slash",
            ]
        );
    }

    #[test]
    fn headers_are_set_and_removed_in_order() {
        let text = "/*\n X: 1\n X: 2\n/d/*\n ! X\n Y: :splat\nhttps://:sub.example/*\n Z: :sub\n";
        let (rules, warnings) = rules(text, "");
        assert_eq!(warnings, [""; 0]);
        let set = |name: &str, value: &str| HeaderChange::Set(name.into(), value.into());
        let remove = HeaderChange::Remove("X".into());
        assert_eq!(rules.headers("b.test", "/a"), [set("x", "1, 2")]);
        let expect = [set("x", "1, 2"), remove, set("y", "a"), set("z", "b")];
        assert_eq!(rules.headers("b.example", "/d/a"), expect);
    }

    #[test]
    fn there_may_be_so_many_rules_and_no_more() {
        let many =
            |count: usize, text: fn(usize) -> String| -> String { (0..count).map(text).collect() };
        let (_, warnings) = rules(
            &many(101, |n| format!("/{n}\n  X: 1\n")),
            &[
                many(2001, |n| format!("/{n} /x\n")),
                many(101, |n| format!("/{n}/* /x\n")),
            ]
            .concat(),
        );
        assert_eq!(
            warnings,
            [
                "_headers:201 there are more than 100 rules",
                "_redirects:2001 there are more than 2000 rules of its kind",
                "_redirects:2102 there are more than 100 rules of its kind",
            ]
        );
    }
}
