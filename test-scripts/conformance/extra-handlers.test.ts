// `scheduled()` and `queue()` of service stubs: handlers with `service_binding_extra_handlers`, else methods like others.
import { WorkerEntrypoint } from "cloudflare:workers";
import { assertEquals, assertRejects } from "./assert.ts";

const flags: Record<string, boolean> = (globalThis as any).Cloudflare.compatibilityFlags;
let seen: unknown;

export class Handling extends WorkerEntrypoint {
  scheduled(controller: any) {
    seen = [controller.constructor?.name, controller.cron, Number(controller.scheduledTime)];
    if (controller.cron === "final") controller.noRetry();
    if (controller.cron === "throws") throw new RangeError("not today");
  }

  queue(batch: any) {
    seen = [batch.queue, batch.messages?.map((message: any) => [
      message.id,
      message.body,
      message.timestamp.getTime(),
      message.attempts,
    ])];
    switch (batch.queue) {
      case "all":
        return batch.ackAll();
      case "again":
        return batch.retryAll({ delaySeconds: 5 });
      case "each":
        batch.messages[0].ack();
        batch.messages[1].retry({ delaySeconds: 7 });
        batch.messages[1].ack();
        return;
      case "throws":
        throw new TypeError("not this batch");
    }
  }

  tail(events: unknown[]) {
    return events.length;
  }

  tailStream(event: unknown) {
    return event;
  }
}

export class Nothing extends WorkerEntrypoint {}

function withStub(steps: (exports: any) => Promise<void>) {
  return {
    async test(_: unknown, __: unknown, ctx: any) {
      if (flags.service_binding_extra_handlers) await steps(ctx.exports);
    },
  };
}

/** Without what is undefined. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const message = (id: string, body: unknown) => ({ id, timestamp: new Date(1000), body, attempts: 2 });

export const aRunOfScheduledTellsItsOutcome = withStub(async ({ Handling }) => {
  const time = new Date(86_400_000);
  assertEquals({ ...(await Handling.scheduled({ cron: "* * * * *", scheduledTime: time })) }, { outcome: "ok", noRetry: false });
  assertEquals(seen, ["ScheduledController", "* * * * *", 86_400_000]);
  assertEquals({ ...(await Handling.scheduled({ cron: "final" })) }, { outcome: "ok", noRetry: true });
});

export const aBatchTellsWhatBecameOfItsMessages = withStub(async ({ Handling }) => {
  const result = { outcome: "ok", ackAll: false, retryBatch: { retry: false }, explicitAcks: [], retryMessages: [] };
  const messages = [message("1", { a: [1] }), message("2", "text")];
  assertEquals(plain(await Handling.queue("plain", messages)), result);
  assertEquals(seen, ["plain", [["1", { a: [1] }, 1000, 2], ["2", "text", 1000, 2]]]);
  assertEquals(plain(await Handling.queue("all", messages)), { ...result, ackAll: true });
  assertEquals(plain(await Handling.queue("again", messages)), {
    ...result,
    retryBatch: { retry: true, delaySeconds: 5 },
  });
  assertEquals(plain(await Handling.queue("each", messages)), {
    ...result,
    explicitAcks: ["1"],
    retryMessages: [{ msgId: "2", delaySeconds: 7 }],
  });
});

export const whatAHandlerThrowsIsItsOutcome = withStub(async ({ Handling }) => {
  assertEquals({ ...(await Handling.scheduled({ cron: "throws" })) }, { outcome: "exception", noRetry: false });
  const { outcome, ackAll } = await Handling.queue("throws", [message("1", 1)]);
  assertEquals([outcome, ackAll], ["exception", false]);
});

export const aHandlerThatIsMissing = withStub(async ({ Nothing }) => {
  assertEquals({ ...(await Nothing.scheduled({ cron: "* * * * *" })) }, { outcome: "exception", noRetry: true });
  assertEquals((await Nothing.queue("q", [message("1", 1)])).outcome, "exception");
});

export const withoutTheFlagTheyAreMethods = {
  async test(_: unknown, __: unknown, ctx: any) {
    if (!flags.service_binding_extra_handlers && flags.rpc && flags.enable_ctx_exports) {
      await ctx.exports.Handling.scheduled({ cron: "x" });
      assertEquals(seen, ["Object", "x", NaN]);
      await assertRejects(() => ctx.exports.Nothing.queue("q"), /does not implement the method "queue"/);
    }
  },
};

export const tailHandlersAreMethods = {
  async test(_: unknown, __: unknown, ctx: any) {
    if (!flags.rpc || !flags.enable_ctx_exports) return;
    assertEquals(await ctx.exports.Handling.tail([1, 2]), 2);
    assertEquals(await ctx.exports.Handling.tailStream({ a: 1 }).a, 1);
  },
};
