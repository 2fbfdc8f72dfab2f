// Many objects, so that calls and what they carry pass between threads where there are several.
import { DurableObject, RpcTarget } from "cloudflare:workers";
import { assertEquals, assertRejects } from "./assert.ts";

const OBJECTS = 24;

class Baton extends RpcTarget {
  #seen: string[] = [];

  constructor(readonly disposed: () => void) {
    super();
  }

  pass(name: string) {
    return this.#seen.push(name);
  }

  get seen() {
    return this.#seen;
  }

  [Symbol.dispose]() {
    this.disposed();
  }
}

export class Runner extends DurableObject {
  #disposed = 0;
  #kept: any;

  baton(): any {
    return new Baton(() => this.#disposed++);
  }

  disposed() {
    return this.#disposed;
  }

  // Passes what it was given along a line of objects, and notes in it who had it.
  async relay(baton: any, line: string[]): Promise<any> {
    await baton.pass(this.ctx.id.name);
    const [next, ...rest] = line;
    if (next !== undefined) await (this.env as any).Runner.getByName(next).relay(baton, rest);
  }

  async collect(names: string[]): Promise<any> {
    const runners = names.map((name) => (this.env as any).Runner.getByName(name));
    return await Promise.all(runners.map((runner) => runner.describe(() => this.ctx.id.name)));
  }

  async describe(callback: any): Promise<any> {
    return `${this.ctx.id.name} for ${await callback()}`;
  }

  makeFunctions(count: number): any {
    return Array.from({ length: count }, (_, i) => () => `${this.ctx.id.name} ${i}`);
  }

  async streamTo(writable: any, chunks: number) {
    const writer = writable.getWriter();
    for (let i = 0; i < chunks; i++) await writer.write(new Uint8Array(1000).fill(i));
    await writer.close();
  }

  stream(bytes: number): any {
    return new Response(new Uint8Array(bytes)).body;
  }

  keep(stub: any) {
    this.#kept = stub.dup();
  }

  useKept(): any {
    return this.#kept.pass("kept");
  }

  reset() {
    this.ctx.abort("reset among others");
  }

  fail(): any {
    throw new RangeError(`in ${this.ctx.id.name}`);
  }
}

interface Env {
  Runner: DurableObjectNamespace<Runner>;
}

const names = (test: string) => Array.from({ length: OBJECTS }, (_, i) => `${test} ${i}`);
const runner = (env: Env, name: string): any => env.Runner.getByName(name);

async function until(condition: () => any) {
  while (!(await condition())) await scheduler.wait(1);
}

export const aStubGoesDownALineOfObjects = {
  async test(_: unknown, env: Env) {
    const line = names("line");
    const owner = runner(env, "line owner");
    {
      using baton = await owner.baton();
      await runner(env, line[0]).relay(baton, line.slice(1));
      assertEquals(await baton.seen, line);
      assertEquals(await owner.disposed(), 0);
    }
    await until(async () => (await owner.disposed()) === 1);
  },
};

export const objectsCallEachOthersFunctions = {
  async test(_: unknown, env: Env) {
    const all = names("collect");
    const collected = await Promise.all(all.map((name) => runner(env, name).collect(all)));
    assertEquals(collected, all.map((collector) => all.map((name) => `${name} for ${collector}`)));
  },
};

export const manyFunctionsAreReturnedAndLetGo = {
  async test(_: unknown, env: Env) {
    const made = await Promise.all(names("functions").map((name) => runner(env, name).makeFunctions(20)));
    for (const [i, functions] of made.entries()) {
      assertEquals(await Promise.all(functions.map((f: any) => f())), Array.from({ length: 20 }, (_, j) => `functions ${i} ${j}`));
      functions[Symbol.dispose]();
    }
  },
};

export const streamsPassBetweenAll = {
  async test(_: unknown, env: Env) {
    await Promise.all(names("streams").map(async (name) => {
      const { readable, writable } = new IdentityTransformStream();
      const done = runner(env, name).streamTo(writable, 20);
      const got = new Uint8Array(await new Response(readable).arrayBuffer());
      await done;
      assertEquals([got.length, got[0], got[19_999]], [20_000, 0, 19]);
      const body = await runner(env, name).stream(300_000);
      assertEquals((await new Response(body).arrayBuffer()).byteLength, 300_000);
    }));
  },
};

export const pipelinesReachAll = {
  async test(_: unknown, env: Env) {
    const lengths = await Promise.all(names("pipelines").map((name) => {
      const baton = runner(env, name).baton();
      return Promise.all([baton.pass("1"), baton.pass("2"), baton.pass("3"), baton.seen]);
    }));
    for (const [a, b, c, seen] of lengths) assertEquals([a, b, c, seen], [1, 2, 3, ["1", "2", "3"]]);
  },
};

export const aResetBreaksWhatTheOthersHold = {
  async test(_: unknown, env: Env) {
    const owner = runner(env, "reset owner");
    const keepers = names("keepers").map((name) => runner(env, name));
    const baton = await owner.baton();
    await Promise.all(keepers.map((keeper) => keeper.keep(baton)));
    assertEquals((await Promise.all(keepers.map((keeper) => keeper.useKept()))).length, OBJECTS);
    await assertRejects(() => owner.reset(), "Error: reset among others");
    for (const keeper of keepers) {
      await assertRejects(() => keeper.useKept(), "Error: The execution context which hosts this callback is no longer running.");
    }
  },
};

export const errorsOfAllArrive = {
  async test(_: unknown, env: Env) {
    for (const name of names("errors")) await assertRejects(() => runner(env, name).fail(), `RangeError: in ${name}`);
  },
};
