// The worker behind a real HTTP server: what its clients see, and how the clock of tests goes along.

import { DurableObject } from "cloudflare:workers";
import { clock, describe, expect, it, beforeAll, serve } from "stead:test";

export class Room extends DurableObject {
  override async fetch(): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, message: string): Promise<void> {
    if (message === "later") await scheduler.wait(60_000);
    socket.send(`heard ${message}`);
  }
}

let left = Promise.withResolvers<unknown>();

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/headers":
        return Response.json(Object.fromEntries(request.headers));
      case "/echo":
        return new Response(request.body, { headers: { "X-Length": `${request.headers.get("Content-Length")}` } });
      case "/text":
        return new Response("hello", { headers: { "X-Method": request.method } });
      case "/empty":
        return new Response(null, { status: 204 });
      case "/throws":
        throw new Error("not for clients");
      case "/slow":
        await scheduler.wait(3_600_000);
        return new Response(`${Date.now()}`);
      case "/ticks": {
        const { readable, writable } = new TransformStream();
        const writer = writable.getWriter();
        const send = async () => {
          for (let tick = 0; tick < 3; tick++) {
            await scheduler.wait(1000);
            await writer.write(new TextEncoder().encode(`${tick} at ${Date.now()}\n`));
          }
          await writer.close();
        };
        void send();
        return new Response(readable);
      }
      case "/endless":
        return new Response(
          new ReadableStream({
            async pull(controller) {
              await scheduler.wait(1000);
              controller.enqueue(new TextEncoder().encode("tick\n"));
            },
            cancel: (reason) => left.resolve(reason),
          }),
        );
      case "/compressed":
        return new Response("x".repeat(1000), { headers: { "Content-Encoding": "gzip" } });
      case "/room":
        return await env.ROOM.getByName("lobby").fetch(request);
      default:
        return new Response("not found", { status: 404 });
    }
  },
};

it("answers clients as the server does", async () => {
  const { url } = await serve();
  const text = await fetch(`${url}/text`);
  expect(text.headers.get("Content-Length")).toBe("5");
  expect(await text.text()).toBe("hello");
  const head = await fetch(`${url}/text`, { method: "HEAD" });
  expect([head.headers.get("X-Method"), head.headers.get("Content-Length"), await head.text()]).toEqual(["HEAD", "5", ""]);
  const empty = await fetch(`${url}/empty`);
  expect([empty.status, empty.body]).toEqual([204, null]);
  expect(await (await fetch(`${url}/headers`)).json()).toMatchObject({ host: url.slice("http://".length) });
});

it("does not tell clients what was thrown", async () => {
  const { url } = await serve();
  const response = await fetch(`${url}/throws`);
  expect([response.status, await response.text()]).toEqual([500, "Internal Server Error"]);
});

it("streams both ways", async () => {
  const { url } = await serve();
  const long = "0123456789".repeat(100_000);
  const whole = await fetch(`${url}/echo`, { method: "POST", body: long });
  expect(whole.headers.get("X-Length")).toBe("1000000");
  expect((await whole.text()) === long).toBe(true);
  const { readable, writable } = new TransformStream();
  const answer = fetch(`${url}/echo`, { method: "POST", body: readable });
  const writer = writable.getWriter();
  await writer.write(new TextEncoder().encode("first, "));
  await scheduler.wait(5000);
  await writer.write(new TextEncoder().encode("second"));
  await writer.close();
  expect(await (await answer).text()).toBe("first, second");
});

it("moves the clock for handlers that wait, and for nobody else", async () => {
  const { url } = await serve();
  const begun = Date.now();
  let timer = false;
  setTimeout(() => (timer = true), 1);
  await (await fetch(`${url}/text`)).text();
  expect([Date.now() - begun, timer]).toEqual([0, false]);
  const slow = await fetch(`${url}/slow`);
  expect([Number(await slow.text()) - begun, timer]).toEqual([3_600_000, true]);
});

it("moves the clock between the chunks of a response", async () => {
  const { url } = await serve();
  const begun = Date.now();
  const ticks = await (await fetch(`${url}/ticks`)).text();
  expect(ticks).toBe([0, 1, 2].map((tick) => `${tick} at ${begun + 1000 * (tick + 1)}\n`).join(""));
});

it("lets a response lie that nobody reads", async () => {
  const { url } = await serve();
  const response = await fetch(`${url}/text`);
  await scheduler.wait(1000);
  expect(await response.text()).toBe("hello");
});

it("ends a response whose client has gone", async () => {
  const { url } = await serve();
  left = Promise.withResolvers();
  const control = new AbortController();
  const response = await fetch(`${url}/endless`, { signal: control.signal });
  const reader = response.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("tick\n");
  control.abort();
  await expect(reader.read()).rejects.toThrow("aborted");
  await left.promise;
});

it("plain text comes out of a compressed response", async () => {
  const { url } = await serve();
  expect(await (await fetch(`${url}/compressed`)).text()).toBe("x".repeat(1000));
});

it("speaks WebSocket with an object that sleeps", async () => {
  const { url } = await serve();
  const socket = new WebSocket(`${url.replace("http", "ws")}/room`);
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.addEventListener("message", ({ data }) => {
    heard.push(`${data} at ${Date.now()}`);
    if (heard.length === 2) resolve();
  });
  await new Promise((opened) => socket.addEventListener("open", opened));
  const begun = Date.now();
  socket.send("now");
  await clock.advance(1000);
  socket.send("later");
  await promise;
  expect(heard).toEqual([`heard now at ${begun}`, `heard later at ${begun + 61_000}`]);
  socket.close();
});

it("refuses an upgrade of what is no WebSocket", async () => {
  const { url } = await serve();
  const answer = fetch(`${url}/text`, { headers: { Upgrade: "websocket" } });
  await expect(answer).rejects.toThrow();
});

describe("a server of a suite", () => {
  let url = "";
  beforeAll(async () => {
    ({ url } = await serve());
  });

  it("is there for its first test", async () => {
    expect((await fetch(`${url}/empty`)).status).toBe(204);
  });

  it("is there for its second test", async () => {
    expect((await fetch(`${url}/empty`)).status).toBe(204);
  });
});

it("does not outlive its test, or its end", async () => {
  const server = await serve();
  await (await fetch(`${server.url}/empty`)).text();
  server.close();
  await expect(fetch(`${server.url}/empty`)).rejects.toThrow();
});
