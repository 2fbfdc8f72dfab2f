//! What `crypto` on the platform has beyond the web standard: streaming digests, MD5, and a
//! comparison whose duration does not depend on the data.

use std::cell::RefCell;

use aws_lc_rs::constant_time;
use aws_lc_rs::digest;
use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;

use crate::md5::Md5;

deno_core::extension!(
    stead_digest,
    ops = [op_crypto_timing_safe_equal],
    objects = [Digester],
);

/// A hash whose input arrives in pieces. Holds nothing once finished.
pub struct Digester(RefCell<Option<Algorithm>>);

enum Algorithm {
    Md5(Md5),
    Sha(digest::Context),
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for Digester {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Digester"
    }
}

/// The algorithm's name is not one of the platform's.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class("DOMExceptionNotSupportedError")]
#[error("Unrecognized or unimplemented digest algorithm requested.")]
pub struct UnknownAlgorithm;

#[op2]
impl Digester {
    /// Starts a digest. `name` is in upper case.
    #[constructor]
    #[cppgc]
    fn new(#[string] name: &str) -> Result<Digester, UnknownAlgorithm> {
        let sha = match name {
            "MD5" => return Ok(Digester(RefCell::new(Some(Algorithm::Md5(Md5::new()))))),
            "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            "SHA-256" => &digest::SHA256,
            "SHA-384" => &digest::SHA384,
            "SHA-512" => &digest::SHA512,
            _ => return Err(UnknownAlgorithm),
        };
        let context = digest::Context::new(sha);
        Ok(Digester(RefCell::new(Some(Algorithm::Sha(context)))))
    }

    /// Adds bytes. Does nothing once finished.
    #[fast]
    fn update(&self, #[buffer] bytes: &[u8]) {
        match self.0.borrow_mut().as_mut() {
            Some(Algorithm::Md5(md5)) => md5.update(bytes),
            Some(Algorithm::Sha(context)) => context.update(bytes),
            None => {}
        }
    }

    /// The digest of everything added; empty the second time.
    #[arraybuffer]
    fn finish(&self) -> Vec<u8> {
        match self.0.borrow_mut().take() {
            Some(Algorithm::Md5(md5)) => md5.finish().to_vec(),
            Some(Algorithm::Sha(context)) => context.finish().as_ref().to_vec(),
            None => Vec::new(),
        }
    }
}

/// Whether two byte strings of the same length are equal, in time that depends on the length only.
#[op2(fast)]
fn op_crypto_timing_safe_equal(#[buffer] left: &[u8], #[buffer] right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}
