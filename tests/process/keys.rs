//! The keys of `stead dev`, pressed on a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use crate::http;
use crate::server::{DEADLINE, temporary, text};

/// `stead dev` on a terminal. Dropping it kills the process.
struct Terminal {
    child: Child,
    keys: File,
    shown: Arc<(Mutex<String>, Condvar)>,
}

impl Terminal {
    fn dev(project: &Path) -> Terminal {
        let (mut own, mut its) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: both numbers are written where the pointers lead; the rest may be null.
        let opened = unsafe { libc::openpty(&mut own, &mut its, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: they are open, and nobody else closes them.
        let (own, its) = unsafe { (OwnedFd::from_raw_fd(own), OwnedFd::from_raw_fd(its)) };
        let child = Command::new(env!("CARGO_BIN_EXE_stead"))
            .args(["dev", text(project), "--port", "0"])
            .env("NO_COLOR", "1")
            .env("PATH", "")
            .stdin(Stdio::from(its.try_clone().unwrap()))
            .stdout(Stdio::from(its.try_clone().unwrap()))
            .stderr(Stdio::from(its))
            .spawn()
            .expect("the binary starts");
        let keys = File::from(own);
        let shown: Arc<(Mutex<String>, Condvar)> = Arc::default();
        let mut screen = keys.try_clone().unwrap();
        let collected = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails when the process has ended.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let new = String::from_utf8_lossy(&bytes[..count]);
                collected.0.lock().unwrap().push_str(&new);
                collected.1.notify_all();
            }
        });
        Terminal { child, keys, shown }
    }

    /// Waits until the terminal shows a text after what was taken before; what stood before it.
    #[track_caller]
    fn shows(&self, wanted: &str) -> String {
        let shown = self.shown.0.lock().unwrap();
        let missing = |shown: &mut String| !shown.contains(wanted);
        let (mut shown, waited) = self
            .shown
            .1
            .wait_timeout_while(shown, DEADLINE, missing)
            .unwrap();
        assert!(!waited.timed_out(), "`{wanted}` is not shown:\n{shown}");
        let end = shown.find(wanted).unwrap() + wanted.len();
        shown.drain(..end).collect()
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIG: &str = r#"{ "name": "keys", "main": "index.js", "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "LATER", "class_name": "Later" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Later"] }],
  "triggers": { "crons": ["0 4 * * *"] } }"#;

const CODE: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Later extends DurableObject {
  async plan(ms) { await this.ctx.storage.setAlarm(Date.now() + ms); }
  async alarm() { console.log("rang"); }
}
export default {
  async scheduled() { console.log("on schedule"); },
  async fetch(request, env) {
    await env.LATER.getByName("tomorrow").plan(86_400_000);
    await env.LATER.getByName("soon").plan(3_600_000);
    return new Response("planned");
  },
};
"#;

#[test]
fn each_key_does_what_the_help_says() {
    let project = temporary();
    std::fs::write(project.path().join("wrangler.jsonc"), CONFIG).unwrap();
    std::fs::write(project.path().join("index.js"), CODE).unwrap();
    let mut terminal = Terminal::dev(project.path());
    terminal.shows("http://");
    let address = terminal.shows("\n");
    let address = address.trim().parse().expect("an address");
    terminal.shows("q quit");
    terminal.press("a");
    terminal.shows("no alarm is set");
    let planned = http::send(address, "GET", "/", "").unwrap();
    assert_eq!(planned.text(), "planned");
    terminal.press("l");
    terminal.shows("keys: 2 objects, 2 in memory");
    let soon = terminal.shows("Later/soon");
    assert!(!soon.contains("Later/tomorrow"), "{soon}");
    let line = terminal.shows("Later/tomorrow");
    assert!(
        line.contains("in memory") && line.contains("alarm 20"),
        "{line}"
    );
    terminal.press("a");
    terminal.shows("running the alarm of Later/soon, 35");
    terminal.shows("rang");
    terminal.press("a");
    terminal.shows("running the alarm of Later/tomorrow");
    terminal.shows("rang");
    terminal.press("s");
    terminal.shows("scheduled `0 4 * * *`: ok");
    terminal.press("r");
    terminal.shows("reloaded in ");
    terminal.press("o");
    terminal.shows("no browser is known here");
    terminal.press("h");
    terminal.shows("q quit");
    terminal.press("c");
    terminal.shows("\x1b[2J");
    terminal.press("q");
    assert!(terminal.child.wait().unwrap().success());
}
