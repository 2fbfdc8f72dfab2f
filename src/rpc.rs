//! Calls of exported values and of the worker's entrypoints, and the end of values
//! that nobody holds any more.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use deno_core::cppgc::make_cppgc_object;
use deno_core::v8;
use stead_ops::assets::FileRequest;
use stead_ops::body::Body;
use stead_ops::entrypoint::Entrypoint;
use stead_ops::entrypoint::WorkerEvent;
use stead_ops::event::IncomingCall;
use stead_ops::event::IncomingRequest;
use stead_ops::export::OwnerGone;
use stead_ops::instance::Instance;
use stead_ops::message::Call;
use stead_ops::message::CallError;
use stead_ops::message::Failure;
use stead_ops::message::FetchRequest;
use stead_ops::message::FetchResponse;
use stead_ops::message::ObjectEvent;
use stead_ops::message::Reply;
use stead_ops::parcel::Parcel;

use crate::assets::Asked;
use crate::http::Counted;
use crate::isolate::bytes_to_js;
use crate::isolate::call;
use crate::isolate::string;
use crate::shard::Shard;

/// The exported name of the worker itself.
const DEFAULT: &str = "default";

impl Shard {
    /// Sends a call to the shard that exports its target.
    pub fn send_export_call(&self, call: Call) {
        match call.target.clone() {
            Some(export) if self.exports.has(&export) => self.enqueue_call(Parcel::Export(call)),
            Some(export) => {
                let time = self.shared.clock.virtual_time();
                time.inspect(|time| time.sent());
                if !export.call(call) {
                    time.inspect(|time| time.taken());
                }
            }
            None => call.fail_gone(),
        }
    }

    /// Delivers a call to the code that exported its target.
    pub fn deliver_export_call(&self, call: Call) {
        match self.owner_of(&call) {
            Err(OwnerGone) => call.fail_gone(),
            Ok(None) => self.enter_worker_call(None, call),
            Ok(Some(instance)) => self.offer(&instance, ObjectEvent::Call(call)),
        }
    }

    /// The living instance whose value is called; none if it is the worker's.
    pub fn owner_of(&self, call: &Call) -> Result<Option<Rc<Instance>>, OwnerGone> {
        let export = call.target.as_ref().ok_or(OwnerGone)?;
        self.exports.instance_of(export.number())
    }

    /// Delivers an event to an entrypoint, of this worker or of another one.
    pub fn deliver_to_entrypoint(&self, entrypoint: Arc<Entrypoint>, event: WorkerEvent) {
        if entrypoint.worker == self.shared.worker {
            return match event {
                WorkerEvent::Fetch { request, reply } if self.has_files(&entrypoint) => {
                    self.fetch_behind_files(entrypoint, request, reply);
                }
                event => self.enter_entrypoint(&entrypoint, event),
            };
        }
        let process = &self.shared.process;
        process.send_to_entrypoint(self.index, entrypoint, event);
    }

    /// Takes an event that another worker has for an entrypoint of this one.
    pub fn receive_for_entrypoint(&self, entrypoint: Arc<Entrypoint>, event: WorkerEvent) {
        if self.retirement_deadline().is_some() {
            // It came while the successor took this shard's place.
            return self
                .shared
                .send_to_entrypoint(self.index, entrypoint, event);
        }
        self.enqueue(Parcel::Worker(entrypoint, event));
    }

    /// Whether static files come before an entrypoint. They belong to the worker's own handler.
    fn has_files(&self, entrypoint: &Entrypoint) -> bool {
        self.code.front.assets.is_some() && entrypoint.name == DEFAULT
    }

    /// Answers another worker's request as one of the world's is answered: files first.
    fn fetch_behind_files(
        &self,
        entrypoint: Arc<Entrypoint>,
        request: FetchRequest,
        reply: Reply<FetchResponse>,
    ) {
        let Some(shard) = self.me.upgrade() else {
            return;
        };
        let counted = Counted::new(&shard);
        deno_core::unsync::spawn(async move {
            let asked = Asked::from_url(FileRequest {
                method: request.method.clone(),
                url: request.url.clone(),
                headers: request.headers.clone(),
            });
            let found = match asked {
                Some(asked) => shard.code.front.routed(asked).await,
                None => None,
            };
            match found {
                None => shard.enter_entrypoint(&entrypoint, WorkerEvent::Fetch { request, reply }),
                Some(response) => drop(reply.send(Ok(to_fetch_response(response)))),
            }
            drop(counted);
        });
    }

