//! What a worker's `env` holds besides variables.

use serde::Serialize;
use serde_json::Value;
use stead_ops::entrypoint::WorkerIndex;

/// The bindings of a worker. Plain data: JavaScript makes the values.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// Under which names the object classes are bound.
    pub objects: ObjectBindings,
    /// Object classes of other workers.
    pub foreign: Vec<ForeignObjects>,
    /// The rest.
    pub others: OtherBindings,
}

/// Under which names `env` holds the namespaces of object classes.
#[derive(Clone, Debug, Default)]
pub enum ObjectBindings {
    /// Each class under its own name, and in capitals: for a file without a configuration.
    #[default]
    FromClass,
    /// As a configuration says: name in `env`, class.
    Declared(Vec<(String, String)>),
}

/// A binding of an object class that another worker of the process has.
#[derive(Clone, Debug)]
pub struct ForeignObjects {
    /// The name in `env`.
    pub binding: String,
    /// The class.
    pub class: String,
    /// The worker.
    pub worker: WorkerIndex,
    /// The folder of the class's objects.
    pub unique_key: String,
}

/// Bindings that are no namespaces.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OtherBindings {
    /// Of kinds that Stead does not have: they throw when they are used.
    pub missing: Vec<MissingBinding>,
    /// The name of the binding that serves static files.
    pub assets: Option<String>,
    /// Entrypoints of workers.
    pub services: Vec<Service>,
}

/// A binding of a worker's entrypoint.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// The name in `env`.
    pub binding: String,
    /// The worker, which need not run.
    pub worker: WorkerIndex,
    /// The exported name.
    pub entrypoint: String,
    /// What the entrypoint finds in `ctx.props`: JSON as text, by which numbers pass as they are written.
    pub props: String,
}

impl Service {
    /// A service binding.
    pub fn new(
        binding: &str,
        worker: WorkerIndex,
        entrypoint: Option<&str>,
        props: &Value,
    ) -> Service {
        Service {
            binding: binding.to_owned(),
            worker,
            entrypoint: entrypoint.unwrap_or("default").to_owned(),
            props: props.to_string(),
        }
    }
}

impl Bindings {
    /// The names under which `env` holds the namespace of another worker's class.
    pub fn foreign_names(&self, unique_key: &str) -> Vec<String> {
        let bound = self
            .foreign
            .iter()
            .filter(|bound| bound.unique_key == unique_key);
        bound.map(|bound| bound.binding.clone()).collect()
    }
}

/// A binding of a kind that Stead does not have.
#[derive(Clone, Debug, Serialize)]
pub struct MissingBinding {
    /// The name in `env`.
    pub binding: String,
    /// What it is: `KV namespace`.
    pub kind: String,
}

impl ObjectBindings {
    /// The names under which `env` holds the namespace of a class.
    pub fn names(&self, class: &str) -> Vec<String> {
        match self {
            ObjectBindings::FromClass => crate::exports::bindings(class),
            ObjectBindings::Declared(declared) => declared
                .iter()
                .filter(|(_, bound)| bound == class)
                .map(|(binding, _)| binding.clone())
                .collect(),
        }
    }

    /// The classes that have to be exported, because a binding names them.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let declared: &[(String, String)] = match self {
            ObjectBindings::FromClass => &[],
            ObjectBindings::Declared(declared) => declared,
        };
        declared.iter().map(|(_, class)| class.as_str())
    }

    /// Whether a configuration says which classes hold objects.
    pub fn are_declared(&self) -> bool {
        matches!(self, ObjectBindings::Declared(_))
    }
}
