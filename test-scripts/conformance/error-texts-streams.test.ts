// What is said of wrong uses of streams.
import { ILLEGAL_INVOCATION, refused } from "./refused.ts";

export { Inside } from "./inside.ts";

const enc = (text: string) => new TextEncoder().encode(text);
const locked = () => {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
};

export const readableStreams = refused([
  [() => new ReadableStream(5 as any), "TypeError: Failed to construct 'ReadableStream': constructor parameter 1 is not of type 'UnderlyingSource'."],
  [() => new ReadableStream({ type: "foo" } as any), "TypeError: \"foo\" is not a valid type of ReadableStream."],
  [() => new ReadableStream({ start: 5 } as any), "TypeError: Incorrect type for the 'start' field on 'UnderlyingSource': the provided value is not of type 'function'."],
  [() => new ReadableStream({ pull: "x" } as any), "TypeError: Incorrect type for the 'pull' field on 'UnderlyingSource': the provided value is not of type 'function'."],
  [() => new ReadableStream({}, { highWaterMark: -1 }), "TypeError: The value cannot be converted because it is negative and this API expects a positive bigint."],
  [() => new ReadableStream({}, { highWaterMark: NaN }), "TypeError: The value cannot be converted because it is not an integer."],
  [() => new ReadableStream({}, { size: 5 } as any), "TypeError: Incorrect type for the 'size' field on 'StreamQueuingStrategy': the provided value is not of type 'function'."],
  [() => new ReadableStream({ type: "bytes", autoAllocateChunkSize: 0 } as any), "TypeError: The autoAllocateChunkSize option cannot be zero."],
  [() => new ReadableStream().getReader({ mode: "foo" as any }), "TypeError: mode must be undefined or 'byob' in call to getReader()."],
  [() => new ReadableStream().getReader({ mode: "byob" }), "TypeError: This ReadableStream does not support BYOB reads."],
  [() => locked().getReader(), "TypeError: This ReadableStream is currently locked to a reader."],
  [() => new ReadableStream().getReader(5 as any), "TypeError: Failed to execute 'getReader' on 'ReadableStream': parameter 1 is not of type 'GetReaderOptions'."],
  [() => locked().cancel(), "TypeError: This ReadableStream is currently locked to a reader."],
  [() => (new ReadableStream() as any).pipeTo(), "TypeError: Failed to execute 'pipeTo' on 'ReadableStream': parameter 1 is not of type 'WritableStream'."],
  [() => (new ReadableStream() as any).pipeTo({}), "TypeError: Failed to execute 'pipeTo' on 'ReadableStream': parameter 1 is not of type 'WritableStream'."],
  [() => locked().pipeTo(new WritableStream()), "TypeError: This ReadableStream is currently locked to a reader."],
  [() => { const w = new WritableStream(); w.getWriter(); return new ReadableStream().pipeTo(w); }, "TypeError: This WritableStream is currently locked to a writer"],
  [() => locked().pipeThrough(new TransformStream()), "TypeError: This ReadableStream is currently locked to a reader."],
  [() => (new ReadableStream() as any).pipeThrough({}), "TypeError: Incorrect type for the 'readable' field on 'Transform': the provided value is not of type 'ReadableStream'."],
  [() => (new ReadableStream() as any).pipeThrough(), "TypeError: Failed to execute 'pipeThrough' on 'ReadableStream': parameter 1 is not of type 'Transform'."],
  [() => (ReadableStream as any).from(5), "TypeError: Failed to execute 'from' on 'ReadableStream': parameter 1 is not of type 'AsyncGenerator'."],
  [() => (ReadableStream as any).from(), "TypeError: Failed to execute 'from' on 'ReadableStream': parameter 1 is not of type 'AsyncGenerator'."],
  [() => { let c: any; new ReadableStream({ start(x) { c = x; } }); c.close(); return c.enqueue(1); }, "TypeError: Unable to enqueue"],
  [() => { let c: any; new ReadableStream({ start(x) { c = x; } }); c.close(); return c.close(); }, "TypeError: This ReadableStream is closed."],
  [() => { let c: any; new ReadableStream({ start(x) { c = x; } }); c.error(new Error("x")); return c.enqueue(1); }, "TypeError: Unable to enqueue"],
  [() => { let c: any; new ReadableStream({ type: "bytes", start(x) { c = x; } }); c.close(); return c.enqueue(new Uint8Array(1)); }, "TypeError: This ReadableByteStreamController is closed."],
  [() => { let c: any; new ReadableStream({ type: "bytes", start(x) { c = x; } }); c.close(); return c.close(); }, "TypeError: This ReadableStream is closed."],
  [() => { let c: any; new ReadableStream({ type: "bytes", start(x) { c = x; } }); return c.enqueue("x" as any); }, "TypeError: Failed to execute 'enqueue' on 'ReadableByteStreamController': parameter 1 is not of type 'BufferSource'."],
  [() => { let c: any; new ReadableStream({ type: "bytes", start(x) { c = x; } }); return c.enqueue(new Uint8Array()); }, "TypeError: Cannot enqueue a zero-length ArrayBuffer."],
  [() => new (ReadableStreamDefaultController as any)(), "TypeError: Illegal constructor"],
  [() => new (ReadableByteStreamController as any)(), "TypeError: Illegal constructor"],
  [() => new (ReadableStreamBYOBRequest as any)(), "TypeError: Illegal constructor"],
  [() => new (ReadableStreamDefaultReader as any)(), "TypeError: Failed to construct 'ReadableStreamDefaultReader': constructor parameter 1 is not of type 'ReadableStream'."],
  [() => new (ReadableStreamDefaultReader as any)({}), "TypeError: Failed to construct 'ReadableStreamDefaultReader': constructor parameter 1 is not of type 'ReadableStream'."],
  [() => new ReadableStreamDefaultReader(locked()), "TypeError: This ReadableStream is currently locked to a reader."],
  [() => new (ReadableStreamBYOBReader as any)(new ReadableStream()), "TypeError: This ReadableStream does not support BYOB reads."],
  [() => { const r = new ReadableStream().getReader(); r.releaseLock(); return r.read(); }, "TypeError: This ReadableStream reader has been released."],
  [() => { const r = new ReadableStream().getReader(); r.releaseLock(); return r.closed; }, "TypeError: This ReadableStream reader has been released."],
  [() => { const r = new ReadableStream().getReader(); r.releaseLock(); return r.cancel(); }, "TypeError: This ReadableStream reader has been released."],
  [async () => { const r = new ReadableStream().getReader(); const p = r.read(); r.releaseLock(); return p; }, "TypeError: This ReadableStream reader has been released."],
  [() => (new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }) as any).read(), "TypeError: Failed to execute 'read' on 'ReadableStreamBYOBReader': parameter 1 is not of type 'ArrayBufferView'."],
  [() => new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }).read(new Uint8Array() as any), "TypeError: You must call read() on a \"byob\" reader with a positive-sized TypedArray object."],
  [() => (new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }) as any).read("x"), "TypeError: Failed to execute 'read' on 'ReadableStreamBYOBReader': parameter 1 is not of type 'ArrayBufferView'."],
  [() => (new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }) as any).read(new Uint8Array(1), { min: 2 }), "TypeError: Minimum bytes to read (2) exceeds size of buffer (1)."],
  [() => (new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }) as any).read(new Uint8Array(1), { min: 0 }), "TypeError: Requested invalid minimum number of bytes to read (0)."],
  [() => (new Response("x").body!.getReader({ mode: "byob" }) as any).readAtLeast(0, new Uint8Array(1)), "TypeError: Requested invalid minimum number of bytes to read (0)."],
  [() => (new Response("x").body!.getReader({ mode: "byob" }) as any).readAtLeast(5, new Uint8Array(1)), "TypeError: Minimum bytes to read (5) exceeds size of buffer (1)."],
  [() => (ReadableStream.prototype as any).getReader.call({} as any), ILLEGAL_INVOCATION],
]);

