//! One line per alarm, and per message and Close frame of an object's socket, in the columns of requests.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::request_log::{Columns, milliseconds};
use super::style::{Style, printable};
use super::timestamp::iso8601;

/// Lines of sockets that are printed in a second; the rest is counted.
pub const SOCKET_LINES_MAX: u64 = 30;
/// The time for which that holds.
pub const WINDOW: Duration = Duration::from_secs(1);

/// Something that happened to an object, apart from requests and calls.
#[derive(Clone, Debug)]
pub struct EventLine {
    /// The object, as `ChatRoom/lobby`.
    pub object: String,
    pub event: Event,
    /// What its handler threw.
    pub error: Option<String>,
    /// From its delivery until its handler had ended, if it has one.
    pub elapsed: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    Alarm {
        /// After the time that it was set to.
        late: Duration,
        /// How many runs before this one threw.
        retry_count: u32,
        outcome: AlarmEnd,
    },
    Socket {
        socket: SocketRef,
        is_sent: bool,
        frame: FrameKind,
    },
}

/// How an alarm's run ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmEnd {
    Done,
    Threw,
    /// The object was reset under it: it runs again.
    Failed,
    /// It does not run again.
    GivenUp,
}

/// One of an object's sockets.
#[derive(Clone, Debug)]
pub struct SocketRef {
    pub number: u32,
    pub tags: Box<[String]>,
}

#[derive(Clone, Debug)]
pub enum FrameKind {
    Text { bytes: usize },
    Binary { bytes: usize },
    Close { code: Option<u16>, reason: String },
}

impl EventLine {
    pub fn text(&self, style: Style, columns: &mut Columns) -> String {
        let name = match &self.event {
            Event::Alarm { .. } => "ALARM",
            Event::Socket {
                frame: FrameKind::Close { .. },
                ..
            } => "CLOSE",
            Event::Socket { is_sent: true, .. } => "SEND",
            Event::Socket { is_sent: false, .. } => "RECV",
        };
        let status = match (&self.error, &self.event) {
            (
                None,
                Event::Alarm {
                    outcome: AlarmEnd::Failed | AlarmEnd::GivenUp,
                    ..
                },
            )
            | (Some(_), _) => style.red("err"),
            (None, Event::Socket { is_sent: true, .. }) => "-  ".into(),
            (None, _) => style.green("ok "),
        };
        let elapsed = self.elapsed.map(milliseconds).unwrap_or_default();
        let error = self.error.as_deref().map_or(String::new(), |error| {
            format!("  {}", printable(error.lines().next().unwrap_or_default()))
        });
        columns.line(
            &style.bold(&format!("{name:<6}")),
            &self.what(),
            &status,
            &self.object,
            &format!(
                "{}{}",
                style.dim(&format!("{elapsed:>8}")),
                style.red(&error)
            ),
        )
    }

    /// What stands where a request has its path.
    fn what(&self) -> String {
        match &self.event {
            Event::Alarm {
                late,
                retry_count,
                outcome,
            } => {
                let retry = match retry_count {
                    0 => String::new(),
                    count => format!(", retry {count}"),
                };
                let end = match outcome {
                    AlarmEnd::Done | AlarmEnd::Threw => "",
                    AlarmEnd::Failed => ", the object was reset",
                    AlarmEnd::GivenUp => ", given up",
                };
                format!("{} late{retry}{end}", milliseconds(*late))
            }
            Event::Socket {
                socket,
                is_sent,
                frame,
            } => {
                let frame = match frame {
                    FrameKind::Text { bytes } => format!("{bytes} bytes of text"),
                    FrameKind::Binary { bytes } => format!("{bytes} bytes"),
                    FrameKind::Close { code, reason } => {
                        let by = if *is_sent { "sent" } else { "came" };
                        let code = code.map_or("no code".to_owned(), |code| code.to_string());
                        format!("{by}, {code} {reason}").trim_end().to_owned()
                    }
                };
                let tags = match socket.tags.is_empty() {
                    true => String::new(),
                    false => format!(" [{}]", socket.tags.join(", ")),
                };
                format!("#{}{tags} {frame}", socket.number)
            }
        }
    }

    pub fn json(&self, unix_ms: u64) -> String {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let mut line = match &self.event {
            Event::Alarm {
                late,
                retry_count,
                outcome,
            } => json!({
                "type": "alarm",
                "lateMs": ms(*late),
                "retryCount": retry_count,
                "outcome": match outcome {
                    AlarmEnd::Done => "ok",
                    AlarmEnd::Threw => "threw",
                    AlarmEnd::Failed => "failed",
                    AlarmEnd::GivenUp => "given up",
                },
            }),
            Event::Socket {
                socket,
                is_sent,
                frame,
            } => {
                let mut line = match frame {
                    FrameKind::Text { bytes } => {
                        json!({ "type": "message", "kind": "text", "bytes": bytes })
                    }
                    FrameKind::Binary { bytes } => {
                        json!({ "type": "message", "kind": "binary", "bytes": bytes })
                    }
                    FrameKind::Close { code, reason } => {
                        json!({ "type": "close", "code": code, "reason": reason })
                    }
                };
                line["direction"] = if *is_sent { "out" } else { "in" }.into();
                line["socket"] = socket.number.into();
                line["tags"] = Value::from(socket.tags.to_vec());
                line
            }
        };
        line["time"] = iso8601(unix_ms).into();
        line["object"] = self.object.as_str().into();
        line["ms"] = self.elapsed.map(ms).into();
        line["error"] = self.error.as_deref().into();
        line.to_string()
    }
}

