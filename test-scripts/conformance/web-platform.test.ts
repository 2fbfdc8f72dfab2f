// The web platform as objects find it: each area in its common uses.
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: ArrayBuffer | ArrayBufferView) => new TextDecoder().decode(data);
const hex = (data: ArrayBuffer) => [...new Uint8Array(data)].map((b) => b.toString(16).padStart(2, "0")).join("");

export const headersAreCaseInsensitiveAndSorted = inside(() => {
  const headers = new Headers({ "X-B": "2", "x-a": "1" });
  headers.append("X-A", "3");
  assertEquals(headers.get("X-a"), "1, 3");
  assertEquals([...headers], [["x-a", "1, 3"], ["x-b", "2"]]);
  headers.delete("x-b");
  assertEquals(headers.has("X-B"), false);
  assertThrows(() => headers.set("bad name", "x"), /^TypeError/);
});

export const aRequestHasItsParts = inside(async () => {
  const request = new Request("http://example.com/a?b=1", { method: "post", headers: { "X-A": "1" }, body: '{"c":2}' });
  assertEquals([request.method, request.url, request.headers.get("X-A")], ["POST", "http://example.com/a?b=1", "1"]);
  const copy = request.clone();
  assertEquals(await request.json(), { c: 2 });
  assertEquals(request.bodyUsed, true);
  assertEquals(await copy.text(), '{"c":2}');
  await assertRejects(() => request.text(), /^TypeError: Body has already been used/);
});

export const aGetRequestHasNoBody = inside(() => {
  assertEquals(new Request("http://example.com/").body, null);
  assertThrows(() => new Request("http://example.com/", { body: "x" }), /^TypeError: Request with a GET or HEAD method cannot have a body/);
});

export const aResponseHasItsParts = inside(async () => {
  const response = new Response("text", { status: 404, statusText: "Gone", headers: { "X-A": "1" } });
  assertEquals([response.status, response.ok, response.statusText], [404, false, "Gone"]);
  assertEquals(response.headers.get("Content-Type"), "text/plain;charset=UTF-8");
  assertEquals(await response.text(), "text");
});

export const aResponseIsMadeOfJson = inside(async () => {
  const response = Response.json({ a: [1] }, { status: 201 });
  assertEquals([response.status, response.headers.get("Content-Type")], [201, "application/json"]);
  assertEquals(await response.json(), { a: [1] });
});

export const aResponseRedirects = inside(() => {
  const response = Response.redirect("http://example.com/a", 301);
  assertEquals([response.status, response.headers.get("Location")], [301, "http://example.com/a"]);
});

export const aBodyIsReadInManyWays = inside(async () => {
  const data = bytes("a=1&b=2");
  assertEquals(new Uint8Array(await new Response(data).arrayBuffer()), data);
  assertEquals(await new Response(data).bytes(), data);
  assertEquals(await (await new Response(data).blob()).text(), "a=1&b=2");
  const form = await new Response(new URLSearchParams("a=1&b=2")).formData();
  assertEquals([...form], [["a", "1"], ["b", "2"]]);
});

export const aBodyIsSentAsAForm = inside(async () => {
  const form = new FormData();
  form.append("text", "value");
  form.append("file", new File(["content"], "a.txt", { type: "text/plain" }));
  const response = new Response(form);
  assert(response.headers.get("Content-Type")!.startsWith("multipart/form-data; boundary="));
  const parsed = await response.formData();
  assertEquals(parsed.get("text"), "value");
  const file = parsed.get("file") as unknown as File;
  assert(file instanceof File);
  assertEquals([file.name, file.type, await file.text()], ["a.txt", "text/plain", "content"]);
});

export const aUrlIsParsed = inside(() => {
  const url = new URL("../c?x=1#h", "https://user:pw@example.com:8080/a/b");
  assertEquals([url.href, url.host, url.pathname, url.search, url.hash, url.username],
    ["https://user:pw@example.com:8080/c?x=1#h", "example.com:8080", "/c", "?x=1", "#h", "user"]);
  url.searchParams.append("y", "a b");
  assertEquals(url.search, "?x=1&y=a+b");
  assertThrows(() => new URL("nowhere"), /^TypeError: Invalid URL/);
  assertEquals(URL.canParse("nowhere"), false);
  assertEquals(URL.parse("nowhere"), null);
});

export const searchParametersAreAList = inside(() => {
  const params = new URLSearchParams({ b: "2", a: "1" });
  params.append("a", "3");
  assertEquals(params.getAll("a"), ["1", "3"]);
  params.sort();
  assertEquals(params.toString(), "a=1&a=3&b=2");
  assertEquals([params.size, params.has("a", "3")], [3, true]);
});

