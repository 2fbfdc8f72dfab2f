//! What a worker's `env` holds besides variables.

use serde::Serialize;

/// The bindings of a worker. Plain data: JavaScript makes the values.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// Under which names the object classes are bound.
    pub objects: ObjectBindings,
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

/// Bindings that are no namespaces.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OtherBindings {
    /// Of kinds that Stead does not have: they throw when they are used.
    pub missing: Vec<MissingBinding>,
    /// The name of the binding that serves static files.
    pub assets: Option<String>,
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
