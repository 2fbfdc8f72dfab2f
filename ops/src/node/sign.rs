//! Signatures with RSA, the curves of NIST, and Ed25519. Keys come and go as DER: PKCS#8 and SubjectPublicKeyInfo.
//! <https://nodejs.org/api/crypto.html#class-sign>

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::EcdsaSigningAlgorithm;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use aws_lc_rs::signature::RsaEncoding;
use aws_lc_rs::signature::RsaKeyPair;
use aws_lc_rs::signature::UnparsedPublicKey;
use aws_lc_rs::signature::VerificationAlgorithm;
use deno_core::op2;

/// Why nothing can be signed or verified.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum SignError {
    #[class(generic)]
    #[error("signing with {0} is not implemented in Stead yet.")]
    Scheme(String),
    #[class(generic)]
    #[error("{0}")]
    Key(String),
    #[class(generic)]
    #[error("the signature could not be made")]
    Failed,
}

/// `scheme` is `rsa-sha256`, `rsa-pss-sha256`, `P-256-sha256`, `ed25519` and so on. A signature of a curve of NIST is
/// DER, or the two numbers in a row when `plain`.
#[op2]
#[buffer]
pub fn op_node_sign(
    #[string] scheme: &str,
    #[buffer] key: &[u8],
    #[buffer] data: &[u8],
    plain: bool,
) -> Result<Vec<u8>, SignError> {
    let rejected = |error: aws_lc_rs::error::KeyRejected| SignError::Key(error.to_string());
    if scheme == "ed25519" {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(rejected)?;
        return Ok(pair.sign(data).as_ref().to_vec());
    }
    if let Some(encoding) = rsa_encoding(scheme) {
        let pair = RsaKeyPair::from_pkcs8(key).map_err(rejected)?;
        let mut made = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), data, &mut made)
            .map_err(|_| SignError::Failed)?;
        return Ok(made);
    }
    let algorithm = curve(scheme, plain).ok_or_else(|| SignError::Scheme(scheme.to_owned()))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key).map_err(rejected)?;
    let made = pair.sign(&SystemRandom::new(), data);
    Ok(made.map_err(|_| SignError::Failed)?.as_ref().to_vec())
}

/// Whether a signature is that of a key. The arguments are those of [`op_node_sign`]; a key of `ed25519` is its 32 bytes.
#[op2(fast)]
pub fn op_node_verify(
    #[string] scheme: &str,
    #[buffer] key: &[u8],
    #[buffer] data: &[u8],
    #[buffer] made: &[u8],
    plain: bool,
) -> Result<bool, SignError> {
    let algorithm: &'static dyn VerificationAlgorithm = match (scheme, plain) {
        ("ed25519", _) => &signature::ED25519,
        ("rsa-sha1", _) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ("rsa-sha256", _) => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        ("rsa-sha384", _) => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("rsa-sha512", _) => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ("rsa-pss-sha256", _) => &signature::RSA_PSS_2048_8192_SHA256,
        ("rsa-pss-sha384", _) => &signature::RSA_PSS_2048_8192_SHA384,
        ("rsa-pss-sha512", _) => &signature::RSA_PSS_2048_8192_SHA512,
        ("P-256-sha256", false) => &signature::ECDSA_P256_SHA256_ASN1,
        ("P-384-sha384", false) => &signature::ECDSA_P384_SHA384_ASN1,
        ("P-521-sha512", false) => &signature::ECDSA_P521_SHA512_ASN1,
        ("P-256-sha256", true) => &signature::ECDSA_P256_SHA256_FIXED,
        ("P-384-sha384", true) => &signature::ECDSA_P384_SHA384_FIXED,
        ("P-521-sha512", true) => &signature::ECDSA_P521_SHA512_FIXED,
        _ => return Err(SignError::Scheme(scheme.to_owned())),
    };
    Ok(UnparsedPublicKey::new(algorithm, key)
        .verify(data, made)
        .is_ok())
}

/// The public key that belongs to a private one: DER, or the 32 bytes of an `ed25519` key.
#[op2]
#[buffer]
pub fn op_node_public_key(
    #[string] kind: &str,
    #[buffer] key: &[u8],
) -> Result<Vec<u8>, SignError> {
    let rejected = |error: aws_lc_rs::error::KeyRejected| SignError::Key(error.to_string());
    let der = |der: Result<PublicKeyX509Der<'_>, aws_lc_rs::error::Unspecified>| {
        der.map(|der| der.as_ref().to_vec())
            .map_err(|_| SignError::Failed)
    };
    match kind {
        "ed25519" => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(rejected)?;
            Ok(pair.public_key().as_ref().to_vec())
        }
        "rsa" => der(RsaKeyPair::from_pkcs8(key)
            .map_err(rejected)?
            .public_key()
            .as_der()),
        _ => {
            let algorithm = any_hash(kind).ok_or_else(|| SignError::Scheme(kind.to_owned()))?;
            der(EcdsaKeyPair::from_pkcs8(algorithm, key)
                .map_err(rejected)?
                .public_key()
                .as_der())
        }
    }
}

/// A new private key, as PKCS#8. `bits` is the size of an RSA key.
#[op2]
#[buffer]
pub fn op_node_generate_key(#[string] kind: &str, bits: u32) -> Result<Vec<u8>, SignError> {
    let random = SystemRandom::new();
    let made = match kind {
        "ed25519" => Ed25519KeyPair::generate_pkcs8v1(&random),
        "rsa" => {
            let size = match bits {
                2048 => rsa::KeySize::Rsa2048,
                3072 => rsa::KeySize::Rsa3072,
                4096 => rsa::KeySize::Rsa4096,
                8192 => rsa::KeySize::Rsa8192,
                _ => return Err(SignError::Scheme(format!("an RSA key of {bits} bits"))),
            };
            let pair = rsa::KeyPair::generate(size).map_err(|_| SignError::Failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SignError::Failed)?;
            return Ok(der.as_ref().to_vec());
        }
        _ => {
            let algorithm = any_hash(kind).ok_or_else(|| SignError::Scheme(kind.to_owned()))?;
            EcdsaKeyPair::generate_pkcs8(algorithm, &random)
        }
    };
    Ok(made.map_err(|_| SignError::Failed)?.as_ref().to_vec())
}

fn rsa_encoding(scheme: &str) -> Option<&'static dyn RsaEncoding> {
    Some(match scheme {
        "rsa-sha256" => &signature::RSA_PKCS1_SHA256,
        "rsa-sha384" => &signature::RSA_PKCS1_SHA384,
        "rsa-sha512" => &signature::RSA_PKCS1_SHA512,
        "rsa-pss-sha256" => &signature::RSA_PSS_SHA256,
        "rsa-pss-sha384" => &signature::RSA_PSS_SHA384,
        "rsa-pss-sha512" => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn curve(scheme: &str, plain: bool) -> Option<&'static EcdsaSigningAlgorithm> {
    Some(match (scheme, plain) {
        ("P-256-sha256", false) => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        ("P-384-sha384", false) => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        ("P-521-sha512", false) => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        ("P-256-sha256", true) => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        ("P-384-sha384", true) => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        ("P-521-sha512", true) => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => return None,
    })
}

/// A key of a curve is the same for all hashes.
fn any_hash(curve_name: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    let scheme = match curve_name {
        "P-256" => "P-256-sha256",
        "P-384" => "P-384-sha384",
        "P-521" => "P-521-sha512",
        _ => return None,
    };
    curve(scheme, false)
}
