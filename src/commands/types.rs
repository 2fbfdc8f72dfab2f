//! `stead types`: the type of `env`, from the configuration.
//!
//! The file has the name and the form of the one that wrangler writes, so that a project may use
//! either.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::TypesArgs;
use crate::config::Project;

const FILE_NAME: &str = "worker-configuration.d.ts";

/// Writes the file, or compares it.
pub fn run(args: &TypesArgs) -> Result<ExitCode, Problem> {
    let project = super::load_project(&args.project)?;
    let file = project.root.join(FILE_NAME);
    let text = declarations(&project);
    if args.check {
        if fs::read_to_string(&file).is_ok_and(|found| found == text) {
            super::say(&format!("{} is up to date\n", file.display()));
            return Ok(ExitCode::Ok);
        }
        let what = format!("`{}` is not up to date", file.display());
        return Err(Problem::does_not_load(what).help("run `stead types`"));
    }
    write(&file, &text)?;
    super::say(&format!("wrote {}\n", file.display()));
    Ok(ExitCode::Ok)
}

/// Writes the types of the project of a configuration file.
pub fn write_for(config: &Path) -> Result<(), Problem> {
    let style = crate::cli::style::Style::of(&std::io::stderr());
    let project =
        crate::config::load(config, None).map_err(|found| super::diagnosed(&found, style))?;
    write(&project.root.join(FILE_NAME), &declarations(&project))
}

fn write(file: &Path, text: &str) -> Result<(), Problem> {
    fs::write(file, text).map_err(|error| {
        Problem::new(
            ExitCode::Usage,
            format!("cannot write `{}`: {error}", file.display()),
        )
    })
}

fn declarations(project: &Project) -> String {
    let module = project.main.as_ref().map(|main| {
        let relative = main.strip_prefix(&project.root).unwrap_or(main);
        let path = relative.with_extension("");
        let path = path.to_string_lossy().replace('\\', "/");
        format!("./{}", path.trim_start_matches("./"))
    });
    let imported = |export: &str| match &module {
        Some(module) => format!("import({}).{export}", quoted(module)),
        None => "never".to_owned(),
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for (name, value) in &project.vars {
        lines.push((name.clone(), var_type(project, name, value)));
    }
    for object in &project.objects {
        let class = match &object.worker {
            None => format!("<{}>", imported(&object.class)),
            Some(worker) => format!(" /* {} of {worker} */", object.class),
        };
        lines.push((
            object.binding.clone(),
            format!("DurableObjectNamespace{class}"),
        ));
    }
    if let Some(binding) = project
        .assets
        .as_ref()
        .and_then(|assets| assets.binding.clone())
    {
        lines.push((binding, "Fetcher".to_owned()));
    }
    if let Some(binding) = &project.version_metadata {
        lines.push((binding.clone(), "WorkerVersionMetadata".to_owned()));
    }
    for service in &project.services {
        lines.push((
            service.binding.clone(),
            format!("Service /* {} */", service.worker),
        ));
    }
    for missing in &project.missing {
        lines.push((
            missing.binding.clone(),
            missing_type(missing.kind).to_owned(),
        ));
    }
    let mut text = String::from(
        "// Written by `stead types` from the configuration.\ndeclare namespace Cloudflare {\n",
    );
    if let Some(module) = &module {
        let classes = project.lifecycle.declared.iter().map(|class| quoted(class));
        let classes: Vec<String> = classes.collect();
        text.push_str(&format!(
            "  interface GlobalProps {{\n    mainModule: typeof import({});\n",
            quoted(module)
        ));
        if !classes.is_empty() {
            text.push_str(&format!(
                "    durableNamespaces: {};\n",
                classes.join(" | ")
            ));
        }
        text.push_str("  }\n");
    }
    text.push_str("  interface Env {\n");
    for (name, kind) in lines {
        text.push_str(&format!("    {}: {kind};\n", property(&name)));
    }
    text.push_str("  }\n}\ninterface Env extends Cloudflare.Env {}\n");
    text
}

/// The type of a variable: its value, as long as the configuration says it; a secret's is text.
fn var_type(project: &Project, name: &str, value: &Value) -> String {
    if project.secrets.iter().any(|secret| secret == name) {
        return "string".to_owned();
    }
    match value {
        Value::String(text) => quoted(text),
        value => literal_type(value),
    }
}

fn literal_type(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let types: Vec<String> = values.iter().map(literal_type).collect();
            format!("[{}]", types.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", property(key), literal_type(value)))
                .collect();
            format!("{{ {} }}", entries.join("; "))
        }
        value => value.to_string(),
    }
}

/// The type that the platform's own packages give a binding.
fn missing_type(kind: &str) -> &'static str {
    match kind {
        "KV namespace" => "KVNamespace",
        "R2 bucket" => "R2Bucket",
        "D1 database" => "D1Database",
        "queue" => "Queue",
        "Workers AI" => "Ai",
        "Vectorize index" => "VectorizeIndex",
        "Hyperdrive configuration" => "Hyperdrive",
        "Analytics Engine dataset" => "AnalyticsEngineDataset",
        "rate limit" => "RateLimit",
        "email sender" => "SendEmail",
        "browser" | "mTLS certificate" => "Fetcher",
        _ => "unknown",
    }
}

fn property(name: &str) -> String {
    let mut chars = name.chars();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    let starts = chars
        .next()
        .is_some_and(|c| plain(c) && !c.is_ascii_digit());
    if starts && chars.all(plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