export const writableStreams = refused([
  [() => new WritableStream({ start: 5 } as any), "TypeError: Incorrect type for the 'start' field on 'UnderlyingSink': the provided value is not of type 'function'."],
  [() => new WritableStream(5 as any), "TypeError: Failed to construct 'WritableStream': constructor parameter 1 is not of type 'UnderlyingSink'."],
  [() => { const w = new WritableStream(); w.getWriter(); return w.getWriter(); }, "TypeError: This WritableStream is currently locked to a writer."],
  [() => { const w = new WritableStream(); w.getWriter(); return w.abort(); }, "TypeError: This WritableStream is currently locked to a writer."],
  [() => { const w = new WritableStream(); w.getWriter(); return w.close(); }, "TypeError: This WritableStream is currently locked to a writer."],
  [async () => { const w = new WritableStream(); await w.close(); return w.close(); }, "TypeError: This WritableStream has been closed."],
  [async () => { const w = new WritableStream().getWriter(); await w.close(); return w.close(); }, "TypeError: This WritableStream has been closed."],
  [async () => { const w = new WritableStream().getWriter(); await w.close(); return w.write(1); }, "TypeError: This WritableStream has been closed."],
  [async () => { const w = new WritableStream().getWriter(); w.close(); return w.write(1); }, "TypeError: This WritableStream has been closed."],
  [async () => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.write(1); }, "TypeError: This WritableStream writer has been released."],
  [async () => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.closed; }, "TypeError: This WritableStream writer has been released."],
  [async () => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.ready; }, "TypeError: This WritableStream writer has been released."],
  [() => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.desiredSize; }, "TypeError: This WritableStream writer has been released."],
  [() => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.abort(); }, "TypeError: This WritableStream writer has been released."],
  [() => { const w = new WritableStream().getWriter(); w.releaseLock(); return w.close(); }, "TypeError: This WritableStream writer has been released."],
  [() => new (WritableStreamDefaultWriter as any)(), "TypeError: Failed to construct 'WritableStreamDefaultWriter': constructor parameter 1 is not of type 'WritableStream'."],
  [() => new (WritableStreamDefaultWriter as any)({}), "TypeError: Failed to construct 'WritableStreamDefaultWriter': constructor parameter 1 is not of type 'WritableStream'."],
  [() => new (WritableStreamDefaultController as any)(), "TypeError: Illegal constructor"],
]);

