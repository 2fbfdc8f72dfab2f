// Functions, RpcTargets and stubs: what passes as a stub, and what a stub can do.
import { DurableObject, RpcStub, RpcTarget } from "cloudflare:workers";
import * as workers from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

// The types do not have these yet.
const { RpcPromise, RpcProperty } = workers as any;

class Counter extends RpcTarget {
  #value: number;
  own = 1;

  constructor(value = 0) {
    super();
    this.#value = value;
  }

  add(by = 1) {
    return (this.#value += by);
  }

  get value() {
    return this.#value;
  }

  me() {
    return this;
  }

  fetch() {
    return "a method named fetch";
  }
}

export class Service extends DurableObject {
  #kept: any;

  counter(value?: number): any {
    return new Counter(value);
  }

  twice(): any {
    const counter = new Counter();
    return [counter, counter];
  }

  nested(): any {
    return { one: () => 1, list: [() => 2], map: new Map([["three", () => 3]]), counter: new Counter(4) };
  }

  functionWithProperty(): any {
    return Object.assign((n: number) => n + 1, { extra: 9 });
  }

  kindOf(value: any): any {
    return [typeof value, value instanceof RpcStub, Object.prototype.toString.call(value)];
  }

  echo(value: any): any {
    return value;
  }

  async call(callback: any, ...args: any[]): Promise<any> {
    return await callback(...args);
  }

  async callInTurn(callback: any, count: number) {
    const calls = [];
    for (let i = 0; i < count; i++) calls.push(callback(i));
    await Promise.all(calls);
  }

  keep(stub: any) {
    this.#kept = stub.dup();
  }

  async useKept(by: number): Promise<any> {
    return await this.#kept.add(by);
  }

  async readThrough(stub: any): Promise<any> {
    return await stub.value;
  }

  async nameOf(stub: any): Promise<any> {
    return await stub.ownName();
  }

  ownName() {
    return this.ctx.id.name;
  }

  async fetchFrom(fetcher: any): Promise<any> {
    return await (await fetcher.fetch("http://object/")).text();
  }

