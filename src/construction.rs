//! Making an instance: its storage is opened, its constructor runs.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use deno_core::cppgc::make_cppgc_object;
use deno_core::v8;
use stead_ops::facet::Nest;
use stead_ops::host::HostRef;
use stead_ops::instance::Instance;
use stead_ops::instance::ObjectHandle;
use stead_ops::message::Failure;
use stead_ops::message::ObjectKey;
use stead_storage::Database;
use stead_storage::ObjectId;
use stead_storage::ObjectName;
use stead_storage::StorageError;

use crate::isolate::bytes_to_js;
use crate::isolate::call;
use crate::isolate::string;
use crate::objects::Resident;
use crate::shard::Shard;

impl Shard {
    /// Opens the object's storage and runs its constructor.
    pub fn instantiate(
        &self,
        key: ObjectKey,
        name: Option<String>,
    ) -> Result<(Rc<Instance>, v8::Global<v8::Value>), Failure> {
        let now_ms = self.shared.clock.now_ms();
        let allowed = self.shared.kills.check(key, now_ms);
        let made = allowed.and_then(|()| self.construct(key, name, None));
        if made.is_err() {
            self.objects.borrow_mut().remove(&key);
            let sockets = self.sleeping.borrow_mut().remove(&key);
            drop(sockets);
            self.shared.placement.release(key, self.index);
        }
        made
    }

    /// Makes an instance of an object or, with what its class is, of a facet.
    pub fn construct(
        &self,
        key: ObjectKey,
        name: Option<String>,
        facet: Option<(Nest, Rc<[u8]>)>,
    ) -> Result<(Rc<Instance>, v8::Global<v8::Value>), Failure> {
        let shared = &self.shared;
        if !self.exports_class(key.namespace) {
            let class = &self.namespaces.get(key.namespace).class;
            return Err(Failure {
                message: format!("the worker's code has no object class `{class}` any more"),
                ..Failure::default()
            });
        }
        let namespace = self.namespaces.get(key.namespace);
        let unique_key = &namespace.unique_key;
        let failed = |error: stead_storage::StorageError| Failure::reset(error.to_string());
        let (nest, start) = match facet {
            None => (Nest::default(), None),
            Some((nest, start)) => (nest, Some(start)),
        };
        let id = key.id.with_facet(nest.number());
        shared.bring(unique_key, &id).map_err(failed)?;
        shared
            .state
            .namespace_dir(&shared.storage_key(unique_key))
            .map_err(failed)?;
        let incarnation = shared.incarnations.fetch_add(1, Ordering::Relaxed);
        let seat = shared.process.residents.seat();
        let database = self.open_database(key, &id, incarnation).map_err(failed)?;
        database
            .stop_when(self.isolate.guard.sql_interrupt())
            .map_err(failed)?;
        database
            .bound_size(shared.limits.storage_bytes)
            .map_err(failed)?;
        database.set_name(name.as_deref());
        if database.was_restored() && !key.is_facet() {
            let alarm = database.alarm().map_err(failed)?;
            shared.alarms.set(key, unique_key, name.clone(), alarm);
        }
        let host: HostRef = self.me.upgrade().expect("a shard runs its own methods");
        let sockets = self.wake_sockets(key, name.as_deref());
        let instance = Instance::new(
            key,
            incarnation,
            name.clone(),
            database,
            sockets,
            host,
            self.turn.clone(),
            nest,
        );
        let (record, used) = self.isolate.enter_for(|scope| {
            let arguments = [
                make_cppgc_object(scope, ObjectHandle(instance.clone())).into(),
                v8::Integer::new(scope, key.namespace.into()).into(),
                string(scope, &key.id.to_string()),
                match &name {
                    None => v8::null(scope).into(),
                    Some(name) => string(scope, name),
                },
                match &start {
                    None => v8::null(scope).into(),
                    Some(start) => bytes_to_js(scope, start),
                },
            ];
            match call(scope, &self.isolate.dispatch.construct, &arguments) {
                Ok(record) => Ok(record),
                Err(thrown) => {
                    let text = v8::Local::new(scope, &thrown).to_detail_string(scope);
                    let text = text.map(|text| text.to_rust_string_lossy(scope));
                    Err((self.clone_thrown(scope, &thrown), text.unwrap_or_default()))
                }
            }
        });
        self.settle_kills();
        self.count(&instance, used);
        let record = match record {
            Ok(record) => record,
            Err((thrown, text)) => {
                let thrown = Failure::reset_by(format!("the constructor threw {text}"), thrown);
                // The object's code may have reset it with a reason of its own.
                let failure = instance.failure().unwrap_or(thrown);
                self.drop_instance(&instance, &failure);
                return Err(failure);
            }
        };
        if let Some(failure) = instance.failure() {
            return Err(failure);
        }
        let resident = Resident::new(instance.clone(), record.clone(), seat);
        self.objects.borrow_mut().insert(key, resident);
        self.end_turn();
        if !instance.is_active() {
            // An event that does not enter leaves nothing behind that would tell.
            self.note_idle(&instance);
        }
        Ok((instance, record))
    }

    /// Opens the database of an object or a facet; what becomes of its commits is told
    /// with the key and the incarnation.
    pub fn open_database(
        &self,
        key: ObjectKey,
        id: &ObjectId,
        incarnation: u64,
    ) -> Result<Rc<Database>, StorageError> {
        let shared = &self.shared;
        let object = self.stored_name(key, id);
        let synced = self.synced.clone();
        // Without a receiver the shard has stopped.
        let notify = move |event| drop(synced.send((key, incarnation, event)));
        let (journal, lane) = (&shared.journal, &self.lane);
        Database::open_in(journal, &object, &shared.storage, lane, Box::new(notify)).map(Rc::new)
    }

    /// Under which name the object, or a facet, is stored.
    pub fn stored_name(&self, key: ObjectKey, id: &ObjectId) -> ObjectName {
        let namespace = self.namespaces.get(key.namespace);
        ObjectName {
            unique_key: self.shared.storage_key(&namespace.unique_key).into(),
            id: *id,
        }
    }

    fn clone_thrown(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        thrown: &v8::Global<v8::Value>,
    ) -> Vec<u8> {
        let thrown = v8::Local::new(scope, thrown);
        let bytes = call(scope, &self.isolate.dispatch.clone_thrown, &[thrown]);
        let Ok(bytes) = bytes else { return Vec::new() };
        let bytes = v8::Local::new(scope, bytes);
        let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(bytes) else {
            return Vec::new();
        };
        let mut copy = vec![0; view.byte_length()];
        view.copy_contents(&mut copy);
        copy
    }
}
