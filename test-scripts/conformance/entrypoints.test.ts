// What a worker exports, reached from within: ctx.exports, entrypoints, their properties; env.
import { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint, env as importedEnv, exports, tracing, waitUntil, withEnv, withEnvAndExports, withExports } from "cloudflare:workers";
import * as workers from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

// The types do not have these yet.
const { ServiceStub, restore } = workers as any;

export class Room extends DurableObject<Env> {
  roomName() {
    return this.ctx.id.name;
  }

  exported() {
    return Object.keys(this.ctx.exports).includes("Greeter");
  }

  props() {
    return this.ctx.props;
  }

  async greetVia(greeter: any, name: string): Promise<any> {
    return await greeter.greet(name);
  }

  async callEntrypoint(): Promise<any> {
    return await (this.ctx.exports as any).Greeter({ props: { greeting: "Hi from inside" } }).greet("Ann");
  }

  seesQ() {
    return "Q" in importedEnv;
  }
}

class Base extends WorkerEntrypoint<Env> {
  inherited() {
    return "inherited";
  }
}

export class Greeter extends Base {
  count = 0;

  greet(name: string) {
    this.count++;
    return `${(this.ctx.props as any).greeting ?? "Hello"}, ${name}! (${this.count})`;
  }

  get version() {
    return 3;
  }

  props(): any {
    return this.ctx.props;
  }

  bindings() {
    return Object.keys(this.env);
  }

  fail() {
    throw new RangeError("in the entrypoint");
  }

  counter(): any {
    let count = 0;
    return new (class extends RpcTarget {
      increment() {
        return ++count;
      }
    })();
  }

  async later(): Promise<any> {
    this.ctx.waitUntil(scheduler.wait(1));
    return "now";
  }

  async roomName(name: string): Promise<any> {
    return await this.env.Room.getByName(name).roomName();
  }

  override async fetch(request: Request) {
    return new Response(`${request.method} ${request.url} ${JSON.stringify(this.ctx.props)} ${await request.text()}`);
  }
}

export class Silent extends WorkerEntrypoint {}

export class Unwilling extends WorkerEntrypoint {
  constructor(ctx: any, env: any) {
    super(ctx, env);
    throw new RangeError("not today");
  }

  call() {}
}

export const handlers = {
  value: 5,
  three(arg: any, env: any, ctx: any) {
    return [arg, Object.keys(env).includes("Room"), typeof ctx.waitUntil, this === handlers];
  },
  two(arg: any, env: any) {
    return [arg, Object.keys(env).includes("Room")];
  },
  none() {
    return "none";
  },
  four(_a: any, _b: any, _c: any, _d: any) {},
  scheduled(controller: any, _env: any, _ctx: any) {
    return ["called", controller];
  },
  fetch(request: Request) {
    return new Response(`handlers ${request.url}`);
  },
};

export default {
  fetch(request: Request, _env: Env, ctx: any) {
    return new Response(`default ${request.url} ${JSON.stringify(ctx.props)}`);
  },
  greet(name: any, _env: Env, _ctx: any) {
    return `default greets ${name}`;
  },
};

interface Env {
  Room: DurableObjectNamespace<Room>;
}

function withExported(steps: (exported: any, env: Env, ctx: any) => Promise<void>) {
  return {
    test: (_: unknown, env: Env, ctx: any) => steps(ctx.exports, env, ctx),
  };
}

const MISSING = (name: string) => `TypeError: The RPC receiver does not implement the method "${name}".`;

export const everythingExportedIsThere = withExported(async (exported) => {
  for (const name of ["default", "handlers", "Greeter", "Silent", "Room"]) assert(name in exported, name);
  assertEquals([exported.missing, Object.keys(exported).includes("Greeter")], [undefined, true]);
  assertEquals(Object.keys(exports).sort(), Object.keys(exported).sort());
});

export const anEntrypointIsAStubAndAFunction = withExported(async (exported) => {
  const { Greeter } = exported;
  assert(Greeter === exported.Greeter);
  assertEquals([typeof Greeter, Object.prototype.toString.call(Greeter), Object.keys(Greeter), Greeter.then], ["function", "[object LoopbackServiceStub]", [], undefined]);
  assert(Greeter instanceof ServiceStub);
  const stub = Greeter({});
  assertEquals([typeof stub, Object.prototype.toString.call(stub), stub.constructor.name], ["object", "[object Fetcher]", "ServiceStub"]);
  assertThrows(() => new (ServiceStub as any)(), "TypeError: Illegal constructor");
});

