// The clock of tests moves everything that knows of time, and stands still while anything is ready to run.

import { DurableObject } from "cloudflare:workers";
import { clock } from "stead:test";
import { assert, assertEquals, assertRejects } from "../conformance/assert.ts";

export class Sleeper extends DurableObject {

  async wake(at: number) {
    await this.ctx.storage.setAlarm(at);
  }

  failTimes(count: number) {
    this.ctx.storage.kv.put("failures", count);
  }

  // Between two runs the object may leave memory, so it stores what it counts.
  async alarm({ retryCount }: AlarmInvocationInfo) {
    this.ctx.storage.kv.put("runs", [...this.runs(), [Date.now(), retryCount]]);
    const failures = this.ctx.storage.kv.get<number>("failures") ?? 0;
    this.failTimes(failures - 1);
    if (failures > 0) throw new Error("not yet");
  }

  runs() {
    return this.ctx.storage.kv.get<[number, number][]>("runs") ?? [];
  }

  async nap(ms: number) {
    await scheduler.wait(ms);
    return Date.now();
  }

  block(): Promise<void> {
    return this.ctx.blockConcurrencyWhile(() => new Promise(() => {}));
  }
}

interface Env {
  Sleeper: DurableObjectNamespace<Sleeper>;
}

const HOUR = 3_600_000;

export const everyClockReadsTheSameTime = {
  async test() {
    const [date, elapsed] = [Date.now(), performance.now()];
    assertEquals(new Date().getTime(), date);
    assertEquals(clock.now(), date);
    await clock.advance("3h");
    assertEquals(Date.now() - date, 3 * HOUR);
    assertEquals(new Date().getTime() - date, 3 * HOUR);
    assertEquals(performance.now() - elapsed, 3 * HOUR);
    assertEquals(new Intl.DateTimeFormat("en").format(), new Intl.DateTimeFormat("en").format(Date.now()));
    assertEquals(Date(), new Date(Date.now()).toString());
    assert(new Date() instanceof Date);
    assertEquals(structuredClone(new Date(5)).constructor, Date);
  },
};

export const timeStandsStillUnlessSomebodyWaits = {
  async test(_controller: unknown, env: Env) {
    const before = Date.now();
    const sleeper = env.Sleeper.getByName("still");
    await sleeper.wake(before + HOUR);
    for (let count = 0; count < 20; count++) assertEquals(await sleeper.runs(), []);
    assertEquals(Date.now(), before);
  },
};

export const aWaitTakesNoTimeAtAll = {
  async test(_controller: unknown, env: Env) {
    const before = Date.now();
    await scheduler.wait(24 * HOUR);
    assertEquals(Date.now() - before, 24 * HOUR);
    assertEquals((await env.Sleeper.getByName("naps").nap(HOUR)) - before, 25 * HOUR);
  },
};

export const timersRunInTheOrderOfTheirTimes = {
  async test() {
    const order: string[] = [];
    setTimeout(() => order.push("20"), 20);
    setTimeout(() => order.push("10"), 10);
    setTimeout(() => order.push("10, later"), 10);
    const cleared = setTimeout(() => order.push("never"), 15);
    clearTimeout(cleared);
    let ticks = 0;
    const interval = setInterval(() => {
      order.push(`tick ${++ticks}`);
      if (ticks === 3) clearInterval(interval);
    }, 6);
    await clock.advance(100);
    assertEquals(order.join(), "tick 1,10,10, later,tick 2,tick 3,20");
  },
};

export const anAdvanceEndsWhenEverythingOnTheWayHasRun = {
  async test() {
    const seen: number[] = [];
    const begun = Date.now();
    const step = async () => {
      for (let count = 0; count < 3; count++) {
        await scheduler.wait(10);
        seen.push(Date.now() - begun);
      }
    };
    const steps = step();
    await clock.advance(25);
    assertEquals(seen, [10, 20]);
    await clock.advance(5);
    assertEquals(seen, [10, 20, 30]);
    await steps;
  },
};

