//! What the worker's module exports, and what becomes of it: object classes,
//! the worker's own handlers, tests.

use std::collections::BTreeMap;
use std::rc::Rc;

use deno_core::JsRuntime;
use deno_core::ModuleSpecifier;
use deno_core::error::CoreError;
use deno_core::error::CoreErrorKind;
use deno_core::serde_v8;
use deno_core::v8;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use stead_ops::entrypoint::WorkerIndex;
use stead_ops::host::Namespace;
use stead_storage::IdKey;

use crate::bindings::Bindings;
use crate::isolate::Isolate;
use crate::isolate::call;
use crate::isolate::string;
use crate::shard::StartError;
use crate::shared::Code;

/// One exported name.
#[derive(Clone, Debug, Deserialize)]
pub struct Export {
    /// The exported name.
    pub name: String,
    /// What it is.
    pub kind: ExportKind,
    /// The handlers of the platform that it has.
    pub handlers: Vec<String>,
}

/// What an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// A class that extends `DurableObject`.
    Object,
    /// The default export with the worker's handlers.
    Worker,
    /// A named class that extends `WorkerEntrypoint`.
    Entrypoint,
    /// Any other class.
    Class,
    /// A function.
    Function,
    /// An object with a `test` method.
    Test,
    /// Anything else.
    Value,
}

/// Why a module cannot be served.
#[derive(Clone, Debug)]
pub enum ExportsError {
    /// There is nothing but a class that neither extends `DurableObject` nor has a handler.
    NoExtends(String),
    /// There is neither an object class nor a handler.
    Nothing,
    /// Classes that bindings name and the module does not export, and the names that it does export.
    NotExported {
        missing: Vec<String>,
        exported: Vec<String>,
    },
}

/// Puts variables into `env`, where modules find them while they are evaluated. `is_watched`: lines
/// of the console say where they were printed.
pub fn set_vars(isolate: &Isolate, vars: &BTreeMap<String, Value>, is_watched: bool) {
    isolate.enter(|scope| {
        // As text: numbers of JSON pass as they are written.
        let vars = serde_json::to_string(vars).expect("JSON is text");
        let vars = string(scope, &vars);
        let is_watched = v8::Boolean::new(scope, is_watched).into();
        let result = call(scope, &isolate.dispatch.set_vars, &[vars, is_watched]);
        assert!(result.is_ok(), "assigning values does not throw");
    });
}

/// Loads and evaluates the worker's module.
///
/// # Errors
/// What it threw, with its stack.
pub async fn evaluate(
    runtime: &mut JsRuntime,
    specifier: &ModuleSpecifier,
) -> Result<v8::Global<v8::Object>, StartError> {
    let module = runtime.load_main_es_module(specifier).await;
    let module = module.map_err(thrown)?;
    let evaluation = runtime.mod_evaluate(module);
    let ran = runtime.run_event_loop(Default::default()).await;
    ran.map_err(thrown)?;
    evaluation.await.map_err(thrown)?;
    runtime.get_module_namespace(module).map_err(thrown)
}

/// What begins the text of an error's cause.
pub const CAUSED_BY: &str = "\nCaused by: ";

/// An error with its stack, and those of its causes.
fn thrown(error: CoreError) -> StartError {
    let mut text = error.to_string();
    let mut cause = match error.as_kind() {
        CoreErrorKind::Js(error) => error.cause.as_deref(),
        _ => None,
    };
    while let Some(error) = cause {
        text += &format!("{CAUSED_BY}{error}");
        cause = error.cause.as_deref();
    }
    StartError::Module(text)
}

/// Describes what a module exports.
pub fn describe(isolate: &Isolate, module: &v8::Global<v8::Object>) -> Vec<Export> {
    isolate.enter(|scope| {
        let module = v8::Local::new(scope, module);
        let described = call(scope, &isolate.dispatch.describe, &[module.into()]);
        let Ok(described) = described else {
            return Vec::new();
        };
        let described = v8::Local::new(scope, described);
        serde_v8::from_v8(scope, described).expect("made by dispatch.js")
    })
}

