#![no_main]

#[path = "../../src/sockets/frame.rs"]
#[allow(dead_code, reason = "the server uses what is left")]
mod frame;
#[path = "../../src/sockets/unvouched.rs"]
mod unvouched;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    unvouched::frames(bytes);
});
