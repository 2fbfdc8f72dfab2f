//! What tests tell the process to do.

use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;

use deno_core::OpState;
use serde_json::Value;
use serde_json::json;
use stead_ops::assets::FileRequest;
use stead_ops::body::Body;
use stead_ops::message::CallError;
use stead_ops::message::Failure;
use stead_ops::message::FetchRequest;
use stead_ops::message::FetchResponse;
use stead_ops::message::ObjectKey;
use stead_ops::message::Reply;
use stead_ops::testing::TestAnswer;
use stead_ops::testing::TestCommand;
use stead_ops::testing::TestControl;
use stead_ops::testing::TestControlRef;
use stead_ops::testing::TestNote;

use crate::assets::Asked;

use super::Begun;
use super::Fault;
use super::Testing;
use super::files;
use super::lock;
use super::memory::Leave;
use super::memory::Sockets;
use super::memory::TEST_ENDED;
use crate::shard::Shard;
use crate::virtual_time::VirtualTime;

/// What calls are told whose object a test has ended.
const ABORTED: &str = "Application called abortAllDurableObjects().";

/// Hands a test's controls to an isolate's ops.
pub fn put_control(state: &mut OpState, shard: &Rc<Shard>) {
    let control = Control {
        shard: Rc::downgrade(shard),
    };
    state.put::<TestControlRef>(Rc::new(control));
}

/// The controls of the tests on one shard.
struct Control {
    shard: Weak<Shard>,
}

impl TestControl for Control {
    fn ask(&self, command: TestCommand) -> TestAnswer {
        let Some(shard) = self.shard.upgrade() else {
            return Box::pin(async { Err(gone()) });
        };
        Box::pin(async move {
            match command {
                TestCommand::Advance { ms } => shard.advance(ms as i64).await,
                TestCommand::Settle {} if shard.shared.clock.virtual_time().is_none() => done(),
                TestCommand::Settle {} => shard.advance(0).await,
                TestCommand::RunNextAlarm {} => shard.run_next_alarm().await,
                command => {
                    // Time stands still until the answer is here.
                    let time = shard.shared.clock.virtual_time();
                    time.inspect(|time| time.sent());
                    let answer = shard.control(command).await;
                    arrived(&shard);
                    answer
                }
            }
        })
    }

    fn tell(&self, note: TestNote) -> Result<(), String> {
        let shard = self.shard.upgrade().ok_or_else(gone)?;
        match note {
            TestNote::SetClock { now_ms } => time(&shard)?.set(now_ms as i64),
            TestNote::SetWall { now_ms } => time(&shard)?.set_wall(now_ms as i64),
            TestNote::Hold { held } => time(&shard)?.hold(held),
            TestNote::Watch { watched } => {
                let time = shard.shared.clock.virtual_time();
                time.inspect(|time| time.watch(watched));
            }
            TestNote::Event { event } => shard.testing().tell(event),
            TestNote::FailStorage { code, times } => {
                let fault = if code == "ENOSPC" {
                    Fault::Full
                } else {
                    Fault::Broken
                };
                *lock(&shard.testing().faults) = vec![fault; times as usize];
            }
            TestNote::CloseServer { port } => shard.testing().servers.close(port),
            TestNote::StallStorage {} => shard.stall_storage(),
        }
        shard.wake();
        Ok(())
    }

    fn fetch(&self, request: FetchRequest, reply: Reply<FetchResponse>) {
        let Some(shard) = self.shard.upgrade() else {
            drop(reply.send(Err(CallError::Failed(Failure::lost()))));
            return;
        };
        deno_core::unsync::spawn(async move {
            if let Some(file) = file_for(&shard, &request).await {
                drop(reply.send(Ok(file)));
                return;
            }
            let answer = shard.worker_fetch(request, Default::default()).await;
            let lost = || Err(CallError::Failed(Failure::lost()));
            drop(reply.send(answer.unwrap_or_else(|_| lost())));
        });
    }
}

