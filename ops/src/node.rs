//! Node's modules: which there are, and what their scripts (`js/node`, bundled by `vendor/node`) call.

mod agree;
mod cipher;
mod deflate;
mod hash;
mod kdf;
mod key;
mod rsa;
mod sign;
mod zlib;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use deno_core::Extension;
use deno_core::op2;

/// Every module of Node that a worker may import, without `node:`. Each but `async_hooks`, which is part of the
/// snapshot, has a script of its own.
pub const MODULES: &[&str] = &[
    "_stream_duplex",
    "_stream_passthrough",
    "_stream_readable",
    "_stream_transform",
    "_stream_writable",
    "assert",
    "assert/strict",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "domain",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "inspector/promises",
    "module",
    "net",
    "os",
    "path",
    "path/posix",
    "path/win32",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "readline/promises",
    "repl",
    "sqlite",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "string_decoder",
    "sys",
    "timers",
    "timers/promises",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "util/types",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

deno_core::extension!(
    stead_node,
    ops = [
        op_node_modules,
        kdf::op_node_pbkdf2_sync,
        kdf::op_node_pbkdf2,
        kdf::op_node_hkdf,
        kdf::op_node_scrypt_sync,
        kdf::op_node_scrypt,
        sign::op_node_sign,
        sign::op_node_verify,
        sign::op_node_public_key,
        sign::op_node_generate_key,
        agree::op_node_agree_generate,
        agree::op_node_agree_public,
        agree::op_node_agree,
        rsa::op_node_rsa,
        rsa::op_node_triple_des,
        zlib::op_node_crc32,
    ],
    objects = [hash::NodeHash, cipher::NodeCipher, zlib::NodeZlib],
);

/// Which script is behind which module.
static SCRIPTS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let with_script = MODULES.iter().filter(|name| **name != "async_hooks");
    with_script
        .map(|name| (format!("node:{name}"), specifier(&file_of(name))))
        .collect()
});

/// The extension, with `node:*` as modules whose members are what their scripts return.
pub(crate) fn extension() -> Extension {
    let modules = SCRIPTS.iter();
    let modules = modules.map(|(module, script)| (module.as_str(), script.as_str()));
    Extension {
        synthetic_esm_modules: modules.collect(),
        ..stead_node::init()
    }
}

/// The scripts that vendor/node/bundle.sh wrote into `folder`: specifier and source.
///
/// # Errors
/// The folder or one of the scripts cannot be read.
pub fn read_scripts(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let scripts = MODULES.iter().filter(|name| **name != "async_hooks");
    scripts
        .map(|name| {
            let file = file_of(name);
            let source = fs::read_to_string(folder.join(format!("{file}.js")))?;
            Ok((specifier(&file), source))
        })
        .collect()
}

fn file_of(name: &str) -> String {
    name.replace('/', "_")
}

fn specifier(file: &str) -> String {
    format!("ext:stead_node/{file}.js")
}

/// `module.builtinModules`.
#[op2]
#[serde]
fn op_node_modules() -> Vec<&'static str> {
    MODULES.to_vec()
}
