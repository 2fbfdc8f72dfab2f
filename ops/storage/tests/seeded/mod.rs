//! A small generator for randomised tests, whose seed is printed so that a
//! failure can be repeated with `STEAD_TEST_SEED`.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Xorshift: any seed but 0 gives a sequence.
pub struct Random(u64);

impl Random {
    /// A generator with a new seed, or that of `STEAD_TEST_SEED`.
    pub fn new(test: &str) -> Random {
        let given = std::env::var("STEAD_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64;
        let seed = given.unwrap_or(time) | 1;
        println!("{test}: STEAD_TEST_SEED={seed}");
        Random(seed)
    }

    /// The generator that another one gave a seed.
    pub fn from_seed(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Its state, from which it goes on in the same way.
    pub fn seed(&self) -> u64 {
        self.0
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A short key of few letters, so that keys meet and prefixes match.
    pub fn key(&mut self) -> String {
        let letters = ["a", "b", "\0", "é", "\u{10ffff}", "~"];
        (0..self.below(4))
            .map(|_| letters[self.below(letters.len() as u64) as usize])
            .collect()
    }

    pub fn value(&mut self) -> Vec<u8> {
        (0..self.below(40)).map(|_| self.below(256) as u8).collect()
    }
}
