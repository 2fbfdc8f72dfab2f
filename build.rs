//! Makes the V8 snapshot that the binary starts from.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let snapshot = stead_ops::engine::create_snapshot();
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
    println!("cargo:rerun-if-env-changed=STEAD_CACHE");
    let bundled = Command::new("vendor/vitest/bundle.sh").output();
    let bundled = bundled.expect("vendor/vitest/bundle.sh can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        bundled.status.success(),
        "vendor/vitest/bundle.sh: {}",
        text(&bundled.stderr)
    );
    let library = out_dir.join("test_library.js");
    fs::copy(text(&bundled.stdout), library).expect("the script prints the path of what it made");
}
