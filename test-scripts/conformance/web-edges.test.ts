// The edges of the web platform: names that are empty, lengths that are not kept, reasons that are no errors.
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

async function settled(promise: Promise<unknown>): Promise<string> {
  const outcome = promise.then(() => "fulfilled", (error) => String(error));
  return await Promise.race([outcome, scheduler.wait(10).then(() => "pending")]);
}

export const headersWithoutAName = {
  test() {
    const headers = new Headers({ a: "1" });
    assertEquals([headers.get(""), headers.has("")], [null, false]);
    headers.delete("");
    for (const name of [" ", "a b", "a:"]) {
      assertThrows(() => headers.get(name), "TypeError: Invalid header name.");
      assertThrows(() => headers.has(name), "TypeError: Invalid header name.");
      assertThrows(() => headers.delete(name), "TypeError: Invalid header name.");
      assertThrows(() => headers.set(name, "v"), "TypeError: Invalid header name.");
      assertThrows(() => headers.append(name, "v"), "TypeError: Invalid header name.");
    }
    assertEquals([...headers], [["a", "1"]]);
  },
};

export const failing = {
  fetch() {
    return Response.error();
  },
};

export const responsesThatAreErrors = {
  async test(_: unknown, _env: unknown, ctx: any) {
    const response = Response.error() as any;
    assertEquals([response.type, response.status, response.statusText, response.ok, response.body], ["error", 0, "", false, null]);
    response.headers.set("a", "b");
    assertEquals(response.headers.get("a"), "b");
    const text = "TypeError: Return value from serve handler must not be an error response (like Response.error())";
    await assertRejects(() => ctx.exports.failing.fetch("http://host/"), text);
  },
};

export const unusualStatusTexts = {
  test() {
    const shown = (statusText: string) => new Response(null, { statusText }).statusText;
    assertEquals(["", "\u00e9", "x".repeat(300)].map(shown), ["", "\u00e9", "x".repeat(300)]);
    for (const text of ["a\nb", "a\tb", "\0"]) assertThrows(() => shown(text), "TypeError: Invalid statusText");
  },
};

export const lengthsThatAreExceeded = {
  async test() {
    const { readable, writable } = new FixedLengthStream(3);
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const first = reader.read();
    await writer.write(new Uint8Array(2));
    assertEquals((await first).value!.byteLength, 2);
    const second = settled(reader.read());
    const text = "TypeError: Attempt to write too many bytes through a FixedLengthStream.";
    // The reader is told; the writer hears of it when it goes on.
    assertEquals(await settled(writer.write(new Uint8Array(2))), "fulfilled");
    assertEquals(await second, text);
    assertEquals(await settled(writer.close()), text);
  },
};

export const lengthsThatAreNotReached = {
  async test() {
    const { readable, writable } = new FixedLengthStream(3);
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const first = reader.read();
    await writer.write(new Uint8Array(2));
    await first;
    const second = settled(reader.read());
    assertEquals(await settled(writer.close()), "fulfilled");
    const text = "TypeError: FixedLengthStream did not see all expected bytes before close().";
    assertEquals([await second, await settled(writer.closed), await settled(reader.closed)], [text, "fulfilled", text]);
  },
};

export const lengthsThatAreKept = {
  async test() {
    const { readable, writable } = new FixedLengthStream(3.7, { highWaterMark: 10 } as any);
    const writer = writable.getWriter();
    // No more than the stream is to take.
    assertEquals(writer.desiredSize, 3);
    const written = writer.write(new Uint8Array(3));
    assertEquals(writer.desiredSize, 0);
    const read = new Response(readable).arrayBuffer();
    await written;
    await writer.close();
    assertEquals((await read).byteLength, 3);
  },
};

export const reasonsOfWaitsThatWereAborted = {
  async test() {
    const abortedBy = (reason?: unknown) => {
      const controller = new AbortController();
      const waited = scheduler.wait(1000, { signal: controller.signal });
      controller.abort(reason);
      return waited;
    };
    await assertRejects(() => abortedBy(new RangeError("mine")), "RangeError: mine");
    await assertRejects(() => abortedBy("text"), "Error: text");
    await assertRejects(() => abortedBy(null), "Error: null");
    await assertRejects(() => abortedBy(), "AbortError: The operation was aborted");
    await assertRejects(() => scheduler.wait(1000, { signal: AbortSignal.abort("early") }), "Error: early");
  },
};

export const performanceWithoutArguments = {
  test() {
    const timing = performance as any;
    const refused = (name: string, type: string) =>
      assertThrows(() => timing[name](), `TypeError: Failed to execute '${name}' on 'Performance': parameter 1 is not of type '${type}'.`);
    for (const name of ["mark", "measure", "getEntriesByName", "getEntriesByType"]) refused(name, "string");
    refused("timerify", "function");
    refused("setResourceTimingBufferSize", "unsigned integer");
    assertEquals([timing.clearMarks(), timing.clearMeasures(), timing.clearResourceTimings()], [undefined, undefined, undefined]);
  },
};

export const membersShowInLoops = {
  test(_: unknown, _env: unknown, ctx: object) {
    const shown = (object: object) => {
      const names = new Set<string>();
      for (const name in object) names.add(name);
      return names;
    };
    const [socket] = Object.values(new WebSocketPair());
    for (const name of ["accept", "send", "readyState", "serializeAttachment"]) assert(shown(socket).has(name), name);
    for (const name of ["match", "put", "delete"]) assert(shown(caches.default).has(name), name);
    for (const name of ["waitUntil", "props"]) assert(shown(ctx).has(name), name);
    assertEquals(Object.getOwnPropertyDescriptor(Headers.prototype, Symbol.toStringTag)!.writable, true);
    const open = Object.getOwnPropertyDescriptor(WebSocket, "OPEN");
    assertEquals(open, { value: 1, writable: false, enumerable: true, configurable: true });
  },
};

export const streamsOfTheirKind = {
  test() {
    const made = [new CompressionStream("gzip"), new DecompressionStream("gzip"), new TextEncoderStream(), new TextDecoderStream()];
    for (const stream of made) assert(stream instanceof TransformStream, stream.constructor.name);
  },
};
