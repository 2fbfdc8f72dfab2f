//! What `env` holds: objects, other workers, and the kinds of bindings that Stead does not have yet.

use serde_json::Value;

use super::keys;
use super::project::Layers;
use super::read::Reader;
use super::tree::Kind;
use super::tree::Node;

/// `durable_objects.bindings[]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectBinding {
    /// The name in `env`.
    pub binding: String,
    /// The exported class.
    pub class: String,
    /// The worker that exports it, if it is another one.
    pub worker: Option<String>,
}

/// `services[]`
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceBinding {
    /// The name in `env`.
    pub binding: String,
    /// The worker's name.
    pub worker: String,
    /// A named export of it; its default export if None.
    pub entrypoint: Option<String>,
    /// What the entrypoint finds in `ctx.props`.
    pub props: Value,
}

/// A binding of a kind that Stead does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name in `env`.
    pub binding: String,
    /// What it is, for messages: `KV namespace`.
    pub kind: &'static str,
    /// The class of a workflow, or the type of an unsafe binding.
    pub class: Option<String>,
    /// The worker whose class it is, if it is another one.
    pub worker: Option<String>,
}

const OBJECT_KEYS: &[&str] = &["name", "class_name", "script_name", "environment"];

pub fn objects(reader: &mut Reader<'_>, layers: &Layers<'_>, worker: &str) -> Vec<ObjectBinding> {
    let (table, path) = layers.own("durable_objects");
    let Some(table) = reader.table(table, &path, "durable_objects") else {
        return Vec::new();
    };
    let path = super::read::join(&path, "durable_objects");
    reader.known_keys(table, &path, &["bindings"]);
    let example = "[{ \"name\": \"COUNTER\", \"class_name\": \"Counter\" }]";
    let mut bindings: Vec<ObjectBinding> = Vec::new();
    for entry in reader.tables(table, &path, "bindings", example) {
        let path = format!("{path}.bindings[]");
        reader.known_keys(entry, &path, OBJECT_KEYS);
        let binding = reader.required(entry, &path, "name", "\"COUNTER\"");
        let class = reader.required(entry, &path, "class_name", "\"Counter\"");
        let script = reader.string(entry, &path, "script_name", "\"other-worker\"");
        let environment = reader.string(entry, &path, "environment", "\"production\"");
        let script = match (script, environment) {
            (Some(script), Some(environment)) => Some(format!("{script}-{environment}")),
            (script, _) => script,
        };
        if let (Some(binding), Some(class)) = (binding, class) {
            if bindings.iter().any(|other| other.binding == binding) {
                let what = format!("two bindings are named `{binding}`");
                reader.error(&entry.span, what, "give each binding a name of its own");
            }
            bindings.push(ObjectBinding {
                binding,
                class,
                worker: script.filter(|script| script != worker),
            });
        }
    }
    bindings
}

const SERVICE_KEYS: &[&str] = &[
    "binding",
    "service",
    "entrypoint",
    "props",
    "environment",
    "remote",
];

pub fn services(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<ServiceBinding> {
    let (table, path) = layers.own("services");
    let example = "[{ \"binding\": \"API\", \"service\": \"api-worker\" }]";
    let mut services = Vec::new();
    for entry in reader.tables(table, &path, "services", example) {
        reader.known_keys(entry, "services[]", SERVICE_KEYS);
        let binding = reader.required(entry, "services[]", "binding", "\"API\"");
        let service = reader.required(entry, "services[]", "service", "\"api-worker\"");
        let entrypoint = reader.string(entry, "services[]", "entrypoint", "\"Admin\"");
        let environment = reader.string(entry, "services[]", "environment", "\"production\"");
        if reader.boolean(entry, "services[]", "remote") == Some(true) {
            let help = "the worker is looked for in this process";
            reader.warn(
                &entry.span,
                "remote bindings are not implemented in Stead yet",
                Some(help.into()),
            );
        }
        let props = match reader.table(entry, "services[]", "props") {
            Some(props) => props.to_json(),
            None => Value::Object(Default::default()),
        };
        if let (Some(binding), Some(worker)) = (binding, service) {
            services.push(ServiceBinding {
                binding,
                worker: match environment {
                    Some(environment) => format!("{worker}-{environment}"),
                    None => worker,
                },
                entrypoint,
                props,
            });
        }
    }
    services
}

/// Every binding of a kind that is not there yet. They are accepted, and throw when they are used.
pub fn missing(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (setting, name_key, kind) in keys::MISSING_LISTS {
        let (table, path) = layers.own(setting);
        for entry in reader.tables(table, &path, setting, &format!("[{{ \"{name_key}\": … }}]")) {
            missing.extend(named(
                reader,
                entry,
                &format!("{setting}[]"),
                name_key,
                kind,
            ));
        }
    }
    for (setting, kind) in keys::MISSING_SINGLE {
        let (table, path) = layers.own(setting);
        if let Some(entry) = reader.table(table, &path, setting) {
            missing.extend(named(reader, entry, setting, "binding", kind));
        }
    }
    let (table, path) = layers.own("queues");
    if let Some(queues) = reader.table(table, &path, "queues") {
        let example = "[{ \"binding\": \"QUEUE\", \"queue\": \"my-queue\" }]";
        for entry in reader.tables(queues, "queues", "producers", example) {
            missing.extend(named(
                reader,
                entry,
                "queues.producers[]",
                "binding",
                "queue",
            ));
        }
        if let Some(consumers) = queues.get("consumers") {
            let help = "the queue() handler is never called".to_owned();
            reader.warn(
                &consumers.span,
                "queues are not implemented in Stead yet",
                Some(help),
            );
        }
    }
    let (table, path) = layers.own("unsafe");
    if let Some(table) = reader.table(table, &path, "unsafe")
        && let Some(Kind::Array(entries)) = table.get("bindings").map(|node| &node.kind)
    {
        for entry in entries {
            missing.extend(named(
                reader,
                entry,
                "unsafe.bindings[]",
                "name",
                "unsafe binding",
            ));
        }
    }
    missing
}

fn named(
    reader: &mut Reader<'_>,
    entry: &Node,
    path: &str,
    key: &str,
    kind: &'static str,
) -> Option<Missing> {
    let binding = reader.required(entry, path, key, "\"NAME\"")?;
    let what = format!("`{binding}` is a binding that is not implemented in Stead yet: {kind}");
    let help = format!("the worker runs, and `env.{binding}` throws when it is used");
    reader.warn(&entry.span, what, Some(help));
    let text = |key: &str| match entry.get(key).map(|node| &node.kind) {
        Some(Kind::String(text)) => Some(text.clone()),
        _ => None,
    };
    Some(Missing {
        binding,
        kind,
        class: text("class_name").or_else(|| text("type")),
        worker: text("script_name"),
    })
}
