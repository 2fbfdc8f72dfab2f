//! The engine as a Worker sees it: globals, outgoing requests, errors, what is out of reach.

mod context;
mod errors;
mod fetch;
mod fixture;
mod globals;
mod isolation;
mod messages;
mod solo;
mod streams;
mod stubs;
