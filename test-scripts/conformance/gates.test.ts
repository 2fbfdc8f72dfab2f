// The input gate: what waits for whom. blockConcurrencyWhile().
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

// Is ready only some time after it was constructed.
export class Late extends DurableObject {
  #log: string[] = [];

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      this.#log.push("begin");
      await scheduler.wait(10);
      this.#log.push("end");
    });
    this.#log.push("constructed");
  }

  async fetch() {
    this.#log.push("fetch");
    return Response.json(this.#log);
  }

  log() {
    this.#log.push("log");
    return this.#log;
  }
}

// Fails to become ready, the first time.
export class Unready extends DurableObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      const tries = ((await ctx.storage.get<number>("tries")) ?? 0) + 1;
      await ctx.storage.put("tries", tries);
      await ctx.storage.sync();
      if (tries === 1) throw new RangeError("not ready");
    });
  }

  async tries() {
    return await this.ctx.storage.get<number>("tries");
  }
}

export class Unbuilt extends DurableObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    throw new TypeError("cannot be built");
  }

  hello() {}
}

export class Desk extends DurableObject {
  #log: unknown[] = [];
  memory = 0;

  note(entry: string) {
    this.#log.push(entry);
    return this.#log as string[];
  }

  async block(ms: number) {
    return await this.ctx.blockConcurrencyWhile(async () => {
      this.#log.push("block");
      await scheduler.wait(ms);
      this.#log.push("unblock");
      return "result";
    });
  }

  async nest() {
    return await this.ctx.blockConcurrencyWhile(async () => {
      const inner = await this.ctx.blockConcurrencyWhile(async () => {
        await scheduler.wait(1);
        return "inner";
      });
      return `outer of ${inner}`;
    });
  }

  async twoBlocks() {
    const order: string[] = [];
    await Promise.all(
      ["first", "second"].map((name) =>
        this.ctx.blockConcurrencyWhile(async () => {
          order.push(`${name} begins`);
          await scheduler.wait(1);
          order.push(`${name} ends`);
        }),
      ),
    );
    return order;
  }

  async twoBlocksWithinABlock() {
    return await this.ctx.blockConcurrencyWhile(() => this.twoBlocks());
  }

  // Timers set before, in and cleared during a block.
  async timers() {
    const order: string[] = [];
    const fired = new Promise<void>((resolve) => {
      setTimeout(() => (order.push("timer"), resolve()), 1);
    });
    const cleared = setTimeout(() => order.push("cleared"), 1);
    await this.ctx.blockConcurrencyWhile(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      clearTimeout(cleared);
      order.push("unblock");
    });
    order.push("after the block");
    await fired;
    return order;
  }

  async order() {
    const order: string[] = [];
    const block = this.ctx.blockConcurrencyWhile(async () => order.push("callback"));
    order.push("after the call");
    await block;
    return order;
  }

  async wait(ms: number) {
    this.#log.push("wait");
    await scheduler.wait(ms);
    this.#log.push("waited");
  }

  // Storage does not let another event in: a counter kept there needs no lock.
  async increment() {
    const value = ((await this.ctx.storage.get<number>("value")) ?? 0) + 1;
    await this.ctx.storage.put("value", value);
    return value;
  }

  async fail() {
    this.memory = 1;
    await this.ctx.blockConcurrencyWhile(async () => {
      throw new RangeError("failed while blocking");
    });
  }

  remember() {
    return this.memory++;
  }
}

interface Env {
  Late: DurableObjectNamespace<Late>;
  Unready: DurableObjectNamespace<Unready>;
  Unbuilt: DurableObjectNamespace<Unbuilt>;
  Desk: DurableObjectNamespace<Desk>;
}

export const eventsWaitForTheConstructorsBlock = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Late.getByName("rpc").log(), ["constructed", "begin", "end", "log"]);
    const response = await env.Late.getByName("fetch").fetch("http://object/");
    assertEquals(await response.json(), ["constructed", "begin", "end", "fetch"]);
  },
};

export const aBlockThatThrowsInTheConstructorResetsTheObject = {
  async test(_: unknown, env: Env) {
    await assertRejects(env.Unready.getByName("unready").tries(), "RangeError: not ready");
    assertEquals(await env.Unready.getByName("unready").tries(), 2);
  },
};

export const aConstructorThatThrowsFailsTheCall = {
  async test(_: unknown, env: Env) {
    const error: any = await env.Unbuilt.getByName("unbuilt").hello().then(() => null, (error) => error);
    assert(error instanceof TypeError);
    assertEquals([error.message, (error as any).durableObjectReset], ["cannot be built", true]);
    await assertRejects(() => env.Unbuilt.getByName("unbuilt").fetch("http://object/"), "TypeError: cannot be built");
  },
};

export const aBlockReturnsWhatItsCallbackReturns = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Desk.getByName("result").block(1), "result");
  },
};

export const otherEventsWaitForABlock = {
  async test(_: unknown, env: Env) {
    const desk = env.Desk.getByName("waits");
    const block = desk.block(10);
    const note = desk.note("note");
    await Promise.all([block, note]);
    assertEquals(await desk.note("end"), ["block", "unblock", "note", "end"]);
  },
};

export const otherEventsEnterWhileATimerIsAwaited = {
  async test(_: unknown, env: Env) {
    const desk = env.Desk.getByName("enters");
    const wait = desk.wait(10);
    await Promise.all([wait, desk.note("note")]);
    assertEquals(await desk.note("end"), ["wait", "note", "waited", "end"]);
  },
};

export const aBlockBeginsAfterTheTurnThatAskedForIt = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Desk.getByName("order").order(), ["after the call", "callback"]);
  },
};

export const blocksNest = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Desk.getByName("nest").nest(), "outer of inner");
  },
};

export const blocksOfOneEventRunOneAfterAnother = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Desk.getByName("two").twoBlocks(), ["first begins", "first ends", "second begins", "second ends"]);
  },
};

export const blocksWithinABlockRunOneAfterAnother = {
  async test(_: unknown, env: Env) {
    const order = await env.Desk.getByName("two within").twoBlocksWithinABlock();
    assertEquals(order, ["first begins", "first ends", "second begins", "second ends"]);
  },
};

export const aTimerWaitsForABlock = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Desk.getByName("timers").timers(), ["unblock", "after the block", "timer"]);
  },
};

export const noEventEntersWhileStorageIsAwaited = {
  async test(_: unknown, env: Env) {
    const desk = env.Desk.getByName("storage");
    const values = await Promise.all(Array.from({ length: 50 }, () => desk.increment()));
    assertEquals(values, Array.from({ length: 50 }, (_, i) => i + 1));
  },
};

export const aBlockThatThrowsResetsTheObject = {
  async test(_: unknown, env: Env) {
    const desk = env.Desk.getByName("fails");
    const error: any = await desk.fail().then(() => null, (error) => error);
    assert(error instanceof RangeError);
    assertEquals([error.message, (error as any).durableObjectReset], ["failed while blocking", true]);
    assertEquals(await env.Desk.getByName("fails").remember(), 0);
  },
};

export const aStubOfAResetObjectStaysBroken = {
  async test(_: unknown, env: Env) {
    const desk = env.Desk.getByName("broken");
    await assertRejects(desk.fail(), "RangeError: failed while blocking");
    await assertRejects(desk.remember(), "RangeError: failed while blocking");
    assertEquals(await env.Desk.getByName("broken").remember(), 0);
  },
};
