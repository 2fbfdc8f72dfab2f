//! The command line: what the user may ask for, and everything the process prints.
//!
//! | file | what |
//! |---|---|
//! | `args` | commands and options, as data |
//! | `banner` | what is shown once, when the server is ready |
//! | `completions` | scripts that teach a shell the options |
//! | `env_file` | `.env` files and `--var`: the variables of the worker |
//! | `event_line` | one line per alarm and per message of a socket |
//! | `exit` | the process's exit codes |
//! | `https_args` | whether clients speak HTTPS |
//! | `inspect_args` | whether debuggers may attach |
//! | `logger` | the one thread that prints, behind a bounded queue |
//! | `problem` | failures at start: what, where, what to do |
//! | `request_log` | one line per request |
//! | `stored` | the commands about stored objects, as data |
//! | `style` | colours, on or off |
//! | `timestamp` | milliseconds since 1970 as text |
//!
//! Nothing here knows V8, storage or sockets. With `--log-format json` everything that would be a line for people is one
//! JSON object per line instead; its `type` is `ready`, `request`, `alarm`, `message`, `close`, `more`, `console`, `error`,
//! `note`, `dropped` or `problem`.

pub mod args;
pub mod banner;
pub mod compatibility_args;
pub mod completions;
pub mod dev_args;
pub mod env_file;
pub mod event_line;
pub mod exit;
pub mod https_args;
pub mod inspect_args;
pub mod limit_args;
pub mod logger;
pub mod problem;
pub mod project_args;
pub mod request_log;
pub mod stored;
pub mod style;
pub mod timestamp;