  override async fetch() {
    return new Response(`fetched ${this.ctx.id.name}`);
  }
}

interface Env {
  Service: DurableObjectNamespace<Service>;
}

function withService(steps: (service: any, env: Env) => Promise<void>) {
  const name = `service ${++withService.tests}`;
  return {
    test: (_: unknown, env: Env) => steps(env.Service.getByName(name), env),
  };
}
withService.tests = 0;

const STUB = ["function", true, "[object JsRpcStub]"];

export const whatCanBeCalledPassesAsAStub = withService(async (service) => {
  for (const value of [() => 1, async () => 1, function () {}, class {}, new Counter(), new (RpcStub as any)(new Counter())]) {
    assertEquals(await service.kindOf(value), STUB);
  }
});

export const aProxyPassesAsWhatItStandsFor = withService(async (service) => {
  assertEquals(await service.call(new Proxy((n: number) => n + 1, {}), 1), 2);
  assertEquals(await service.kindOf(new Proxy({ a: 1 }, {})), STUB);
  assertEquals(await service.readThrough(new Proxy(new Counter(7), { get: (target, name) => (target as any)[name] })), 7);
  await assertRejects(
    () => service.echo(new Proxy([1], {})),
    "DataCloneError: Proxy could not be serialized because it is not a valid RPC receiver type. The Proxy must emulate either a plain object or an RpcTarget, as indicated by the Proxy's prototype chain.",
  );
});

export const aProxyInsideAValuePasses = withService(async (service) => {
  using result = await service.echo({ list: [new Proxy(() => 5, {})], plain: { a: 1 } });
  assertEquals([result.plain.a, await result.list[0]()], [1, 5]);
});

export const whatIsNeitherValueNorTargetIsRefused = withService(async (service, env) => {
  for (const [value, name] of [
    [env.Service, "DurableObjectNamespace"],
    [service.id, "DurableObjectId"],
    [Object.create(null), "Object"],
    [service.ownName(), "RpcPromise"],
    [service.ownName, "RpcProperty"],
    [new File(["a"], "name"), "File"],
    [new FormData(), "FormData"],
    [new URL("http://a/"), "URL"],
    [new URLSearchParams("a=1"), "URLSearchParams"],
    [new WebSocketPair()[0], "WebSocket"],
    [new TransformStream(), "TransformStream"],
    [new Event("event"), "Event"],
  ] as const) {
    await assertRejects(() => service.echo(value), `DataCloneError: Could not serialize object of type "${name}". This type does not support serialization.`);
  }
  await assertRejects(() => service.echo(new AbortController().signal), "DataCloneError: AbortSignal serialization is not enabled.");
});

export const stubsPassInsideValues = withService(async (service) => {
  using result = await service.nested();
  assertEquals([await result.one(), await result.list[0](), await result.map.get("three")(), await result.counter.add()], [1, 2, 3, 5]);
});

export const oneTargetIsOneStubInAMessage = withService(async (service) => {
  using pair = await service.twice();
  assert(pair[0] === pair[1]);
});

export const aTargetIsCalledByItsPrototypesMembers = withService(async (service) => {
  using counter = await service.counter(1);
  assertEquals([await counter.add(), await counter.value, await counter.fetch()], [2, 2, "a method named fetch"]);
  await assertRejects(() => counter.own, 'TypeError: The RPC receiver does not implement the method "own".');
  await assertRejects(() => counter.missing(), 'TypeError: The RPC receiver does not implement the method "missing".');
  await assertRejects(() => counter(), 'TypeError: "(this)" is not a function.');
  await assertRejects(() => counter.value(), 'TypeError: "value" is not a function.');
  await assertRejects(() => counter.value.more, 'TypeError: The RPC receiver does not implement the method "value".');
  await assertRejects(() => counter.add.more(), 'TypeError: The RPC receiver does not implement the method "more".');
});

export const aFunctionsOwnPropertiesAreRead = withService(async (service) => {
  using stub = await service.functionWithProperty();
  assertEquals([await stub(1), await stub.extra, await stub.length], [2, 9, 1]);
});

export const aTargetMayReturnItself = withService(async (service) => {
  using counter = await service.counter(1);
  using again = await counter.me();
  await again.add();
  assertEquals(await counter.value, 2);
});

export const aStubLooksLikeOne = withService(async (service) => {
  using counter: any = await service.counter();
  assert(counter instanceof (RpcStub as any) && !(counter instanceof (RpcTarget as any)));
  assertEquals([typeof counter, Object.keys(counter), counter.then, counter[0]], ["function", [], undefined, undefined]);
  assertEquals([typeof counter.dup, typeof counter[Symbol.dispose]], ["function", "function"]);
  assert("anything" in counter);
  counter.note = 1;
  assertEquals([counter.note, Object.keys(counter)], [1, ["note"]]);
});

export const aPromiseAndAPropertyLookLikeTheirClasses = withService(async (service) => {
  using promise = service.counter();
  assert(promise instanceof RpcPromise && service.counter instanceof RpcProperty && !(promise instanceof Promise));
  assertEquals([Object.prototype.toString.call(promise), Object.prototype.toString.call(service.counter)], ["[object JsRpcPromise]", "[object JsRpcProperty]"]);
  assertEquals([typeof promise, typeof service.counter, typeof promise[Symbol.dispose], typeof service.counter[Symbol.dispose]], ["function", "function", "function", "undefined"]);
  await promise;
});

export const theClassesCannotBeMade = withService(async () => {
  for (const Class of [RpcPromise, RpcProperty] as any[]) assertThrows(() => new Class(), "TypeError: Illegal constructor");
  for (const value of [5, undefined, null]) {
    assertThrows(() => new (RpcStub as any)(value), "TypeError: Failed to construct 'JsRpcStub': constructor parameter 1 is not of type 'Object'.");
  }
  class Point {}
  for (const value of [[], new Date(), new Point(), Object.create(null)]) {
    assertThrows(() => new (RpcStub as any)(value), "TypeError: RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives.");
  }
});

export const aLocalStubIsCalledLikeAnyOther = withService(async () => {
  using stub: any = new (RpcStub as any)({ a: 1, f: () => 2, inner: { g: () => 3 } });
  assertEquals([await stub.a, await stub.f(), await stub.inner.g()], [1, 2, 3]);
  using inner = await stub.inner;
  assertEquals(await inner.g(), 3);
  await assertRejects(() => stub.missing(), 'TypeError: The RPC receiver does not implement the method "missing".');
  assertEquals(stub.toString(), "[object JsRpcStub]");
});

export const aLocalStubCopiesWhatItCarries = withService(async () => {
  const value = { a: 1 };
  using stub: any = new RpcStub((given: any) => given);
  const copy = await stub(value);
  assert(copy !== value);
  assertEquals(copy.a, 1);
});

export const callbacksAreCalledInOrder = withService(async (service) => {
  const got: number[] = [];
  await service.callInTurn((n: number) => void got.push(n), 20);
  assertEquals(got, Array.from({ length: 20 }, (_, i) => i));
});

export const aCallbackMayReturnAFunction = withService(async (service) => {
  using made = await service.call((a: number) => (b: number) => a + b, 40);
  assertEquals(await made(2), 42);
});

export const aCallbackMayCallBack = withService(async (service) => {
  assertEquals(await service.call(async (n: number) => (await service.call(() => n + 1)) + 1, 1), 3);
});

export const aStubGoesOnToAThirdParty = withService(async (service, env) => {
  const counter = await service.counter(10);
  const other: any = env.Service.getByName("a third party");
  await other.keep(counter);
  counter[Symbol.dispose]();
  assertEquals([await other.useKept(2), await other.useKept(3)], [12, 15]);
});

export const aStubComesBackToItsOwner = withService(async (service) => {
  using counter = await service.counter(1);
  using same = await service.echo(counter);
  await same.add();
  assertEquals(await service.readThrough(counter), 2);
});

export const aTargetPassesThroughManyHands = withService(async (_, env) => {
  let counter: any = new Counter();
  for (let i = 0; i < 8; i++) counter = await (env.Service.getByName(`hand ${i}`) as any).echo(counter);
  assertEquals([await counter.add(), await counter.add()], [1, 2]);
  counter[Symbol.dispose]();
});

export const anObjectsStubPasses = withService(async (service, env) => {
  assertEquals(await service.nameOf(env.Service.getByName("another")), "another");
  assertEquals(await service.fetchFrom(env.Service.getByName("another")), "fetched another");
  const returned = await service.echo(env.Service.getByName("another"));
  assertEquals([await returned.ownName(), Object.keys(returned), typeof returned], ["another", [], "object"]);
});

export const integersAreNoMembers = withService(async (service) => {
  assertEquals(service[0], undefined);
  assertEquals(service.echo([1])[0], undefined);
});

export const aStubAsJsonIsItsOwnProperties = withService(async (service) => {
  assertEquals(JSON.parse(JSON.stringify({ service })), { service: { id: { name: service.name }, name: service.name } });
});
