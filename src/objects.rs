//! The life of objects on a shard: making instances, delivering events, ending
//! turns, resetting what is broken, closing everything at the end.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use deno_core::cppgc::make_cppgc_object;
use deno_core::v8;
use stead_ops::AlarmReply;
use stead_ops::JsFrame;
use stead_ops::OwedAlarm;
use stead_ops::assets::FileFuture;
use stead_ops::assets::FileRequest;
use stead_ops::event::IncomingCall;
use stead_ops::event::IncomingRequest;
use stead_ops::export::Exports;
use stead_ops::facet::Facet;
use stead_ops::facet::Facets;
use stead_ops::frame::Frame;
use stead_ops::host::ByteStream;
use stead_ops::host::ConnectRequest;
use stead_ops::host::Connected;
use stead_ops::host::Dialing;
use stead_ops::host::Host;
use stead_ops::host::Namespace;
use stead_ops::instance::AlarmRun;
use stead_ops::instance::Instance;
use stead_ops::message::AlarmOutcome;
use stead_ops::message::Call;
use stead_ops::message::Failure;
use stead_ops::message::NamespaceIndex;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::meter;
use stead_ops::parcel::Parcel;
use stead_storage::GateBroken;
use stead_storage::LogEvent;
use stead_storage::StorageError;

use crate::assets::Asked;
use crate::cli::logger::Level;
use crate::isolate::call;
use crate::residents::Seat;
use crate::shard::Shard;
use crate::stalled::Progress;

/// Answers that one object may owe; further events are refused.
const OWED_MAX: usize = 64 * 1024;

/// An object in memory: its Rust half and its JavaScript half.
pub struct Resident {
    /// The storage, gates and sockets.
    pub instance: Rc<Instance>,
    /// The `ObjectRecord` of record.js.
    record: v8::Global<v8::Value>,
    /// Whether its writes become durable.
    progress: Progress,
    _seat: Seat,
}

impl Resident {
    /// An object that was just made.
    pub fn new(instance: Rc<Instance>, record: v8::Global<v8::Value>, seat: Seat) -> Resident {
        Resident {
            instance,
            record,
            progress: Progress::default(),
            _seat: seat,
        }
    }

    /// Whether a handler has still to answer, or a commit is not durable yet.
    pub fn is_busy(&self) -> bool {
        let instance = &self.instance;
        instance.owes.any() || !instance.output.is_open(instance.database.wait_point())
    }

    /// Whether all commits are durable; what an open transaction has written is none.
    pub fn is_durable(&self) -> bool {
        let instance = &self.instance;
        instance.output.is_open(instance.database.sequence())
    }
}

impl Shard {
    /// Delivers one event: to the instance, to its input gate's queue, to the shard
    /// that holds the object, or back to the caller as a failure.
    ///
    /// An instance is made nowhere else, and only when placement says, at this very
    /// moment, that the object belongs here: so no two shards ever hold one object,
    /// wherever an event was sent before the object was reset.
    pub fn deliver(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent) {
        let resident = self
            .objects
            .borrow()
            .get(&key)
            .map(|r| (r.instance.clone(), r.record.clone()));
        let (instance, record, event) = match resident {
            Some((instance, record)) => (instance, record, event),
            None => match self.admit(key, name, event) {
                Some(made) => made,
                None => return,
            },
        };
        if let ObjectEvent::Socket { set, .. } = event
            && instance.sockets.id != set
        {
            return;
        }
        if instance.owes.count() >= OWED_MAX {
            return event.fail(Failure::overloaded());
        }
        let event = match event {
            // The value went with the instance that exported it.
            ObjectEvent::Call(call) if call.target.is_some() && !self.owns(&instance, &call) => {
                return call.fail_gone();
            }
            event => event,
        };
        match instance.input.offer(event) {
            Ok(Some(event)) => self.enter(&instance, &record, event),
            Ok(None) => {}
            Err(overloaded) => overloaded.0.fail(Failure::overloaded()),
        }
    }

    fn owns(&self, instance: &Rc<Instance>, call: &Call) -> bool {
        matches!(self.owner_of(call), Ok(Some(owner)) if Rc::ptr_eq(&owner, instance))
    }

    /// Delivers one event to an instance, if it is still the object's.
    pub fn offer(&self, instance: &Rc<Instance>, event: ObjectEvent) {
        self.deliver(instance.key, None, event);
    }