/// Which lines of sockets are printed: the first ones of each second.
///
/// Whoever has a line asks before it makes one; the printing thread ends the second and says what was left out.
#[derive(Default)]
pub struct Budget(AtomicU64);

/// Whether a line may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the first one of its second.
    First,
    Yes,
    /// It was counted.
    No,
}

impl Budget {
    /// Asks for one line.
    pub fn admit(&self) -> Admission {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Admission::First,
            1..SOCKET_LINES_MAX => Admission::Yes,
            _ => Admission::No,
        }
    }

    /// Ends the second; how many lines were left out.
    pub fn end(&self) -> u64 {
        let asked = self.0.swap(0, Ordering::Relaxed);
        asked.saturating_sub(SOCKET_LINES_MAX)
    }
}

/// What is said of lines that were left out.
pub fn left_out_text(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("… and {count} more socket message{plural} in that second")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(is_sent: bool, frame: FrameKind) -> EventLine {
        EventLine {
            object: "Room/a".to_owned(),
            event: Event::Socket {
                socket: SocketRef {
                    number: 3,
                    tags: ["red".to_owned()].into(),
                },
                is_sent,
                frame,
            },
            error: None,
            elapsed: (!is_sent).then(|| Duration::from_micros(1234)),
        }
    }

    fn alarm(outcome: AlarmEnd, retry_count: u32, error: Option<&str>) -> EventLine {
        EventLine {
            object: "Room/a".to_owned(),
            event: Event::Alarm {
                late: Duration::from_millis(3),
                retry_count,
                outcome,
            },
            error: error.map(str::to_owned),
            elapsed: Some(Duration::from_micros(1234)),
        }
    }

    #[track_caller]
    fn check(line: &EventLine, expect: &str) {
        assert_eq!(line.text(Style::PLAIN, &mut Columns::default()), expect);
    }

    #[test]
    fn events_stand_in_the_columns_of_requests() {
        check(
            &message(false, FrameKind::Text { bytes: 12 }),
            "RECV    #3 [red] 12 bytes of text  ok   Room/a              1.2 ms\n",
        );
        check(
            &message(true, FrameKind::Binary { bytes: 5 }),
            "SEND    #3 [red] 5 bytes          -    Room/a                    \n",
        );
        let close = FrameKind::Close {
            code: Some(1000),
            reason: "by\x1b[e".to_owned(),
        };
        check(
            &message(false, close),
            "CLOSE   #3 [red] came, 1000 by\\u{1b}[e  ok   Room/a              1.2 ms\n",
        );
        check(
            &alarm(AlarmEnd::Done, 0, None),
            "ALARM   3.0 ms late               ok   Room/a              1.2 ms\n",
        );
        check(
            &alarm(AlarmEnd::Threw, 2, Some("Error: no\n    at x")),
            "ALARM   3.0 ms late, retry 2      err  Room/a              1.2 ms  Error: no\n",
        );
    }

    #[test]
    fn the_json_form_holds_the_same_facts() {
        let parse = |line: EventLine| serde_json::from_str::<Value>(&line.json(0)).unwrap();
        let time = "1970-01-01T00:00:00.000Z";
        assert_eq!(
            parse(message(true, FrameKind::Text { bytes: 2 })),
            json!({
                "type": "message", "kind": "text", "bytes": 2, "direction": "out", "socket": 3, "tags": ["red"],
                "time": time, "object": "Room/a", "ms": null, "error": null,
            })
        );
        assert_eq!(
            parse(alarm(AlarmEnd::Failed, 1, None)),
            json!({
                "type": "alarm", "lateMs": 3.0, "retryCount": 1, "outcome": "failed",
                "time": time, "object": "Room/a", "ms": 1.234, "error": null,
            })
        );
    }

    #[test]
    fn only_the_first_lines_of_a_second_are_made() {
        let budget = Budget::default();
        assert_eq!(budget.admit(), Admission::First);
        for _ in 1..SOCKET_LINES_MAX {
            assert_eq!(budget.admit(), Admission::Yes);
        }
        assert_eq!(budget.end(), 0);
        for _ in 0..SOCKET_LINES_MAX + 7 {
            budget.admit();
        }
        assert_eq!(budget.admit(), Admission::No);
        assert_eq!(budget.end(), 8);
        assert_eq!(budget.admit(), Admission::First);
    }
}
