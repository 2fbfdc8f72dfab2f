// Point-in-time recovery: an object goes back to a bookmark when it starts the next time, and forth again.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "../conformance/assert.ts";

interface Contents {
  value: number | undefined;
  rows: number[];
}

export class Ledger extends DurableObject {
  #sql = this.ctx.storage.sql;
  #rang = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec("CREATE TABLE IF NOT EXISTS entries (n INTEGER)");
  }

  async write(n: number): Promise<string> {
    await this.ctx.storage.put("value", n);
    this.#sql.exec("INSERT INTO entries VALUES (?)", n);
    return await this.ctx.storage.getCurrentBookmark();
  }

  async contents(): Promise<Contents> {
    return {
      value: await this.ctx.storage.get<number>("value"),
      rows: this.#sql.exec<{ n: number }>("SELECT n FROM entries ORDER BY n").toArray().map((row) => row.n),
    };
  }

  async current(): Promise<string> {
    return await this.ctx.storage.getCurrentBookmark();
  }

  async at(time: number | Date): Promise<string> {
    return await this.ctx.storage.getBookmarkForTime(time);
  }

  async goBack(bookmark: string): Promise<string> {
    return await this.ctx.storage.onNextSessionRestoreBookmark(bookmark);
  }

  async deleteAll() {
    await this.ctx.storage.deleteAll();
  }

  abort() {
    this.ctx.abort("restarting");
  }

  /** The bookmark of a moment at which there was an alarm. */
  async withAlarm(): Promise<string> {
    await this.ctx.storage.setAlarm(Date.now() + 60_000);
    const bookmark = await this.ctx.storage.getCurrentBookmark();
    await this.ctx.storage.deleteAlarm();
    return bookmark;
  }

  alarm() {
    this.#rang = true;
  }

  rang(): boolean {
    return this.#rang;
  }
}

interface Env {
  Ledger: DurableObjectNamespace<Ledger>;
}

// A stub of an object that was reset stays broken, so each call gets one of its own.
async function restore(ledger: () => DurableObjectStub<Ledger>, bookmark: string): Promise<string> {
  const undo = await ledger().goBack(bookmark);
  await assertRejects(async () => await ledger().abort(), "Error: restarting");
  return undo;
}

const contents = (n: number, ...rows: number[]): Contents => ({ value: n, rows });

export const bookmarksHaveThePlatformsFormAndSortByTime = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("form");
    const bookmarks = [await ledger().write(1), await ledger().write(2), await ledger().current()];
    for (const bookmark of bookmarks) assert(/^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/.test(bookmark));
    assert(bookmarks[0] < bookmarks[1]);
    assertEquals(bookmarks[2], bookmarks[1]);
  },
};

export const aRestoreTakesSqlAndKeysBackAndCanBeUndone = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("restore");
    const one = await ledger().write(1);
    const two = await ledger().write(2);
    const undo = await restore(ledger, one);
    assertEquals(await ledger().contents(), contents(1, 1));
    await ledger().write(3);
    assertEquals(await ledger().contents(), contents(3, 1, 3));
    await restore(ledger, undo);
    assertEquals(await ledger().contents(), contents(2, 1, 2));
    // Bookmarks from before stay valid.
    await restore(ledger, one);
    assertEquals(await ledger().contents(), contents(1, 1));
    await restore(ledger, two);
    assertEquals(await ledger().contents(), contents(2, 1, 2));
  },
};

export const nothingHappensBeforeTheObjectStartsAgain = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("later");
    const one = await ledger().write(1);
    const undo = await ledger().goBack(one);
    await ledger().write(2);
    assertEquals(await ledger().contents(), contents(2, 1, 2));
    await assertRejects(async () => await ledger().abort(), "Error: restarting");
    assertEquals(await ledger().contents(), contents(1, 1));
    // What was written after the restore was asked for comes back, too.
    await restore(ledger, undo);
    assertEquals(await ledger().contents(), contents(2, 1, 2));
  },
};

export const whatWasDeletedComesBack = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("deleted");
    const one = await ledger().write(1);
    await ledger().deleteAll();
    await restore(ledger, one);
    assertEquals(await ledger().contents(), contents(1, 1));
  },
};

export const aTimeMeansTheLastCommitUntilThen = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("time");
    const one = await ledger().write(1);
    assertEquals(await ledger().at(Date.now()), one);
    assertEquals(await ledger().at(new Date(4102444800000)), one);
    const before = await ledger().at(1);
    assert(before < one);
    await restore(ledger, before);
    assertEquals(await ledger().contents(), { value: undefined, rows: [] });
    await assertRejects(async () => await ledger().at(NaN), /^TypeError: /);
  },
};

export const whatIsNoBookmarkOfTheObjectIsRefused = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("refused");
    const one = await ledger().write(1);
    const other = await env.Ledger.getByName("other").write(1);
    await assertRejects(async () => await ledger().goBack("yesterday"), /^TypeError: .*is not a bookmark/);
    await assertRejects(async () => await ledger().goBack(other), /^TypeError: .*is not one of this object/);
    const wrong = one.slice(0, -1) + (one.endsWith("0") ? "1" : "0");
    await assertRejects(async () => await ledger().goBack(wrong), /^TypeError: .*is not one of this object/);
    assertEquals(await ledger().contents(), contents(1, 1));
  },
};

export const anAlarmThatComesBackFires = {
  async test(_: unknown, env: Env) {
    const ledger = () => env.Ledger.getByName("alarm");
    await restore(ledger, await ledger().withAlarm());
    while (!(await ledger().rang())) await scheduler.wait(1000);
  },
};
