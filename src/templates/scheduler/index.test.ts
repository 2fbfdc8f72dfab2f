// Run by `stead test`. The imports are those of vitest and of the platform's plugin for it.
import { env, runDurableObjectAlarm, SELF } from "cloudflare:test";
import { expect, test } from "vitest";

const add = (text: string, seconds: number) =>
  SELF.fetch(`https://scheduler.test/?text=${text}&in=${seconds}`, { method: "POST" });

test("a task is done when it is due", async () => {
  await add("tea", 0);
  await add("dinner", 3600);
  const scheduler = env.SCHEDULER.getByName("mine");
  // Unless it has run by itself meanwhile.
  await runDurableObjectAlarm(scheduler);
  const tasks = (await scheduler.list()) as { text: string; done: number | null }[];
  expect(tasks.map(({ text, done }) => [text, done !== null])).toEqual([["tea", true], ["dinner", false]]);
});
