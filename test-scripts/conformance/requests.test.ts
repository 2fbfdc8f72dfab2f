// Requests and responses: what their options mean, what is refused and in which words.
import { DurableObject } from "cloudflare:workers";

import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const ADDRESS = "http://example.com/";
// The types of the platform's package know only what is allowed.
const make = (init?: any) => new Request(ADDRESS, init) as any;
const answer = (body?: any, init?: any) => new Response(body, init) as any;
const post = (body: BodyInit = "x") => make({ method: "POST", body });

export const methodsAreKnownAndInCapitals = inside(() => {
  assertEquals(["patch", "Get", "propfind", "trace", "PURGE"].map((method) => make({ method }).method), ["PATCH", "GET", "PROPFIND", "TRACE", "PURGE"]);
  for (const method of ["M-SEARCH", "foo", "a b", "CONNECT", ""]) {
    assertThrows(() => make({ method }), `TypeError: Invalid HTTP method string: ${method}`);
  }
});

export const redirectsAreFollowedOrNot = inside(() => {
  assertEquals([make().redirect, make({ redirect: "manual" }).redirect, new Request(make({ redirect: "manual" })).redirect], ["follow", "manual", "manual"]);
  for (const redirect of ["error", "foo", null]) assertThrows(() => make({ redirect }), /^TypeError: Invalid redirect value, must be one of "follow" or "manual"/);
});

export const cachingIsSwitchedOff = inside(() => {
  assertEquals([make().cache, make({ cache: "no-store" }).cache, make({ cache: "no-cache" }).cache], [undefined, "no-store", "no-cache"]);
  assertEquals(make({ cache: "no-store" }).clone().cache, "no-store");
  for (const cache of ["default", "force-cache", "foo"]) assertThrows(() => make({ cache }), `TypeError: Unsupported cache mode: ${cache}`);
});

export const whatMeansNothingToWorkersIsLeftOut = inside(() => {
  const request = make({ mode: "cors", credentials: "include", referrer: "x", keepalive: true });
  assertEquals([request.mode, request.credentials, request.referrer, request.keepalive, request.integrity], [undefined, undefined, undefined, false, ""]);
  assertThrows(() => make({ integrity: "sha256-x" }), "TypeError: Subrequest integrity checking is not implemented. The integrity option must be either undefined or an empty string.");
});

export const theSignalIsTheOneThatWasGiven = inside(() => {
  const { signal } = new AbortController();
  const request = make({ signal });
  assert(request.signal === signal && new Request(request).signal === signal);
  assertThrows(() => make({ signal: 5 }), "TypeError: Incorrect type for the 'signal' field on 'RequestInitializerDict': the provided value is not of type 'AbortSignal'.");
});

export const cfIsCopiedAndPassedOn = inside(() => {
  const cf: any = { a: 1 };
  const request = make({ cf });
  cf.a = 2;
  assertEquals([request.cf, request.clone().cf, (new Request(request) as any).cf, (new Request(request, { cf: { b: 1 } }) as any).cf], [{ a: 1 }, { a: 1 }, { a: 1 }, { b: 1 }]);
  assertEquals([make().cf, answer("x", { cf }).clone().cf], [undefined, { a: 2 }]);
  for (const wrong of [5, null]) assertThrows(() => make({ cf: wrong }), "TypeError: Incorrect type for the 'cf' field on 'RequestInitializerDict': the provided value is not of type 'Object'.");
});

export const aRequestCanBeTheOptionsOfAnother = inside(() => {
  const aborter = new AbortController();
  const first = make({ method: "DELETE", headers: { "X-A": "1" }, redirect: "manual", cache: "no-store", cf: { a: 1 }, signal: aborter.signal });
  const second = new Request("http://example.org/b#c", first) as any;
  first.headers.set("x-a", "2");
  second.headers.append("X-A", "3");
  assertEquals([second.method, second.url, second.headers.get("x-a"), first.headers.get("x-a")], ["DELETE", "http://example.org/b#c", "1, 3", "2"]);
  assertEquals([second.redirect, second.cache, second.cf, second.body], ["manual", "no-store", { a: 1 }, null]);
  const third = new Request("http://example.org/c", second.clone());
  aborter.abort("enough");
  assertEquals([third.signal.aborted, third.signal.reason, third.headers.get("x-a"), third.method], [true, "enough", "1, 3", "DELETE"]);
  assertThrows(() => new Request("/c", first), "TypeError: Invalid URL: /c");
});

