//! One line per request: method, path, status, object, milliseconds.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;

use super::style::{Style, printable};
use super::timestamp::iso8601;

/// A request that has been answered.
#[derive(Clone, Debug)]
pub struct RequestLine {
    pub method: Cow<'static, str>,
    /// The path with its query, as the client sent it.
    pub path: String,
    pub status: u16,
    /// The object that answered, as `ChatRoom/lobby`, when one did.
    pub object: Option<String>,
    /// What the object was asked to do, where somebody wants to know: `fetch`, or the method.
    pub event: Option<String>,
    /// Where the time went, where somebody wants to know.
    pub parts: Option<TimeParts>,
    /// From the request's head until the response's head could be sent.
    pub elapsed: Duration,
    /// The length of the response's body, where it was known when the head was sent.
    pub bytes: Option<u64>,
}

/// Where the time of a request went. What is missing to the whole was waiting for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeParts {
    /// The threads that answered it ran JavaScript.
    pub javascript: Duration,
    /// They worked on storage.
    pub storage: Duration,
    /// Answers of objects waited until what they may show was on the disk.
    pub gate: Duration,
}

/// How wide the columns are: as wide as the widest entry so far, up to a bound, so that the lines stand in columns without
/// wasting space on a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    path: usize,
    object: usize,
}

const PATH_WIDTH_MAX: usize = 48;
const OBJECT_WIDTH_MAX: usize = 28;

impl Default for Columns {
    fn default() -> Self {
        Columns {
            path: 24,
            object: 16,
        }
    }
}

impl Columns {
    /// A line whose parts stand in the columns, which it may widen. Name, status and end are as they are to be printed.
    pub fn line(
        &mut self,
        name: &str,
        path: &str,
        status: &str,
        object: &str,
        end: &str,
    ) -> String {
        let (path, object) = (printable(path), printable(object));
        let widen = |width: usize, text: &str, max: usize| width.max(text.chars().count().min(max));
        self.path = widen(self.path, &path, PATH_WIDTH_MAX);
        self.object = widen(self.object, &object, OBJECT_WIDTH_MAX);
        format!(
            "{name}  {path:path_width$}  {status}  {object:object_width$}  {end}\n",
            path_width = self.path,
            object_width = self.object,
        )
    }
}

impl RequestLine {
    pub fn text(&self, style: Style, columns: &mut Columns) -> String {
        let object = match (&self.object, &self.event) {
            (None, _) => "-".to_owned(),
            (Some(object), None) => object.clone(),
            (Some(object), Some(event)) => format!("{object} {event}"),
        };
        let method = format!("{:<6}", printable(&self.method));
        let status = self.status.to_string();
        let status = match self.status {
            ..300 => style.green(&status),
            300..400 => style.cyan(&status),
            400..500 => style.yellow(&status),
            500.. => style.red(&status),
        };
        let elapsed = format!("{:>8}", milliseconds(self.elapsed));
        let parts = self.parts.map_or(String::new(), |parts| {
            let part = |name: &str, time: Duration| match time {
                Duration::ZERO => String::new(),
                time => format!("  {name} {}", milliseconds(time)),
            };
            let parts = [
                ("js", parts.javascript),
                ("storage", parts.storage),
                ("gate", parts.gate),
            ];
            parts.map(|(name, time)| part(name, time)).concat()
        });
        let times = format!("{}{}", style.dim(&elapsed), style.dim(&parts));
        columns.line(&style.bold(&method), &self.path, &status, &object, &times)
    }

    pub fn json(&self, unix_ms: u64) -> String {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let mut line = json!({
            "type": "request",
            "time": iso8601(unix_ms),
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "object": self.object,
            "ms": ms(self.elapsed),
            "bytes": self.bytes,
        });
        if let Some(event) = &self.event {
            line["event"] = event.as_str().into();
        }
        if let Some(parts) = &self.parts {
            line["jsMs"] = ms(parts.javascript).into();
            line["storageMs"] = ms(parts.storage).into();
            line["gateMs"] = ms(parts.gate).into();
        }
        line.to_string()
    }
}

