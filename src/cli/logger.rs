//! The one thread that prints, behind a bounded queue.
//!
//! A thread that runs JavaScript never waits for the terminal: it puts a line into memory and goes on. Where printing is
//! slower than the lines come, the queue fills and further lines are counted instead; the count is printed.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::LogFormat;
use super::banner::Banner;
use super::event_line::{Admission, Budget, EventLine, WINDOW, left_out_text};
use super::problem::Problem;
use super::request_log::{Columns, RequestLine};
use super::style::Style;
use super::timestamp::iso8601;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// Milliseconds since 1970, from the process's clock.
pub type UnixMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The queue's bounds: so many lines, and so many bytes of text in them.
const LINES_MAX: usize = 8192;
const BYTES_MAX: usize = 16 << 20;

/// The printing thread looks again only so long after it has printed. Under load it takes many lines at once, and whoever
/// logs does not pay for waking it.
const PAUSE: Duration = Duration::from_millis(4);

/// The level of a `console` call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Log,
    Info,
    Warn,
    Error,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Log => "log",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Prints from any thread without waiting. Clones print to the same place, in the order in which they were called.
#[derive(Clone)]
pub struct Logger {
    shared: Arc<Shared>,
    quiet: bool,
    clock: UnixMs,
}

impl Logger {
    /// Starts the printing thread. It owns `out` until [`Logger::flush_and_stop`]; when `out` fails (a closed pipe),
    /// later lines go nowhere.
    pub fn start(
        out: Box<dyn Write + Send>,
        format: LogFormat,
        style: Style,
        quiet: bool,
        clock: UnixMs,
    ) -> Logger {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
            budget: Budget::default(),
            thread: Mutex::new(None),
        });
        let printer = Printer {
            out: Some(out),
            format,
            style,
            columns: Columns::default(),
            last_ms: 0,
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn({
                let shared = shared.clone();
                move || print_until_stopped(&shared, printer)
            })
            .expect("a process that cannot start a thread cannot start");
        *lock(&shared.thread) = Some(thread);
        Logger {
            shared,
            quiet,
            clock,
        }
    }

    /// Whether requests are printed. When not, no [`RequestLine`] needs to be made.
    pub fn wants_requests(&self) -> bool {
        !self.quiet
    }

    /// The banner; silent with `-q`.
    pub fn banner(&self, banner: Banner) {
        if !self.quiet {
            self.put(0, Line::Banner(Box::new(banner)));
        }
    }

    /// A request's line; silent with `-q`.
    pub fn request(&self, request: RequestLine) {
        if !self.quiet {
            let object_len = request.object.as_ref().map_or(0, String::len);
            self.put(request.path.len() + object_len, Line::Request(request));
        }
    }

    /// Whether the line of a message of a socket is to be made and handed to [`Logger::event`]: not with `-q`, and only
    /// for the first ones of each second. The others are counted, and the count is printed.
    pub fn wants_socket_line(&self) -> bool {
        if self.quiet {
            return false;
        }
        match self.shared.budget.admit() {
            Admission::First => self.put(0, Line::Window),
            Admission::Yes => {}
            Admission::No => return false,
        }
        true
    }

    /// An alarm's or a socket's line; silent with `-q`.
    pub fn event(&self, event: EventLine) {
        if !self.quiet {
            self.put(event.object.len(), Line::Event(Box::new(event)));
        }
    }

    /// What the process itself does, such as draining after Ctrl-C; silent with `-q`.
    pub fn note(&self, text: impl Into<String>) {
        if !self.quiet {
            let text = text.into();
            self.put(text.len(), Line::Note(text));
        }
    }

    /// Empties the terminal.
    pub fn clear(&self) {
        self.put(0, Line::Clear);
    }

    /// Something in the user's code or configuration, with its place.
    pub fn diagnostic(&self, diagnostic: Diagnostic) {
        self.put(
            diagnostic.message.len(),
            Line::Diagnostic(Box::new(diagnostic)),
        );
    }

    /// A failure that does not end the process.
    pub fn problem(&self, problem: Problem) {
        self.put(problem.what.len(), Line::Problem(Box::new(problem)));
    }

    /// A `console` call of the worker's code; `object` as `ChatRoom/lobby`.
    #[cfg(test)]
    pub fn console(&self, level: Level, object: Option<String>, text: impl Into<String>) {
        self.console_at("", level, object, text);
    }

    /// The same with the place of the call, `file:///a/b.ts:1:2`, if it is known.
    pub fn console_at(
        &self,
        place: &str,
        level: Level,
        object: Option<String>,
        text: impl Into<String>,
    ) {
        let text = text.into();
        let place = Location::of_url(place);
        self.put(
            text.len(),
            Line::Console {
                level,
                object,
                place,
                text,
            },
        );
    }

    /// Something that went wrong while serving: an uncaught exception with its stack, a broken object.
    pub fn error(&self, object: Option<String>, text: impl Into<String>) {
        let text = text.into();
        self.put(text.len(), Line::Error { object, text });
    }

    /// Prints what is queued and ends the printing thread. Lines that come later go nowhere.
    pub fn flush_and_stop(&self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.changed.notify_all();
        let thread = lock(&self.shared.thread).take();
        if let Some(thread) = thread {
            thread.join().expect("the printing thread does not panic");
        }
    }

    fn put(&self, bytes: usize, line: Line) {
        let unix_ms = (self.clock)();
        let mut queue = lock(&self.shared.queue);
        if queue.stopping {
            return;
        }
        if queue.lines.len() >= LINES_MAX
            || queue.bytes + bytes > BYTES_MAX && !queue.lines.is_empty()
        {
            queue.dropped += 1;
            return;
        }
        queue.bytes += bytes;
        queue.lines.push((unix_ms, line));
        let wake = std::mem::take(&mut queue.printer_waits);
        drop(queue);
        if wake {
            self.shared.changed.notify_one();
        }
    }
}