export const aUrlPatternMatches = inside(() => {
  const pattern = new URLPattern({ pathname: "/room/:name/*" });
  assert(pattern.test("http://example.com/room/lobby/messages"));
  assert(!pattern.test("http://example.com/rooms"));
  assertEquals(pattern.exec("http://example.com/room/lobby/a/b")!.pathname.groups, { name: "lobby", "0": "a/b" });
});

export const aStreamIsReadByItsReader = inside(async () => {
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue("a");
      controller.enqueue("b");
      controller.close();
    },
  });
  const reader = stream.getReader();
  assertEquals(await reader.read(), { value: "a", done: false });
  assertEquals((await reader.read()).value, "b");
  assertEquals((await reader.read()).done, true);
});

export const aStreamIsIterable = inside(async () => {
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(1);
      controller.close();
    },
  });
  const values = [];
  for await (const value of stream) values.push(value);
  assertEquals(values, [1]);
});

export const aStreamIsPiped = inside(async () => {
  const written: string[] = [];
  const upper = new TransformStream({ transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()) });
  const sink = new WritableStream({ write: (chunk) => void written.push(chunk) });
  const source = new ReadableStream({
    start(controller) {
      controller.enqueue("a");
      controller.close();
    },
  });
  await source.pipeThrough(upper).pipeTo(sink);
  assertEquals(written, ["A"]);
});

export const aStreamIsSplit = inside(async () => {
  const [one, other] = new Response("both").body!.tee();
  assertEquals([await new Response(one).text(), await new Response(other).text()], ["both", "both"]);
});

export const aStreamIsCancelled = inside(async () => {
  let reason: unknown;
  const stream = new ReadableStream({ cancel: (why) => void (reason = why) });
  await stream.cancel("enough");
  assertEquals(reason, "enough");
});

export const aStreamsErrorReachesItsReader = inside(async () => {
  const stream = new ReadableStream({ start: (controller) => controller.error(new RangeError("torn")) });
  await assertRejects(() => stream.getReader().read(), "RangeError: torn");
});

export const aBodyPassesThroughAnIdentityStream = inside(async () => {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const written = writer.write(bytes("through")).then(() => writer.close());
  assertEquals(await new Response(readable).text(), "through");
  await written;
});

export const textIsEncodedAndDecoded = inside(() => {
  assertEquals([...bytes("é🦀")], [0xc3, 0xa9, 0xf0, 0x9f, 0xa6, 0x80]);
  assertEquals(text(new Uint8Array([0xc3, 0xa9, 0xff])), "é\ufffd");
  assertThrows(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(new Uint8Array([0xff])), /^TypeError/);
  assertEquals(new TextDecoder("utf-16le").decode(new Uint8Array([0x61, 0])), "a");
  assertEquals(new TextDecoder("latin1").decode(new Uint8Array([0xe9])), "é");
});

export const textIsDecodedInPieces = inside(() => {
  const decoder = new TextDecoder();
  const crab = bytes("🦀");
  assertEquals(decoder.decode(crab.subarray(0, 2), { stream: true }) + decoder.decode(crab.subarray(2)), "🦀");
});

export const textStreamsEncodeAndDecode = inside(async () => {
  const stream = new Response("é🦀").body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream());
  assertEquals(await new Response(stream).text(), "é🦀");
});

export const base64IsEncodedAndDecoded = inside(() => {
  assertEquals([btoa("hello"), atob("aGVsbG8=")], ["aGVsbG8=", "hello"]);
  assertThrows(() => btoa("é🦀"), /^InvalidCharacterError/);
  assertThrows(() => atob("%"), /^InvalidCharacterError/);
});

export const aBlobHoldsBytes = inside(async () => {
  const blob = new Blob(["ab", bytes("cd")], { type: "text/plain" });
  assertEquals([blob.size, blob.type, await blob.text()], [4, "text/plain", "abcd"]);
  assertEquals(await blob.slice(1, 3).text(), "bc");
  assertEquals(text(await blob.arrayBuffer()), "abcd");
});

export const aFormIsAList = inside(() => {
  const form = new FormData();
  form.append("a", "1");
  form.append("a", "2");
  form.set("b", "3");
  assertEquals(form.getAll("a"), ["1", "2"]);
  form.delete("a");
  assertEquals([...form.keys()], ["b"]);
});

