//! Failures that end a command: what, where, what to do, and the exit code.

use std::fmt;
use std::io;
use std::path::Path;

use serde_json::json;

use super::env_file::EnvFileError;
use super::exit::ExitCode;
use super::style::Style;

/// One failure, as its reader needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened: lower case, no full stop.
    pub what: String,
    /// Where: `file`, `file:line` or `file:line:column`.
    pub place: Option<String>,
    /// What the reader can do about it.
    pub help: Option<String>,
    /// The failure as somebody else has rendered it, with a code frame or a stack: printed instead of the fields above.
    pub rendered: Option<String>,
    pub exit: ExitCode,
}

impl Problem {
    pub fn new(exit: ExitCode, what: impl Into<String>) -> Problem {
        Problem {
            what: what.into(),
            place: None,
            help: None,
            rendered: None,
            exit,
        }
    }

    pub fn at(mut self, place: impl Into<String>) -> Problem {
        self.place = Some(place.into());
        self
    }

    pub fn rendered(mut self, text: impl Into<String>) -> Problem {
        self.rendered = Some(text.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// The worker does not load; a syntax error or a failed import also has a `rendered` diagnostic.
    pub fn does_not_load(what: impl Into<String>) -> Problem {
        Problem::new(ExitCode::DoesNotLoad, what)
    }

    /// The file on the command line cannot be opened.
    pub fn file(file: &Path, error: &io::Error) -> Problem {
        let name = file.display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                let folder = match file.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
                    _ => "the current folder".to_owned(),
                };
                Problem::does_not_load(format!("file `{name}` does not exist")).help(format!(
                    "check the spelling; the path is looked up from {folder}"
                ))
            }
            io::ErrorKind::IsADirectory => Problem::does_not_load(format!("`{name}` is a folder"))
                .help("name the .ts file in it"),
            _ => Problem::does_not_load(format!("cannot read `{name}`: {error}")),
        }
    }

    /// A project's command where there is no project.
    pub fn no_configuration(path: &Path) -> Problem {
        let names = crate::config::FILE_NAMES
            .map(|name| format!("`{name}`"))
            .join(", ");
        if !path.exists() {
            let what = format!("there is no folder `{}`", path.display());
            return Problem::does_not_load(what).help(
                "name the folder of a project, or its configuration file; `stead init` makes a project",
            );
        }
        let what = format!("there is no {names} in `{}` or above it", path.display());
        Problem::does_not_load(what).help(
            "`stead run FILE.ts` serves a file without a configuration; `stead init` makes a project",
        )
    }

    /// Two projects of one process whose workers have the same name.
    pub fn same_name(name: &str) -> Problem {
        Problem::does_not_load(format!("two workers are named `{name}`"))
            .help("bindings name workers: give each configuration a `name` of its own")
    }

    /// A class that is used as an object's class but does not extend `DurableObject`.
    pub fn class_without_extends(class: &str) -> Problem {
        Problem::does_not_load(format!("class `{class}` does not extend `DurableObject`")).help(
            format!(
                "write `export class {class} extends DurableObject` and \
             `import {{ DurableObject }} from \"cloudflare:workers\"`"
            ),
        )
    }

    /// A class named on the command line that the file does not export; `exported` are the ones it does.
    pub fn no_such_class(file: &Path, class: &str, exported: &[String]) -> Problem {
        let problem = Problem::does_not_load(format!(
            "`{}` exports no object class `{class}`",
            file.display()
        ));
        if exported.is_empty() {
            problem.help(format!("add `export class {class} extends DurableObject`"))
        } else {
            problem.help(format!("it exports {}", list(exported)))
        }
    }

    /// The file exports neither an object class nor a handler.
    pub fn nothing_to_serve(file: &Path) -> Problem {
        Problem::does_not_load(format!("`{}` exports nothing that can be served", file.display())).help(
            "export a class that extends `DurableObject`, or a default object with a `fetch` method",
        )
    }

    /// Classes that the configuration binds and the file does not export. `exported` are the names that it does.
    pub fn not_exported(file: &Path, classes: &[String], exported: &[String]) -> Problem {
        let plural = if classes.len() == 1 { "" } else { "es" };
        Problem::does_not_load(format!(
            "`{}` does not export the class{plural} {}, which the configuration binds",
            file.display(),
            list(classes),
        ))
        .help(match exported {
            [] => {
                "it exports no class: write `export` before each, or remove the binding".to_owned()
            }
            _ => format!(
                "it exports {}: correct the name in the binding, or export the class",
                list(exported)
            ),
        })
    }

    /// The address cannot be listened on.
    pub fn listen(host: &str, port: u16, error: &io::Error) -> Problem {
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                let other = port.checked_add(1).unwrap_or(8787);
                Problem::new(ExitCode::CannotListen, format!("port {port} on {host} is in use")).help(format!(
                    "stop the other server, or choose another port with `--port {other}` (0 takes a free one)"
                ))
            }
            io::ErrorKind::PermissionDenied => Problem::new(
                ExitCode::CannotListen,
                format!("port {port} on {host} is not allowed: {error}"),
            )
            .help("ports below 1024 usually belong to the administrator: choose another one with `--port 8787`"),
            io::ErrorKind::AddrNotAvailable => Problem::new(
                ExitCode::CannotListen,
                format!("{host} is not an address of this machine"),
            )
            .help("`--host 127.0.0.1` is this machine alone, `--host 0.0.0.0` every interface"),
            _ => Problem::new(
                ExitCode::CannotListen,
                format!("cannot listen on port {port} of {host}: {error}"),
            )
            .help("check `--host`: an address of this machine, or a name that leads to one"),
        }
    }

    /// The state directory cannot be made or written.
    pub fn state_not_writable(dir: &Path, error: &io::Error) -> Problem {
        Problem::new(
            ExitCode::StateDirectory,
            format!(
                "state directory `{}` cannot be written: {error}",
                dir.display()
            ),
        )
        .help("make it writable, or choose another one with `--state DIR`")
    }

    /// Another process holds the state directory.
    pub fn state_in_use(dir: &Path, pid: Option<u32>) -> Problem {
        let by = match pid {
            Some(pid) => format!("process {pid}"),
            None => "another process".to_owned(),
        };
        Problem::new(
            ExitCode::StateDirectory,
            format!("state directory `{}` is in use by {by}", dir.display()),
        )
        .help("stop that process, or choose another directory with `--state DIR`; nothing was changed")
    }

    /// A file given with `--env-file` that cannot be opened.
    pub fn env_file_unreadable(file: &Path, error: &io::Error) -> Problem {
        let name = file.display();
        let what = match error.kind() {
            io::ErrorKind::NotFound => format!("env file `{name}` does not exist"),
            _ => format!("cannot read env file `{name}`: {error}"),
        };
        Problem::new(ExitCode::Usage, what).help("check the path given with `--env-file`")
    }

    /// A line of an `--env-file` that cannot be read.
    pub fn env_file(error: &EnvFileError) -> Problem {
        Problem::new(ExitCode::Usage, error.what.clone())
            .at(format!("{}:{}", error.file.display(), error.line))
            .help("each line is NAME=value; quote a value that holds spaces, `#` or line ends")
    }

    /// The worker's own code threw; `what` is the error's name and message.
    pub fn threw(what: impl Into<String>) -> Problem {
        Problem::new(ExitCode::UserCodeFailed, what)
    }

    /// A defect of Stead.
    pub fn internal(what: impl Into<String>) -> Problem {
        Problem::new(ExitCode::Internal, what)
            .help("this is a defect of stead: please report it with the file and the command line")
    }

    /// The failure for people, ending in a line end.
    pub fn text(&self, style: Style) -> String {
        if let Some(rendered) = &self.rendered {
            return format!("{}\n", rendered.trim_end());
        }
        let mut text = format!("{} {}\n", style.red("error:"), style.bold(&self.what));
        if let Some(place) = &self.place {
            text.push_str(&format!("  {} {place}\n", style.dim("-->")));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("  {} {help}\n", style.cyan("help:")));
        }
        text
    }

    /// The failure for programs: one line without its end.
    pub fn json(&self) -> String {
        json!({
            "type": "problem",
            "what": self.what,
            "place": self.place,
            "help": self.help,
            "rendered": self.rendered,
            "exitCode": self.exit as u8,
        })
        .to_string()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(Style::PLAIN).trim_end())
    }
}

