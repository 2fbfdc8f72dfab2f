// An idle object leaves memory after ten seconds; its accepted sockets stay.
import { DurableObject } from "cloudflare:workers";
import { assertEquals } from "./assert.ts";

export class Sleeper extends DurableObject {
  #wasConstructed = true;

  async fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, ["tag"]);
    server.serializeAttachment({ kept: true });
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(ws: WebSocket) {
    const fresh = this.#wasConstructed;
    this.#wasConstructed = false;
    // It is not idle before this is over, however early idle objects leave.
    if (fresh) setTimeout(() => {}, 500);
    const [listed] = this.ctx.getWebSockets("tag");
    ws.send(JSON.stringify([fresh, ws.deserializeAttachment(), this.ctx.getTags(ws), listed === ws]));
  }

  webSocketClose(ws: WebSocket, code: number, reason: string) {
    ws.close(code, reason);
  }
}

interface Env {
  Sleeper: DurableObjectNamespace<Sleeper>;
}

export const aSocketOutlivesItsInstance = {
  async test(_: unknown, env: Env) {
    const response = await env.Sleeper.getByName("sleeper").fetch("http://object/", { headers: { Upgrade: "websocket" } });
    const ws = response.webSocket!;
    ws.accept();
    const ask = () =>
      new Promise<unknown>((resolve) => {
        ws.addEventListener("message", ({ data }) => resolve(JSON.parse(data as string)), { once: true });
        ws.send("?");
      });
    assertEquals(await ask(), [true, { kept: true }, ["tag"], true]);
    assertEquals(await ask(), [false, { kept: true }, ["tag"], true]);
    await scheduler.wait(11_000);
    assertEquals(await ask(), [true, { kept: true }, ["tag"], true]);
    const closed = new Promise((resolve) => ws.addEventListener("close", resolve));
    ws.close(1000, "bye");
    await closed;
  },
};
