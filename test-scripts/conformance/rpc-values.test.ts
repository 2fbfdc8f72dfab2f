// RPC beyond values: functions, targets, streams, pipelining, disposal.
import { DurableObject, RpcStub, RpcTarget } from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

class Counter extends RpcTarget {
  #value: number;
  hidden = "own";

  constructor(value: number, readonly onDispose?: () => void) {
    super();
    this.#value = value;
  }

  increment(by = 1) {
    return (this.#value += by);
  }

  get value() {
    return this.#value;
  }

  fail() {
    throw new RangeError("failed in a target");
  }

  [Symbol.dispose]() {
    this.onDispose?.();
  }
}

export class Service extends DurableObject {
  #kept: any;
  #disposed = 0;

  counter(value: number): any {
    return new Counter(value, () => this.#disposed++);
  }

  disposed() {
    return this.#disposed;
  }

  async call(callback: any, ...args: any[]): Promise<any> {
    return await callback(...args);
  }

  async incrementTwice(counter: any): Promise<any> {
    await counter.increment();
    return await counter.increment();
  }

  adder(a: number): any {
    return (b: number) => a + b;
  }

  tree(): any {
    return { branch: { leaf: (n: number) => n * 2, value: 5 }, list: [1, 2] };
  }

  keep(stub: any) {
    this.#kept = stub.dup();
  }

  async useKept(): Promise<any> {
    const result = await this.#kept.increment();
    this.#kept[Symbol.dispose]();
    return result;
  }

  stream(): any {
    return new Response("streamed").body;
  }

  async read(stream: any): Promise<any> {
    return await new Response(stream).text();
  }

  async write(writable: any) {
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("written"));
    await writer.close();
  }

  async other(stub: any): Promise<any> {
    return await stub.name2();
  }

  name2(): any {
    return this.ctx.id.name;
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

export const aFunctionIsCalledBack = withService(async (service) => {
  let called = 0;
  assertEquals(await service.call((a: number, b: number) => (called++, a + b), 1, 2), 3);
  assertEquals(called, 1);
});

export const anErrorOfACallbackPassesThrough = withService(async (service) => {
  await assertRejects(() => service.call(() => { throw new RangeError("in the callback"); }), "RangeError: in the callback");
});

export const aFunctionIsReturned = withService(async (service) => {
  using add = await service.adder(40);
  assertEquals(await add(2), 42);
});

export const aTargetIsReturned = withService(async (service) => {
  using counter = await service.counter(10);
  assertEquals(await counter.increment(), 11);
  assertEquals(await counter.increment(5), 16);
  assertEquals(await counter.value, 16);
  await assertRejects(() => counter.fail(), "RangeError: failed in a target");
  await assertRejects(() => counter.hidden, 'TypeError: The RPC receiver does not implement the method "hidden".');
});

export const aTargetIsPassed = withService(async (service) => {
  const counter = new Counter(0);
  assertEquals(await service.incrementTwice(counter), 2);
  assertEquals(counter.value, 2);
});

export const callsArePipelined = withService(async (service) => {
  assertEquals(await service.counter(1).increment(), 2);
  assertEquals(await service.counter(7).value, 7);
  assertEquals(await service.adder(1)(2), 3);
  assertEquals(await service.tree().branch.leaf(4), 8);
  assertEquals(await service.tree().branch.value, 5);
});

export const anObjectOfFunctionsIsReturned = withService(async (service) => {
  using tree = await service.tree();
  assertEquals([tree.branch.value, tree.list], [5, [1, 2]]);
  assertEquals(await tree.branch.leaf(21), 42);
});

export const aDisposedStubIsRefused = withService(async (service) => {
  const counter = await service.counter(1);
  counter[Symbol.dispose]();
  await assertRejects(() => counter.increment(), "Error: RPC stub used after being disposed.");
});

export const aTargetIsToldThatItsLastStubIsGone = withService(async (service) => {
  {
    using counter = await service.counter(1);
    using copy = counter.dup();
    await copy.increment();
    assertEquals(await service.disposed(), 0);
  }
  while ((await service.disposed()) === 0) await scheduler.wait(1);
  assertEquals(await service.disposed(), 1);
});

export const aStubIsKeptByItsCopy = withService(async (service) => {
  const counter = new Counter(5);
  await service.keep(counter);
  assertEquals(await service.useKept(), 6);
});

export const aLocalStubWrapsATarget = withService(async () => {
  using stub: any = new RpcStub(new Counter(1));
  assertEquals(await stub.increment(), 2);
  assertThrows(() => new (RpcStub as any)(5), /^TypeError/);
});

export const streamsPass = withService(async (service) => {
  assertEquals(await new Response(await service.stream()).text(), "streamed");
  assertEquals(await service.read(new Response("sent").body), "sent");
  const { readable, writable } = new IdentityTransformStream();
  const [text] = await Promise.all([new Response(readable).text(), service.write(writable)]);
  assertEquals(text, "written");
});

export const aStubOfAnObjectPasses = withService(async (service, env) => {
  assertEquals(await service.other(env.Service.getByName("the other")), "the other");
});

export const anRpcPromiseIsAPromiseForItsUsers = withService(async (service) => {
  const promise = service.disposed();
  assert(!(promise instanceof Promise));
  assertEquals([typeof promise.then, typeof promise.catch, typeof promise.finally], ["function", "function", "function"]);
  assertEquals(await promise, 0);
});
