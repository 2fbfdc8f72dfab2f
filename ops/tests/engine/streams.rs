//! Streams: the web's, and the two the platform adds.

use crate::fixture::check;

#[test]
fn web_streams_and_compression() {
    check(&[
        (
            "new Response(new Blob(['x'.repeat(1e5)]).stream().pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'))).text().then((t) => t.length)",
            "100000",
        ),
        (
            "new Response(ReadableStream.from(['a', 'b']).pipeThrough(new TextEncoderStream())).text()",
            "ab",
        ),
    ]);
}

#[test]
fn an_identity_transform_stream_passes_bytes_on() {
    check(&[
        (
            "new IdentityTransformStream() instanceof TransformStream",
            "true",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); const w = writable.getWriter(); w.write(new Uint8Array([65])); w.write('B'); w.close(); return new Response(readable).text(); })()",
            "AB",
        ),
        // A write is over when its bytes were read, however small the reader's buffer.
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); const w = writable.getWriter(); let done = false; w.write(new Uint8Array([1, 2, 3])).then(() => done = true); const r = readable.getReader({ mode: 'byob' }); const first = (await r.read(new Uint8Array(2))).value; const between = done; const second = (await r.read(new Uint8Array(2))).value; await new Promise((r) => setTimeout(r)); return [first, between, second, done].join(';'); })()",
            "1,2;false;3;true",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); const w = writable.getWriter(); const r = readable.getReader({ mode: 'byob' }); const read = r.read(new Uint8Array(2)); await w.close(); return (await read).done; })()",
            "true",
        ),
        (
            "(async () => { const bytes = new Uint8Array([1]); const { readable, writable } = new IdentityTransformStream(); writable.getWriter().write(bytes); await readable.getReader().read(); return bytes.length; })()",
            "1",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); readable.getReader().closed.catch(() => {}); return writable.getWriter().write(5); })()",
            "TypeError: This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); const w = writable.getWriter(); w.closed.catch(() => {}); const write = w.write('x'); readable.cancel(new RangeError('enough')); return write; })()",
            "RangeError: enough",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); writable.abort(new RangeError('gone')); return readable.getReader().read(); })()",
            "RangeError: gone",
        ),
        (
            "(async () => { const { readable, writable } = new IdentityTransformStream(); new Blob(['abc']).stream().pipeTo(writable); return new Response(readable).text(); })()",
            "abc",
        ),
    ]);
}

#[test]
fn a_fixed_length_stream_keeps_its_promise() {
    check(&[
        (
            "(async () => { const { readable, writable } = new FixedLengthStream(2); const w = writable.getWriter(); w.write('ab'); w.close(); return new Response(readable).text(); })()",
            "ab",
        ),
        (
            "(async () => { const { readable, writable } = new FixedLengthStream(2); const w = writable.getWriter(); w.closed.catch(() => {}); w.write('abc').catch(() => {}); return new Response(readable).text(); })()",
            "TypeError: Attempt to write too many bytes through a FixedLengthStream.",
        ),
        (
            "(async () => { const { readable, writable } = new FixedLengthStream(2); const w = writable.getWriter(); w.closed.catch(() => {}); w.write('a'); w.close().catch(() => {}); return new Response(readable).text(); })()",
            "TypeError: FixedLengthStream did not see all expected bytes before close().",
        ),
        (
            "new FixedLengthStream()",
            "TypeError: Failed to construct 'FixedLengthStream': constructor parameter 1 is not of type 'bigint'.",
        ),
        (
            "new FixedLengthStream(-1)",
            "TypeError: The value cannot be converted because it is negative and this API expects a positive bigint.",
        ),
        (
            "new FixedLengthStream('x')",
            "TypeError: The value cannot be converted because it is not an integer.",
        ),
        (
            "new FixedLengthStream(3n) instanceof IdentityTransformStream",
            "true",
        ),
    ]);
}

#[test]
fn a_digest_stream_digests_what_is_written() {
    check(&[
        (
            "(async () => { const s = new crypto.DigestStream('sha-256'); const w = s.getWriter(); await w.write('a'); await w.write(new Uint8Array([98])); await w.close(); return new Uint8Array(await s.digest).toHex() + s.bytesWritten; })()",
            "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b850556206032",
        ),
        (
            "(async () => { const s = new crypto.DigestStream({ name: 'MD5' }); await s.getWriter().close(); return new Uint8Array(await s.digest).toHex(); })()",
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
        (
            "new crypto.DigestStream('nope')",
            "NotSupportedError: Unrecognized or unimplemented digest algorithm requested.",
        ),
        (
            "new crypto.DigestStream()",
            "TypeError: Failed to construct 'DigestStream': constructor parameter 1 is not of type 'string or HashAlgorithm'.",
        ),
        (
            "(async () => { const s = new crypto.DigestStream('SHA-1'); await s.getWriter().abort(new RangeError('stop')); return s.digest; })()",
            "RangeError: stop",
        ),
        (
            "new crypto.DigestStream('SHA-1').getWriter().write(5)",
            "TypeError: DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView/string type on its writable side.",
        ),
    ]);
}
