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
use flate2::Compress;
use flate2::Compression;
use flate2::Decompress;
use flate2::FlushCompress;
use flate2::FlushDecompress;
use flate2::Status;
use zstd::stream::raw::InBuffer;
use zstd::stream::raw::Operation;
use zstd::stream::raw::OutBuffer;

/// What is wrong with the input, or with what was asked.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum ZlibError {
    #[class(generic)]
    #[error("incorrect header check")]
    Data,
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

/// How much of what came in has to come out, as `zlib.constants` number it.
const FINISH: u32 = 4;
const NO_FLUSH: u32 = 0;

type Decoder = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum State {
    Compress(Compress),
    Decompress(Decompress),
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
    /// `parameters` are the level and the window's bits, or pairs of a number and a value for brotli and zstd.
    #[constructor]
    #[cppgc]
    fn new(#[string] kind: &str, #[serde] parameters: Vec<i32>) -> Result<NodeZlib, ZlibError> {
        let at = |i: usize| parameters.get(i).copied();
        let level = match at(0).unwrap_or(-1) {
            level @ 0..=9 => Compression::new(level.unsigned_abs()),
            _ => Compression::default(),
        };
        // A window of 0 bits is that of the header; the least is what the library has.
        let bits = match at(1).unwrap_or(15) {
            8 => 9,
            bits @ 9..=15 => bits.unsigned_abs() as u8,
            _ => 15,
        };
        let state = match kind {
            "deflate" => State::Compress(Compress::new_with_window_bits(level, true, bits)),
            "deflateRaw" => State::Compress(Compress::new_with_window_bits(level, false, bits)),
            "gzip" => State::Compress(Compress::new_gzip(level, bits)),
            "inflate" => State::Decompress(Decompress::new_with_window_bits(true, bits)),
            "inflateRaw" => State::Decompress(Decompress::new_with_window_bits(false, bits)),
            "gunzip" => State::Decompress(Decompress::new_gzip(bits)),
            "brotliCompress" => State::BrotliCompress(Box::new(brotli_encoder(&parameters)?)),
            "brotliDecompress" => State::BrotliDecompress(Box::new(BrotliState::new(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            "zstdCompress" => State::ZstdCompress(zstd_encoder(&parameters)?),
            "zstdDecompress" => State::ZstdDecompress(
                zstd::stream::raw::Decoder::new()
                    .map_err(|error| ZlibError::Zstd(error.to_string()))?,
            ),
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
            State::Compress(state) => compress(state, input, output, flush)?,
            State::Decompress(state) => decompress(state, input, output, flush)?,
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

    #[fast]
    fn reset(&self) {
        match &mut *self.state.borrow_mut() {
            State::Compress(state) => state.reset(),
            State::Decompress(state) => state.reset(true),
            _ => {}
        }
    }
}

/// What a step did: bytes taken, bytes given, whether the end was reached.
type Step = Result<(usize, usize, bool), ZlibError>;

fn compress(state: &mut Compress, input: &[u8], output: &mut [u8], flush: u32) -> Step {
    let flush = match flush {
        NO_FLUSH => FlushCompress::None,
        1 => FlushCompress::Partial,
        2 => FlushCompress::Sync,
        3 => FlushCompress::Full,
        _ => FlushCompress::Finish,
    };
    let (taken, given) = (state.total_in(), state.total_out());
    let status = state.compress(input, output, flush);
    let status = status.map_err(|_| ZlibError::Data)?;
    let consumed = (state.total_in() - taken) as usize;
    let produced = (state.total_out() - given) as usize;
    Ok((consumed, produced, status == Status::StreamEnd))
}

fn decompress(state: &mut Decompress, input: &[u8], output: &mut [u8], flush: u32) -> Step {
    let flush = match flush {
        FINISH => FlushDecompress::Finish,
        NO_FLUSH => FlushDecompress::None,
        _ => FlushDecompress::Sync,
    };
    let (taken, given) = (state.total_in(), state.total_out());
    let status = state.decompress(input, output, flush);
    let consumed = (state.total_in() - taken) as usize;
    let produced = (state.total_out() - given) as usize;
    match status {
        Ok(status) => Ok((consumed, produced, status == Status::StreamEnd)),
        Err(_) => Err(ZlibError::Data),
    }
}

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

fn zstd_encoder(parameters: &[i32]) -> Result<zstd::stream::raw::Encoder<'static>, ZlibError> {
    const LEVEL: i32 = 100;
    const CHECKSUM: i32 = 201;
    let of = |number| parameters.chunks_exact(2).find(|pair| pair[0] == number);
    if parameters
        .chunks_exact(2)
        .any(|pair| ![LEVEL, CHECKSUM].contains(&pair[0]))
    {
        return Err(ZlibError::Options);
    }
    let failed = |error: std::io::Error| ZlibError::Zstd(error.to_string());
    let level = of(LEVEL).map_or(zstd::DEFAULT_COMPRESSION_LEVEL, |pair| pair[1]);
    let mut encoder = zstd::stream::raw::Encoder::new(level).map_err(failed)?;
    if let Some(pair) = of(CHECKSUM) {
        let checksum = zstd::stream::raw::CParameter::ChecksumFlag(pair[1] != 0);
        encoder.set_parameter(checksum).map_err(failed)?;
    }
    Ok(encoder)
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
