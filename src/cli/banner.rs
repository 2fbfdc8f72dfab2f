//! What is shown once, when the server is ready.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::args::Durability;
use super::request_log::milliseconds;
use super::style::{Style, printable};
use super::timestamp::iso8601;

/// The running server, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Banner {
    pub version: &'static str,
    /// Where it listens, with the port that was really taken: `http://127.0.0.1:8787`.
    pub url: String,
    /// Where other machines reach it, if they do.
    pub network: Vec<String>,
    pub objects: Vec<ObjectClass>,
    /// The workers beside the one that answers requests.
    pub workers: Vec<OtherWorker>,
    /// What else `env` holds.
    pub bindings: Vec<BindingLine>,
    /// The compatibility date and flags, where a configuration says them.
    pub compatibility: Option<String>,
    pub state: PathBuf,
    pub shards: usize,
    pub durability: Durability,
    /// From the start of the process until the first request could be answered.
    pub ready_in: Duration,
    /// How much of that was bundling, where it is worth telling.
    pub bundled_in: Option<Duration>,
    /// The certificate that was made for HTTPS, for clients to trust.
    pub certificate: Option<PathBuf>,
    /// Where debuggers attach.
    pub inspector: Option<SocketAddr>,
    /// Whether Stead answers requests itself, because the file exports no handler of its own.
    pub front_door: bool,
}

/// A name in `env` that is no namespace of the worker's own.
#[derive(Clone, Debug)]
pub struct BindingLine {
    pub name: String,
    /// What it is: `variable`, `KV namespace, not there yet`.
    pub kind: String,
}

/// A worker that other workers reach.
#[derive(Clone, Debug)]
pub struct OtherWorker {
    pub name: String,
    /// Its object classes.
    pub classes: Vec<String>,
}

/// A class whose objects are served.
#[derive(Clone, Debug)]
pub struct ObjectClass {
    pub class: String,
    /// The names under which `env` holds its namespace.
    pub bindings: Vec<String>,
    /// The folder of its objects in the state directory.
    pub unique_key: String,
}

impl Banner {
    pub fn text(&self, style: Style) -> String {
        let title = format!(
            "{}  {}",
            style.bold(&format!("stead {}", self.version)),
            style.dim(&match self.bundled_in {
                None => format!("ready in {}", milliseconds(self.ready_in)),
                Some(bundled) => format!(
                    "ready in {}, bundled in {}",
                    milliseconds(self.ready_in),
                    milliseconds(bundled)
                ),
            }),
        );
        let mut text = format!("\n  {title}\n\n");
        let mut row = |label: &str, value: &str| {
            let label = format!("{label:<8}");
            text.push_str(&format!("  {}  {value}\n", style.dim(&label)));
        };
        row("url", &style.cyan(&self.url));
        for url in &self.network {
            row("network", &style.cyan(url));
        }
        if let Some(certificate) = &self.certificate {
            let how = style.dim("(to be trusted by who connects)");
            row("cert", &format!("{}  {how}", certificate.display()));
        }
        if self.front_door {
            row(
                "handler",
                "stead's front door, as the file has no default export",
            );
        }
        let width = self
            .objects
            .iter()
            .map(|object| object.class.chars().count())
            .max();
        for (index, object) in self.objects.iter().enumerate() {
            let class = format!(
                "{:width$}",
                printable(&object.class),
                width = width.unwrap_or(0)
            );
            let bindings: Vec<_> = object
                .bindings
                .iter()
                .map(|name| format!("env.{name}"))
                .collect();
            let value = format!(
                "{}  {}",
                style.bold(&class),
                style.dim(&bindings.join(", "))
            );
            row(if index == 0 { "objects" } else { "" }, value.trim_end());
        }
        if self.objects.is_empty() {
            row("objects", "none");
        }
        let width = self
            .bindings
            .iter()
            .map(|line| line.name.chars().count())
            .max();
        for (index, line) in self.bindings.iter().enumerate() {
            let name = format!(
                "env.{:width$}",
                printable(&line.name),
                width = width.unwrap_or(0)
            );
            let value = format!("{}  {}", style.bold(&name), style.dim(&line.kind));
            row(if index == 0 { "bindings" } else { "" }, &value);
        }
        let width = self.workers.iter().map(|w| w.name.chars().count()).max();
        for (index, worker) in self.workers.iter().enumerate() {
            let name = format!(
                "{:width$}",
                printable(&worker.name),
                width = width.unwrap_or(0)
            );
            let classes = worker.classes.join(", ");
            let value = format!("{}  {}", style.bold(&name), style.dim(&classes));
            row(if index == 0 { "also" } else { "" }, value.trim_end());
        }
        if let Some(compatibility) = &self.compatibility {
            row("compat", &printable(compatibility));
        }
        let durability = format!("({} durability)", self.durability.name());
        row(
            "state",
            &format!("{}  {}", self.state.display(), style.dim(&durability)),
        );
        row("shards", &self.shards.to_string());
        if let Some(address) = &self.inspector {
            let how = style.dim("(chrome://inspect, or an editor that attaches to it)");
            row("inspect", &format!("{address}  {how}"));
        }
        text
    }

