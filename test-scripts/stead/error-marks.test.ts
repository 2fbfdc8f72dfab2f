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

  async fetchNowhere() {
    await fetch(NOWHERE);
  }
}

/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:3/";

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

// Browsers refuse these ports without trying. Nobody listens there, which is what the error says.
export const noPortIsRefused = {
  async test() {
    for (const port of [1, 9, 6000, 10080]) {
      const failure = await fetch(`http://127.0.0.1:${port}/`).then(() => "an answer", (error) => error.message);
      assertEquals([port, failure.includes("blocked")], [port, false]);
    }
  },
};

// workerd says the same where its configuration lets workers reach the machine's own network.
export const aConnectionThatFailsMayBeTriedAgain = {
  async test(_: unknown, env: Env) {
    const lost = ["Error: Network connection lost.", { retryable: true }];
    assertEquals(await fetch(NOWHERE).catch(caught), lost);
    assertEquals(await fetch("http://no-such-host.invalid/").catch(caught), lost);
    assertEquals(await fetch(NOWHERE, { headers: { Upgrade: "websocket" } }).catch(caught), lost);
    const cause = await fetch(NOWHERE).catch((error) => error.cause);
    assertEquals(/refused/i.test(String(cause)), true);
    const busy = env.Busy.getByName("b");
    const passedOn = { retryable: true, remote: true, durableObjectId: busy.id.toString() };
    assertEquals(await busy.fetchNowhere().catch(caught), ["Error: Network connection lost.", passedOn]);
  },
};
