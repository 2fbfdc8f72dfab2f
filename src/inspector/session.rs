//! One debugger and one isolate: the task that carries their messages.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deno_core::InspectorMsg;
use deno_core::InspectorSessionChannels;
use deno_core::InspectorSessionKind;
use deno_core::InspectorSessionProxy;
use deno_core::futures::StreamExt;
use deno_core::futures::channel::mpsc::UnboundedReceiver;
use deno_core::futures::channel::mpsc::UnboundedSender;
use deno_core::futures::channel::mpsc::unbounded;
use serde::Deserialize;
use serde_json::json;
use stead_ops::socket::Frame;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

use super::Phase;
use super::Target;
use crate::sockets::frame::Decoder;
use crate::sockets::frame::GOING_AWAY;
use crate::sockets::frame::Incoming;
use crate::sockets::frame::Opcode;
use crate::sockets::frame::Role;
use crate::sockets::frame::close_payload;
use crate::sockets::frame::encode;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// How long a debugger may leave what was sent to it unread. What the isolate says meanwhile is
/// kept, so this is also the bound of that.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of the request that is made for the debugger, and whose answer is not its to see.
const OWN_REQUEST: i32 = -1;

/// Counts a debugger for as long as it is attached.
struct Attached(Arc<AtomicUsize>);

impl Attached {
    fn new(count: Arc<AtomicUsize>) -> Attached {
        count.fetch_add(1, Ordering::SeqCst);
        Attached(count)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Carries messages until one side ends, or the isolate is released.
pub async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, target: &Target) {
    let (to_debugger, from_isolate) = unbounded();
    let (to_isolate, from_debugger) = unbounded();
    let proxy = InspectorSessionProxy {
        channels: InspectorSessionChannels::Regular {
            tx: to_debugger,
            rx: from_debugger,
        },
        kind: InspectorSessionKind::NonBlocking {
            wait_for_disconnect: false,
        },
    };
    let _attached = Attached::new(target.attached());
    let mut phase = target.phase.subscribe();
    if target.sessions.unbounded_send(proxy).is_ok() {
        // Dropping the channels ends the session, which lets paused code go on.
        tokio::select! {
            () = carry(&mut stream, target, to_isolate, from_isolate) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Released) => {}
        }
    }
    let mut close = Vec::new();
    let payload = close_payload(
        Some(GOING_AWAY),
        "the code was replaced or the process ends",
    );
    encode(Opcode::Close, &payload, None, &mut close);
    // A debugger that is gone need not be told.
    drop(tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(&close)).await);
}

async fn carry(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    to_isolate: UnboundedSender<String>,
    mut from_isolate: UnboundedReceiver<InspectorMsg>,
) {
    let mut decoder = Decoder::new(Role::Server);
    let mut buffer = vec![0; READ_BYTES];
    let mut out = Vec::new();
    loop {
        tokio::select! {
            message = from_isolate.next() => {
                let Some(message) = message else { return };
                if !is_answer_to_own(&message) {
                    encode(Opcode::Text, message.content.as_bytes(), None, &mut out);
                }
            }
            read = stream.read(&mut buffer) => {
                let Ok(1..) = read else { return };
                let mut input = &buffer[..read.unwrap_or(0)];
                loop {
                    match decoder.feed(&mut input) {
                        Ok(None) => break,
                        Ok(Some(Incoming::Frame(Frame::Text(text)))) => {
                            let text = String::from_utf8_lossy(&text).into_owned();
                            hear(target, text, &to_isolate);
                        }
                        Ok(Some(Incoming::Ping(payload))) => {
                            encode(Opcode::Pong, &payload, None, &mut out);
                        }
                        Ok(Some(Incoming::Pong)) => {}
                        Ok(Some(Incoming::Frame(_))) | Err(_) => return,
                    }
                }
            }
        }
        let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(&out)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
        out.clear();
    }
}

/// Passes on what a debugger says. The word that lets waiting code run also has it pause at its
/// first line, as with Node's `--inspect-brk`.
fn hear(target: &Target, text: String, to_isolate: &UnboundedSender<String>) {
    let waits = *target.phase.borrow() == Phase::Waiting;
    let goes = waits && method(&text).is_some_and(|m| m == "Runtime.runIfWaitingForDebugger");
    // An isolate that is gone ends the session by itself.
    drop(to_isolate.unbounded_send(text));
    if goes {
        // `Debugger.pause` would stop in the first script of the engine's own.
        let stop = json!({
            "id": OWN_REQUEST,
            "method": "Debugger.setBreakpointByUrl",
            "params": { "url": target.url, "lineNumber": 0 },
        });
        drop(to_isolate.unbounded_send(stop.to_string()));
        target.go();
    }
}

fn method(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        method: String,
    }
    let message: Message = serde_json::from_str(text).ok()?;
    Some(message.method)
}

fn is_answer_to_own(message: &InspectorMsg) -> bool {
    use deno_core::InspectorMsgKind;
    matches!(message.kind, InspectorMsgKind::Message(OWN_REQUEST))
}
