// stub.fetch(): a request to an object and its response.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

export class Server extends DurableObject {
  #requests = 0;
  #seen: string[] = [];

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    this.#requests++;
    switch (pathname) {
      case "/describe":
        return Response.json({
          method: request.method,
          url: request.url,
          header: request.headers.get("X-Sent"),
          type: request.headers.get("Content-Type"),
          body: await request.text(),
        });
      case "/count":
        return new Response(String(this.#requests));
      case "/status":
        return new Response("made", { status: 201, statusText: "Made", headers: { "X-Answer": "42" } });
      case "/empty":
        return new Response(null, { status: 204 });
      case "/cookies":
        return new Response(null, { headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] });
      case "/redirect":
        return Response.redirect("http://elsewhere/", 302);
      case "/throw":
        throw new TypeError("thrown by fetch");
      case "/nothing":
        return undefined as any;
      case "/echo":
        return new Response(request.body);
      case "/upper":
        return new Response(request.body!.pipeThrough(new TextDecoderStream()).pipeThrough(upperCase()).pipeThrough(new TextEncoderStream()));
      case "/ticks":
        return new Response(ticks());
      case "/bytes":
        return new Response(new Uint8Array(1_000_000).fill(7));
      case "/length":
        return new Response(String((await request.arrayBuffer()).byteLength));
      case "/order":
        this.#seen.push(new URL(request.url).search);
        return Response.json(this.#seen);
    }
    return new Response("Not found", { status: 404 });
  }
}

function upperCase() {
  return new TransformStream<string, string>({
    transform(chunk, controller) {
      controller.enqueue(chunk.toUpperCase());
    },
  });
}

function ticks() {
  let tick = 0;
  return new ReadableStream({
    async pull(controller) {
      await scheduler.wait(1);
      controller.enqueue(new TextEncoder().encode(`tick ${++tick};`));
      if (tick === 3) controller.close();
    },
  });
}

export class Deaf extends DurableObject {}

interface Env {
  Server: DurableObjectNamespace<Server>;
  Deaf: DurableObjectNamespace<Deaf>;
}

export const aRequestArrivesWhole = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/describe?q=1", {
      method: "POST",
      headers: { "X-Sent": "yes" },
      body: "hello",
    });
    assertEquals(await response.json(), {
      method: "POST",
      url: "http://object/describe?q=1",
      header: "yes",
      type: "text/plain;charset=UTF-8",
      body: "hello",
    });
  },
};

export const aRequestObjectCanBePassedOn = {
  async test(_: unknown, env: Env) {
    const request = new Request("https://example.com/describe", { method: "PUT", body: "x", headers: { "X-Sent": "1" } });
    const described = await (await env.Server.getByName("a").fetch(request)).json<any>();
    assertEquals([described.method, described.url, described.header, described.body], ["PUT", "https://example.com/describe", "1", "x"]);
  },
};

export const aRequestCanBeCopiedToAnotherUrl = {
  async test(_: unknown, env: Env) {
    const request = new Request("https://example.com/", { method: "POST", body: "x" });
    const described = await (await env.Server.getByName("a").fetch(new Request("http://object/describe", request))).json<any>();
    assertEquals([described.method, described.url, described.body], ["POST", "http://object/describe", "x"]);
  },
};

export const aUrlObjectIsAccepted = {
  async test(_: unknown, env: Env) {
    assertEquals((await env.Server.getByName("a").fetch(new URL("http://object/status"))).status, 201);
  },
};

export const aResponseArrivesWhole = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/status");
    assertEquals([response.status, response.statusText, response.ok], [201, "Made", true]);
    assertEquals(response.headers.get("X-Answer"), "42");
    assertEquals(await response.text(), "made");
  },
};

export const aResponseMayHaveNoBody = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/empty");
    assertEquals([response.status, response.body], [204, null]);
  },
};

export const headersOfOneNameStaySeparate = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/cookies");
    assertEquals(response.headers.getAll("Set-Cookie"), ["a=1", "b=2"]);
  },
};

