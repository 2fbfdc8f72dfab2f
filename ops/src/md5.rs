//! MD5 (RFC 1321). Broken as a signature, still what many storage services name as an entity's
//! tag, and an algorithm of the platform's `crypto.subtle.digest`. No package of the dependency
//! set offers it.

/// How far each of the four steps of a round rotates.
const ROTATIONS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

const BLOCK: usize = 64;

/// A digest in progress. `pending` is shorter than a block between calls.
#[derive(Clone)]
pub struct Md5 {
    state: [u32; 4],
    pending: Vec<u8>,
    length: u64,
}

impl Md5 {
    pub fn new() -> Self {
        Self {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            pending: Vec::with_capacity(BLOCK),
            length: 0,
        }
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.pending.is_empty() {
            let missing = (BLOCK - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.pending.len() < BLOCK {
                return;
            }
            let block = std::mem::take(&mut self.pending);
            self.compress(&block);
        }
        let mut blocks = bytes.chunks_exact(BLOCK);
        for block in &mut blocks {
            self.compress(block);
        }
        self.pending.extend_from_slice(blocks.remainder());
    }

    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8);
        let mut padding = vec![0x80];
        let zeros = (2 * BLOCK - 9 - self.pending.len()) % BLOCK;
        padding.resize(1 + zeros, 0);
        padding.extend_from_slice(&bits.to_le_bytes());
        self.update(&padding);
        debug_assert!(self.pending.is_empty());
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    fn compress(&mut self, block: &[u8]) {
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let [mut a, mut b, mut c, mut d] = self.state;
        for step in 0..64 {
            let (mix, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sum = a
                .wrapping_add(mix)
                .wrapping_add(sine(step))
                .wrapping_add(words[word]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(ROTATIONS[step / 16][step % 4]));
        }
        for (word, value) in self.state.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(value);
        }
    }
}

/// The constant of a step, as the RFC defines it: 2^32 times the absolute sine of `step + 1`.
fn sine(step: usize) -> u32 {
    static TABLE: std::sync::OnceLock<[u32; 64]> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|step| (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32)
    });
    table[step]
}

#[cfg(test)]
mod tests {
    use super::Md5;

    #[track_caller]
    fn check(pieces: &[&str], expect: &str) {
        let mut md5 = Md5::new();
        for piece in pieces {
            md5.update(piece.as_bytes());
        }
        let digest: String = md5.finish().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, expect);
    }

    #[test]
    fn vectors_of_the_rfc() {
        check(&[], "d41d8cd98f00b204e9800998ecf8427e");
        check(&["a"], "0cc175b9c0f1b6a831c399e269772661");
        check(&["ab", "c"], "900150983cd24fb0d6963f7d28e17f72");
        let digits = "1234567890".repeat(8);
        check(&[&digits], "57edf4a22be3c955ac49da2e2107b67a");
        check(
            &[&digits[..1], &digits[1..63], &digits[63..64], &digits[64..]],
            "57edf4a22be3c955ac49da2e2107b67a",
        );
    }
}
