//! What all workers of a process share: the state directory with its journal, the
//! numbers of namespaces, and the way from one worker to another.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::HeaderMap;
use stead_ops::body::Body;
use stead_ops::entrypoint::Entrypoint;
use stead_ops::entrypoint::WorkerEvent;
use stead_ops::entrypoint::WorkerIndex;
use stead_ops::message::Failure;
use stead_ops::message::FetchResponse;
use stead_ops::message::NamespaceIndex;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::message::Reply;
use stead_storage::LocalJournal;
use stead_storage::StateDir;
use stead_storage::StorageError;

use crate::namespaces::NamespaceNumbers;
use crate::placement::ShardIndex;
use crate::residents::Residents;
use crate::shared::Shared;

/// One process's workers and their state directory.
///
/// Invariant: a worker's index belongs to its name for good, whether it runs or not.
pub struct Process {
    /// Where everything durable is.
    pub state: Arc<StateDir>,
    /// Its journal.
    pub journal: LocalJournal,
    /// The number of each namespace of every worker.
    pub numbers: Arc<NamespaceNumbers>,
    /// How many objects are in memory.
    pub residents: Arc<Residents>,
    workers: RwLock<Vec<Member>>,
    closed: AtomicBool,
}

/// A worker, or only the name of one that somebody's bindings lead to.
struct Member {
    name: String,
    /// None while it does not run.
    shared: Option<Weak<Shared>>,
}

impl Process {
    /// A process in which no worker runs yet. The state directory is locked for it.
    pub fn new(state: StateDir, journal: LocalJournal) -> Arc<Process> {
        Arc::new(Process {
            state: Arc::new(state),
            journal,
            numbers: Arc::default(),
            residents: Residents::of_process(),
            workers: RwLock::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The index of a worker, which need not run.
    pub fn index(&self, name: &str) -> WorkerIndex {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        let found = workers.iter().position(|worker| worker.name == name);
        let index = found.unwrap_or_else(|| {
            workers.push(Member {
                name: name.to_owned(),
                shared: None,
            });
            workers.len() - 1
        });
        WorkerIndex::try_from(index).expect("configurations name fewer workers")
    }

    /// The name of a worker.
    pub fn name(&self, worker: WorkerIndex) -> String {
        let workers = self.workers.read().unwrap_or_else(PoisonError::into_inner);
        workers[usize::from(worker)].name.clone()
    }

    /// What the shards of the worker whose objects a namespace holds share, if it runs.
    pub fn owner(&self, namespace: NamespaceIndex) -> Option<Arc<Shared>> {
        self.running(self.numbers.owner(namespace)).ok()
    }

    /// Notes that a worker runs.
    pub fn join(&self, worker: WorkerIndex, shared: &Arc<Shared>) {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers[usize::from(worker)].shared = Some(Arc::downgrade(shared));
    }

    /// Notes that a worker has ended. Whether it was the last one that ran.
    pub fn leave(&self, worker: WorkerIndex) -> bool {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers[usize::from(worker)].shared = None;
        workers.iter().all(|other| other.shared.is_none())
    }

    /// The worker, if it runs.
    fn running(&self, worker: WorkerIndex) -> Result<Arc<Shared>, NotFound> {
        let workers = self.workers.read().unwrap_or_else(PoisonError::into_inner);
        let member = &workers[usize::from(worker)];
        let running = member.shared.as_ref().and_then(Weak::upgrade);
        let running = running.filter(|shared| !shared.is_stopping());
        running.ok_or_else(|| NotFound(member.name.clone()))
    }

    /// Sends an event to an object of a worker, or answers that the worker does not run.
    pub fn send_to_object(
        &self,
        worker: WorkerIndex,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) {
        match self.running(worker) {
            Ok(shared) => shared.send(key, name, event),
            Err(not_found) => match event {
                ObjectEvent::Fetch { reply, .. } => not_found.respond(reply),
                event => event.fail(not_found.failure()),
            },
        }
    }

    /// Sends an event to an entrypoint of a worker, or answers that the worker does not run. It
    /// is handled by the shard that `shard` names among those of that worker.
    pub fn send_to_entrypoint(
        &self,
        shard: ShardIndex,
        entrypoint: Arc<Entrypoint>,
        event: WorkerEvent,
    ) {
        match self.running(entrypoint.worker) {
            Ok(shared) => shared.send_to_entrypoint(shard, entrypoint, event),
            Err(not_found) => match event {
                WorkerEvent::Fetch { reply, .. } => not_found.respond(reply),
                event => event.fail(not_found.failure()),
            },
        }
    }

    /// Whether it was closed: the state directory has to be opened again.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the journal and notes that nothing is left to recover. No worker runs any more.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&self) -> Result<(), StorageError> {
        self.closed.store(true, Ordering::Release);
        self.journal.stop()?;
        self.state.mark_clean()
    }
}

/// A worker that does not run in this process. The texts are those of `wrangler dev`.
struct NotFound(String);

impl NotFound {
    fn text(&self) -> String {
        format!(
            "Worker \"{}\" not found. Make sure it is running locally.",
            self.0
        )
    }

    fn failure(&self) -> Failure {
        Failure {
            message: self.text(),
            ..Failure::default()
        }
    }

    fn respond(&self, reply: Reply<FetchResponse>) {
        let mut headers = HeaderMap::new();
        let plain = http::HeaderValue::from_static("text/plain;charset=UTF-8");
        headers.insert(http::header::CONTENT_TYPE, plain);
        let response = FetchResponse {
            status: 503,
            status_text: "Service Unavailable".to_owned(),
            headers,
            body: Body::Full(Bytes::from(self.text())),
            socket: None,
        };
        // Nobody waits any more where that fails.
        drop(reply.send(Ok(response)));
    }
}
