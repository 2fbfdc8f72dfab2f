//! The processor's time that events take, over all of their turns.
//!
//! An object may take so much after each event that it gets; a request or a call of the
//! worker's own code so much in all. The watchdog looks at what runs every few
//! milliseconds, so turns that are shorter do not count, and of longer ones a little less
//! than they took.
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

/// Processor time that some code has taken.
pub struct Sample {
    /// What V8 kept for the code: on whose behalf it spoke.
    pub mapping: v8::Global<v8::Value>,
    /// How much.
    pub used: Duration,
}

impl Shard {
    /// Counts what was seen of the turns since the last call. Called between turns.
    pub fn settle_samples(&self) {
        for sample in self.isolate.guard.take_samples() {
            match self.speaker(&sample.mapping) {
                Speaker::Object(instance) => self.count(&instance, sample.used),
                Speaker::Request(owed) => self.count_owed(&owed, &sample),
                Speaker::Call(owed) => self.count_owed(&owed, &sample),
                Speaker::Nobody => {}
            }
        }
    }

    fn count(&self, instance: &Rc<Instance>, used: Duration) {
        let total = instance.cpu_used.get() + used;
        instance.cpu_used.set(total);
        if total >= self.shared.limits.cpu && instance.failure().is_none() {
            self.report(Some(instance.label()), OBJECT_CPU);
            let now_ms = self.shared.clock.now_ms();
            self.shared.kills.note(instance.key.root(), now_ms);
            self.reset(instance, exceeded(OBJECT_CPU));
        }
    }

    fn count_owed<T: 'static>(&self, owed: &Rc<Owed<T>>, sample: &Sample) {
        let total = owed.cpu_used.get() + sample.used;
        owed.cpu_used.set(total);
        if total < self.shared.limits.cpu {
            return;
        }
        // Its code has no object that would end with it.
        self.isolate.guard.condemn(&sample.mapping);
        self.fail_owed(owed, &sample.mapping, WORKER_CPU);
    }
}
