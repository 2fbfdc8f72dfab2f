// Methods of an object called through its stub.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

class Unauthorized extends Error {
  override name = "Unauthorized";
  status = 401;
}

class Point {
  x = 1;
}

class Base extends DurableObject {
  inherited() {
    return "from the base class";
  }
}

export class Service extends Base {
  ownValue = 1;
  ownMethod = () => 1;
  #count = 0;
  #log: number[] = [];

  async greet(name: string): Promise<string> {
    return `Hello, ${name}!`;
  }

  plain(a: number, b: number) {
    return a + b;
  }

  nothing() {}

  echo(value: any): any {
    return value;
  }

  all(...values: any[]): any {
    return values;
  }

  get value() {
    return 7;
  }

  get later() {
    return Promise.resolve(8);
  }

  increment() {
    return ++this.#count;
  }

  log(n: number) {
    this.#log.push(n);
    return this.#log;
  }

  async slow(n: number) {
    await scheduler.wait(5);
    this.#log.push(n);
    return n;
  }

  thisIs() {
    return [this instanceof Service, this instanceof DurableObject, this.ctx.id.name];
  }

  throws(kind: string): any {
    switch (kind) {
      case "TypeError":
        throw new TypeError("a type");
      case "RangeError":
        throw new RangeError("a range");
      case "custom":
        throw new Unauthorized("who are you?");
      case "cause":
        throw new Error("outer", { cause: new TypeError("inner") });
      case "DOMException":
        throw new DOMException("stopped", "AbortError");
      case "string":
        throw "a string";
    }
  }

  async rejects() {
    await scheduler.wait(1);
    throw new SyntaxError("later");
  }

  instance(): any {
    return new Point();
  }

  async fetch() {
    return new Response("fetched");
  }

  alarm() {}

  get() {
    return "a method named get";
  }

  put() {
    return "a method named put";
  }

  async callAnother(name: string): Promise<number> {
    return (await (this.env as Env).Service.getByName(name).increment()) + 100;
  }
}

interface Env {
  Service: DurableObjectNamespace<Service>;
}

// A test with a service of its own.
function withService(steps: (service: any, env: Env) => Promise<void>) {
  const position = ++withService.tests;
  return {
    test(_: unknown, env: Env) {
      return steps(env.Service.getByName(`service ${position}`), env);
    },
  };
}
withService.tests = 0;

export const anAsyncMethodIsCalled = withService(async (service) => {
  assertEquals(await service.greet("Ann"), "Hello, Ann!");
});

export const aPlainMethodIsCalled = withService(async (service) => {
  assertEquals(await service.plain(1, 2), 3);
});

export const aMethodMayReturnNothing = withService(async (service) => {
  assertEquals(await service.nothing(), undefined);
});

export const anInheritedMethodIsCalled = withService(async (service) => {
  assertEquals(await service.inherited(), "from the base class");
});

export const thisIsTheInstance = withService(async (service) => {
  assertEquals((await service.thisIs()).slice(0, 2), [true, true]);
});

export const memoryStaysBetweenCalls = withService(async (service, env) => {
  assertEquals(await service.increment(), 1);
  assertEquals(await service.increment(), 2);
  assertEquals(await env.Service.get(service.id).increment(), 3);
});

export const aGetterIsRead = withService(async (service) => {
  assertEquals(await service.value, 7);
  assertEquals(await service.later, 8);
});

export const aGetterIsNotCalled = withService(async (service) => {
  await assertRejects(() => service.value(), 'TypeError: "value" is not a function.');
});

export const argumentsKeepTheirNumber = withService(async (service) => {
  assertEquals(await service.all(), []);
  assertEquals(await service.all(1, undefined, null, "four"), [1, undefined, null, "four"]);
});

export const valuesPassBothWays = withService(async (service) => {
  for (const value of [
    undefined, null, true, 0, -0, NaN, 1.5, 10n ** 30n, "text 🦀", [], {}, { a: [1, { b: undefined }] },
    new Date(0), /a/gi, new Map([[1, new Set(["x"])]]), new Uint8Array([1, 2]), new Uint8Array([1, 2]).buffer,
    new Float32Array([1.5]),
  ]) {
    assertEquals(await service.echo(value), value);
  }
});

export const anErrorIsAValueToo = withService(async (service) => {
  const error = await service.echo(new RangeError("not thrown"));
  assert(error instanceof RangeError);
  assertEquals(error.message, "not thrown");
});

export const aCyclePasses = withService(async (service) => {
  const value: any = { name: "loop" };
  value.self = value;
  const copy = await service.echo(value);
  assert(copy.self === copy && copy !== value);
});

export const aValueIsCopied = withService(async (service) => {
  const value = { a: 1 };
  const copy = await service.echo(value);
  copy.a = 2;
  assertEquals(value.a, 1);
});

export const anArgumentIsCopiedWhenTheCallIsMade = withService(async (service) => {
  const value = { a: 1 };
  const call = service.echo(value);
  value.a = 2;
  assertEquals(await call, { a: 1 });
});

export const requestsAndResponsesPass = withService(async (service) => {
  const response = await service.echo(new Response("body", { status: 201, headers: { "X-A": "1" } }));
  assert(response instanceof Response);
  assertEquals([response.status, response.headers.get("X-A"), await response.text()], [201, "1", "body"]);
  const request = await service.echo(new Request("http://example.com/", { method: "POST", body: "sent" }));
  assert(request instanceof Request);
  assertEquals([request.method, request.url, await request.text()], ["POST", "http://example.com/", "sent"]);
});

