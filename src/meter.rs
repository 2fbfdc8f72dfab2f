//! The processor's time that events take, over all of their turns.
//!
//! An object may take so much after each event that it gets; a request or a call of the
//! worker's own code so much in all. How turns are measured says `accounts`.
//! <https://developers.cloudflare.com/durable-objects/platform/limits/>

use std::rc::Rc;
use std::time::Duration;

use deno_core::v8;
use stead_ops::Owed;
use stead_ops::host::Host;
use stead_ops::instance::Instance;

use crate::shard::Shard;
use crate::verdict::OBJECT_CPU;
use crate::verdict::Speaker;
use crate::verdict::WORKER_CPU;
use crate::verdict::exceeded;

impl Shard {
    /// Counts what was seen of the turns since the last call. Called between turns.
    pub fn settle_samples(&self) {
        for sample in self.isolate.guard.take_samples() {
            match self.speaker(&sample.mapping) {
                Speaker::Object(instance) => self.count(&instance, sample.used),
                Speaker::Request(owed) => {
                    self.count_owed(&owed, sample.used, Some(&sample.mapping));
                }
                Speaker::Call(owed) => self.count_owed(&owed, sample.used, Some(&sample.mapping)),
                Speaker::Nobody => {}
            }
        }
    }

    /// Counts a turn for an object.
    pub fn count(&self, instance: &Rc<Instance>, used: Duration) {
        let total = instance.cpu_used.get() + used;
        instance.cpu_used.set(total);
        if total >= self.shared.limits.cpu && instance.failure().is_none() {
            self.report(Some(instance.label()), OBJECT_CPU);
            let now_ms = self.shared.clock.now_ms();
            self.shared.kills.note(instance.key.root(), now_ms);
            self.reset(instance, exceeded(OBJECT_CPU));
        }
    }

    /// Counts a turn for a request or a call; `mapping` is what V8 kept for its code, if that is
    /// known.
    pub fn count_owed<T: 'static>(
        &self,
        owed: &Rc<Owed<T>>,
        used: Duration,
        mapping: Option<&v8::Global<v8::Value>>,
    ) {
        let total = owed.cpu_used.get() + used;
        owed.cpu_used.set(total);
        if total < self.shared.limits.cpu {
            return;
        }
        // Its code has no object that would end with it.
        if let Some(mapping) = mapping {
            self.isolate.guard.condemn(mapping);
        }
        self.fail_owed(owed, mapping, WORKER_CPU);
    }
}
