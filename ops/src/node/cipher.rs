//! AES as `crypto.createCipheriv()` has it: CBC, CTR, ECB and GCM, in pieces of any size.
//! <https://nodejs.org/api/crypto.html#class-cipheriv>

use std::cell::RefCell;

use aes::Aes128;
use aes::Aes192;
use aes::Aes256;
use aes::cipher::BlockDecrypt;
use aes::cipher::BlockEncrypt;
use aes::cipher::KeyInit;
use aes::cipher::KeyIvInit;
use aes::cipher::StreamCipher;
use aws_lc_rs::constant_time;
use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

const BLOCK_BYTES: usize = 16;

/// What is wrong with what was asked of a cipher.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum CipherError {
    #[class(generic)]
    #[error("Unknown cipher")]
    Unknown,
    #[class(range)]
    #[error("Invalid key length")]
    KeyLength,
    #[class(type)]
    #[error("Invalid initialization vector")]
    Iv,
    #[class(generic)]
    #[error("wrong final block length")]
    FinalBlock,
    #[class(generic)]
    #[error("Authentication failed")]
    Padding,
    #[class(generic)]
    #[error("Authentication failed")]
    Tag,
    #[class(generic)]
    #[error("Unsupported state")]
    Finished,
}

/// AES by the size of its key.
enum Aes {
    A128(Aes128),
    A192(Aes192),
    A256(Aes256),
}

impl Aes {
    fn new(key: &[u8]) -> Result<Aes, CipherError> {
        let wrong = |_| CipherError::KeyLength;
        Ok(match key.len() {
            16 => Aes::A128(Aes128::new_from_slice(key).map_err(wrong)?),
            24 => Aes::A192(Aes192::new_from_slice(key).map_err(wrong)?),
            32 => Aes::A256(Aes256::new_from_slice(key).map_err(wrong)?),
            _ => return Err(CipherError::KeyLength),
        })
    }

    fn encrypt(&self, block: &mut [u8]) {
        let block = block.into();
        match self {
            Aes::A128(aes) => aes.encrypt_block(block),
            Aes::A192(aes) => aes.encrypt_block(block),
            Aes::A256(aes) => aes.encrypt_block(block),
        }
    }

    fn decrypt(&self, block: &mut [u8]) {
        let block = block.into();
        match self {
            Aes::A128(aes) => aes.decrypt_block(block),
            Aes::A192(aes) => aes.decrypt_block(block),
            Aes::A256(aes) => aes.decrypt_block(block),
        }
    }
}

/// The stream of bytes that CTR and GCM add to the text. `whole` says that all of the last block
/// counts, and not only its last four bytes.
fn key_stream(key: &[u8], iv: &[u8], whole: bool) -> Result<Box<dyn StreamCipher>, CipherError> {
    fn boxed<C: StreamCipher + KeyIvInit + 'static>(
        key: &[u8],
        iv: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CipherError> {
        let cipher = C::new_from_slices(key, iv).map_err(|_| CipherError::Iv)?;
        Ok(Box::new(cipher))
    }
    match (key.len(), whole) {
        (16, true) => boxed::<ctr::Ctr128BE<Aes128>>(key, iv),
        (24, true) => boxed::<ctr::Ctr128BE<Aes192>>(key, iv),
        (32, true) => boxed::<ctr::Ctr128BE<Aes256>>(key, iv),
        (16, false) => boxed::<ctr::Ctr32BE<Aes128>>(key, iv),
        (24, false) => boxed::<ctr::Ctr32BE<Aes192>>(key, iv),
        (32, false) => boxed::<ctr::Ctr32BE<Aes256>>(key, iv),
        _ => Err(CipherError::KeyLength),
    }
}

/// CBC and, without a chain, ECB: whole blocks, and a rest that waits for more.
struct Blocks {
    aes: Aes,
    encrypt: bool,
    chain: Option<[u8; BLOCK_BYTES]>,
    rest: Vec<u8>,
    padding: bool,
}

impl Blocks {
    fn update(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let mut whole = self.rest.len() / BLOCK_BYTES * BLOCK_BYTES;
        // The last block may be padding, which only the end tells.
        if !self.encrypt && self.padding && whole == self.rest.len() {
            whole = whole.saturating_sub(BLOCK_BYTES);
        }
        let mut done: Vec<u8> = self.rest.drain(..whole).collect();
        for block in done.chunks_exact_mut(BLOCK_BYTES) {
            self.block(block);
        }
        done
    }

