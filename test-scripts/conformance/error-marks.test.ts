// What errors tell their receivers to do: `retryable`, `overloaded` and the like, and what becomes of them on the way.
import { DurableObject } from "cloudflare:workers";
import { assertEquals } from "./assert.ts";

export class Marking extends DurableObject {
  throwWith(marks: object) {
    throw Object.assign(new Error("mine"), marks);
  }

  async blockAndThrow(marks: object) {
    await this.ctx.blockConcurrencyWhile(async () => this.throwWith(marks));
  }

  reset() {
    this.ctx.abort("reset on purpose");
  }
}

interface Env {
  Marking: DurableObjectNamespace<Marking>;
}

const told = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then((value) => [value], (error: any) => [String(error), { ...error }]);

export const whatAnObjectMarksItsCallerSees = {
  async test(_: unknown, env: Env) {
    const stub: any = env.Marking.getByName("marks");
    const marks = { retryable: true, overloaded: true, durableObjectReset: true, other: 1 };
    assertEquals(await told(stub.throwWith(marks)), [
      "Error: mine",
      { ...marks, durableObjectId: stub.id.toString(), remote: true },
    ]);
    assertEquals(await told(stub.throwWith({ retryable: false, remote: false })), [
      "Error: mine",
      { retryable: false, remote: true, durableObjectId: stub.id.toString() },
    ]);
  },
};

export const aCriticalSectionThatThrowsKeepsTheMarks = {
  async test(_: unknown, env: Env) {
    for (const marks of [{ retryable: true, other: 1 }, { overloaded: true }]) {
      const stub: any = env.Marking.getByName("section");
      assertEquals(await told(stub.blockAndThrow(marks)), ["Error: mine", { ...marks, durableObjectReset: true }]);
    }
  },
};

export const aResetIsNotRetryable = {
  async test(_: unknown, env: Env) {
    const stub: any = env.Marking.getByName("reset");
    assertEquals(await told(stub.reset()), ["Error: reset on purpose", { durableObjectReset: true }]);
  },
};
