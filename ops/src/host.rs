//! What the process provides to the ops: finding objects, time, randomness and
//! the life of instances. An op only calls it; it knows no threads.

use std::rc::Rc;

use deno_core::OpState;
use deno_error::JsErrorBox;
use stead_storage::IdKey;
use stead_storage::StorageError;

use crate::assets::FileFuture;
use crate::assets::FileRequest;
use crate::cache::Caches;
use crate::entrypoint::WorkerIndex;
use crate::export::Exports;
use crate::facet::Facet;
use crate::facet::Facets;
use crate::frame::Frame;
use crate::instance::Instance;
use crate::message::Failure;
use crate::message::NamespaceIndex;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;
use crate::parcel::Parcel;
use crate::socket::SocketEnd;

/// One object class of a worker of the process.
pub struct Namespace {
    /// The exported name of the class.
    pub class: String,
    /// The folder of its objects' files, from which their ids are derived.
    pub unique_key: String,
    /// Makes and checks the namespace's ids.
    pub ids: IdKey,
    /// The worker whose class it is.
    pub worker: WorkerIndex,
    /// Whether this worker's code has the class: an earlier version of it, or another worker, may have it.
    pub exported: bool,
}

/// A client WebSocket that is to be opened.
pub struct ConnectRequest {
    /// `ws:` or `wss:` (or `http:`, `https:`) URL.
    pub url: String,
    /// Subprotocols offered, in order.
    pub protocols: Vec<String>,
    /// Headers beside those of the handshake.
    pub headers: http::HeaderMap,
}

/// A client WebSocket that is open.
pub struct Connected {
    /// The end on which the caller speaks.
    pub end: SocketEnd,
    /// The subprotocol that the server chose; may be empty.
    pub protocol: String,
}

/// The process as an op sees it. One per shard; lives on the shard's thread.
pub trait Host {
    /// The number of this shard.
    fn shard(&self) -> usize;

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// The random half of a new object id.
    fn random_id(&self) -> [u8; 16];

    /// An object class, of this worker or of another one. It was numbered before anybody could ask.
    fn namespace(&self, index: NamespaceIndex) -> Rc<Namespace>;

    /// Delivers what JavaScript says to somebody, wherever that is, after the current
    /// turn has ended.
    fn send(&self, parcel: Parcel);

    /// Delivers an event of the world's to an object.
    fn call(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent);

    /// What this shard exports.
    fn exports(&self) -> &Exports;

    /// Delivers events that waited on the input gate, ahead of all others.
    fn resume(&self, instance: &Rc<Instance>, events: Vec<ObjectEvent>);

    /// The same for events that waited for a facet's start.
    fn deliver_first(&self, facet: ObjectKey, events: Vec<ObjectEvent>);

    /// The starts of facets on this shard.
    fn facets(&self) -> &Facets;

    /// A number for the start of a facet, which no other one in the process has.
    fn new_facet(&self) -> u64;

    /// Ends a start of a facet, with its own facets.
    fn break_facet(&self, facet: &Rc<Facet>, failure: &Failure);

    /// Deletes what a facet of an instance has stored, or all its facets if none is
    /// named, with their own facets. That is durable when the call returns.
    ///
    /// # Errors
    /// The storage's.
    fn delete_facets(&self, parent: &Rc<Instance>, name: Option<&str>) -> Result<(), StorageError>;

    /// Makes a facet what another one has stored, with their own facets. That is durable
    /// when the call returns.
    ///
    /// # Errors
    /// The storage's.
    fn clone_facet(&self, parent: &Rc<Instance>, from: &str, to: &str) -> Result<(), StorageError>;

    /// Drops an instance: its callers get `failure`, the next event starts anew.
    fn reset(&self, instance: &Rc<Instance>, failure: Failure);

    /// Hears that nothing is under way any more in the name of an object.
    fn idle(&self, instance: &Rc<Instance>);

    /// Whether the code that runs is being ended: nothing it says counts any more.
    fn is_ending(&self) -> bool;

    /// Drops an instance whose code asked for it, and ends that code.
    fn abort(&self, instance: &Rc<Instance>, failure: Failure);

    /// Ends the code that runs, which asked for it.
    fn end_code(&self);

    /// Resets all objects of the isolate, has another one take its place, and ends the code that
    /// runs.
    fn abort_isolate(&self, failure: Failure);

    /// Opens a client WebSocket.
    fn connect(
        &self,
        request: ConnectRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Connected, String>>>>;

    /// Asks for a static file of the project.
    fn fetch_file(&self, request: FileRequest) -> FileFuture;

    /// The worker's caches.
    fn caches(&self) -> &Caches;

    /// Hears of a frame that an object sends by one of its sockets.
    fn socket_says(&self, instance: &Instance, socket: u32, frame: &Frame);

    /// Tells the person at the terminal about an error that nobody caught.
    fn report(&self, object: Option<String>, error: &str);
}

/// How the ops find the host in `OpState`.
pub type HostRef = Rc<dyn Host>;

/// The host, for an op that user code may call while its modules are evaluated:
/// the worker does not run yet then.
///
/// # Errors
/// The platform's text for what is not allowed in the global scope.
/// <https://developers.cloudflare.com/workers/runtime-apis/handlers/>
pub fn running_host(state: &OpState) -> Result<HostRef, JsErrorBox> {
    let host = state.try_borrow::<HostRef>().cloned();
    host.ok_or_else(|| JsErrorBox::generic(NOT_IN_GLOBAL_SCOPE))
}

const NOT_IN_GLOBAL_SCOPE: &str = "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/";

/// `Class/name` (or `Class/id`) as it is shown to people.
pub fn object_label(
    host: &dyn Host,
    namespace: NamespaceIndex,
    name: Option<&str>,
    id: &str,
) -> String {
    let namespace = host.namespace(namespace);
    let class = &namespace.class;
    match name {
        Some(name) => format!("{class}/{name}"),
        None => format!("{class}/{}", &id[..12.min(id.len())]),
    }
}
