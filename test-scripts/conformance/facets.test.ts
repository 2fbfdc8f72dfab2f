// Facets: objects inside an object, with storage of their own.
import { DurableObject, RpcTarget } from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

export class Child extends DurableObject<Env> {
  calls = 0;

  count() {
    return ++this.calls;
  }

  async put(key: string, value: any) {
    await this.ctx.storage.put(key, value);
  }

  async get(key: string): Promise<any> {
    return (await this.ctx.storage.get(key)) ?? null;
  }

  rows() {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n INTEGER)");
    this.ctx.storage.sql.exec("INSERT INTO t VALUES (1)");
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM t").one().n;
  }

  identity(): any {
    const { id } = this.ctx as any;
    return { id: String(id), name: id.name, type: typeof id, props: (this.ctx as any).props };
  }

  get answer() {
    return 42;
  }

  counter(): any {
    let count = 0;
    return new (class extends RpcTarget {
      next() {
        return ++count;
      }
    })();
  }

  async wait() {
    await scheduler.wait(3_000);
  }

  fail() {
    throw new RangeError("thrown in the facet");
  }

  die() {
    this.ctx.abort("the facet's own reason");
  }

  async throwInSection() {
    await this.ctx.blockConcurrencyWhile(async () => {
      throw new Error("thrown in a section");
    });
  }

  async fetch(request: Request) {
    return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`);
  }

  async depth(): Promise<number> {
    try {
      const inner = (this.ctx as any).facets.get("inner", () => ({ class: (this.ctx as any).exports.Child }));
      return 1 + (await inner.depth());
    } catch (error) {
      assertEquals(String(error), "Error: Facet nesting depth limit exceeded. The maximum depth including the root Durable Object is 4.");
      return 1;
    }
  }

  async putInner(value: any) {
    await this.inner().put("key", value);
  }

  async getInner(): Promise<any> {
    return await this.inner().get("key");
  }

  inner() {
    return (this.ctx as any).facets.get("inner", () => ({ class: (this.ctx as any).exports.Child }));
  }
}

export class Thrower extends DurableObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    throw new RangeError("thrown while constructed");
  }

  nothing() {}
}

export class Parent extends DurableObject<Env> {
  async run(position: number) {
    await steps[position](this.ctx as any, this.env);
  }
}

type Steps = (ctx: any, env: Env) => unknown;
interface Env {
  Parent: DurableObjectNamespace<Parent>;
  Child: DurableObjectNamespace<Child>;
}

const steps: Steps[] = [];

// A test whose steps run inside an object of its own, that has facets.
function parent(body: Steps) {
  const position = steps.push(body) - 1;
  return {
    async test(_: unknown, env: Env) {
      await env.Parent.getByName(`parent of test ${position}`).run(position);
    },
  };
}

const child = (ctx: any, name: string) => ctx.facets.get(name, async () => ({ class: ctx.exports.Child }));

export const aFacetIsAnObjectOfItsOwn = parent(async (ctx) => {
  const facet = child(ctx, "a");
  assertEquals(await facet.count(), 1);
  assertEquals(await facet.count(), 2);
  assertEquals(await child(ctx, "b").count(), 1);
  assertEquals(await child(ctx, "a").count(), 3);
  assertEquals(await facet.answer, 42);
  const counter = await facet.counter();
  assertEquals([await counter.next(), await counter.next()], [1, 2]);
  assertEquals(await facet.counter().next(), 1);
  const response = await facet.fetch("http://facet/path", { method: "POST", body: "body" });
  assertEquals(await response.text(), "POST /path body");
});

export const facetsStoreApartFromEachOtherAndFromTheirParent = parent(async (ctx) => {
  await ctx.storage.put("key", "parent's");
  await child(ctx, "a").put("key", "a's");
  await child(ctx, "b").put("key", "b's");
  assertEquals(await child(ctx, "a").rows(), 1);
  assertEquals(await child(ctx, "a").rows(), 2);
  assertEquals(await child(ctx, "b").rows(), 1);
  assertEquals(await ctx.storage.get("key"), "parent's");
  assertEquals(await child(ctx, "a").get("key"), "a's");
  assertEquals(await child(ctx, "b").get("key"), "b's");
});

export const theClassIsAskedForWhenItIsNeeded = parent(async (ctx) => {
  let asked = 0;
  const get = () =>
    ctx.facets.get("lazy", async () => {
      asked++;
      await scheduler.wait(1);
      return { class: ctx.exports.Child };
    });
  const facet = get();
  await scheduler.wait(1);
  assertEquals(asked, 0);
  assertEquals(await Promise.all([facet.count(), facet.count(), get().count(), facet.count()]), [1, 2, 3, 4]);
  assertEquals(asked, 1);
  assertEquals(await ctx.facets.get("lazy", () => assert(false)).count(), 5);
});

export const aFacetHasItsParentsIdUnlessItIsGivenOne = parent(async (ctx, env) => {
  const own = { id: String(ctx.id), name: ctx.id.name, type: "object", props: {} };
  assertEquals(await child(ctx, "own").identity(), own);
  const text = ctx.facets.get("text", () => ({ class: ctx.exports.Child, id: "any text" }));
  assertEquals(await text.identity(), { id: "any text", name: undefined, type: "string", props: {} });
  const id = env.Child.idFromName("somebody else");
  const other = ctx.facets.get("other", () => ({ class: ctx.exports.Child, id }));
  assertEquals(await other.identity(), { id: String(id), name: "somebody else", type: "object", props: {} });
});

export const aClassWithProperties = parent(async (ctx) => {
  const facet = ctx.facets.get("a", () => ({ class: ctx.exports.Child({ props: { color: "red" } }) }));
  assertEquals((await facet.identity()).props, { color: "red" });
  assertEquals((await child(ctx, "b").identity()).props, {});
});

export const whatTheFacetThrows = parent(async (ctx) => {
  const facet = child(ctx, "a");
  const error = await facet.fail().then(() => undefined, (error: any) => error);
  assertEquals(String(error), "RangeError: thrown in the facet");
  assertEquals({ ...error }, { remote: true, durableObjectId: String(ctx.id) });
  assertEquals(await facet.count(), 1);
});

export const aFacetThatFailsIsStartedAnewForNewStubs = parent(async (ctx) => {
  for (const [method, text] of [["die", "Error: the facet's own reason"], ["throwInSection", "Error: thrown in a section"]]) {
    const facet = child(ctx, method);
    assertEquals(await facet.count(), 1);
    await facet.put("key", "stays");
    const error = await facet[method]().then(() => undefined, (error: any) => error);
    assertEquals(String(error), text);
    assertEquals({ ...error }, { durableObjectReset: true });
    await assertRejects(() => facet.count(), text);
    assertEquals(await child(ctx, method).count(), 1);
    assertEquals(await child(ctx, method).get("key"), "stays");
  }
});

export const aFacetIsAborted = parent(async (ctx) => {
  const facet = child(ctx, "a");
  await facet.put("key", "stays");
  const waiting = facet.wait().then(() => undefined, (error: any) => error);
  assertEquals(ctx.facets.abort("a", new RangeError("a reason")), undefined);
  const error = await waiting;
  assertEquals(String(error), "RangeError: a reason");
  assertEquals({ ...error }, {});
  await assertRejects(() => facet.count(), "RangeError: a reason");
  assertEquals(await child(ctx, "a").count(), 1);
  assertEquals(await child(ctx, "a").get("key"), "stays");
  ctx.facets.abort("never started", "no matter");
  const starting = ctx.facets.get("b", async () => {
    await scheduler.wait(5);
    return { class: ctx.exports.Child };
  });
  const call = starting.count().then(() => undefined, (error: any) => error);
  ctx.facets.abort("b", "not any more");
  assertEquals(String(await call), "Error: not any more");
  assertEquals(await child(ctx, "b").count(), 1);
});

export const aFacetIsDeleted = parent(async (ctx) => {
  const facet = child(ctx, "a");
  await facet.put("key", 1);
  await facet.putInner(2);
  const waiting = facet.wait();
  assertEquals(ctx.facets.delete("a"), undefined);
  await assertRejects(waiting, "Error: Facet was deleted.");
  await assertRejects(() => facet.get("key"), "Error: Facet was deleted.");
  assertEquals(await child(ctx, "a").get("key"), null);
  assertEquals(await child(ctx, "a").getInner(), null);
  ctx.facets.delete("never started");
});

export const aFacetIsCloned = parent(async (ctx) => {
  const source = child(ctx, "source");
  await source.put("key", 1);
  await source.putInner(2);
  const target = child(ctx, "target");
  await target.put("other", 3);
  const waiting = target.wait();
  source.put("late", 4);
  await source.count();
  assertEquals(ctx.facets.clone("source", "target"), undefined);
  await assertRejects(waiting, "Error: Facet was cloned-over.");
  await assertRejects(() => target.get("key"), "Error: Facet was cloned-over.");
  assertEquals(await child(ctx, "target").get("key"), 1);
  assertEquals(await child(ctx, "target").get("late"), 4);
  assertEquals(await child(ctx, "target").get("other"), null);
  await child(ctx, "target").put("key", "the clone's");
  assertEquals(await source.get("key"), 1);
  assertEquals(await child(ctx, "target").get("key"), "the clone's");
  ctx.facets.clone("never started", "target");
  assertEquals(await child(ctx, "target").get("key"), null);
});

export const deleteAllDeletesTheFacetsToo = parent(async (ctx) => {
  await child(ctx, "a").put("key", 1);
  await child(ctx, "a").putInner(2);
  const facet = child(ctx, "a");
  assertEquals(await facet.get("key"), 1);
  const waiting = facet.wait();
  await ctx.storage.deleteAll();
  await assertRejects(waiting, "Error: Facet was deleted.");
  await assertRejects(() => facet.get("key"), "Error: Facet was deleted.");
  assertEquals(await child(ctx, "a").get("key"), null);
  assertEquals(await child(ctx, "a").getInner(), null);
});

export const facetsNestFourDeep = parent(async (ctx) => {
  assertEquals(await child(ctx, "a").depth(), 3);
});

export const stubsOfFacetsStayHere = parent(async (ctx, env) => {
  const facet = child(ctx, "a");
  const refused = "DataCloneError: Stubs pointing to Durable Object facets are not serializable.";
  await assertRejects(async () => await (env.Child.getByName("a") as any).put("key", facet), refused);
  await assertRejects(async () => await facet.put("key", [facet]), refused);
  assertEquals(await facet.count(), 1);
});

export const whatIsNoClass = parent(async (ctx) => {
  const text = "TypeError: Incorrect type for the 'class' field on 'StartupOptions': the provided value is not of type 'DurableObjectClass or LoopbackDurableObjectNamespace or LoopbackColoLocalActorNamespace'.";
  for (const [name, value] of [["none", undefined], ["a number", 5], ["a class", Child], ["a service", ctx.exports.default]]) {
    await assertRejects(() => ctx.facets.get(name, () => ({ class: value })).count(), text);
  }
});

export const aCallbackThatThrows = parent(async (ctx) => {
  const facet = ctx.facets.get("a", () => {
    throw new RangeError("no class");
  });
  const error = await facet.count().then(() => undefined, (error: any) => error);
  assertEquals(String(error), "RangeError: no class");
  assertEquals({ ...error }, {});
  await assertRejects(() => facet.count(), "RangeError: no class");
  await assertRejects(() => ctx.facets.get("b", () => Promise.reject(new TypeError("none"))).count(), "TypeError: none");
});

export const aConstructorThatThrows = parent(async (ctx) => {
  const facet = ctx.facets.get("a", () => ({ class: ctx.exports.Thrower }));
  const error = await facet.nothing().then(() => undefined, (error: any) => error);
  assertEquals(String(error), "RangeError: thrown while constructed");
  assertEquals(error.durableObjectReset, true);
});

export const argumentsThatAreRefused = parent(async (ctx) => {
  const { facets } = ctx;
  const refused = (method: string, position: number, type: string) =>
    `TypeError: Failed to execute '${method}' on 'DurableObjectFacets': parameter ${position} is not of type '${type}'.`;
  assertThrows(() => facets.get(), refused("get", 1, "string"));
  assertThrows(() => facets.get("a"), refused("get", 2, "function"));
  assertThrows(() => facets.abort("a"), refused("abort", 2, "Value"));
  assertThrows(() => facets.clone("a"), refused("clone", 2, "string"));
  const long = "TypeError: Facet name is too long (max 256 characters).";
  assertThrows(() => facets.get("x".repeat(257), () => ({})), long);
  assertThrows(() => facets.get("\u00e9".repeat(200), () => ({})), long);
  assertEquals(await child(ctx, "x".repeat(256)).count(), 1);
  assertEquals(await child(ctx, 5 as any).count(), 1);
  assertEquals(await child(ctx, "5").count(), 2);
});

export const whatTheyAre = parent(async (ctx) => {
  assertEquals(Object.prototype.toString.call(ctx.facets), "[object DurableObjectFacets]");
  assert(ctx.facets === ctx.facets);
  const facet = child(ctx, "a");
  assertEquals(Object.prototype.toString.call(facet), "[object Fetcher]");
  assertEquals(Object.keys(facet), []);
  assertEquals(facet.then, undefined);
});

export default {
  fetch() {
    return new Response("tests");
  },
};
