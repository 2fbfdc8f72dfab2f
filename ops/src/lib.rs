//! What JavaScript may call: the engine and Stead's deno_core extensions, one file per area.

pub mod activity;
mod alarm;
mod answer;
pub mod assets;
pub mod body;
mod clone;
pub mod console;
pub mod delivery;
pub mod digest;
pub mod engine;
pub mod event;
pub mod exception;
mod gate;
mod headers;
pub mod host;
pub mod instance;
mod kv;
mod md5;
pub mod message;
mod object_socket;
pub mod socket;
pub mod socket_set;
mod sql;
mod stub;
pub mod testing;
pub mod time;
mod transaction;
pub mod turn;
mod websocket;

pub use alarm::AlarmReply;
pub use answer::Owed;
pub use answer::OwedAlarm;
pub use websocket::JsFrame;
