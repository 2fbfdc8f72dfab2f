//! What all shards of a running worker share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde_json::Value;
use stead_ops::cache::Caches;
use stead_ops::entrypoint::Entrypoint;
use stead_ops::entrypoint::WorkerEvent;
use stead_ops::entrypoint::WorkerIndex;
use stead_ops::message::Failure;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::socket::SocketEnd;
use stead_storage::LocalJournal;
use stead_storage::Options;
use stead_storage::StateDir;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::alarms::Alarms;
use crate::bindings::Bindings;
use crate::bundle::Bundle;
use crate::cli::logger::Logger;
use crate::client::Client;
use crate::clock::Clock;
use crate::clock::Random;
use crate::compatibility::Compatibility;
use crate::eviction::Evict;
use crate::front::Front;
use crate::handover::Retire;
use crate::inspector::Inspector;
use crate::kills::Kills;
use crate::limits::Limits;
use crate::namespaces::NamespaceNumbers;
use crate::placement::Placement;
use crate::placement::ShardIndex;
use crate::process::Process;
use crate::routes::Routes;
use crate::seen::Held;
use crate::stopping::Stop;
use crate::testing::TestDeed;
use crate::testing::Testing;
use crate::watchdog::Watchdog;
use crate::worn::Worn;

/// Messages that may wait for one shard.
pub const MESSAGES_MAX: usize = 64 * 1024;

/// What a shard is told.
pub enum Message {
    /// A client has connected; the shard speaks HTTP with it.
    Connection(Client),
    /// An event for an object that lives on the shard, or is to live there.
    Event(ObjectKey, Option<String>, ObjectEvent),
    /// An event that another worker has for an entrypoint.
    Entrypoint(Arc<Entrypoint>, WorkerEvent),
    /// A WebSocket connection moves to the shard, with what was read of it.
    Socket(std::net::TcpStream, bytes::Bytes, SocketEnd),
    /// Runs the tests of the worker's module.
    Tests,
    /// Tells which objects the shard holds.
    Look(oneshot::Sender<Vec<Held>>),
    /// Does something that a test asks for.
    Test(TestDeed),
    /// Calls a method of an object; the answer is its result as JSON.
    Call(JsonCall, OutcomeSender),
    /// An object, or the facet with that number, is to start anew, from what is stored;
    /// tells when it has.
    Reopen(ObjectKey, u16, oneshot::Sender<()>),
    /// Another shard takes this one's place.
    Retire(Retire),
    /// A shard that another one takes the place of is to end soon.
    CutOff,
    /// Runs a handler of the worker: `scheduled()` or `queue()`.
    Handler(HandlerEvent, OutcomeSender),
    /// The clock of tests has moved: a timer is due.
    Tick,
    /// Another shard has no room for an object: idle ones are to leave memory.
    MakeRoom,
    /// The object's alarm has run for longer than it may.
    AlarmOverdue(ObjectKey),
    /// The clock of tests will not move again by itself, and somebody watches it.
    Stalled,
    /// Requests are to end: finish what runs, close the sockets, close the storage.
    Stop(Stop),
}

/// Where the outcome of a call goes: a text, or that of what was thrown.
pub type OutcomeSender = oneshot::Sender<Result<String, String>>;

/// A call of an object's method by somebody who speaks JSON.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct JsonCall {
    /// The worker whose class it is, where several run; None where only one has the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The class, as the code exports it.
    pub class: String,
    /// The object's name.
    pub name: String,
    /// The method.
    pub method: String,
    /// The arguments: a JSON array.
    pub arguments: String,
}

/// An event that the process itself has for a handler of the worker.
/// <https://developers.cloudflare.com/workers/runtime-apis/handlers/>
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum HandlerEvent {
    /// A cron trigger.
    #[serde(rename_all = "camelCase")]
    Scheduled {
        /// The entrypoint; `default` for the worker itself.
        entrypoint: String,
        /// The expression that fired.
        cron: String,
        /// When it was to run, in milliseconds.
        scheduled_time: i64,
    },
    /// A batch of a queue's messages.
    #[allow(dead_code, reason = "for queues, which are not there yet")]
    #[serde(rename_all = "camelCase")]
    Queue {
        /// The entrypoint; `default` for the worker itself.
        entrypoint: String,
        /// The queue's name.
        queue: String,
        /// The messages.
        messages: Vec<QueueMessage>,
    },
}

/// A message of a queue.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// When it was sent, in milliseconds.
    pub timestamp: i64,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What was sent.
    pub body: serde_json::Value,
}

/// What the shards of a worker run.
pub struct Code {
    /// The worker's code.
    pub bundle: Arc<Bundle>,
    /// What the worker's `env` holds besides namespaces.
    pub vars: BTreeMap<String, Value>,
    /// What `env` holds besides.
    pub bindings: Bindings,
    /// What answers in front of the worker.
    pub front: Arc<Front>,
    /// The folder of each class's objects.
    pub unique_key: Box<dyn Fn(&str) -> String + Send + Sync>,
}