export const anEntrypointsMethodsAreCalled = withExported(async ({ Greeter }) => {
  assertEquals([await Greeter.greet("Ann"), await Greeter.inherited(), await Greeter.version], ["Hello, Ann! (1)", "inherited", 3]);
  for (const name of ["count", "ctx", "env", "missing"]) await assertRejects(() => Greeter[name], MISSING(name));
  for (const name of ["alarm", "dup", "webSocketMessage"]) await assertRejects(() => Greeter[name](), `TypeError: '${name}' is a reserved method and cannot be called over RPC.`);
});

export const eachCallHasAnInstanceOfItsOwn = withExported(async ({ Greeter }) => {
  assertEquals([await Greeter.greet("a"), await Greeter.greet("b")], ["Hello, a! (1)", "Hello, b! (1)"]);
});

export const anEntrypointHasProperties = withExported(async ({ Greeter }) => {
  const props = { greeting: "Good morning", nested: { list: [1] } };
  const stub = Greeter({ props });
  props.greeting = "changed";
  assertEquals(await stub.greet("Ann"), "Good morning, Ann! (1)");
  assertEquals([await stub.props(), await Greeter.props(), await Greeter({}).props()], [{ greeting: "Good morning", nested: { list: [1] } }, {}, {}]);
});

export const propertiesAreValues = withExported(async ({ Greeter }, env) => {
  assertThrows(() => Greeter(), "TypeError: Failed to execute '(called as function)' on 'LoopbackServiceStub': parameter 1 is not of type 'Options'.");
  assertThrows(() => Greeter({ props: 1 }), "TypeError: Incorrect type for the 'props' field on 'Options': the provided value is not of type 'Object'.");
  assertThrows(() => Greeter({ props: { f: () => 1 } }), "DataCloneError: () => 1 could not be cloned.");
  assertThrows(() => Greeter({ props: { stub: new (RpcStub as any)({}) } }), "DataCloneError: RpcStub cannot be serialized in this context because it is not a persistent stub.");
  const { room } = await Greeter({ props: { room: env.Room.getByName("in props") } }).props();
  assertEquals(await room.roomName(), "in props");
});

export const anEntrypointAnswersRequests = withExported(async (exported) => {
  const request = { method: "POST", body: "sent" };
  assertEquals(await (await exported.Greeter.fetch("http://a/b", request)).text(), "POST http://a/b {} sent");
  assertEquals(await (await exported.Greeter({ props: { a: 1 } }).fetch("http://a/", request)).text(), 'POST http://a/ {"a":1} sent');
  assertEquals(await (await exported.default.fetch("http://d/")).text(), "default http://d/ {}");
  assertEquals(await (await exported.default({ props: { b: 2 } }).fetch("http://d/")).text(), 'default http://d/ {"b":2}');
  assertEquals(await (await exported.handlers.fetch("http://h/")).text(), "handlers http://h/");
  await assertRejects(() => exported.Silent.fetch("http://a/"), "Error: Handler does not export a fetch() function.");
  await assertRejects(() => exported.Greeter.fetch(), "TypeError: Failed to execute 'fetch' on 'Fetcher': parameter 1 is not of type 'Request or string'.");
});

export const anEntrypointsErrorsReachItsCaller = withExported(async ({ Greeter, Unwilling }) => {
  const error = await Greeter.fail().catch((error: any) => error);
  assert(error instanceof RangeError);
  assertEquals([error.message, (error as any).remote, "durableObjectId" in error], ["in the entrypoint", true, false]);
  await assertRejects(() => Unwilling.call(), "RangeError: not today");
});

export const anEntrypointReturnsTargets = withExported(async ({ Greeter }) => {
  assertEquals(await Greeter.counter().increment(), 1);
  using counter = await Greeter.counter();
  assertEquals([await counter.increment(), await counter.increment()], [1, 2]);
});

export const anEntrypointHasEnvAndWaitUntil = withExported(async ({ Greeter }) => {
  assertEquals([(await Greeter.bindings()).includes("Room"), await Greeter.later(), await Greeter.roomName("by env")], [true, "now", "by env"]);
});

export const functionsOfAPlainObjectTakeOneArgument = withExported(async ({ handlers, default: worker }) => {
  assertEquals(await handlers.three("a"), ["a", true, "function", true]);
  assertEquals([await handlers.two(1), await handlers.none(1), await handlers.value], [[1, true], "none", 5]);
  assertEquals(await worker.greet("Ann"), "default greets Ann");
  assertEquals(await handlers.scheduled("as RPC"), ["called", "as RPC"]);
  const wrongNumber = (name: string) =>
    `TypeError: Attempted to call RPC function "${name}" with the wrong number of arguments. When calling a top-level handler function that is not declared as part of a class, you must always send exactly one argument. In order to support variable numbers of arguments, the server must use class-based syntax (extending WorkerEntrypoint) instead.`;
  await assertRejects(() => handlers.three(), wrongNumber("three"));
  await assertRejects(() => handlers.two(1, 2), wrongNumber("two"));
  await assertRejects(() => handlers.none(), wrongNumber("none"));
  await assertRejects(
    () => handlers.four(1),
    'TypeError: Cannot call handler function "four" over RPC because it has the wrong number of arguments. A simple function handler can only be called over RPC if it has exactly the arguments (arg, env, ctx), where only the first argument comes from the client. To support multi-argument RPC functions, use class-based syntax (extending WorkerEntrypoint) instead.',
  );
  await assertRejects(() => handlers.value(1), 'TypeError: "value" is not a function.');
  await assertRejects(() => handlers.missing(1), MISSING("missing"));
});

