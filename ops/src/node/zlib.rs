//! Compression as `node:zlib` has it: a step takes some input and gives some output, each in a buffer of the caller, so
//! that what a small input grows to is bounded and counted like any other buffer.
//! <https://nodejs.org/api/zlib.html>

use std::cell::Cell;
use std::cell::RefCell;

use brotli::BrotliDecompressStream;
use brotli::BrotliResult;
use brotli::BrotliState;
use brotli::enc::StandardAlloc;
use brotli::enc::encode::BrotliEncoderOperation;
use brotli::enc::encode::BrotliEncoderParameter;
use brotli::enc::encode::BrotliEncoderStateStruct;
use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;
use zstd::stream::raw::CParameter;
use zstd::stream::raw::DParameter;
use zstd::stream::raw::InBuffer;
use zstd::stream::raw::Operation;
use zstd::stream::raw::OutBuffer;
use zstd::zstd_safe::Strategy;

use super::deflate::DeflateFailed;
use super::deflate::Deflating;
use super::deflate::Frame;
use super::deflate::Inflating;

/// What is wrong with the input, or with what was asked.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum ZlibError {
    #[class(generic)]
    #[error("{0}")]
    Data(String),
    #[class(generic)]
    #[error("Decompression failed")]
    Brotli,
    #[class(generic)]
    #[error("{0}")]
    Zstd(String),
    #[class(range)]
    #[error("Initialization failed")]
    Options,
}

impl From<DeflateFailed> for ZlibError {
    fn from(error: DeflateFailed) -> Self {
        Self::Data(error.0)
    }
}

/// Of how much of what came in has to come out, as `zlib.constants` number it: what zlib likes.
const NO_FLUSH: u32 = 0;

