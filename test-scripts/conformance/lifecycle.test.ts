// The life of an object: construction, abort, waitUntil.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

export class Being extends DurableObject<Env> {
  #calls = 0;
  #finished = false;

  calls() {
    return ++this.#calls;
  }

  async put(value: string) {
    await this.ctx.storage.put("value", value);
  }

  async get(): Promise<string | undefined> {
    return await this.ctx.storage.get<string>("value");
  }

  async abort(reason?: string) {
    this.ctx.abort(reason);
  }

  async abortAndCatch() {
    try {
      this.ctx.abort("uncatchable");
    } catch {
      (globalThis as any).ranOn = "catch";
      await this.ctx.storage.put("value", "caught");
    } finally {
      (globalThis as any).ranOn = "finally";
    }
  }

  ranOn(): string | undefined {
    return (globalThis as any).ranOn;
  }

  async wait(ms: number) {
    await scheduler.wait(ms);
    return "waited";
  }

  finishLater() {
    this.ctx.waitUntil(scheduler.wait(5).then(() => (this.#finished = true)));
  }

  finished() {
    return this.#finished;
  }

  environment() {
    return [typeof this.env.Being.idFromName, this.ctx instanceof Object, Object.keys(this).sort()].join(" ");
  }

  async replaceFetch() {
    this.fetch = async () => new Response("replaced");
  }

  async fetch(_: Request): Promise<Response> {
    return new Response("original");
  }
}

export class Assigned extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.fetch = async () => new Response("assigned");
  }
}

export class Counting extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.kv.put("constructed", (ctx.storage.kv.get<number>("constructed") ?? 0) + 1);
  }

  constructed() {
    return this.ctx.storage.kv.get<number>("constructed");
  }

  async abort() {
    await this.ctx.storage.sync();
    this.ctx.abort();
  }
}

interface Env {
  Being: DurableObjectNamespace<Being>;
  Assigned: DurableObjectNamespace<Assigned>;
  Counting: DurableObjectNamespace<Counting>;
}

export const anObjectIsConstructedOnce = {
  async test(_: unknown, env: Env) {
    const stubs = Array.from({ length: 10 }, () => env.Counting.getByName("once"));
    assertEquals(await Promise.all(stubs.map((stub) => stub.constructed())), Array(10).fill(1));
  },
};

export const aStubAloneConstructsNothing = {
  async test(_: unknown, env: Env) {
    const id = env.Counting.newUniqueId();
    env.Counting.get(id);
    await scheduler.wait(1);
    assertEquals(await env.Counting.get(id).constructed(), 1);
  },
};

export const ctxAndEnvAreThere = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Being.getByName("environment").environment(), "function true ctx,env");
  },
};

export const abortFailsTheCallWithItsReason = {
  async test(_: unknown, env: Env) {
    const error: any = await env.Being.getByName("reason").abort("enough").then(() => null, (error) => error);
    assert(error instanceof Error);
    assertEquals([error.name, error.message, (error as any).durableObjectReset], ["Error", "enough", true]);
  },
};

export const abortHasAReasonOfItsOwn = {
  async test(_: unknown, env: Env) {
    await assertRejects(env.Being.getByName("no reason").abort(), "Error: Application called abort() to reset Durable Object.");
  },
};

export const aNewStubReachesANewInstance = {
  async test(_: unknown, env: Env) {
    const being = env.Being.getByName("again");
    assertEquals(await being.calls(), 1);
    assertEquals(await being.calls(), 2);
    await assertRejects(being.abort("again"), "Error: again");
    assertEquals(await env.Being.getByName("again").calls(), 1);
  },
};

export const theOldStubStaysBroken = {
  async test(_: unknown, env: Env) {
    const being = env.Being.getByName("old stub");
    await assertRejects(being.abort("broken"), "Error: broken");
    await assertRejects(being.calls(), "Error: broken");
    await assertRejects(being.fetch("http://object/"), "Error: broken");
  },
};

export const storageSurvivesAnAbort = {
  async test(_: unknown, env: Env) {
    const being = env.Being.getByName("survives");
    await being.put("kept");
    await assertRejects(being.abort("stop"), "Error: stop");
    assertEquals(await env.Being.getByName("survives").get(), "kept");
  },
};

export const anAbortCannotBeCaught = {
  async test(_: unknown, env: Env) {
    await assertRejects(env.Being.getByName("catch").abortAndCatch(), "Error: uncatchable");
    assertEquals(await env.Being.getByName("catch").get(), undefined);
    assertEquals(await env.Being.getByName("catch").ranOn(), undefined);
  },
};

export const anAbortFailsTheCallsThatWait = {
  async test(_: unknown, env: Env) {
    const waiting = env.Being.getByName("waiting").wait(60_000);
    const rejected = assertRejects(waiting, "Error: cut short");
    await env.Being.getByName("waiting").calls();
    await assertRejects(env.Being.getByName("waiting").abort("cut short"), "Error: cut short");
    await rejected;
  },
};

export const anInstanceIsConstructedAnewAfterAnAbort = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Counting.getByName("anew").constructed(), 1);
    await assertRejects(env.Counting.getByName("anew").abort(), /^Error: Application called abort/);
    assertEquals(await env.Counting.getByName("anew").constructed(), 2);
  },
};

export const waitUntilDoesNotDelayTheResult = {
  async test(_: unknown, env: Env) {
    const being = env.Being.getByName("later");
    await being.finishLater();
    assertEquals(await being.finished(), false);
    await scheduler.wait(20);
    assertEquals(await being.finished(), true);
  },
};

export const handlersAreTakenOnceAfterConstruction = {
  async test(_: unknown, env: Env) {
    const being = env.Being.getByName("handlers");
    await being.replaceFetch();
    assertEquals(await (await being.fetch("http://object/")).text(), "original");
  },
};

export const aHandlerMayBeAssignedInTheConstructor = {
  async test(_: unknown, env: Env) {
    assertEquals(await (await env.Assigned.getByName("assigned").fetch("http://object/")).text(), "assigned");
  },
};