    fn block(&mut self, block: &mut [u8]) {
        let before: [u8; BLOCK_BYTES] = (&*block).try_into().expect("a whole block");
        if self.encrypt {
            if let Some(chain) = &self.chain {
                add(block, chain);
            }
            self.aes.encrypt(block);
            if let Some(chain) = &mut self.chain {
                chain.copy_from_slice(block);
            }
        } else {
            self.aes.decrypt(block);
            if let Some(chain) = &mut self.chain {
                add(block, chain);
                *chain = before;
            }
        }
    }

    fn finish(&mut self) -> Result<Vec<u8>, CipherError> {
        let mut last = std::mem::take(&mut self.rest);
        if !self.padding {
            return match last.is_empty() {
                true => Ok(last),
                false => Err(CipherError::FinalBlock),
            };
        }
        if self.encrypt {
            let padding = BLOCK_BYTES - last.len();
            last.resize(BLOCK_BYTES, padding as u8);
            self.block(&mut last);
            return Ok(last);
        }
        if last.len() != BLOCK_BYTES {
            return Err(CipherError::FinalBlock);
        }
        self.block(&mut last);
        let padding = usize::from(last[BLOCK_BYTES - 1]);
        let is_padding = (1..=BLOCK_BYTES).contains(&padding)
            && last[BLOCK_BYTES - padding..]
                .iter()
                .all(|&byte| usize::from(byte) == padding);
        if !is_padding {
            return Err(CipherError::Padding);
        }
        last.truncate(BLOCK_BYTES - padding);
        Ok(last)
    }
}

fn add(block: &mut [u8], other: &[u8]) {
    for (byte, other) in block.iter_mut().zip(other) {
        *byte ^= other;
    }
}

/// GCM (NIST SP 800-38D): CTR, and a tag over the text and what is only authenticated.
struct Gcm {
    stream: Box<dyn StreamCipher>,
    encrypt: bool,
    hash: GHash,
    /// What is hashed and does not fill a block yet.
    rest: Vec<u8>,
    /// The first block of the key stream, which hides the tag.
    mask: [u8; BLOCK_BYTES],
    associated_bytes: u64,
    text_bytes: u64,
    tag: Option<Vec<u8>>,
}

impl Gcm {
    fn new(key: &[u8], iv: &[u8], encrypt: bool) -> Result<Gcm, CipherError> {
        if iv.is_empty() {
            return Err(CipherError::Iv);
        }
        let aes = Aes::new(key)?;
        let mut hash_key = [0; BLOCK_BYTES];
        aes.encrypt(&mut hash_key);
        let hash = GHash::new(&hash_key.into());
        let mut first = [0; BLOCK_BYTES];
        if iv.len() == 12 {
            first[..12].copy_from_slice(iv);
            first[15] = 1;
        } else {
            let mut hash = hash.clone();
            hash.update_padded(iv);
            let mut lengths = [0; BLOCK_BYTES];
            lengths[8..].copy_from_slice(&(8 * iv.len() as u64).to_be_bytes());
            hash.update(&[lengths.into()]);
            first.copy_from_slice(&hash.finalize());
        }
        let mut stream = key_stream(key, &first, false)?;
        let mut mask = [0; BLOCK_BYTES];
        stream.apply_keystream(&mut mask);
        Ok(Gcm {
            stream,
            encrypt,
            hash,
            rest: Vec::new(),
            mask,
            associated_bytes: 0,
            text_bytes: 0,
            tag: None,
        })
    }

    fn absorb(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / BLOCK_BYTES * BLOCK_BYTES;
        self.hash.update_padded(&self.rest[..whole]);
        self.rest.drain(..whole);
    }

    /// Fills the last block with zeroes.
    fn pad(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.hash.update_padded(&rest);
    }

    fn associate(&mut self, bytes: &[u8]) {
        self.associated_bytes += bytes.len() as u64;
        self.absorb(bytes);
    }

    fn update(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.text_bytes == 0 && !bytes.is_empty() {
            self.pad();
        }
        self.text_bytes += bytes.len() as u64;
        let mut done = bytes.to_vec();
        if !self.encrypt {
            self.absorb(bytes);
        }
        self.stream.apply_keystream(&mut done);
        if self.encrypt {
            self.absorb(&done);
        }
        done
    }

