// Objects that leave memory when a test wants it: what they have stored stays, what they remember goes.

import { DurableObject } from "cloudflare:workers";
import { env, evictAllDurableObjects, evictDurableObject, expect, test } from "stead:test";

export class Desk extends DurableObject {
  #calls = 0;

  call() {
    return ++this.#calls;
  }

  async keep(text: string) {
    await this.ctx.storage.put("text", text);
  }

  async kept() {
    return await this.ctx.storage.get<string>("text");
  }
}

const desk = (name: string) => (env as unknown as { Desk: DurableObjectNamespace<Desk> }).Desk.getByName(name);

test("an evicted object starts anew from what it has stored", async () => {
  await desk("a").keep("stored");
  expect(await desk("a").call()).toBe(1);
  expect(await desk("a").call()).toBe(2);
  await evictDurableObject(desk("a"));
  expect(await desk("a").call()).toBe(1);
  expect(await desk("a").kept()).toBe("stored");
});

test("all objects can be evicted at once", async () => {
  expect(await desk("b").call()).toBe(1);
  expect(await desk("c").call()).toBe(1);
  await evictAllDurableObjects();
  expect(await desk("b").call()).toBe(1);
  expect(await desk("c").call()).toBe(1);
});

test("an object that does not run cannot be evicted", async () => {
  await expect(evictDurableObject(desk("nobody"))).rejects.toThrow(
    "Cannot evict Durable Object: it is not currently running.",
  );
});