export const digestsAreComputed = inside(async () => {
  assertEquals(
    hex(await crypto.subtle.digest("SHA-256", bytes("abc"))),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(hex(await crypto.subtle.digest("SHA-1", bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
});

export const messagesAreSignedWithHmac = inside(async () => {
  const key = await crypto.subtle.importKey("raw", bytes("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const signature = await crypto.subtle.sign("HMAC", key, bytes("The quick brown fox jumps over the lazy dog"));
  assertEquals(hex(signature), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  assertEquals(await crypto.subtle.verify("HMAC", key, signature, bytes("another text")), false);
});

export const messagesAreEncryptedWithAesGcm = inside(async () => {
  const key = (await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"])) as CryptoKey;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const secret = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, bytes("secret"));
  assertEquals(secret.byteLength, 6 + 16);
  assertEquals(text(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, secret)), "secret");
});

export const messagesAreSignedWithEcdsa = inside(async () => {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { privateKey, publicKey } = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const by = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(by, privateKey, bytes("text"));
  assertEquals(await crypto.subtle.verify(by, publicKey, signature, bytes("text")), true);
});

export const keysAreDerivedFromPasswords = inside(async () => {
  const key = await crypto.subtle.importKey("raw", bytes("password"), "PBKDF2", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: bytes("salt"), iterations: 1 }, key, 256);
  assertEquals(hex(bits), "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
});

export const randomnessIsThere = inside(() => {
  assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()));
  assert(crypto.getRandomValues(new Uint8Array(32)).some((byte) => byte !== 0));
  assert(Math.random() !== Math.random());
});

export const timersFireInOrder = inside(async () => {
  const order: number[] = [];
  await new Promise<void>((resolve) => {
    setTimeout(() => (order.push(2), resolve()), 10);
    setTimeout((n: number) => order.push(n), 1, 1);
    clearTimeout(setTimeout(() => order.push(3), 2));
    queueMicrotask(() => order.push(0));
  });
  assertEquals(order, [0, 1, 2]);
});

export const intervalsRepeatUntilTheyAreCleared = inside(async () => {
  let ticks = 0;
  await new Promise<void>((resolve) => {
    const interval = setInterval(() => {
      if (++ticks === 3) resolve(clearInterval(interval));
    }, 1);
  });
  await scheduler.wait(5);
  assertEquals(ticks, 3);
});

export const schedulerWaits = inside(async () => {
  const start = Date.now();
  await scheduler.wait(10);
  assert(Date.now() - start >= 9);
  await assertRejects(() => scheduler.wait(1000, { signal: AbortSignal.abort() }), /^AbortError/);
});

export const anAbortControllerAborts = inside(async () => {
  const controller = new AbortController();
  let aborted = false;
  controller.signal.addEventListener("abort", () => (aborted = true));
  controller.abort(new RangeError("reason"));
  assertEquals([aborted, controller.signal.aborted], [true, true]);
  assertThrows(() => controller.signal.throwIfAborted(), "RangeError: reason");
  assertEquals(String(AbortSignal.abort().reason), "AbortError: The operation was aborted");
  const any = AbortSignal.any([new AbortController().signal, controller.signal]);
  assertEquals(any.aborted, true);
});

export const anAbortSignalTimesOut = inside(async () => {
  const signal = AbortSignal.timeout(1);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assertEquals((signal.reason as Error).name, "TimeoutError");
});

export const eventsAreDispatched = inside(() => {
  const target = new EventTarget();
  const seen: string[] = [];
  const listener = (event: Event) => seen.push(event.type);
  target.addEventListener("a", listener);
  target.addEventListener("b", listener, { once: true });
  for (const type of ["a", "b", "b", "a"]) target.dispatchEvent(new Event(type));
  target.removeEventListener("a", listener);
  target.dispatchEvent(new Event("a"));
  assertEquals(seen, ["a", "b", "a"]);
});

export const structuredCloneCopies = inside(() => {
  const value = { a: new Map([[1, new Date(0)]]), b: [1n] };
  const copy = structuredClone(value);
  assertEquals(copy, value);
  assert(copy.a !== value.a);
  assertThrows(() => structuredClone(() => 1), "DataCloneError: () => 1 could not be cloned.");
});

export const streamsAreCompressed = inside(async () => {
  for (const format of ["gzip", "deflate", "deflate-raw"] as const) {
    const compressed = new Response("a".repeat(10_000)).body!.pipeThrough(new CompressionStream(format));
    const data = await new Response(compressed).arrayBuffer();
    assert(data.byteLength < 200, `${format}: ${data.byteLength}`);
    const restored = new Response(data).body!.pipeThrough(new DecompressionStream(format));
    assertEquals(await new Response(restored).text(), "a".repeat(10_000));
  }
});

export const domExceptionsAreErrors = inside(() => {
  const error = new DOMException("message", "NotFoundError");
  assert(error instanceof Error);
  assertEquals([error.name, error.message, error.code, String(error)], ["NotFoundError", "message", 8, "NotFoundError: message"]);
});

export const theRuntimeNamesItself = inside(() => {
  assertEquals(navigator.userAgent, "Cloudflare-Workers");
});

export const globalsAreThere = inside(() => {
  assert((globalThis as unknown) === self);
  const names = [
    "fetch", "console", "performance", "caches", "WebAssembly", "MessageChannel", "CustomEvent", "ErrorEvent", "MessageEvent",
    "CloseEvent", "ReadableStreamBYOBReader", "CountQueuingStrategy", "ByteLengthQueuingStrategy", "FixedLengthStream",
    "HTMLRewriter", "WebSocketRequestResponsePair", "reportError", "PromiseRejectionEvent", "CryptoKey", "EventSource",
  ];
  assertEquals(names.filter((name) => !(name in globalThis)), []);
});

export const timeGoesOn = inside(async () => {
  const [date, monotonic] = [Date.now(), performance.now()];
  await scheduler.wait(5);
  assert(Date.now() > date);
  assert(performance.now() > monotonic);
});

export const codeIsNotMadeFromStrings = inside(() => {
  assertThrows(() => eval("1"), "EvalError: Code generation from strings disallowed for this context");
  assertThrows(() => new Function("return 1"), "EvalError: Code generation from strings disallowed for this context");
});

export const bodiesAreStreamsOfBytes = inside(async () => {
  const reader = new Response("hello").body!.getReader({ mode: "byob" });
  const { done, value } = await reader.read(new Uint8Array(3));
  assertEquals([done, [...value!]], [false, [104, 101, 108]]);
  assertEquals((await reader.read(new Uint8Array(9))).value!.byteLength, 2);
  assertEquals((await reader.read(new Uint8Array(9))).done, true);
});

export const atLeastSoManyBytesAreRead = inside(async () => {
  const read = (minimum: number, size: number) => {
    const reader = new Response("hello").body!.getReader({ mode: "byob" }) as any;
    return reader.readAtLeast(minimum, new Uint8Array(size));
  };
  assertEquals([...(await read(3, 10)).value], [104, 101, 108, 108, 111]);
  assertEquals([(await read(20, 30)).done, (await read(20, 30)).value.byteLength], [false, 5]);
  await assertRejects(() => read(0, 10), "TypeError: Requested invalid minimum number of bytes to read (0).");
  await assertRejects(() => read(20, 10), "TypeError: Minimum bytes to read (20) exceeds size of buffer (10).");
  let wanted: unknown;
  const stream = new ReadableStream({
    type: "bytes",
    pull({ byobRequest }: any) {
      wanted = byobRequest.atLeast;
      byobRequest.view.fill(1);
      byobRequest.respond(2);
    },
  });
  const reader = stream.getReader({ mode: "byob" }) as any;
  assertEquals([[...(await reader.readAtLeast(2, new Uint8Array(4))).value], wanted], [[1, 1], 2]);
});

export const requestsAndResponsesHaveABody = inside(async () => {
  const { Body } = globalThis as any;
  assert(new Request("http://example.com/") instanceof Body && new Response("x") instanceof Body);
  assertEquals(await Body.prototype.text.call(new Response("x")), "x");
  assertThrows(() => Body.prototype.text.call({}), /^TypeError: Illegal invocation/);
  assertThrows(() => new Body(), "TypeError: Illegal constructor");
});

export const eventsComeFromAStream = inside(async () => {
  const text = "\uFEFFdata: a\n\n: comment\nid: 5\nevent: x\ndata: b\r\ndata:c\rretry: 9\n\nevent: y\n\ndata: lost";
  const source = (EventSource as any).from(new Response(text).body);
  const seen: unknown[] = [];
  const note = (event: any) => void seen.push([event.type, event.data, event.lastEventId]);
  source.onmessage = note;
  source.addEventListener("x", note);
  source.addEventListener("y", note);
  await new Promise((resolve) => (source.onerror = resolve));
  assertEquals(seen, [["message", "a", ""], ["x", "b\nc", "5"]]);
  assertEquals([source.readyState, source.url, source.withCredentials], [2, "", false]);
  assertThrows(() => new EventSource("nowhere"), "SyntaxError: Cannot open an EventSource to 'nowhere'. The URL is invalid.");
});

export const whatIsNotThereSaysSo = inside(() => {
  const url = URL as any;
  assertThrows(() => url.createObjectURL(new Blob([])), "Error: URL.createObjectURL() is not implemented");
  assertThrows(() => url.revokeObjectURL("x"), "Error: URL.revokeObjectURL() is not implemented");
  assertThrows(() => (caches as any).keys(), "Error: Failed to execute 'keys' on 'CacheStorage': the method is not implemented.");
});

export const performanceHasWhatThePlatformAdds = inside(() => {
  const { eventCounts, nodeTiming, ...rest } = performance as any;
  assertEquals([(performance as any).eventCounts.size, (performance as any).nodeTiming.name, rest], [0, "node", {}]);
  assertEquals((performance as any).eventLoopUtilization(), { idle: 0, active: 0, utilization: 0 });
  assertEquals((performance as any).timerify((n: number) => n + 1)(1), 2);
});