impl std::error::Error for Problem {}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(problem: &Problem, exit: ExitCode, expect: &str) {
        assert_eq!(problem.exit, exit);
        assert_eq!(problem.text(Style::PLAIN), expect);
    }

    #[test]
    fn a_taken_port_names_the_way_out() {
        check(
            &Problem::listen("127.0.0.1", 8787, &io::ErrorKind::AddrInUse.into()),
            ExitCode::CannotListen,
            "error: port 8787 on 127.0.0.1 is in use\n  \
             help: stop the other server, or choose another port with `--port 8788` (0 takes a free one)\n",
        );
    }

    #[test]
    fn a_missing_file_says_where_it_was_looked_for() {
        check(
            &Problem::file(Path::new("chat.ts"), &io::ErrorKind::NotFound.into()),
            ExitCode::DoesNotLoad,
            "error: file `chat.ts` does not exist\n  \
             help: check the spelling; the path is looked up from the current folder\n",
        );
    }

    #[test]
    fn the_place_stands_between_the_message_and_the_help() {
        check(
            &Problem::class_without_extends("Room").at("chat.ts:3:14"),
            ExitCode::DoesNotLoad,
            "error: class `Room` does not extend `DurableObject`\n  \
             --> chat.ts:3:14\n  \
             help: write `export class Room extends DurableObject` and \
             `import { DurableObject } from \"cloudflare:workers\"`\n",
        );
    }

    #[test]
    fn what_somebody_else_has_rendered_is_printed_as_it_is() {
        check(
            &Problem::does_not_load("expected `;`")
                .rendered("error: expected `;`\n --> a.ts:1:2\n"),
            ExitCode::DoesNotLoad,
            "error: expected `;`\n --> a.ts:1:2\n",
        );
    }

    #[test]
    fn a_wrong_env_line_has_its_place() {
        let error = EnvFileError {
            file: "a.env".into(),
            line: 3,
            what: "`hello` has no `=`".into(),
        };
        check(
            &Problem::env_file(&error),
            ExitCode::Usage,
            "error: `hello` has no `=`\n  --> a.env:3\n  \
             help: each line is NAME=value; quote a value that holds spaces, `#` or line ends\n",
        );
    }

    #[test]
    fn the_state_directory_has_its_own_code() {
        let in_use = Problem::state_in_use(Path::new("/x"), Some(7));
        assert_eq!(in_use.what, "state directory `/x` is in use by process 7");
        assert_eq!(in_use.exit, ExitCode::StateDirectory);
        let denied = io::ErrorKind::PermissionDenied.into();
        assert_eq!(
            Problem::state_not_writable(Path::new("/x"), &denied).exit,
            ExitCode::StateDirectory
        );
    }

    #[test]
    fn a_class_that_is_not_exported_is_answered_with_those_that_are() {
        let exported = ["Room".to_owned(), "User".to_owned()];
        let problem = Problem::no_such_class(Path::new("c.ts"), "Rom", &exported);
        assert_eq!(problem.help.as_deref(), Some("it exports `Room`, `User`"));
    }

    #[test]
    fn the_json_form_is_one_line() {
        let json = Problem::threw("Error: no\nmore")
            .rendered("Error: no\n    at x (c.ts:1:2)")
            .json();
        assert!(!json.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["exitCode"], 1);
        assert_eq!(value["what"], "Error: no\nmore");
    }
}
