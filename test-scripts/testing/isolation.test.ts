// Every test starts from the state that the hooks around it have left: storage, alarms, memory, clock.

import { DurableObject } from "cloudflare:workers";
import { beforeAll, clock, describe, env, expect, faults, listDurableObjectIds, reset, test } from "stead:test";

export class Notes extends DurableObject {
  #seen = 0;

  async add(text: string) {
    await this.ctx.storage.put(text, ++this.#seen);
  }

  async all() {
    return [...(await this.ctx.storage.list()).keys()];
  }

  async remind(delay: number) {
    await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  async alarm() {
    await this.add("reminded");
  }

  seen() {
    return this.#seen;
  }
}

const namespace = () => (env as unknown as { Notes: DurableObjectNamespace<Notes> }).Notes;
const notes = () => namespace().getByName("notes");

describe("a test", () => {
  for (const round of [1, 2, 3]) {
    test(`finds nothing of the others, round ${round}`, async () => {
      expect(await notes().all()).toEqual([]);
      expect(await notes().seen()).toBe(0);
      expect(await clock.alarms()).toEqual([]);
      await notes().add(`round ${round}`);
      await notes().remind(1000);
      expect(await clock.alarms()).toHaveLength(1);
    });
  }

  for (const round of [1, 2]) {
    test(`finds nothing in the caches, round ${round}`, async () => {
      const url = "http://example.com/kept";
      expect(await caches.default.match(url)).toBeUndefined();
      await caches.default.put(url, new Response("x", { headers: { "Cache-Control": "max-age=100" } }));
      expect(await (await caches.default.match(url))!.text()).toBe("x");
    });
  }

  test.fails("that fails leaves nothing either", async () => {
    await notes().add("from a test that fails");
    expect(1).toBe(2);
  });

  test("does not see what a failed one wrote", async () => {
    expect(await notes().all()).toEqual([]);
  });
});

describe("what beforeAll wrote", () => {
  let began = 0;
  const cached = "http://example.com/ground";
  beforeAll(async () => {
    await caches.default.put(cached, new Response("x", { headers: { "Cache-Control": "max-age=100" } }));
    began = Date.now();
    await notes().add("ground");
    await notes().remind(60_000);
  });

  test("is there", async () => {
    expect(await notes().all()).toEqual(["ground"]);
    expect(await notes().seen()).toBe(0);
    expect(await caches.default.delete(cached)).toBe(true);
    await notes().add("more");
    await clock.advance("1m");
    expect(await notes().all()).toEqual(["ground", "more", "reminded"]);
  });

  test("is there again, with its alarm and its time", async () => {
    expect(Date.now()).toBe(began);
    expect(await caches.default.delete(cached)).toBe(true);
    expect(await notes().all()).toEqual(["ground"]);
    expect((await clock.alarms()).map(({ time }) => time - began)).toEqual([60_000]);
  });

  describe("with more in an inner suite", () => {
    beforeAll(() => notes().add("inner"));

    test("is there together", async () => {
      expect(await notes().all()).toEqual(["ground", "inner"]);
      await reset();
      expect(await notes().all()).toEqual([]);
      expect(await listDurableObjectIds(namespace())).toHaveLength(1);
    });

    test("is there after a reset in another test", async () => {
      expect(await notes().all()).toEqual(["ground", "inner"]);
    });
  });

  test("is alone again after the inner suite", async () => {
    expect(await notes().all()).toEqual(["ground"]);
  });
});

describe("faults", () => {
  test("a crash loses memory and nothing that was acknowledged", async () => {
    await notes().add("kept");
    await faults.crash();
    expect(await notes().seen()).toBe(0);
    expect(await notes().all()).toEqual(["kept"]);
  });

  test("a full disk fails the commit and resets the object", async () => {
    await notes().add("before");
    faults.storage("ENOSPC");
    await expect(notes().add("lost")).rejects.toThrow();
    expect(await notes().all()).toEqual(["before"]);
    expect(await notes().seen()).toBe(0);
  });
});

test("timers of one test do not fire in the next: the first", () => {
  setTimeout(() => {
    throw new Error("fired in another test");
  }, 10);
});

test("timers of one test do not fire in the next: the second", async () => {
  await clock.advance(100);
});
