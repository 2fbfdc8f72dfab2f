// The form of vitest and of the platform's own plugin for it: this file also runs under
// @cloudflare/vitest-pool-workers, with worker.ts as its worker.

import { createExecutionContext, createMessageBatch, createScheduledController, env, getQueueResult, listDurableObjectIds, runDurableObjectAlarm, runInDurableObject, SELF, waitOnExecutionContext } from "cloudflare:test";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import worker, { Counter } from "./worker.ts";

export * from "./worker.ts";
export { default } from "./worker.ts";

const counterOf = (name: string) => env.COUNTER.get(env.COUNTER.idFromName(name));

describe("expect", () => {
  it("compares deeply", () => {
    expect({ a: [1, { b: 2 }] }).toEqual({ a: [1, { b: 2 }] });
    expect([1, 2]).not.toEqual([2, 1]);
    expect(new Map([["a", 1]])).toEqual(new Map([["a", 1]]));
    expect({ id: "abc", at: 5 }).toMatchObject({ id: expect.any(String) });
    expect("a room").toMatch(/room/);
    expect(0.1 + 0.2).toBeCloseTo(0.3);
    expect([1, 2, 3]).toContain(2);
  });

  it("hears of promises and throws", async () => {
    await expect(Promise.resolve(5)).resolves.toBe(5);
    await expect(Promise.reject(new TypeError("no"))).rejects.toThrow("no");
    expect(() => {
      throw new RangeError("far");
    }).toThrow(RangeError);
  });

  it("counts assertions", () => {
    expect.assertions(2);
    expect(1).toBe(1);
    expect(2).toBe(2);
  });

  it.fails("fails where it should", () => {
    expect(1).toBe(2);
  });

  it.each([[1, 1, 2], [1, 2, 3]])("adds %i and %i to %i", (a, b, sum) => {
    expect(a + b).toBe(sum);
  });

  it.skip("is left out", () => {
    throw new Error("never run");
  });

  it.todo("is yet to be written");
});

describe("spies", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("remember calls", () => {
    const spy = vi.fn((a: number) => a * 2);
    expect(spy(2)).toBe(4);
    expect(spy).toHaveBeenCalledWith(2);
    expect(spy).toHaveBeenCalledTimes(1);
  });

  it("stand in for methods", () => {
    const spy = vi.spyOn(Math, "max").mockReturnValue(7);
    expect(Math.max(1, 2)).toBe(7);
    expect(spy).toHaveBeenCalledOnce();
  });

  it("are taken away again", () => {
    expect(Math.max(1, 2)).toBe(2);
  });
});

describe("hooks", () => {
  const order: string[] = [];
  beforeAll(() => void order.push("beforeAll"));
  beforeEach(() => void order.push("beforeEach"));
  afterEach(() => void order.push("afterEach"));
  afterAll(() => {
    expect(order).toEqual(["beforeAll", "beforeEach", "test", "afterEach", "beforeEach", "test", "afterEach"]);
  });

  it("run around the first test", () => void order.push("test"));
  it("run around the second test", () => void order.push("test"));
});