/// A duration in milliseconds with about three digits: `0.42 ms`, `1.2 ms`, `48.3 ms`, `120 ms`.
pub fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    let decimals = match ms {
        ..0.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{ms:.decimals$} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, status: u16, object: Option<&str>) -> RequestLine {
        RequestLine {
            method: "GET".into(),
            path: path.into(),
            status,
            object: object.map(str::to_owned),
            event: None,
            parts: None,
            elapsed: Duration::from_micros(1234),
            bytes: Some(5),
        }
    }

    #[test]
    fn lines_stand_in_columns_that_grow_with_what_they_hold() {
        let mut columns = Columns::default();
        let mut line = |path: &str, status, object| {
            request(path, status, object).text(Style::PLAIN, &mut columns)
        };
        assert_eq!(
            line("/room/lobby/messages", 200, Some("ChatRoom/lobby")),
            "GET     /room/lobby/messages      200  ChatRoom/lobby      1.2 ms\n",
        );
        assert_eq!(
            line("/a/path/that/is/longer/than/that", 404, None),
            "GET     /a/path/that/is/longer/than/that  404  -                   1.2 ms\n",
        );
        assert_eq!(
            line("/", 200, None),
            "GET     /                                 200  -                   1.2 ms\n",
        );
    }

    #[test]
    fn a_path_cannot_write_to_the_terminal() {
        let line =
            request("/\x1b[2J\n", 200, Some("A/\r")).text(Style::PLAIN, &mut Columns::default());
        assert!(
            line.contains("/\\u{1b}[2J\\n") && line.contains("A/\\r"),
            "{line}"
        );
    }

    #[test]
    fn the_status_class_has_a_color() {
        let style = Style { colors: true };
        for (status, color) in [(101, 32), (204, 32), (302, 36), (404, 33), (500, 31)] {
            let line = request("/", status, None).text(style, &mut Columns::default());
            assert!(
                line.contains(&format!("\x1b[{color}m{status}\x1b[0m")),
                "{line:?}"
            );
        }
    }

    #[test]
    fn where_the_time_went_is_told_behind_the_whole() {
        let line = RequestLine {
            event: Some("add".into()),
            parts: Some(TimeParts {
                javascript: Duration::from_micros(310),
                storage: Duration::ZERO,
                gate: Duration::from_micros(800),
            }),
            ..request("/", 200, Some("A/b"))
        };
        assert_eq!(
            line.text(Style::PLAIN, &mut Columns::default()),
            "GET     /                         200  A/b add             1.2 ms  js 0.31 ms  gate 0.80 ms\n",
        );
        let json: serde_json::Value = serde_json::from_str(&line.json(0)).unwrap();
        let told = ["event", "jsMs", "storageMs", "gateMs"].map(|key| json[key].clone());
        assert_eq!(told, [json!("add"), json!(0.31), json!(0.0), json!(0.8)]);
    }

    #[test]
    fn durations_have_about_three_digits() {
        let check = |us, expect: &str| assert_eq!(milliseconds(Duration::from_micros(us)), expect);
        check(0, "0.00 ms");
        check(424, "0.42 ms");
        check(1_000, "1.0 ms");
        check(48_300, "48.3 ms");
        check(99_990, "100 ms");
        check(12_000_000, "12000 ms");
    }

    #[test]
    fn the_json_form_holds_the_same_facts() {
        let json = request("/x?y=1", 200, Some("A/b")).json(1000);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expect = json!({
            "type": "request", "time": "1970-01-01T00:00:01.000Z", "method": "GET", "path": "/x?y=1",
            "status": 200, "object": "A/b", "ms": 1.234, "bytes": 5,
        });
        assert_eq!(value, expect);
    }
}
