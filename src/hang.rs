//! Requests that the worker's own code will never answer: nothing that it could wait
//! for is under way any more.
//!
//! An object's requests are not looked at, on the platform as here: another event may
//! bring what they wait for.

use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;

use stead_ops::Owed;
use stead_ops::host::Host;
use stead_ops::message::CallError;
use stead_ops::message::Failure;
use stead_ops::message::FetchResponse;

use crate::shard::Shard;

const HUNG: &str = "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/";

const ENDED: &str = "the request took longer than the end of its isolate may take";

/// The requests that the worker's own code is answering; bounded by the connections.
#[derive(Default)]
pub struct OpenRequests {
    list: RefCell<Vec<Weak<Owed<FetchResponse>>>>,
}

impl OpenRequests {
    /// Below this length the list is not searched for requests that were answered.
    const PRUNE_ABOVE: usize = 32;

    /// Notes a request.
    pub fn add(&self, owed: &Rc<Owed<FetchResponse>>) {
        let mut list = self.list.borrow_mut();
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|weak| weak.upgrade().is_some_and(|owed| owed.is_open()));
        }
        list.push(Rc::downgrade(owed));
    }

    /// Takes those that are not answered.
    fn take_open(&self) -> Vec<Rc<Owed<FetchResponse>>> {
        let list = std::mem::take(&mut *self.list.borrow_mut());
        let owed = list.iter().filter_map(Weak::upgrade);
        owed.filter(|owed| owed.is_open()).collect()
    }
}

impl Shard {
    /// Answers the requests that are open with an error, as the shard ends: they may be made
    /// again.
    pub fn refuse_open(&self) {
        for owed in self.requests.take_open() {
            owed.give(Err(CallError::Failed(Failure {
                message: ENDED.into(),
                retryable: true,
                overloaded: true,
                ..Failure::default()
            })));
        }
    }

    /// Answers the requests that hang. Called when no timer, no operation and no event
    /// of this isolate is under way.
    pub fn cancel_hung(&self) {
        for owed in self.requests.take_open() {
            self.report(None, HUNG);
            owed.give(Err(CallError::Failed(Failure {
                message: HUNG.into(),
                ..Failure::default()
            })));
        }
    }
}
