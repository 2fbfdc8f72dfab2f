import { type Connection, routePartykitRequest, Server, type WSMessage } from "partyserver";

export class Room extends Server {
  static options = { hibernate: true };

  onRequest(): Response {
    return Response.json({ room: this.name });
  }

  onConnect(connection: Connection): void {
    connection.send(`welcome to ${this.name}, you are ${connection.id}`);
    this.broadcast(`${connection.id} came`, [connection.id]);
  }

  onMessage(sender: Connection, message: WSMessage): void {
    this.broadcast(`${sender.id}: ${message}`);
  }

  onClose(connection: Connection): void {
    this.broadcast(`${connection.id} left`, [connection.id]);
  }
}

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    return (await routePartykitRequest(request, env)) ?? new Response("no party", { status: 404 });
  },
};
