// Run by `stead test`. The imports are those of vitest and of the platform's plugin for it.
import { env, SELF } from "cloudflare:test";
import { expect, test } from "vitest";

test("each name has a counter of its own", async () => {
  await SELF.fetch("https://counter.test/apples", { method: "POST" });
  const response = await SELF.fetch("https://counter.test/apples", { method: "POST" });
  expect(await response.json()).toEqual({ name: "apples", value: 2 });
  expect(await env.COUNTER.getByName("pears").value()).toBe(0);
});

test("storage is empty again in every test", async () => {
  expect(await env.COUNTER.getByName("apples").add(3)).toBe(3);
});