    /// Hands an event that may enter now to JavaScript.
    fn enter(&self, instance: &Rc<Instance>, record: &v8::Global<v8::Value>, event: ObjectEvent) {
        let dispatch = &self.isolate.dispatch;
        instance.cpu_used.take();
        let (entered, instance) = (instance.clone(), instance.clone());
        let ((), used) = self.isolate.enter_for(|scope| {
            let record = v8::Local::new(scope, record);
            let result = match event {
                ObjectEvent::Fetch { request, reply } => {
                    let native = IncomingRequest::for_object(request, reply, instance);
                    let native = make_cppgc_object(scope, native).into();
                    call(scope, &dispatch.object_fetch, &[record, native])
                }
                ObjectEvent::Call(event) => {
                    let native = IncomingCall::for_object(event, instance);
                    let native = make_cppgc_object(scope, native).into();
                    call(scope, &dispatch.object_call, &[record, native])
                }
                ObjectEvent::Alarm {
                    scheduled_ms,
                    retry_count,
                    give_up,
                    reply,
                } => {
                    let now_ms = self.shared.clock.now_ms();
                    match begin_alarm(&instance, scheduled_ms, now_ms, give_up) {
                        Ok(()) => {
                            let native = AlarmReply(OwedAlarm::new(reply, &instance));
                            let arguments = [
                                record,
                                make_cppgc_object(scope, native).into(),
                                v8::Number::new(scope, scheduled_ms as f64).into(),
                                v8::Integer::new_from_unsigned(scope, retry_count).into(),
                            ];
                            call(scope, &dispatch.object_alarm, &arguments)
                        }
                        Err(outcome) => {
                            drop(reply.send(outcome));
                            return;
                        }
                    }
                }
                ObjectEvent::Socket {
                    socket,
                    frame,
                    permit,
                    ..
                } => {
                    drop(permit);
                    let told = self.socket_told(&instance, socket, &frame);
                    let Ok(frame) = deno_core::ToV8::to_v8(JsFrame(Some(frame)), scope);
                    let number = v8::Integer::new_from_unsigned(scope, socket).into();
                    match told {
                        None => call(scope, &dispatch.object_socket, &[record, number, frame]),
                        Some(told) => {
                            let told = make_cppgc_object(scope, told).into();
                            let arguments = [record, number, frame, told];
                            call(scope, &dispatch.object_socket, &arguments)
                        }
                    }
                }
            };
            // The functions answer what user code throws. What is left, such as the end of
            // the stack in our own code, costs the object and nobody else.
            if result.is_err() && !self.isolate.guard.is_killed() {
                self.reset(
                    &entered,
                    Failure::reset("internal error: the event was not handled"),
                );
            }
        });
        self.end_turn();
        self.count(&entered, used);
    }

    /// Commits what the turn wrote, and has it made durable.
    pub fn end_turn(&self) {
        self.settle_kills();
        for instance in self.turn.take() {
            if instance.failure().is_some() {
                continue;
            }
            if self.keeps_back(&instance) {
                self.held.borrow_mut().insert(instance.key, instance);
                continue;
            }
            self.commit(&instance);
        }
    }

    /// Whether an instance's commits are to wait.
    fn keeps_back(&self, instance: &Instance) -> bool {
        instance.database.is_held_back() || self.facet_works.has(instance.key)
    }

    /// Commits what was kept back, as soon as there is room for it.
    pub fn commit_held(&self) {
        if self.held.borrow().is_empty() {
            return;
        }
        let held = std::mem::take(&mut *self.held.borrow_mut());
        for (key, instance) in held {
            if instance.failure().is_some() {
                continue;
            }
            if self.keeps_back(&instance) {
                self.held.borrow_mut().insert(key, instance);
            } else {
                self.commit(&instance);
            }
        }
    }

    /// Commits what an instance wrote, and has it made durable.
    pub fn commit(&self, instance: &Rc<Instance>) {
        let database = &instance.database;
        let fault = self.shared.testing.as_ref();
        let fault = fault.and_then(|testing| testing.take_fault(database.path()));
        let committed = meter::storage(|| {
            let commit = fault.map_or_else(|| database.commit(), Err)?;
            if commit.is_some() {
                database.submit(self.shared.clock.now_ms())?;
            }
            Ok::<_, StorageError>(commit)
        });
        match committed {
            Ok(Some(commit)) => {
                if let Some(change) = commit.alarm {
                    let namespace = self.namespaces.get(instance.key.namespace);
                    let unique_key = &namespace.unique_key;
                    let name = instance.name.borrow().clone();
                    self.shared
                        .alarms
                        .set(instance.key, unique_key, name, change.to_ms);
                }
                if database.wants_pause() {
                    instance.input.hold();
                    self.or_reset(instance, database.checkpoint_if_overdue());
                }
            }
            Ok(None) => {}
            Err(error) => self.reset(instance, Failure::reset(error.to_string())),
        }
    }

