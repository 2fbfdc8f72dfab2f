//! Signatures with RSA, the curves of NIST, and Ed25519. Keys come and go as DER: PKCS#8 and SubjectPublicKeyInfo.
//! <https://nodejs.org/api/crypto.html#class-sign>

use std::ops::RangeInclusive;
use std::os::raw::c_int;
use std::ptr;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::EcdsaSigningAlgorithm;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use aws_lc_sys as lc;
use deno_core::op2;

use super::key::Key;
use super::key::digest;
use super::key::forget_errors;

/// The sizes of new keys of RSA. To find a larger one would hold up the thread for minutes.
const RSA_BITS: RangeInclusive<u16> = 512..=8192;

/// Why nothing can be signed or verified; where it says so, in the platform's words.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum SignError {
    #[class(generic)]
    #[error("a key of {0} is not implemented in Stead yet.")]
    Kind(String),
    #[class(generic)]
    #[error("Failed to parse the key")]
    Key,
    #[class(generic)]
    #[error("{0}")]
    Rejected(String),
    #[class(generic)]
    #[error("Unknown digest: {0}")]
    Hash(String),
    #[class(generic)]
    #[error("Failed to initialize signing context")]
    Begin,
    #[class(generic)]
    #[error("Failed to set RSA parameters for signature")]
    Padding,
    #[class(generic)]
    #[error("Failed to set modulus length")]
    Size,
    #[class(generic)]
    #[error("Failed to generate key")]
    Made,
    #[class(generic)]
    #[error("Failed to generate signature")]
    Failed,
}

/// What a signature is made or checked with.
struct Context(*mut lc::EVP_MD_CTX);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer is what `EVP_MD_CTX_new` returned, which may be null, and freed here only.
        unsafe { lc::EVP_MD_CTX_free(self.0) }
    }
}

type Begin = unsafe extern "C" fn(
    *mut lc::EVP_MD_CTX,
    *mut *mut lc::EVP_PKEY_CTX,
    *const lc::EVP_MD,
    *mut lc::ENGINE,
    *mut lc::EVP_PKEY,
) -> c_int;

impl Context {
    /// `hash` is empty for the kinds of keys that hash by themselves. `padding` and `salt_bytes` are those of RSA.
    fn new(
        begin: Begin,
        key: &Key,
        hash: &str,
        padding: i32,
        salt_bytes: i32,
    ) -> Result<Self, SignError> {
        // SAFETY: the key is live.
        let kind = unsafe { lc::EVP_PKEY_id(key.as_ptr()) };
        let digest = match hash {
            "" => ptr::null(),
            _ => digest(hash).ok_or_else(|| SignError::Hash(hash.to_owned()))?,
        };
        if digest.is_null() && kind != lc::EVP_PKEY_ED25519 {
            return Err(SignError::Begin);
        }
        // SAFETY: it takes nothing.
        let context = Self(unsafe { lc::EVP_MD_CTX_new() });
        let mut details = ptr::null_mut();
        // SAFETY: the context is new, the digest static or null, the key live; the context refers to the key itself.
        let begun = !context.0.is_null()
            && unsafe {
                begin(
                    context.0,
                    &mut details,
                    digest,
                    ptr::null_mut(),
                    key.as_ptr(),
                )
            } == 1;
        if !begun {
            return Err(SignError::Begin);
        }
        if kind == lc::EVP_PKEY_RSA {
            // SAFETY: `details` belongs to the context, which is live.
            let set = unsafe {
                lc::EVP_PKEY_CTX_set_rsa_padding(details, padding) == 1
                    && (padding != lc::RSA_PKCS1_PSS_PADDING
                        || lc::EVP_PKEY_CTX_set_rsa_pss_saltlen(details, salt_bytes) == 1)
            };
            if !set {
                return Err(SignError::Padding);
            }
        }
        Ok(context)
    }
}

/// A signature; that of a curve of NIST is DER.
#[op2]
#[buffer]
pub fn op_node_sign(
    #[string] hash: &str,
    #[buffer] key: &[u8],
    #[buffer] data: &[u8],
    padding: i32,
    salt_bytes: i32,
) -> Result<Vec<u8>, SignError> {
    let key = Key::parse(key, true).ok_or(SignError::Key)?;
    let made = Context::new(lc::EVP_DigestSignInit, &key, hash, padding, salt_bytes)
        .and_then(|context| sign(&context, data));
    forget_errors();
    made
}