export const aServiceStubPasses = withExported(async ({ Greeter }, env) => {
  assertEquals(await (env.Room.getByName("passed") as any).greetVia(Greeter({ props: { greeting: "Hi" } }), "Bob"), "Hi, Bob! (1)");
  for (const name of ["LoopbackServiceStub"]) {
    await assertRejects(() => (env.Room.getByName("passed") as any).greetVia(Greeter, "Bob"), `DataCloneError: Could not serialize object of type "${name}". This type does not support serialization.`);
  }
});

export const anObjectClassIsItsNamespace = withExported(async ({ Room }, env) => {
  assertEquals([typeof Room, Object.prototype.toString.call(Room)], ["function", "[object LoopbackDurableObjectNamespace]"]);
  assertEquals(Room.idFromName("r").toString(), env.Room.idFromName("r").toString());
  assertEquals([await Room.getByName("r").roomName(), await Room.get(Room.idFromName("s")).roomName()], ["r", "s"]);
  assertEquals(Object.prototype.toString.call(Room({ props: { a: 1 } })), "[object DurableObjectClass]");
  assertThrows(() => Room(), "TypeError: Failed to execute '(called as function)' on 'LoopbackDurableObjectNamespace': parameter 1 is not of type 'Options'.");
});

export const anObjectHasExportsAndProps = withExported(async (_, env) => {
  const room: any = env.Room.getByName("has exports");
  assertEquals([await room.exported(), await room.props(), await room.callEntrypoint()], [true, {}, "Hi from inside, Ann! (1)"]);
});

export const envCanBeImported = withExported(async (_, env) => {
  assertEquals(Object.keys(importedEnv).sort(), Object.keys(env).sort());
  (importedEnv as any).added = 1;
  assertEquals((env as any).added, 1);
  delete (importedEnv as any).added;
  assertEquals("added" in env, false);
});

export const envIsReplacedForACall = withExported(async (_, env) => {
  const e = importedEnv as any;
  assertEquals(withEnv({ Q: 1 }, () => [e.Q, Object.keys(e), "Room" in e]), [1, ["Q"], false]);
  assertEquals(await withEnv({ Q: 2 }, async () => {
    await scheduler.wait(1);
    return [e.Q, withEnv({ Q: 3 }, () => e.Q), e.Q];
  }), [2, 3, 2]);
  assertEquals(["Q" in e, await withEnv({ Q: 4 }, () => env.Room.getByName("elsewhere").seesQ())], [false, false]);
  assertEquals(withExports({ E: 1 } as any, () => [(exports as any).E, "Room" in e]), [1, true]);
  assertEquals(withEnvAndExports({ Q: 5 }, { E: 6 } as any, () => [e.Q, (exports as any).E]), [5, 6]);
  assertThrows(() => withEnv({ Q: 7 }, () => { throw new RangeError("passes through"); }), "RangeError: passes through");
  assertThrows(() => (withEnv as any)({}, 5), "TypeError: Failed to execute 'withEnv' on 'EnvModule': parameter 2 is not of type 'function'.");
  assertEquals("Q" in e, false);
});

export const theModuleHasItsNames = withExported(async (_, __, ctx) => {
  const names = ["DurableObject", "RpcPromise", "RpcProperty", "RpcStub", "RpcTarget", "ServiceStub", "WorkerEntrypoint", "WorkflowEntrypoint", "abortIsolate", "cache", "env", "exports", "restore", "tracing", "waitUntil", "withEnv", "withEnvAndExports", "withExports"];
  assertEquals(Object.keys(workers).filter((name) => name !== "default").sort(), names);
  assertEquals(String(restore), "Symbol(cloudflare:workers:restore)");
  assertEquals(waitUntil(Promise.resolve()), undefined);
  assertEquals((tracing as any).enterSpan("span", (span: any, more: number) => [span.isTraced, more], 5), [false, 5]);
  assertEquals([typeof ctx.tracing.enterSpan, ctx.cache, ctx.props], ["function", undefined, {}]);
});