    fn or_reset<T>(&self, instance: &Rc<Instance>, result: Result<T, StorageError>) {
        if let Err(error) = result {
            self.reset(instance, Failure::reset(error.to_string()));
        }
    }

    /// Hears from the journal what became of an instance's commits.
    pub fn hear(&self, key: ObjectKey, incarnation: u64, event: LogEvent) {
        let Some(event) = self.keep_unheard(key, incarnation, event) else {
            return;
        };
        let instance = self.objects.borrow().get(&key).map(|r| r.instance.clone());
        let Some(instance) = instance.filter(|found| found.incarnation == incarnation) else {
            return;
        };
        match event {
            LogEvent::Durable(sequence, point) => {
                instance.database.note_durable(point);
                instance.output.durable(sequence);
                self.note_settled(&instance);
            }
            LogEvent::Written(sequence) => return instance.output.durable(sequence),
            LogEvent::CheckpointWanted => {}
            LogEvent::Failed(error) => return self.reset(&instance, Failure::reset(error)),
        }
        // What waited for the commit may have reset the object.
        if instance.failure().is_none() {
            self.or_reset(&instance, instance.database.checkpoint_if_due());
        }
        if instance.failure().is_none() && !instance.database.wants_pause() {
            let events = instance.input.release();
            if !events.is_empty() {
                self.resume(&instance, events);
            }
        }
    }

    /// Takes an instance out of memory. Its sockets are disconnected.
    pub fn leave(&self, instance: &Rc<Instance>, failure: &Failure) {
        let resident = self.objects.borrow_mut().remove(&instance.key);
        self.drop_instance(instance, failure);
        drop(resident);
    }

    /// The objects whose writes have not become durable for too long. To be asked at regular intervals.
    pub fn stalled(&self) -> Vec<Rc<Instance>> {
        let objects = self.objects.borrow();
        let stalled = objects.values().filter(|resident| {
            let instance = &resident.instance;
            let durable = instance.output.durable_sequence();
            let waiting = durable < instance.database.sequence();
            resident.progress.has_stalled(waiting, durable)
        });
        stalled.map(|resident| resident.instance.clone()).collect()
    }

    /// Ends an instance: nothing it has not made durable counts.
    pub fn drop_instance(&self, instance: &Rc<Instance>, failure: &Failure) {
        instance.fail(failure.clone());
        self.break_nest(instance, failure);
        instance.database.abort();
        instance.output.break_with(GateBroken {
            message: failure.message.clone(),
        });
        for event in instance.input.drain() {
            event.fail(failure.clone());
        }
        instance.owes.fail(failure);
        instance.feeds.break_off();
        instance.sockets.clear();
        self.end_sharing(instance);
    }

    /// Closes the storage of all objects, so that each is one complete file.
    pub fn close_all(&self) {
        self.end_turn();
        self.held.take();
        let now_ms = self.shared.clock.now_ms();
        for (_, resident) in self.objects.borrow_mut().drain() {
            if let Err(error) = resident.instance.database.close(now_ms) {
                self.shared.logger.error(None, error.to_string());
            }
            resident.instance.sockets.clear();
        }
        self.sleeping.borrow_mut().clear();
    }
}

/// Begins a run, if the alarm that the scheduler woke is still the object's own;
/// removes the alarm instead when it is to be given up.
fn begin_alarm(
    instance: &Rc<Instance>,
    scheduled_ms: i64,
    now_ms: i64,
    give_up: bool,
) -> Result<(), AlarmOutcome> {
    match instance.database.alarm() {
        Ok(Some(at_ms)) if give_up && at_ms <= now_ms => {
            let removed = instance.check(instance.database.set_alarm(None));
            Err(if removed.is_ok() {
                AlarmOutcome::Done(None)
            } else {
                AlarmOutcome::Failed
            })
        }
        Ok(Some(at_ms)) if at_ms <= scheduled_ms || at_ms <= now_ms => {
            instance.alarm_run.set(AlarmRun::Running);
            Ok(())
        }
        Ok(alarm) => Err(AlarmOutcome::Stale(alarm)),
        Err(_) => Err(AlarmOutcome::Failed),
    }
}

