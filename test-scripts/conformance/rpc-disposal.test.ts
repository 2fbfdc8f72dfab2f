// Who owns a stub, when it ends, and what its target hears of it.
import { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { assertEquals, assertRejects, assertThrows } from "./assert.ts";

class Watched extends RpcTarget {
  constructor(readonly disposed: () => void) {
    super();
  }

  ping() {
    return "pong";
  }

  [Symbol.dispose]() {
    this.disposed();
  }
}

export class Owner extends DurableObject {
  #disposed = 0;
  #kept: any;

  target(): any {
    return new Watched(() => this.#disposed++);
  }

  two(): any {
    return { first: this.target(), second: this.target(), plain: 1 };
  }

  func(): any {
    return Object.assign(() => "called", { [Symbol.dispose]: () => void this.#disposed++ });
  }

  disposed() {
    return this.#disposed;
  }

  echo(value: any): any {
    return value;
  }

  use(stub: any): any {
    return stub.ping();
  }

  useSeveral(stubs: any[]): any {
    return Promise.all(stubs.map((stub) => stub.ping()));
  }

  keepWithoutCopy(stub: any) {
    this.#kept = stub;
  }

  keep(stub: any) {
    this.#kept = stub.dup();
  }

  useKept(): any {
    return this.#kept.ping();
  }

  callKept(): any {
    return this.#kept();
  }

  letGo() {
    this.#kept[Symbol.dispose]();
  }

  takeKept(): any {
    return this.#kept;
  }

  async throwAfterUse(stub: any) {
    await stub.ping();
    throw new RangeError("after use");
  }
}

// An entrypoint whose calls end, and with them what they passed to others.
export class Passing extends WorkerEntrypoint<Env> {
  async passFunction(name: string) {
    await (this.env.Owner.getByName(name) as any).keep(() => "alive");
  }

  async returnTarget(): Promise<any> {
    let pings = 0;
    return new (class extends RpcTarget {
      ping() {
        return ++pings;
      }
    })();
  }
}

interface Env {
  Owner: DurableObjectNamespace<Owner>;
}

function withOwner(steps: (owner: any, env: Env, ctx: any) => Promise<void>) {
  const name = `owner ${++withOwner.tests}`;
  return {
    test: (_: unknown, env: Env, ctx: any) => steps(env.Owner.getByName(name), env, ctx),
  };
}
withOwner.tests = 0;

async function until(condition: () => any) {
  while (!(await condition())) await scheduler.wait(1);
}

const STUB_DISPOSED = "Error: RPC stub used after being disposed.";
const PROMISE_DISPOSED = "Error: RPC promise used after being disposed.";
const ENDED = "Error: The execution context which hosts this callback is no longer running.";

export const aDisposedStubIsRefused = withOwner(async (owner) => {
  const stub = await owner.target();
  stub[Symbol.dispose]();
  stub[Symbol.dispose]();
  await assertRejects(() => stub.ping(), STUB_DISPOSED);
  await assertRejects(() => stub.property, STUB_DISPOSED);
});

export const aDisposedPromiseIsRefused = withOwner(async (owner) => {
  const promise = owner.target();
  promise[Symbol.dispose]();
  await assertRejects(() => promise.ping(), PROMISE_DISPOSED);
  await until(async () => (await owner.disposed()) === 1);
});

export const disposingAPromiseDisposesItsResult = withOwner(async (owner) => {
  const promise = owner.target();
  const stub = await promise;
  promise[Symbol.dispose]();
  await assertRejects(() => stub.ping(), STUB_DISPOSED);
  await until(async () => (await owner.disposed()) === 1);
});

export const theLastStubsEndIsHeard = withOwner(async (owner) => {
  {
    using stub = await owner.target();
    using copy = stub.dup();
    stub[Symbol.dispose]();
    assertEquals(await copy.ping(), "pong");
    assertEquals(await owner.disposed(), 0);
  }
  await until(async () => (await owner.disposed()) === 1);
});

export const aFunctionsDisposerIsCalledToo = withOwner(async (owner) => {
  {
    using stub = await owner.func();
    assertEquals(await stub(), "called");
  }
  await until(async () => (await owner.disposed()) === 1);
});

export const aResultDisposesItsStubs = withOwner(async (owner) => {
  const result = await owner.two();
  assertEquals(Object.keys(result), ["first", "second", "plain"]);
  result[Symbol.dispose]();
  await assertRejects(() => result.first.ping(), STUB_DISPOSED);
  await until(async () => (await owner.disposed()) === 2);
});

export const everyResultThatIsAnObjectCanBeDisposedOf = withOwner(async (owner) => {
  for (const value of [{}, [1], new Map(), new Date(), new Uint8Array(1)]) {
    const result = await owner.echo(value);
    assertEquals(typeof result[Symbol.dispose], "function");
    assertEquals(Object.getOwnPropertyDescriptor(result, Symbol.dispose)?.enumerable, false);
    result[Symbol.dispose]();
  }
});

export const aCallsArgumentsEndWithIt = withOwner(async (owner) => {
  let disposed = 0;
  assertEquals(await owner.use(new Watched(() => disposed++)), "pong");
  await until(() => disposed === 1);
  await owner.useSeveral([new Watched(() => disposed++), new Watched(() => disposed++)]);
  await until(() => disposed === 3);
});

export const argumentsEndWhenACallThrows = withOwner(async (owner) => {
  let disposed = 0;
  await assertRejects(() => owner.throwAfterUse(new Watched(() => disposed++)), "RangeError: after use");
  await until(() => disposed === 1);
});

export const anArgumentThatIsKeptHasToBeCopied = withOwner(async (owner) => {
  await owner.keepWithoutCopy(new Watched(() => {}));
  await assertRejects(() => owner.useKept(), STUB_DISPOSED);
  let disposed = 0;
  await owner.keep(new Watched(() => disposed++));
  assertEquals([await owner.useKept(), disposed], ["pong", 0]);
  await owner.letGo();
  await until(() => disposed === 1);
});

export const aStubThatIsPassedStaysItsOwners = withOwner(async (owner) => {
  using stub: any = new (RpcStub as any)(new Watched(() => {}));
  assertEquals([await owner.use(stub), await owner.use(stub), await stub.ping()], ["pong", "pong", "pong"]);
});

export const aStubThatIsReturnedIsItsReceivers = withOwner(async (owner) => {
  await owner.keep(new Watched(() => {}));
  using stub = await owner.takeKept();
  assertEquals(await stub.ping(), "pong");
  await assertRejects(() => owner.useKept(), STUB_DISPOSED);
});

export const anArgumentThatIsReturnedLivesOn = withOwner(async (owner) => {
  let disposed = 0;
  {
    using stub = await owner.echo(new Watched(() => disposed++));
    assertEquals([await stub.ping(), disposed], ["pong", 0]);
  }
  await until(() => disposed === 1);
});

export const aResultThatOnlyItsMembersUseIsDisposedOf = withOwner(async (owner) => {
  {
    using promise = owner.target();
    assertEquals(await promise.ping(), "pong");
  }
  await until(async () => (await owner.disposed()) === 1);
});

export const aLocalStubTellsItsTarget = withOwner(async () => {
  let disposed = 0;
  const stub: any = new (RpcStub as any)(new Watched(() => disposed++));
  const copy = stub.dup();
  stub[Symbol.dispose]();
  assertEquals(await copy.ping(), "pong");
  copy[Symbol.dispose]();
  await until(() => disposed === 1);
  assertThrows(() => (RpcStub as any)(() => {}), "TypeError: Failed to construct 'JsRpcStub': Please use the 'new' operator, this object constructor cannot be called as a function.");
});

export const whatACallPassedOnEndsWithIt = withOwner(async (owner, _, ctx) => {
  await ctx.exports.Passing.passFunction(owner.name);
  await assertRejects(() => owner.callKept(), ENDED);
});

export const whatACallReturnedLivesWhileItIsHeld = withOwner(async (_, __, ctx) => {
  using target = await ctx.exports.Passing.returnTarget();
  assertEquals(await target.ping(), 1);
  await scheduler.wait(5);
  assertEquals(await target.ping(), 2);
});