/// The static file that answers a request before the worker sees it.
async fn file_for(shard: &Shard, request: &FetchRequest) -> Option<FetchResponse> {
    shard.code.front.assets.as_ref()?;
    let asked = Asked::from_url(FileRequest {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
    })?;
    // Another thread reads the file.
    let standing = Standstill::begin(shard);
    let found = shard.code.front.routed(asked).await;
    drop(standing);
    let (head, bytes) = found?.into_parts();
    Some(FetchResponse {
        status: head.status.as_u16(),
        status_text: String::new(),
        headers: head.headers,
        body: match bytes.is_empty() {
            true => Body::Empty,
            false => Body::Full(bytes),
        },
        socket: None,
    })
}

pub(super) fn gone() -> String {
    "the worker has ended".to_owned()
}

fn time(shard: &Shard) -> Result<&VirtualTime, String> {
    let time = shard.shared.clock.virtual_time();
    time.ok_or_else(|| "the clock cannot be moved: the tests run with --real-time".to_owned())
}

/// Notes that an answer has arrived. The op's own task notes it, so the shard is busy from here on,
/// although its root task does not know yet.
fn arrived(shard: &Shard) {
    if let Some(time) = shard.shared.clock.virtual_time() {
        time.set_idle(shard.index, false);
        shard.wake();
        time.taken();
    }
}

/// Holds the clock of tests while another thread works for a shard.
pub struct Standstill<'a>(&'a Shard);

impl Standstill<'_> {
    /// Begins it; it ends when this is dropped.
    pub fn begin(shard: &Shard) -> Standstill<'_> {
        let time = shard.shared.clock.virtual_time();
        time.inspect(|time| time.sent());
        Standstill(shard)
    }
}

impl Drop for Standstill<'_> {
    fn drop(&mut self) {
        arrived(self.0);
    }
}

pub(super) type Answer = Result<String, String>;

fn done() -> Answer {
    Ok("null".to_owned())
}

impl Shard {
    pub(super) fn testing(&self) -> &Testing {
        let testing = self.shared.testing.as_ref();
        testing.expect("the controls are handed to tests alone")
    }

    async fn advance(&self, ms: i64) -> Answer {
        let reached = time(self)?.advance(ms);
        reached.await.map_err(|_| gone())?;
        arrived(self);
        done()
    }

    async fn run_next_alarm(&self) -> Answer {
        let ran = time(self)?.run_next_alarm();
        let ran = ran.await.map_err(|_| gone())?;
        arrived(self);
        Ok(ran.to_string())
    }

    async fn control(self: &Rc<Self>, command: TestCommand) -> Answer {
        match command {
            TestCommand::Alarms {} => self.pending_alarms().await,
            TestCommand::Push {} => self.push().await,
            TestCommand::Pop { failed, name } => self.pop(failed, &name).await,
            TestCommand::ResumeStorage {} => {
                self.resume_storage().await;
                done()
            }
            TestCommand::Listen {} => self.listen().await,
            TestCommand::Waits {} => Ok(json!(self.objects_waiting()).to_string()),
            TestCommand::Gates {} => self.gates().await,
            TestCommand::Abort {
                namespace,
                id,
                reason,
            } => {
                let key = self.key_of(namespace, &id)?;
                self.abort(key, reason.unwrap_or_else(|| ABORTED.to_owned()))
                    .await;
                done()
            }
            TestCommand::AbortAll {} => {
                self.empty_all(Leave::Abort(ABORTED), Sockets::Cut).await;
                done()
            }
            TestCommand::Evict {
                namespace,
                id,
                close,
            } => {
                let key = self.key_of(namespace, &id)?;
                self.evict_resident(key, close).await?;
                done()
            }
            TestCommand::EvictAll { close } => {
                self.evict_all(close).await?;
                done()
            }
            TestCommand::Ids { namespace } => {
                let namespace = self.namespaces.get(namespace);
                let unique_key = &namespace.unique_key;
                let ids = self.testing().levels.ids(&self.shared.state, unique_key);
                Ok(json!(ids).to_string())
            }
            TestCommand::Reset {} => {
                self.empty_all(Leave::Abort(ABORTED), Sockets::Cut).await;
                self.shared.alarms.park().await;
                let cleared = self.testing().levels.clear(&self.shared.state);
                self.shared.alarms.unpark();
                cleared.map_err(|error| error.to_string())?;
                done()
            }
            TestCommand::ReadFile { path } => files::read(path).await,
            TestCommand::WriteFile { path, text } => files::write(path, text).await,
            TestCommand::RemoveFile { path } => files::remove(path).await,
            TestCommand::Advance { .. } | TestCommand::Settle {} | TestCommand::RunNextAlarm {} => {
                unreachable!("answered by the clock")
            }
        }
    }

