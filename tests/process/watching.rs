//! `stead test --watch`: what runs again after a save.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::server::temporary;

/// How long a run may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(folder: &Path) -> Watch {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stead"))
            .args(["test", "--watch", "--reporter", "spec"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Watch { child, lines }
    }

    /// The results of one run: marks and names of its tests, in order.
    fn results(&self) -> Vec<String> {
        let mut results = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a run");
            if line.starts_with("waiting for changes") {
                results.sort();
                return results;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["ok" | "FAILED", name, _, "ms"] = words[..] {
                results.push(format!("{} {name}", words[0]));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a writable folder");
}

fn suite(name: &str, source: &str) -> String {
    format!(
        "import {{ expect, test }} from \"vitest\";\nimport {{ value }} from \"{source}\";\n\
         test(\"{name}\", () => expect(value).toBe(1));\n"
    )
}

#[test]
fn what_a_save_touches_runs_again_and_nothing_else() {
    let folder = temporary();
    let folder = folder.path();
    write(folder, "a.ts", "export const value = 1;\n");
    write(folder, "b.ts", "export const value = 1;\n");
    write(folder, "a.test.ts", &suite("a", "./a.ts"));
    write(folder, "b.test.ts", &suite("b", "./b.ts"));
    let watch = Watch::start(folder);
    assert_eq!(watch.results(), ["ok a", "ok b"]);
    // A source.
    write(folder, "b.ts", "export const value = 22;\n");
    assert_eq!(watch.results(), ["FAILED b"]);
    // Another one, whose test did not run the last time.
    write(folder, "a.ts", "export const value = 333;\n");
    assert_eq!(watch.results(), ["FAILED a"]);
    // A test, and one that does not load.
    write(folder, "a.test.ts", &suite("renamed", "./b.ts"));
    assert_eq!(watch.results(), ["FAILED renamed"]);
    write(folder, "b.ts", "export const value = ;\n");
    assert_eq!(watch.results(), Vec::<String>::new());
    write(folder, "b.ts", "export const value = 1;\n");
    assert_eq!(watch.results(), ["ok b", "ok renamed"]);
    // A new one.
    write(folder, "c.test.ts", &suite("c", "./b.ts"));
    assert_eq!(watch.results(), ["ok c"]);
    std::fs::remove_file(folder.join("c.test.ts")).expect("it is there");
    write(folder, "b.ts", "export const value = 4444;\n");
    assert_eq!(watch.results(), ["FAILED b", "FAILED renamed"]);
}
