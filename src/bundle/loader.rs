//! Gives one bundle to an isolate: its code, its source map, and nothing else.

use std::borrow::Cow;
use std::cell::Cell;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deno_core::ModuleLoadOptions;
use deno_core::ModuleLoadReferrer;
use deno_core::ModuleLoadResponse;
use deno_core::ModuleLoader;
use deno_core::ModuleSource;
use deno_core::ModuleSourceCode;
use deno_core::ModuleSpecifier;
use deno_core::ModuleType;
use deno_core::ResolutionKind;
use deno_core::error::ModuleLoaderError;
use deno_error::JsErrorBox;

use super::Bundle;
use super::plugin::is_runtime_module;

/// The module loader of one isolate, which may be made before its bundle. Several isolates share a
/// bundle.
///
/// Everything a worker imports is in the bundle, apart from the modules that Stead itself provides
/// (`cloudflare:*` and the like), which extensions register and which therefore never reach `load`.
/// So any other specifier is a mistake, and the refusal names it and its importer.
#[derive(Default)]
pub struct BundleLoader {
    given: OnceCell<Given>,
    /// Whether there are no modules of Node for this worker.
    without_node: Cell<bool>,
    /// The lines of the user's files by URL, decoded from the source map when an error first asks.
    source_lines: OnceCell<HashMap<String, Vec<String>>>,
}

/// What a loader serves.
struct Given {
    bundle: Arc<Bundle>,
    specifier: ModuleSpecifier,
    /// Whether the code itself says where its source map is.
    names_map: bool,
}

impl Given {
    fn code(&self) -> String {
        let code = self.bundle.code.clone();
        match &self.bundle.source_map {
            Some(map) if self.names_map => {
                let map = BASE64_STANDARD.encode(map);
                format!("{code}\n//# sourceMappingURL=data:application/json;base64,{map}")
            }
            _ => code,
        }
    }
}

impl BundleLoader {
    /// Serves `bundle` from now on; returns the specifier of its one module, for
    /// `load_main_es_module`.
    ///
    /// Debuggers, if any look into the isolate, find the user's files by the source map, in which
    /// the entry has the name that the bundle has otherwise: for them the bundle has another.
    ///
    /// # Panics
    /// When it serves one already.
    pub fn give(&self, bundle: Arc<Bundle>, to_debuggers: bool) -> ModuleSpecifier {
        let names_map = to_debuggers;
        let specifier = match to_debuggers {
            true => super::file_url(&bundle.entry.with_extension("bundle.js")),
            false => bundle.specifier(),
        };
        let given = Given {
            bundle,
            specifier: specifier.clone(),
            names_map,
        };
        assert!(self.given.set(given).is_ok(), "an isolate runs one bundle");
        specifier
    }

    /// Has the worker find no modules of Node, but those that the platform has without `nodejs_compat`.
    pub fn leave_out_node(&self) {
        self.without_node.set(true);
    }

    /// What is served, if the specifier is that of its module.
    fn given(&self, specifier: &str) -> Option<&Given> {
        let given = self.given.get()?;
        (given.specifier.as_str() == specifier).then_some(given)
    }

    fn source_lines(&self) -> HashMap<String, Vec<String>> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sources {
            sources: Vec<String>,
            #[serde(default)]
            sources_content: Vec<Option<String>>,
        }
        let Some(map) = self
            .given
            .get()
            .and_then(|given| given.bundle.source_map.as_ref())
        else {
            return HashMap::new();
        };
        let Ok(map) = serde_json::from_slice::<Sources>(map) else {
            return HashMap::new();
        };
        map.sources
            .into_iter()
            .zip(map.sources_content)
            .filter_map(|(source, content)| {
                let lines = content?.lines().map(str::to_string).collect();
                Some((source, lines))
            })
            .collect()
    }
}

impl ModuleLoader for BundleLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> Result<ModuleSpecifier, ModuleLoaderError> {
        let resolved = deno_core::resolve_import(specifier, referrer)
            .map_err(|_| refuse(specifier, Some(referrer)))?;
        if self.without_node.get() && is_of_node(resolved.as_str()) {
            return Err(JsErrorBox::generic(format!(
                "No such module \"{resolved}\"."
            )));
        }
        // Refused here rather than in `load`, which is not told who imports dynamically. A runtime
        // module may be registered by an extension, which only `load` can tell: it is not asked.
        if self.given(resolved.as_str()).is_none() && !is_runtime_module(resolved.as_str()) {
            return Err(refuse(resolved.as_str(), Some(referrer)));
        }
        Ok(resolved)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let Some(given) = self.given(specifier.as_str()) else {
            let referrer = referrer.map(|referrer| referrer.specifier.as_str());
            return ModuleLoadResponse::Sync(Err(refuse(specifier.as_str(), referrer)));
        };
        ModuleLoadResponse::Sync(Ok(ModuleSource::new(
            ModuleType::JavaScript,
            ModuleSourceCode::String(given.code().into()),
            &given.specifier,
            None,
        )))
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        let map = &self.given(file_name)?.bundle.source_map;
        map.as_deref().map(Cow::Borrowed)
    }

    // Without this answer stack traces have the right line, but of the wrong file.
    fn source_map_source_exists(&self, _source_url: &str) -> Option<bool> {
        Some(true)
    }

    fn get_source_mapped_source_line(&self, file_name: &str, line_number: usize) -> Option<String> {
        self.source_lines
            .get_or_init(|| self.source_lines())
            .get(file_name)?
            .get(line_number)
            .cloned()
    }
}

/// Whether only `nodejs_compat` brings a module.
fn is_of_node(specifier: &str) -> bool {
    specifier.starts_with("node:") && !matches!(specifier, "node:async_hooks" | "node:process")
}

fn refuse(specifier: &str, referrer: Option<&str>) -> ModuleLoaderError {
    let importer = match referrer {
        Some(referrer) => format!(" (imported by `{referrer}`)"),
        None => String::new(),
    };
    JsErrorBox::generic(if is_runtime_module(specifier) {
        format!("{}{importer}", unavailable(specifier))
    } else {
        format!(
            "cannot import `{specifier}`{importer}: only modules that are named where they are imported are part of the worker"
        )
    })
}

/// The refusal of a module that the platform has and Stead does not.
pub(super) fn unavailable(specifier: &str) -> String {
    format!("`{specifier}` is not available in Stead yet")
}
