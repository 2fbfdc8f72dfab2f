// How many values of an object may be in use elsewhere, and what is said of one more.
import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertRejects } from "../conformance/assert.ts";

const AT_ONCE = 32_768;

export class Generous extends DurableObject {
  functions(count: number): any {
    return Array.from({ length: count }, (_, index) => () => index);
  }
}

interface Env {
  Generous: DurableObjectNamespace<Generous>;
}

export const anObjectsValuesInUseAreBounded = {
  async test(_: unknown, env: Env) {
    const stub = env.Generous.getByName("generous") as any;
    const held: any[] = [];
    while (held.length < 7) held.push(await stub.functions(AT_ONCE));
    const words = "Error: Too many RPC stubs: no more than 262144 may be in use at a time. Dispose of those that are not needed any more.";
    await assertRejects(async () => await stub.functions(AT_ONCE + 1), words);
    // Nothing of what was refused counts any more.
    const rest = await stub.functions(AT_ONCE - 16);
    assertEquals(await rest[5](), 5);
    rest[Symbol.dispose]();
    assertEquals(await held[6][5](), 5);
    held.pop()[Symbol.dispose]();
    // The object hears of it in turns of its own.
    await scheduler.wait(1000);
    using functions = await stub.functions(7);
    assertEquals(await functions[6](), 6);
    for (const each of held) each[Symbol.dispose]();
  },
};
