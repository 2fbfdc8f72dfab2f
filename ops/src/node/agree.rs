//! Secrets that two keys agree on: the curves of NIST and X25519. Private keys are numbers, public ones are points.
//! <https://nodejs.org/api/crypto.html#class-ecdh>

use aws_lc_rs::agreement;
use aws_lc_rs::agreement::Algorithm;
use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::agreement::UnparsedPublicKey;
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::encoding::Curve25519SeedBin;
use aws_lc_rs::encoding::EcPrivateKeyBin;
use aws_lc_rs::error::Unspecified;
use deno_core::op2;

/// Why there is no key or no secret.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum AgreeError {
    #[class(generic)]
    #[error("Failed to create key using named curve")]
    Curve,
    #[class(generic)]
    #[error("Private key is not valid for specified curve.")]
    Private,
    #[class(generic)]
    #[error("Failed to set point")]
    Point,
}

fn algorithm(kind: &str) -> Result<&'static Algorithm, AgreeError> {
    Ok(match kind {
        "P-256" => &agreement::ECDH_P256,
        "P-384" => &agreement::ECDH_P384,
        "P-521" => &agreement::ECDH_P521,
        "x25519" => &agreement::X25519,
        _ => return Err(AgreeError::Curve),
    })
}

/// A new private key.
#[op2]
#[buffer]
pub fn op_node_agree_generate(#[string] kind: &str) -> Result<Vec<u8>, AgreeError> {
    let curve = |_: Unspecified| AgreeError::Curve;
    let key = PrivateKey::generate(algorithm(kind)?).map_err(curve)?;
    if kind == "x25519" {
        let seed: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(curve)?;
        return Ok(seed.as_ref().to_vec());
    }
    let number: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(curve)?;
    Ok(number.as_ref().to_vec())
}

/// The public key of a private one; a point is not compressed.
#[op2]
#[buffer]
pub fn op_node_agree_public(
    #[string] kind: &str,
    #[buffer] key: &[u8],
) -> Result<Vec<u8>, AgreeError> {
    let key = PrivateKey::from_private_key(algorithm(kind)?, key);
    let key = key.map_err(|_| AgreeError::Private)?;
    let public = key.compute_public_key().map_err(|_| AgreeError::Private)?;
    Ok(public.as_ref().to_vec())
}

/// What a private key and somebody else's public one have in common.
#[op2]
#[buffer]
pub fn op_node_agree(
    #[string] kind: &str,
    #[buffer] key: &[u8],
    #[buffer] other: &[u8],
) -> Result<Vec<u8>, AgreeError> {
    let algorithm = algorithm(kind)?;
    let key = PrivateKey::from_private_key(algorithm, key).map_err(|_| AgreeError::Private)?;
    let other = UnparsedPublicKey::new(algorithm, other);
    agreement::agree(&key, other, AgreeError::Point, |secret| Ok(secret.to_vec()))
}
