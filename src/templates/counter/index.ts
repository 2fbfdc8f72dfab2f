import { DurableObject } from "cloudflare:workers";

/** A number that survives everything. Each name has a counter of its own. */
export class Counter extends DurableObject<Env> {
  async value(): Promise<number> {
    return (await this.ctx.storage.get<number>("value")) ?? 0;
  }

  async add(amount: number): Promise<number> {
    const value = (await this.value()) + amount;
    await this.ctx.storage.put("value", value);
    return value;
  }
}

export default {
  /** `GET /apples` reads a counter, `POST /apples` adds one to it. */
  async fetch(request, env): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    if (name === "") return new Response("GET or POST /<name>\n", { status: 404 });
    const counter = env.COUNTER.getByName(name);
    const value = request.method === "POST" ? await counter.add(1) : await counter.value();
    return Response.json({ name, value });
  },
} satisfies ExportedHandler<Env>;
