//! `stead ls`, `history`, `restore`, `export`, `import` and `verify`: stored objects and their past.

use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::stored::ExportArgs;
use crate::cli::stored::HistoryCommand;
use crate::cli::stored::ImportArgs;
use crate::cli::stored::LsArgs;
use crate::cli::stored::PlaceArgs;
use crate::cli::stored::RestoreArgs;
use crate::cli::stored::VerifyArgs;
use crate::cli::stored::When;
use crate::cli::stored::WhichArgs;
use crate::cli::stored::split;
use crate::cli::style::Style;
use crate::cli::timestamp::iso8601;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::stored::place;
use crate::stored::question::Answer;
use crate::stored::question::Moment;
use crate::stored::question::ObjectRef;
use crate::stored::question::Question;
use crate::stored::question::Refused;

/// Lists all objects.
pub async fn ls(args: LsArgs) -> Result<ExitCode, Problem> {
    let state = place::state_dir(&args.place, args.file.as_deref())?;
    let Answer::Objects(objects) = ask(&state, Question::List).await? else {
        return Err(unexpected());
    };
    if args.place.json {
        return print_json(&objects);
    }
    let style = Style::of(&io::stdout());
    let folders = objects.iter().map(|object| &object.object.unique_key);
    let classes = place::class_names(&state, folders);
    if objects.is_empty() {
        say(&format!("{} has no objects\n", state.display()));
    }
    for object in objects {
        let last = object.last_ms.map_or_else(|| "-".to_owned(), time);
        let damage = object.damage.map_or_else(String::new, |damage| {
            format!("  {}", style.red(&format!("damaged: {damage}")))
        });
        say(&format!(
            "{}{}  {:>9}  {:>9} of history  {last}{damage}\n",
            label(
                &classes[&object.object.unique_key],
                &object.object,
                object.name.as_deref()
            ),
            facet_label(object.facet.as_deref()),
            size(object.bytes),
            size(object.history_bytes),
        ));
    }
    Ok(ExitCode::Ok)
}

/// Lists the moments of an object's past.
pub async fn history(args: HistoryCommand) -> Result<ExitCode, Problem> {
    let (state, object) = find(&args.place, args.file.as_deref(), &args.object, &args.which)?;
    let question = Question::History {
        object,
        limit: args.limit,
    };
    let Answer::History(history) = ask(&state, question).await? else {
        return Err(unexpected());
    };
    if args.place.json {
        return print_json(&history.moments);
    }
    let style = Style::of(&io::stdout());
    let heading = match history.count {
        0 => "nothing is kept of its past".to_owned(),
        1 => "1 moment".to_owned(),
        count if count > history.moments.len() => {
            format!("the last {} of {count} moments", history.moments.len())
        }
        count => format!("{count} moments"),
    };
    say(&format!("{}  {heading}\n", style.bold(&args.object)));
    for moment in history.moments {
        let pages = format!("{} page{}", moment.pages, plural(u64::from(moment.pages)));
        let restore = if moment.is_restore { "  restored" } else { "" };
        say(&format!(
            "  {}  {pages:>10}  {}{restore}\n",
            time(moment.at.time_ms),
            moment.at.bookmark,
        ));
    }
    Ok(ExitCode::Ok)
}

/// Takes an object to a moment of its past.
pub async fn restore(args: RestoreArgs) -> Result<ExitCode, Problem> {
    let (state, object) = find(&args.place, args.file.as_deref(), &args.object, &args.which)?;
    let to = args.at.as_ref().map_or(Moment::BeforeRestore, now);
    let dry_run = args.dry_run;
    let question = Question::Restore {
        object,
        to,
        dry_run,
    };
    let Answer::Restored(restored) = ask(&state, question).await? else {
        return Err(unexpected());
    };
    if args.place.json {
        return print_json(&restored);
    }
    let (becomes, changed) = match dry_run {
        true => ("would become", "would change"),
        false => ("is now", "changed"),
    };
    let object = &args.object;
    say(&match restored.to.time_ms {
        // Nothing was committed then.
        0 => format!("{object} {becomes} empty, as it was before its first commit\n"),
        ms => format!(
            "{object} {becomes} what it was after {}: {} of {} pages {changed}\n",
            time(ms),
            restored.pages,
            restored.pages_in_all,
        ),
    });
    if let Some(undo) = restored.undo {
        say(&format!("  to undo it: --undo, or --at {undo}\n"));
    }
    Ok(ExitCode::Ok)
}

/// Writes an object's database into a file.
pub async fn export(args: ExportArgs) -> Result<ExitCode, Problem> {
    let (file, name, out) = split(&args.words).ok_or_else(|| words("OUT"))?;
    let (state, object) = find(&args.place, file.as_deref(), name, &args.which)?;
    if out.exists() {
        return Err(usage(format!("`{}` exists already", out.display()))
            .help("remove it, or choose another name"));
    }
    let question = Question::Export {
        object,
        at: args.at.as_ref().map(now),
        file: absolute(&out)?,
    };
    let Answer::Exported(at) = ask(&state, question).await? else {
        return Err(unexpected());
    };
    if args.place.json {
        return print_json(&at);
    }
    say(&format!(
        "wrote `{}`: {name} as it was after {}\n",
        out.display(),
        time(at.time_ms),
    ));
    Ok(ExitCode::Ok)
}