describe("the worker", () => {
  it("answers requests", async () => {
    const response = await SELF.fetch("https://example.com/count/a", { method: "POST", body: "5" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("5");
    expect(await (await SELF.fetch("https://example.com/count/a")).text()).toBe("5");
  });

  it("is asked as a function too", async () => {
    const worker = (await import("./worker.ts")).default;
    const ctx = createExecutionContext();
    const response = await worker.fetch!(new Request<unknown, IncomingRequestCfProperties>("https://example.com/later/b"), env, ctx);
    await waitOnExecutionContext(ctx);
    expect(await response.text()).toBe("accepted");
    expect(await counterOf("b").value()).toBe(1);
  });

  it("runs at its times", async () => {
    const worker = (await import("./worker.ts")).default;
    const ctx = createExecutionContext();
    await worker.scheduled!(createScheduledController({ scheduledTime: new Date(1000), cron: "* * * * *" }), env, ctx);
    await waitOnExecutionContext(ctx);
    expect(await counterOf("scheduled").value()).toBe(1000);
  });
});

describe("objects", () => {
  it("let tests reach into them", async () => {
    const stub = counterOf("inside");
    await stub.add(3);
    const value = await runInDurableObject(stub, async (instance: Counter, state) => {
      expect(instance).toBeInstanceOf(Counter);
      await state.storage.put("value", 10);
      return await instance.value();
    });
    expect(value).toBe(10);
    await expect(runInDurableObject(stub, () => Promise.reject(new Error("from inside")))).rejects.toThrow("from inside");
  });

  it("run their alarms on demand", async () => {
    const stub = counterOf("alarm");
    expect(await runDurableObjectAlarm(stub)).toBe(false);
    await stub.remind(60_000);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await stub.value()).toBe(100);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
  });

  it("are listed", async () => {
    const id = env.COUNTER.idFromName("listed");
    await env.COUNTER.get(id).add(1);
    const ids = await listDurableObjectIds(env.COUNTER);
    expect(ids.some((other) => other.equals(id))).toBe(true);
  });
});

it("a test may say something of itself", async ({ annotate, task }) => {
  const annotation = await annotate("slow on Mondays", "issue");
  expect(annotation).toMatchObject({ message: "slow on Mondays", type: "issue" });
  expect(task.annotations.map(({ message }) => message)).toEqual(["slow on Mondays"]);
});

describe("what Vite says of itself", () => {
  it("is in import.meta.env", () => {
    const { env } = import.meta as any;
    expect(env).toMatchObject({ BASE_URL: "/", DEV: true, MODE: "test", PROD: false, SSR: true });
  });

  it("knows of nothing that nobody has provided", () => {
    expect(inject("nothing" as never)).toBeUndefined();
  });
});

describe("Date alone", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("stands still once it is set, while timers go on", async () => {
    const before = Date.now();
    vi.setSystemTime(5000);
    await scheduler.wait(10);
    expect([Date.now(), new Date().getTime(), vi.isFakeTimers()]).toEqual([5000, 5000, false]);
    vi.useRealTimers();
    expect(Date.now()).toBeGreaterThanOrEqual(before);
  });

  it("is moved by the hand that has made it fake", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1000 });
    await scheduler.wait(10);
    expect(Date.now()).toBe(1000);
    vi.advanceTimersByTime(5);
    expect([Date.now(), vi.isFakeTimers()]).toEqual([1005, true]);
  });

  it("cannot be moved before", () => {
    expect(() => vi.advanceTimersByTime(1)).toThrow(
      "A function to advance timers was called but the timers APIs are not mocked. Call `vi.useFakeTimers()` in the test file first.",
    );
  });
});

describe("fake timers of a suite", () => {
  beforeAll(() => {
    vi.useFakeTimers({ now: 3000 });
  });
  afterAll(() => {
    vi.useRealTimers();
  });

  it("are there in its first test", () => {
    expect([vi.isFakeTimers(), Date.now()]).toEqual([true, 3000]);
  });

  it("are there in its second test", () => {
    vi.advanceTimersByTime(10);
    expect([vi.isFakeTimers(), Date.now()]).toEqual([true, 3010]);
  });
});

describe("batches of a queue", () => {
  it("are made for a handler, which says what becomes of them", async () => {
    const sent = [
      { id: "a", timestamp: new Date(1000), attempts: 1, body: { done: true } },
      { id: "b", timestamp: new Date(2000), attempts: 2, body: "again" },
    ];
    const batch = createMessageBatch<unknown>("orders", sent);
    const ctx = createExecutionContext();
    await worker.queue(batch as any, env, ctx);
    const result = await getQueueResult(batch, ctx);
    expect(result).toEqual({
      outcome: "ok",
      retryBatch: { retry: false },
      ackAll: false,
      retryMessages: [{ msgId: "b" }],
      explicitAcks: ["a"],
    });
    expect([batch.messages[1].attempts, batch.messages[0].timestamp.getTime()]).toEqual([2, 1000]);
    expect(await counterOf("orders").value()).toBe(2);
  });

  it("are refused when a part is missing", async () => {
    expect(() => createMessageBatch("orders", [{ id: "a", timestamp: new Date(), body: 1 } as any])).toThrow(
      "Incorrect type for the 'attempts' field on 'ServiceBindingQueueMessage': the provided value is not of type 'number'.",
    );
    await expect(getQueueResult({} as any, createExecutionContext())).rejects.toThrow(
      "Failed to execute 'getQueueResult': parameter 1 is not of type 'MessageBatch'.",
    );
  });
});