impl Host for Shard {
    fn shard(&self) -> usize {
        self.index
    }

    fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    fn random_id(&self) -> [u8; 16] {
        self.shared.random.bytes()
    }

    fn namespace(&self, index: NamespaceIndex) -> Rc<Namespace> {
        self.namespaces.get(index)
    }

    fn send(&self, parcel: Parcel) {
        match parcel {
            Parcel::Export(call) => self.send_export_call(call),
            parcel => self.enqueue_call(parcel),
        }
    }

    fn call(&self, key: ObjectKey, name: Option<String>, event: ObjectEvent) {
        self.enqueue(Parcel::Object(key, name, event));
    }

    fn exports(&self) -> &Exports {
        &self.exports
    }

    fn resume(&self, instance: &Rc<Instance>, events: Vec<ObjectEvent>) {
        self.enqueue_first(instance.key, instance.name.borrow().as_deref(), events);
    }

    fn deliver_first(&self, facet: ObjectKey, events: Vec<ObjectEvent>) {
        self.enqueue_first(facet, None, events);
    }

    fn facets(&self) -> &Facets {
        &self.facets
    }

    fn new_facet(&self) -> u64 {
        self.shared.incarnations.fetch_add(1, Ordering::Relaxed)
    }

    fn break_facet(&self, facet: &Rc<Facet>, failure: &Failure) {
        self.end_facet(facet, failure);
    }

    fn delete_facets(&self, parent: &Rc<Instance>, name: Option<&str>) -> Result<(), StorageError> {
        self.delete_stored_facets(parent, name)
    }

    fn clone_facet(&self, parent: &Rc<Instance>, from: &str, to: &str) -> Result<(), StorageError> {
        self.clone_stored_facet(parent, from, to)
    }

    fn reset(&self, instance: &Rc<Instance>, failure: Failure) {
        self.drop_instance(instance, &failure);
        let mut objects = self.objects.borrow_mut();
        let current = objects.get(&instance.key).map(|r| r.instance.incarnation);
        if current == Some(instance.incarnation) {
            let resident = objects.remove(&instance.key);
            drop(objects);
            drop(resident);
            // Works on its facets are done here.
            if instance.key.is_facet() || !self.facet_works.has(instance.key) {
                self.shared.placement.release(instance.key, self.index);
            }
        }
    }

    fn idle(&self, instance: &Rc<Instance>) {
        self.note_idle(instance);
    }

    fn is_ending(&self) -> bool {
        self.isolate.guard.is_killed()
    }

    fn abort(&self, instance: &Rc<Instance>, failure: Failure) {
        self.reset(instance, failure);
        self.isolate.guard.abort();
    }

    fn end_code(&self) {
        self.isolate.guard.abort();
    }

    fn abort_isolate(&self, failure: Failure) {
        self.end_isolate(&failure);
        self.isolate.guard.abort();
    }

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, String>>>> {
        Box::pin(crate::client_socket::connect(
            request,
            self.phase.subscribe(),
            self.shared.clone(),
        ))
    }

    fn dial(&self, host: String, port: u16, secure: bool) -> Dialing {
        Box::pin(crate::tcp::dial(host, port, secure))
    }

    fn secure(&self, stream: ByteStream, host: String) -> Dialing {
        let roots = stead_ops::engine::root_certificates().clone();
        Box::pin(async move { crate::tcp::secure(stream, &host, roots).await })
    }

    fn fetch_file(&self, request: FileRequest) -> FileFuture {
        let front = self.code.front.clone();
        Box::pin(async move { front.file(Asked::from_url(request)?).await })
    }

    fn caches(&self) -> &stead_ops::cache::Caches {
        &self.shared.caches
    }

    fn socket_says(&self, instance: &Instance, socket: u32, frame: &Frame) {
        self.tell_sent(instance, socket, frame);
    }

    fn report(&self, object: Option<String>, error: &str) {
        if self.shared.testing.is_some() {
            return self.shared.print(object, Level::Error, error, false);
        }
        self.shared.logger.error(object, error);
    }
}
