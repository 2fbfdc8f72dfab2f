//! `stead dev`: serves a project, and again after every change of its files.
//!
//! One loop owns everything that changes ([`server`]): it hears of changed files, keys and signals,
//! one after the other. What the accepting task needs of it is in [`Current`].

mod bindings;
mod classes;
mod control;
mod current;
mod keys;
mod links;
mod objects;
mod pages;
mod server;
pub mod session;
mod state;
mod triggers;
mod watch;

pub use bindings::bindings;
pub use classes::Classes;
pub use classes::recorded;
pub use control::call_alone;
pub use pages::Pages;
pub use pages::Thrown;
pub use server::PORT;
pub use server::run;
pub use session::bundle_options;
pub use state::state_dir;