/// What all shards share. Its parts are changed only behind their own locks.
pub struct Shared {
    /// What it shares with the other workers of the process.
    pub process: Arc<Process>,
    /// Which worker it is.
    pub worker: WorkerIndex,
    /// Where objects live.
    pub placement: Placement,
    /// The way to each shard.
    pub routes: Routes,
    /// The number of each namespace.
    pub numbers: Arc<NamespaceNumbers>,
    /// Where everything durable is.
    pub state: Arc<StateDir>,
    /// How each object's storage is opened.
    pub storage: Options,
    /// When idle objects leave memory.
    pub evict: Evict,
    /// What the code may use.
    pub limits: Limits,
    /// Which of the platform's behaviours it was written for.
    pub compatibility: Compatibility,
    /// Responses that the worker keeps for a while.
    pub caches: Caches,
    /// Ends turns that take too long.
    pub watchdog: Watchdog,
    /// Objects that exceeded a limit.
    pub kills: Kills,
    /// Isolates that are of no more use.
    pub worn: Worn,
    /// Makes commits durable.
    pub journal: LocalJournal,
    /// Wakes objects.
    pub alarms: Alarms,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub random: Random,
    /// Where debuggers attach, if they may.
    pub inspector: Option<Arc<Inspector>>,
    /// What `stead test` has added.
    pub testing: Option<Testing>,
    /// Whether a person wants to see where time goes and which line prints.
    pub is_watched: bool,
    /// Prints.
    pub logger: Logger,
    /// Numbers instances.
    pub incarnations: AtomicU64,
    /// Set once the process is to end.
    pub stopping: AtomicBool,
    /// Told then: shards that have not begun yet need not.
    pub stop_asked: Notify,
}

impl Shared {
    /// Sends a message to a shard; false if the shard has ended.
    pub async fn message(&self, shard: ShardIndex, message: Message) -> bool {
        self.send_message(shard, message).await.is_ok()
    }

    /// The same for a message that somebody else has to deal with otherwise. A shard that has
    /// been replaced meanwhile has a successor, which gets it.
    ///
    /// # Errors
    /// The shard has ended; the message comes back.
    #[allow(
        clippy::result_large_err,
        reason = "the message that could not be sent comes back"
    )]
    pub async fn send_message(
        &self,
        shard: ShardIndex,
        mut message: Message,
    ) -> Result<(), Message> {
        loop {
            let sender = self.routes.sender(shard);
            message = match self.try_message_by(&sender, message).await {
                Ok(()) => return Ok(()),
                Err(message) if sender.same_channel(&self.routes.sender(shard)) => {
                    return Err(message);
                }
                Err(message) => message,
            };
        }
    }

    /// Sends a message by a way that may not be the current one to any shard; false if the
    /// shard has ended.
    pub async fn message_by(&self, sender: &mpsc::Sender<Message>, message: Message) -> bool {
        self.try_message_by(sender, message).await.is_ok()
    }

    #[allow(
        clippy::result_large_err,
        reason = "the message that could not be sent comes back"
    )]
    async fn try_message_by(
        &self,
        sender: &mpsc::Sender<Message>,
        message: Message,
    ) -> Result<(), Message> {
        let time = self.clock.virtual_time();
        time.inspect(|time| time.sent());
        sender.send(message).await.map_err(|unsent| {
            time.inspect(|time| time.taken());
            unsent.0
        })
    }

    /// Tells shards of something that they also find out by themselves if they are too busy to hear.
    pub fn nudge(&self, shards: &[ShardIndex], message: impl Fn() -> Message) {
        for shard in shards {
            self.hand_over(*shard, message());
        }
    }

    /// Sends a message to a shard that has room for it; what a shard does not take is dropped.
    pub fn hand_over(&self, shard: ShardIndex, message: Message) {
        let time = self.clock.virtual_time();
        time.inspect(|time| time.sent());
        if self.routes.try_send(shard, message).is_err() {
            time.inspect(|time| time.taken());
        }
    }

    /// Sends an event to its object, from outside of any shard.
    pub fn send(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent) {
        let shard = self.placement.place(key, self.placement.least_busy());
        self.send_to(shard, key, name, event);
    }

    /// Sends an event to an object that `shard` holds.
    pub fn send_to(
        &self,
        shard: ShardIndex,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) {
        use mpsc::error::TrySendError;
        let time = self.clock.virtual_time();
        time.inspect(|time| time.sent());
        let sent = self
            .routes
            .try_send(shard, Message::Event(key, name, event));
        if sent.is_err() {
            time.inspect(|time| time.taken());
        }
        match sent {
            Err(TrySendError::Full(Message::Event(_, _, event))) => {
                event.fail(Failure::overloaded());
            }
            Err(TrySendError::Closed(Message::Event(_, _, event))) => event.fail(Failure::lost()),
            _ => {}
        }
    }

    /// Sends an event of another worker's to an entrypoint. `shard` says which shard is to handle
    /// it, of as many as there are.
    pub fn send_to_entrypoint(
        &self,
        shard: ShardIndex,
        entrypoint: Arc<Entrypoint>,
        event: WorkerEvent,
    ) {
        use mpsc::error::TrySendError;
        let time = self.clock.virtual_time();
        time.inspect(|time| time.sent());
        let message = Message::Entrypoint(entrypoint, event);
        let sent = self.routes.try_send(shard % self.routes.len(), message);
        if sent.is_err() {
            time.inspect(|time| time.taken());
        }
        match sent {
            Err(TrySendError::Full(Message::Entrypoint(_, event))) => {
                event.fail(Failure::overloaded());
            }
            Err(TrySendError::Closed(Message::Entrypoint(_, event))) => {
                event.fail(Failure::lost());
            }
            _ => {}
        }
    }

    /// Whether the process is to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// A standard stream for tokio.
///
/// # Errors
/// The system's, for a socket that cannot be made non-blocking.
pub fn adopt(stream: std::net::TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
