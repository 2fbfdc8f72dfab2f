import { DurableObject } from "cloudflare:workers";

interface Message {
  name: string;
  text: string;
  at: number;
}

/** One room: its history is in SQL, its visitors are WebSockets. */
export class Room extends DurableObject<Env> {
  sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql.exec("CREATE TABLE IF NOT EXISTS messages (name TEXT, text TEXT, at INTEGER)");
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade") !== "websocket") {
      return Response.json(this.history());
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.send(JSON.stringify(this.history()));
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(_socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const { name, text } = JSON.parse(String(data)) as { name: string; text: string };
    const message: Message = { name, text, at: Date.now() };
    this.sql.exec("INSERT INTO messages VALUES (?, ?, ?)", name, text, message.at);
    for (const socket of this.ctx.getWebSockets()) socket.send(JSON.stringify([message]));
  }

  history(): Message[] {
    const rows = this.sql.exec("SELECT * FROM messages ORDER BY at DESC LIMIT 50").toArray();
    return (rows as unknown as Message[]).reverse();
  }
}

export default {
  /** `/rooms/<name>` is a room, over WebSocket or as JSON; everything else is a file in `public/`. */
  async fetch(request, env): Promise<Response> {
    const [, rooms, name] = new URL(request.url).pathname.split("/");
    if (rooms !== "rooms" || !name) return new Response("Not Found\n", { status: 404 });
    return await env.ROOM.getByName(name).fetch(request);
  },
} satisfies ExportedHandler<Env>;
