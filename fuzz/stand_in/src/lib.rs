//! Stands in for `stead_ops`, which cannot be built without V8.

/// As `stead_ops::socket`.
pub mod socket {
    pub use crate::frame::Frame;
}

#[path = "../../../ops/src/frame.rs"]
mod frame;
