// Calls on results that are not there yet, and the order in which calls arrive.
import { DurableObject, RpcTarget } from "cloudflare:workers";
import { assertEquals, assertRejects } from "./assert.ts";

class Node extends RpcTarget {
  constructor(readonly path: string[], readonly log: string[]) {
    super();
  }

  child(name: string) {
    this.log.push(`child ${name}`);
    return new Node([...this.path, name], this.log);
  }

  async slowChild(name: string) {
    await scheduler.wait(5);
    return this.child(name);
  }

  get parentOfAll(): any {
    return new Node([], this.log);
  }

  where() {
    return this.path.join("/");
  }

  same(value: any): any {
    return value;
  }

  note(text: string) {
    return this.log.push(text);
  }
}

export class Tree extends DurableObject {
  #log: string[] = [];

  root(): any {
    return new Node([], this.#log);
  }

  async slowRoot(): Promise<any> {
    await scheduler.wait(5);
    return new Node([], this.#log);
  }

  log() {
    return this.#log;
  }

  value(): any {
    return { number: 1, deep: { deeper: { text: "found", call: () => "called" } }, list: [1, 2], date: new Date(5), map: new Map([[1, 2]]) };
  }

  adder(a: number): any {
    return (b: number) => a + b;
  }

  number(): any {
    return 5;
  }

  nothing(): any {
    return null;
  }

  promised(): any {
    return Promise.resolve({ call: () => "promised" });
  }

  passedOn(): any {
    return (this.env as any).Tree.getByName("passed on").root();
  }

  fails(): any {
    throw new RangeError("no result");
  }
}

interface Env {
  Tree: DurableObjectNamespace<Tree>;
}

function withTree(steps: (tree: any, env: Env) => Promise<void>) {
  const name = `tree ${++withTree.tests}`;
  return {
    test: (_: unknown, env: Env) => steps(env.Tree.getByName(name), env),
  };
}
withTree.tests = 0;

export const aChainIsCalledWithoutWaiting = withTree(async (tree) => {
  assertEquals(await tree.root().child("a").child("b").where(), "a/b");
  assertEquals(await tree.slowRoot().slowChild("a").child("b").where(), "a/b");
  assertEquals(await tree.root().parentOfAll.child("c").where(), "c");
});

export const membersOfAResultAreReached = withTree(async (tree) => {
  assertEquals([await tree.value().number, await tree.value().deep.deeper.text, await tree.value().deep.deeper.call()], [1, "found", "called"]);
  assertEquals(await tree.adder(1)(2), 3);
  assertEquals(await tree.promised().call(), "promised");
});

export const whatAResultLacksIsNamed = withTree(async (tree) => {
  const missing = (name: string) => `TypeError: The RPC receiver does not implement the method "${name}".`;
  for (const [call, error] of [
    [() => tree.number().x, missing("x")],
    [() => tree.number().x(), missing("x")],
    [() => tree.number()(), 'TypeError: "(this)" is not a function.'],
    [() => tree.nothing().x.y, missing("x")],
    [() => tree.value().none, missing("none")],
    [() => tree.value().none.more, missing("none")],
    [() => tree.value().number(), 'TypeError: "number" is not a function.'],
    [() => tree.value()(), 'TypeError: "(this)" is not a function.'],
    [() => tree.value().list.length, missing("list")],
    [() => tree.value().date.getTime(), missing("date")],
    [() => tree.value().map.get(1), missing("map")],
  ] as [() => any, string][]) {
    await assertRejects(call, error);
  }
});

export const aFailureReachesAllThatWaitForIt = withTree(async (tree) => {
  const failed = tree.fails();
  const child = failed.child("a");
  await assertRejects(() => child.where(), "RangeError: no result");
  await assertRejects(() => child, "RangeError: no result");
  await assertRejects(() => failed, "RangeError: no result");
});

export const callsKeepTheirOrderAcrossTheResultsArrival = withTree(async (tree) => {
  const root = tree.slowRoot();
  const calls = [root.note("1"), root.note("2")];
  const node = await root;
  calls.push(node.note("3"), root.note("4"));
  assertEquals(await Promise.all(calls), [1, 2, 3, 4]);
  assertEquals(await tree.log(), ["1", "2", "3", "4"]);
  node[Symbol.dispose]();
});

export const aPromiseIsCalledAfterItWasAwaited = withTree(async (tree) => {
  const promise = tree.root();
  const node = await promise;
  assertEquals([await promise.child("a").where(), await node.child("b").where()], ["a", "b"]);
  promise[Symbol.dispose]();
});

export const aStubOfAThirdPartyIsCalledThroughItsCaller = withTree(async (tree, env) => {
  assertEquals(await tree.passedOn().child("x").where(), "x");
  using node = await tree.passedOn();
  await node.note("directly");
  assertEquals(await (env.Tree.getByName("passed on") as any).log(), ["child x", "directly"]);
});

export const callsOnOneTargetKeepTheirOrder = withTree(async (tree) => {
  using root = await tree.root();
  const lengths = await Promise.all(Array.from({ length: 100 }, (_, i) => root.note(`${i}`)));
  assertEquals(lengths, Array.from({ length: 100 }, (_, i) => i + 1));
});

export const manyCallsWaitForOneResult = withTree(async (tree) => {
  using root = tree.slowRoot();
  const lengths = await Promise.all(Array.from({ length: 500 }, (_, i) => root.note(`${i}`)));
  assertEquals(lengths.at(-1), 500);
});

export const anArgumentOfAPipelinedCallIsCopiedWhenItIsMade = withTree(async (tree) => {
  const value = { list: [1] };
  const copy = tree.slowRoot().same(value);
  value.list.push(2);
  assertEquals((await copy).list, [1]);
});

export const theResultOfAPropertyIsCalled = withTree(async (tree) => {
  using root = await tree.root();
  using parent = await root.parentOfAll;
  assertEquals(await parent.child("p").where(), "p");
});
