// capnweb: a batch of calls in one request, and a session over a WebSocket, in which the server calls back.
import { newWorkersRpcResponse, RpcTarget } from "capnweb";

class Counter extends RpcTarget {
  #count = 0;

  add(by: number): number {
    this.#count += by;
    return this.#count;
  }
}

class Api extends RpcTarget {
  greet(name: string): string {
    return `hello ${name}`;
  }

  counter(): Counter {
    return new Counter();
  }

  async each(names: string[], tell: (greeting: string) => Promise<number>): Promise<number> {
    let length = 0;
    for (const name of names) length += await tell(this.greet(name));
    return length;
  }

  fail(): never {
    throw new RangeError("not this");
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    const isSocket = request.headers.get("upgrade") === "websocket";
    if (request.method === "GET" && !isSocket) return new Response("POST a batch");
    return await newWorkersRpcResponse(request, new Api());
  },
};
