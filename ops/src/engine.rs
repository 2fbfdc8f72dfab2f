//! The engine: V8, the web platform and Stead's own extensions, brought up from one snapshot.
//!
//! [`create_snapshot`] runs in the process's build script; [`new_runtime`] runs once on every
//! thread that serves JavaScript. Both take their extensions from [`extensions`], so that what a
//! snapshot holds and what is loaded from it cannot drift apart.

mod extensions;
mod former;
mod hot;
mod runtime;
mod snapshot;
mod wording;

pub use extensions::extensions;
pub use extensions::root_certificates;
pub use runtime::DispatchTable;
pub use runtime::EngineOptions;
pub use runtime::init_platform;
pub use runtime::new_runtime;
pub use snapshot::Snapshot;
pub use snapshot::SnapshotOutput;
pub use snapshot::create_snapshot;
