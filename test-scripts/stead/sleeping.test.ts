// options: --evict aggressive
// Objects that leave memory after every event: what stays, what is lost, and what keeps an object.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals } from "../conformance/assert.ts";

export class Sleeper extends DurableObject {
  #events = 0;

  async fetch(request: Request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/stream") return new Response(slowly(["one ", "two ", "three"]));
    const [client, server] = Object.values(new WebSocketPair());
    if (pathname === "/listen") {
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`${data} ${++this.#events}`));
    } else {
      this.ctx.acceptWebSocket(server, searchParams.getAll("tag"));
      server.serializeAttachment({ name: searchParams.get("name") });
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    const events = ++this.#events;
    if (message === "close") return ws.close(4001, "asked to");
    if (message === "wait") await scheduler.wait(5);
    const others = this.ctx.getWebSockets("red").map((other) => other.deserializeAttachment().name);
    const tags = this.ctx.getTags(ws);
    const same = this.ctx.getWebSockets().includes(ws);
    ws.send(JSON.stringify([message, events, ws.deserializeAttachment().name, tags, others, same]));
  }

  async webSocketClose(_: WebSocket, code: number, reason: string, wasClean: boolean) {
    await this.ctx.storage.put("closed", [code, reason, wasClean, ++this.#events]);
  }

  closed() {
    return this.ctx.storage.get("closed");
  }

  // How many events this instance has had.
  events() {
    return ++this.#events;
  }

  answerPings() {
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.ctx.setHibernatableWebSocketEventTimeout(60_000);
  }

  settings() {
    const [socket] = this.ctx.getWebSockets();
    return [
      this.ctx.getWebSocketAutoResponse()?.request,
      this.ctx.getWebSocketAutoResponseTimestamp(socket) !== null,
      this.ctx.getHibernatableWebSocketEventTimeout(),
      ++this.#events,
    ];
  }

  wait(ms: number) {
    this.ctx.waitUntil(scheduler.wait(ms));
    return ++this.#events;
  }

  timer(ms: number) {
    setTimeout(() => {}, ms);
    return ++this.#events;
  }

  block(ms: number) {
    this.ctx.blockConcurrencyWhile(() => scheduler.wait(ms));
    return ++this.#events;
  }

  abort() {
    this.ctx.abort("on purpose");
  }
}

interface Env {
  Sleeper: DurableObjectNamespace<Sleeper>;
}

function slowly(parts: string[]) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  (async () => {
    const writer = writable.getWriter();
    for (const part of parts) {
      await scheduler.wait(2);
      await writer.write(new TextEncoder().encode(part));
    }
    await writer.close();
  })();
  return readable;
}

class Client {
  closed: Promise<unknown[]>;
  #received: string[] = [];
  #wake = () => {};

  constructor(readonly ws: WebSocket) {
    ws.accept();
    ws.addEventListener("message", ({ data }) => {
      this.#received.push(data as string);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      ws.addEventListener("close", ({ code, reason, wasClean }) => resolve([code, reason, wasClean]));
    });
  }

  async hear() {
    while (this.#received.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    return this.#received.shift()!;
  }

  async ask(text: string) {
    this.ws.send(text);
    return await this.hear();
  }
}

async function join(sleeper: DurableObjectStub<Sleeper>, query = "", path = "/") {
  const response = await sleeper.fetch(`http://sleeper${path}?${query}`, { headers: { Upgrade: "websocket" } });
  return new Client(response.webSocket!);
}

export const memoryIsLostBetweenEvents = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("forgets");
    assertEquals([await sleeper.events(), await sleeper.events()], [1, 1]);
  },
};

export const socketsOutliveTheInstance = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("sockets");
    const ann = await join(sleeper, "name=ann&tag=red&tag=loud");
    const bob = await join(sleeper, "name=bob&tag=red");
    const cid = await join(sleeper, "name=cid");
    assertEquals(JSON.parse(await ann.ask("a")), ["a", 1, "ann", ["red", "loud"], ["ann", "bob"], true]);
    assertEquals(JSON.parse(await cid.ask("b")), ["b", 1, "cid", [], ["ann", "bob"], true]);
    bob.ws.close(4005, "bye");
    assertEquals(await bob.closed, [4005, "bye", true]);
    assertEquals(await sleeper.closed(), [4005, "bye", true, 1]);
    assertEquals(JSON.parse(await ann.ask("c")), ["c", 1, "ann", ["red", "loud"], ["ann"], true]);
    ann.ws.send("close");
    assertEquals(await ann.closed, [4001, "asked to", true]);
    cid.ws.close(1000, "");
    await cid.closed;
  },
};

export const messagesKeepTheirOrderOverManyInstances = {
  async test(_: unknown, env: Env) {
    const client = await join(env.Sleeper.getByName("order"), "name=ann");
    for (let i = 0; i < 200; i++) client.ws.send(String(i));
    for (let i = 0; i < 200; i++) assertEquals(JSON.parse(await client.hear())[0], String(i));
    client.ws.close(1000, "");
    await client.closed;
  },
};

export const callsFromManySidesMeetOneInstance = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("many");
    const client = await join(sleeper, "name=ann");
    const asked = Array.from({ length: 100 }, (_, i) => {
      client.ws.send(i % 3 === 0 ? "wait" : String(i));
      return sleeper.events();
    });
    for (const events of await Promise.all(asked)) assert(events >= 1);
    for (let i = 0; i < 100; i++) await client.hear();
    client.ws.close(1000, "");
    await client.closed;
  },
};

export const automaticAnswersAndTheTimeoutSurvive = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("answers");
    const client = await join(sleeper, "name=ann");
    await sleeper.answerPings();
    assertEquals(await sleeper.settings(), ["ping", false, 60_000, 1]);
    assertEquals(await client.ask("ping"), "pong");
    assertEquals(await sleeper.settings(), ["ping", true, 60_000, 1]);
    client.ws.close(1000, "");
    await client.closed;
  },
};

export const aSocketWithListenersKeepsTheInstance = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("listens");
    const client = await join(sleeper, "", "/listen");
    assertEquals([await client.ask("a"), await client.ask("b"), await sleeper.events()], ["a 1", "b 2", 3]);
    client.ws.close(1000, "");
    await client.closed;
    while (await sleeper.events() !== 1);
  },
};

export const aPromiseATimerAndABlockKeepTheInstance = {
  async test(_: unknown, env: Env) {
    for (const kept of ["wait", "timer", "block"] as const) {
      const sleeper = env.Sleeper.getByName(kept);
      assertEquals([kept, await sleeper[kept](40), await sleeper.events()], [kept, 1, 2]);
      while (await sleeper.events() !== 1) await scheduler.wait(5);
    }
  },
};

export const aStreamedBodyKeepsTheInstance = {
  async test(_: unknown, env: Env) {
    const response = await env.Sleeper.getByName("streams").fetch("http://sleeper/stream");
    assertEquals(await response.text(), "one two three");
  },
};

export const aResetDisconnectsTheSockets = {
  async test(_: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("reset");
    const client = await join(sleeper, "name=ann");
    await sleeper.abort().catch(() => {});
    assertEquals((await client.closed)[0], 1006);
  },
};
