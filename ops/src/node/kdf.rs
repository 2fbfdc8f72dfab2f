//! Keys from passwords and from other keys. What takes long can be had on a thread that runs no JavaScript.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use deno_core::op2;
use deno_core::unsync::spawn_blocking;

use super::hash::HashError;
use super::hash::Hmac;

/// What is wrong with what was asked of a derivation.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum KdfError {
    #[class(inherit)]
    #[error(transparent)]
    Hash(#[from] HashError),
    /// HKDF gives at most 255 hashes.
    #[class(range)]
    #[error("Invalid key length")]
    Length,
    /// The parameters of scrypt do not go together, or need more memory than they may.
    #[class(range)]
    #[error("Invalid scrypt params: {0}")]
    Scrypt(&'static str),
    /// The thread that derived is gone.
    #[class(generic)]
    #[error("the derivation was given up")]
    Gone,
}

/// `crypto.pbkdf2Sync()`.
#[op2]
#[buffer]
pub fn op_node_pbkdf2_sync(
    #[buffer] password: &[u8],
    #[buffer] salt: &[u8],
    iterations: u32,
    length: u32,
    #[string] hash: &str,
) -> Result<Vec<u8>, KdfError> {
    pbkdf2(password, salt, iterations, length, hash)
}

/// `crypto.pbkdf2()`.
#[op2]
#[buffer]
pub async fn op_node_pbkdf2(
    #[buffer(copy)] password: Vec<u8>,
    #[buffer(copy)] salt: Vec<u8>,
    iterations: u32,
    length: u32,
    #[string] hash: String,
) -> Result<Vec<u8>, KdfError> {
    let derive = move || pbkdf2(&password, &salt, iterations, length, &hash);
    spawn_blocking(derive).await.map_err(|_| KdfError::Gone)?
}

fn pbkdf2(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: u32,
    hash: &str,
) -> Result<Vec<u8>, KdfError> {
    let algorithm = match hash {
        "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
        "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
        "sha384" => pbkdf2::PBKDF2_HMAC_SHA384,
        "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return Err(HashError::Unknown.into()),
    };
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    let mut key = vec![0; length as usize];
    if !key.is_empty() {
        pbkdf2::derive(algorithm, iterations, salt, password, &mut key);
    }
    Ok(key)
}

/// `crypto.hkdfSync()` (RFC 5869).
#[op2]
#[buffer]
pub fn op_node_hkdf(
    #[string] hash: &str,
    #[buffer] key: &[u8],
    #[buffer] salt: &[u8],
    #[buffer] info: &[u8],
    length: u32,
) -> Result<Vec<u8>, KdfError> {
    let mut extract = Hmac::new(hash, salt)?;
    extract.update(key);
    let secret = extract.finish();
    let length = length as usize;
    if length > 255 * secret.len() {
        return Err(KdfError::Length);
    }
    let (mut derived, mut last) = (Vec::with_capacity(length), Vec::new());
    for counter in 1..=u8::MAX {
        if derived.len() >= length {
            break;
        }
        let mut expand = Hmac::new(hash, &secret)?;
        expand.update(&last);
        expand.update(info);
        expand.update(&[counter]);
        last = expand.finish();
        derived.extend_from_slice(&last);
    }
    derived.truncate(length);
    Ok(derived)
}

/// `crypto.scryptSync()`. `memory_max` is in bytes.
#[op2]
#[buffer]
pub fn op_node_scrypt_sync(
    #[buffer] password: &[u8],
    #[buffer] salt: &[u8],
    length: u32,
    cost: u32,
    block_size: u32,
    parallelization: u32,
    memory_max: f64,
) -> Result<Vec<u8>, KdfError> {
    let parameters = scrypt_parameters(cost, block_size, parallelization, memory_max)?;
    scrypt(password, salt, length, parameters)
}

/// `crypto.scrypt()`. `memory_max` is in bytes.
#[op2]
#[buffer]
pub async fn op_node_scrypt(
    #[buffer(copy)] password: Vec<u8>,
    #[buffer(copy)] salt: Vec<u8>,
    length: u32,
    cost: u32,
    block_size: u32,
    parallelization: u32,
    memory_max: f64,
) -> Result<Vec<u8>, KdfError> {
    let parameters = scrypt_parameters(cost, block_size, parallelization, memory_max)?;
    let derive = move || scrypt(&password, &salt, length, parameters);
    spawn_blocking(derive).await.map_err(|_| KdfError::Gone)?
}

fn scrypt_parameters(
    cost: u32,
    block_size: u32,
    parallelization: u32,
    memory_max: f64,
) -> Result<scrypt::Params, KdfError> {
    if cost < 2 || !cost.is_power_of_two() {
        return Err(KdfError::Scrypt("the cost is not a power of two"));
    }
    if 128.0 * f64::from(cost) * f64::from(block_size) > memory_max {
        return Err(KdfError::Scrypt("memory limit exceeded"));
    }
    // The length here is that of a stored password's hash, which is not what is made.
    let log = cost.trailing_zeros() as u8;
    scrypt::Params::new(log, block_size, parallelization, 32)
        .map_err(|_| KdfError::Scrypt("out of range"))
}

fn scrypt(
    password: &[u8],
    salt: &[u8],
    length: u32,
    parameters: scrypt::Params,
) -> Result<Vec<u8>, KdfError> {
    let mut key = vec![0; length as usize];
    if !key.is_empty() {
        scrypt::scrypt(password, salt, &parameters, &mut key).map_err(|_| KdfError::Length)?;
    }
    Ok(key)
}
