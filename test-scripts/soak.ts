// What the soak loads: an object with sockets, storage and alarms, which calls another one.
import { DurableObject } from "cloudflare:workers";

interface Env {
  Room: DurableObjectNamespace<Room>;
  Log: DurableObjectNamespace<Log>;
}

export class Room extends DurableObject<Env> {
  async fetch(request: Request) {
    if (request.headers.get("Upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      this.ctx.acceptWebSocket(server, ["all"]);
      server.serializeAttachment({ at: Date.now() });
      this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
      return new Response(null, { status: 101, webSocket: client });
    }
    const body = await request.text();
    const count = await this.count();
    return Response.json({ count, bytes: body.length, sockets: this.ctx.getWebSockets().length });
  }

  async count() {
    const count = (await this.ctx.storage.get<number>("count") ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS entries (at INTEGER, text TEXT)");
    this.ctx.storage.sql.exec("INSERT INTO entries VALUES (?, ?)", Date.now(), "x".repeat(100));
    this.ctx.storage.sql.exec("DELETE FROM entries WHERE rowid < (SELECT max(rowid) - 100 FROM entries)");
    if (count % 10 === 0) await this.ctx.storage.setAlarm(Date.now() + 500);
    if (count % 50 === 0) await this.env.Log.getByName(`log ${count % 7}`).add({ count, when: new Date() });
    return count;
  }

  async webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    if (message === "all") {
      for (const other of this.ctx.getWebSockets("all")) other.send("to all");
      return;
    }
    if (message === "abort") this.ctx.abort("on purpose");
    ws.send(typeof message === "string" ? `${message} ${await this.count()}` : message);
  }

  async alarm() {
    await this.count();
  }
}

export class Log extends DurableObject {
  #added: unknown[] = [];

  add(entry: unknown) {
    this.#added.push(entry);
    if (this.#added.length > 100) this.#added.length = 0;
    return this.#added.length;
  }
}

// /<room>
export default {
  async fetch(request: Request, env: Env) {
    const room = env.Room.getByName(new URL(request.url).pathname);
    if (request.method === "PUT") return Response.json(await room.count());
    return await room.fetch(request);
  },
};
