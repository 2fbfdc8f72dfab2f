//! Every test-scripts/**/*.test.ts is one test here: `stead test FILE` must succeed. A failing script is reported by its
//! path, with everything it printed.
//!
//! A script that needs options names them in its first line: `// options: --evict aggressive`.
//!
//! Folders and files whose name begins with `later-` hold what is not implemented yet and are left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scripts = Vec::new();
    find_scripts(&root.join("test-scripts"), &mut scripts);
    scripts.sort();
    let trials = scripts
        .into_iter()
        .map(|script| {
            let name = script
                .strip_prefix(root)
                .unwrap_or(&script)
                .display()
                .to_string();
            Trial::test(name, move || run(&script))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn find_scripts(folder: &Path, scripts: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("later-") {
            continue;
        }
        if path.is_dir() {
            find_scripts(&path, scripts);
        } else if name.ends_with(".test.ts") {
            scripts.push(path);
        }
    }
}

/// The options that the first line of a script asks for.
fn options(script: &Path) -> std::io::Result<Vec<String>> {
    let source = std::fs::read_to_string(script)?;
    let first = source.lines().next().unwrap_or_default();
    let options = first.strip_prefix("// options: ").unwrap_or_default();
    Ok(options.split_whitespace().map(str::to_owned).collect())
}

fn is_conformance(script: &Path) -> bool {
    script
        .components()
        .any(|part| part.as_os_str() == "conformance")
}

fn run(script: &Path) -> Result<(), Failed> {
    // From the root of the repository, so that the places in messages can be clicked.
    let output = Command::new(env!("CARGO_BIN_EXE_stead"))
        .arg("test")
        .args(options(script)?)
        .arg(script)
        // What the platform does, objects do on any number of shards. Other scripts reach into
        // objects, for which there has to be one.
        .args(["--shards", if is_conformance(script) { "2" } else { "1" }])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Err(format!("{}\n{stdout}{stderr}", output.status).into())
}
