//! Makes the V8 snapshot that the binary starts from.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut snapshot = stead_ops::engine::create_snapshot();
    for folder in ["js/node", "vendor/node"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let modules = run_script("vendor/node/bundle.sh");
    let scripts = stead_ops::node::read_scripts(Path::new(&modules));
    snapshot.add_scripts(scripts.expect("vendor/node/bundle.sh makes a script for each module"));
    snapshot.write(&out_dir).expect("OUT_DIR is writable");
    for file in snapshot.files() {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    bundle_test_library(&out_dir);
}

/// Puts the library of `stead test` into `out_dir`. The script takes it from the cache, or makes it
/// with npm.
fn bundle_test_library(out_dir: &Path) {
    for file in ["bundle.sh", "entry.mjs", "package.json"] {
        println!("cargo:rerun-if-changed=vendor/vitest/{file}");
    }
    let made = run_script("vendor/vitest/bundle.sh");
    let library = out_dir.join("test_library.js");
    fs::copy(made, library).expect("the script prints the path of what it made");
}

/// Runs a script of this folder that takes something from the cache, or makes it with npm. What it prints: the path.
fn run_script(path: &str) -> String {
    println!("cargo:rerun-if-env-changed=STEAD_CACHE");
    let done = Command::new(path).output();
    let done = done.unwrap_or_else(|error| panic!("{path} cannot be run: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(done.status.success(), "{path}: {}", text(&done.stderr));
    text(&done.stdout)
}
