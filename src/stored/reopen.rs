//! Having an object start anew on its shard, because it was taken to another state from outside.

use stead_ops::host::Host;
use stead_ops::host::object_label;
use stead_ops::message::Failure;
use stead_ops::message::ObjectKey;
use tokio::sync::oneshot;

use crate::shard::Shard;
use crate::shared::Message;

/// Why the object is reset.
const RESTORED: &str = "Durable Object was reset because its storage was restored.";

impl Shard {
    /// Starts an object anew, so that what was written down for its next opening, or for that of the facet with a
    /// number, happens; `done` hears when it has.
    pub fn reopen(&self, key: ObjectKey, facet: u16, done: oneshot::Sender<()>) {
        let resident = self.objects.borrow().get(&key).map(|r| r.instance.clone());
        let mut name = None;
        if let Some(instance) = resident {
            name = instance.name.borrow().clone();
            self.reset(&instance, Failure::reset(RESTORED));
        }
        let shard = self.shared.placement.place(key, self.index);
        if shard != self.index {
            let message = Message::Reopen(key, facet, done);
            // A shard that is too busy to hear opens the object when it is needed.
            drop(self.shared.routes.try_send(shard, message));
            return;
        }
        let label = || {
            let id = key.id.to_string();
            Some(object_label(self, key.namespace, name.as_deref(), &id))
        };
        if let Err(error) = self.reopen_facet(key, facet) {
            self.report(label(), &error.to_string());
        }
        if let Err(failure) = self.instantiate(key, name.clone()) {
            self.report(label(), &failure.message);
        }
        // Nobody waits any more when the asker has gone.
        let _ = done.send(());
    }
}
