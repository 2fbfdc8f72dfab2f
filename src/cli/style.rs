//! Colours, on or off, and the few styles that the output uses.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::IsTerminal;

/// Whether a stream is written with colours. Copied to whoever renders text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub colors: bool,
}

impl Style {
    pub const PLAIN: Style = Style { colors: false };

    /// The style for a stream of this process, from its terminal and the environment.
    pub fn of(stream: &impl IsTerminal) -> Style {
        Style::choose(stream.is_terminal(), |name| std::env::var_os(name))
    }

    /// `NO_COLOR` (any text, <https://no-color.org>) wins, then `CLICOLOR_FORCE` (anything but `0`), then whether the
    /// stream is a terminal that knows colours.
    pub fn choose(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Style {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let colors = if set("NO_COLOR").is_some() {
            false
        } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            true
        } else {
            is_terminal && set("TERM").is_none_or(|term| term != "dumb")
        };
        Style { colors }
    }

    pub fn bold(self, text: &str) -> Cow<'_, str> {
        self.paint("1", text)
    }

    pub fn dim(self, text: &str) -> Cow<'_, str> {
        self.paint("2", text)
    }

    pub fn red(self, text: &str) -> Cow<'_, str> {
        self.paint("31", text)
    }

    pub fn green(self, text: &str) -> Cow<'_, str> {
        self.paint("32", text)
    }

    pub fn yellow(self, text: &str) -> Cow<'_, str> {
        self.paint("33", text)
    }

    pub fn cyan(self, text: &str) -> Cow<'_, str> {
        self.paint("36", text)
    }

    fn paint<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.colors {
            Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// `text` with every control character escaped, so that a name or path that came from outside cannot move the cursor,
/// change colours or start a line of its own.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(is_terminal: bool, environment: &[(&str, &str)], expect: bool) {
        let style = Style::choose(is_terminal, |name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        });
        assert_eq!(style.colors, expect);
    }

    #[test]
    fn a_terminal_has_colors_and_a_pipe_has_none() {
        check(true, &[("TERM", "xterm")], true);
        check(true, &[], true);
        check(false, &[("TERM", "xterm")], false);
        check(true, &[("TERM", "dumb")], false);
    }

    #[test]
    fn no_color_wins_over_everything_unless_it_is_empty() {
        check(true, &[("NO_COLOR", "1")], false);
        check(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false);
        check(true, &[("NO_COLOR", "")], true);
    }

    #[test]
    fn clicolor_force_colors_a_pipe() {
        check(false, &[("CLICOLOR_FORCE", "1")], true);
        check(false, &[("CLICOLOR_FORCE", "0")], false);
    }

    #[test]
    fn control_characters_of_a_name_are_escaped() {
        assert_eq!(printable("lobby/ü"), "lobby/ü");
        assert_eq!(printable("a\x1b[31m\nb"), "a\\u{1b}[31m\\nb");
    }
}
