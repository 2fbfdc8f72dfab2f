// What waits at which gate, as a test sees it.

import { DurableObject } from "cloudflare:workers";
import { env, expect, faults, gates, test } from "stead:test";

export class Vault extends DurableObject {
  #open: () => void = () => {};

  async put(value: number) {
    await this.ctx.storage.put("value", value);
    return value;
  }

  lock() {
    void this.ctx.blockConcurrencyWhile(() => new Promise<void>((resolve) => {
      this.#open = resolve;
      setTimeout(resolve, 1000);
    }));
  }

  value() {
    return this.ctx.storage.kv.get<number>("value");
  }
}

const vault = (name: string) => (env as unknown as { Vault: DurableObjectNamespace<Vault> }).Vault.getByName(name);

test("no gate is closed when nothing happens", async () => {
  await vault("a").put(1);
  expect(await gates()).toEqual([]);
});

test("a critical section closes the input gate", async () => {
  await vault("a").lock();
  const values = Promise.all([vault("a").value(), vault("a").value()]);
  const [gate] = await gates();
  expect(gate).toMatchObject({
    class: "Vault",
    name: "a",
    input: { why: "blockConcurrencyWhile() runs", waiting: 2 },
    output: null,
  });
  expect(gate.id).toBe(vault("a").id.toString());
  expect(await values).toEqual([undefined, undefined]);
  expect(await gates()).toEqual([]);
});

test("a disk that does not finish keeps the output gate closed, and time goes on", async () => {
  const resume = faults.stall();
  let answer: number | undefined;
  const put = vault("a").put(7).then((value) => (answer = value));
  await scheduler.wait(1000);
  expect(answer).toBeUndefined();
  expect(await gates()).toMatchObject([
    { name: "a", input: null, output: { why: "a commit is not durable", waiting: 1 } },
  ]);
  await resume();
  expect(await put).toBe(7);
  expect(await gates()).toEqual([]);
});

test("an object of which a test has stalled the storage is whole in the next test", async () => {
  expect(await vault("a").value()).toBeUndefined();
  expect(await vault("a").put(1)).toBe(1);
});
