//! Something that is said to somebody, and may cross threads.

use std::rc::Rc;
use std::sync::Arc;

use crate::callee::Callee;
use crate::entrypoint::Entrypoint;
use crate::entrypoint::WorkerEvent;
use crate::host::HostRef;
use crate::instance::Instance;
use crate::message::Call;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::ObjectEvent;
use crate::message::ObjectKey;

/// An event and whom it is for.
pub enum Parcel {
    /// An event for an object, with the name from which its id was derived, if known.
    Object(ObjectKey, Option<String>, ObjectEvent),
    /// A call of an exported value.
    Export(Call),
    /// An event for an entrypoint.
    Worker(Arc<Entrypoint>, WorkerEvent),
}

impl Parcel {
    /// A call of what a stub leads to.
    pub fn of_call(callee: Callee, mut call: Call) -> Parcel {
        match callee {
            Callee::Object(key, name) => Parcel::Object(key, name, ObjectEvent::Call(call)),
            Callee::Export(export) => {
                call.target = Some(export);
                Parcel::Export(call)
            }
            Callee::Entrypoint(entrypoint) => Parcel::Worker(entrypoint, WorkerEvent::Call(call)),
        }
    }

    /// Tells whoever waits for an answer that there will be none.
    pub fn fail(self, failure: Failure) {
        match self {
            Parcel::Object(_, _, event) => event.fail(failure),
            Parcel::Export(call) => call.fail(CallError::Failed(failure)),
            Parcel::Worker(_, event) => event.fail(failure),
        }
    }

    /// Sends it; if an object says it, once all that it wrote is durable.
    pub fn say(self, host: HostRef, speaker: Option<Rc<Instance>>) {
        let Some(speaker) = speaker else {
            return host.send(self);
        };
        speaker.say(move |durable| match durable {
            Ok(()) => host.send(self),
            Err(broken) => self.fail(Failure::reset(broken.message)),
        });
    }
}
