//! Making the V8 snapshot, and the scripts that have to travel beside it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

use deno_core::Extension;
use deno_core::ExtensionFileSource;
use deno_core::ExtensionFileSourceCode;
use deno_core::snapshot::CreateSnapshotOptions;

use super::extensions::extensions;
use super::former::ask;
use super::hot;
use super::hot::compile_hot_functions;
use super::runtime::init_platform;
use super::wording::reword;

/// Scripts of the deno packages that no Worker can reach, so that the binary need not carry them.
const UNREACHABLE: &[&str] = &[
    "ext:deno_web/01_broadcast_channel.js",
    "ext:deno_web/04_global_interfaces.js",
    "ext:deno_web/10_filereader.js",
    "ext:deno_web/16_image_data.js",
    "ext:deno_web/17_geometry.js",
    "ext:deno_web/18_css_stylesheet.js",
    "ext:deno_web/locks.js",
    "ext:deno_web/webtransport.js",
];

/// Everything a binary needs to start the engine without any file of the machine it was built on.
#[derive(Clone, Copy)]
pub struct Snapshot {
    /// The heap that V8 restores, made by [`create_snapshot`] from the same source tree.
    pub blob: &'static [u8],
    /// Scripts that are only evaluated after the heap is restored: specifier and source, sorted
    /// by specifier, ASCII, wrapped as deno_core expects them.
    pub late_scripts: &'static [(&'static str, &'static str)],
}

/// A freshly made snapshot, to be written by a build script or used at once by a test.
pub struct SnapshotOutput {
    blob: Box<[u8]>,
    late_scripts: Vec<(String, String)>,
    files: Vec<PathBuf>,
}

impl SnapshotOutput {
    /// The size of the heap image in bytes.
    pub fn size(&self) -> usize {
        self.blob.len()
    }

    /// The source files that went into the snapshot: it is stale when one of them changes.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Adds scripts that are evaluated when they are asked for: specifier and source.
    ///
    /// # Panics
    ///
    /// When one has a byte that is not ASCII.
    pub fn add_scripts(&mut self, scripts: Vec<(String, String)>) {
        for (specifier, source) in scripts {
            assert!(source.is_ascii(), "{specifier} is not ASCII");
            let wrapped = deno_core::wrap_lazy_ext_script(&source);
            self.late_scripts.push((specifier, wrapped));
        }
        self.late_scripts.sort();
    }

    /// Writes `stead.snapshot` and `snapshot.rs` into `directory`. The second, when included,
    /// defines `SNAPSHOT`, a [`Snapshot`] that embeds the first.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let blob = directory.join("stead.snapshot");
        fs::write(&blob, &self.blob)?;
        let mut source = String::from(
            "/// The engine's snapshot, made by build.rs.\n\
             pub static SNAPSHOT: stead_ops::engine::Snapshot = stead_ops::engine::Snapshot {\n",
        );
        let _ = writeln!(source, "    blob: include_bytes!({blob:?}),");
        let _ = writeln!(source, "    late_scripts: &[");
        for (specifier, script) in &self.late_scripts {
            let _ = writeln!(source, "        ({specifier:?}, {script:?}),");
        }
        source.push_str("    ],\n};\n");
        fs::write(directory.join("snapshot.rs"), source)
    }

    /// Keeps the snapshot for the rest of the process: what a test does once.
    pub fn leak(self) -> Snapshot {
        let late_scripts: Vec<(&'static str, &'static str)> = self
            .late_scripts
            .into_iter()
            .map(|(specifier, script)| (&*specifier.leak(), &*script.leak()))
            .collect();
        Snapshot {
            blob: Box::leak(self.blob),
            late_scripts: late_scripts.leak(),
        }
    }
}

/// Starts V8, evaluates all extension JavaScript in a fresh isolate and takes a picture of its heap.
///
/// Reads the sources of the deno packages and of `js/` from where cargo left them, so it only
/// works on the machine that compiled this crate. The result no longer depends on that machine.
///
/// # Panics
///
/// When an extension script throws, or has a byte that is not ASCII, and when V8 was started already.
pub fn create_snapshot() -> SnapshotOutput {
    init_platform(&[hot::FLAG.to_owned()]);
    let extensions = extensions(String::new(), None);
    let lazy_scripts = lazy_scripts(&extensions);

    let output = deno_core::snapshot::create_snapshot(
        CreateSnapshotOptions {
            cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
            startup_snapshot: None,
            extensions,
            extension_transpiler: Some(Rc::new(|specifier, script| {
                let script = reword(&specifier, script.as_str().to_owned());
                let script = ask(&specifier, script);
                let script = compile_hot_functions(&specifier, script);
                Ok((script.into(), None))
            })),
            with_runtime_cb: None,
            skip_op_registration: false,
        },
        None,
    )
    .expect("the extension scripts evaluate");

    let mut files = output.files_loaded_during_snapshot;
    let evaluated: HashSet<String> = output.consumed_lazy_specifiers.into_iter().collect();
    let mut late_scripts = Vec::new();
    for (specifier, path) in lazy_scripts {
        if evaluated.contains(specifier) || UNREACHABLE.contains(&specifier) {
            continue;
        }
        let source = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let source = ask(specifier, reword(specifier, source));
        assert!(source.is_ascii(), "{} is not ASCII", path.display());
        late_scripts.push((
            specifier.to_owned(),
            deno_core::wrap_lazy_ext_script(&source),
        ));
        files.push(path);
    }
    late_scripts.sort();
    SnapshotOutput {
        blob: output.output,
        late_scripts,
        files,
    }
}

/// Specifier and path of every script that an extension declares as lazily loaded.
fn lazy_scripts(extensions: &[Extension]) -> Vec<(&'static str, PathBuf)> {
    extensions
        .iter()
        .flat_map(|extension| {
            let scripts = extension.lazy_loaded_js_files.iter();
            scripts.chain(extension.lazy_loaded_esm_files.iter())
        })
        .map(|file| (file.specifier, path_of(file)))
        .collect()
}

#[allow(
    deprecated,
    reason = "the variants have no other accessor; deno's own build script matches them too"
)]
fn path_of(file: &ExtensionFileSource) -> PathBuf {
    match file.code {
        ExtensionFileSourceCode::LoadedFromFsDuringSnapshot(path) => PathBuf::from(path),
        _ => panic!("{} is not a file", file.specifier),
    }
}
