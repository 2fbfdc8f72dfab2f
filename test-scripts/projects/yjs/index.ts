import { routePartykitRequest } from "partyserver";
import { YServer } from "y-partyserver";
import * as Y from "yjs";

export class Document extends YServer {
  onRequest(): Response {
    this.document.getText("text").insert(0, "hi ");
    const copy = new Y.Doc();
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(this.document));
    return new Response(copy.getText("text").toString() + this.name);
  }
}

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    return (await routePartykitRequest(request, env)) ?? new Response("no document", { status: 404 });
  },
};
