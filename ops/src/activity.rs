//! What keeps an object in memory: everything that is under way in its name.
//!
//! An object leaves memory only while nothing is active: no event that its code
//! still handles, no timer, no I/O that its code waits for, no socket that it
//! accepted for itself, no critical section, no `waitUntil()`.
//! <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/>

use std::rc::Rc;

use deno_core::op2;

use crate::instance::Instance;
use crate::instance::ObjectHandle;

deno_core::extension!(stead_activity, ops = [op_object_active, op_object_inactive],);

/// Something that is under way in the name of an object, which stays in memory
/// until this is dropped. Lives on the object's thread.
pub struct Activity {
    instance: Rc<Instance>,
    lasts: bool,
}

impl Activity {
    /// The object in whose name it is.
    pub fn instance(&self) -> &Rc<Instance> {
        &self.instance
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.instance.end_activity(self.lasts);
    }
}

impl Instance {
    /// Keeps the object in memory until the returned guard is dropped. For what
    /// ends by itself soon, such as the handling of an event: a code update waits
    /// for it, for a while.
    pub fn activity(self: &Rc<Self>) -> Activity {
        self.begin_activity(false);
        Activity {
            instance: self.clone(),
            lasts: false,
        }
    }

    /// The same for what may last as long as it likes, such as a timer or a
    /// connection. A code update does not wait for it.
    pub fn lasting_activity(self: &Rc<Self>) -> Activity {
        self.begin_activity(true);
        Activity {
            instance: self.clone(),
            lasts: true,
        }
    }

    /// Whether anything is under way.
    pub fn is_active(&self) -> bool {
        self.activities.get() > 0
    }

    /// Whether anything is under way that does not last.
    pub fn is_handling(&self) -> bool {
        self.activities.get() > self.lasting.get()
    }

    /// Begins something that ends with `end_activity`.
    pub(crate) fn begin_activity(&self, lasts: bool) {
        self.activities.set(self.activities.get() + 1);
        self.lasting.set(self.lasting.get() + usize::from(lasts));
    }

    pub(crate) fn end_activity(self: &Rc<Self>, lasts: bool) {
        let left = self.activities.get() - 1;
        self.activities.set(left);
        self.lasting.set(self.lasting.get() - usize::from(lasts));
        if left == 0 && !self.is_broken() {
            self.host().idle(self);
        }
    }
}

/// Begins something that JavaScript ends with `op_object_inactive`.
#[op2(fast)]
fn op_object_active(#[cppgc] handle: &ObjectHandle, lasts: bool) {
    handle.0.begin_activity(lasts);
}

/// Ends it; tells whether the instance was reset meanwhile.
#[op2(fast)]
fn op_object_inactive(#[cppgc] handle: &ObjectHandle, lasts: bool) -> bool {
    handle.0.end_activity(lasts);
    handle.0.is_broken()
}
