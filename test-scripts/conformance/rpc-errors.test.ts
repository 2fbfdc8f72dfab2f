// What a caller hears when something fails on the way or on the other side.
import { DurableObject, RpcTarget } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

class Failing extends RpcTarget {
  fail() {
    throw new RangeError("in the target");
  }

  async slow() {
    await scheduler.wait(1000);
    return "too late";
  }

  ping() {
    return "pong";
  }
}

export class Service extends DurableObject {
  target(): any {
    return new Failing();
  }

  reset() {
    this.ctx.abort("reset on purpose");
  }

  async targetBeforeReset(): Promise<any> {
    await this.ctx.storage.put("never durable", 1);
    queueMicrotask(async () => {
      for (let i = 0; i < 100; i++) await null;
      this.reset();
    });
    return new Failing();
  }

  echo(value: any): any {
    return value;
  }

  bytes(length: number) {
    return new Uint8Array(length);
  }

  async callAndCatch(callback: any): Promise<any> {
    try {
      return await callback();
    } catch (error: any) {
      return [String(error), error.remote ?? false];
    }
  }

  async callIt(callback: any): Promise<any> {
    return await callback();
  }

  throwWith(value: any): any {
    throw value;
  }

  throwObject(): any {
    throw { code: 7 };
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

const thrown = (promise: PromiseLike<unknown>) => Promise.resolve(promise).then(() => assert(false, "should have thrown"), (error) => error as any);
const marks = (error: any) => [error.remote, error.durableObjectReset, error.retryable, error.overloaded].map(Boolean);
const ENDED = "Error: The execution context which hosts this callback is no longer running.";

export const anErrorOfATargetNamesItsObject = withService(async (service) => {
  using target = await service.target();
  const error = await thrown(target.fail());
  assert((error as unknown) instanceof RangeError);
  assertEquals([error.message, error.remote, error.durableObjectId], ["in the target", true, service.id.toString()]);
  assertEquals((await thrown(target.missing())).durableObjectId, service.id.toString());
});

export const anErrorOfACallbackPassesThroughBothWays = withService(async (service) => {
  const fail = () => {
    throw new TypeError("in the callback");
  };
  await assertRejects(() => service.callIt(fail), "TypeError: in the callback");
  assertEquals(await service.callAndCatch(fail), ["TypeError: in the callback", true]);
});

export const aThrownObjectStaysOne = withService(async (service) => {
  const error = await thrown(service.throwObject());
  assertEquals([error.code, error.remote, error instanceof Error], [7, true, false]);
});

export const anErrorKeepsItsOwnProperties = withService(async (service) => {
  const error = await thrown(service.throwWith(Object.assign(new Error("with more"), { detail: { a: [1] } })));
  assertEquals([error.message, error.detail], ["with more", { a: [1] }]);
});

export const targetsOfAResetObjectAreGone = withService(async (service, env) => {
  const target = await service.target();
  await assertRejects(() => service.reset(), "Error: reset on purpose");
  for (let i = 0; i < 2; i++) {
    const error = await thrown(target.ping());
    assertEquals([String(error), ...marks(error)], [ENDED, false, false, false, false]);
  }
  assertEquals(await (env.Service.getByName(service.name) as any).echo(1), 1);
  await assertRejects(() => target.ping(), ENDED);
});

export const aCallUnderWayHearsOfTheReset = withService(async (service) => {
  const target = await service.target();
  const slow = thrown(target.slow());
  await scheduler.wait(1);
  const reset = await thrown(service.reset());
  assertEquals([reset.message, reset.durableObjectReset], ["reset on purpose", true]);
  const error = await slow;
  assertEquals([error.message, ...marks(error)], ["reset on purpose", true, true, false, false]);
});

export const theStubOfAResetObjectStaysBroken = withService(async (service) => {
  await assertRejects(() => service.reset(), "Error: reset on purpose");
  for (let i = 0; i < 2; i++) {
    const error = await thrown(service.echo(1));
    assertEquals([error.message, error.durableObjectReset], ["reset on purpose", true]);
  }
});

export const aResultOfAResetObjectIsBroken = withService(async (service) => {
  const promise = service.target();
  await promise;
  await assertRejects(() => service.reset(), "Error: reset on purpose");
  await assertRejects(() => promise.ping(), ENDED);
});

export const aCallOnAResultThatIsLostFailsAsItsCallDoes = withService(async (service) => {
  const target = service.targetBeforeReset();
  const errors = await Promise.all([target, target.ping(), target.ping.further(), target.ping().further()].map(thrown));
  for (const error of errors) {
    assertEquals([error.message, error.durableObjectReset], ["reset on purpose", true]);
  }
});

export const largeMessagesAreRefused = withService(async (service) => {
  const TOO_LARGE = /^Error: Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: \d+ bytes\.$/;
  await assertRejects(() => service.echo(new Uint8Array(32 * 1024 * 1024)), TOO_LARGE);
  await assertRejects(() => service.bytes(32 * 1024 * 1024), TOO_LARGE);
  assertEquals((await service.bytes(31 * 1024 * 1024)).length, 31 * 1024 * 1024);
});

export const whatCannotPassFailsOnlyItsCall = withService(async (service) => {
  await assertRejects(() => service.echo(Symbol("no")), "DataCloneError: Symbol(no) could not be cloned.");
  assertEquals(await service.echo("after"), "after");
});

export const aResetNamesTheObjectWhoseTargetWasCalled = withService(async (service, env) => {
  using target = await service.target();
  const slow = thrown(target.slow());
  await scheduler.wait(1);
  await thrown(env.Service.get(service.id).reset());
  const error = await slow;
  assertEquals(error.message, "reset on purpose");
  assertEquals({ ...error }, { remote: true, durableObjectReset: true, durableObjectId: service.id.toString() });
});