type Decoder = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum State {
    Deflate(Deflating),
    Inflate(Inflating),
    BrotliCompress(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    BrotliDecompress(Box<Decoder>),
    ZstdCompress(zstd::stream::raw::Encoder<'static>),
    ZstdDecompress(zstd::stream::raw::Decoder<'static>),
}

/// One compression or decompression.
pub struct NodeZlib {
    state: RefCell<State>,
    consumed: Cell<u32>,
    produced: Cell<u32>,
    ended: Cell<bool>,
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for NodeZlib {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"NodeZlib"
    }
}

#[op2]
impl NodeZlib {
    /// `parameters` are level, bits of the window, level of memory and strategy, or pairs of a number and a value for
    /// brotli and zstd. The dictionary may be empty.
    #[constructor]
    #[cppgc]
    fn new(
        #[string] kind: &str,
        #[serde] parameters: Vec<i32>,
        #[buffer] dictionary: &[u8],
    ) -> Result<NodeZlib, ZlibError> {
        let deflate = |frame| Deflating::new(frame, &parameters, dictionary).map(State::Deflate);
        let inflate = |frame| {
            let bits = parameters.get(1).copied().unwrap_or(15);
            let bits = u8::try_from(bits).map_err(|_| ZlibError::Options)?;
            let inflating = Inflating::new(frame, bits, dictionary)?;
            Ok::<_, ZlibError>(State::Inflate(inflating))
        };
        let state = match kind {
            "deflate" => deflate(Frame::Zlib)?,
            "deflateRaw" => deflate(Frame::None)?,
            "gzip" => deflate(Frame::Gzip)?,
            "inflate" => inflate(Frame::Zlib)?,
            "inflateRaw" => inflate(Frame::None)?,
            "gunzip" => inflate(Frame::Gzip)?,
            "brotliCompress" => State::BrotliCompress(Box::new(brotli_encoder(&parameters)?)),
            "brotliDecompress" => State::BrotliDecompress(Box::new(BrotliState::new(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            "zstdCompress" => State::ZstdCompress(zstd_encoder(&parameters, dictionary)?),
            "zstdDecompress" => State::ZstdDecompress(zstd_decoder(&parameters, dictionary)?),
            _ => return Err(ZlibError::Options),
        };
        Ok(NodeZlib {
            state: RefCell::new(state),
            consumed: Cell::new(0),
            produced: Cell::new(0),
            ended: Cell::new(false),
        })
    }

    /// Goes on with `input` from `from`, as far as `output` has room. What it did is in `consumed`, `produced` and
    /// `ended`.
    #[fast]
    fn step(
        &self,
        #[buffer] input: &[u8],
        from: u32,
        #[buffer] output: &mut [u8],
        flush: u32,
    ) -> Result<(), ZlibError> {
        let input = &input[from as usize..];
        let (consumed, produced, ended) = match &mut *self.state.borrow_mut() {
            State::Deflate(state) => state.step(input, output, flush)?,
            State::Inflate(state) => state.step(input, output, flush)?,
            State::BrotliCompress(state) => brotli_compress(state, input, output, flush)?,
            State::BrotliDecompress(state) => brotli_decompress(state, input, output)?,
            State::ZstdCompress(state) => zstd_step(state, input, output, flush, true)?,
            State::ZstdDecompress(state) => zstd_step(state, input, output, flush, false)?,
        };
        self.consumed.set(consumed as u32);
        self.produced.set(produced as u32);
        self.ended.set(ended);
        Ok(())
    }

    #[fast]
    #[getter]
    fn consumed(&self) -> u32 {
        self.consumed.get()
    }

    #[fast]
    #[getter]
    fn produced(&self) -> u32 {
        self.produced.get()
    }

    #[fast]
    #[getter]
    fn ended(&self) -> bool {
        self.ended.get()
    }
}

/// What a step did: bytes taken, bytes given, whether the end was reached.
type Step = Result<(usize, usize, bool), ZlibError>;

fn brotli_encoder(
    parameters: &[i32],
) -> Result<BrotliEncoderStateStruct<StandardAlloc>, ZlibError> {
    let mut encoder = BrotliEncoderStateStruct::new(StandardAlloc::default());
    for pair in parameters.chunks_exact(2) {
        let parameter = match pair[0] {
            0 => BrotliEncoderParameter::BROTLI_PARAM_MODE,
            1 => BrotliEncoderParameter::BROTLI_PARAM_QUALITY,
            2 => BrotliEncoderParameter::BROTLI_PARAM_LGWIN,
            3 => BrotliEncoderParameter::BROTLI_PARAM_LGBLOCK,
            4 => BrotliEncoderParameter::BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING,
            5 => BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT,
            6 => BrotliEncoderParameter::BROTLI_PARAM_LARGE_WINDOW,
            _ => return Err(ZlibError::Options),
        };
        let value = u32::try_from(pair[1]).map_err(|_| ZlibError::Options)?;
        if !encoder.set_parameter(parameter, value) {
            return Err(ZlibError::Options);
        }
    }
    Ok(encoder)
}

fn brotli_compress(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
    flush: u32,
) -> Step {
    let operation = match flush {
        // Of brotli's own numbers 0 is the same, 1 to flush and 2 to finish.
        NO_FLUSH => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        1 => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        _ => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
    };
    let (mut left, mut taken, mut room, mut given) = (input.len(), 0, output.len(), 0);
    let done = state.compress_stream(
        operation,
        &mut left,
        input,
        &mut taken,
        &mut room,
        output,
        &mut given,
        &mut None,
        &mut |_, _, _, _| (),
    );
    if !done {
        return Err(ZlibError::Options);
    }
    Ok((taken, given, state.is_finished()))
}

fn brotli_decompress(state: &mut Decoder, input: &[u8], output: &mut [u8]) -> Step {
    let (mut left, mut taken, mut room, mut given) = (input.len(), 0, output.len(), 0);
    let mut total = 0;
    let result = BrotliDecompressStream(
        &mut left, &mut taken, input, &mut room, &mut given, output, &mut total, state,
    );
    match result {
        BrotliResult::ResultFailure => Err(ZlibError::Brotli),
        BrotliResult::ResultSuccess => Ok((taken, given, true)),
        _ => Ok((taken, given, false)),
    }
}

/// What zstd says is wrong with a parameter.
fn zstd_failed(error: std::io::Error) -> ZlibError {
    ZlibError::Zstd(format!("Setting parameter failed: {error}"))
}

/// The number that stands for the size of all that will come.
const PLEDGED_SIZE: i32 = -1;

fn zstd_encoder(
    parameters: &[i32],
    dictionary: &[u8],
) -> Result<zstd::stream::raw::Encoder<'static>, ZlibError> {
    const LEVEL: i32 = 100;
    let pairs = || parameters.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let level = pairs().find(|(number, _)| *number == LEVEL);
    let level = level.map_or(zstd::DEFAULT_COMPRESSION_LEVEL, |(_, level)| level);
    let mut encoder = zstd::stream::raw::Encoder::with_dictionary(level, dictionary)
        .map_err(|error| ZlibError::Zstd(error.to_string()))?;
    for (number, value) in pairs().filter(|(number, _)| *number != LEVEL) {
        let size = u32::try_from(value).map_err(|_| zstd_bound())?;
        let parameter = match number {
            PLEDGED_SIZE => {
                let pledged = encoder.set_pledged_src_size(Some(size.into()));
                pledged.map_err(zstd_failed)?;
                continue;
            }
            101 => CParameter::WindowLog(size),
            102 => CParameter::HashLog(size),
            103 => CParameter::ChainLog(size),
            104 => CParameter::SearchLog(size),
            105 => CParameter::MinMatch(size),
            106 => CParameter::TargetLength(size),
            107 => CParameter::Strategy(zstd_strategy(value)?),
            160 => CParameter::EnableLongDistanceMatching(value != 0),
            161 => CParameter::LdmHashLog(size),
            162 => CParameter::LdmMinMatch(size),
            163 => CParameter::LdmBucketSizeLog(size),
            164 => CParameter::LdmHashRateLog(size),
            200 => CParameter::ContentSizeFlag(value != 0),
            201 => CParameter::ChecksumFlag(value != 0),
            202 => CParameter::DictIdFlag(value != 0),
            _ => {
                let what = format!("Unsupported Zstd compression parameter: {number}");
                return Err(ZlibError::Zstd(what));
            }
        };
        encoder.set_parameter(parameter).map_err(zstd_failed)?;
    }
    Ok(encoder)
}

fn zstd_strategy(value: i32) -> Result<Strategy, ZlibError> {
    Ok(match value {
        1 => Strategy::ZSTD_fast,
        2 => Strategy::ZSTD_dfast,
        3 => Strategy::ZSTD_greedy,
        4 => Strategy::ZSTD_lazy,
        5 => Strategy::ZSTD_lazy2,
        6 => Strategy::ZSTD_btlazy2,
        7 => Strategy::ZSTD_btopt,
        8 => Strategy::ZSTD_btultra,
        9 => Strategy::ZSTD_btultra2,
        _ => return Err(zstd_bound()),
    })
}

/// What zstd says of a number that a parameter cannot be.
fn zstd_bound() -> ZlibError {
    ZlibError::Zstd("Setting parameter failed: Parameter is out of bound".to_owned())
}

fn zstd_decoder(
    parameters: &[i32],
    dictionary: &[u8],
) -> Result<zstd::stream::raw::Decoder<'static>, ZlibError> {
    let mut decoder = zstd::stream::raw::Decoder::with_dictionary(dictionary)
        .map_err(|error| ZlibError::Zstd(error.to_string()))?;
    for pair in parameters.chunks_exact(2) {
        if pair[0] != 100 {
            let what = format!("Unsupported Zstd decompression parameter: {}", pair[0]);
            return Err(ZlibError::Zstd(what));
        }
        let window = u32::try_from(pair[1]).map_err(|_| zstd_bound())?;
        let window = DParameter::WindowLogMax(window);
        decoder.set_parameter(window).map_err(zstd_failed)?;
    }
    Ok(decoder)
}

fn zstd_step(
    state: &mut impl Operation,
    input: &[u8],
    output: &mut [u8],
    flush: u32,
    compresses: bool,
) -> Step {
    let failed = |error: std::io::Error| ZlibError::Zstd(error.to_string());
    let mut source = InBuffer::around(input);
    let mut target = OutBuffer::around(output);
    let mut hint = 1;
    if source.pos < source.src.len() || !compresses {
        hint = state.run(&mut source, &mut target).map_err(failed)?;
    }
    let mut ended = !compresses && hint == 0;
    if compresses && source.pos == source.src.len() && flush != NO_FLUSH {
        let left = match flush {
            1 => state.flush(&mut target),
            _ => state.finish(&mut target, true),
        };
        ended = left.map_err(failed)? == 0 && flush != 1;
    }
    Ok((source.pos, target.pos(), ended))
}

/// `zlib.crc32()`.
#[op2(fast)]
pub fn op_node_crc32(#[buffer] bytes: &[u8], value: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(value);
    hasher.update(bytes);
    hasher.finalize()
}
