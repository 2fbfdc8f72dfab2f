//! What `env` holds, one member for each binding.

use std::collections::HashSet;

use super::Code;
use super::Described;
use super::quoted;
use crate::config::Project;

/// A binding and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub kind: String,
    /// Whether each environment has it.
    pub is_everywhere: bool,
    /// Whether it is a variable or a secret, which `process.env` has as text.
    pub is_text: bool,
}

impl Member {
    fn new(name: &str, kind: impl Into<String>) -> Member {
        Member {
            name: name.to_owned(),
            kind: kind.into(),
            is_everywhere: true,
            is_text: false,
        }
    }

    fn text(name: &str, kind: impl Into<String>) -> Member {
        Member {
            is_text: true,
            ..Member::new(name, kind)
        }
    }

    /// Its name, in quotes if that is no identifier.
    pub fn key(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        let name = &self.name;
        match name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
            true => quoted(name),
            false => name.clone(),
        }
    }

    /// Its line in an interface.
    pub fn line(&self, indent: &str) -> String {
        let optional = if self.is_everywhere { "" } else { "?" };
        format!("{indent}{}{optional}: {};\n", self.key(), self.kind)
    }
}

/// The types of the kinds of bindings that Stead does not have yet, in the order of declarations.
const MISSING: &[(&str, &str)] = &[
    ("KV namespace", "KVNamespace"),
    ("R2 bucket", "R2Bucket"),
    ("D1 database", "D1Database"),
    ("Vectorize index", "VectorizeIndex"),
    ("Hyperdrive configuration", "Hyperdrive"),
    ("email sender", "SendEmail"),
    ("Analytics Engine dataset", "AnalyticsEngineDataset"),
    ("dispatch namespace", "DispatchNamespace"),
    ("mTLS certificate", "Fetcher"),
    ("queue", "Queue"),
    ("Secrets Store secret", "SecretsStoreSecret"),
    ("artifact store", "Artifacts"),
    ("hello-world binding", "HelloWorldBinding"),
    ("Flagship binding", "Flagship"),
    ("rate limit", "RateLimit"),
    ("worker loader", "WorkerLoader"),
    ("VPC service", "Fetcher"),
    ("VPC network", "Fetcher"),
    ("AI Search namespace", "AiSearchNamespace"),
    ("AI Search instance", "AiSearchInstance"),
    ("browser", "BrowserRun"),
    ("Workers AI", "Ai"),
    ("Images", "ImagesBinding"),
    ("Stream", "StreamBinding"),
    ("media transformations", "MediaBinding"),
];

const PIPELINE: &str =
    "import(\"cloudflare:pipelines\").Pipeline<import(\"cloudflare:pipelines\").PipelineRecord>";