export const headersPass = withService(async (service) => {
  const headers = await service.echo(new Headers({ a: "1", b: "2" }));
  assert(headers instanceof Headers);
  assertEquals([...headers], [["a", "1"], ["b", "2"]]);
});

export const anInstanceOfAClassDoesNotPass = withService(async (service) => {
  const message = 'DataCloneError: Could not serialize object of type "Point". This type does not support serialization.';
  await assertRejects(() => service.echo(new Point()), message);
  await assertRejects(() => service.instance(), message);
});

export const whatCannotBeClonedDoesNotPass = withService(async (service) => {
  await assertRejects(() => service.echo(Symbol("s")), "DataCloneError: Symbol(s) could not be cloned.");
  await assertRejects(() => service.echo(new WeakMap()), "DataCloneError: #<WeakMap> could not be cloned.");
  await assertRejects(() => service.echo(Promise.resolve()), "DataCloneError: #<Promise> could not be cloned.");
});

export const anErrorKeepsItsClassAndMessage = withService(async (service) => {
  for (const [kind, Class, message] of [["TypeError", TypeError, "a type"], ["RangeError", RangeError, "a range"]] as const) {
    const error = await service.throws(kind).catch((error: unknown) => error);
    assert(error instanceof Class);
    assertEquals(error.message, message);
  }
  await assertRejects(() => service.rejects(), "SyntaxError: later");
});

export const anErrorSaysThatItIsRemote = withService(async (service) => {
  const error = await service.throws("TypeError").catch((error: unknown) => error);
  assertEquals(error.remote, true);
  assertEquals(error.durableObjectId, service.id.toString());
  assertEquals("durableObjectReset" in error, false);
});

export const anErrorOfAnOwnClassKeepsItsNameAndProperties = withService(async (service) => {
  const error = await service.throws("custom").catch((error: unknown) => error);
  assert(error instanceof Error);
  assertEquals([error.name, error.message, (error as any).status], ["Unauthorized", "who are you?", 401]);
});

export const anErrorKeepsItsCause = withService(async (service) => {
  const error = await service.throws("cause").catch((error: unknown) => error);
  assertEquals(error.message, "outer");
  assert(error.cause instanceof TypeError);
  assertEquals(error.cause.message, "inner");
});

export const aDomExceptionStaysOne = withService(async (service) => {
  const error = await service.throws("DOMException").catch((error: unknown) => error);
  assert(error instanceof DOMException);
  assertEquals([error.name, error.message, (error as any).remote], ["AbortError", "stopped", true]);
});

export const aThrownStringBecomesAnError = withService(async (service) => {
  const error = await service.throws("string").catch((error: unknown) => error);
  assert(error instanceof Error);
  assertEquals([error.message, (error as any).remote], ["a string", true]);
});

export const theObjectAnswersAfterAnError = withService(async (service) => {
  await service.increment();
  await assertRejects(() => service.throws("TypeError"), "TypeError: a type");
  assertEquals(await service.increment(), 2);
});

export const aMissingMethodIsNamed = withService(async (service) => {
  const message = 'TypeError: The RPC receiver does not implement the method "missing".';
  await assertRejects(() => service.missing(), message);
  await assertRejects(() => service.missing, message);
});

export const ownPropertiesOfTheInstanceAreHidden = withService(async (service) => {
  for (const name of ["ownValue", "ownMethod", "ctx", "env"]) {
    await assertRejects(() => service[name], `TypeError: The RPC receiver does not implement the method "${name}".`);
  }
});

export const handlersAreReserved = withService(async (service) => {
  for (const name of ["alarm", "webSocketMessage", "webSocketClose", "webSocketError", "dup"]) {
    await assertRejects(() => service[name](), `TypeError: '${name}' is a reserved method and cannot be called over RPC.`);
  }
});

export const fetchOnAStubIsTheHandler = withService(async (service) => {
  assertEquals(await (await service.fetch("http://object/")).text(), "fetched");
});

export const getAndPutAreOrdinaryNames = withService(async (service) => {
  assertEquals(await service.get(), "a method named get");
  assertEquals(await service.put(), "a method named put");
});

export const aStubIsNotAPromise = withService(async (service) => {
  assertEquals(service.then, undefined);
  assert((await service) === service);
});

export const callsOnOneStubKeepTheirOrder = withService(async (service) => {
  const calls = [1, 2, 3, 4, 5].map((n) => service.log(n));
  assertEquals((await Promise.all(calls)).at(-1), [1, 2, 3, 4, 5]);
});

export const callsRunWhileOthersWait = withService(async (service) => {
  const slow = service.slow(1);
  await service.log(2);
  await slow;
  assertEquals(await service.log(3), [2, 1, 3]);
});

export const manyCallsRunAtOnce = withService(async (service) => {
  const counts = await Promise.all(Array.from({ length: 200 }, () => service.increment()));
  assertEquals(counts, Array.from({ length: 200 }, (_, i) => i + 1));
});

export const objectsCallObjects = withService(async (service) => {
  assertEquals(await service.callAnother("called by another"), 101);
  assertEquals(await service.callAnother("called by another"), 102);
});

export const manyObjectsAreCalledAtOnce = withService(async (_, env) => {
  const calls = Array.from({ length: 50 }, (_, i) => env.Service.getByName(`many ${i}`).greet(String(i)));
  assertEquals(await Promise.all(calls), Array.from({ length: 50 }, (_, i) => `Hello, ${i}!`));
});

export const anUnawaitedCallIsStillMade = withService(async (service) => {
  service.increment();
  assertEquals(await service.increment(), 2);
});
