// Requests to objects: what a stub's fetch() makes of redirects, lengths, methods, and what it passes on.
import { DurableObject } from "cloudflare:workers";

import { assertEquals, assertRejects } from "./assert.ts";

const HOST = "https://example.com";

export class Site extends DurableObject {
  async fetch(request: Request<unknown, any>): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/to") {
      const headers = new Headers();
      if (searchParams.has("location")) headers.set("Location", searchParams.get("location")!);
      return new Response("moved", { status: Number(searchParams.get("status")), headers });
    }
    if (pathname === "/loop") return new Response(null, { status: 302, headers: { Location: "/loop" } });
    if (pathname === "/text") return new Response("text", { status: Number(searchParams.get("status") ?? 200), ...(searchParams.has("reason") && { statusText: searchParams.get("reason")! }) });
    if (pathname === "/nothing") return new Response(null, { status: Number(searchParams.get("status")) });
    return Response.json({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      redirect: request.redirect,
      cf: request.cf,
      body: request.body === null ? null : await request.text(),
    });
  }
}

type Env = { Site: DurableObjectNamespace<Site> };

const site = (run: (stub: DurableObjectStub<Site>) => Promise<void>) => ({
  test: (_controller: unknown, env: Env) => run(env.Site.getByName("a")),
});

const to = (status: number, location = "/echo?there") => `${HOST}/to?status=${status}&location=${encodeURIComponent(location)}`;

export const redirectsAreFollowed = site(async (stub) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const response = await stub.fetch(to(status));
    assertEquals([response.status, response.redirected, response.url], [200, true, `${HOST}/echo?there`]);
    const { method, url, body } = (await response.json()) as any;
    assertEquals([method, url, body], ["GET", `${HOST}/echo?there`, null]);
  }
});

export const redirectsMayLeadAnywhere = site(async (stub) => {
  assertEquals((await stub.fetch(to(302, "https://elsewhere.test/echo"))).url, "https://elsewhere.test/echo");
  assertEquals((await stub.fetch(to(302, "echo#part"))).url, `${HOST}/echo`);
  assertEquals((await stub.fetch(to(302, to(302)))).url, `${HOST}/echo?there`);
});

export const redirectsAreNotFollowedIfTheyAreNotWanted = site(async (stub) => {
  const response = await stub.fetch(to(302), { redirect: "manual" });
  assertEquals([response.status, response.redirected, response.url, response.headers.get("Location")], [302, false, to(302), "/echo?there"]);
  assertEquals(await response.text(), "moved");
});

export const whatIsNoRedirectIsLeftAlone = site(async (stub) => {
  for (const status of [300, 304, 305, 306]) {
    const response = await stub.fetch(`${HOST}/nothing?status=${status}`);
    assertEquals([response.status, response.redirected], [status, false]);
  }
  assertEquals((await stub.fetch(`${HOST}/to?status=302`)).status, 302);
});

export const redirectsThatLeadNowhereAreErrors = site(async (stub) => {
  const loop = to(302, "/loop");
  await assertRejects(() => stub.fetch(to(302, "http://a b/")), "TypeError: Invalid Location header; unable to follow redirect.");
  await assertRejects(() => stub.fetch(loop), `TypeError: Too many redirects.${[loop, ...Array(20).fill(`${HOST}/loop`)].join(", ")}`);
});

export const whatIsSentMayChangeOnTheWay = site(async (stub) => {
  const sent = async (status: number, init: RequestInit) => {
    const { method, body, headers } = (await (await stub.fetch(to(status), init)).json()) as any;
    return [method, body, headers];
  };
  const type = "text/plain;charset=UTF-8";
  assertEquals(await sent(302, { method: "POST", body: "b" }), ["GET", null, { "content-type": type }]);
  assertEquals(await sent(301, { method: "PUT", body: "b" }), ["PUT", "b", { "content-length": "1", "content-type": type }]);
  assertEquals(await sent(303, { method: "PUT", body: "b" }), ["GET", null, { "content-type": type }]);
  assertEquals((await stub.fetch(to(303), { method: "HEAD" })).url, `${HOST}/echo?there`);
  assertEquals(await sent(307, { method: "POST", body: "b" }), ["POST", "b", { "content-length": "1", "content-type": type }]);
});

export const aStreamIsSentOnce = site(async (stub) => {
  const init = () => ({ method: "POST", body: new ReadableStream({ start: (controller) => controller.close() }) });
  await assertRejects(
    () => stub.fetch(to(307), init()),
    "TypeError: A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be retransmitted. To avoid this error in the future, construct this request from a buffer-like body initializer.",
  );
  assertEquals((await stub.fetch(to(303), init())).status, 200);
});

export const credentialsStayWithTheirOrigin = site(async (stub) => {
  const headers = { Authorization: "secret", Cookie: "a=b", "X-A": "1" };
  const seen = async (location: string) => ((await (await stub.fetch(to(302, location), { headers })).json()) as any).headers;
  assertEquals(await seen("/echo"), { authorization: "secret", cookie: "a=b", "x-a": "1" });
  const strips = (globalThis as any).Cloudflare.compatibilityFlags.strip_authorization_on_cross_origin_redirect;
  const kept = strips ? {} : { authorization: "secret" };
  assertEquals(await seen("https://elsewhere.test/echo"), { ...kept, cookie: "a=b", "x-a": "1" });
});

export const lengthsAreSaid = site(async (stub) => {
  const headers = async (init: RequestInit) => ((await (await stub.fetch(`${HOST}/echo`, init)).json()) as any).headers;
  assertEquals(await headers({ method: "POST", body: new Uint8Array(5) }), { "content-length": "5" });
  assertEquals(await headers({ method: "POST" }), {});
  const { readable, writable } = new TransformStream();
  const sent = headers({ method: "POST", body: readable });
  await writable.getWriter().close();
  assertEquals(await sent, { "transfer-encoding": "chunked" });
  assertEquals((await headers({ method: "POST", body: "five!", headers: { "Content-Length": "77" } }))["content-length"], "77");
});

export const theRestIsPassedOn = site(async (stub) => {
  const response = await stub.fetch(`${HOST}/echo#part`, { cf: { country: "NZ", nested: [1] } } as any);
  const { url, cf, redirect } = (await response.json()) as any;
  assertEquals([url, cf, redirect, response.url], [`${HOST}/echo`, { country: "NZ", nested: [1] }, "manual", `${HOST}/echo`]);
});

export const headHasNoBody = site(async (stub) => {
  const response = await stub.fetch(`${HOST}/text`, { method: "HEAD" });
  assertEquals([response.status, response.body, await response.text()], [200, null, ""]);
});

export const statusesHaveNames = site(async (stub) => {
  const name = async (status: number, reason = "") => (await stub.fetch(`${HOST}/text?status=${status}${reason}`)).statusText;
  const names: [number, string][] = [[200, "OK"], [201, "Created"], [404, "Not Found"], [413, "Payload Too Large"], [418, "I'm a teapot"], [299, "Successful"], [499, "Client Error"], [425, "Client Error"], [599, "Server Error"]];
  for (const [status, usual] of names) assertEquals(await name(status), usual);
  assertEquals(await name(404, "&reason=Gone%20fishing"), "Gone fishing");
});