    /// Hands an event to an entrypoint.
    fn enter_entrypoint(&self, entrypoint: &Entrypoint, event: WorkerEvent) {
        match event {
            WorkerEvent::Call(call) => self.enter_worker_call(Some(entrypoint), call),
            WorkerEvent::Fetch { request, reply } => {
                let native = IncomingRequest::for_entrypoint(request, reply, &self.worker_owes);
                let owed = native.owed();
                let (entered, used) = self.isolate.enter_for(|scope| {
                    let native = make_cppgc_object(scope, native).into();
                    let [name, props] = entrypoint_to_js(scope, entrypoint);
                    let function = &self.isolate.dispatch.entrypoint_fetch;
                    call(scope, function, &[native, name, props]).is_ok()
                });
                if !entered && !self.isolate.guard.is_killed() {
                    owed.give(Err(CallError::Failed(Failure::lost())));
                }
                self.end_turn();
                self.count_owed(&owed, used, None);
            }
        }
    }

    /// Hands a call to the worker's own code: of an entrypoint, or of a value that
    /// such code exported.
    fn enter_worker_call(&self, entrypoint: Option<&Entrypoint>, event: Call) {
        let native = IncomingCall::for_worker(event, &self.worker_owes);
        let owed = native.owed();
        let (entered, used) = self.isolate.enter_for(|scope| {
            let native = make_cppgc_object(scope, native).into();
            let undefined = v8::undefined(scope).into();
            let [name, props] = match entrypoint {
                Some(entrypoint) => entrypoint_to_js(scope, entrypoint),
                None => [undefined, undefined],
            };
            let function = &self.isolate.dispatch.worker_call;
            call(scope, function, &[native, name, props]).is_ok()
        });
        if !entered && !self.isolate.guard.is_killed() {
            owed.give(Err(CallError::Failed(Failure::lost())));
        }
        self.end_turn();
        self.count_owed(&owed, used, None);
    }

    /// Takes what other threads told of this shard's exports: queues their calls, lets
    /// values go that nobody holds any more, and tells those that have a disposer.
    /// `waker` is woken when there is more.
    pub fn take_mail(&self, waker: &Waker) {
        self.exports.register(waker);
        let mut news = self.exports.take_mail();
        for call in news.calls {
            self.enqueue(Parcel::Export(call));
            let time = self.shared.clock.virtual_time();
            time.inspect(|time| time.taken());
        }
        news.dead.append(&mut self.forgotten.borrow_mut());
        if news.disposed.is_empty() && news.dead.is_empty() {
            return;
        }
        let entered = self.isolate.enter(|scope| {
            let disposed = numbers_to_js(scope, &news.disposed);
            let dead = numbers_to_js(scope, &news.dead);
            call(scope, &self.isolate.dispatch.release, &[disposed, dead]).is_ok()
        });
        if !entered && !self.isolate.guard.is_killed() {
            let text = "internal error: values were not released";
            self.shared.logger.error(None, text);
        }
        self.end_turn();
    }

    /// Ends what an instance that leaves memory shares with others: the stubs that it
    /// holds, and the values that others hold of it.
    pub fn end_sharing(&self, instance: &Rc<Instance>) {
        instance.held.drop_all();
        if instance.exports.get() > 0 {
            let dead = self.exports.of(instance);
            self.forgotten.borrow_mut().extend(dead);
            self.wake();
        }
    }
}

fn to_fetch_response(response: http::Response<bytes::Bytes>) -> FetchResponse {
    let (parts, body) = response.into_parts();
    FetchResponse {
        status: parts.status.as_u16(),
        status_text: parts
            .status
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
        headers: parts.headers,
        body: if body.is_empty() {
            Body::Empty
        } else {
            Body::Full(body)
        },
        socket: None,
    }
}

fn entrypoint_to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    entrypoint: &Entrypoint,
) -> [v8::Local<'s, v8::Value>; 2] {
    let name = string(scope, &entrypoint.name);
    let Some(props) = &entrypoint.props else {
        return [name, v8::null(scope).into()];
    };
    [name, bytes_to_js(scope, props)]
}

fn numbers_to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    numbers: &[u64],
) -> v8::Local<'s, v8::Value> {
    let numbers: Vec<v8::Local<v8::Value>> = numbers
        .iter()
        .map(|number| v8::Number::new(scope, *number as f64).into())
        .collect();
    v8::Array::new_with_elements(scope, &numbers).into()
}