    pub fn json(&self, unix_ms: u64) -> String {
        let objects: Vec<_> = self
            .objects
            .iter()
            .map(|object| {
                json!({
                    "class": object.class,
                    "bindings": object.bindings,
                    "uniqueKey": object.unique_key,
                })
            })
            .collect();
        let bindings: Vec<_> = self
            .bindings
            .iter()
            .map(|line| json!({ "name": line.name, "kind": line.kind }))
            .collect();
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|worker| json!({ "name": worker.name, "classes": worker.classes }))
            .collect();
        json!({
            "type": "ready",
            "time": iso8601(unix_ms),
            "version": self.version,
            "url": self.url,
            "network": self.network,
            "objects": objects,
            "bindings": bindings,
            "workers": workers,
            "compatibility": self.compatibility,
            "state": self.state,
            "shards": self.shards,
            "durability": self.durability.name(),
            "readyInMs": self.ready_in.as_secs_f64() * 1000.0,
            "bundledInMs": self.bundled_in.map(|bundled| bundled.as_secs_f64() * 1000.0),
            "certificate": self.certificate,
            "inspector": self.inspector,
            "frontDoor": self.front_door,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner {
        let class = |class: &str, binding: &str| ObjectClass {
            class: class.into(),
            bindings: vec![binding.into()],
            unique_key: format!("chat-{class}"),
        };
        Banner {
            version: "0.1.0",
            url: "http://127.0.0.1:8787".into(),
            network: Vec::new(),
            objects: vec![class("ChatRoom", "CHAT_ROOM"), class("User", "USER")],
            workers: Vec::new(),
            bindings: Vec::new(),
            compatibility: None,
            state: "/srv/.stead".into(),
            shards: 2,
            durability: Durability::Strict,
            ready_in: Duration::from_micros(48_300),
            bundled_in: None,
            inspector: None,
            certificate: None,
            front_door: false,
        }
    }

    #[test]
    fn the_text_says_everything_once() {
        let expect = "
  stead 0.1.0  ready in 48.3 ms

  url       http://127.0.0.1:8787
  objects   ChatRoom  env.CHAT_ROOM
            User      env.USER
  state     /srv/.stead  (strict durability)
  shards    2
";
        assert_eq!(banner().text(Style::PLAIN), expect);
    }

    #[test]
    fn colors_change_no_letter() {
        let colored = banner().text(Style { colors: true });
        let mut plain = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once('\x1b') {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, banner().text(Style::PLAIN));
    }

    #[test]
    fn a_file_without_objects_and_without_a_handler_says_so() {
        let text = Banner {
            objects: Vec::new(),
            front_door: true,
            ..banner()
        }
        .text(Style::PLAIN);
        assert!(text.contains("  objects   none\n"), "{text}");
        assert!(text.contains("  handler   stead's front door"), "{text}");
    }

    #[test]
    fn the_json_is_one_line_with_the_url() {
        let json = banner().json(0);
        assert!(!json.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["type"], "ready");
        assert_eq!(value["url"], "http://127.0.0.1:8787");
        assert_eq!(value["objects"][0]["bindings"][0], "CHAT_ROOM");
        assert_eq!(value["frontDoor"], false);
    }
}
