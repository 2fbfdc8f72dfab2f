import { routePartykitRequest, Server } from "partyserver";

export class Room extends Server {
  onRequest(): Response {
    return Response.json({ room: this.name });
  }
}

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    return (await routePartykitRequest(request, env)) ?? new Response("no party", { status: 404 });
  },
};
