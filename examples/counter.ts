// The smallest object file: one class, no default export. Stead itself serves
// /Counter/NAME/… and hands each request to the counter of that name.
//
//   stead run examples/counter.ts
//   curl -X POST http://localhost:8787/Counter/apples      1
//   curl -X POST http://localhost:8787/Counter/apples      2
//   curl http://localhost:8787/Counter/apples              2
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async fetch(request: Request): Promise<Response> {
    switch (request.method) {
      case "GET":
        return Response.json(await this.value());
      case "POST":
        return Response.json(await this.increment());
      case "DELETE":
        await this.reset();
        return new Response(null, { status: 204 });
    }
    return new Response("A counter can be read (GET), increased (POST) and reset (DELETE)", { status: 405 });
  }

  async value(): Promise<number> {
    return (await this.ctx.storage.get<number>("value")) ?? 0;
  }

  async increment(by = 1): Promise<number> {
    const value = (await this.value()) + by;
    await this.ctx.storage.put("value", value);
    return value;
  }

  async reset(): Promise<void> {
    await this.ctx.storage.delete("value");
  }
}
