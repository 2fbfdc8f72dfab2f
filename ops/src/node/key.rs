//! Keys as AWS-LC holds them, for what `aws-lc-rs` has no safe form of.

use std::ffi::CString;
use std::os::raw::c_int;
use std::ptr;
use std::slice;

use aws_lc_sys as lc;

/// A private or a public key.
pub struct Key(*mut lc::EVP_PKEY);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the pointer is owned, not null, and freed here only.
        unsafe { lc::EVP_PKEY_free(self.0) }
    }
}

impl Key {
    /// A key of PKCS#8 if it is private, of SubjectPublicKeyInfo if not; none if it cannot be read.
    pub fn parse(der: &[u8], is_private: bool) -> Option<Self> {
        let mut reader = lc::cbs_st {
            data: ptr::null(),
            len: 0,
        };
        // SAFETY: the reader points into `der`, which outlives both calls; the parsers copy what they keep.
        let key = unsafe {
            lc::CBS_init(&mut reader, der.as_ptr(), der.len());
            match is_private {
                true => lc::EVP_parse_private_key(&mut reader),
                false => lc::EVP_parse_public_key(&mut reader),
            }
        };
        forget_errors();
        (!key.is_null()).then_some(Self(key))
    }

    /// A new private key of RSA; none if there is none of this exponent. AWS-LC would look for it for ever if the
    /// exponent were even.
    pub fn generate_rsa(bits: u16, exponent: u32) -> Option<Self> {
        if exponent < 3 || exponent & 1 == 0 {
            return None;
        }
        let bits = c_int::from(bits);
        // SAFETY: what is made is checked before it is used, and freed unless the key took it over.
        let key = unsafe {
            let (number, rsa, key) = (lc::BN_new(), lc::RSA_new(), lc::EVP_PKEY_new());
            let made = !number.is_null()
                && !rsa.is_null()
                && !key.is_null()
                && lc::BN_set_word(number, exponent.into()) == 1
                && lc::RSA_generate_key_ex(rsa, bits, number, ptr::null_mut()) == 1
                && lc::EVP_PKEY_set1_RSA(key, rsa) == 1;
            lc::BN_free(number);
            lc::RSA_free(rsa);
            if !made {
                lc::EVP_PKEY_free(key);
            }
            made.then_some(key)
        };
        forget_errors();
        key.map(Self)
    }

    /// A private key as PKCS#8.
    pub fn to_pkcs8(&self) -> Option<Vec<u8>> {
        self.write(lc::EVP_marshal_private_key)
    }

    /// The public part as SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        self.write(lc::EVP_marshal_public_key)
    }

    fn write(
        &self,
        marshal: unsafe extern "C" fn(*mut lc::CBB, *const lc::EVP_PKEY) -> c_int,
    ) -> Option<Vec<u8>> {
        // SAFETY: a builder of zeros is what `CBB_init` fills in; what it hands over is copied and freed.
        let written = unsafe {
            let mut builder: lc::CBB = std::mem::zeroed();
            let (mut data, mut length) = (ptr::null_mut(), 0);
            let done = lc::CBB_init(&mut builder, 0) == 1
                && marshal(&mut builder, self.0) == 1
                && lc::CBB_finish(&mut builder, &mut data, &mut length) == 1;
            match done {
                true => {
                    let written = slice::from_raw_parts(data, length).to_vec();
                    lc::OPENSSL_free(data.cast());
                    Some(written)
                }
                false => {
                    lc::CBB_cleanup(&mut builder);
                    None
                }
            }
        };
        forget_errors();
        written
    }

    /// For the functions of AWS-LC; live as long as the key.
    pub fn as_ptr(&self) -> *mut lc::EVP_PKEY {
        self.0
    }
}

/// The hash of a name; none if there is no such hash. What is returned is static.
pub fn digest(name: &str) -> Option<*const lc::EVP_MD> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero.
    let digest = unsafe { lc::EVP_get_digestbyname(name.as_ptr()) };
    (!digest.is_null()).then_some(digest)
}

/// Empties the queue of errors that AWS-LC keeps for this thread.
pub fn forget_errors() {
    // SAFETY: the queue is the thread's own.
    unsafe { lc::ERR_clear_error() }
}
