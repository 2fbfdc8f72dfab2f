//! A debugger: speaks the protocol of Chrome DevTools with one isolate, and reads source maps as DevTools does.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rolldown_sourcemap::SourceMap;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::http;
use crate::server::DEADLINE;

pub struct Debugger {
    socket: WebSocket<TcpStream>,
    /// What was heard and not asked for yet.
    events: VecDeque<Value>,
    last_id: u64,
}

/// The isolates that a process offers to debuggers.
#[track_caller]
pub fn list(address: SocketAddr) -> Vec<Value> {
    let list = http::send(address, "GET", "/json/list", "").expect("the inspector answers");
    list.json().as_array().expect("a list").clone()
}

impl Debugger {
    /// Attaches to the only isolate.
    #[track_caller]
    pub fn attach(address: SocketAddr) -> Debugger {
        let targets = list(address);
        let [target] = targets.as_slice() else {
            panic!("not one isolate: {targets:?}");
        };
        let stream = TcpStream::connect(address).expect("the inspector listens");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let url = target["webSocketDebuggerUrl"].as_str().expect("a URL");
        let (socket, _) = tungstenite::client(url, stream).expect("the inspector upgrades");
        Debugger {
            socket,
            events: VecDeque::new(),
            last_id: 0,
        }
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let question = json!({ "id": self.last_id, "method": method, "params": params });
        let question = Message::text(question.to_string());
        self.socket.send(question).expect("the inspector listens");
        loop {
            let message = self.hear();
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    /// The parameters of the next event with that name that is `wanted`.
    #[track_caller]
    pub fn event(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let is_it = |event: &Value| event["method"] == name && wanted(&event["params"]);
        if let Some(at) = self.events.iter().position(is_it) {
            return self.events.remove(at).expect("just found")["params"].clone();
        }
        loop {
            let event = self.hear();
            if is_it(&event) {
                return event["params"].clone();
            }
            self.events.push_back(event);
        }
    }

    /// Has the isolate stop at the line of `file` that holds `text`; its number from 0.
    #[track_caller]
    pub fn break_at(&mut self, file: &str, text: &str) -> u32 {
        self.ask("Debugger.enable", json!({}));
        let script = self.event("Debugger.scriptParsed", |script| {
            let url = script["url"].as_str().unwrap_or_default();
            url.starts_with("file:") && script["sourceMapURL"] != ""
        });
        // The next breakpoint is in the same script.
        let heard = json!({ "method": "Debugger.scriptParsed", "params": script });
        self.events.push_back(heard);
        let map = script["sourceMapURL"].as_str().unwrap();
        let (_, map) = map.split_once("base64,").expect("a map in the script");
        let map = BASE64_STANDARD.decode(map).expect("base64");
        let map = String::from_utf8(map).expect("JSON").leak();
        let map = SourceMap::from_json_string(map).unwrap();
        let source = map.get_sources().position(|source| source.ends_with(file));
        let source = source.expect("the file is in the map") as u32;
        let content = map.get_source_content(source).expect("with its text");
        let line = content.lines().position(|line| line.contains(text));
        let line = line.expect("the text is in the file") as u32;
        let token = map
            .get_tokens()
            .find(|token| token.get_source_id() == Some(source) && token.get_src_line() == line)
            .expect("the line is in the map");
        let place = json!({
            "url": script["url"],
            "lineNumber": token.get_dst_line(),
            "columnNumber": token.get_dst_col(),
        });
        let set = self.ask("Debugger.setBreakpointByUrl", place);
        assert_eq!(set["locations"].as_array().map(Vec::len), Some(1), "{set}");
        line
    }

    /// The frames of the code that has stopped, the innermost first.
    #[track_caller]
    pub fn paused(&mut self) -> Vec<Value> {
        let paused = self.event("Debugger.paused", |_| true);
        paused["callFrames"].as_array().expect("frames").clone()
    }

    /// The value of an expression where the code has stopped.
    #[track_caller]
    pub fn evaluate(&mut self, frame: &Value, expression: &str) -> Value {
        let params = json!({ "callFrameId": frame["callFrameId"], "expression": expression });
        let result = self.ask("Debugger.evaluateOnCallFrame", params);
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    /// Reads until the process closes the connection; the code it gives.
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        loop {
            let message = self.socket.read().expect("a Close frame comes first");
            if let Message::Close(frame) = message {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("the debugger is attached");
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }
}
