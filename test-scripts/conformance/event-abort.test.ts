// ctx.abort() of the worker's own events: code ends there, and whoever waits gets the reason.
import { WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";
import { assert, assertEquals } from "./assert.ts";

let ran: string[] = [];

export class Aborting extends WorkerEntrypoint {
  now(...reason: unknown[]) {
    try {
      this.ctx.abort(...(reason as [any]));
    } catch {
      ran.push("catch");
    } finally {
      ran.push("finally");
    }
    return "not ended";
  }

  async later() {
    setTimeout(() => ran.push("timer"), 20);
    this.ctx.waitUntil(scheduler.wait(10).then(() => ran.push("waitUntil")));
    await scheduler.wait(1);
    this.ctx.abort("later");
  }

  async inBackground() {
    setTimeout(() => this.ctx.abort("in the background"), 1);
    await new Promise(() => {});
  }

  callback() {
    return () => this.now("in a callback");
  }

  both() {
    return {
      slow: () => scheduler.wait(1000),
      abort: () => this.now("for both"),
    };
  }

  override async fetch(): Promise<Response> {
    this.ctx.abort(new RangeError("in fetch"));
    return new Response("not ended");
  }
}

function withAborting(steps: (aborting: any) => Promise<void>) {
  return {
    async test(_: unknown, __: unknown, ctx: any) {
      ran = [];
      await steps(ctx.exports.Aborting);
      assertEquals(ran, []);
    },
  };
}

const thrown = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(() => assert(false, "should have thrown"), (error) => error as any);

const DEFAULT = "Error: Worker execution was aborted due to call to ctx.abort().";

export const theCallerGetsTheReason = withAborting(async (aborting) => {
  for (const reason of [[], [undefined]]) assertEquals(String(await thrown(aborting.now(...reason))), DEFAULT);
  assertEquals(String(await thrown(aborting.now("text"))), "Error: text");
  assertEquals(String(await thrown(aborting.now(null))), "Error: null");
  const error = await thrown(aborting.now(Object.assign(new TypeError("own"), { more: 1 })));
  assertEquals([error instanceof TypeError, error.message, { ...error }], [true, "own", { more: 1 }]);
  const object = await thrown(aborting.now({ code: 7 }));
  assertEquals([object instanceof Error, object.code], [false, 7]);
});

export const nothingOfTheEventGoesOn = withAborting(async (aborting) => {
  const error = await thrown(aborting.later());
  assertEquals([String(error), { ...error }], ["Error: later", {}]);
  await scheduler.wait(50);
});

export const whatRunsInTheBackgroundMayEndIt = withAborting(async (aborting) => {
  assertEquals(String(await thrown(aborting.inBackground())), "Error: in the background");
});

export const aRequestGetsTheReason = withAborting(async (aborting) => {
  const error = await thrown(aborting.fetch("http://worker/"));
  assertEquals([String(error), { ...error }], ["RangeError: in fetch", { remote: true }]);
});

export const callsOfWhatTheEventReturnedGetTheReason = withAborting(async (aborting) => {
  using callback = await aborting.callback();
  const error = await thrown(callback());
  assertEquals([String(error), error.remote], ["Error: in a callback", true]);
  using both = await aborting.both();
  const errors = await Promise.all([both.slow(), both.abort()].map(thrown));
  assertEquals(errors.map((each) => [String(each), each.remote]), [["Error: for both", true], ["Error: for both", true]]);
});

export const aWorkflowsClassCanBeExtended = {
  test(_: unknown, env: any, ctx: any) {
    class Flow extends (WorkflowEntrypoint as any) {
      run() {
        return "ran";
      }
    }
    const flow = new Flow(ctx, env);
    assertEquals([flow.run(), flow.ctx === ctx, flow.env === env], ["ran", true, true]);
    assert(flow instanceof WorkflowEntrypoint);
  },
};
