//! Values of JavaScript that others can call: functions, `RpcTarget`s, plain
//! objects. Each has a number on its shard, and lives as long as somebody holds
//! an [`Export`] of it, in a stub, in a message or in a call that is under way.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/rpc/lifecycle/>

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Waker;

use deno_core::futures::task::AtomicWaker;

use crate::instance::Instance;
use crate::message::Call;
use crate::message::CallError;
use crate::message::Failure;

/// Values that one object, or the worker's own code on one shard, may have
/// exported at a time.
pub const EXPORTS_MAX: usize = 256 * 1024;

/// Calls from other threads that may wait for one shard to take them.
const CALLS_MAX: usize = 64 * 1024;

/// A hold on an exported value. When the last one is dropped, on whichever
/// thread, the shard of the value hears of it and lets the value go.
pub struct Export {
    number: u64,
    mailbox: Arc<Mailbox>,
}

impl Export {
    /// The value's number on its shard; never used again.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Hands a call of the value to its shard, from any thread. False if the call has
    /// failed instead.
    pub fn call(&self, call: Call) -> bool {
        self.mailbox.call(call)
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.mailbox.release(self.number);
    }
}

/// What other threads tell a shard of its exports. The shard that is replaced by
/// another one keeps its mailbox: what it exported dies with it.
#[derive(Default)]
struct Mailbox {
    mail: Mutex<Mail>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Mail {
    /// Values that nobody holds any more. Bounded by the number of exports, each of
    /// which enters it once.
    released: Vec<u64>,
    calls: Vec<Call>,
    /// The shard has ended.
    closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, number: u64) {
        let mut mail = self.lock();
        if mail.closed {
            return;
        }
        mail.released.push(number);
        drop(mail);
        self.waker.wake();
    }

    fn call(&self, call: Call) -> bool {
        let mut mail = self.lock();
        let failure = match () {
            () if mail.closed => CallError::owner_gone(call.is_pipelined),
            () if mail.calls.len() >= CALLS_MAX => CallError::Failed(Failure::overloaded()),
            () => {
                mail.calls.push(call);
                drop(mail);
                self.waker.wake();
                return true;
            }
        };
        drop(mail);
        call.fail(failure);
        false
    }

    fn take(&self) -> (Vec<u64>, Vec<Call>) {
        let mut mail = self.lock();
        if mail.released.is_empty() && mail.calls.is_empty() {
            return (Vec::new(), Vec::new());
        }
        (
            std::mem::take(&mut mail.released),
            std::mem::take(&mut mail.calls),
        )
    }

    fn close(&self) {
        let mut mail = self.lock();
        mail.closed = true;
        let calls = std::mem::take(&mut mail.calls);
        drop(mail);
        for call in calls {
            call.fail_gone();
        }
    }
}

/// Whose code a call of an exported value enters.
pub enum Owner {
    /// The worker's own.
    Worker,
    /// An object's. The value died with the instance when that is gone or broken.
    Object(Weak<Instance>),
}

/// Everything that one shard exports. `owners` has an entry for each number from
/// `add` until `take_mail` has returned it.
#[derive(Default)]
pub struct Exports {
    next: Cell<u64>,
    of_worker: Cell<usize>,
    owners: RefCell<HashMap<u64, Owner>>,
    mailbox: Arc<Mailbox>,
}

/// What other threads told, and what became of values.
#[derive(Default)]
pub struct News {
    /// Values that nobody holds any more and whose owner is told so.
    pub disposed: Vec<u64>,
    /// Those whose owner is gone.
    pub dead: Vec<u64>,
    /// Calls from other threads.
    pub calls: Vec<Call>,
}

impl Exports {
    /// A number for one more value of `owner`; None when it exports too many already.
    pub fn add(&self, owner: Option<&Rc<Instance>>) -> Option<Arc<Export>> {
        let count = owner.map_or(&self.of_worker, |instance| &instance.exports);
        if count.get() >= EXPORTS_MAX {
            return None;
        }
        count.set(count.get() + 1);
        let number = self.next.get();
        self.next.set(number + 1);
        let owner = owner.map_or(Owner::Worker, |i| Owner::Object(Rc::downgrade(i)));
        self.owners.borrow_mut().insert(number, owner);
        Some(Arc::new(Export {
            number,
            mailbox: self.mailbox.clone(),
        }))
    }

