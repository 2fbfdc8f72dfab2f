//! A process of one shard that has no object: what exports, messages and their attachments need.

use std::pin::Pin;
use std::rc::Rc;

use deno_core::JsRuntime;
use stead_ops::assets::FileFuture;
use stead_ops::assets::FileRequest;
use stead_ops::cache::Caches;
use stead_ops::export::Exports;
use stead_ops::facet::Facet;
use stead_ops::facet::Facets;
use stead_ops::frame::Frame;
use stead_ops::host::ByteStream;
use stead_ops::host::ConnectRequest;
use stead_ops::host::Connected;
use stead_ops::host::Dialing;
use stead_ops::host::Host;
use stead_ops::host::HostRef;
use stead_ops::host::Namespace;
use stead_ops::instance::Instance;
use stead_ops::message::Failure;
use stead_ops::message::NamespaceIndex;
use stead_ops::message::ObjectEvent;
use stead_ops::message::ObjectKey;
use stead_ops::parcel::Parcel;
use stead_storage::StorageError;

/// Why a method of the host is not there.
const NOBODY: &str = "nobody has objects, or asks the world for anything";

pub struct Solo {
    exports: Exports,
    facets: Facets,
    caches: Caches,
}

impl Solo {
    /// Makes it the process of a runtime.
    pub fn install(runtime: &mut JsRuntime) -> Rc<Solo> {
        let solo = Rc::new(Solo {
            exports: Exports::default(),
            facets: Facets::default(),
            caches: Caches::new(0),
        });
        let host: HostRef = solo.clone();
        runtime.op_state().borrow_mut().put(host);
        solo
    }

    /// How many values were exported, and how many of those nobody holds any more.
    pub fn exported_and_released(&self) -> (usize, usize) {
        let released = self.exports.take_mail().disposed.len();
        let next = self.exports.add(None).expect("below the bound").number();
        (usize::try_from(next).expect("few"), released)
    }
}

impl Host for Solo {
    fn shard(&self) -> usize {
        0
    }

    fn now_ms(&self) -> i64 {
        0
    }

    fn exports(&self) -> &Exports {
        &self.exports
    }

    fn facets(&self) -> &Facets {
        &self.facets
    }

    fn caches(&self) -> &Caches {
        &self.caches
    }

    fn is_ending(&self) -> bool {
        false
    }

    fn report(&self, object: Option<String>, error: &str) {
        panic!("{object:?}: {error}");
    }

    fn random_id(&self) -> [u8; 16] {
        unreachable!("{NOBODY}")
    }

    fn namespace(&self, _: NamespaceIndex) -> Rc<Namespace> {
        unreachable!("{NOBODY}")
    }

    fn send(&self, _: Parcel) {
        unreachable!("{NOBODY}")
    }

    fn call(&self, _: ObjectKey, _: Option<String>, _: ObjectEvent) {
        unreachable!("{NOBODY}")
    }

    fn resume(&self, _: &Rc<Instance>, _: Vec<ObjectEvent>) {
        unreachable!("{NOBODY}")
    }

    fn deliver_first(&self, _: ObjectKey, _: Vec<ObjectEvent>) {
        unreachable!("{NOBODY}")
    }

    fn new_facet(&self) -> u64 {
        unreachable!("{NOBODY}")
    }

    fn break_facet(&self, _: &Rc<Facet>, _: &Failure) {
        unreachable!("{NOBODY}")
    }

    fn delete_facets(&self, _: &Rc<Instance>, _: Option<&str>) -> Result<(), StorageError> {
        unreachable!("{NOBODY}")
    }

    fn clone_facet(&self, _: &Rc<Instance>, _: &str, _: &str) -> Result<(), StorageError> {
        unreachable!("{NOBODY}")
    }

    fn reset(&self, _: &Rc<Instance>, _: Failure) {
        unreachable!("{NOBODY}")
    }

    fn idle(&self, _: &Rc<Instance>) {
        unreachable!("{NOBODY}")
    }

    fn abort(&self, _: &Rc<Instance>, _: Failure) {
        unreachable!("{NOBODY}")
    }

    fn end_code(&self) {
        unreachable!("{NOBODY}")
    }

    fn abort_isolate(&self, _: Failure) {
        unreachable!("{NOBODY}")
    }

    fn connect(
        &self,
        _: ConnectRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, String>>>> {
        unreachable!("{NOBODY}")
    }

    fn dial(&self, _: String, _: u16, _: bool) -> Dialing {
        unreachable!("{NOBODY}")
    }

    fn secure(&self, _: ByteStream, _: String) -> Dialing {
        unreachable!("{NOBODY}")
    }

    fn fetch_file(&self, _: FileRequest) -> FileFuture {
        unreachable!("{NOBODY}")
    }

    fn socket_says(&self, _: &Instance, _: u32, _: &Frame) {
        unreachable!("{NOBODY}")
    }
}
