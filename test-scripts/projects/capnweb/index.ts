import { newWorkersRpcResponse, RpcTarget } from "capnweb";

class Api extends RpcTarget {
  greet(name: string): string {
    return `hello ${name}`;
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === "GET") return new Response("POST a batch");
    return await newWorkersRpcResponse(request, new Api());
  },
};