export const aBodyComesWithTheRequestThatIsTheOptions = inside(async () => {
  const first = post("text");
  const second = new Request("http://example.org/", first);
  assertEquals([second.method, first.bodyUsed, await second.text(), first.bodyUsed], ["POST", false, "text", true]);
  await assertRejects(first.text(), /^TypeError: Body has already been used/);
  assertThrows(() => new Request("http://example.org/", first), "TypeError: This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
});

export const requestsAreMadeOfRequests = inside(async () => {
  const first = post();
  const second = new Request(first);
  assertEquals([first.bodyUsed, await second.text()], [true, "x"]);
  assertThrows(() => new Request(first), "TypeError: Cannot reconstruct a Request with a used body.");
  assertEquals(await new Request(first, { body: "y" }).text(), "y");
  assertThrows(() => new Request(post(), { method: "GET" }), "TypeError: Request with a GET or HEAD method cannot have a body.");
});

export const argumentsAreChecked = inside(() => {
  assertThrows(() => new (Request as any)(), "TypeError: Failed to construct 'Request': constructor parameter 1 is not of type 'Request or string'.");
  assertThrows(() => new (Request as any)(undefined), "TypeError: Invalid URL: undefined");
  assertThrows(() => make(5), "TypeError: Failed to construct 'Request': constructor parameter 2 is not of type 'RequestInitializerDict or Request'.");
  assertThrows(() => answer("x", 5), "TypeError: Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or Response'.");
  assertEquals([make(null).method, answer("x", null).status], ["GET", 200]);
});

export const bodiesThatAreReadOrLocked = inside(async () => {
  const read = answer("x");
  const { body } = read;
  await read.text();
  const locked = new ReadableStream();
  locked.getReader();
  assertThrows(() => read.clone(), "TypeError: This ReadableStream is currently locked to a reader,");
  assertThrows(() => answer(body), "TypeError: This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
  assertThrows(() => answer(locked), "TypeError: This ReadableStream is locked to a reader, and cannot be used as a body.");
  const held = answer("x");
  held.body.getReader();
  await assertRejects(() => held.text(), "TypeError: This ReadableStream is currently locked to a reader.");
});

export const someStatusesHaveNoBody = inside(() => {
  for (const status of [204, 205, 304]) {
    assertThrows(() => answer("x", { status }), "TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body.");
    assertEquals(["", undefined, null, new Uint8Array(0)].map((body) => answer(body, { status }).body), [null, null, null, null]);
  }
});

export const optionsOfResponsesAreChecked = inside(() => {
  assertThrows(() => answer("x", { statusText: "a\nb" }), "TypeError: Invalid statusText");
  assertThrows(() => answer("x", { encodeBody: "foo" }), "TypeError: encodeBody: unexpected value: foo");
  assertThrows(() => Response.redirect(ADDRESS, 200), "RangeError: 200 is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.");
  assertThrows(() => Response.redirect("/a"), "TypeError: Unable to parse URL: /a");
});

export const responsesAreMadeOfAnyValue = inside(async () => {
  const json = Response.json as any;
  assertEquals([await json(undefined).text(), json(undefined).headers.get("content-type"), await json({ a: 1 }).text()], ["undefined", "application/json", '{"a":1}']);
  assertThrows(() => json(), "TypeError: Failed to execute 'json' on 'Response': parameter 1 is not of type 'Value'.");
});

export const aByteOrderMarkIsNoText = inside(async () => {
  assertEquals([await answer("\uFEFFabc").text(), await answer("\uFEFF{}").json(), (await answer("\uFEFF").bytes()).length], ["abc", {}, 3]);
  await assertRejects(() => answer("").json(), "SyntaxError: Unexpected end of JSON input");
});

export const whatIsNoFormIsRefused = inside(async () => {
  const parse = (type?: string) => answer("x", type ? { headers: { "content-type": type } } : undefined).formData();
  await assertRejects(() => parse("text/plain"), "TypeError: Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded");
  await assertRejects(() => parse("multipart/form-data"), /^TypeError: No boundary string in Content-Type header/);
  await assertRejects(() => parse("multipart/form-data; boundary=a"), "TypeError: No initial boundary string (or you have a truncated message).");
});

export const buffersAreTransferred = inside(() => {
  const buffer = new Uint8Array([1, 2]).buffer;
  const copy = structuredClone({ buffer }, { transfer: [buffer] });
  assertEquals([buffer.byteLength, [...new Uint8Array(copy.buffer)]], [0, [1, 2]]);
});

// A response that says that it is compressed is, once it has left; whoever reads it sees none of that.
export class Compressing extends DurableObject {
  async fetch(request: Request) {
    const encoding = new URL(request.url).pathname.slice(1);
    const headers = { "Content-Encoding": encoding };
    if (encoding !== "manual") return new Response("hello", { headers });
    const compressed = new Response("by hand").body!.pipeThrough(new CompressionStream("gzip"));
    return new Response(await new Response(compressed).arrayBuffer(), { headers: { "Content-Encoding": "gzip" }, encodeBody: "manual" });
  }
}

export const compressedBodiesAreReadAsTheyWereWritten = {
  async test(_: unknown, env: { Compressing: DurableObjectNamespace<Compressing> }) {
    const stub = env.Compressing.getByName("any");
    for (const encoding of ["gzip", "br", "GZIP", "deflate", "unknown"]) {
      const response = await stub.fetch(`${ADDRESS}${encoding}`);
      assertEquals([response.headers.get("Content-Encoding"), await response.clone().text(), await response.text()], [encoding, "hello", "hello"]);
    }
    assertEquals(await (await stub.fetch(`${ADDRESS}manual`)).text(), "by hand");
    const response = await stub.fetch(`${ADDRESS}gzip`);
    assertEquals(await new Response(response.body, response).text(), "hello");
  },
};