enum Line {
    Banner(Box<Banner>),
    Request(RequestLine),
    Event(Box<EventLine>),
    /// The first line of a socket in its second: the second begins.
    Window,
    /// So many lines of sockets were not printed.
    LeftOut(u64),
    Note(String),
    Clear,
    Diagnostic(Box<Diagnostic>),
    Problem(Box<Problem>),
    Console {
        level: Level,
        object: Option<String>,
        place: Option<Location>,
        text: String,
    },
    Error {
        object: Option<String>,
        text: String,
    },
    Dropped(u64),
}

struct Shared {
    /// A `std` mutex: it is held for a push or a swap, never while something is rendered or written.
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Lines of sockets in the current second.
    budget: Budget,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    /// Each with the time at which it was said.
    lines: Vec<(u64, Line)>,
    /// The length of the texts in `lines`; never above `BYTES_MAX` but for one line that is longer alone.
    bytes: usize,
    /// Lines that found no room since the last one that was printed.
    dropped: u64,
    /// The printing thread sleeps until it is woken. Set by it, cleared by the one who wakes it.
    printer_waits: bool,
    stopping: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it held a line has left the queue whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn print_until_stopped(shared: &Shared, mut printer: Printer) {
    let mut lines = Vec::new();
    // When the current second of sockets' lines ends, if one has begun.
    let mut window: Option<Instant> = None;
    loop {
        let mut queue = lock(&shared.queue);
        while queue.lines.is_empty() && !queue.stopping {
            queue.printer_waits = true;
            queue = match window.map(|end| end.saturating_duration_since(Instant::now())) {
                None => shared
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = shared.changed.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        queue.printer_waits = false;
        let stopping = queue.stopping;
        std::mem::swap(&mut queue.lines, &mut lines);
        queue.bytes = 0;
        let dropped = std::mem::take(&mut queue.dropped);
        drop(queue);

        // Lines are only dropped while the queue is full, so there is a last line to take the time from.
        if let (1.., Some((unix_ms, _))) = (dropped, lines.last()) {
            lines.push((*unix_ms, Line::Dropped(dropped)));
        }
        let begins = lines.iter().any(|(_, line)| matches!(line, Line::Window));
        if begins && window.is_none() {
            window = Some(Instant::now() + WINDOW);
        }
        if window.is_some_and(|end| stopping || end <= Instant::now()) {
            window = None;
            if let left_out @ 1.. = shared.budget.end() {
                lines.push((printer.last_ms, Line::LeftOut(left_out)));
            }
        }
        printer.print(lines.drain(..));
        if stopping {
            return;
        }
        let queue = lock(&shared.queue);
        drop(
            shared
                .changed
                .wait_timeout_while(queue, PAUSE, |queue| !queue.stopping),
        );
    }
}

struct Printer {
    /// None once it has failed.
    out: Option<Box<dyn Write + Send>>,
    format: LogFormat,
    style: Style,
    columns: Columns,
    /// The time of the last line.
    last_ms: u64,
}

impl Printer {
    /// Writes a batch with one call.
    fn print(&mut self, lines: impl Iterator<Item = (u64, Line)>) {
        let mut batch = String::new();
        for (unix_ms, line) in lines {
            self.last_ms = self.last_ms.max(unix_ms);
            if matches!(line, Line::Window) {
                continue;
            }
            let unix_ms = match line {
                Line::LeftOut(_) => self.last_ms,
                _ => unix_ms,
            };
            match self.format {
                LogFormat::Text => batch.push_str(&self.text(line)),
                LogFormat::Json => {
                    batch.push_str(&json_line(line, unix_ms));
                    batch.push('\n');
                }
            }
        }
        let Some(out) = &mut self.out else { return };
        if out
            .write_all(batch.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            self.out = None;
        }
    }

    fn text(&mut self, line: Line) -> String {
        let style = self.style;
        match line {
            Line::Banner(banner) => banner.text(style) + "\n",
            Line::Request(request) => request.text(style, &mut self.columns),
            Line::Event(event) => event.text(style, &mut self.columns),
            Line::Window => String::new(),
            Line::LeftOut(count) => format!("{}\n", style.dim(&left_out_text(count))),
            Line::Note(text) => format!("{}\n", style.dim(&text)),
            Line::Clear => "\x1b[2J\x1b[3J\x1b[H".to_owned(),
            Line::Diagnostic(diagnostic) => diagnostic.render(style.colors) + "\n",
            Line::Problem(problem) => problem.text(style),
            Line::Console {
                level,
                object,
                place,
                text,
            } => {
                let name = format!("{:<5}", level.name());
                let name = match level {
                    Level::Debug => style.dim(&name),
                    Level::Log | Level::Info => style.cyan(&name),
                    Level::Warn => style.yellow(&name),
                    Level::Error => style.red(&name),
                };
                let text = match place {
                    None => text,
                    Some(place) => with_place(&text, &place, style),
                };
                spoken(&name, object.as_deref(), &text, style)
            }
            Line::Error { object, text } => {
                let text = with_frames(&text, style);
                spoken(&style.red("error"), object.as_deref(), &text, style)
            }
            Line::Dropped(lines) => format!("{}\n", style.yellow(&dropped_text(lines))),
        }
    }
}

/// A text with its place behind its first line.
fn with_place(text: &str, place: &Location, style: Style) -> String {
    let place = place.near(&std::env::current_dir().unwrap_or_default());
    let place = style.dim(&place);
    match text.split_once('\n') {
        None => format!("{text}  {place}"),
        Some((first, rest)) => format!("{first}  {place}\n{rest}"),
    }
}

/// An error's text, and below the message of it and of each of its causes the lines of the user's
/// file that it comes from. Only called by the printing thread, which may wait for a file.
fn with_frames(text: &str, style: Style) -> String {
    let mut framed = String::new();
    for (at, error) in text.split("\nCaused by: ").enumerate() {
        if at > 0 {
            framed.push_str("\nCaused by: ");
        }
        let stack_at = error.find("\n    at ").unwrap_or(error.len());
        let (message, stack) = error.split_at(stack_at);
        framed.push_str(message);
        if let Some(frame) = Diagnostic::frame_of_stack(stack, style.colors) {
            framed.push('\n');
            framed.push_str(&frame);
        }
        framed.push_str(stack);
    }
    framed
}

/// A line that somebody said. The further lines of its text are indented below the first.
fn spoken(name: &str, object: Option<&str>, text: &str, style: Style) -> String {
    let object = object.map_or(String::new(), |object| {
        format!("{}  ", style.dim(&super::style::printable(object)))
    });
    let text = text.trim_end_matches('\n').replace('\n', "\n       ");
    format!("{name}  {object}{text}\n")
}

fn json_line(line: Line, unix_ms: u64) -> String {
    let time = iso8601(unix_ms);
    let value = match line {
        Line::Banner(banner) => return banner.json(unix_ms),
        Line::Request(request) => return request.json(unix_ms),
        Line::Event(event) => return event.json(unix_ms),
        Line::Window => json!({}),
        Line::LeftOut(count) => {
            json!({ "type": "more", "time": time, "messages": count, "text": left_out_text(count) })
        }
        Line::Note(text) => json!({ "type": "note", "time": time, "text": text }),
        Line::Clear => json!({ "type": "clear", "time": time }),
        Line::Diagnostic(diagnostic) => diagnostic.json(&time),
        Line::Problem(problem) => return problem.json(),
        Line::Console {
            level,
            object,
            place,
            text,
        } => {
            let mut line = json!({ "type": "console", "time": time, "level": level.name(), "object": object, "text": text });
            if let Some(place) = place {
                line["place"] = place.to_string().into();
            }
            line
        }
        Line::Error { object, text } => {
            let place = Location::of_stack(&text).map(|place| place.to_string());
            json!({ "type": "error", "time": time, "object": object, "text": text, "place": place })
        }
        Line::Dropped(lines) => {
            json!({ "type": "dropped", "time": time, "lines": lines, "text": dropped_text(lines) })
        }
    };
    value.to_string()
}

fn dropped_text(lines: u64) -> String {
    let plural = if lines == 1 { "" } else { "s" };
    format!("{lines} line{plural} dropped: the output was read too slowly")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;

    /// Collects what is printed. While `gate` is held, a write waits.
    #[derive(Clone, Default)]
    struct Output {
        text: Arc<Mutex<String>>,
        gate: Arc<Mutex<()>>,
        entered: Option<mpsc::Sender<()>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(entered) = &self.entered {
                let _ = entered.send(());
            }
            let _open = lock(&self.gate);
            lock(&self.text).push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(output: &Output, format: LogFormat, quiet: bool) -> Logger {
        let clock: UnixMs = Arc::new(|| 1000);
        Logger::start(Box::new(output.clone()), format, Style::PLAIN, quiet, clock)
    }

    #[track_caller]
    fn check(format: LogFormat, quiet: bool, say: impl FnOnce(&Logger), expect: &str) {
        let output = Output::default();
        let logger = start(&output, format, quiet);
        say(&logger);
        logger.flush_and_stop();
        assert_eq!(*lock(&output.text), expect);
    }

    fn request() -> RequestLine {
        RequestLine {
            method: "GET".into(),
            path: "/".into(),
            status: 200,
            object: None,
            event: None,
            parts: None,
            elapsed: Duration::ZERO,
            bytes: None,
        }
    }

    fn say_everything(logger: &Logger) {
        logger.request(request());
        logger.console(Level::Log, Some("Room/a".into()), "one\ntwo\n");
        logger.console(Level::Warn, None, "careful");
        logger.error(Some("Room/a".into()), "Error: no\n    at x (a.ts:1:2)");
        logger.note("closing");
    }

    #[test]
    fn lines_are_printed_in_the_order_in_which_they_were_said() {
        check(
            LogFormat::Text,
            false,
            say_everything,
            "GET     /                         200  -                  0.00 ms\n\
             log    Room/a  one\n       two\n\
             warn   careful\n\
             error  Room/a  Error: no\n           at x (a.ts:1:2)\n\
             closing\n",
        );
    }

    #[test]
    fn quiet_prints_only_what_the_code_says_and_what_goes_wrong() {
        check(
            LogFormat::Text,
            true,
            say_everything,
            "log    Room/a  one\n       two\n\
             warn   careful\n\
             error  Room/a  Error: no\n           at x (a.ts:1:2)\n",
        );
    }

    #[test]
    fn json_lines_have_a_type_and_a_time() {
        let output = Output::default();
        let logger = start(&output, LogFormat::Json, false);
        say_everything(&logger);
        logger.flush_and_stop();
        let text = lock(&output.text).clone();
        let values: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let types: Vec<_> = values
            .iter()
            .map(|value| value["type"].as_str().unwrap())
            .collect();
        assert_eq!(types, ["request", "console", "console", "error", "note"]);
        assert!(
            values
                .iter()
                .all(|value| value["time"] == "1970-01-01T00:00:01.000Z")
        );
        assert_eq!(values[1]["text"], "one\ntwo\n");
    }

    #[test]
    fn a_slow_reader_costs_lines_but_no_time() {
        let (entered, printing) = mpsc::channel();
        let output = Output {
            entered: Some(entered),
            ..Output::default()
        };
        let logger = start(&output, LogFormat::Text, false);
        let closed = lock(&output.gate);
        logger.note("first");
        printing.recv().unwrap();
        for _ in 0..LINES_MAX + 3 {
            logger.note("more");
        }
        drop(closed);
        logger.flush_and_stop();
        let text = lock(&output.text).clone();
        assert_eq!(
            text.lines().filter(|line| *line == "more").count(),
            LINES_MAX
        );
        assert_eq!(
            text.lines().last(),
            Some("3 lines dropped: the output was read too slowly")
        );
    }

    #[test]
    fn the_bytes_in_the_queue_are_bounded_but_one_long_line_passes() {
        let (entered, printing) = mpsc::channel();
        let output = Output {
            entered: Some(entered),
            ..Output::default()
        };
        let logger = start(&output, LogFormat::Text, false);
        let closed = lock(&output.gate);
        logger.note("first");
        printing.recv().unwrap();
        logger.note("x".repeat(BYTES_MAX + 1));
        logger.note("y");
        drop(closed);
        logger.flush_and_stop();
        let text = lock(&output.text).clone();
        assert_eq!(text.lines().nth(1).map(str::len), Some(BYTES_MAX + 1));
        assert_eq!(
            text.lines().nth(2),
            Some("1 line dropped: the output was read too slowly")
        );
    }

    #[test]
    fn a_closed_pipe_ends_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let clock: UnixMs = Arc::new(|| 0);
        let logger = Logger::start(
            Box::new(Closed),
            LogFormat::Text,
            Style::PLAIN,
            false,
            clock,
        );
        logger.note("a");
        logger.note("b");
        logger.flush_and_stop();
        logger.note("after the end");
        logger.flush_and_stop();
    }
}
