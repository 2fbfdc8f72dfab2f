// A project's cron triggers fire by the clock of the tests; its static files answer before its worker.

import { beforeAll, clock, describe, env, expect, SELF, serve, test, vi } from "stead:test";
import type { Diary } from "./worker.ts";

const diary = () => (env as unknown as { DIARY: DurableObjectNamespace<Diary> }).DIARY.getByName("diary");

describe("cron triggers", () => {
  test("fire on the way of the clock, in their order", async () => {
    await clock.advance("11m");
    expect(await diary().lines()).toEqual([
      "*/5 * * * * at 2026-01-01T00:05:00.000Z",
      "*/5 * * * * at 2026-01-01T00:10:00.000Z",
    ]);
    await scheduler.wait(4 * 60_000);
    expect(await diary().lines()).toHaveLength(3);
  });

  test("start anew with each test", async () => {
    expect(await diary().lines()).toEqual([]);
    await clock.advance("3h");
    const lines = await diary().lines();
    expect(lines).toHaveLength(37);
    expect(lines).toContain("0 3 * * * at 2026-01-01T03:00:00.000Z");
  });

  test("fire once when the clock is set over several of their times", async () => {
    clock.set("2026-01-01T01:02:00Z");
    await clock.advance("1m");
    expect(await diary().lines()).toEqual(["*/5 * * * * at 2026-01-01T00:05:00.000Z"]);
    await clock.advance("2m");
    expect(await diary().lines()).toHaveLength(2);
  });

  test("follow a clock that is held", async () => {
    vi.useFakeTimers();
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(await diary().lines()).toHaveLength(1);
  });

  describe("from the time that beforeAll has reached", () => {
    beforeAll(() => clock.advance("10m"));

    for (const round of [1, 2]) {
      test(`go on, round ${round}`, async () => {
        expect(await diary().lines()).toHaveLength(2);
        await clock.advance("5m");
        expect((await diary().lines()).at(-1)).toBe("*/5 * * * * at 2026-01-01T00:15:00.000Z");
      });
    }
  });
});

test("static files answer before the worker, which has its binding and variables", async () => {
  const file = await SELF.fetch("https://nightly.example/morning.txt");
  expect(await file.text()).toBe("good morning\n");
  expect(file.headers.get("content-type")).toContain("text/plain");
  const page = await SELF.fetch("https://nightly.example/else");
  expect(await page.json()).toEqual(["welcome", "/else", "good morning\n"]);
});

test("answers HTTP with its static files, during which time stands still", async () => {
  const { url } = await serve();
  let late = false;
  setTimeout(() => (late = true), 1);
  const response = await fetch(`${url}/morning.txt`);
  expect([response.status, response.headers.get("Content-Type"), late]).toEqual([200, "text/plain; charset=utf-8", false]);
  await response.text();
});