    fn finish(&mut self) -> Result<(), CipherError> {
        self.pad();
        let mut lengths = [0; BLOCK_BYTES];
        lengths[..8].copy_from_slice(&(8 * self.associated_bytes).to_be_bytes());
        lengths[8..].copy_from_slice(&(8 * self.text_bytes).to_be_bytes());
        self.hash.update(&[lengths.into()]);
        let mut tag = self.hash.clone().finalize().to_vec();
        add(&mut tag, &self.mask);
        if self.encrypt {
            self.tag = Some(tag);
            return Ok(());
        }
        let expected = self.tag.as_ref().ok_or(CipherError::Tag)?;
        constant_time::verify_slices_are_equal(&tag[..expected.len()], expected)
            .map_err(|_| CipherError::Tag)
    }
}

enum Mode {
    Blocks(Box<Blocks>),
    Stream(Box<dyn StreamCipher>),
    Gcm(Gcm),
}

/// `crypto.createCipheriv()` and `crypto.createDecipheriv()`. Holds no key once finished.
pub struct NodeCipher {
    mode: RefCell<Option<Mode>>,
    tag: RefCell<Vec<u8>>,
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for NodeCipher {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"NodeCipher"
    }
}

#[op2]
impl NodeCipher {
    /// `mode` is `cbc`, `ctr`, `ecb` or `gcm`; the key's size says which AES.
    #[constructor]
    #[cppgc]
    fn new(
        #[string] mode: &str,
        encrypt: bool,
        #[buffer] key: &[u8],
        #[buffer] iv: &[u8],
    ) -> Result<NodeCipher, CipherError> {
        let blocks = |chain| -> Result<Mode, CipherError> {
            Ok(Mode::Blocks(Box::new(Blocks {
                aes: Aes::new(key)?,
                encrypt,
                chain,
                rest: Vec::new(),
                padding: true,
            })))
        };
        let mode = match mode {
            "cbc" => blocks(Some(iv.try_into().map_err(|_| CipherError::Iv)?))?,
            "ecb" => blocks(None)?,
            "ctr" => Mode::Stream(key_stream(key, iv, true)?),
            "gcm" => Mode::Gcm(Gcm::new(key, iv, encrypt)?),
            _ => return Err(CipherError::Unknown),
        };
        Ok(NodeCipher {
            mode: RefCell::new(Some(mode)),
            tag: RefCell::default(),
        })
    }

    /// What becomes of these bytes, as far as it can be told.
    #[buffer]
    fn update(&self, #[buffer] bytes: &[u8]) -> Result<Vec<u8>, CipherError> {
        match self.mode.borrow_mut().as_mut() {
            Some(Mode::Blocks(blocks)) => Ok(blocks.update(bytes)),
            Some(Mode::Stream(stream)) => {
                let mut done = bytes.to_vec();
                stream.apply_keystream(&mut done);
                Ok(done)
            }
            Some(Mode::Gcm(gcm)) => Ok(gcm.update(bytes)),
            None => Err(CipherError::Finished),
        }
    }

    /// The rest.
    #[buffer]
    fn finish(&self) -> Result<Vec<u8>, CipherError> {
        match self.mode.borrow_mut().take() {
            Some(Mode::Blocks(mut blocks)) => blocks.finish(),
            Some(Mode::Stream(_)) => Ok(Vec::new()),
            Some(Mode::Gcm(mut gcm)) => {
                gcm.finish()?;
                *self.tag.borrow_mut() = gcm.tag.take().unwrap_or_default();
                Ok(Vec::new())
            }
            None => Err(CipherError::Finished),
        }
    }

    #[fast]
    fn set_padding(&self, padding: bool) {
        if let Some(Mode::Blocks(blocks)) = self.mode.borrow_mut().as_mut() {
            blocks.padding = padding;
        }
    }

    /// What is authenticated and not encrypted.
    #[fast]
    fn associate(&self, #[buffer] bytes: &[u8]) -> Result<(), CipherError> {
        match self.mode.borrow_mut().as_mut() {
            Some(Mode::Gcm(gcm)) if gcm.text_bytes == 0 => {
                gcm.associate(bytes);
                Ok(())
            }
            _ => Err(CipherError::Finished),
        }
    }

    /// The tag that the text is to have.
    #[fast]
    fn expect_tag(&self, #[buffer] tag: &[u8]) -> Result<(), CipherError> {
        match self.mode.borrow_mut().as_mut() {
            Some(Mode::Gcm(gcm)) if !gcm.encrypt && (1..=BLOCK_BYTES).contains(&tag.len()) => {
                gcm.tag = Some(tag.to_vec());
                Ok(())
            }
            _ => Err(CipherError::Finished),
        }
    }

    /// The tag of the text; empty before the end.
    #[buffer]
    fn tag(&self) -> Vec<u8> {
        self.tag.borrow().clone()
    }
}
