// What errors of objects tell their callers to do. On the clock of tests: a critical section has 30 seconds.
import { DurableObject } from "cloudflare:workers";
import { assertEquals } from "../conformance/assert.ts";

export class Busy extends DurableObject {
  async block() {
    await this.ctx.blockConcurrencyWhile(() => scheduler.wait(60_000));
  }

  ping() {
    return "pong";
  }
}

interface Env {
  Busy: DurableObjectNamespace<Busy>;
}

const caught = (error: any) => [String(error), { ...error }];

export const aCriticalSectionThatTakesTooLong = {
  async test(_: unknown, env: Env) {
    const busy = env.Busy.getByName("a");
    const text = "Error: A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.";
    const told = [text, { overloaded: true, durableObjectReset: true }];
    const both = [busy.block().catch(caught), busy.ping().catch(caught)];
    assertEquals(await Promise.all(both), [told, told]);
    assertEquals(await busy.ping().catch(caught), told);
    assertEquals(await env.Busy.getByName("a").ping(), "pong");
  },
};
