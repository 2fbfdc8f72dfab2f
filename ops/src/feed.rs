//! Bodies that an object's code streams: they break off when the object is reset, as nothing of its
//! code goes on.

use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;

use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::Resource;
use deno_core::ResourceId;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::instance::ObjectHandle;

deno_core::extension!(stead_feed, ops = [op_feed_begin, op_feed_end]);

/// The resource that code feeds from a stream; none when all of the stream is in it.
type Fed = RefCell<Option<Rc<dyn Resource>>>;

/// The bodies that one object's code feeds.
#[derive(Default)]
pub struct Feeds(RefCell<Vec<Weak<Fed>>>);

impl Feeds {
    /// Below this length the list is not searched for bodies that are whole.
    const PRUNE_ABOVE: usize = 32;

    fn add(&self, fed: &Rc<Fed>) {
        let mut list = self.0.borrow_mut();
        // Pruned only when it is about to grow, so that the cost per body is constant.
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|fed| fed.upgrade().is_some_and(|fed| fed.borrow().is_some()));
        }
        list.push(Rc::downgrade(fed));
    }

    /// Breaks off those that are not whole.
    pub fn break_off(&self) {
        for fed in self.0.take() {
            if let Some(resource) = fed.upgrade().and_then(|fed| fed.take()) {
                resource.close();
            }
        }
    }
}

/// One such body, as the script that feeds it holds it.
struct Feed(Rc<Fed>);

// SAFETY: the handle holds no references into the JavaScript heap.
unsafe impl GarbageCollected for Feed {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Feed"
    }
}

/// Notes that an object's code begins to feed a resource.
#[op2]
#[cppgc]
fn op_feed_begin(
    state: &mut OpState,
    #[cppgc] handle: &ObjectHandle,
    #[smi] rid: ResourceId,
) -> Result<Feed, JsErrorBox> {
    let resource = state.resource_table.get_any(rid);
    let resource = resource.map_err(JsErrorBox::from_err)?;
    let fed = Rc::new(RefCell::new(Some(resource)));
    handle.0.feeds.add(&fed);
    Ok(Feed(fed))
}

/// All of the stream is in it, or its feeding has failed.
#[op2(fast)]
fn op_feed_end(#[cppgc] feed: &Feed) {
    feed.0.take();
}