    fn key_of(&self, namespace: u16, id: &str) -> Result<ObjectKey, String> {
        let id = self
            .namespaces
            .get(namespace)
            .ids
            .parse(id)
            .map_err(|error| error.to_string())?;
        Ok(ObjectKey::new(namespace, id))
    }

    async fn pending_alarms(&self) -> Answer {
        let pending = self.shared.alarms.pending().await.map_err(|_| gone())?;
        let alarms = pending.into_iter().map(|(key, entry)| {
            json!({
                "class": self.namespaces.get(key.namespace).class,
                "id": entry.id_hex,
                "name": entry.name,
                "time": entry.at_ms,
            })
        });
        Ok(alarms.collect::<Value>().to_string())
    }

    async fn push(self: &Rc<Self>) -> Answer {
        self.resume_storage().await;
        let sockets = self.empty_all(Leave::Close, Sockets::Keep).await;
        self.shared.alarms.park().await;
        let testing = self.testing();
        let pushed = testing.levels.push(&self.shared.state, &self.unique_keys());
        self.shared.alarms.unpark();
        pushed.map_err(|error| format!("the state could not be kept: {error}"))?;
        let began_ms = self.shared.clock.now_ms();
        let caches = self.shared.caches.copy();
        lock(&testing.begun).push(Begun {
            began_ms,
            sockets,
            caches,
        });
        done()
    }

    async fn pop(self: &Rc<Self>, failed: bool, name: &str) -> Answer {
        let testing = self.testing();
        testing.servers.end_level(testing.level());
        let begun = lock(&testing.begun).pop();
        let Begun {
            began_ms,
            sockets,
            caches,
        } = begun.expect("a level has begun");
        let sockets = Arc::new(sockets);
        let kept = testing.keep_failed.as_ref().filter(|_| failed);
        let leave = if kept.is_some() {
            Leave::Close
        } else {
            Leave::Abort(TEST_ENDED)
        };
        self.resume_storage().await;
        self.empty_all(leave, Sockets::Restore(sockets)).await;
        self.shared.alarms.park().await;
        let mut kept_at = Value::Null;
        if let Some(folder) = kept {
            let folder = folder.join(folder_name(name));
            drop(std::fs::remove_dir_all(&folder));
            let state = &self.shared.state;
            match testing.levels.keep(state, &self.unique_keys(), &folder) {
                Ok(()) => kept_at = folder.display().to_string().into(),
                Err(error) => self.shared.logger.error(None, error.to_string()),
            }
        }
        lock(&testing.faults).clear();
        self.shared.caches.restore(caches);
        testing.levels.pop();
        if let Some(time) = self.shared.clock.virtual_time() {
            time.restart(began_ms);
        }
        // Alarms of the level below are due by the time that it is there.
        self.shared.alarms.unpark();
        Ok(kept_at.to_string())
    }

    fn unique_keys(&self) -> Vec<String> {
        let namespaces = self.namespaces.all().into_iter();
        namespaces.map(|n| n.unique_key.clone()).collect()
    }
}

/// A folder's name for a test.
fn folder_name(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).take(60).collect();
    name.trim_matches('-').to_owned()
}
