// vi's fake timers are the clock of the tests.

import { DurableObject } from "cloudflare:workers";
import { afterEach, beforeEach, clock, describe, env, expect, test, vi } from "stead:test";

export class Reminder extends DurableObject {
  #rang = 0;

  async ring(delay: number) {
    await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  alarm() {
    this.#rang++;
  }

  rang() {
    return this.#rang;
  }
}

const reminder = () => (env as unknown as { Reminder: DurableObjectNamespace<Reminder> }).Reminder.getByName("one");

describe("fake timers", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("move timers at once", () => {
    const fired = vi.fn();
    setTimeout(fired, 1000);
    vi.advanceTimersByTime(999);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("run intervals as often as they are due", () => {
    const tick = vi.fn();
    const interval = setInterval(tick, 100);
    vi.advanceTimersByTime(350);
    expect(tick).toHaveBeenCalledTimes(3);
    clearInterval(interval);
  });

  test("run all timers, with those that timers start", () => {
    const order: number[] = [];
    setTimeout(() => {
      order.push(1);
      setTimeout(() => order.push(2), 5000);
    }, 10);
    vi.runAllTimers();
    expect(order).toEqual([1, 2]);
  });

  test("set the date", () => {
    vi.setSystemTime(new Date("2030-05-06T07:08:09Z"));
    expect(new Date().toISOString()).toBe("2030-05-06T07:08:09.000Z");
    vi.advanceTimersByTime(1000);
    expect(new Date().toISOString()).toBe("2030-05-06T07:08:10.000Z");
  });

  test("bring alarms along", async () => {
    await reminder().ring(3_600_000);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(await reminder().rang()).toBe(1);
  });

  test("do not move by themselves", async () => {
    let fired = false;
    setTimeout(() => (fired = true), 5);
    for (let count = 0; count < 10; count++) await reminder().rang();
    expect(fired).toBe(false);
    await vi.runAllTimersAsync();
    expect(fired).toBe(true);
  });
});

describe("without them", () => {
  test("the clock moves when nothing else can happen", async () => {
    const begun = clock.now();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    expect(clock.now() - begun).toBe(60_000);
  });

  test("waiting for something polls in the clock's time", async () => {
    let ready = false;
    setTimeout(() => (ready = true), 900);
    await vi.waitFor(() => expect(ready).toBe(true));
    await expect.poll(() => ready).toBe(true);
    await expect(vi.waitUntil(() => false, { timeout: 300 })).rejects.toThrow("Timed out");
  });
});
