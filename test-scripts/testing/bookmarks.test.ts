// Point-in-time recovery under the clock of tests, in the middle of levels of state.

import { DurableObject } from "cloudflare:workers";
import { abortDurableObject, beforeAll, clock, describe, env, expect, runInDurableObject, test } from "stead:test";

export class Ledger extends DurableObject {
  async write(value: number) {
    await this.ctx.storage.put("value", value);
    return await this.ctx.storage.getCurrentBookmark();
  }

  async value() {
    return await this.ctx.storage.get<number>("value");
  }

  async at(time: number) {
    return await this.ctx.storage.getBookmarkForTime(time);
  }

  async goBackTo(bookmark: string) {
    return await this.ctx.storage.onNextSessionRestoreBookmark(bookmark);
  }
}

const ledger = () => (env as unknown as { Ledger: DurableObjectNamespace<Ledger> }).Ledger.getByName("ledger");

async function restore(bookmark: string) {
  const undo = await ledger().goBackTo(bookmark);
  await abortDurableObject(ledger());
  return undo;
}

describe("a ledger that beforeAll has written to", () => {
  let first: string;
  let began = 0;

  beforeAll(async () => {
    began = clock.now();
    first = await ledger().write(1);
    await clock.advance("1h");
    await ledger().write(2);
    await clock.advance("1h");
  });

  test("has a bookmark for each time of the clock", async () => {
    await ledger().write(3);
    expect(await ledger().at(clock.now())).toBe(await runInDurableObject(ledger(), (_, state) => state.storage.getCurrentBookmark()));
    expect(await ledger().at(began + 1_800_000)).toBe(first);
    await expect(ledger().at(began - 1)).resolves.not.toBe(first);
  });

  test("goes back to a bookmark from before the test, and forth again", async () => {
    await ledger().write(4);
    const undo = await restore(first);
    expect(await ledger().value()).toBe(1);
    await restore(undo);
    expect(await ledger().value()).toBe(4);
  });

  test("is untouched by a restore in another test", async () => {
    expect(await ledger().value()).toBe(2);
  });

  test("goes back by the clock, from inside of the object", async () => {
    await clock.advance("3d");
    await ledger().write(5);
    await runInDurableObject(ledger(), async (_, state) => {
      await state.storage.onNextSessionRestoreBookmark(await state.storage.getBookmarkForTime(began + 5_400_000));
    });
    await abortDurableObject(ledger());
    expect(await ledger().value()).toBe(2);
  });

  describe("with a restore that an inner beforeAll asked for", () => {
    beforeAll(() => restore(first));

    for (const round of [1, 2]) {
      test(`starts from there, round ${round}`, async () => {
        expect(await ledger().value()).toBe(1);
        await ledger().write(6);
      });
    }
  });
});
