// What becomes of alarms that fail, again and again or for ever: on the clock of tests, so that the platform's delays
// take no time.

import { DurableObject } from "cloudflare:workers";
import { clock } from "stead:test";
import { assert, assertEquals } from "../conformance/assert.ts";

type Run = { at: number; retryCount: number; isRetry: boolean };

export class Failing extends DurableObject<Env> {
  async alarm({ retryCount, isRetry }: AlarmInvocationInfo) {
    const runs = this.runs();
    this.ctx.storage.kv.put("runs", [...runs, { at: Date.now(), retryCount, isRetry }]);
    // What a run that throws has written is kept.
    await this.ctx.storage.sync();
    if (this.ctx.storage.kv.get("hangs")) await new Promise(() => {});
    throw new Error("fails");
  }

  async set(at: number, hangs = false) {
    this.ctx.storage.kv.put("hangs", hangs);
    await this.ctx.storage.setAlarm(at);
  }

  runs() {
    return this.ctx.storage.kv.get<Run[]>("runs") ?? [];
  }

  async pending() {
    return await this.ctx.storage.getAlarm();
  }
}

interface Env {
  Failing: DurableObjectNamespace<Failing>;
}

export const anAlarmThatFailsIsRetriedSixTimesWithGrowingDelays = {
  async test(_: unknown, env: Env) {
    const failing = env.Failing.getByName("six");
    const start = Date.now() + 1000;
    await failing.set(start);
    await clock.advance("1h");
    const runs = await env.Failing.getByName("six").runs();
    assertEquals(runs.map((run) => run.retryCount), [0, 1, 2, 3, 4, 5, 6]);
    assertEquals(runs.map((run) => run.isRetry), [false, true, true, true, true, true, true]);
    for (let i = 1; i < runs.length; i++) {
      const delay = runs[i].at - runs[i - 1].at;
      const least = 1000 * 2 ** i;
      assert(delay >= least && delay <= least * 1.25 + 10, `retry ${i} after ${delay} ms`);
    }
    assertEquals(await env.Failing.getByName("six").pending(), null);
    await clock.advance("24h");
    assertEquals((await env.Failing.getByName("six").runs()).length, 7);
  },
};

export const aNewAlarmTakesThePlaceOfTheRetries = {
  async test(_: unknown, env: Env) {
    const failing = env.Failing.getByName("replaced");
    await failing.set(Date.now() + 1000);
    await clock.advance("5s");
    const later = Date.now() + 3_600_000;
    await failing.set(later);
    await clock.advance("59m");
    const before = (await failing.runs()).length;
    await clock.advance("2m");
    const run = (await failing.runs())[before];
    assertEquals([run.at, run.retryCount], [later, 0]);
  },
};

export const anAlarmMayRunForAQuarterOfAnHour = {
  async test(_: unknown, env: Env) {
    await env.Failing.getByName("hangs").set(Date.now() + 1000, true);
    await clock.advance("14m");
    assertEquals((await env.Failing.getByName("hangs").runs()).length, 1);
    await clock.advance("2m");
    const runs = await env.Failing.getByName("hangs").runs();
    assertEquals(runs.map((run) => run.retryCount), [0, 1]);
    assert(runs[1].at - runs[0].at >= 15 * 60_000 + 2000);
  },
};