fn sign(context: &Context, data: &[u8]) -> Result<Vec<u8>, SignError> {
    let (mut length, size) = (0, data.len());
    // SAFETY: without a buffer it only says how long the signature may be.
    let asked =
        unsafe { lc::EVP_DigestSign(context.0, ptr::null_mut(), &mut length, data.as_ptr(), size) };
    if asked != 1 {
        return Err(SignError::Failed);
    }
    let mut made = vec![0; length];
    // SAFETY: the buffer has `length` bytes, and `length` says afterwards how many were written.
    let signed = unsafe {
        lc::EVP_DigestSign(
            context.0,
            made.as_mut_ptr(),
            &mut length,
            data.as_ptr(),
            size,
        )
    };
    if signed != 1 {
        return Err(SignError::Failed);
    }
    made.truncate(length);
    Ok(made)
}

/// Whether a signature is that of a key. The arguments are those of [`op_node_sign`].
#[op2(fast)]
pub fn op_node_verify(
    #[string] hash: &str,
    #[buffer] key: &[u8],
    #[buffer] data: &[u8],
    #[buffer] made: &[u8],
    padding: i32,
    salt_bytes: i32,
) -> Result<bool, SignError> {
    let key = Key::parse(key, false).ok_or(SignError::Key)?;
    let context = Context::new(lc::EVP_DigestVerifyInit, &key, hash, padding, salt_bytes);
    // SAFETY: the context is live, and both buffers are as long as is said.
    let right = context.map(|context| unsafe {
        lc::EVP_DigestVerify(
            context.0,
            made.as_ptr(),
            made.len(),
            data.as_ptr(),
            data.len(),
        ) == 1
    });
    forget_errors();
    right
}

/// The public key that belongs to a private one: DER, or the 32 bytes of an `ed25519` key.
#[op2]
#[buffer]
pub fn op_node_public_key(
    #[string] kind: &str,
    #[buffer] key: &[u8],
) -> Result<Vec<u8>, SignError> {
    let rejected = |error: aws_lc_rs::error::KeyRejected| SignError::Rejected(error.to_string());
    match kind {
        "ed25519" => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(rejected)?;
            Ok(pair.public_key().as_ref().to_vec())
        }
        "rsa" => {
            let key = Key::parse(key, true).ok_or(SignError::Key)?;
            key.to_spki().ok_or(SignError::Failed)
        }
        _ => {
            let algorithm = curve(kind).ok_or_else(|| SignError::Kind(kind.to_owned()))?;
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, key).map_err(rejected)?;
            let der: PublicKeyX509Der<'_> =
                pair.public_key().as_der().map_err(|_| SignError::Failed)?;
            Ok(der.as_ref().to_vec())
        }
    }
}

/// A new private key, as PKCS#8. `bits` and `exponent` are those of an RSA key.
#[op2]
#[buffer]
pub fn op_node_generate_key(
    #[string] kind: &str,
    bits: u32,
    exponent: u32,
) -> Result<Vec<u8>, SignError> {
    let random = SystemRandom::new();
    let made = match kind {
        "ed25519" => Ed25519KeyPair::generate_pkcs8v1(&random),
        "rsa" => {
            let bits = u16::try_from(bits).ok();
            let bits = bits.filter(|bits| RSA_BITS.contains(bits));
            let key = Key::generate_rsa(bits.ok_or(SignError::Size)?, exponent);
            return key.and_then(|key| key.to_pkcs8()).ok_or(SignError::Made);
        }
        _ => {
            let algorithm = curve(kind).ok_or_else(|| SignError::Kind(kind.to_owned()))?;
            EcdsaKeyPair::generate_pkcs8(algorithm, &random)
        }
    };
    Ok(made.map_err(|_| SignError::Failed)?.as_ref().to_vec())
}

/// A key of a curve is the same for all hashes.
fn curve(name: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    Some(match name {
        "P-256" => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        "P-384" => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        "P-521" => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        _ => return None,
    })
}