export const aRedirectIsReturnedWhenItIsNotToBeFollowed = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/redirect", { redirect: "manual" });
    assertEquals([response.status, response.headers.get("Location")], [302, "http://elsewhere/"]);
  },
};

export const anObjectAnswersManyRequests = {
  async test(_: unknown, env: Env) {
    const server = env.Server.getByName("count");
    for (const count of ["1", "2", "3"]) assertEquals(await (await server.fetch("http://object/count")).text(), count);
  },
};

export const twoStubsReachOneObject = {
  async test(_: unknown, env: Env) {
    await env.Server.getByName("shared").fetch("http://object/count");
    const other = env.Server.get(env.Server.idFromName("shared"));
    assertEquals(await (await other.fetch("http://object/count")).text(), "2");
  },
};

export const twoNamesAreTwoObjects = {
  async test(_: unknown, env: Env) {
    await env.Server.getByName("first").fetch("http://object/count");
    assertEquals(await (await env.Server.getByName("second").fetch("http://object/count")).text(), "1");
  },
};

export const requestsOnOneStubKeepTheirOrder = {
  async test(_: unknown, env: Env) {
    const server = env.Server.getByName("order");
    const responses = await Promise.all([1, 2, 3, 4].map((n) => server.fetch(`http://object/order?${n}`)));
    assertEquals(await responses[3].json(), ["?1", "?2", "?3", "?4"]);
  },
};

export const aRelativeUrlIsRefused = {
  async test(_: unknown, env: Env) {
    await assertRejects(() => env.Server.getByName("a").fetch("/count"), "TypeError: Invalid URL: /count");
  },
};

export const anExceptionReachesTheCaller = {
  async test(_: unknown, env: Env) {
    try {
      await env.Server.getByName("a").fetch("http://object/throw");
    } catch (error: any) {
      assert(error instanceof TypeError);
      assertEquals([error.message, (error as any).remote], ["thrown by fetch", true]);
      return;
    }
    assert(false, "should have thrown");
  },
};

export const theObjectAnswersAfterAnException = {
  async test(_: unknown, env: Env) {
    const server = env.Server.getByName("after exception");
    await assertRejects(() => server.fetch("http://object/throw"), "TypeError: thrown by fetch");
    assertEquals(await (await server.fetch("http://object/count")).text(), "2");
  },
};

export const fetchMustReturnAResponse = {
  async test(_: unknown, env: Env) {
    await assertRejects(
      () => env.Server.getByName("a").fetch("http://object/nothing"),
      "TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response'.",
    );
  },
};

export const aClassWithoutFetchCannotBeFetched = {
  async test(_: unknown, env: Env) {
    await assertRejects(() => env.Deaf.getByName("a").fetch("http://object/"), "Error: Handler does not export a fetch() function.");
  },
};

export const aBodyPassesThroughAnObject = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/echo", { method: "POST", body: "there and back" });
    assertEquals(await response.text(), "there and back");
  },
};

export const aRequestBodyIsStreamed = {
  async test(_: unknown, env: Env) {
    const { readable, writable } = new TransformStream();
    const response = env.Server.getByName("a").fetch("http://object/upper", { method: "POST", body: readable });
    const writer = writable.getWriter();
    for (const word of ["one ", "two ", "three"]) {
      await writer.write(new TextEncoder().encode(word));
      await scheduler.wait(1);
    }
    await writer.close();
    assertEquals(await (await response).text(), "ONE TWO THREE");
  },
};

export const aResponseBodyIsStreamed = {
  async test(_: unknown, env: Env) {
    const response = await env.Server.getByName("a").fetch("http://object/ticks");
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    assertEquals(text, "tick 1;tick 2;tick 3;");
  },
};

export const aLargeBodyArrivesWholeBothWays = {
  async test(_: unknown, env: Env) {
    const server = env.Server.getByName("a");
    const bytes = new Uint8Array(await (await server.fetch("http://object/bytes")).arrayBuffer());
    assertEquals([bytes.length, bytes.every((byte) => byte === 7)], [1_000_000, true]);
    const sent = await server.fetch("http://object/length", { method: "POST", body: bytes });
    assertEquals(await sent.text(), "1000000");
  },
};
