// node:async_hooks: values that travel with the code that was started with them.
import { DurableObject } from "cloudflare:workers";
// @ts-expect-error: no types of Node's modules are installed
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
// @ts-expect-error: the same
import hooks from "node:async_hooks";

interface Env {
  Teller: DurableObjectNamespace<Teller>;
}

const user = new AsyncLocalStorage();

function equal(found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`found ${a}, expected ${b}`);
}

function thrown(run: () => unknown): string {
  try {
    return `nothing: ${run()}`;
  } catch (error) {
    return String(error);
  }
}

let kept: (fn: () => unknown) => unknown;

export class Teller extends DurableObject {
  async tell(): Promise<unknown> {
    return await user.run(this.ctx.id.name, async () => {
      await this.ctx.storage.put("x", 1);
      kept = AsyncLocalStorage.snapshot();
      return [user.getStore(), await this.ctx.storage.get("x")];
    });
  }

  async again(): Promise<string> {
    return String(kept(() => user.getStore()));
  }
}

export const aStoreIsSeenByEverythingThatItsCodeStarts = {
  async test() {
    equal(user.getStore(), undefined);
    const later = user.run("ann", () => new Promise((resolve) => setTimeout(() => resolve(user.getStore()), 1)));
    equal(user.getStore(), undefined);
    equal(await later, "ann");
    equal(
      await user.run("ann", async () => {
        await scheduler.wait(1);
        const inner = await user.run("bob", async () => (await scheduler.wait(1), user.getStore()));
        return [user.getStore(), inner, user.exit(() => user.getStore() ?? null)];
      }),
      ["ann", "bob", null],
    );
  },
};

export const theStoreBeforeIsBackAfterAThrow = {
  test() {
    equal(
      user.run(1, () => {
        thrown(() => user.run(2, missing));
        return user.getStore();
      }),
      1,
    );
    function missing(): never {
      throw new Error("no");
    }
  },
};

export const aMomentCanBeKeptAndGoneBackTo = {
  test() {
    const snapshot = user.run(3, () => AsyncLocalStorage.snapshot());
    equal(user.run(9, () => snapshot((a: number, b: number) => [user.getStore(), a, b], 4, 5)), [3, 4, 5]);
    const bound = user.run(6, () => AsyncLocalStorage.bind((x: number) => [user.getStore(), x]));
    equal(bound(7), [6, 7]);
    const resource = user.run("then", () => new AsyncResource("mine"));
    equal(resource.runInAsyncScope(function (this: unknown, x: number) {
      return [user.getStore(), this, x];
    }, "self", 8), ["then", "self", 8]);
    equal(resource.bind(() => user.getStore())(), "then");
    equal([resource.asyncId(), resource.triggerAsyncId()], [0, 0]);
  },
};

export const objectsKeepTheirStoresApart = {
  async test(_: unknown, env: Env) {
    const names = ["a", "b", "c"];
    const told = await Promise.all(names.map((name) => env.Teller.getByName(name).tell()));
    equal(told, [["a", 1], ["b", 1], ["c", 1]]);
    const refused =
      "Error: Cannot call this AsyncLocalStorage bound function outside of the request in which it was created.";
    equal(thrown(() => kept(() => 1)), refused);
    await env.Teller.getByName("d").tell();
    equal(await env.Teller.getByName("d").again(), "d");
    equal(await env.Teller.getByName("e").again().catch(String), refused);
  },
};

export const whatIsRefused = {
  test() {
    equal(thrown(() => user.enterWith(1)), "Error: asyncLocalStorage.enterWith() is not implemented");
    equal(thrown(() => user.disable()), "Error: asyncLocalStorage.disable() is not implemented");
    equal(
      thrown(() => AsyncLocalStorage.bind(1)),
      "TypeError: Failed to execute 'bind' on 'AsyncLocalStorage': parameter 1 is not of type 'Function'.",
    );
    equal(
      thrown(() => user.run(1)),
      "TypeError: Failed to execute 'run' on 'AsyncLocalStorage': parameter 2 is not of type 'function'.",
    );
    equal(hooks.AsyncLocalStorage === AsyncLocalStorage, true);
  },
};
