// Sockets that answer by themselves.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

export class Room extends DurableObject {
  #messages = 0;

  async fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(ws: WebSocket, message: string) {
    this.#messages++;
    ws.send(message);
  }

  webSocketClose(ws: WebSocket, code: number, reason: string) {
    ws.close(code, reason);
  }

  messages() {
    return this.#messages;
  }

  answered() {
    return this.ctx.getWebSocketAutoResponseTimestamp(this.ctx.getWebSockets()[0]) !== null;
  }
}

interface Env {
  Room: DurableObjectNamespace<Room>;
}

export const aPingIsAnsweredWithoutTheHandler = {
  async test(_: unknown, env: Env) {
    const room = env.Room.getByName("pings");
    const ws = (await room.fetch("http://room/", { headers: { Upgrade: "websocket" } })).webSocket!;
    ws.accept();
    const ask = (message: string) =>
      new Promise<unknown>((resolve) => {
        ws.addEventListener("message", ({ data }) => resolve(data), { once: true });
        ws.send(message);
      });
    assertEquals(await room.answered(), false);
    assertEquals(await ask("ping"), "pong");
    assertEquals([await room.messages(), await room.answered()], [0, true]);
    assertEquals(await ask("ping!"), "ping!");
    assertEquals(await room.messages(), 1);
    const closed = new Promise((resolve) => ws.addEventListener("close", resolve));
    ws.close(1000, "bye");
    await closed;
  },
};

export const theAutomaticAnswerCanBeReadAndCleared = inside((ctx) => {
  assertEquals(ctx.getWebSocketAutoResponse(), null);
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("a", "b"));
  const pair = ctx.getWebSocketAutoResponse()!;
  assert(pair instanceof WebSocketRequestResponsePair);
  assertEquals([pair.request, pair.response], ["a", "b"]);
  ctx.setWebSocketAutoResponse();
  assertEquals(ctx.getWebSocketAutoResponse(), null);
});

export const theAutomaticAnswerHasALimit = inside((ctx) => {
  const long = "x".repeat(2049);
  assertThrows(
    () => ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(long, "b")),
    "RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.",
  );
  assertThrows(
    () => ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("a", long)),
    "RangeError: Response cannot be larger than 2048 bytes. A response of size 2049 was provided.",
  );
});

export const theEventTimeoutIsKept = inside((ctx) => {
  assertEquals(ctx.getHibernatableWebSocketEventTimeout(), null);
  ctx.setHibernatableWebSocketEventTimeout(5000);
  assertEquals(ctx.getHibernatableWebSocketEventTimeout(), 5000);
  ctx.setHibernatableWebSocketEventTimeout(0);
  assertEquals(ctx.getHibernatableWebSocketEventTimeout(), null);
  assertThrows(() => ctx.setHibernatableWebSocketEventTimeout(604_800_001), "Error: Event timeout should not exceed 604800000 ms.");
});
