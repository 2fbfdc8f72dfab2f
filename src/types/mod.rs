//! The types of `env` that a configuration means, as TypeScript: what `stead types` writes.
//!
//! The declarations are those of `wrangler types`, so that a project may use either tool:
//! <https://developers.cloudflare.com/workers/languages/typescript/#generate-types>. They differ in one thing on
//! purpose: `--env NAME` declares the binding of `assets`, which environments inherit.
//!
//! | file | what |
//! |---|---|
//! | `members` | what `env` holds in one environment |
//! | `modules` | what files are that are no code |

mod members;
mod modules;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::config::Project;
use members::Member;

/// A worker's code, as other files may import its types.
pub struct Code {
    /// What is imported: `./src/index`.
    pub specifier: String,
    /// What it exports; None if it does not bundle, so that nobody knows.
    pub exports: Option<Vec<String>>,
}

impl Code {
    fn has(&self, export: &str) -> bool {
        let exports = self.exports.as_ref();
        exports.is_none_or(|exports| exports.iter().any(|known| known == export))
    }

    /// Whether it listens for events instead of exporting handlers.
    fn is_script(&self) -> bool {
        self.exports.as_ref().is_some_and(Vec::is_empty)
    }
}

/// What declarations are made of.
pub struct Described<'a> {
    /// The project, in the environment that was asked for, or at its top level.
    pub project: &'a Project,
    /// Each environment with its project, if none was asked for.
    pub environments: Vec<(String, Project)>,
    pub code: Option<Code>,
    /// The code of other workers that bindings lead to, by their names.
    pub others: BTreeMap<String, Code>,
}

/// The declarations.
pub fn declarations(described: &Described<'_>) -> String {
    let top = members::of(described, described.project, described.project);
    let each = described.environments.iter();
    let each = each.map(|(name, project)| {
        let members = members::of(described, project, described.project);
        (name.as_str(), members)
    });
    let each: Vec<(&str, Vec<Member>)> = each.collect();
    let merged = match each.is_empty() {
        true => top,
        false => members::merge(&each, top),
    };
    let projects = described.environments.iter().map(|(_, project)| project);
    let rules = std::iter::once(described.project)
        .chain(projects)
        .map(|project| project.rules.as_slice());
    let modules = modules::declarations(rules.collect());
    let mut text = match described.code.as_ref().is_some_and(Code::is_script) {
        true => script(&merged),
        false => module(described, &each, &merged),
    };
    text.push_str(&modules);
    text
}

fn script(members: &[Member]) -> String {
    let lines = members
        .iter()
        .map(|member| format!("declare const {}: {};\n", member.key(), member.kind));
    lines.collect()
}

fn module(described: &Described<'_>, each: &[(&str, Vec<Member>)], merged: &[Member]) -> String {
    let mut text = String::from("interface __BaseEnv_Env {\n");
    text.extend(merged.iter().map(|member| member.line("\t")));
    text.push_str("}\ndeclare namespace Cloudflare {\n");
    text.push_str(&global_props(described));
    for (name, members) in each {
        if members.is_empty() {
            let _ = writeln!(text, "\tinterface {} {{}}", interface_name(name));
            continue;
        }
        let _ = writeln!(text, "\tinterface {} {{", interface_name(name));
        text.extend(members.iter().map(|member| member.line("\t\t")));
        text.push_str("\t}\n");
    }
    text.push_str("\tinterface Env extends __BaseEnv_Env {}\n}\n");
    text.push_str("interface Env extends __BaseEnv_Env {}\n");
    let texts = merged.iter().filter(|member| member.is_text);
    let texts: Vec<String> = texts.map(|member| quoted(&member.name)).collect();
    if fills_process_env(described.project) && !texts.is_empty() {
        text.push_str(PROCESS_ENV_OPEN);
        text.push_str(&texts.join(" | "));
        text.push_str(PROCESS_ENV_CLOSE);
    }
    text
}

const PROCESS_ENV_OPEN: &str = "\
type StringifyValues<EnvType extends Record<string, unknown>> = {
\t[Binding in keyof EnvType]: EnvType[Binding] extends string ? EnvType[Binding] : string;
};
declare namespace NodeJS {
\tinterface ProcessEnv extends StringifyValues<Pick<Cloudflare.Env, ";
const PROCESS_ENV_CLOSE: &str = ">> {}\n}\n";

/// What the types of `ctx.exports` follow from.
fn global_props(described: &Described<'_>) -> String {
    let mut lines = Vec::new();
    if let Some(code) = &described.code {
        let module = quoted(&code.specifier);
        lines.push(format!("\t\tmainModule: typeof import({module});\n"));
    }
    let classes = described.project.lifecycle.declared.iter();
    let classes: Vec<String> = classes.map(|class| quoted(class)).collect();
    if !classes.is_empty() {
        let classes = classes.join(" | ");
        lines.push(format!("\t\tdurableNamespaces: {classes};\n"));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("\tinterface GlobalProps {{\n{}\t}}\n", lines.concat()),
    }
}

/// Whether the code finds the texts of `env` in `process.env`.
/// <https://developers.cloudflare.com/workers/configuration/compatibility-flags/#enable-auto-populating-processenv>
fn fills_process_env(project: &Project) -> bool {
    let flags = &project.compatibility_flags;
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let is_new = |date: &str| {
        let own = project.compatibility_date.as_deref();
        own.is_some_and(|own| own >= date)
    };
    let has_node = has("nodejs_compat") || has("nodejs_compat_v2");
    let asked = has("nodejs_compat_populate_process_env");
    let refused = has("nodejs_compat_do_not_populate_process_env");
    has_node && (asked || !refused && is_new("2025-04-01"))
}

/// The interface of an environment: `my-staging` → `MyStagingEnv`.
pub fn interface_name(environment: &str) -> String {
    let words = environment.split(['-', '_']).map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + chars.as_str().to_lowercase().as_str()
    });
    let name: String = words.collect();
    match name.ends_with("Env") {
        true => name,
        false => name + "Env",
    }
}

/// A text as a literal of TypeScript.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