/// What `env` holds for a project. Secrets that only files name are those of `top`, whatever the environment.
pub fn of(described: &Described<'_>, project: &Project, top: &Project) -> Vec<Member> {
    let mut members = Vec::new();
    for (kind, name) in MISSING {
        let found = project.missing.iter().filter(|found| found.kind == *kind);
        members.extend(found.map(|found| Member::new(&found.binding, *name)));
    }
    let version = project.version_metadata.iter();
    members.extend(version.map(|name| Member::new(name, "WorkerVersionMetadata")));
    let assets = project.assets.iter().flat_map(|assets| &assets.binding);
    members.extend(assets.map(|name| Member::new(name, "Fetcher")));
    let pipelines = project.missing.iter().filter(|m| m.kind == "pipeline");
    members.extend(pipelines.map(|found| Member::new(&found.binding, PIPELINE)));

    let secrets = match project.declares_secrets {
        true => &project.required_secrets,
        false => &top.secrets,
    };
    let plain = project.declared_vars.iter();
    let plain = plain.filter(|(name, _)| !secrets.contains(name));
    members.extend(plain.map(|(name, value)| Member::text(name, value.to_string())));
    members.extend(secrets.iter().map(|name| Member::text(name, "string")));

    members.extend(project.objects.iter().map(|object| {
        let code = code_of(described, object.worker.as_deref());
        let kind = match (code.filter(|code| code.has(&object.class)), &object.worker) {
            (Some(code), _) => format!(
                "DurableObjectNamespace<import({}).{}>",
                quoted(&code.specifier),
                object.class
            ),
            (None, Some(worker)) => {
                format!(
                    "DurableObjectNamespace /* {} from {worker} */",
                    object.class
                )
            }
            (None, None) => format!("DurableObjectNamespace /* {} */", object.class),
        };
        Member::new(&object.binding, kind)
    }));
    members.extend(project.services.iter().map(|service| {
        let worker = Some(service.worker.as_str()).filter(|worker| *worker != top.name);
        let export = service.entrypoint.as_deref().unwrap_or("default");
        let code = code_of(described, worker).filter(|code| code.has(export));
        let kind = match (code, &service.entrypoint) {
            (Some(code), _) => {
                format!(
                    "Service<typeof import({}).{export}>",
                    quoted(&code.specifier)
                )
            }
            (None, Some(entrypoint)) => {
                format!(
                    "Service /* entrypoint {entrypoint} from {} */",
                    service.worker
                )
            }
            (None, None) => format!("Fetcher /* {} */", service.worker),
        };
        Member::new(&service.binding, kind)
    }));
    members.extend(project.missing.iter().filter_map(|missing| {
        let kind = match missing.kind {
            "workflow" => workflow(
                described,
                missing.class.as_deref()?,
                missing.worker.as_deref(),
            ),
            "unsafe binding" => match missing.class.as_deref() {
                Some("ratelimit") => "RateLimit".to_owned(),
                Some("service") => "Fetcher".to_owned(),
                _ => "any".to_owned(),
            },
            _ => return None,
        };
        Some(Member::new(&missing.binding, kind))
    }));
    members
}

fn workflow(described: &Described<'_>, class: &str, worker: Option<&str>) -> String {
    match (
        code_of(described, worker).filter(|code| code.has(class)),
        worker,
    ) {
        (Some(code), _) => format!(
            "Workflow<Parameters<import({}).{class}['run']>[0]['payload']>",
            quoted(&code.specifier)
        ),
        (None, Some(worker)) => format!("Workflow /* {class} from {worker} */"),
        (None, None) => format!("Workflow /* {class} */"),
    }
}

/// The code of another worker, or the project's own.
fn code_of<'a>(described: &'a Described<'_>, worker: Option<&str>) -> Option<&'a Code> {
    match worker {
        Some(worker) => described.others.get(worker),
        None => described.code.as_ref(),
    }
}

/// All members of all environments and of the top level: each may have any of its types, and need not be there where
/// one of them lacks it.
pub fn merge(environments: &[(&str, Vec<Member>)], top: Vec<Member>) -> Vec<Member> {
    let mut merged: Vec<(Member, Vec<String>)> = Vec::new();
    let each = environments.iter().map(|(_, members)| members);
    let each: Vec<&Vec<Member>> = each.chain([&top]).collect();
    for member in each.iter().copied().flatten() {
        match merged
            .iter_mut()
            .find(|(known, _)| known.name == member.name)
        {
            Some((known, kinds)) => {
                known.is_text |= member.is_text;
                if !kinds.contains(&member.kind) {
                    kinds.push(member.kind.clone());
                }
            }
            None => merged.push((member.clone(), vec![member.kind.clone()])),
        }
    }
    let names = each
        .iter()
        .map(|members| members.iter().map(|m| m.name.as_str()));
    let names: Vec<HashSet<&str>> = names.map(Iterator::collect).collect();
    let merged = merged.into_iter().map(|(member, kinds)| Member {
        is_everywhere: names
            .iter()
            .all(|names| names.contains(member.name.as_str())),
        kind: kinds.join(" | "),
        ..member
    });
    merged.collect()
}
