//! What becomes of an event whose object is not in this shard's memory.

use std::rc::Rc;

use deno_core::v8;
use stead_ops::host::Host;
use stead_ops::host::object_label;
use stead_ops::instance::Instance;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;

use crate::shard::Phase;
use crate::shard::Shard;

impl Shard {
    /// Makes an instance for an event, unless the event is another shard's, or no
    /// reason to make one; then it goes where it belongs and nothing comes back.
    pub fn admit(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) -> Option<(Rc<Instance>, v8::Global<v8::Value>, ObjectEvent)> {
        let owner = self.namespaces.get(key.namespace).worker;
        if owner != self.shared.worker {
            let process = &self.shared.process;
            process.send_to_object(owner, key, name, event);
            return None;
        }
        let of_socket = matches!(event, ObjectEvent::Socket { .. });
        if of_socket && *self.phase.borrow() == Phase::Stopping {
            // No object wakes to hear that the process closed its sockets.
            return None;
        }
        let (name, event) = match key.is_facet() {
            true => (name, event),
            false => self.hold_back(key, name, event)?,
        };
        if let ObjectEvent::Call(call) = event {
            if call.target.is_some() {
                // The value went with the instance that exported it.
                call.fail_gone();
                return None;
            }
            return self.admit_event(key, name, ObjectEvent::Call(call));
        }
        self.admit_event(key, name, event)
    }

    fn admit_event(
        &self,
        key: ObjectKey,
        name: Option<String>,
        event: ObjectEvent,
    ) -> Option<(Rc<Instance>, v8::Global<v8::Value>, ObjectEvent)> {
        if key.is_facet() {
            return self.admit_to_facet(key, event);
        }
        let shard = self.shared.placement.place(key, self.index);
        if shard != self.index {
            self.shared.send_to(shard, key, name, event);
            self.linger.begin();
            return None;
        }
        let (name, event) = self.pass_on(key, name, event)?;
        if let ObjectEvent::Socket { set, .. } = event
            && !self.holds_sockets(key, set)
        {
            // The socket went when its object was reset.
            self.release_unused(key);
            return None;
        }
        let (name, event) = self.find_room(key, name, event)?;
        match self.instantiate(key, name.clone()) {
            Ok((instance, record)) => Some((instance, record, event)),
            Err(failure) => {
                if let ObjectEvent::Alarm { .. } = event {
                    // No caller hears of it.
                    let id = key.id.to_string();
                    let label = object_label(self, key.namespace, name.as_deref(), &id);
                    self.report(Some(label), &failure.message);
                }
                event.fail(failure);
                None
            }
        }
    }
}
