//! What JavaScript may call: the engine and Stead's deno_core extensions, one file per area.

pub mod console;
pub mod digest;
pub mod engine;
pub mod exception;
mod md5;
