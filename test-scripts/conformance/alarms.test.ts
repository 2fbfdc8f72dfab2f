// setAlarm(), getAlarm(), deleteAlarm(), and the alarm() handler.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

export const thereIsNoAlarmAtFirst = inside(async ({ storage }) => {
  assertEquals(await storage.getAlarm(), null);
});

export const getAlarmReturnsTheTimeThatWasSet = inside(async ({ storage }) => {
  const time = Date.now() + 60_000;
  assertEquals(await storage.setAlarm(time), undefined);
  assertEquals(await storage.getAlarm(), time);
});

export const anAlarmCanBeSetByDate = inside(async ({ storage }) => {
  const time = new Date(Date.now() + 60_000);
  await storage.setAlarm(time);
  assertEquals(await storage.getAlarm(), time.getTime());
});

export const aLaterSetAlarmReplacesTheEarlier = inside(async ({ storage }) => {
  const time = Date.now() + 60_000;
  await storage.setAlarm(time);
  await storage.setAlarm(time + 1000);
  assertEquals(await storage.getAlarm(), time + 1000);
  await storage.setAlarm(time - 1000);
  assertEquals(await storage.getAlarm(), time - 1000);
});

export const deleteAlarmForgetsTheAlarm = inside(async ({ storage }) => {
  await storage.setAlarm(Date.now() + 60_000);
  assertEquals(await storage.deleteAlarm(), undefined);
  assertEquals(await storage.getAlarm(), null);
  await storage.deleteAlarm();
});

export const anAlarmTimeMustBePositive = inside(async ({ storage }) => {
  const message = "TypeError: setAlarm() cannot be called with an alarm time <= 0";
  await assertRejects(() => storage.setAlarm(0), message);
  await assertRejects(() => storage.setAlarm(-1), message);
});

export const anAlarmTimeMustBeADate = inside(async ({ storage }) => {
  const any = storage as any;
  const notADate = "TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.";
  await assertRejects(() => any.setAlarm("2030-01-01"), notADate);
  await assertRejects(() => any.setAlarm(), notADate);
  await assertRejects(() => storage.setAlarm(NaN), "TypeError: The value cannot be converted because it is not a valid Date.");
  await assertRejects(() => storage.setAlarm(1e15), "TypeError: This API doesn't support dates after 2189.");
});

export const alarmsTakeOptions = inside(async ({ storage }) => {
  const time = Date.now() + 60_000;
  await storage.setAlarm(time, { allowUnconfirmed: true, allowConcurrency: true });
  assertEquals(await storage.getAlarm({ allowConcurrency: true }), time);
  await storage.deleteAlarm({ allowUnconfirmed: true });
});

export class Clock extends DurableObject {
  #fired: Promise<AlarmInvocationInfo>;
  #fire!: (info: AlarmInvocationInfo) => void;
  #runs = 0;
  #seen: number | null = NaN;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#fired = new Promise((resolve) => (this.#fire = resolve));
  }

  async alarm(info: AlarmInvocationInfo) {
    this.#runs++;
    this.#seen = await this.ctx.storage.getAlarm();
    await this.ctx.storage.put("fired", true);
    const repeats = (await this.ctx.storage.get<number>("repeats")) ?? 1;
    if (this.#runs < repeats) await this.ctx.storage.setAlarm(Date.now() + 1);
    else this.#fire(info);
  }

  async set(time: number, repeats = 1) {
    await this.ctx.storage.put("repeats", repeats);
    await this.ctx.storage.setAlarm(time);
  }

  async setAndDelete(time: number) {
    await this.ctx.storage.setAlarm(time);
    await this.ctx.storage.deleteAlarm();
  }

  async fired() {
    return { ...(await this.#fired) };
  }

  async state() {
    return {
      runs: this.#runs,
      seen: this.#seen,
      alarm: await this.ctx.storage.getAlarm(),
      fired: (await this.ctx.storage.get("fired")) ?? false,
      name: this.ctx.id.name,
    };
  }
}

type Retry = { isRetry: boolean; retryCount: number };

// Throws at its first run.
export class Stumbling extends DurableObject {
  #run!: (infos: Retry[]) => void;
  #ran = new Promise<Retry[]>((resolve) => (this.#run = resolve));
  #infos: Retry[] = [];

  async alarm({ isRetry, retryCount }: AlarmInvocationInfo) {
    this.#infos.push({ isRetry, retryCount });
    if (!isRetry) throw new Error("stumbled");
    this.#run(this.#infos);
  }

  async set() {
    await this.ctx.storage.setAlarm(Date.now());
  }

  async ran() {
    return await this.#ran;
  }
}

export class Silent extends DurableObject {
  async set() {
    await this.ctx.storage.setAlarm(Date.now() + 1000);
  }
}

// Resets itself in its first alarm. What it has done is stored, as no instance lives through it.
export class Aborting extends DurableObject {
  async alarm() {
    const runs = (await this.runs()) + 1;
    await this.ctx.storage.put("runs", runs);
    await this.ctx.storage.sync();
    const retryAlarm = await this.ctx.storage.get<boolean>("retry");
    // The types do not know the second argument yet.
    const ctx = this.ctx as unknown as { abort(reason: string, options: object): void };
    if (runs === 1) ctx.abort("in the alarm", { retryAlarm });
  }

  async set(retry: boolean) {
    await this.ctx.storage.put("retry", retry);
    await this.ctx.storage.setAlarm(Date.now());
  }

  async runs() {
    return (await this.ctx.storage.get<number>("runs")) ?? 0;
  }

  async pending() {
    return (await this.ctx.storage.getAlarm()) !== null;
  }
}

// Asks by a new stub each time, until the answer is yes: a stub of an object that was reset stays broken.
async function until(ask: () => Promise<boolean>) {
  while (!(await ask().catch(() => false))) await scheduler.wait(20);
}

// Sets its alarm while it is constructed.
export class Early extends DurableObject {
  #fire!: () => void;
  #fired = new Promise<void>((resolve) => (this.#fire = resolve));

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.setAlarm(Date.now());
  }

  alarm() {
    this.#fire();
  }

  async fired() {
    await this.#fired;
    return true;
  }
}

interface Env {
  Clock: DurableObjectNamespace<Clock>;
  Stumbling: DurableObjectNamespace<Stumbling>;
  Silent: DurableObjectNamespace<Silent>;
  Early: DurableObjectNamespace<Early>;
  Aborting: DurableObjectNamespace<Aborting>;
}

export const anAlarmFires = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("fires");
    const time = Date.now() + 20;
    await clock.set(time);
    const info = await clock.fired();
    assertEquals(info.retryCount, 0);
    assertEquals(info.isRetry, false);
    assertEquals(info.scheduledTime, time);
    assert(Date.now() >= time);
  },
};

