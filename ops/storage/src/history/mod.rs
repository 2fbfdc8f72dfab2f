//! The past of objects: what the journal no longer holds, per object, and any
//! state of it as a database file.
//!
//! ```text
//! <state>/history/catalog.sqlite                     what there is, in one place
//! <state>/history/<unique key>/<id>/<commit>.base    the whole database after a commit, compressed
//! <state>/history/<unique key>/<id>/<commit>.log     the records of the commits after it, compressed in blocks
//! ```
//!
//! A base and the log after it are a **generation**. The first generation of
//! an object that began here has no base: it begins with nothing.

mod archive;
mod base;
mod catalog;
mod file;
mod prune;
mod state;

pub(crate) use archive::Archived;
pub(crate) use catalog::{Catalog, Generation, Row};
pub(crate) use file::History;
pub use prune::Retention;
pub use state::Moment;
pub(crate) use state::Past;
