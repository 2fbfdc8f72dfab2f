// The worker of vitest.test.ts.

import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async add(amount: number) {
    const value = ((await this.ctx.storage.get<number>("value")) ?? 0) + amount;
    await this.ctx.storage.put("value", value);
    return value;
  }

  async value() {
    return (await this.ctx.storage.get<number>("value")) ?? 0;
  }

  async remind(delay: number) {
    await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  async alarm() {
    await this.add(100);
  }
}

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

declare global {
  namespace Cloudflare {
    interface Env {
      COUNTER: DurableObjectNamespace<Counter>;
    }
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const [, action, name] = pathname.split("/");
    if (action === "to") return new Response("moved", { status: 302, headers: { Location: searchParams.get("location")! } });
    if (action === "echo") {
      const { method, url, headers, cf } = request;
      return Response.json({ method, url, headers: Object.fromEntries(headers), cf, body: await request.text() });
    }
    const counter = env.COUNTER.get(env.COUNTER.idFromName(name));
    if (action === "later") {
      ctx.waitUntil(counter.add(1));
      return new Response("accepted");
    }
    const value = request.method === "POST" ? await counter.add(Number(await request.text())) : await counter.value();
    return new Response(`${value}`);
  },

  async scheduled(controller, env, _ctx) {
    await env.COUNTER.get(env.COUNTER.idFromName("scheduled")).add(controller.scheduledTime);
  },

  async queue(batch, env, ctx) {
    for (const message of batch.messages) {
      if (message.body === "again") message.retry();
      else message.ack();
    }
    ctx.waitUntil(env.COUNTER.get(env.COUNTER.idFromName(batch.queue)).add(batch.messages.length));
  },
} satisfies ExportedHandler<Env>;
