//! What RSA encrypts and decrypts, and what it does with a private key in the other direction, by the functions of
//! AWS-LC that `aws-lc-rs` has no safe form of: all hashes of OAEP, and signatures without a hash.
//! <https://nodejs.org/api/crypto.html#cryptopublicencryptkey-buffer>

use std::os::raw::c_int;
use std::ptr;

use aws_lc_sys as lc;
use deno_core::op2;

use super::key::Key;
use super::key::digest;
use super::key::forget_errors;

/// Why nothing was encrypted or decrypted; the words are the platform's.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum RsaError {
    #[class(generic)]
    #[error("Failed to parse the key")]
    Key,
    #[class(generic)]
    #[error("Failed to set the padding")]
    Padding,
    #[class(generic)]
    #[error("Unsupported hash digest")]
    Hash,
    #[class(generic)]
    #[error("Failed to set the OAEP label")]
    Label,
    #[class(generic)]
    #[error("Failed to cipher/decipher")]
    Failed,
}

/// One use of a key.
struct Use(*mut lc::EVP_PKEY_CTX);

impl Drop for Use {
    fn drop(&mut self) {
        // SAFETY: the pointer is what `EVP_PKEY_CTX_new` returned, not null, and freed here only.
        unsafe { lc::EVP_PKEY_CTX_free(self.0) }
    }
}

type Begin = unsafe extern "C" fn(*mut lc::EVP_PKEY_CTX) -> c_int;
type Run =
    unsafe extern "C" fn(*mut lc::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

/// `action` is the name of Node's function. `hash` and `label` are those of OAEP; an empty hash is the usual one.
#[op2]
#[buffer]
pub fn op_node_rsa(
    #[string] action: &str,
    #[buffer] key: &[u8],
    padding: i32,
    #[string] hash: &str,
    #[buffer] label: &[u8],
    #[buffer] data: &[u8],
) -> Result<Vec<u8>, RsaError> {
    let done = run(action, key, padding, hash, label, data);
    forget_errors();
    done
}

fn run(
    action: &str,
    key: &[u8],
    padding: i32,
    hash: &str,
    label: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, RsaError> {
    let (begin, run): (Begin, Run) = match action {
        "publicEncrypt" => (lc::EVP_PKEY_encrypt_init, lc::EVP_PKEY_encrypt),
        "privateDecrypt" => (lc::EVP_PKEY_decrypt_init, lc::EVP_PKEY_decrypt),
        "privateEncrypt" => (lc::EVP_PKEY_sign_init, lc::EVP_PKEY_sign),
        "publicDecrypt" => (
            lc::EVP_PKEY_verify_recover_init,
            lc::EVP_PKEY_verify_recover,
        ),
        _ => unreachable!("the script knows four actions"),
    };
    let key = Key::parse(key, action.starts_with("private")).ok_or(RsaError::Key)?;
    // SAFETY: the key lives; the context holds a reference to it of its own.
    let context = unsafe { lc::EVP_PKEY_CTX_new(key.as_ptr(), ptr::null_mut()) };
    if context.is_null() {
        return Err(RsaError::Failed);
    }
    let context = Use(context);
    // SAFETY: as all calls below: the context is live and of this key.
    if unsafe { begin(context.0) } <= 0 {
        return Err(RsaError::Failed);
    }
    // SAFETY: see above.
    if unsafe { lc::EVP_PKEY_CTX_set_rsa_padding(context.0, padding) } <= 0 {
        return Err(RsaError::Padding);
    }
    if matches!(action, "publicEncrypt" | "privateDecrypt") {
        set_oaep(&context, padding, hash, label)?;
    }
    let mut length = 0;
    // SAFETY: without a buffer it only says how long the output may be.
    let asked = unsafe {
        run(
            context.0,
            ptr::null_mut(),
            &mut length,
            data.as_ptr(),
            data.len(),
        )
    };
    if asked <= 0 {
        return Err(RsaError::Failed);
    }
    let mut made = vec![0; length];
    // SAFETY: the buffer has `length` bytes, and `length` says afterwards how many were written.
    let ran = unsafe {
        run(
            context.0,
            made.as_mut_ptr(),
            &mut length,
            data.as_ptr(),
            data.len(),
        )
    };
    if ran <= 0 {
        return Err(RsaError::Failed);
    }
    made.truncate(length);
    Ok(made)
}

/// The hash, which is looked up whatever the padding, and the label, which only OAEP has.
fn set_oaep(context: &Use, padding: i32, hash: &str, label: &[u8]) -> Result<(), RsaError> {
    if !hash.is_empty() {
        let digest = digest(hash).ok_or(RsaError::Hash)?;
        if padding == lc::RSA_PKCS1_OAEP_PADDING {
            // SAFETY: the context is live, the digest static.
            let set = unsafe { lc::EVP_PKEY_CTX_set_rsa_oaep_md(context.0, digest) };
            if set <= 0 {
                return Err(RsaError::Hash);
            }
        }
    }
    if label.is_empty() {
        return Ok(());
    }
    // SAFETY: the copy is as long as the label. The context owns it if the call succeeds; if not, it is freed here.
    unsafe {
        let copy = lc::OPENSSL_malloc(label.len()).cast::<u8>();
        if copy.is_null() {
            return Err(RsaError::Label);
        }
        ptr::copy_nonoverlapping(label.as_ptr(), copy, label.len());
        if lc::EVP_PKEY_CTX_set0_rsa_oaep_label(context.0, copy, label.len()) <= 0 {
            lc::OPENSSL_free(copy.cast());
            return Err(RsaError::Label);
        }
    }
    Ok(())
}

/// Triple DES with chained blocks, which encrypted keys of old are in. Data that is not padded right is refused.
#[op2]
#[buffer]
pub fn op_node_triple_des(
    encrypts: bool,
    #[buffer] key: &[u8],
    #[buffer] iv: &[u8],
    #[buffer] data: &[u8],
) -> Result<Vec<u8>, RsaError> {
    assert!(key.len() == 24 && iv.len() == 8);
    let room = data.len() + 8;
    let length = c_int::try_from(data.len()).map_err(|_| RsaError::Failed)?;
    let mut made = vec![0; room];
    let (mut first, mut last) = (0, 0);
    // SAFETY: key and IV have the lengths that the cipher reads, the output has room for a block more than the input,
    // and the context is freed on every path.
    let done = unsafe {
        let context = lc::EVP_CIPHER_CTX_new();
        let done = !context.is_null()
            && lc::EVP_CipherInit_ex(
                context,
                lc::EVP_des_ede3_cbc(),
                ptr::null_mut(),
                key.as_ptr(),
                iv.as_ptr(),
                encrypts.into(),
            ) == 1
            && lc::EVP_CipherUpdate(
                context,
                made.as_mut_ptr(),
                &mut first,
                data.as_ptr(),
                length,
            ) == 1
            && lc::EVP_CipherFinal_ex(context, made.as_mut_ptr().add(first as usize), &mut last)
                == 1;
        lc::EVP_CIPHER_CTX_free(context);
        done
    };
    forget_errors();
    if !done {
        return Err(RsaError::Failed);
    }
    made.truncate((first + last) as usize);
    Ok(made)
}
