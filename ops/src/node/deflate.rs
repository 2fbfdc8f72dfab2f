//! Deflate, and zlib's and gzip's frames around it, with all that zlib lets be chosen.
//! <https://www.zlib.net/manual.html>

use std::fmt;

use zlib_rs::Deflate;
use zlib_rs::DeflateConfig;
use zlib_rs::DeflateFlush;
use zlib_rs::Inflate;
use zlib_rs::InflateError;
use zlib_rs::InflateFlush;
use zlib_rs::Status;
use zlib_rs::Strategy;

/// What zlib says is wrong.
pub struct DeflateFailed(pub String);

impl fmt::Display for DeflateFailed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn failed(what: &str) -> DeflateFailed {
    DeflateFailed(what.to_owned())
}

/// What a step did: bytes taken, bytes given, whether the end was reached.
pub type Step = Result<(usize, usize, bool), DeflateFailed>;

/// What is around the compressed data.
#[derive(Clone, Copy, PartialEq)]
pub enum Frame {
    None,
    Zlib,
    Gzip,
}

/// A compression.
pub struct Deflating(Deflate);

impl Deflating {
    /// `parameters` are level, bits of the window, level of memory, and strategy. The dictionary may be empty; gzip has
    /// none.
    pub fn new(frame: Frame, parameters: &[i32], dictionary: &[u8]) -> Result<Self, DeflateFailed> {
        let at = |i: usize, usual| parameters.get(i).copied().unwrap_or(usual);
        let bits = at(1, 15);
        let config = DeflateConfig {
            level: at(0, -1),
            window_bits: match frame {
                // zlib has no raw window of 8 bits, and takes one more.
                Frame::None => -bits.max(9),
                Frame::Zlib => bits,
                Frame::Gzip => bits + 16,
            },
            mem_level: at(2, 8),
            strategy: Strategy::try_from(at(3, 0)).map_err(|()| failed("invalid strategy"))?,
            ..DeflateConfig::default()
        };
        let mut deflate = Deflate::new_with_config(config);
        if !dictionary.is_empty() && frame != Frame::Gzip {
            let set = deflate.set_dictionary(dictionary);
            set.map_err(|_| failed("Failed to set dictionary"))?;
        }
        Ok(Self(deflate))
    }

    /// Goes on with the input as far as the output has room; `flush` is one of zlib's numbers.
    pub fn step(&mut self, input: &[u8], output: &mut [u8], flush: u32) -> Step {
        let flush = match flush {
            0 => DeflateFlush::NoFlush,
            1 => DeflateFlush::PartialFlush,
            2 => DeflateFlush::SyncFlush,
            3 => DeflateFlush::FullFlush,
            5 => DeflateFlush::Block,
            _ => DeflateFlush::Finish,
        };
        let (taken, given) = (self.0.total_in(), self.0.total_out());
        let status = self.0.compress(input, output, flush);
        let status = status.map_err(|error| failed(error.as_str()))?;
        let consumed = (self.0.total_in() - taken) as usize;
        let produced = (self.0.total_out() - given) as usize;
        Ok((consumed, produced, status == Status::StreamEnd))
    }
}

/// A decompression.
pub struct Inflating {
    inflate: Inflate,
    dictionary: Vec<u8>,
}

impl Inflating {
    /// `bits` are those of the window, 0 for as many as the data says.
    pub fn new(frame: Frame, bits: u8, dictionary: &[u8]) -> Result<Self, DeflateFailed> {
        let mut inflate = match frame {
            Frame::None => Inflate::new(false, bits),
            Frame::Zlib => Inflate::new(true, bits),
            Frame::Gzip => Inflate::new(true, bits + 16),
        };
        if frame == Frame::None && !dictionary.is_empty() {
            let set = inflate.set_dictionary(dictionary);
            set.map_err(|_| failed("Failed to set dictionary"))?;
        }
        Ok(Self {
            inflate,
            dictionary: dictionary.to_vec(),
        })
    }

    /// Goes on with the input as far as the output has room; `flush` is one of zlib's numbers.
    pub fn step(&mut self, input: &[u8], output: &mut [u8], flush: u32) -> Step {
        let flush = match flush {
            0 => InflateFlush::NoFlush,
            4 => InflateFlush::Finish,
            _ => InflateFlush::SyncFlush,
        };
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let mut status = self.inflate.decompress(input, output, flush);
        if let Err(InflateError::NeedDict { .. }) = status {
            if self.dictionary.is_empty() {
                return Err(failed("Missing dictionary"));
            }
            let set = self.inflate.set_dictionary(&self.dictionary);
            set.map_err(|_| failed("Bad dictionary"))?;
            let read = (self.inflate.total_in() - taken) as usize;
            status = self.inflate.decompress(&input[read..], output, flush);
        }
        let consumed = (self.inflate.total_in() - taken) as usize;
        let produced = (self.inflate.total_out() - given) as usize;
        match status {
            Ok(status) => Ok((consumed, produced, status == Status::StreamEnd)),
            Err(error) => Err(failed(
                self.inflate.error_message().unwrap_or(error.as_str()),
            )),
        }
    }
}
