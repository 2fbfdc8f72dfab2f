//! Paths in which `*` stands for anything, and `:name` for anything but a slash.

/// A path of a rule. Invariant: no two of its placeholders have the same name.
#[derive(Debug)]
pub struct Pattern {
    /// Whether it begins with a server.
    names_server: bool,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Any characters but those, at least one.
    Placeholder(String, &'static [char]),
    /// Any characters.
    Splat,
}

/// What the placeholders of a pattern stand for in one address.
pub struct Found(Vec<(String, String)>);

impl Pattern {
    /// A pattern: a path, or `https://`, a server and a path.
    ///
    /// # Errors
    /// Two of its placeholders are the same.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let names_server = text.starts_with("https://");
        let path_at = match names_server {
            true => text["https://".len()..]
                .find('/')
                .map(|at| at + "https://".len()),
            false => Some(0),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let at = text.len() - rest.len();
            let name = &rest[first.len_utf8()..];
            let len = name
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(name.len());
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
            let (part, used) = if first == '*' {
                (Part::Splat, 1)
            } else if first == ':' && is_name {
                let in_server = path_at.is_none_or(|path_at| at < path_at);
                let ends: &[char] = if in_server { &['/', '.'] } else { &['/'] };
                (Part::Placeholder(name[..len].to_owned(), ends), len + 1)
            } else {
                (Part::Text(first.to_string()), first.len_utf8())
            };
            rest = &rest[used..];
            match (parts.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => parts.push(part),
            }
        }
        let pattern = Pattern {
            names_server,
            parts,
        };
        let mut names: Vec<&str> = pattern.names().collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(["splat", _]) => Err("there is more than one `*`".into()),
            Some([name, ..]) => Err(format!("`:{name}` stands for two things")),
            _ => Ok(pattern),
        }
    }

    /// Whether it stands for one address alone.
    pub fn is_plain(&self) -> bool {
        self.names().next().is_none()
    }

    /// Whether it is about an address, and then, what its placeholders stand for.
    pub fn find(&self, host: &str, path: &str) -> Option<Found> {
        let address = match self.names_server {
            true => format!("https://{host}{path}"),
            false => path.to_owned(),
        };
        let mut values = Vec::new();
        if !fits(&self.parts, &address, &mut values) {
            return None;
        }
        let names = self.names().map(str::to_owned);
        Some(Found(names.zip(values).collect()))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Placeholder(name, _) => Some(name.as_str()),
            Part::Splat => Some("splat"),
        })
    }
}

/// Whether parts cover a text; each placeholder takes as much as it can.
fn fits(parts: &[Part], text: &str, values: &mut Vec<String>) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return text.is_empty();
    };
    let (least, most) = match first {
        Part::Text(part) => {
            let after = text.strip_prefix(part.as_str());
            return after.is_some_and(|after| fits(rest, after, values));
        }
        Part::Placeholder(_, ends) => (1, text.find(*ends).unwrap_or(text.len())),
        Part::Splat => (0, text.len()),
    };
    for len in (least..=most)
        .rev()
        .filter(|len| text.is_char_boundary(*len))
    {
        values.push(text[..len].to_owned());
        if fits(rest, &text[len..], values) {
            return true;
        }
        values.pop();
    }
    false
}

impl Found {
    /// A text with what its placeholders stand for.
    pub fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(String, String)| {
            text.replace(&format!(":{name}"), value)
        };
        self.0.iter().fold(text.to_owned(), fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expect: Option<&str>) {
        let found = Pattern::new(pattern).unwrap().find("www.a.example", path);
        let found = found.map(|found| found.fill(":splat|:x|:y"));
        assert_eq!(found.as_deref(), expect, "{pattern} {path}");
    }

    #[test]
    fn placeholders_stand_for_what_is_between_slashes() {
        check("/a", "/a", Some(":splat|:x|:y"));
        check("/a", "/ab", None);
        check("/*", "/a/b", Some("a/b|:x|:y"));
        check("/*", "/", Some("|:x|:y"));
        check("/a/*/c", "/a/b/c/c", Some("b/c|:x|:y"));
        check("/:x/:y", "/a/b", Some(":splat|a|b"));
        check("/:x/:y", "/a/b/c", None);
        check("/:x", "/", None);
        check("/:x-:y", "/a-b-c", Some(":splat|a-b|c"));
        check("/a:1", "/a:1", Some(":splat|:x|:y"));
        check("https://:x.a.example/*", "/b", Some("b|www|:y"));
        check("https://:x.example/*", "/b", None);
        check("https://\u{fc}.example/*", "/b", None);
    }

    #[test]
    fn a_name_stands_for_one_thing() {
        assert!(Pattern::new("/:x/:x").is_err());
        assert!(Pattern::new("/*/*").is_err());
    }
}
