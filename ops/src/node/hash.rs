//! Hashes and HMAC, in pieces and at once.
//! <https://nodejs.org/api/crypto.html#class-hash>

use std::cell::RefCell;

use aws_lc_rs::digest;
use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;

use crate::md5::Md5;

/// What is wrong with what was asked of `node:crypto`.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum HashError {
    /// There is no such hash.
    #[class(generic)]
    #[error("Digest method not supported")]
    Unknown,
}

/// A hash that has seen some of its input.
#[derive(Clone)]
pub(super) enum Context {
    Md5(Md5),
    Other(digest::Context),
}

impl Context {
    /// `name` as Node spells it, in lower case and without dashes: `sha256`, `sha3512`, `md5`.
    pub(super) fn new(name: &str) -> Result<Context, HashError> {
        let algorithm = match name {
            "md5" => return Ok(Context::Md5(Md5::new())),
            "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            "sha224" => &digest::SHA224,
            "sha256" => &digest::SHA256,
            "sha384" => &digest::SHA384,
            "sha512" => &digest::SHA512,
            "sha512/256" => &digest::SHA512_256,
            "sha3256" => &digest::SHA3_256,
            "sha3384" => &digest::SHA3_384,
            "sha3512" => &digest::SHA3_512,
            _ => return Err(HashError::Unknown),
        };
        Ok(Context::Other(digest::Context::new(algorithm)))
    }

    /// How many bytes the hash takes at a time, which HMAC is defined by.
    fn block_bytes(&self) -> usize {
        match self {
            Context::Md5(_) => 64,
            Context::Other(context) => context.algorithm().block_len(),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Context::Md5(md5) => md5.update(bytes),
            Context::Other(context) => context.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Context::Md5(md5) => md5.finish().to_vec(),
            Context::Other(context) => context.finish().as_ref().to_vec(),
        }
    }
}

/// A keyed hash (RFC 2104), over any of the hashes.
#[derive(Clone)]
pub(super) struct Hmac {
    inner: Context,
    outer: Context,
}

impl Hmac {
    pub(super) fn new(name: &str, key: &[u8]) -> Result<Hmac, HashError> {
        let (mut inner, mut outer) = (Context::new(name)?, Context::new(name)?);
        let mut block = if key.len() > inner.block_bytes() {
            let mut hash = Context::new(name)?;
            hash.update(key);
            hash.finish()
        } else {
            key.to_vec()
        };
        block.resize(inner.block_bytes(), 0);
        let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
        inner.update(&padded(0x36));
        outer.update(&padded(0x5c));
        Ok(Hmac { inner, outer })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.outer.update(&self.inner.finish());
        self.outer.finish()
    }
}

/// `crypto.createHash()` and `crypto.createHmac()`. Holds nothing once finished.
pub struct NodeHash(RefCell<Option<State>>);

#[derive(Clone)]
enum State {
    Hash(Context),
    Hmac(Hmac),
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for NodeHash {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"NodeHash"
    }
}

#[op2]
impl NodeHash {
    /// Starts a hash; with a key, an HMAC.
    #[constructor]
    #[cppgc]
    fn new(
        #[string] name: &str,
        is_hmac: bool,
        #[buffer] key: &[u8],
    ) -> Result<NodeHash, HashError> {
        let state = match is_hmac {
            true => State::Hmac(Hmac::new(name, key)?),
            false => State::Hash(Context::new(name)?),
        };
        Ok(NodeHash(RefCell::new(Some(state))))
    }

    /// Adds bytes. Does nothing once finished.
    #[fast]
    fn update(&self, #[buffer] bytes: &[u8]) {
        match self.0.borrow_mut().as_mut() {
            Some(State::Hash(context)) => context.update(bytes),
            Some(State::Hmac(hmac)) => hmac.update(bytes),
            None => {}
        }
    }

    /// Another one that has seen the same.
    #[cppgc]
    fn copy(&self) -> NodeHash {
        NodeHash(RefCell::new(self.0.borrow().clone()))
    }

    /// The hash of everything added; empty the second time.
    #[buffer]
    fn finish(&self) -> Vec<u8> {
        match self.0.borrow_mut().take() {
            Some(State::Hash(context)) => context.finish(),
            Some(State::Hmac(hmac)) => hmac.finish(),
            None => Vec::new(),
        }
    }
}