export const anAlarmInThePastFiresAtOnce = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("past");
    await clock.set(1);
    await clock.fired();
    assertEquals((await clock.state()).runs, 1);
  },
};

export const whileAnAlarmRunsThereIsNone = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("none");
    await clock.set(Date.now());
    await clock.fired();
    const state = await clock.state();
    assertEquals(state.seen, null);
    assertEquals(state.alarm, null);
  },
};

export const theWritesOfAnAlarmAreKept = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("writes");
    await clock.set(Date.now());
    await clock.fired();
    assertEquals((await clock.state()).fired, true);
  },
};

export const anAlarmCanSetTheNext = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("repeats");
    await clock.set(Date.now(), 3);
    await clock.fired();
    const { runs, alarm } = await clock.state();
    assertEquals(runs, 3);
    assertEquals(alarm, null);
  },
};

export const aDeletedAlarmDoesNotFire = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("deleted");
    await clock.setAndDelete(Date.now() + 10);
    await scheduler.wait(40);
    assertEquals((await clock.state()).runs, 0);
  },
};

export const eachObjectHasItsOwnAlarm = {
  async test(_: unknown, env: Env) {
    const names = ["own 1", "own 2", "own 3"];
    await Promise.all(names.map((name) => env.Clock.getByName(name).set(Date.now() + 5)));
    await Promise.all(names.map((name) => env.Clock.getByName(name).fired()));
    for (const name of names) assertEquals((await env.Clock.getByName(name).state()).runs, 1);
  },
};

export const anObjectKnowsItsNameInAnAlarm = {
  async test(_: unknown, env: Env) {
    const clock = env.Clock.getByName("named");
    await clock.set(Date.now());
    await clock.fired();
    assertEquals((await clock.state()).name, "named");
  },
};

export const setAlarmNeedsAnAlarmHandler = {
  async test(_: unknown, env: Env) {
    await assertRejects(
      env.Silent.getByName("silent").set(),
      "TypeError: Your Durable Object class must have an alarm() handler in order to call setAlarm()",
    );
  },
};

export const anAlarmCanBeSetInTheConstructor = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Early.getByName("early").fired(), true);
  },
};

// The first retry comes after 2 s and up to a quarter more.
export const anAlarmThatThrowsRunsAgain = {
  async test(_: unknown, env: Env) {
    const stumbling = env.Stumbling.getByName("stumbles");
    const start = Date.now();
    await stumbling.set();
    assertEquals(await stumbling.ran(), [
      { isRetry: false, retryCount: 0 },
      { isRetry: true, retryCount: 1 },
    ]);
    assert(Date.now() - start >= 2000);
  },
};

export const anAlarmWhoseHandlerAbortsRunsAgain = {
  async test(_: unknown, env: Env) {
    await env.Aborting.getByName("again").set(true);
    await until(async () => (await env.Aborting.getByName("again").runs()) === 2);
  },
};

export const anAlarmCanBeAbortedForGood = {
  async test(_: unknown, env: Env) {
    await env.Aborting.getByName("for good").set(false);
    await until(async () => (await env.Aborting.getByName("for good").runs()) === 1);
    await until(async () => !(await env.Aborting.getByName("for good").pending()));
    assertEquals(await env.Aborting.getByName("for good").runs(), 1);
  },
};
