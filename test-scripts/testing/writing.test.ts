// What vitest has for writing tests, besides what vitest.test.ts shows. The same suite passes on the platform's own plugin.
import { afterAll, assertType, createExpect, describe, expect, expectTypeOf, it, onTestFailed, onTestFinished, test, vi } from "vitest";

declare const process: { env: Record<string, string | undefined> };

describe("vi", () => {
  it("puts variables of the environment in place, and takes them away", () => {
    vi.stubEnv("GREETING", "hello").stubEnv("COUNT", "5");
    expect([process.env.GREETING, process.env.COUNT]).toEqual(["hello", "5"]);
    vi.stubEnv("GREETING", undefined);
    expect(process.env.GREETING).toBeUndefined();
    vi.unstubAllEnvs();
    expect(process.env.COUNT).toBeUndefined();
  });

  it("puts globals in place, and takes them away", () => {
    vi.stubGlobal("madeUp", 5);
    expect((globalThis as any).madeUp).toBe(5);
    vi.unstubAllGlobals();
    expect("madeUp" in globalThis).toBe(false);
  });

  it("waits for what comes to be", async () => {
    let ready = false;
    setTimeout(() => (ready = true), 100);
    await vi.waitUntil(() => ready);
    let tries = 0;
    const value = await vi.waitFor(() => {
      if (++tries < 3) throw new Error("not yet");
      return "there";
    });
    expect([value, tries]).toEqual(["there", 3]);
    await expect(vi.waitFor(() => Promise.reject(new Error("never")), { timeout: 60, interval: 20 })).rejects.toThrow("never");
  });

  it("changes settings of the run", () => {
    vi.setConfig({ testTimeout: 10_000, hookTimeout: 20_000 });
    vi.resetConfig();
  });

  it("hides a helper from stacks", () => {
    const positive = vi.defineHelper((value: number) => expect(value).toBeGreaterThan(0));
    positive(1);
    expect(() => positive(-1)).toThrow("expected -1 to be greater than 0");
  });
});

describe("expect", () => {
  it("polls", async () => {
    let count = 0;
    await expect.poll(() => ++count).toBe(3);
    await expect.poll(async () => ++count, { interval: 5 }).not.toBe(4);
    await expect(expect.poll(() => 1, { timeout: 20, interval: 5 }).toBe(2)).rejects.toThrow("expected 1 to be 2");
  });

  it("is extended", () => {
    expect.extend({
      toBeEven: (received: number) => ({ pass: received % 2 === 0, message: () => `${received} is odd` }),
    });
    (expect(2) as any).toBeEven();
    expect(() => (expect(3) as any).toBeEven()).toThrow("3 is odd");
    expect({ count: 4 }).toEqual({ count: (expect as any).toBeEven() });
  });

  it("is made for a test", ({ task, expect: own }) => {
    own.assertions(1);
    own(task.name).toBe("is made for a test");
    createExpect(task)(1).toBe(1);
  });

  it.fails("collects failures with soft", () => {
    expect.soft(1).toBe(2);
    expect.soft(2).toBe(2);
  });

  it("says nothing of types when it runs", () => {
    expectTypeOf({ a: 1 }).toEqualTypeOf<{ a: number }>();
    assertType<string>("text");
  });
});

describe("tests", () => {
  const seen: string[] = [];
  afterAll(() => expect(seen).toEqual(["finished", "not failed", "for 1 a", "for 2 b", "run"]));

  it("hear of their end", () => {
    onTestFailed(() => void seen.push("failed"));
    onTestFinished(() => void seen.push("finished"));
  });
  it("hear of it by their context", ({ onTestFinished }) => onTestFinished(() => void seen.push("not failed")));
  it.for([[1, "a"], [2, "b"]] as const)("for %i", ([number, letter], { expect }) => {
    expect(letter).toHaveLength(1);
    seen.push(`for ${number} ${letter}`);
  });
  it.skipIf(true)("are left out if", () => void seen.push("left out"));
  it.runIf(true)("run if", () => void seen.push("run"));
  it("leave themselves out", (context) => context.skip());
});

const withRoom = test.extend<{ room: string[] }>({
  room: async ({}, use) => {
    const room = ["ada"];
    await use(room);
    room.length = 0;
  },
});

withRoom("fixtures are made for each test", ({ room }) => {
  room.push("grace");
  expect(room).toEqual(["ada", "grace"]);
});

describe.sequential("one after the other", () => {
  it("runs", () => expect(true).toBe(true));
});

describe.concurrent("at once", () => {
  it("runs", async ({ expect }) => expect(await Promise.resolve(1)).toBe(1));
  it("runs, too", async ({ expect }) => expect(await Promise.resolve(2)).toBe(2));
});

describe.shuffle("in any order", () => {
  it("runs", () => expect(true).toBe(true));
});