/// The object classes of a module, sorted by name.
///
/// # Errors
/// A class that looks like an object's without being one; nothing to serve, unless that may be.
pub fn namespaces(
    exports: &[Export],
    code: &Code,
    worker: WorkerIndex,
    may_be_empty: bool,
) -> Result<Vec<Namespace>, ExportsError> {
    let bindings = &code.bindings.objects;
    let unique_key = &code.unique_key;
    let exported = |class: &str| exports.iter().find(|export| export.name == class);
    let missing: Vec<String> = bindings
        .required()
        .filter(|class| exported(class).is_none())
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        let exported = exports.iter().map(|export| export.name.clone());
        let exported = exported.filter(|name| name != "default").collect();
        return Err(ExportsError::NotExported { missing, exported });
    }
    // A class that extends nothing is an object's if a binding names it or, where nothing
    // is declared, if it has a handler of one.
    let is_object = |export: &&Export| match export.kind {
        ExportKind::Object => true,
        ExportKind::Class if bindings.are_declared() => {
            bindings.required().any(|class| class == export.name)
        }
        ExportKind::Class => !export.handlers.is_empty(),
        _ => false,
    };
    let has_worker = exports
        .iter()
        .any(|export| export.kind == ExportKind::Worker);
    if !exports.iter().any(|export| is_object(&export)) && !has_worker && !may_be_empty {
        let class = exports
            .iter()
            .find(|export| export.kind == ExportKind::Class);
        return Err(class.map_or(ExportsError::Nothing, |class| {
            ExportsError::NoExtends(class.name.clone())
        }));
    }
    let objects = exports.iter().filter(is_object);
    let mut names: Vec<&str> = objects.map(|export| export.name.as_str()).collect();
    names.sort_unstable();
    let namespace = |class: &str| {
        let unique_key = unique_key(class);
        Namespace {
            class: class.to_owned(),
            ids: IdKey::new(&unique_key),
            unique_key,
            worker,
            exported: true,
        }
    };
    Ok(names.into_iter().map(namespace).collect())
}

/// The names under which `env` holds the namespace of a class: its own, and the
/// same in SCREAMING_SNAKE case.
pub fn bindings(class: &str) -> Vec<String> {
    let snake = screaming_snake(class);
    if snake == class {
        vec![snake]
    } else {
        vec![class.to_owned(), snake]
    }
}

fn screaming_snake(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut snake = String::with_capacity(class.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        let after_word = at > 0 && (letters[at - 1].is_lowercase() || letters[at - 1].is_numeric());
        let ends_acronym = at > 0
            && letters[at - 1].is_uppercase()
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_word || ends_acronym) {
            snake.push('_');
        }
        snake.extend(letter.to_uppercase());
    }
    snake
}

#[derive(Serialize)]
struct NamespaceBindings<'a> {
    class: &'a str,
    /// Whether this worker's code has the class.
    exported: bool,
    bindings: Vec<String>,
}

/// Hands the module to the isolate and makes the namespaces' bindings.
pub fn configure(
    isolate: &Isolate,
    module: &v8::Global<v8::Object>,
    namespaces: &[Rc<Namespace>],
    declared: &Bindings,
    worker: WorkerIndex,
) {
    let bindings: Vec<NamespaceBindings<'_>> = namespaces
        .iter()
        .map(|namespace| NamespaceBindings {
            class: &namespace.class,
            exported: namespace.exported,
            bindings: match namespace.exported {
                true => declared.objects.names(&namespace.class),
                false => declared.foreign_names(&namespace.unique_key),
            },
        })
        .collect();
    isolate.enter(|scope| {
        let module = v8::Local::new(scope, module);
        let bindings = serde_v8::to_v8(scope, bindings).expect("plain data");
        let others = serde_v8::to_v8(scope, &declared.others).expect("plain data");
        let worker = v8::Integer::new(scope, worker.into()).into();
        let result = call(
            scope,
            &isolate.dispatch.configure,
            &[module.into(), bindings, others, worker],
        );
        assert!(result.is_ok(), "making bindings does not throw");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(class: &str, expect: &str) {
        assert_eq!(screaming_snake(class), expect);
    }

    #[test]
    fn a_class_is_bound_under_its_screaming_snake_name() {
        check("ChatRoom", "CHAT_ROOM");
        check("Counter", "COUNTER");
        check("HTTPServer", "HTTP_SERVER");
        check("Room2Go", "ROOM2_GO");
        check("Already_Snake", "ALREADY_SNAKE");
        check("DO", "DO");
    }
}