/// Makes an object what a database file holds.
pub async fn import(args: ImportArgs) -> Result<ExitCode, Problem> {
    if let Some(from) = args.wrangler.clone() {
        return super::wrangler::import(args, from).await;
    }
    let (file, name, source) = split(&args.words).ok_or_else(|| words("IN"))?;
    let (state, object) = find(&args.place, file.as_deref(), name, &args.which)?;
    if !source.is_file() {
        return Err(usage(format!("`{}` is not a file", source.display())));
    }
    let question = Question::Import {
        object,
        file: absolute(&source)?,
    };
    let Answer::Imported(imported) = ask(&state, question).await? else {
        return Err(unexpected());
    };
    if args.place.json {
        return print_json(&imported);
    }
    say(&format!(
        "{name} is now what `{}` holds\n",
        source.display()
    ));
    if let Some(undo) = imported.undo {
        say(&format!(
            "  to undo it: stead restore … --undo, or --at {undo}\n"
        ));
    }
    Ok(ExitCode::Ok)
}

/// Checks objects.
pub async fn verify(args: VerifyArgs) -> Result<ExitCode, Problem> {
    let state = place::state_dir(&args.place, args.file.as_deref())?;
    let object = args.object.as_deref();
    let which = WhichArgs {
        worker: args.worker.clone(),
        facets: Vec::new(),
    };
    let object =
        object.map(|text| place::object(&args.place, args.file.as_deref(), &state, text, &which));
    let question = Question::Verify {
        object: object.transpose()?,
    };
    let Answer::Verified(verified) = ask(&state, question).await? else {
        return Err(unexpected());
    };
    let damaged = verified.iter().filter(|object| !object.problems.is_empty());
    let exit = match damaged.clone().count() {
        0 => ExitCode::Ok,
        _ => ExitCode::StateDirectory,
    };
    if args.place.json {
        print_json(&verified)?;
        return Ok(exit);
    }
    let style = Style::of(&io::stdout());
    let folders = verified.iter().map(|object| &object.object.unique_key);
    let classes = place::class_names(&state, folders);
    for object in damaged.clone() {
        let class = &classes[&object.object.unique_key];
        say(&format!(
            "{}\n",
            style.red(&label(class, &object.object, None))
        ));
        for problem in &object.problems {
            say(&format!("  {}\n", problem.replace('\n', "\n  ")));
        }
    }
    let count = verified.len();
    say(&match damaged.count() {
        0 => format!(
            "{count} object{} checked, all whole\n",
            plural(count as u64)
        ),
        bad => format!(
            "{count} object{} checked, {bad} damaged\n",
            plural(count as u64)
        ),
    });
    Ok(exit)
}

fn find(
    args: &PlaceArgs,
    file: Option<&Path>,
    text: &str,
    which: &WhichArgs,
) -> Result<(PathBuf, ObjectRef), Problem> {
    let state = place::state_dir(args, file)?;
    let object = place::object(args, file, &state, text, which)?;
    Ok((state, object))
}

/// Has the running server answer if there is one, and answers here otherwise.
async fn ask(state: &Path, question: Question) -> Result<Answer, Problem> {
    let asked = crate::control::ask_stored(state, &question).await;
    let answer = match asked.map_err(|error| Problem::internal(error.to_string()))? {
        Some(answer) => answer,
        None => {
            let state = state.to_owned();
            let answer = move || crate::stored::answer_stopped(&state, &question);
            let answered = tokio::task::spawn_blocking(answer).await;
            answered.map_err(|error| Problem::internal(error.to_string()))?
        }
    };
    answer.map_err(|Refused { what, is_usage }| match is_usage {
        true => usage(what),
        false => Problem::new(ExitCode::StateDirectory, what),
    })
}

fn usage(what: String) -> Problem {
    Problem::new(ExitCode::Usage, what)
}

/// What is needed beside the options.
fn words(last: &str) -> Problem {
    usage(format!(
        "an object and a file are needed: [FILE] OBJECT {last}"
    ))
}

fn unexpected() -> Problem {
    Problem::internal("the server answered another question".to_owned())
}

fn now(when: &When) -> Moment {
    when.moment(SystemClock.now_ms())
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| usage(format!("`{}`: {error}", path.display())))
}

/// `Class/name`, or `Class/id` where the name is not known.
fn label(class: &str, object: &ObjectRef, name: Option<&str>) -> String {
    format!("{class}/{}", name.unwrap_or(&object.id))
}

/// What follows the label of an object if it is one of its facets.
fn facet_label(names: Option<&[String]>) -> String {
    let names = names.into_iter().flatten();
    names.map(|name| format!("  --facet {name}")).collect()
}

fn time(ms: i64) -> String {
    iso8601(ms.max(0) as u64)
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes = bytes as f64;
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..units.len() - 1)
        .find(|unit| bytes < KIB.powi(*unit as i32 + 1))
        .unwrap_or(units.len() - 1);
    let digits = usize::from(unit > 0);
    format!("{:.digits$} {}", bytes / KIB.powi(unit as i32), units[unit])
}

fn print_json(value: &impl Serialize) -> Result<ExitCode, Problem> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Problem::internal(error.to_string()))?;
    say(&format!("{text}\n"));
    Ok(ExitCode::Ok)
}

/// Prints; a closed pipe is the reader's wish.
fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1023, 1024, 4096 * 3, 5 << 20, 3 << 40].map(size);
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.0 KiB", "12.0 KiB", "5.0 MiB", "3.0 TiB"]
        );
    }
}