export const signalsTimeOut = {
  async test() {
    const signal = AbortSignal.timeout(HOUR);
    await clock.advance(HOUR - 1);
    assertEquals(signal.aborted, false);
    await clock.advance(1);
    assertEquals(signal.aborted, true);
    assertEquals(signal.reason.name, "TimeoutError");
  },
};

export const alarmsRunOnTime = {
  async test(_controller: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("alarm");
    const due = Date.now() + 3 * HOUR;
    await sleeper.wake(due);
    await clock.advance("2h");
    assertEquals(await sleeper.runs(), []);
    await clock.advance("1h");
    assertEquals(await sleeper.runs(), [[due, 0]]);
  },
};

export const aFailedAlarmIsRetriedSixTimes = {
  async test(_controller: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("retries");
    await sleeper.failTimes(100);
    await sleeper.wake(Date.now() + 1000);
    await clock.advance("10m");
    const runs = await sleeper.runs();
    assertEquals(runs.map(([, retryCount]) => retryCount), [0, 1, 2, 3, 4, 5, 6]);
    for (let retry = 1; retry <= 6; retry++) {
      const delay = runs[retry][0] - runs[retry - 1][0];
      const least = 2000 * 2 ** (retry - 1);
      assert(delay >= least && delay <= 1.25 * least, `retry ${retry} came after ${delay} ms`);
    }
  },
};

export const theNextAlarmCanBeRun = {
  async test(_controller: unknown, env: Env) {
    const [early, late] = [env.Sleeper.getByName("early"), env.Sleeper.getByName("late")];
    const now = Date.now();
    await late.wake(now + 200 * HOUR);
    await early.wake(now + 100 * HOUR);
    const mine = (await clock.alarms()).filter(({ name }) => name === "early" || name === "late");
    assertEquals(mine.map(({ name, time }) => [name, time - now]), [["early", 100 * HOUR], ["late", 200 * HOUR]]);
    while ((await clock.alarms()).some(({ name }) => name === "early")) await clock.runToNextAlarm();
    assertEquals(Date.now() - now, 100 * HOUR);
    assertEquals((await early.runs()).length, 1);
    assertEquals(await late.runs(), []);
    assert((await clock.runAllAlarms()) >= 1);
    assertEquals((await late.runs()).length, 1);
    assertEquals(await clock.runToNextAlarm(), false);
  },
};

export const aCriticalSectionTimesOut = {
  async test(_controller: unknown, env: Env) {
    const sleeper = env.Sleeper.getByName("blocked");
    const blocked = assertRejects(
      () => sleeper.block(),
      "Error: A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.",
    );
    await clock.advance("30s");
    await blocked;
  },
};

export const theClockCanBeSet = {
  async test() {
    const now = Date.now();
    let fired = false;
    setTimeout(() => (fired = true), HOUR);
    clock.set(now + HOUR - 1);
    assertEquals(Date.now() - now, HOUR - 1);
    await scheduler.wait(0);
    assertEquals(fired, false);
    clock.set(now + HOUR);
    await scheduler.wait(0);
    assertEquals(fired, true);
    const elapsed = performance.now();
    clock.set("2026-01-01T00:00:00Z");
    assertEquals(new Date().toISOString(), "2026-01-01T00:00:00.000Z");
    assertEquals(performance.now(), elapsed);
  },
};

export const aDurationIsANumberOrAText = {
  async test() {
    const begun = Date.now();
    for (const duration of [1500, "1500ms", "1.5s", "1s 500ms"]) await clock.advance(duration);
    assertEquals(Date.now() - begun, 6000);
    await assertRejects(
      () => clock.advance("soon"),
      'TypeError: `soon` is not a duration: give milliseconds, or a text such as "500ms", "30s", "3h" or "1d 12h"',
    );
  },
};