export const transformStreams = refused([
  [() => new TransformStream({ readableType: "bytes" } as any), "TypeError: transformer.readableType must be undefined."],
  [() => new TransformStream({ writableType: "bytes" } as any), "TypeError: transformer.writableType must be undefined."],
  [() => new TransformStream({ transform: 5 } as any), "TypeError: Incorrect type for the 'transform' field on 'Transformer': the provided value is not of type 'function'."],
  [() => new TransformStream(5 as any), "TypeError: Failed to construct 'TransformStream': constructor parameter 1 is not of type 'Transformer'."],
  [() => new (TransformStreamDefaultController as any)(), "TypeError: Illegal constructor"],
  [async () => { let c: any; const t = new TransformStream({ start(x) { c = x; } }); c.terminate(); return c.enqueue(1); }, "TypeError: The readable side of this TransformStream is no longer readable."],
  [() => new (FixedLengthStream as any)(), "TypeError: Failed to construct 'FixedLengthStream': constructor parameter 1 is not of type 'bigint'."],
  [() => new FixedLengthStream(-1), "TypeError: The value cannot be converted because it is negative and this API expects a positive bigint."],
  [() => new FixedLengthStream(2 ** 60), "TypeError: FixedLengthStream requires an integer expected length less than 2^53."],
  [() => new FixedLengthStream("x" as any), "TypeError: The value cannot be converted because it is not an integer."],
  [async () => { const f = new IdentityTransformStream(); f.readable.getReader().read().catch(() => {}); return f.writable.getWriter().write(5 as any); }, "TypeError: This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side."],
  [() => new (CountQueuingStrategy as any)(), "TypeError: Failed to construct 'CountQueuingStrategy': constructor parameter 1 is not of type 'QueuingStrategyInit'."],
  [() => new (ByteLengthQueuingStrategy as any)(5), "TypeError: Failed to construct 'ByteLengthQueuingStrategy': constructor parameter 1 is not of type 'QueuingStrategyInit'."],
]);

export const compression = refused([
  [() => new (CompressionStream as any)(), "TypeError: Failed to construct 'CompressionStream': constructor parameter 1 is not of type 'string'."],
  [() => new CompressionStream("foo" as any), "TypeError: The compression format must be either 'deflate', 'deflate-raw' or 'gzip'."],
  [() => new DecompressionStream("foo" as any), "TypeError: The compression format must be either 'deflate', 'deflate-raw' or 'gzip'."],
  [() => new (DecompressionStream as any)(), "TypeError: Failed to construct 'DecompressionStream': constructor parameter 1 is not of type 'string'."],
  [async () => { const d = new DecompressionStream("gzip"); const w = d.writable.getWriter(); w.write(enc("not gzip at all")).catch(() => {}); w.close().catch(() => {}); return d.readable.getReader().read(); }, "TypeError: Decompression failed."],
  [async () => { const d = new DecompressionStream("deflate"); const w = d.writable.getWriter(); w.write(enc("not gzip at all")).catch(() => {}); w.close().catch(() => {}); return d.readable.getReader().read(); }, "TypeError: Decompression failed."],
  [async () => { const d = new DecompressionStream("gzip"); const w = d.writable.getWriter(); w.write(new Uint8Array([31, 139, 8, 0])).catch(() => {}); w.close().catch(() => {}); return d.readable.getReader().read(); }, "TypeError: Called close() on a decompression stream with incomplete data"],
  [async () => { const z = new Uint8Array(await new Response(new Response("hi").body!.pipeThrough(new CompressionStream("gzip"))).arrayBuffer()); const b = new Uint8Array(z.length + 1); b.set(z); return new Response(new Response(b).body!.pipeThrough(new DecompressionStream("gzip"))).text(); }, "TypeError: Trailing bytes after end of compressed data"],
  [async () => { const d = new DecompressionStream("gzip"); const w = d.writable.getWriter(); w.close().catch(() => {}); return d.readable.getReader().read(); }, "TypeError: Called close() on a decompression stream with incomplete data"],
]);