    /// Whether a value is one of these.
    pub fn has(&self, export: &Export) -> bool {
        Arc::ptr_eq(&self.mailbox, &export.mailbox)
    }

    /// The living instance whose value this is; none if it is the worker's.
    ///
    /// # Errors
    /// The value's owner is gone.
    pub fn instance_of(&self, number: u64) -> Result<Option<Rc<Instance>>, OwnerGone> {
        match self.owners.borrow().get(&number) {
            None => Err(OwnerGone),
            Some(Owner::Worker) => Ok(None),
            Some(Owner::Object(instance)) => match instance.upgrade() {
                Some(instance) if !instance.is_broken() => Ok(Some(instance)),
                _ => Err(OwnerGone),
            },
        }
    }

    /// The values of one instance.
    pub fn of(&self, instance: &Rc<Instance>) -> Vec<u64> {
        let owners = self.owners.borrow();
        let its = owners.iter().filter(|(_, owner)| match owner {
            Owner::Object(owner) => std::ptr::eq(owner.as_ptr(), Rc::as_ptr(instance)),
            Owner::Worker => false,
        });
        its.map(|(number, _)| *number).collect()
    }

    /// Takes what other threads told.
    pub fn take_mail(&self) -> News {
        let (released, calls) = self.mailbox.take();
        let mut news = News {
            calls,
            ..News::default()
        };
        for number in released {
            match self.remove(number) {
                Ok(()) => news.disposed.push(number),
                Err(OwnerGone) => news.dead.push(number),
            }
        }
        news
    }

    fn remove(&self, number: u64) -> Result<(), OwnerGone> {
        let owner = self.instance_of(number);
        self.owners.borrow_mut().remove(&number);
        match owner? {
            None => self.of_worker.set(self.of_worker.get() - 1),
            Some(instance) => {
                instance.exports.set(instance.exports.get() - 1);
            }
        }
        Ok(())
    }

    /// Has `waker` woken when there is mail.
    pub fn register(&self, waker: &Waker) {
        self.mailbox.waker.register(waker);
    }
}

impl Drop for Exports {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// The code that exported a value runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerGone;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::pipeline::Pipeline;
    use tokio::sync::oneshot;

    #[test]
    fn a_value_is_released_when_its_last_hold_is_dropped() {
        let exports = Exports::default();
        let first = exports.add(None).expect("below the bound");
        let second = exports.add(None).expect("below the bound");
        assert_eq!((first.number(), second.number()), (0, 1));
        let copy = first.clone();
        drop(first);
        assert!(exports.take_mail().disposed.is_empty());
        drop(copy);
        assert_eq!(exports.take_mail().disposed, [0]);
        assert!(exports.instance_of(0).is_err());
        assert!(exports.instance_of(1).is_ok());
        drop(second);
        assert_eq!(exports.take_mail().disposed, [1]);
        assert!(exports.owners.borrow().is_empty());
    }

    #[test]
    fn a_call_reaches_the_shard_until_that_has_ended() {
        let exports = Exports::default();
        let export = exports.add(None).expect("below the bound");
        let answer = call(&export);
        assert_eq!(exports.take_mail().calls.len(), 1);
        drop(answer);
        let (mut waiting, late);
        waiting = call(&export);
        drop(exports);
        assert!(matches!(waiting.try_recv(), Ok(Err(CallError::Failed(_)))));
        late = call(&export).try_recv();
        assert!(matches!(late, Ok(Err(CallError::Failed(_)))));
    }

    fn call(export: &Arc<Export>) -> oneshot::Receiver<Result<Message, CallError>> {
        let (reply, answer) = oneshot::channel();
        let _ = export.call(Call {
            path: vec!["method".to_owned()],
            arguments: None,
            target: Some(export.clone()),
            reply,
            pipeline: Pipeline::new().1,
            measured: None,
            is_pipelined: false,
        });
        answer
    }

    #[test]
    fn at_the_bound_nothing_more_is_exported() {
        let exports = Exports::default();
        let all: Vec<_> = (0..EXPORTS_MAX).map(|_| exports.add(None)).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(exports.add(None).is_none());
        drop(all);
        exports.take_mail();
        assert!(exports.add(None).is_some());
    }
}
