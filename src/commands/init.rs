//! `stead init`: a new project from a template.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::InitArgs;
use crate::cli::project_args::Template;
use crate::cli::style::Style;

/// The date whose behaviour new projects ask for.
const COMPATIBILITY_DATE: &str = "2026-01-01";

/// Writes the files. Nothing that is there already is touched.
pub fn run(args: &InitArgs) -> Result<ExitCode, Problem> {
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(name_of(args.template)));
    let absolute = std::path::absolute(&dir).unwrap_or_else(|_| dir.clone());
    let name = worker_name(&absolute);
    let files = files(args.template, &name);
    if let Some((file, _)) = files.iter().find(|(file, _)| dir.join(file).exists()) {
        let what = format!("`{}` is there already", dir.join(file).display());
        return Err(Problem::new(ExitCode::Usage, what)
            .help("name a folder that does not hold a project; nothing was written"));
    }
    for (file, text) in &files {
        write(&dir.join(file), text).map_err(|error| {
            let what = format!("cannot write `{}`: {error}", dir.join(file).display());
            Problem::new(ExitCode::Usage, what).help("choose a folder that can be written")
        })?;
    }
    super::types::write_for(&dir.join("wrangler.jsonc"))?;
    let style = Style::of(&io::stdout());
    let mut text = format!("{} in {}\n\n", style.bold(&name), dir.display());
    for (file, _) in &files {
        text.push_str(&format!("  {file}\n"));
    }
    text.push_str(&format!(
        "  worker-configuration.d.ts\n\n  {}\n",
        style.cyan(&format!("cd {} && stead dev", dir.display()))
    ));
    text.push_str(&format!(
        "  {}\n",
        style.dim("npm install adds TypeScript, for an editor and for `stead check`")
    ));
    super::say(&text);
    Ok(ExitCode::Ok)
}

fn name_of(template: Template) -> &'static str {
    match template {
        Template::Counter => "counter",
        Template::Chat => "chat",
        Template::Scheduler => "scheduler",
        Template::Api => "api",
    }
}

/// A name as the platform allows it: small letters, digits and hyphens.
fn worker_name(dir: &Path) -> String {
    let name = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(allowed).collect();
    match name.trim_matches('-') {
        "" => "worker".to_owned(),
        name => name.to_owned(),
    }
}

fn files(template: Template, name: &str) -> Vec<(&'static str, String)> {
    let (class, code, test) = match template {
        Template::Counter => (
            "Counter",
            include_str!("../templates/counter/index.ts"),
            include_str!("../templates/counter/index.test.ts"),
        ),
        Template::Chat => (
            "Room",
            include_str!("../templates/chat/index.ts"),
            include_str!("../templates/chat/index.test.ts"),
        ),
        Template::Scheduler => (
            "Scheduler",
            include_str!("../templates/scheduler/index.ts"),
            include_str!("../templates/scheduler/index.test.ts"),
        ),
        Template::Api => (
            "Notes",
            include_str!("../templates/api/index.ts"),
            include_str!("../templates/api/index.test.ts"),
        ),
    };
    let more = match template {
        Template::Chat => ",\n  \"assets\": { \"directory\": \"./public\" }",
        Template::Scheduler => {
            ",\n  // Every night at four.\n  \"triggers\": { \"crons\": [\"0 4 * * *\"] }"
        }
        Template::Counter | Template::Api => "",
    };
    let binding = class.to_uppercase();
    let config = format!(
        "{{\n  \"name\": \"{name}\",\n  \"main\": \"src/index.ts\",\n  \"compatibility_date\": \"{COMPATIBILITY_DATE}\",\n  \
         \"durable_objects\": {{ \"bindings\": [{{ \"name\": \"{binding}\", \"class_name\": \"{class}\" }}] }},\n  \
         \"migrations\": [{{ \"tag\": \"v1\", \"new_sqlite_classes\": [\"{class}\"] }}]{more}\n}}\n"
    );
    let package = include_str!("../templates/package.json").replace("NAME", name);
    let mut files = vec![
        ("wrangler.jsonc", config),
        ("src/index.ts", code.to_owned()),
        ("test/index.test.ts", test.to_owned()),
        (
            "tsconfig.json",
            include_str!("../templates/tsconfig.json").to_owned(),
        ),
        ("package.json", package),
        (
            ".gitignore",
            include_str!("../templates/gitignore").to_owned(),
        ),
    ];
    if template == Template::Chat {
        let page = include_str!("../templates/chat/index.html");
        files.insert(2, ("public/index.html", page.to_owned()));
    }
    files
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_name_is_one_that_the_platform_allows() {
        let check = |dir: &str, expect: &str| assert_eq!(worker_name(Path::new(dir)), expect);
        check("/home/me/My Chat_2", "my-chat-2");
        check("/", "worker");
        check("/--", "worker");
    }
}
