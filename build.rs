//! Makes the V8 snapshot that the binary starts from.

use std::env;
use std::path::PathBuf;

fn main() {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let snapshot = stead_ops::engine::create_snapshot();
    snapshot.write(&out_dir).expect("OUT_DIR is writable");
    for file in snapshot.files() {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
}
